/* SPDX-License-Identifier: Apache-2.0 */
/* The wish for a rebuild: a file beside the index, until it is granted. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3gw/core/wish.h"

static void a_wish_stays_until_it_is_granted(void **state)
{
    (void)state;
    char *folder = test_tmpdir();
    char index[256], file[300];
    struct stat st;
    (void)snprintf(index, sizeof(index), "%s/index", folder);
    (void)snprintf(file, sizeof(file), "%s.rebuild", index);
    assert_false(s3_rebuild_wished(index));
    for (int i = 0; i < 2; i++) { /* again is no mistake */
        assert_int_equal(s3_wish_rebuild(index), 0);
        assert_true(s3_rebuild_wished(index));
    }
    assert_int_equal(stat(file, &st), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(s3_wish_granted(index), 0);
        assert_false(s3_rebuild_wished(index));
    }
    assert_int_equal(stat(file, &st), -1);
    test_tmpdir_free(&folder);
}

static void one_that_cannot_be_kept_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(s3_wish_rebuild("/nowhere/at/all/index"), -ENOENT);
    assert_false(s3_rebuild_wished("/nowhere/at/all/index"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wish_stays_until_it_is_granted),
        cmocka_unit_test(one_that_cannot_be_kept_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
