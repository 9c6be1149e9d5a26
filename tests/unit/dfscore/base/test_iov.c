/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/iov.h"

#include "tests/lib/test.h"

/* "ab", "", "cde", "": what is left behind each number of bytes. */
static void the_rest_is_what_was_not_taken(void **state)
{
    (void)state;
    static const struct {
        size_t done, n;
        const char *first;
    } rows[] = {{0, 4, "ab"}, {1, 4, "b"}, {2, 2, "cde"}, {3, 2, "de"}, {5, 0, NULL}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char a[] = "ab", b[] = "", c[] = "cde";
        struct iovec all[] = {{a, 2}, {b, 0}, {c, 3}, {b, 0}}, *iov = all;
        size_t n = ARRAY_LEN(all);
        dfs_iov_advance(&iov, &n, rows[i].done);
        assert_int_equal(n, rows[i].n);
        if (n > 0) {
            assert_int_equal(iov->iov_len, strlen(rows[i].first));
            assert_memory_equal(iov->iov_base, rows[i].first, iov->iov_len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rest_is_what_was_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
