/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of groups: what is one, what is in it, one more, another instead. */
#include "s3gw/core/groups.h"

#include <stdio.h>

#include "tests/lib/test.h"

static void a_list_is_names_with_commas_between(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        bool ok, several;
    } rows[] = {
        {"group1", true, false},
        {"group1,group2", true, true},
        {"a,b,c", true, true},
        {"1234567890123456", true, false},
        {"12345678901234567", false, false},
        {"", false, false},
        {",", false, true},
        {"a,", false, true},
        {",a", false, true},
        {"a,,b", false, true},
        {"a,b,a", false, true},
        {"a, b", false, true},
        {"a/M00,b", false, true},
        {"a\n,b", false, true},
        {"\xc3\xa4", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str list = str_c(rows[i].list);
        if (s3_groups_ok(list) != rows[i].ok || s3_groups_several(list) != rows[i].several)
            fail_msg("'%s'", rows[i].list);
    }
    assert_false(s3_groups_ok(STR_NULL));
    assert_false(s3_groups_ok(str_of("a\0b", 3)));
}

static void a_file_lies_in_the_group_its_id_begins_with(void **state)
{
    (void)state;
    struct str list = STR("group1,group12");
    assert_true(s3_groups_hold(list, STR("group1/M00/00/00/f")));
    assert_true(s3_groups_hold(list, STR("group12/M00/00/00/f")));
    assert_false(s3_groups_hold(list, STR("group2/M00/00/00/f")));
    assert_false(s3_groups_hold(list, STR("group/M00/00/00/f")));
    assert_false(s3_groups_hold(list, STR("group1")));
    assert_false(s3_groups_hold(list, STR("")));
    assert_true(s3_groups_have(list, STR("group12")));
    assert_false(s3_groups_have(list, STR("group1,group12")));
    assert_false(s3_groups_have(list, STR_NULL));
}

static void one_more_goes_to_the_end(void **state)
{
    (void)state;
    char out[S3_GROUPS_TEXT_MAX + 1] = "";
    assert_int_equal(s3_groups_add(STR("a"), STR("b"), out), 0);
    assert_string_equal(out, "a,b");
    assert_int_equal(s3_groups_add(STR("a,b"), STR("b"), out), -EEXIST);
    out[0] = '\0';
    for (int i = 0; i < S3_GROUPS_LIST_MAX; i++) {
        char name[S3_GROUP_NAME_MAX + 1], longer[S3_GROUPS_TEXT_MAX + 1];
        snprintf(name, sizeof(name), "%016d", i);
        assert_int_equal(s3_groups_add(str_c(out), str_c(name), longer), 0);
        memcpy(out, longer, sizeof(out));
    }
    assert_true(s3_groups_ok(str_c(out)));
    assert_int_equal(strlen(out), S3_GROUPS_TEXT_MAX);
    char more[S3_GROUPS_TEXT_MAX + 1];
    assert_int_equal(s3_groups_add(str_c(out), STR("x"), more), -E2BIG);
    assert_int_equal(s3_groups_replace(str_c(out), STR("0000000000000063"), STR_NULL, more), 0);
    assert_int_equal(s3_groups_add(str_c(more), STR("x"), out), 0);
}

static void another_takes_its_place_or_none_does(void **state)
{
    (void)state;
    static const struct {
        const char *list, *group, *by;
        int r;
        const char *list_then;
    } rows[] = {
        {"a", "a", "b", 0, "b"},          {"a,b,c", "b", "x", 0, "a,x,c"},
        {"a,b,c", "b", "", 0, "a,c"},     {"a,b,c", "a", "c", 0, "b,c"}, /* it is there already */
        {"a,b,c", "c", "c", 0, "a,b"},    {"a", "a", "", -ENODATA, NULL},
        {"a,b", "x", "y", -ENOENT, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[S3_GROUPS_TEXT_MAX + 1];
        int r =
            s3_groups_replace(str_c(rows[i].list), str_c(rows[i].group), str_c(rows[i].by), out);
        assert_int_equal(r, rows[i].r);
        if (r == 0)
            assert_string_equal(out, rows[i].list_then);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_names_with_commas_between),
        cmocka_unit_test(a_file_lies_in_the_group_its_id_begins_with),
        cmocka_unit_test(one_more_goes_to_the_end),
        cmocka_unit_test(another_takes_its_place_or_none_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
