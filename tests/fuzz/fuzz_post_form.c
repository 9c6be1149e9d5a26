/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_post_form - a multipart body with the boundary "xx": read whole and byte by byte it gives
 * the same verdict, fields and file. The input is also taken as a policy document: nobody is named
 * by one.
 */
#include "s3gw/auth/post_form.h"
#include "s3gw/core/form.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stands in for the index. */
int s3_key_get(struct s3_index *x, struct str access_key, enum s3_read how, struct arena *a,
               struct s3_access_key *ret_key, struct s3_user *ret_user)
{
    (void)x;
    (void)access_key;
    (void)how;
    (void)a;
    *ret_key = (struct s3_access_key){.access_key = access_key, .secret = STR("secret")};
    *ret_user = (struct s3_user){.id = STR("alice")};
    return 0;
}

static struct s3_gw gw = {.region = STR_INIT("us-east-1"), .sigv2 = true};
static struct s3_pair type = {STR_INIT("content-type"),
                              STR_INIT("multipart/form-data; boundary=xx")};

static enum s3err keep(void *arg, struct str piece)
{
    ASSERT(piece.n > 0);
    buf_adds(arg, piece);
    return S3ERR_OK;
}

/* Fields and file end up in @out. */
static enum s3err read_form(struct str in, size_t step, struct buf *out)
{
    static struct s3_req q;
    AUTO(s3_form_free) struct s3_form *f = NULL;
    s3_req_init(&q);
    q.gw = &gw;
    q.bucket = STR("bkt");
    q.headers = &type;
    q.nheaders = 1;
    ASSERT(s3_form_new(&q, &(struct s3_form_out){keep, out}, &f) == S3ERR_OK);
    enum s3err e = S3ERR_OK;
    for (size_t i = 0; i < in.n && e == S3ERR_OK; i += step) {
        struct str piece = str_head(str_from(in, i), step);
        while (piece.n > 0 && e == S3ERR_OK) {
            e = s3_form_push(f, &piece);
            if (e == S3ERR_PENDING) {
                ASSERT(!q.post); /* once */
                e = s3_post_open(&q, f);
            }
        }
    }
    if (e == S3ERR_OK)
        e = s3_form_finish(f);
    ASSERT(e != S3ERR_OK || q.post);
    if (e == S3ERR_OK) {
        const struct s3_post_fields *fields = &q.post->fields;
        for (size_t i = 0; i < fields->n; i++)
            buf_addf(out, "|" STR_F "=" STR_F, STR_A(fields->pairs[i].name),
                     STR_A(fields->pairs[i].value));
        (void)s3_post_verify(&q, fields, S3_READ_ANY, &q.post->limits);
    }
    s3_req_fini(&q);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct s3_req q;
    struct str in = str_of(data, size);
    struct s3_post_fields none = {NULL, 0};
    struct s3_post_limits limits;
    if (size > 100000)
        return 0;
    AUTO(buf_free) struct buf whole = BUF(1 << 20);
    AUTO(buf_free) struct buf bytes = BUF(1 << 20);
    enum s3err e = read_form(in, in.n ? in.n : 1, &whole);
    ASSERT(read_form(in, 1, &bytes) == e && str_eq(buf_str(&whole), buf_str(&bytes)));
    s3_req_init(&q);
    q.gw = &gw;
    q.bucket = STR("bkt");
    (void)s3_post_policy(&q, &none, in, &limits);
    ASSERT(!q.who.user_id.p);
    s3_req_fini(&q);
    return 0;
}
