/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "s3gw/core/tags.h"

static void forms_are_parsed_checked_and_sorted(void **state)
{
    (void)state;
    static const struct {
        const char *form;
        enum s3_tag_fault fault;
        const char *shown; /* key=value;... */
    } rows[] = {
        {"", S3_TAGS_OK, ""},
        {"b=2&a=1", S3_TAGS_OK, "a=1;b=2;"},
        {"k", S3_TAGS_OK, "k=;"},
        {"k=", S3_TAGS_OK, "k=;"},
        {"k=a=b", S3_TAGS_OK, "k=a=b;"},
        {"a+b=two%20words%2b", S3_TAGS_OK, "a b=two words+;"},
        {"%C3%A9=x", S3_TAGS_OK, "\xC3\xA9=x;"},
        {"=x", S3_TAGS_FORM, NULL},
        {"a=1&a=2", S3_TAGS_FORM, NULL},
        {"a=%2", S3_TAGS_FORM, NULL},
        {"a=%zz", S3_TAGS_FORM, NULL},
        {"a=1&&b=2", S3_TAGS_FORM, NULL},
        {"a=<", S3_TAGS_INVALID, NULL},
        {"a=%00", S3_TAGS_INVALID, NULL},
        {"a=%FF", S3_TAGS_INVALID, NULL},
        {"aws:x=1", S3_TAGS_INVALID, NULL},
        {"a=&b=&c=&d=&e=&f=&g=&h=&i=&j=", S3_TAGS_OK, "a=;b=;c=;d=;e=;f=;g=;h=;i=;j=;"},
        {"a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=", S3_TAGS_TOO_MANY, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a;
        struct s3_tags t;
        arena_init(&a, 1 << 16);
        enum s3_tag_fault f = s3_tags_parse_form(str_c(rows[i].form), S3_TAGS_OBJECT_MAX, &a, &t);
        if (f != rows[i].fault)
            print_error("row %zu: %s: %d\n", i, rows[i].form, (int)f);
        assert_int_equal(f, rows[i].fault);
        AUTO(buf_free) struct buf shown = BUF(4096);
        for (size_t k = 0; rows[i].shown && k < t.n; k++)
            buf_addf(&shown, STR_F "=" STR_F ";", STR_A(t.tag[k].key), STR_A(t.tag[k].value));
        if (rows[i].shown)
            assert_true(str_eq(buf_str(&shown), str_c(rows[i].shown)));
        arena_fini(&a);
    }
}

static void lengths_count_characters_not_bytes(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf key = BUF(4096);
    for (int i = 0; i < S3_TAG_KEY_MAX; i++)
        buf_adds(&key, STR("\xC3\xA9"));
    struct s3_tags t = {.tag = {{buf_str(&key), STR("")}}, .n = 1};
    assert_int_equal(s3_tags_check(&t, 10, NULL), S3_TAGS_OK);
    buf_addc(&key, 'x');
    t.tag[0].key = buf_str(&key);
    struct s3_tag bad;
    assert_int_equal(s3_tags_check(&t, 10, &bad), S3_TAGS_INVALID);
    assert_true(str_eq(bad.key, buf_str(&key)));
}

static void records_come_back_as_they_went(void **state)
{
    (void)state;
    struct s3_tags t = {.tag = {{STR("a"), STR("1")}, {STR("b"), STR("")}}, .n = 2}, back;
    AUTO(buf_free) struct buf b = BUF(4096);
    s3_tags_encode(&t, &b);
    assert_int_equal(s3_tags_decode(buf_str(&b), &back), 0);
    assert_int_equal(back.n, 2);
    assert_true(str_eq(back.tag[1].key, STR("b")));
    assert_int_equal(s3_tags_count(buf_str(&b)), 2);
    assert_int_equal(s3_tags_count(STR_NULL), 0);
    for (size_t cut = 1; cut < b.n;
         cut++) { /* every truncation is noticed or shorter, never past the end */
        int r = s3_tags_decode(str_head(buf_str(&b), cut), &back);
        assert_true(r == -EBADMSG || back.n < 2);
    }
    assert_int_equal(s3_tags_decode(STR("\x02"), &back), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_are_parsed_checked_and_sorted),
        cmocka_unit_test(lengths_count_characters_not_bytes),
        cmocka_unit_test(records_come_back_as_they_went),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
