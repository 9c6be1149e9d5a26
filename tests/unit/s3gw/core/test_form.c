/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3gw/core/form.h"

static struct s3_req q;
static struct s3_pair type;

struct seen {
    struct buf data;
    bool began;
    enum s3err fail;
};

static enum s3err data(void *arg, struct str piece)
{
    struct seen *s = arg;
    assert_true(s->began && piece.n > 0);
    buf_adds(&s->data, piece);
    return s->fail;
}

static enum s3err start(const char *content_type, struct seen *s, struct s3_form **f)
{
    s3_req_fini(&q);
    s3_req_init(&q);
    type = (struct s3_pair){STR("Content-Type"), str_c(content_type)};
    q.headers = &type;
    q.nheaders = content_type != NULL;
    s->began = false;
    buf_reset(&s->data);
    return s3_form_new(&q, &(struct s3_form_out){data, s}, f);
}

/* No push gives out more than it was given and what earlier ones held back. */
static enum s3err push(struct seen *s, struct s3_form *f, struct str *in)
{
    size_t before = s->data.n, given = in->n;
    enum s3err e = s3_form_push(f, in);
    assert_true(s->data.n - before <= given - in->n + S3_FORM_HELD_MAX);
    if (e == S3ERR_PENDING) {
        assert_false(s->began);
        s->began = true;
        return S3ERR_OK;
    }
    assert_true(e != S3ERR_OK || in->n == 0);
    return e;
}

static enum s3err read_form(struct seen *s, struct s3_form *f, struct str in, size_t step)
{
    enum s3err e = S3ERR_OK;
    for (size_t i = 0; i < in.n && e == S3ERR_OK; i += step) {
        struct str piece = str_head(str_from(in, i), step);
        while (piece.n > 0 && e == S3ERR_OK)
            e = push(s, f, &piece);
    }
    return e ? e : s3_form_finish(f);
}

static int done(void **state)
{
    (void)state;
    s3_req_fini(&q);
    return 0;
}

#define CD                 "Content-Disposition: form-data; name="
#define FIELD(name, value) "--xx\r\n" CD "\"" name "\"\r\n\r\n" value "\r\n"
#define FILE_(content)                                                                             \
    "--xx\r\n" CD                                                                                  \
    "\"file\"; filename=\"C:\\dir\\a\\\"b.txt\"\r\nContent-Type: text/plain\r\n\r\n" content       \
    "\r\n"
#define LAST "--xx--\r\n"
#define BAD  S3ERR_MALFORMED_POST_REQUEST

static const struct {
    const char *wire;
    enum s3err want;
    size_t nfields;
    const char *data;
} rows[] = {
    {FIELD("key", "k") FIELD("acl", "") FILE_("hello") LAST, S3ERR_OK, 2, "hello"},
    {FIELD("key", "k") FILE_("") LAST, S3ERR_OK, 1, ""},
    {FIELD("key", "k") FILE_("x") "--xx--", S3ERR_OK, 1, "x"}, /* the last CRLF missing */
    {FIELD("key", "k") FILE_("x") "--xx--epilogue\r\n--xx", S3ERR_OK, 1, "x"},
    {"preamble\r\n" FIELD("key", "k") FILE_("x") LAST, S3ERR_OK, 1, "x"},
    {"\r\n" FIELD("key", "k") FILE_("x") LAST, S3ERR_OK, 1, "x"},
    {FIELD("key", "k") FILE_("\r\n\r\n--x\r\n--\r\r\n-") LAST, S3ERR_OK, 1,
     "\r\n\r\n--x\r\n--\r\r\n-"},
    {FIELD("key", "k") FILE_("\r\n--x\r") LAST, S3ERR_OK, 1, "\r\n--x\r"},
    {FIELD("key", "k") FILE_("\r\n") LAST, S3ERR_OK, 1, "\r\n"},
    {FIELD("key", "k") FILE_("x") FIELD("late", "v") LAST, S3ERR_OK, 1, "x"},
    {"--xx \t\r\n" CD "key\r\n\r\nk\r\n" FILE_("x") LAST, S3ERR_OK, 1, "x"},
    {FIELD("key", "k") FILE_("x") FILE_("y") LAST, S3ERR_INVALID_ARGUMENT, 1, "x"},
    {FIELD("key", "k") LAST, S3ERR_INVALID_ARGUMENT, 1, ""},
    {LAST, S3ERR_INVALID_ARGUMENT, 0, ""},
    {FIELD("key", "k") FILE_("x") "--xx-\r\n", BAD, 1, "x"},
    {FIELD("key", "k") FILE_("x"), BAD, 1, "x"},
    {FIELD("key", "k") FILE_("x") "--xxjunk", BAD, 1, "x"},
    {"--xx\r\n\r\nk\r\n" LAST, BAD, 0, ""},
    {"--xx\r\nContent-Type: a/b\r\n\r\nk\r\n" LAST, BAD, 0, ""},
    {"--xx\r\n" CD "\"key\"\r\n", BAD, 0, ""},
    {"", BAD, 0, ""},
    {"nothing of the kind", BAD, 0, ""},
};

static void forms_read_the_same_however_they_are_cut(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 2, 3, 7, 64, 1 << 20};
    struct seen s = {BUF(1 << 16), false, S3ERR_OK};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t j = 0; j < ARRAY_LEN(steps); j++) {
            AUTO(s3_form_free) struct s3_form *f = NULL;
            assert_int_equal(start("multipart/form-data; boundary=xx", &s, &f), S3ERR_OK);
            enum s3err e = read_form(&s, f, str_c(rows[i].wire), steps[j]);
            if (e != rows[i].want)
                fail_msg("row %zu by %zu: %d", i, steps[j], e);
            size_t n;
            const struct s3_pair *fields = s3_form_fields(f, &n);
            assert_int_equal(n, rows[i].nfields);
            if (n)
                assert_true(str_eq(fields[0].name, STR("key")) &&
                            str_eq(fields[0].value, STR("k")));
            if (e == S3ERR_OK) {
                assert_true(str_eq(buf_str(&s.data), str_c(rows[i].data)));
                assert_true(str_eq(s3_form_filename(f), STR("C:\\dir\\a\"b.txt")));
            }
        }
    }
    buf_free(&s.data);
}

static void content_types_decide(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum s3err want;
    } types[] = {
        {"multipart/form-data; boundary=xx", S3ERR_OK},
        {"Multipart/Form-Data;charset=utf-8; Boundary=\"a--b c\"", S3ERR_OK},
        {"multipart/form-data", BAD},
        {"multipart/form-data; boundary=", BAD},
        {"multipart/form-data; "
         "boundary=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
         BAD},
        {"application/x-www-form-urlencoded", S3ERR_PRECONDITION_FAILED},
        {NULL, S3ERR_PRECONDITION_FAILED},
    };
    struct seen s = {BUF(100), false, S3ERR_OK};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        AUTO(s3_form_free) struct s3_form *f = NULL;
        assert_int_equal(start(types[i].type, &s, &f), types[i].want);
        assert_int_equal(f != NULL, types[i].want == S3ERR_OK);
    }
    buf_free(&s.data);
}

static void fields_before_the_file_are_bounded(void **state)
{
    (void)state;
    struct seen s = {BUF(100), false, S3ERR_OK};
    AUTO(s3_form_free) struct s3_form *f = NULL;
    AUTO(buf_free) struct buf wire = BUF(1 << 20);
    assert_int_equal(start("multipart/form-data; boundary=xx", &s, &f), S3ERR_OK);
    for (int i = 0; i < 300; i++)
        buf_adds(&wire, STR(FIELD("a", "b")));
    assert_int_equal(read_form(&s, f, buf_str(&wire), 1000),
                     S3ERR_MAX_POST_PRE_DATA_LENGTH_EXCEEDED_ERROR);
    s3_form_free(&f);
    buf_reset(&wire);
    buf_adds(&wire, STR("--xx\r\n" CD "\"a\"\r\n\r\n"));
    for (int i = 0; i < S3_FORM_FIELDS_MAX; i++)
        buf_addc(&wire, 'v');
    assert_int_equal(start("multipart/form-data; boundary=xx", &s, &f), S3ERR_OK);
    assert_int_equal(read_form(&s, f, buf_str(&wire), 1000),
                     S3ERR_MAX_POST_PRE_DATA_LENGTH_EXCEEDED_ERROR);
    s3_form_free(&f);
    buf_reset(&wire);
    buf_adds(&wire, STR("--xx\r\n"));
    for (int i = 0; i < 5000; i++)
        buf_addc(&wire, 'h');
    assert_int_equal(start("multipart/form-data; boundary=xx", &s, &f), S3ERR_OK);
    assert_int_equal(read_form(&s, f, buf_str(&wire), 1000), BAD);
    buf_free(&s.data);
}

static void the_sinks_error_ends_it(void **state)
{
    (void)state;
    struct seen s = {BUF(100), false, S3ERR_SLOW_DOWN};
    AUTO(s3_form_free) struct s3_form *f = NULL;
    assert_int_equal(start("multipart/form-data; boundary=xx", &s, &f), S3ERR_OK);
    assert_int_equal(read_form(&s, f, STR(FILE_("hello") LAST), 100000), S3ERR_SLOW_DOWN);
    buf_free(&s.data);
}

static bool refuse(size_t size)
{
    return size > 0;
}

static void no_memory_gives_no_form(void **state)
{
    (void)state;
    struct seen s = {BUF(100), false, S3ERR_OK};
    struct s3_form *f = NULL;
    dfs_alloc_hook = refuse;
    enum s3err e = start("multipart/form-data; boundary=xx", &s, &f);
    dfs_alloc_hook = NULL;
    assert_int_not_equal(e, S3ERR_OK);
    assert_null(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_read_the_same_however_they_are_cut),
        cmocka_unit_test(content_types_decide),
        cmocka_unit_test(fields_before_the_file_are_bounded),
        cmocka_unit_test(the_sinks_error_ends_it),
        cmocka_unit_test(no_memory_gives_no_form),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
