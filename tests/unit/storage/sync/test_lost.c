/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server's loss of a disk must not bring about, each order of events played once on a simulated group of three.
 * Member 0 is the one that loses its disk.
 */
#include "dfscore/log/log.h"
#include "tests/lib/cluster_script.h"
#include "tests/lib/test.h"

enum { FILE_BYTES = 100 };

static void lose_disk(unsigned i)
{
    sim_down(i);
    sim_lose_disk(i, 0);
    sim_up(i);
}

/* --- the orders ------------------------------------------------------------------------------------------- */

/* Member 2 has heard of the deletion before it got the file, and 0 has not heard of it at all. */
static void a_deletion_is_heard_before_the_file(void)
{
    char name[STO_NAME_MAX + 1];
    script_part(0, 2, true);
    script_make(0, NULL, FILE_BYTES, name);
    UNTIL(script_size_on(1, name) == FILE_BYTES);
    script_part(0, 1, true);
    script_delete(1, name);
    UNTIL(script_follows(2, 1));
    script_part(1, 2, true);
    script_part(0, 2, false);
    sim_down(2); /* it asks 0 at once then */
    sim_up(2);
    UNTIL(script_size_on(2, name) == FILE_BYTES);
    lose_disk(0);
    script_part(0, 1, false);
    script_part(1, 2, false);
    UNTIL(script_settled());
    UNTIL(script_on_all(name, -ENOENT));
}

#define TEST(order)                                                                                \
    static void test_##order(void **state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        script_play(order);                                                                        \
    }
TEST(a_deletion_is_heard_before_the_file)

int main(void)
{
    dfs_log_threshold = getenv("LOG") ? LOG_WARN : LOG_ERROR + 1;
    (void)setenv("TMPDIR", "/dev/shm", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_deletion_is_heard_before_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
