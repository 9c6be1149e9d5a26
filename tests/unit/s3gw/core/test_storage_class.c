/* SPDX-License-Identifier: Apache-2.0 */
/* Storage classes: rows of the setting, look-ups, order, groups. */
#include "s3gw/core/storage_class.h"
#include "tests/lib/test.h"

static void rows_name_a_class_and_perhaps_a_group(void **state)
{
    (void)state;
    static const struct {
        const char *row, *name, *group; /* name NULL: refused */
    } rows[] = {
        {"STANDARD_IA", "STANDARD_IA", ""},
        {" COLD = group2 ", "COLD", "group2"},
        {"TIER_9=g", "TIER_9", "g"},
        {"STANDARD", NULL, NULL},
        {"STANDARD=group2", NULL, NULL},
        {"COLD=", NULL, NULL},
        {"=group2", NULL, NULL},
        {"COLD=group2,group3", NULL, NULL},
        {"", NULL, NULL},
        {"cold=group2", NULL, NULL},
        {"CO LD", NULL, NULL},
        {"COLD=a_group_of_17_byt", NULL, NULL},
        {"A23456789012345678901234567890123", NULL, NULL}, /* 33 */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_class c;
        int r = s3_class_parse(str_c(rows[i].row), &c);
        if ((r == 0) != (rows[i].name != NULL))
            fail_msg("'%s' gave %d", rows[i].row, r);
        if (r == 0)
            assert_true(str_eq(c.name, str_c(rows[i].name)) &&
                        str_eq(c.group, str_c(rows[i].group)));
    }
}

static void the_order_is_the_lists(void **state)
{
    (void)state;
    static const struct s3_class v[] = {{STR_INIT("WARM"), STR_INIT("")},
                                        {STR_INIT("COLD"), STR_INIT("group2")}};
    const struct s3_classes c = {v, ARRAY_LEN(v)};
    static const struct {
        const char *name;
        int rank;
        const char *group; /* in a bucket of group1 */
    } rows[] = {
        {NULL, 0, "group1"},   {"STANDARD", 0, "group1"},      {"WARM", 1, "group1"},
        {"COLD", 2, "group2"}, {"GLACIER", -ENOENT, "group1"}, {"cold", -ENOENT, "group1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(s3_class_rank(&c, str_c(rows[i].name)), rows[i].rank);
        assert_true(
            str_eq(s3_class_group(&c, str_c(rows[i].name), STR("group1")), str_c(rows[i].group)));
        assert_int_equal(s3_class_find(&c, str_c(rows[i].name)) != NULL, rows[i].rank > 0);
    }
}

static void without_a_setting_the_usual_names_are_labels(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool offered, aws;
    } rows[] = {
        {"STANDARD", false, true},          {"STANDARD_IA", true, true},
        {"REDUCED_REDUNDANCY", true, true}, {"ONEZONE_IA", true, true},
        {"GLACIER_IR", true, true},         {"INTELLIGENT_TIERING", true, true},
        {"GLACIER", false, true},           {"DEEP_ARCHIVE", false, true},
        {"CELLAR", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str name = str_c(rows[i].name);
        assert_int_equal(s3_class_find(&s3_classes_default, name) != NULL, rows[i].offered);
        assert_int_equal(s3_class_is_aws(name), rows[i].aws);
        assert_true(str_eq(s3_class_group(&s3_classes_default, name, STR("g")), STR("g")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_name_a_class_and_perhaps_a_group),
        cmocka_unit_test(the_order_is_the_lists),
        cmocka_unit_test(without_a_setting_the_usual_names_are_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
