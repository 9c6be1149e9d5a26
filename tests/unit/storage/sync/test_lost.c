/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server's loss of a disk must not bring about, each order of events played once on a simulated group of three.
 * Member 0 is the one that loses its disk.
 */
#include "dfscore/log/log.h"
#include "tests/lib/cluster_alike.h"
#include "tests/lib/cluster_ledger.h"
#include "tests/lib/fake_disk.h"
#include "tests/lib/test.h"

enum { PATIENCE_US = 60000000, LOOK_US = 10000, FILE_BYTES = 100 };

static void (*script)(void); /* being played */
static bool over;            /* it, or what follows */

/* --- what the script does and waits for ----------------------------------------------------------------- */

static void part(unsigned i, unsigned j, bool cut)
{
    sim_cut(i, j, cut);
    sim_cut(j, i, cut);
}

/* The size of its content on member @i, or negative errno. */
static int64_t size_on(unsigned i, const char *name)
{
    AUTO(buf_free) struct buf got = BUF(1 << 20);
    int r = led_look_up(sim_node(i), name, &got);
    return r < 0 ? r : (int64_t)got.n;
}

static bool in_service(unsigned mask)
{
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (mask & 1u << i &&
            (!sim_serves(sim_node(i)) || !sim_node(i)->complete || sim_status(i) != DFS_ST_ACTIVE))
            return false;
    return true;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (uint64_t end = fibers_now_us() + PATIENCE_US; !(condition); fiber_sleep(LOOK_US))     \
            if (fibers_now_us() > end) {                                                           \
                WRONG("%s:%d: never %s", __func__, __LINE__, #condition);                          \
                return;                                                                            \
            }                                                                                      \
    } while (0)

static unsigned begin(unsigned i)
{
    while (sim_node(i)->writing)
        fiber_sleep(100);
    sim_begin_change(sim_node(i));
    return fiber_as(i);
}

static void end(unsigned i, unsigned before, int r)
{
    fiber_as(before);
    sim_end_change(sim_node(i));
    if (r < 0)
        WRONG("a change at %u failed: %d", i, r);
}

static void make(unsigned i, char *name)
{
    char data[FILE_BYTES] = "content";
    struct sto_file *f = NULL;
    unsigned before = begin(i);
    int r = sto_file_open(sim_node(i)->store, 0, sizeof(data), STO_NATIVE, &f);
    const struct sto_commit c = {.size = sizeof(data),
                                 .crc32 = sto_crc32(0, data, sizeof(data)),
                                 .ext = "bin",
                                 .desc = STR("")};
    if (r == 0)
        r = sto_file_write(f, data, sizeof(data), 0);
    if (r == 0)
        r = sto_file_commit(&f, &c, name);
    sto_file_free(&f);
    end(i, before, r);
}

static void take_away(unsigned i, const char *name)
{
    struct str s = str_c(name);
    int result = 0;
    unsigned before = begin(i);
    int r = sto_delete_batch(sim_node(i)->store, &s, 1, &result);
    end(i, before, r < 0 ? r : result);
}

static void lose_disk(unsigned i)
{
    sim_down(i);
    sim_lose_disk(i, 0);
    sim_up(i);
}

/* All start and see each other, then it goes on. */
static void begin_script(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < sim_nodes(); i++)
        sim_up(i);
    for (unsigned k = 0; k < PATIENCE_US / LOOK_US && !(in_service(7) && sim_settled()); k++)
        fiber_sleep(LOOK_US);
    script();
    over = true;
}

static void go_down(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < sim_nodes(); i++)
        sim_down(i);
    over = true;
}

static void play(void (*order)(void))
{
    script = order;
    led_start(true);
    sim_start(&(struct sim_options){.seed = 1, .nodes = 3, .paths = 1, .delay_us = 500});
    fiber_begin(SIM_TRACKER, begin_script, NULL);
    for (over = false; !over;)
        ASSERT(fibers_turn());
    if (!ledger.wrong[0])
        alike_check_members();
    if (ledger.wrong[0])
        fail_msg("%s", ledger.wrong);
    fiber_begin(SIM_TRACKER, go_down, NULL);
    for (over = false; !over;)
        ASSERT(fibers_turn());
    sim_stop();
    led_stop();
}

/* --- the orders ------------------------------------------------------------------------------------------- */

/* Has @i the whole log that @of writes? */
static bool follows(unsigned i, unsigned of)
{
    struct sto_log_info log, copy;
    (void)sto_mirrors_list(sim_node(of)->mirrors, 0, &log, 1);
    return sto_mirrors_find(sim_node(i)->mirrors, 0, log.id, &copy) == 0 && copy.end >= log.end;
}

static bool all_settled(void)
{
    return in_service(7) && sim_settled();
}

static bool on_all(const char *name, int64_t size)
{
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (size_on(i, name) != size)
            return false;
    return true;
}

/* Member 2 has heard of the deletion before it got the file, and 0 has not heard of it at all. */
static void a_deletion_is_heard_before_the_file(void)
{
    char name[STO_NAME_MAX + 1];
    part(0, 2, true);
    make(0, name);
    UNTIL(size_on(1, name) == FILE_BYTES);
    part(0, 1, true);
    take_away(1, name);
    UNTIL(follows(2, 1));
    part(1, 2, true);
    part(0, 2, false);
    sim_down(2); /* it asks 0 at once then */
    sim_up(2);
    UNTIL(size_on(2, name) == FILE_BYTES);
    lose_disk(0);
    part(0, 1, false);
    part(1, 2, false);
    UNTIL(all_settled());
    UNTIL(on_all(name, -ENOENT));
}

#define TEST(order)                                                                                \
    static void test_##order(void **state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        play(order);                                                                               \
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
