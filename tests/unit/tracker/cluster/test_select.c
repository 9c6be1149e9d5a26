/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <arpa/inet.h>

#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/internal.h"
#include "tracker/cluster/select.h"

#define NOW INT64_C(1700100000)

static struct trk_cluster c;
static struct trk_select_opts o;

static int setup(void **state)
{
    (void)state;
    trk_cluster_init(&c);
    o = (struct trk_select_opts){.store_group = "", .max_delay_s = 86400, .max_time_s = 300};
    o.reserved.bytes = UINT64_C(100) << 20;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trk_cluster_fini(&c);
    return 0;
}

/* An ACTIVE server with two paths of 1000 MB. */
static struct trk_node *server(const char *group, const char *ip, int64_t free0, int64_t free1)
{
    struct trk_group *g;
    struct trk_node *n;
    struct dfs_path_usage usage[2] = {{1000, free0}, {1000, free1}};
    assert_int_equal(trk_group_get(&c, group, &g), 0);
    assert_int_equal(trk_node_add(&c, g, ip, &n), 0);
    memcpy(n->ip[0], ip, strlen(ip));
    n->port = 23000;
    g->port = 23000;
    n->path_count = g->path_count = 2;
    n->beat_ms = 1;
    assert_int_equal(trk_node_set_usage(n, usage, 2, false), 0);
    trk_node_set_status(&c, n, DFS_ST_ACTIVE);
    return n;
}

static const char *next_group(void)
{
    struct trk_target t;
    return trk_select_store(&c, &o, NULL, &t) == 0 ? t.group->name : "-";
}

static const char *next_server(const char *group)
{
    struct trk_target t;
    return trk_select_store(&c, &o, group, &t) == 0 ? t.node->id : "-";
}

static void groups_take_turns_and_full_ones_are_left_out(void **state)
{
    (void)state;
    server("a", "10.0.0.1", 500, 500);
    struct trk_node *full = server("b", "10.0.1.1", 50, 50);
    server("c", "10.0.2.1", 500, 500);
    assert_string_equal(next_group(), "a");
    assert_string_equal(next_group(), "c");
    assert_string_equal(next_group(), "a");
    struct dfs_path_usage usage[2] = {{1000, 400}, {1000, 0}};
    assert_int_equal(trk_node_set_usage(full, usage, 2, false), 0); /* it comes back by itself */
    assert_string_equal(next_group(), "b");
}

static void most_free_group_and_named_group(void **state)
{
    (void)state;
    server("a", "10.0.0.1", 300, 300);
    server("b", "10.0.1.1", 900, 900);
    o.store_lookup = TRK_LOOKUP_MOST_FREE;
    assert_string_equal(next_group(), "b");
    assert_string_equal(next_group(), "b");
    o.store_lookup = TRK_LOOKUP_NAMED;
    o.store_group = "a";
    assert_string_equal(next_group(), "a");
    o.store_group = "nowhere";
    assert_string_equal(next_group(), "-");
}

static void the_fullest_member_decides_for_its_group(void **state)
{
    (void)state;
    struct trk_target t;
    server("a", "10.0.0.1", 900, 900);
    server("a", "10.0.0.2", 40, 40);
    assert_int_equal(trk_select_store(&c, &o, "a", &t), -ENOSPC);
}

static void a_drained_group_has_the_space_of_its_servers(void **state)
{
    (void)state;
    int64_t total, free;
    struct trk_node *a = server("a", "10.0.0.1", 900, 900), *b = server("a", "10.0.0.2", 300, 300);
    const struct {
        uint8_t group, b;
        int64_t free; /* of the fullest that takes new files; of all when none does */
    } rows[] = {{DFS_DRAIN_NONE, DFS_DRAIN_NONE, 600},
                {DFS_DRAIN_NONE, DFS_DRAIN_ON, 1800},
                {DFS_DRAIN_ON, DFS_DRAIN_NONE, 600},
                {DFS_DRAIN_DONE, DFS_DRAIN_DONE, 600}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        trk_set_drain(&c, a->group, NULL, rows[i].group);
        trk_set_drain(&c, a->group, b, rows[i].b);
        trk_group_space(a->group, &total, &free);
        assert_int_equal(total, 2000);
        assert_int_equal(free, rows[i].free);
    }
    trk_node_set_status(&c, a, DFS_ST_OFFLINE);
    trk_node_set_status(&c, b, DFS_ST_OFFLINE);
    trk_group_space(a->group, &total, &free);
    assert_int_equal(total, 0);
}

static void errors_say_what_is_missing(void **state)
{
    (void)state;
    struct trk_target t;
    assert_int_equal(trk_select_store(&c, &o, NULL, &t), -ENOENT);
    struct trk_node *n = server("a", "10.0.0.1", 10, 10);
    assert_int_equal(trk_select_store(&c, &o, NULL, &t), -ENOSPC);
    assert_int_equal(trk_select_store(&c, &o, "b", &t), -ENOENT);
    trk_node_set_status(&c, n, DFS_ST_OFFLINE);
    assert_int_equal(trk_select_store(&c, &o, NULL, &t), -ENOENT);
}

static void a_server_without_disk_report_takes_nothing_and_blocks_nobody(void **state)
{
    (void)state;
    server("a", "10.0.0.1", 500, 500);
    struct trk_node *young = server("a", "10.0.0.2", 500, 500);
    free(young->paths);
    young->paths = NULL;
    young->total_mb = young->free_mb = 0;
    assert_string_equal(next_server("a"), "10.0.0.1");
    assert_string_equal(next_server("a"), "10.0.0.1");
    int64_t total, free_mb;
    trk_group_space(young->group, &total, &free_mb);
    assert_int_equal(total, 2000);
    assert_int_equal(free_mb, 1000);
}

static void servers_take_turns_or_the_first_or_the_preferred(void **state)
{
    (void)state;
    server("a", "10.0.0.1", 500, 500)->upload_priority = 10;
    server("a", "10.0.0.2", 500, 500)->upload_priority = 5;
    struct trk_node *ro = server("a", "10.0.0.3", 500, 500);
    ro->rw_mode = DFS_RW_READ;
    assert_string_equal(next_server("a"), "10.0.0.1");
    assert_string_equal(next_server("a"), "10.0.0.2");
    assert_string_equal(next_server("a"), "10.0.0.1");
    o.store_server = TRK_SERVER_FIRST;
    assert_string_equal(next_server("a"), "10.0.0.1");
    o.store_server = TRK_SERVER_PRIORITY;
    assert_string_equal(next_server("a"), "10.0.0.2");
    o.store_server = TRK_SERVER_ROUND_ROBIN;
    o.use_trunk = true; /* one server hands out slots: it takes all */
    assert_string_equal(next_server("a"), "10.0.0.1");
    assert_string_equal(next_server("a"), "10.0.0.1");
}

static void paths_take_turns_and_full_ones_are_left_out(void **state)
{
    (void)state;
    struct trk_target t;
    struct trk_node *n = server("a", "10.0.0.1", 500, 500);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(trk_select_store(&c, &o, "a", &t), 0);
        assert_int_equal(t.path, i % 2);
    }
    struct dfs_path_usage usage[2] = {{1000, 49}, {1000, 500}}; /* its half of the reserve is 50 */
    assert_int_equal(trk_node_set_usage(n, usage, 2, false), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(trk_select_store(&c, &o, "a", &t), 0);
        assert_int_equal(t.path, 1);
    }
    o.store_path = TRK_PATH_MOST_FREE;
    usage[0].free_mb = 900;
    assert_int_equal(trk_node_set_usage(n, usage, 2, true), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(trk_select_store(&c, &o, "a", &t), 0);
        assert_int_equal(t.path, 0);
    }
}

static void a_reserve_in_percent_is_of_each_disk(void **state)
{
    (void)state;
    struct trk_target t;
    o.reserved = (struct dfs_conf_space){0, 2000};
    server("a", "10.0.0.1", 150, 350); /* 25 percent together, 15 and 35 apart */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(trk_select_store(&c, &o, "a", &t), 0);
        assert_int_equal(t.path, 1);
    }
    assert_int_equal(trk_reserved_mb(&o, 2000), 400);
    assert_false(trk_space_ok(&o, 2000, 400));
    assert_true(trk_space_ok(&o, 2000, 401));
    assert_true(trk_reserved_mb(&o, INT64_MAX) > 0);
}

/* --- readers
 * --------------------------------------------------------------------------------------- */

static struct str name_of(const char *ip, int64_t created_s, enum dfs_file_kind kind)
{
    static char text[DFS_FILENAME_TRUNK];
    struct in_addr a;
    assert_int_equal(inet_pton(AF_INET, ip, &a), 1);
    struct dfs_fileid_parts p = {.kind = kind, .created_s = created_s, .size = 13, .crc32 = 1};
    dfs_source_from_ip(ntohl(a.s_addr), p.source);
    memcpy(p.tail, "123.txt", sizeof(p.tail));
    return str_of(text, dfs_filename_build(&p, text));
}

static const char *reader(const char *ip, int64_t created_s, enum dfs_file_kind kind)
{
    struct trk_node *out[DFS_SERVERS_MAX];
    size_t n;
    int r = trk_select_fetch(trk_group_find(&c, "a"), &o, name_of(ip, created_s, kind), NOW, false,
                             out, &n);
    assert_true(r < 0 || n == 1);
    return r < 0 ? "-" : out[0]->id;
}

static size_t readers(const char *ip, int64_t created_s)
{
    struct trk_node *out[DFS_SERVERS_MAX];
    size_t n;
    return trk_select_fetch(trk_group_find(&c, "a"), &o, name_of(ip, created_s, DFS_FILE_NORMAL),
                            NOW, true, out, &n) == 0
               ? n
               : 0;
}

static void a_fresh_file_is_read_from_its_source(void **state)
{
    (void)state;
    server("a", "10.0.0.1", 500, 500);
    server("a", "10.0.0.2", 500, 500);
    for (int i = 0; i < 3; i++)
        assert_string_equal(reader("10.0.0.1", NOW - 5, DFS_FILE_NORMAL), "10.0.0.1");
    assert_int_equal(readers("10.0.0.1", NOW - 5), 1);
}

static void a_replica_reads_what_it_has_received_from_that_source(void **state)
{
    (void)state;
    struct trk_node *a = server("a", "10.0.0.1", 500, 500), *b = server("a", "10.0.0.2", 500, 500);
    struct trk_node *idle = server("a", "10.0.0.3", 500, 500);
    b->synced_s[a->slot] = NOW - 4;
    b->synced_s[idle->slot] = NOW - 70000; /* an idle third server holds nothing back */
    assert_int_equal(readers("10.0.0.1", NOW - 5), 2);
    assert_int_equal(readers("10.0.0.1", NOW - 4), 1); /* the same second: perhaps not all of it */
    assert_string_equal(reader("10.0.0.1", NOW - 5, DFS_FILE_NORMAL), "10.0.0.1");
    assert_string_equal(reader("10.0.0.1", NOW - 5, DFS_FILE_NORMAL), "10.0.0.2");
    assert_string_equal(reader("10.0.0.1", NOW - 5, DFS_FILE_NORMAL), "10.0.0.1");
    b->synced_s[a->slot] = NOW - 400; /* the last operation of its source, long ago */
    assert_int_equal(readers("10.0.0.1", NOW - 400), 2);
    assert_int_equal(readers("10.0.0.1", NOW - 398), 1);
}

static void old_files_are_everywhere(void **state)
{
    (void)state;
    server("a", "10.0.0.1", 500, 500);
    server("a", "10.0.0.2", 500, 500);
    assert_int_equal(readers("10.0.0.1", NOW - 86401), 2);
    assert_int_equal(readers("10.9.9.9", NOW - 86401), 2); /* its source has long left the group */
}

static void when_the_source_is_away_the_store_server_is_asked(void **state)
{
    (void)state;
    struct trk_node *a = server("a", "10.0.0.1", 500, 500);
    struct trk_node *b = server("a", "10.0.0.2", 500, 500);
    trk_node_set_status(&c, a, DFS_ST_OFFLINE);
    assert_string_equal(reader("10.0.0.1", NOW - 5, DFS_FILE_NORMAL), "10.0.0.2");
    trk_node_set_status(&c, b, DFS_ST_SYNCING); /* never from one that is not complete */
    assert_string_equal(reader("10.0.0.1", NOW - 5, DFS_FILE_NORMAL), "-");
}

static void an_appender_is_always_read_and_changed_at_its_source(void **state)
{
    (void)state;
    struct trk_node *a = server("a", "10.0.0.1", 500, 500), *n,
                    *b = server("a", "10.0.0.2", 500, 500);
    b->synced_s[a->slot] = NOW;
    for (int i = 0; i < 3; i++)
        assert_string_equal(reader("10.0.0.1", NOW - 90000, DFS_FILE_APPENDER), "10.0.0.1");
    struct str name = name_of("10.0.0.1", NOW, DFS_FILE_APPENDER);
    assert_int_equal(trk_select_update(trk_group_find(&c, "a"), &o, name, &n), 0);
    assert_ptr_equal(n, a);
    a->rw_mode = DFS_RW_READ;
    assert_int_equal(trk_select_update(trk_group_find(&c, "a"), &o, name, &n), 0);
    assert_ptr_equal(n, b);
}

static void readers_and_writers_apart(void **state)
{
    (void)state;
    struct trk_node *w = server("a", "10.0.0.1", 500, 500), *r = server("a", "10.0.0.2", 500, 500),
                    *n;
    w->rw_mode = DFS_RW_WRITE;
    r->rw_mode = DFS_RW_READ;
    r->synced_s[w->slot] = NOW - 100;
    for (int i = 0; i < 2; i++) {
        assert_string_equal(next_server("a"), "10.0.0.1");
        assert_string_equal(reader("10.0.0.1", NOW - 200, DFS_FILE_NORMAL), "10.0.0.2");
        /* Not known to be there yet, or kept at its source: it asks its peer. */
        assert_string_equal(reader("10.0.0.1", NOW - 5, DFS_FILE_NORMAL), "10.0.0.2");
        assert_string_equal(reader("10.0.0.1", NOW - 5, DFS_FILE_APPENDER), "10.0.0.2");
        o.store_server = TRK_SERVER_PRIORITY;
    }
    assert_int_equal(trk_select_update(trk_group_find(&c, "a"), &o,
                                       name_of("10.0.0.1", NOW, DFS_FILE_NORMAL), &n),
                     0);
    assert_ptr_equal(n, w);
    r->rw_mode = DFS_RW_NONE;
    assert_string_equal(reader("10.0.0.1", NOW - 200, DFS_FILE_NORMAL), "-");
}

static void reads_may_stay_with_the_source(void **state)
{
    (void)state;
    struct trk_node *a = server("a", "10.0.0.1", 500, 500);
    server("a", "10.0.0.2", 500, 500);
    o.download_server = TRK_READ_SOURCE;
    for (int i = 0; i < 3; i++)
        assert_string_equal(reader("10.0.0.1", NOW - 90000, DFS_FILE_NORMAL), "10.0.0.1");
    trk_node_set_status(&c, a, DFS_ST_OFFLINE);
    assert_string_equal(reader("10.0.0.1", NOW - 90000, DFS_FILE_NORMAL), "10.0.0.2");
}

static void what_is_no_file_name_is_refused(void **state)
{
    (void)state;
    struct trk_node *out[DFS_SERVERS_MAX], *one;
    size_t n;
    server("a", "10.0.0.1", 500, 500);
    struct trk_group *g = trk_group_find(&c, "a");
    assert_int_equal(
        trk_select_fetch(g, &o, STR("../../../../etc/passwd/and/more/of/it"), NOW, true, out, &n),
        -EINVAL);
    assert_int_equal(trk_select_update(g, &o, STR(""), &one), -EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static unsigned next_path(void)
{
    struct trk_target t;
    return trk_select_store(&c, &o, "group1", &t) == 0 ? t.path : 99;
}

static void drained_paths_get_no_new_files_and_their_space_does_not_count(void **state)
{
    (void)state;
    int64_t total_mb, free_mb;
    struct trk_node *n = server("group1", "10.0.0.1", 500, 900);
    server("group2", "10.0.1.1", 200, 200);
    o.store_lookup = TRK_LOOKUP_MOST_FREE;
    trk_set_path_drain(&c, n->group, 1, DFS_DRAIN_ON);
    for (int i = 0; i < 4; i++)
        assert_int_equal(next_path(), 0);
    o.store_path = TRK_PATH_MOST_FREE;
    n->write_path = 1;
    assert_int_equal(next_path(), 0);
    trk_group_space(n->group, &total_mb, &free_mb);
    assert_true(total_mb == 1000 && free_mb == 500);
    assert_string_equal(next_group(), "group1");
    trk_set_path_drain(&c, n->group, 1, DFS_DRAIN_NONE);
    trk_set_path_drain(&c, n->group, 0, DFS_DRAIN_ON);
    assert_int_equal(next_path(), 1);
    trk_set_path_drain(&c, n->group, 1, DFS_DRAIN_ON); /* all of them: as a full group */
    assert_int_equal(next_path(), 99);
    assert_string_equal(next_group(), "group2");
}

static void a_server_without_disks_takes_nothing_and_does_not_count_as_full(void **state)
{
    (void)state;
    server("a", "10.0.0.1", 500, 500);
    struct trk_node *n = server("a", "10.0.0.2", 500, 500);
    struct dfs_path_usage none[2] = {{0, 0}, {0, 0}}, one[2] = {{0, 0}, {1000, 500}};
    int64_t total_mb, free_mb;
    assert_int_equal(trk_node_set_usage(n, none, 2, false), 0);
    for (int i = 0; i < 3; i++)
        assert_string_equal(next_server("a"), "10.0.0.1");
    trk_group_space(n->group, &total_mb, &free_mb);
    assert_int_equal(free_mb, 1000);
    assert_true(trk_node_readable(n));
    assert_false(trk_node_changeable(n));
    assert_int_equal(trk_node_set_usage(n, one, 2, false), 0); /* one of two is back */
    struct trk_target t;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(trk_select_store(&c, &o, "a", &t), 0);
        assert_true(t.node != n || t.path == 1);
    }
    trk_group_space(n->group, &total_mb, &free_mb);
    assert_int_equal(free_mb, 500);
}

/* --- slow disks --- */

static void be_slow(struct trk_node *n, bool path0, bool path1)
{
    const char states[] = {path0 ? (char)DFS_PATH_SLOW : 0, path1 ? (char)DFS_PATH_SLOW : 0};
    trk_node_set_states(n, str_of(states, 2));
}

/* The servers and paths that new files go to. Bits: path 0 of 10.0.0.1, path 1 of it, path 0 of 10.0.0.2, ... */
static unsigned used(void)
{
    unsigned met = 0;
    for (int i = 0; i < 24; i++) {
        struct trk_target t;
        assert_int_equal(trk_select_store(&c, &o, "a", &t), 0);
        met |= 1u << (2 * (unsigned)(t.node->id[7] - '1') + t.path);
    }
    return met;
}

static void slow_disks_are_the_last_choice(void **state)
{
    (void)state;
    static const struct {
        unsigned slow; /* bits as of used() */
        unsigned used;
    } two[] = {{0x0, 0xf}, {0x3, 0xc}, {0xc, 0x3}, {0x8, 0x5}, {0x6, 0x9}, {0xe, 0x1}, {0xf, 0xf}},
      three[] = {{0x00, 0x3f}, {0x30, 0x0f}, {0x3c, 0x03},
                 {0x20, 0x1f}, {0x28, 0x15}, {0x3f, 0x3f}};
    struct trk_node *n[] = {server("a", "10.0.0.1", 500, 500), server("a", "10.0.0.2", 500, 500),
                            NULL};
    for (size_t i = 0; i < ARRAY_LEN(two); i++) {
        for (unsigned k = 0; k < 2; k++)
            be_slow(n[k], two[i].slow >> 2 * k & 1, two[i].slow >> 2 * k & 2);
        assert_int_equal(used(), two[i].used);
    }
    n[2] = server("a", "10.0.0.3", 500, 500);
    for (size_t i = 0; i < ARRAY_LEN(three); i++) {
        for (unsigned k = 0; k < 3; k++)
            be_slow(n[k], three[i].slow >> 2 * k & 1, three[i].slow >> 2 * k & 2);
        assert_int_equal(used(), three[i].used);
    }
    be_slow(n[0], true, true); /* whatever is said about the first, the first is slow */
    trk_node_set_states(n[1], STR_NULL);
    trk_node_set_states(n[2], STR_NULL);
    o.store_server = TRK_SERVER_FIRST;
    assert_int_equal(used(), 0x0c);
    o.use_trunk = true;
    assert_int_equal(used(), 0x0c);
    trk_node_set_states(n[0], STR_NULL); /* it comes back by itself */
    assert_int_equal(used(), 0x03);
}

static void a_full_disk_is_no_choice_beside_a_slow_one(void **state)
{
    (void)state;
    struct trk_node *a = server("a", "10.0.0.1", 500, 20), *b = server("a", "10.0.0.2", 500, 500);
    be_slow(a, true, false); /* its quick path is full */
    assert_int_equal(used(), 0x8);
    trk_node_set_status(&c, b, DFS_ST_OFFLINE);
    assert_int_equal(used(), 0x1);
}

static void a_failed_disk_is_not_waited_for_and_a_slow_one_is(void **state)
{
    (void)state;
    struct dfs_path_usage half[2] = {{1000, 500}, {0, 0}};
    struct trk_node *a = server("a", "10.0.0.1", 500, 500), *b = server("a", "10.0.0.2", 500, 500);
    be_slow(b, true, false);
    assert_int_equal(used(), 0xa); /* where both are quick */
    assert_int_equal(trk_node_set_usage(b, half, 2, false), 0);
    be_slow(b, true, false);
    assert_int_equal(used(), 0x2); /* there is no copy to wait for */
    be_slow(a, false, true);
    assert_int_equal(used(), 0x1);
}

static void groups_with_slow_disks_are_the_last_choice(void **state)
{
    (void)state;
    struct trk_node *a = server("a", "10.0.0.1", 900, 900), *b = server("b", "10.0.1.1", 500, 500),
                    *b2 = server("b", "10.0.1.2", 500, 500);
    server("c", "10.0.2.1", 50, 50); /* full */
    be_slow(a, true, true);
    for (int i = 0; i < 3; i++)
        assert_string_equal(next_group(), "b");
    o.store_lookup = TRK_LOOKUP_MOST_FREE;
    assert_string_equal(next_group(), "b");
    be_slow(b2, true, true); /* copies are slow: still better than both */
    assert_string_equal(next_group(), "b");
    assert_string_equal(next_server("b"), "10.0.1.1");
    be_slow(b, true, true);
    assert_string_equal(next_group(), "a");
    o.store_lookup = TRK_LOOKUP_ROUND_ROBIN;
    assert_string_not_equal(next_group(), next_group());
    assert_string_equal(next_server("a"), "10.0.0.1"); /* who names a group gets it */
    trk_node_set_states(a, STR_NULL);
    for (int i = 0; i < 3; i++)
        assert_string_equal(next_group(), "a");
}

static void slow_disks_are_read_and_changed_as_others(void **state)
{
    (void)state;
    struct trk_node *a = server("a", "10.0.0.1", 500, 500), *n;
    server("a", "10.0.0.2", 500, 500);
    be_slow(a, true, true);
    assert_string_equal(reader("10.0.0.1", NOW - 5, DFS_FILE_NORMAL), "10.0.0.1");
    assert_int_equal(trk_select_update(trk_group_find(&c, "a"), &o,
                                       name_of("10.0.0.1", NOW, DFS_FILE_APPENDER), &n),
                     0);
    assert_ptr_equal(n, a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(groups_take_turns_and_full_ones_are_left_out),
        T(most_free_group_and_named_group),
        T(the_fullest_member_decides_for_its_group),
        T(a_drained_group_has_the_space_of_its_servers),
        T(errors_say_what_is_missing),
        T(a_server_without_disk_report_takes_nothing_and_blocks_nobody),
        T(servers_take_turns_or_the_first_or_the_preferred),
        T(paths_take_turns_and_full_ones_are_left_out),
        T(a_reserve_in_percent_is_of_each_disk),
        T(a_fresh_file_is_read_from_its_source),
        T(a_replica_reads_what_it_has_received_from_that_source),
        T(old_files_are_everywhere),
        T(when_the_source_is_away_the_store_server_is_asked),
        T(an_appender_is_always_read_and_changed_at_its_source),
        T(readers_and_writers_apart),
        T(reads_may_stay_with_the_source),
        T(drained_paths_get_no_new_files_and_their_space_does_not_count),
        T(a_server_without_disks_takes_nothing_and_does_not_count_as_full),
        T(slow_disks_are_the_last_choice),
        T(a_full_disk_is_no_choice_beside_a_slow_one),
        T(a_failed_disk_is_not_waited_for_and_a_slow_one_is),
        T(groups_with_slow_disks_are_the_last_choice),
        T(slow_disks_are_read_and_changed_as_others),
        T(what_is_no_file_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
