/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask - requests for the tests of auth: a head from lines of text, one known key in place of the
 * index. For one test program each; everything in it is that program's own.
 */
#ifndef TEST_AUTH_ASK_H
#define TEST_AUTH_ASK_H

#include "s3gw/auth/auth.h"
#include "s3gw/auth/hmac.h"
#include "s3gw/auth/sigv2.h"
#include "s3gw/auth/sigv4.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/httpdate.h"
#include "s3gw/core/op.h"
#include "s3gw/core/uri.h"
#include "s3gw/index/bucket.h"
#include "tests/lib/asked.h"

/* The examples of AWS's documentation all use this key pair. */
#define AKID   "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define EMPTY  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SCOPE  "/20130524/us-east-1/s3/aws4_request"
#define WHEN   1369353600000LL /* 2013-05-24 00:00 UTC */

static struct str secret_now = STR_INIT(SECRET);
static bool user_disabled, not_in_memory;

/* Stands in for the index. */
int s3_key_get(struct s3_index *x, struct str access_key, enum s3_read how, struct arena *a,
               struct s3_access_key *ret_key, struct s3_user *ret_user)
{
    (void)x;
    (void)a;
    if (not_in_memory && how == S3_READ_CACHED)
        return -EAGAIN;
    if (!str_eq(access_key, STR(AKID)) && !str_eq(access_key, STR("with/slash")))
        return -ENOENT;
    *ret_key = (struct s3_access_key){
        .access_key = access_key, .secret = secret_now, .user_id = STR("alice")};
    *ret_user = (struct s3_user){
        .id = STR("alice"), .display_name = STR("Alice"), .disabled = user_disabled};
    return 0;
}

static struct str domains[] = {STR_INIT("s3.amazonaws.com")};
static struct s3_gw gw = {
    .region = STR_INIT("us-east-1"), .domains = domains, .ndomains = 1, .sigv2 = true};
static const struct s3_op put_object = {.name = "PutObject", .body = S3_BODY_STREAM};
static const struct s3_op get_object = {.name = "GetObject", .body = S3_BODY_NONE};

/* "Name: value" lines; the strings must live on. */
static inline void ask(const char *method, const char *target, const char *const *lines)
{
    asked_anew();
    q.gw = &gw;
    q.now_ms = WHEN;
    q.method_name = str_c(method);
    q.method = str_eq(q.method_name, STR("PUT")) ? S3_PUT : S3_GET;
    q.op = q.method == S3_PUT ? &put_object : &get_object;
    asked_headers(lines);
    q.host = s3_req_header(&q, STR("host"));
    assert_int_equal(s3_uri_parse(&q, str_c(target)), S3ERR_OK);
    assert_int_equal(s3_uri_address(&q), S3ERR_OK);
}

static inline enum s3err verdict(const char *method, const char *target, const char *const *lines)
{
    ask(method, target, lines);
    return s3_auth_verify(&q, S3_READ_ANY);
}

#define HOST "Host: examplebucket.s3.amazonaws.com"
#define DATE "x-amz-date: 20130524T000000Z"
#define AUTH(signed_names, signature)                                                              \
    "Authorization: AWS4-HMAC-SHA256 Credential=" AKID SCOPE ",SignedHeaders=" signed_names        \
    ",Signature=" signature

#endif
