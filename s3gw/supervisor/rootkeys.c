/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/supervisor/rootkeys.h"

#include <stdio.h>

#include "s3gw/core/newkey.h"

static const char file_name[] = "root-credentials";

/* Copy @s where it fits and is made of visible ASCII; false otherwise. */
static bool take_text(struct str s, size_t min, char *out)
{
    if (s.n < min || s.n > S3_KEY_TEXT_MAX || !s3_key_text_ok(s))
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = 0;
    return true;
}

int s3_root_keys_from_env(struct s3_root_keys *ret, char *why, size_t why_size)
{
    const char *access = getenv("S3GW_ROOT_ACCESS_KEY"), *secret = getenv("S3GW_ROOT_SECRET_KEY");
    bool has_access = access && *access, has_secret = secret && *secret;
    if (!has_access && !has_secret)
        return -ENOENT;
    struct s3_root_keys k = {.origin = S3_KEYS_FROM_ENVIRONMENT};
    if (!has_access || !has_secret)
        (void)snprintf(why, why_size,
                       "S3GW_ROOT_ACCESS_KEY and S3GW_ROOT_SECRET_KEY must be set together");
    else if (strchr(access, '/') || !take_text(str_c(access), S3_ACCESS_KEY_MIN, k.access_key))
        (void)snprintf(why, why_size,
                       "S3GW_ROOT_ACCESS_KEY must be %d to %d visible ASCII characters without '/'",
                       S3_ACCESS_KEY_MIN, S3_KEY_TEXT_MAX);
    else if (!take_text(str_c(secret), S3_SECRET_KEY_MIN, k.secret_key))
        (void)snprintf(why, why_size,
                       "S3GW_ROOT_SECRET_KEY must be %d to %d visible ASCII characters",
                       S3_SECRET_KEY_MIN, S3_KEY_TEXT_MAX);
    else {
        *ret = k;
        return 0;
    }
    return -EINVAL;
}

static int generate(struct s3_datadir *d, struct s3_root_keys *k)
{
    int r = s3_new_key(k->access_key, k->secret_key);
    if (r < 0)
        return r;
    k->origin = S3_KEYS_GENERATED;
    AUTO(buf_free) struct buf text = BUF(1024);
    buf_addf(
        &text,
        "# Root's keys, generated at first start. S3GW_ROOT_ACCESS_KEY and S3GW_ROOT_SECRET_KEY\n"
        "# in the environment win over this file.\naccess_key = %s\nsecret_key = %s\n",
        k->access_key, k->secret_key);
    return buf_err(&text) ? buf_err(&text) : s3_datadir_write(d, file_name, 0600, buf_str(&text));
}

int s3_root_keys_load(struct s3_datadir *d, struct s3_root_keys *ret, char *why, size_t why_size)
{
    int r = s3_root_keys_from_env(ret, why, why_size);
    if (r != -ENOENT)
        return r;
    struct s3_root_keys k = {.origin = S3_KEYS_FROM_FILE};
    AUTO(buf_free) struct buf text = BUF(4096);
    r = s3_datadir_read(d, file_name, &text);
    if (r == -ENOENT)
        r = generate(d, &k);
    else if (r == 0 && (!take_text(s3_keyval_get(buf_str(&text), STR("access_key")),
                                   S3_ACCESS_KEY_MIN, k.access_key) ||
                        !take_text(s3_keyval_get(buf_str(&text), STR("secret_key")),
                                   S3_SECRET_KEY_MIN, k.secret_key))) {
        (void)snprintf(why, why_size,
                       "%s/%s: needs the lines 'access_key = ...' and 'secret_key = ...'",
                       s3_datadir_path(d), file_name);
        return -EBADMSG;
    }
    if (r < 0) {
        (void)snprintf(why, why_size, "%s/%s: %s", s3_datadir_path(d), file_name, strerror(-r));
        return r;
    }
    *ret = k;
    return 0;
}
