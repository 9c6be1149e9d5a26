/* SPDX-License-Identifier: Apache-2.0 */
/* What one tracker makes of another's records, when its own differ: test_trackers_sim.c found most of these. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "dfscore/wire/internal.h"
#include "tracker/service/merge.h"

enum {
    INIT = DFS_ST_INIT,
    WAIT = DFS_ST_WAIT_SYNC,
    SYNC = DFS_ST_SYNCING,
    GONE = DFS_ST_DELETED,
    OFF = DFS_ST_OFFLINE,
    ON = DFS_ST_ONLINE,
    NOW = 1000,
    LATER = 2000,
};

static struct trk_node *member(struct trk_cluster *c, uint8_t status, int64_t up_s, int64_t mod_us)
{
    struct trk_group *g;
    struct trk_node *n;
    assert_int_equal(trk_group_get(c, "g", &g), 0);
    n = trk_node_find(g, "1");
    if (!n)
        assert_int_equal(trk_node_add(c, g, "1", &n), 0);
    trk_node_set_status(c, n, status);
    n->up_time = up_s;
    n->mod_us = mod_us;
    return n;
}

static void tell(struct trk_cluster *from, struct trk_cluster *to)
{
    AUTO(buf_free) struct buf records = BUF(1 << 20);
    (void)trk_rec_all(&records, from, NULL);
    assert_int_equal(buf_err(&records), 0);
    assert_int_equal(trk_merge(to, buf_str(&records)), 0);
}

/* Theirs has the later stamp, by a clock that may be wrong. */
static const struct {
    const char *why;
    uint8_t mine, theirs;
    bool joined, same_life, refill; /* joined here; theirs: of the same start; has to fill again */
    uint8_t then;
    bool insists; /* and says so with a stamp that is later still */
} rows[] = {
    {"nobody sees it", INIT, OFF, false, true, false, OFF, false},
    {"another start of it, empty", OFF, INIT, false, false, false, INIT, false},
    {"it does not become incomplete while it runs", OFF, INIT, false, true, false, OFF, true},
    {"but it may rebuild a disk", OFF, DFS_ST_RECOVERY, false, true, false, DFS_ST_RECOVERY, false},
    {"unless it was removed", OFF, INIT, false, true, true, INIT, false},
    {"it was removed", OFF, GONE, false, true, false, GONE, false},
    {"it stays removed", GONE, OFF, false, true, false, GONE, true},
    {"so it does by a later start that knew nothing of it", GONE, OFF, false, false, false, GONE,
     true},
    {"it came back with what it had", GONE, INIT, false, false, true, INIT, false},
    {"it tells us itself when it is complete", WAIT, OFF, true, true, false, WAIT, false},
    {"it tells us itself, empty", INIT, OFF, true, false, false, INIT, false},
    {"its source has told the other", SYNC, OFF, true, true, false, OFF, false},
    {"it has told us that it is complete", ON, WAIT, true, false, false, ON, false},
    {"but has to fill again", ON, INIT, true, true, true, INIT, false},
    {"it is here", ON, GONE, true, true, false, ON, false},
    {"it was removed while it filled", WAIT, GONE, true, true, false, GONE, false},
    {"it came back, and is here", INIT, GONE, true, false, false, INIT, false},
};

static void a_later_stamp_is_not_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct trk_cluster here, there;
        trk_cluster_init(&here);
        trk_cluster_init(&there);
        struct trk_node *mine = member(&here, rows[i].mine, 10, NOW);
        mine->session = rows[i].joined;
        member(&there, rows[i].theirs, rows[i].same_life ? 10 : 20, LATER)->refill = rows[i].refill;
        tell(&there, &here);
        if (mine->status != rows[i].then)
            fail_msg("%s: %u", rows[i].why, mine->status);
        if (rows[i].insists != (mine->mod_us > LATER))
            fail_msg("%s: stamp %lld", rows[i].why, (long long)mine->mod_us);
        tell(&here, &there); /* who insists convinces */
        if (rows[i].insists)
            assert_int_equal(there.groups[0]->nodes[0]->status, rows[i].then);
        trk_cluster_fini(&here);
        trk_cluster_fini(&there);
    }
}

/* Who was removed, began anew, and joined another tracker. */
static void a_removed_server_comes_back_as_a_new_one(void **state)
{
    (void)state;
    struct trk_cluster here, there;
    trk_cluster_init(&here);
    trk_cluster_init(&there);
    struct trk_node *mine = member(&here, GONE, 10, NOW);
    mine->join_time = 5;
    member(&there, INIT, 20, LATER)->join_time = 20;
    tell(&there, &here);
    assert_int_equal(mine->status, INIT);
    assert_int_equal(mine->join_time, 20);
    trk_cluster_fini(&here);
    trk_cluster_fini(&there);
}

static void an_earlier_stamp_changes_nothing(void **state)
{
    (void)state;
    struct trk_cluster here, there;
    trk_cluster_init(&here);
    trk_cluster_init(&there);
    const struct trk_node *mine = member(&here, OFF, 10, LATER);
    member(&there, GONE, 20, NOW);
    tell(&there, &here);
    assert_int_equal(mine->status, OFF);
    assert_int_equal(mine->up_time, 10);
    trk_cluster_fini(&here);
    trk_cluster_fini(&there);
}

/* Two trackers that have seen one stamp give the next change the same. */
static void two_changes_of_one_stamp_become_one(void **state)
{
    (void)state;
    struct trk_cluster here, there;
    trk_cluster_init(&here);
    trk_cluster_init(&there);
    struct trk_node *mine = member(&here, OFF, 10, NOW), *theirs = member(&there, GONE, 20, NOW);
    mine->drain = (struct trk_drain){DFS_DRAIN_ON, NOW};
    theirs->drain = (struct trk_drain){DFS_DRAIN_NONE, NOW};
    tell(&there, &here);
    tell(&here, &there);
    assert_int_equal(mine->status, GONE);
    assert_int_equal(theirs->status, GONE);
    assert_int_equal(mine->drain.state, DFS_DRAIN_ON);
    assert_int_equal(theirs->drain.state, DFS_DRAIN_ON);
    trk_cluster_fini(&here);
    trk_cluster_fini(&there);
}

/* Leaders of two times have named one each, both as the first. */
static void two_trunk_servers_of_one_version_become_one(void **state)
{
    (void)state;
    static const struct {
        const char *here, *there, *then;
    } names[] = {{"1", "2", "2"}, {"2", "1", "2"}, {"", "1", "1"}, {"1", "", "1"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct trk_cluster here, there;
        trk_cluster_init(&here);
        trk_cluster_init(&there);
        struct trk_group *mine = member(&here, OFF, 10, NOW)->group;
        struct trk_group *theirs = member(&there, OFF, 10, NOW)->group;
        memcpy(mine->trunk_server, names[i].here, strlen(names[i].here));
        memcpy(theirs->trunk_server, names[i].there, strlen(names[i].there));
        mine->trunk_version = theirs->trunk_version = 3;
        mine->nodes[0]->told_trunk = 3;
        tell(&there, &here);
        tell(&here, &there);
        assert_string_equal(mine->trunk_server, names[i].then);
        assert_string_equal(theirs->trunk_server, names[i].then);
        /* Members have to hear of it, if it is another one now. */
        assert_int_equal(mine->nodes[0]->told_trunk,
                         strcmp(names[i].here, names[i].then) == 0 ? 3 : 0);
        trk_cluster_fini(&here);
        trk_cluster_fini(&there);
    }
}

static void add_line(struct trk_cluster *c, unsigned i)
{
    struct trk_log_line l = {.time_s = i, .group = "g", .status = GONE};
    (void)snprintf(l.id, sizeof(l.id), "%u", i);
    assert_int_equal(trk_log_add(c, &l), 0);
}

/* More than both can keep, and not the same: what one has dropped it does not take again from the other. */
static void full_logs_come_to_rest(void **state)
{
    (void)state;
    struct trk_cluster here, there, old, later;
    trk_cluster_init(&here);
    trk_cluster_init(&there);
    trk_cluster_init(&old);
    trk_cluster_init(&later);
    trk_cluster_now(&here, INT64_C(1000000) * 100000);
    trk_cluster_now(&there, INT64_C(1000000) * 100000);
    for (unsigned i = 1; i <= TRK_LOG_MAX + 2; i++) {
        if (i <= TRK_LOG_MAX)
            add_line(&there, i);
        add_line(&here, i == 1 || i == 100 ? 101 - i : i); /* 100 is the first */
    }
    tell(&here, &there);
    uint64_t first = there.log_first;
    assert_int_equal(first, 2);
    for (int times = 0; times < 3; times++) {
        tell(&there, &here);
        assert_int_equal(here.log_first, 2);
        tell(&here, &there);
        assert_int_equal(there.log_first, first);
    }
    /* nor after a restart */
    AUTO(buf_free) struct buf records = BUF(1 << 20);
    (void)trk_rec_all(&records, &here, NULL);
    struct str rest = buf_str(&records);
    struct trk_rec rec;
    trk_cluster_now(&later, INT64_C(1000000) * 100000);
    while (trk_rec_next(&rest, &rec) == 1)
        assert_int_equal(trk_rec_apply(&later, NULL, &rec), 0);
    assert_int_equal(later.log_first, 2);
    add_line(&old, 2);
    tell(&old, &later);
    assert_int_equal(later.log_first, 2);
    /* a new one is taken */
    add_line(&old, TRK_LOG_MAX + 3);
    tell(&old, &later);
    assert_int_equal(later.log_first, 3);
    trk_cluster_fini(&here);
    trk_cluster_fini(&there);
    trk_cluster_fini(&old);
    trk_cluster_fini(&later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_stamp_is_not_all),
        cmocka_unit_test(a_removed_server_comes_back_as_a_new_one),
        cmocka_unit_test(an_earlier_stamp_changes_nothing),
        cmocka_unit_test(two_changes_of_one_stamp_become_one),
        cmocka_unit_test(two_trunk_servers_of_one_version_become_one),
        cmocka_unit_test(full_logs_come_to_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
