/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/req.h"

#include <sys/random.h>

#include "dfscore/base/clock.h"

/*
 * Request ids must differ, not be secret: one seed per thread from the kernel, then splitmix64,
 * which visits every 64-bit value once before repeating.
 */
static uint64_t next_id(void)
{
    static _Thread_local uint64_t state;
    if (state == 0 && getrandom(&state, sizeof(state), 0) != (ssize_t)sizeof(state))
        state = dfs_mono_us() ^ (uint64_t)(uintptr_t)&state;
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

struct s3_secret {
    struct s3_secret *next;
    uint8_t bytes[32];
};

void s3_req_init(struct s3_req *q)
{
    *q = (struct s3_req){.magic = S3_REQ_MAGIC};
    arena_init(&q->arena, S3_REQ_ARENA_MAX);
    q->resp.body = BUF(S3_RESP_BODY_MAX);
    static const char digits[] = "0123456789ABCDEF";
    uint64_t id = next_id();
    for (size_t i = 0; i < 16; i++)
        q->request_id[i] = digits[id >> 4 * i & 15];
}

void s3_req_fini(struct s3_req *q)
{
    if (q->magic != S3_REQ_MAGIC)
        return;
    buf_free(&q->resp.body);
    for (struct s3_secret *s = q->secrets; s; s = s->next)
        explicit_bzero(s->bytes, sizeof(s->bytes));
    arena_fini(&q->arena);
    q->magic = 0;
}

uint8_t *s3_req_secret(struct s3_req *q)
{
    struct s3_secret *s = arena_alloc(&q->arena, sizeof(*s));
    if (!s)
        return NULL;
    s->next = q->secrets;
    q->secrets = s;
    return s->bytes;
}

struct str s3_req_header(const struct s3_req *q, struct str name)
{
    for (size_t i = 0; i < q->nheaders; i++)
        if (str_ieq(q->headers[i].name, name))
            return q->headers[i].value.p ? q->headers[i].value : STR("");
    return STR_NULL;
}

int s3_req_header_list(struct s3_req *q, struct str name, struct str *ret)
{
    AUTO(buf_free) struct buf all = BUF(64 * 1024);
    size_t lines = 0;
    *ret = STR_NULL;
    for (size_t i = 0; i < q->nheaders; i++) {
        if (!str_ieq(q->headers[i].name, name))
            continue;
        struct str v = q->headers[i].value.p ? q->headers[i].value : STR("");
        if (lines++ == 0) {
            *ret = v;
            continue;
        }
        if (all.n == 0)
            buf_adds(&all, *ret);
        if (all.n > 0 && v.n > 0)
            buf_addc(&all, ',');
        buf_adds(&all, v);
    }
    if (lines > 1)
        *ret = buf_err(&all) ? STR_NULL : arena_str(&q->arena, buf_str(&all));
    return lines > 1 && !ret->p ? -ENOMEM : 0;
}

static const struct s3_pair *find_param(const struct s3_req *q, struct str name)
{
    for (size_t i = 0; i < q->nparams; i++)
        if (str_eq(q->params[i].name, name))
            return &q->params[i];
    return NULL;
}

struct str s3_req_param(const struct s3_req *q, struct str name)
{
    const struct s3_pair *p = find_param(q, name);
    if (!p)
        return STR_NULL;
    return p->value.p ? p->value : STR("");
}

bool s3_req_has_param(const struct s3_req *q, struct str name)
{
    return find_param(q, name) != NULL;
}

bool s3_req_presigned(const struct s3_req *q)
{
    return q->who.how == S3_AUTH_V4_QUERY || q->who.how == S3_AUTH_V2_QUERY;
}

struct str s3_req_option(const struct s3_req *q, struct str name)
{
    struct str v = s3_req_header(q, name);
    if (v.p || !s3_req_presigned(q))
        return v;
    /* Signers move headers into the query in any spelling: the Go SDK writes X-Amz-Acl. */
    for (size_t i = 0; i < q->nparams; i++)
        if (str_ieq(q->params[i].name, name))
            return q->params[i].value.p ? q->params[i].value : STR("");
    return STR_NULL;
}

static bool grow_headers(struct s3_req *q)
{
    struct s3_resp *r = &q->resp;
    size_t cap = r->headers_cap ? 2 * r->headers_cap : 24;
    struct s3_pair *to = arena_alloc(&q->arena, cap * sizeof(*to));
    if (!to)
        return false;
    if (r->nheaders)
        memcpy(to, r->headers, r->nheaders * sizeof(*to));
    r->headers = to;
    r->headers_cap = cap;
    return true;
}

/* @value is the arena's and ours to change. */
static void add_header(struct s3_req *q, const char *name, struct str value)
{
    struct s3_resp *r = &q->resp;
    if (!value.p || (r->nheaders == r->headers_cap && !grow_headers(q))) {
        r->no_memory = true;
        return;
    }
    char *p = (char *)value.p; /* header splitting: s3-behaviours 12, overrides */
    for (size_t i = 0; i < value.n; i++)
        if (p[i] == '\r' || p[i] == '\n' || p[i] == '\0')
            p[i] = ' ';
    r->headers[r->nheaders++] = (struct s3_pair){str_c(name), value};
}

void s3_resp_header(struct s3_req *q, const char *name, struct str value)
{
    if (value.p)
        add_header(q, name, arena_str(&q->arena, value));
}

void s3_resp_headerf(struct s3_req *q, const char *name, const char *fmt, ...)
{
    char text[512];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    ASSERT(n >= 0);
    struct str value = STR_NULL;
    if ((size_t)n < sizeof(text)) {
        value = arena_str(&q->arena, str_of(text, (size_t)n));
    } else {
        char *p = arena_alloc(&q->arena, (size_t)n + 1);
        if (p) {
            vsnprintf(p, (size_t)n + 1, fmt, again);
            value = str_of(p, (size_t)n);
        }
    }
    va_end(again);
    add_header(q, name, value);
}

void s3_err_element(struct s3_req *q, const char *name, struct str value)
{
    struct s3_resp *r = &q->resp;
    struct s3_extra *x = r->extras;
    while (x < r->extras + r->nextras && !str_eq(str_c(x->name), str_c(name)))
        x++;
    if (x == r->extras + S3_EXTRAS_MAX)
        return; /* a hint too many is dropped, the error is not */
    if (x == r->extras + r->nextras)
        r->nextras++;
    x->name = name;
    x->value = arena_str(&q->arena, value);
    if (!x->value.p)
        x->value = STR("");
}

void s3_err_message(struct s3_req *q, const char *fmt, ...)
{
    AUTO(buf_free) struct buf text = BUF(8192);
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    if (!buf_err(&text))
        q->resp.message =
            arena_str(&q->arena, buf_str(&text)); /* absent: the table's message stands */
}

void s3_resp_reset(struct s3_req *q)
{
    struct s3_resp *r = &q->resp;
    struct buf body = r->body;
    buf_reset(&body);
    struct s3_pair *headers = r->headers;
    size_t cap = r->headers_cap;
    *r = (struct s3_resp){.body = body,
                          .counted = r->counted,
                          .headers = headers,
                          .headers_cap = cap,
                          .close = r->close};
}
