/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3gw/core/gw.h"
#include "s3gw/core/uri.h"

static struct str domains[] = {STR_INIT("s3.example.com"), STR_INIT("example.com")};
static struct str websites[] = {STR_INIT("web.s3.example.com"), STR_INIT("com")};
static struct s3_gw gw = {.domains = domains, .ndomains = 2, .websites = websites, .nwebsites = 2};
static struct s3_req q;

static void ask(struct str host)
{
    s3_req_init(&q);
    q.gw = &gw;
    q.host = host;
}

static enum s3err parse(struct str host, struct str target)
{
    ask(host);
    enum s3err e = s3_uri_parse(&q, target);
    return e ? e : s3_uri_address(&q);
}

#define KEY256                                                                                     \
    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"                             \
    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"                             \
    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"                             \
    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define KEY1024 KEY256 KEY256 KEY256 KEY256

static const struct {
    struct str host, target;
    enum s3err err;
    struct str bucket, key; /* p NULL: absent */
    bool virtual_host;
} rows[] = {
    {STR_INIT("127.0.0.1:9000"), STR_INIT("/"), S3ERR_OK, {NULL, 0}, {NULL, 0}, false},
    {STR_INIT("127.0.0.1:9000"), STR_INIT("/bkt"), S3ERR_OK, STR_INIT("bkt"), {NULL, 0}, false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt/"), S3ERR_OK, STR_INIT("bkt"), {NULL, 0}, false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt//key"), S3ERR_OK, STR_INIT("bkt"), STR_INIT("/key"),
     false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt//"), S3ERR_OK, STR_INIT("bkt"), STR_INIT("/"), false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt/a/../b"), S3ERR_OK, STR_INIT("bkt"), STR_INIT("a/../b"),
     false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt/a%2Fb%252F"), S3ERR_OK, STR_INIT("bkt"),
     STR_INIT("a/b%2F"), false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt/a+b%2Bc%20d"), S3ERR_OK, STR_INIT("bkt"),
     STR_INIT("a b+c d"), false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt/%E2%82%AC"), S3ERR_OK, STR_INIT("bkt"),
     STR_INIT("\xE2\x82\xAC"), false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt/\xE2\x82\xAC"), S3ERR_OK, STR_INIT("bkt"),
     STR_INIT("\xE2\x82\xAC"), false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt/" KEY1024), S3ERR_OK, STR_INIT("bkt"), STR_INIT(KEY1024),
     false},
    {STR_INIT("127.0.0.1"),
     STR_INIT("/bkt/" KEY1024 "k"),
     S3ERR_KEY_TOO_LONG_ERROR,
     {NULL, 0},
     {NULL, 0},
     false},
    {STR_INIT("127.0.0.1"),
     STR_INIT("//bkt/key"),
     S3ERR_INVALID_BUCKET_NAME,
     {NULL, 0},
     {NULL, 0},
     false},
    {STR_INIT("127.0.0.1"),
     STR_INIT("/Bkt/key"),
     S3ERR_INVALID_BUCKET_NAME,
     {NULL, 0},
     {NULL, 0},
     false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt/%zz"), S3ERR_INVALID_URI, {NULL, 0}, {NULL, 0}, false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt/%4"), S3ERR_INVALID_URI, {NULL, 0}, {NULL, 0}, false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt/%"), S3ERR_INVALID_URI, {NULL, 0}, {NULL, 0}, false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt/a%00b"), S3ERR_INVALID_URI, {NULL, 0}, {NULL, 0}, false},
    {STR_INIT("127.0.0.1"),
     STR_INIT("/bkt/%C0%AF"),
     S3ERR_INVALID_URI,
     {NULL, 0},
     {NULL, 0},
     false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt/%FF"), S3ERR_INVALID_URI, {NULL, 0}, {NULL, 0}, false},
    {STR_INIT("127.0.0.1"), STR_INIT("/bkt?a=%G1"), S3ERR_INVALID_URI, {NULL, 0}, {NULL, 0}, false},
    {STR_INIT("127.0.0.1"), STR_INIT(""), S3ERR_INVALID_URI, {NULL, 0}, {NULL, 0}, false},
    {STR_INIT("127.0.0.1"), STR_INIT("*"), S3ERR_INVALID_URI, {NULL, 0}, {NULL, 0}, false},
    {STR_INIT("127.0.0.1"), STR_INIT("bkt/key"), S3ERR_INVALID_URI, {NULL, 0}, {NULL, 0}, false},
    {STR_INIT("bkt.s3.example.com"), STR_INIT("/a/b"), S3ERR_OK, STR_INIT("bkt"), STR_INIT("a/b"),
     true},
    {STR_INIT("BKT.S3.Example.com:8443"), STR_INIT("/a"), S3ERR_OK, STR_INIT("bkt"), STR_INIT("a"),
     true},
    {STR_INIT("a.b.c.s3.example.com"), STR_INIT("/"), S3ERR_OK, STR_INIT("a.b.c"), {NULL, 0}, true},
    {STR_INIT("bkt.s3.example.com"), STR_INIT("//a"), S3ERR_OK, STR_INIT("bkt"), STR_INIT("/a"),
     true},
    {STR_INIT("s3.example.com"), STR_INIT("/bkt/a"), S3ERR_OK, STR_INIT("bkt"), STR_INIT("a"),
     false},
    {STR_INIT("xs3.example.com"), STR_INIT("/a"), S3ERR_OK, STR_INIT("xs3"), STR_INIT("a"), true},
    {STR_INIT("example.com."), STR_INIT("/bkt/a"), S3ERR_OK, STR_INIT("bkt"), STR_INIT("a"), false},
    {STR_INIT("other.org"), STR_INIT("/bkt/a"), S3ERR_OK, STR_INIT("bkt"), STR_INIT("a"), false},
    {STR_INIT("b_.s3.example.com"),
     STR_INIT("/a"),
     S3ERR_INVALID_BUCKET_NAME,
     {NULL, 0},
     {NULL, 0},
     true},
    {STR_INIT(".s3.example.com"),
     STR_INIT("/a"),
     S3ERR_INVALID_BUCKET_NAME,
     {NULL, 0},
     {NULL, 0},
     true},
    {STR_INIT("[::1]:9000"), STR_INIT("/bkt/a"), S3ERR_OK, STR_INIT("bkt"), STR_INIT("a"), false},
    {STR_INIT("[::1"), STR_INIT("/bkt/a"), S3ERR_OK, STR_INIT("bkt"), STR_INIT("a"), false},
    {{NULL, 0}, STR_INIT("/bkt/a"), S3ERR_OK, STR_INIT("bkt"), STR_INIT("a"), false},
    {STR_INIT("x"), STR_INIT("http://bkt.example.com/a?b"), S3ERR_OK, STR_INIT("bkt"),
     STR_INIT("a"), true},
    {STR_INIT("x"), STR_INIT("http://127.0.0.1:9000"), S3ERR_OK, {NULL, 0}, {NULL, 0}, false},
};

static void bucket_and_key_come_from_path_and_host(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum s3err e = parse(rows[i].host, rows[i].target);
        if (e != rows[i].err)
            fail_msg("%s: error %d", rows[i].target.p, e);
        if (e == S3ERR_OK) {
            assert_true(str_eq(q.bucket, rows[i].bucket) && !q.bucket.p == !rows[i].bucket.p);
            assert_true(str_eq(q.key, rows[i].key) && !q.key.p == !rows[i].key.p);
        }
        assert_int_equal(q.virtual_host, rows[i].virtual_host);
        s3_req_fini(&q);
    }
}

static void website_hosts_win_when_their_domain_is_longer(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        enum s3err want;
        bool website;
        const char *bucket;
    } sites[] = {
        {"bkt.web.s3.example.com", S3ERR_OK, true, "bkt"},
        {"BKT.Web.s3.example.com:80", S3ERR_OK, true, "bkt"},
        {"www.my.web.s3.example.com", S3ERR_OK, true, "www.my"},
        {"web.s3.example.com", S3ERR_INVALID_REQUEST, true, NULL},
        {"xweb.s3.example.com", S3ERR_OK, false, "xweb"},
        {"bkt.example.com", S3ERR_OK, false, "bkt"},
        {"bkt.other.com", S3ERR_OK, true, "bkt.other"},
    };
    for (size_t i = 0; i < ARRAY_LEN(sites); i++) {
        assert_int_equal(parse(str_c(sites[i].host), STR("/a/b?acl&versionId=x")), sites[i].want);
        assert_int_equal(q.website, sites[i].website);
        assert_true(str_eq(q.bucket, str_c(sites[i].bucket)));
        assert_int_equal(q.nparams, sites[i].website ? 0 : 2); /* a page has no subresources */
        s3_req_fini(&q);
    }
}

static void queries_are_decoded_once_in_order(void **state)
{
    (void)state;
    ask(STR("h"));
    assert_int_equal(s3_uri_parse(&q, STR("/b?acl&prefix=a%2Fb%2520+c&&x=&=v&acl=2&%70q=1=2?3")),
                     S3ERR_OK);
    static const struct s3_pair want[] = {
        {STR_INIT("acl"), {NULL, 0}},     {STR_INIT("prefix"), STR_INIT("a/b%20 c")},
        {STR_INIT("x"), STR_INIT("")},    {STR_INIT(""), STR_INIT("v")},
        {STR_INIT("acl"), STR_INIT("2")}, {STR_INIT("pq"), STR_INIT("1=2?3")},
    };
    assert_int_equal(q.nparams, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(str_eq(q.params[i].name, want[i].name));
        assert_true(str_eq(q.params[i].value, want[i].value) &&
                    !q.params[i].value.p == !want[i].value.p);
    }
    assert_true(str_eq(q.raw_path, STR("/b")));
    s3_req_fini(&q);
    ask(STR("h"));
    assert_int_equal(s3_uri_parse(&q, STR("/b?")), S3ERR_OK);
    assert_non_null(q.raw_query.p);
    assert_int_equal(q.nparams, 0);
    s3_req_fini(&q);
}

static void encoding_is_awss(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf out = BUF(1000);
    s3_uri_encode(&out, STR("AZaz09-._~/ +!'()*@:,=&$;%\x7f\xc3\xa9"), false);
    assert_true(str_eq(buf_str(&out),
                       STR("AZaz09-._~%2F%20%2B%21%27%28%29%2A%40%3A%2C%3D%26%24%3B%25%7F%C3%A9")));
    buf_reset(&out);
    s3_uri_encode(&out, STR("/a//b/"), true);
    assert_true(str_eq(buf_str(&out), STR("/a//b/")));
}

static void whatever_is_encoded_decodes_to_itself(void **state)
{
    (void)state;
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    AUTO(buf_free) struct buf out = BUF(1000);
    s3_uri_encode(&out, str_of(all, 256), false);
    struct arena a;
    struct str back;
    arena_init(&a, 10000);
    assert_int_equal(s3_uri_decode(&a, buf_str(&out), true, &back), 0);
    assert_true(str_eq(back, str_of(all, 256)));
    arena_fini(&a);
}

static const struct {
    struct str header;
    int result;
    struct str bucket, key, version;
} sources[] = {
    {STR_INIT("/bkt/key"), 0, STR_INIT("bkt"), STR_INIT("key"), {NULL, 0}},
    {STR_INIT("bkt/a%2Fb%3Fc+d%2Be"), 0, STR_INIT("bkt"), STR_INIT("a/b?c d+e"), {NULL, 0}},
    {STR_INIT("bkt%2Fkey"), 0, STR_INIT("bkt"), STR_INIT("key"), {NULL, 0}},
    {STR_INIT("bkt/key?versionId=3%2F4"), 0, STR_INIT("bkt"), STR_INIT("key"), STR_INIT("3/4")},
    {STR_INIT("bkt//key"), 0, STR_INIT("bkt"), STR_INIT("/key"), {NULL, 0}},
    {STR_INIT("bkt/key?versionId="), 0, STR_INIT("bkt"), STR_INIT("key"), STR_INIT("")},
    {STR_INIT("bkt/key?other=1"), -EINVAL, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {STR_INIT("bkt/key?versionId=1&x=2"), -EINVAL, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {STR_INIT("bkt/"), -EINVAL, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {STR_INIT("bkt"), -EINVAL, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {STR_INIT(""), -EINVAL, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {STR_INIT("//key"), -EINVAL, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {STR_INIT("B/key"), -EINVAL, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {STR_INIT("bkt/%zz"), -EINVAL, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {STR_INIT("bkt/%ff"), -EINVAL, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {STR_INIT("arn:aws:s3:us-west-2:123456789012:accesspoint/x/object/y"),
     -EINVAL,
     {NULL, 0},
     {NULL, 0},
     {NULL, 0}},
};

static void copy_sources_are_read_or_refused(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 100000);
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        struct str b, k, v;
        int r = s3_uri_copy_source(&a, sources[i].header, &b, &k, &v);
        if (r != sources[i].result)
            fail_msg("%s: %d", sources[i].header.p, r);
        if (r == 0) {
            assert_true(str_eq(b, sources[i].bucket));
            assert_true(str_eq(k, sources[i].key));
            assert_true(str_eq(v, sources[i].version) && !v.p == !sources[i].version.p);
        }
    }
    arena_fini(&a);
}

#define FILE_ID "group1/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt"

static void file_ids_are_native_only_unsigned_and_of_open_groups(void **state)
{
    (void)state;
    static struct s3_native_group open[] = {{.group = STR_INIT("group1")}};
    static struct s3_pair auth[] = {{STR_INIT("Authorization"), STR_INIT("AWS4-HMAC-SHA256 x")}};
    static const struct {
        const char *target;
        enum s3_method method;
        bool is_signed, native;
    } cases[] = {
        {"/" FILE_ID, S3_GET, false, true},
        {"/" FILE_ID "?token=x&ts=1", S3_HEAD, false, true},
        {"/" FILE_ID, S3_PUT, false, false},
        {"/" FILE_ID, S3_GET, true, false},
        {"/" FILE_ID "?X-Amz-Signature=x", S3_GET, false, false},
        {"/" FILE_ID "?Signature=x", S3_GET, false, false},
        {"/group2/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt", S3_GET, false, false},
        {"/group1/M00/EF/A9/readme.txt", S3_GET, false, false},
        {"/group1", S3_GET, false, false},
    };
    gw.native = open;
    gw.nnative = 1;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ask(STR("127.0.0.1"));
        q.method = cases[i].method;
        q.headers = auth;
        q.nheaders = cases[i].is_signed;
        assert_int_equal(s3_uri_parse(&q, str_c(cases[i].target)), S3ERR_OK);
        assert_int_equal(s3_uri_address(&q), S3ERR_OK);
        if (!q.native_id.p == cases[i].native)
            fail_msg("%s", cases[i].target);
        assert_true(!q.native_id.p || (!q.bucket.p && str_eq(q.native_id, STR(FILE_ID))));
        s3_req_fini(&q);
    }
    gw.nnative = 0;
    assert_int_equal(parse(STR("127.0.0.1"), STR("/" FILE_ID)), S3ERR_OK);
    assert_null(q.native_id.p); /* closed unless the operator opened it */
    s3_req_fini(&q);
}

static void no_memory_is_slow_down(void **state)
{
    (void)state;
    ask(STR("h"));
    q.arena.max = 8;
    assert_int_equal(s3_uri_parse(&q, STR("/bkt/a%20bcdefghijkl")), S3ERR_SLOW_DOWN);
    s3_req_fini(&q);
    ask(STR("h"));
    q.arena.max = 8;
    assert_int_equal(s3_uri_parse(&q, STR("/bkt/?x=1")), S3ERR_SLOW_DOWN);
    s3_req_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bucket_and_key_come_from_path_and_host),
        cmocka_unit_test(website_hosts_win_when_their_domain_is_longer),
        cmocka_unit_test(queries_are_decoded_once_in_order),
        cmocka_unit_test(encoding_is_awss),
        cmocka_unit_test(whatever_is_encoded_decodes_to_itself),
        cmocka_unit_test(copy_sources_are_read_or_refused),
        cmocka_unit_test(file_ids_are_native_only_unsigned_and_of_open_groups),
        cmocka_unit_test(no_memory_is_slow_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
