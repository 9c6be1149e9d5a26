/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/s3_fixture.h"

#define NAME "M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731"

static struct s3_native_group group = {.group = STR_INIT("group1")};

static void begin(struct fixture *f, const char *secret)
{
    setup(f);
    group.secret = str_c(secret);
    f->gw.native = &group;
    f->gw.nnative = 1;
    f->gw.native_token_ttl_s = 600;
}

static void the_extension_says_the_type(void **state)
{
    (void)state;
    static const struct {
        const char *ext, *type;
    } rows[] = {{".jpg", "image/jpeg"},
                {".JPG", "image/jpeg"},
                {".mp4", "video/mp4"},
                {".what", "application/octet-stream"}};
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char target[100];
        snprintf(target, sizeof(target), "/group1/%.*s%s", (int)(44 - strlen(rows[i].ext)),
                 NAME "0000",
                 rows[i].ext); /* as long as any name, whatever the extension's length */
        assert_int_equal(call(&f, NULL, "HEAD", target, NULL, NULL), S3ERR_OK);
        assert_string_equal(shown(answered(&f, "Content-Type")), rows[i].type);
        assert_int_equal(f.q.resp.body_length, 100);
    }
}

static void what_could_end_the_quotes_is_replaced(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    assert_int_equal(
        call(&f, NULL, "GET", "/group1/" NAME ".txt?filename=a%22;%0D%0Ab%5Cc.txt", NULL, NULL),
        S3ERR_OK);
    assert_string_equal(shown(answered(&f, "Content-Disposition")),
                        "attachment; filename=\"a_;__b_c.txt\"");
}

static void a_missing_file_is_a_missing_key(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    fake_dfs.read_fails = -ENOENT;
    assert_int_equal(call(&f, NULL, "GET", "/group1/" NAME ".txt", NULL, NULL), S3ERR_NO_SUCH_KEY);
    fake_dfs.read_fails = -EIO;
    assert_int_equal(call(&f, NULL, "GET", "/group1/" NAME ".txt", NULL, NULL),
                     S3ERR_INTERNAL_ERROR);
}

/* MD5 of name, secret "s3cret" and time; the clock of the fixture is at 2026-01-02, 1767322800 s.
 */
static void tokens_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *over, *ts;
        enum s3err e;
    } rows[] = {
        {NAME ".txt", "1767322800", S3ERR_OK},
        {"group1/" NAME ".txt", "1767322800", S3ERR_OK},
        {NAME ".txt", "0", S3ERR_OK},
        {NAME ".txt", "1767322300", S3ERR_OK},
        {NAME ".txt", "1767322100", S3ERR_ACCESS_DENIED},
        {NAME ".jpg", "1767322800", S3ERR_ACCESS_DENIED},
        {NAME ".txt", "-1", S3ERR_ACCESS_DENIED},
        {NAME ".txt", "99999999999999999999", S3ERR_ACCESS_DENIED},
    };
    AUTO(teardown) struct fixture f;
    begin(&f, "s3cret");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[200], hex[33] = "", target[300];
        uint8_t md5[16];
        snprintf(text, sizeof(text), "%ss3cret%s", rows[i].over, rows[i].ts);
        s3_md5(text, strlen(text), md5);
        str_hex(md5, 16, hex);
        snprintf(target, sizeof(target), "/group1/" NAME ".txt?token=%s&ts=%s", hex, rows[i].ts);
        if (call(&f, NULL, "HEAD", target, NULL, NULL) != rows[i].e)
            print_error("row %zu\n", i);
        assert_int_equal(f.e, rows[i].e);
    }
    assert_int_equal(call(&f, NULL, "HEAD", "/group1/" NAME ".txt", NULL, NULL),
                     S3ERR_ACCESS_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_extension_says_the_type),
        cmocka_unit_test(what_could_end_the_quotes_is_replaced),
        cmocka_unit_test(a_missing_file_is_a_missing_key),
        cmocka_unit_test(tokens_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
