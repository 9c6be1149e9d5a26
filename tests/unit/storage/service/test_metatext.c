/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/service/metatext.h"

static char *result(int (*fn)(struct str, struct str, struct buf *), const char *old,
                    const char *add, int want)
{
    static char text[1024];
    AUTO(buf_free) struct buf out = BUF(sizeof(text) - 1);
    assert_int_equal(fn(str_c(old), str_c(add), &out), want);
    memcpy(text, out.p ? out.p : "", out.n);
    text[out.n] = '\0';
    return text;
}

static int sort_only(struct str old, struct str add, struct buf *out)
{
    (void)old;
    return sto_metatext_sort(add, out);
}

static void rows_follow_the_specification(void **state)
{
    (void)state;
    static const struct {
        bool merge;
        const char *old, *add, *want;
    } rows[] = {
        {false, "",
         "b\2"
         "2\1a\2"
         "1",
         "a\2"
         "1\1b\2"
         "2"},
        {false, "", "", ""},
        {false, "",
         "a\2"
         "2\1a\2"
         "1",
         "a\2"
         "2\1a\2"
         "1"},                               /* duplicates stay, in order */
        {false, "", "\2v\1n\2", "\2v\1n\2"}, /* empty name, empty value */
        {false, "",
         "a\2"
         "1\1",
         "a\2"
         "1"}, /* trailing separator */
        {false, "",
         "a\2"
         "1\2"
         "2",
         "a\2"
         "1\2"
         "2"}, /* the first 0x02 separates */
        {true,
         "a\2"
         "1\1b\2"
         "2",
         "b\2"
         "3\1c\2"
         "4",
         "a\2"
         "1\1b\2"
         "3\1c\2"
         "4"},
        {true,
         "a\2"
         "1\1a\2"
         "2",
         "a\2"
         "3\1a\2"
         "4",
         "a\2"
         "3\1a\2"
         "4"},
        {true,
         "a\2"
         "1\1a\2"
         "2\1b\2x",
         "a\2"
         "3",
         "a\2"
         "3\1b\2x"},
        {true, "",
         "z\2"
         "1\1y\2"
         "2",
         "y\2"
         "2\1z\2"
         "1"},
        {true,
         "a\2"
         "1",
         "",
         "a\2"
         "1"},
        {true,
         "junk\1a\2"
         "1",
         "b\2"
         "2",
         "a\2"
         "1\1b\2"
         "2"}, /* stored by somebody else */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(
            result(rows[i].merge ? sto_metatext_merge : sort_only, rows[i].old, rows[i].add, 0),
            rows[i].want);
}

static void what_would_be_cut_is_refused(void **state)
{
    (void)state;
    char long_name[STO_META_NAME_MAX + 4], long_value[STO_META_VALUE_MAX + 4];
    memset(long_name, 'n', sizeof(long_name));
    long_name[STO_META_NAME_MAX + 1] = 2;
    long_name[STO_META_NAME_MAX + 2] = '\0';
    memset(long_value, 'v', sizeof(long_value));
    memcpy(long_value, "n\2", 2);
    long_value[STO_META_VALUE_MAX + 3] = '\0';
    assert_string_equal(result(sort_only, "", "no separator", -EINVAL), "");
    assert_string_equal(result(sort_only, "", long_name, -EINVAL), "");
    assert_string_equal(result(sort_only, "", long_value, -EINVAL), "");
    assert_string_equal(result(sto_metatext_merge,
                               "a\2"
                               "1",
                               long_value, -EINVAL),
                        "");
    assert_int_equal(strlen(result(sort_only, "", long_name + 1, 0)), STO_META_NAME_MAX + 1);
    long_value[STO_META_VALUE_MAX + 2] = '\0';
    assert_int_equal(strlen(result(sort_only, "", long_value, 0)), STO_META_VALUE_MAX + 2);
}

static void the_ceiling_of_the_result_holds(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf out = BUF(4);
    assert_int_equal(sto_metatext_sort(STR("abc\2def"), &out), -E2BIG);
}

static int fail_at;
static bool fail_nth(size_t size)
{
    (void)size;
    return --fail_at == 0;
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    for (int n = 1; n <= 2; n++) {
        AUTO(buf_free) struct buf out = BUF(100);
        fail_at = n;
        dfs_alloc_hook = fail_nth;
        int r = sto_metatext_merge(STR("a\2"
                                       "1"),
                                   STR("b\2"
                                       "2"),
                                   &out);
        dfs_alloc_hook = NULL;
        assert_int_equal(r, -ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_follow_the_specification),
        cmocka_unit_test(what_would_be_cut_is_refused),
        cmocka_unit_test(the_ceiling_of_the_result_holds),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
