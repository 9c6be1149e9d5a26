/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/notify/webhook.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>

#include "dfscore/base/base.h"
#include "dfscore/base/buf.h"

struct s3_webhook {
    CURL *curl;
    struct curl_slist *headers;
    const _Atomic bool *stop;
};

static void init_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t throw_away(char *p, size_t size, size_t n, void *arg)
{
    (void)p, (void)arg;
    return size * n;
}

/* Non-zero: give up. */
static int progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct s3_webhook *w = arg;
    (void)a, (void)b, (void)c, (void)d;
    return w->stop && *w->stop;
}

static bool set_options(struct s3_webhook *w, unsigned timeout_ms)
{
    CURL *c = w->curl;
    w->headers = curl_slist_append(NULL, "Content-Type: application/json");
    return w->headers && curl_easy_setopt(c, CURLOPT_HTTPHEADER, w->headers) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, "s3gw") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, throw_away) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, progress) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_XFERINFODATA, w) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK;
}

int s3_webhook_new(unsigned timeout_ms, const _Atomic bool *stop, struct s3_webhook **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_library);
    AUTO(s3_webhook_free) struct s3_webhook *w = dfs_zalloc(sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->stop = stop;
    w->curl = curl_easy_init();
    if (!w->curl || !set_options(w, timeout_ms))
        return -ENOMEM;
    *ret = TAKE(w);
    return 0;
}

void s3_webhook_free(struct s3_webhook **wp)
{
    struct s3_webhook *w = TAKE(*wp);
    if (!w)
        return;
    curl_easy_cleanup(w->curl);
    curl_slist_free_all(w->headers);
    free(w);
}

bool s3_webhook_url_ok(struct str url)
{
    struct str rest = url;
    if (str_starts(url, STR("http://")))
        rest = str_from(url, STR("http://").n);
    else if (str_starts(url, STR("https://")))
        rest = str_from(url, STR("https://").n);
    if (rest.n == url.n || rest.n == 0 || rest.p[0] == '/') /* libcurl forgives "http:///host" */
        return false;
    AUTO(buf_free) struct buf text = BUF(url.n + 1);
    buf_adds(&text, url);
    buf_add(&text, "", 1);
    CURLU *u = buf_err(&text) == 0 ? curl_url() : NULL;
    bool ok = u && curl_url_set(u, CURLUPART_URL, text.p, 0) == CURLUE_OK;
    curl_url_cleanup(u);
    return ok;
}

static int errno_of(CURLcode c)
{
    switch (c) {
    case CURLE_OK:
        return 0;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_ABORTED_BY_CALLBACK:
        return -ECANCELED;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return -EINVAL;
    default:
        return -EHOSTUNREACH;
    }
}

int s3_webhook_post(struct s3_webhook *w, const char *url, struct str json)
{
    long status = 0;
    CURLcode c = curl_easy_setopt(w->curl, CURLOPT_URL, url);
    if (c == CURLE_OK)
        c = curl_easy_setopt(w->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)json.n);
    if (c == CURLE_OK)
        c = curl_easy_setopt(w->curl, CURLOPT_POSTFIELDS, json.p);
    if (c == CURLE_OK)
        c = curl_easy_perform(w->curl);
    if (c == CURLE_OK)
        c = curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE, &status);
    if (c != CURLE_OK)
        return errno_of(c);
    return status >= 200 && status < 300 ? 0 : -EREMOTEIO;
}
