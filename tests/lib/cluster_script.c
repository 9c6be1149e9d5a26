/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/cluster_script.h"

#include "dfscore/log/log.h"
#include "storage/disk/io.h"
#include "tests/lib/cluster_alike.h"
#include "tests/lib/sto_open.h"
#include "tests/lib/test.h"

static void (*script)(void); /* being played */
static bool over;            /* it, or what follows */

void script_part(unsigned i, unsigned j, bool cut)
{
    sim_cut(i, j, cut);
    sim_cut(j, i, cut);
}

int64_t script_size_on(unsigned i, const char *name)
{
    AUTO(buf_free) struct buf got = BUF(1 << 20);
    int r = sim_look_up(sim_node(i), name, &got);
    return r < 0 ? r : (int64_t)got.n;
}

bool script_on_all(const char *name, int64_t size)
{
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (script_size_on(i, name) != size)
            return false;
    return true;
}

bool script_in_service(unsigned mask)
{
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (mask & 1u << i &&
            (!sim_serves(sim_node(i)) || !sim_node(i)->complete || sim_status(i) != DFS_ST_ACTIVE))
            return false;
    return true;
}

bool script_settled(void)
{
    return script_in_service((1u << sim_nodes()) - 1) && sim_settled();
}

bool script_follows(unsigned i, unsigned of)
{
    struct sto_log_info log, copy;
    (void)sto_mirrors_list(sim_node(of)->mirrors, 0, &log, 1);
    return sto_mirrors_find(sim_node(i)->mirrors, 0, log.id, &copy) == 0 && copy.end >= log.end;
}

unsigned script_begin(unsigned i)
{
    while (sim_node(i)->writing)
        fiber_sleep(100);
    sim_begin_change(sim_node(i));
    return fiber_as(i);
}

void script_end(unsigned i, unsigned before, int r)
{
    fiber_as(before);
    sim_end_change(sim_node(i));
    if (r < 0)
        WRONG("a change at %u failed: %d", i, r);
}

static void make(unsigned i, const char *master, size_t size, uint8_t flags, char *name)
{
    char data[4096];
    struct sto_file *f = NULL;
    ASSERT(size <= sizeof(data));
    memset(data, 'c', sizeof(data));
    unsigned before = script_begin(i);
    int r = sto_file_open(sim_node(i)->store, 0, size, STO_NATIVE, &f);
    const struct sto_commit c = test_sto_commit(data, size, master, flags);
    if (r == 0)
        r = sto_file_write(f, data, size, 0);
    if (r == 0)
        r = sto_file_commit(&f, &c, name);
    sto_file_free(&f);
    script_end(i, before, r);
}

void script_make(unsigned i, const char *master, size_t size, char *name)
{
    make(i, master, size, 0, name);
}

void script_make_appender(unsigned i, size_t size, char *name)
{
    make(i, NULL, size, STO_APPENDER, name);
}

void script_regenerate(unsigned i, const char *name, char *new_name)
{
    unsigned before = script_begin(i);
    script_end(i, before, sto_regenerate(sim_node(i)->store, str_c(name), NULL, new_name));
}

void script_delete(unsigned i, const char *name)
{
    struct str s = str_c(name);
    int result = 0;
    unsigned before = script_begin(i);
    int r = sto_delete_batch(sim_node(i)->store, &s, 1, &result);
    script_end(i, before, r < 0 ? r : result);
}

/* All start and see each other, then it goes on. */
static void begin_script(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < sim_nodes(); i++)
        sim_up(i);
    for (unsigned k = 0; k < SCRIPT_PATIENCE_US / SCRIPT_LOOK_US && !script_settled(); k++)
        fiber_sleep(SCRIPT_LOOK_US);
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

void script_begins(void)
{
    dfs_log_threshold = getenv("LOG") ? LOG_WARN : LOG_ERROR + 1;
    test_in_memory();
}

void script_play(void (*order)(void))
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
