/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "storage/group/members.h"
#include "tests/lib/still_clock.h"

static struct sto_members *three(void)
{
    struct sto_members *m = NULL;
    assert_int_equal(sto_members_new(&m), 0);
    sto_members_self(m, "10.0.0.1", "10.0.0.1", 23000);
    const struct dfs_brief list[] = {
        {.status = DFS_ST_ACTIVE, .port = 23000, .id = "10.0.0.1", .ip = "10.0.0.1"},
        {.status = DFS_ST_ACTIVE, .port = 23000, .id = "10.0.0.2", .ip = "10.0.0.2"},
        {.status = DFS_ST_WAIT_SYNC, .port = 23000, .id = "10.0.0.3", .ip = "10.0.0.3"},
    };
    sto_members_update(m, list, ARRAY_LEN(list));
    return m;
}

static void peers_leave_ourselves_out(void **state)
{
    (void)state;
    AUTO(sto_members_free) struct sto_members *m = three();
    struct sto_member peers[DFS_SERVERS_MAX], self;
    assert_int_equal(sto_members_peers(m, peers), 2);
    assert_string_equal(peers[0].id, "10.0.0.2");
    assert_false(sto_members_has_ip(m, "10.0.0.1"));
    assert_true(sto_members_has_ip(m, "10.0.0.3"));
    sto_members_get_self(m, &self);
    assert_int_equal(self.status, DFS_ST_ACTIVE);
}

static void only_news_changes_the_version(void **state)
{
    (void)state;
    AUTO(sto_members_free) struct sto_members *m = three();
    uint64_t v = sto_members_version(m);
    const struct dfs_brief one = {
        .status = DFS_ST_ACTIVE, .port = 23000, .id = "10.0.0.2", .ip = "10.0.0.2"};
    sto_members_update(m, &one, 1);
    assert_int_not_equal(sto_members_version(m), v);
    v = sto_members_version(m);
    sto_members_update(m, &one, 1);
    assert_int_equal(sto_members_version(m), v);
    assert_int_equal(sto_members_wait(m, v, 1), v);
    sto_members_wake(m);
    assert_int_not_equal(sto_members_wait(m, v, 60000), v);
}

static void hearsay_counts_until_somebody_tells_and_makes_nobody_told(void **state)
{
    (void)state;
    AUTO(sto_members_free) struct sto_members *m = NULL;
    struct sto_member peers[DFS_SERVERS_MAX];
    assert_int_equal(sto_members_new(&m), 0);
    sto_members_self(m, "10.0.0.1", "10.0.0.1", 23000);
    const struct dfs_brief first[] = {
        {.status = DFS_ST_ACTIVE, .port = 23000, .id = "10.0.0.1", .ip = "10.0.0.1"},
        {.status = DFS_ST_ACTIVE, .port = 23000, .id = "10.0.0.2", .ip = "10.0.0.2"},
    };
    const struct dfs_brief second[] = {
        {.status = DFS_ST_OFFLINE, .port = 23001, .id = "10.0.0.2", .ip = "10.0.0.2"},
        {.status = DFS_ST_ACTIVE, .port = 23000, .id = "10.0.0.3", .ip = "10.0.0.3"},
    };
    sto_members_hearsay(m, first, ARRAY_LEN(first));
    assert_int_equal(sto_members_peers(m, peers), 1);
    assert_false(sto_members_told(m));
    sto_members_hearsay(m, second, ARRAY_LEN(second)); /* by another tracker */
    uint64_t v = sto_members_version(m);
    sto_members_hearsay(m, second, 1);
    sto_members_hearsay(m, NULL, 0);
    assert_int_equal(sto_members_version(m), v);
    assert_int_equal(sto_members_peers(m, peers), 2);
    assert_true(peers[0].status == DFS_ST_OFFLINE && peers[0].port == 23001);
    assert_string_equal(peers[1].id, "10.0.0.3");
    assert_false(sto_members_told(m));
    sto_members_update(m, first, ARRAY_LEN(first)); /* the leader */
    assert_true(sto_members_told(m));
    sto_members_hearsay(m, second, ARRAY_LEN(second));
    assert_int_equal(sto_members_peers(m, peers), 1);
    assert_int_equal(peers[0].status, DFS_ST_ACTIVE);
}

static void hearsay_fills_the_list_and_no_more(void **state)
{
    (void)state;
    AUTO(sto_members_free) struct sto_members *m = NULL;
    struct sto_member peers[DFS_SERVERS_MAX];
    struct dfs_brief list[DFS_SERVERS_MAX];
    assert_int_equal(sto_members_new(&m), 0);
    sto_members_self(m, "10.0.0.1", "10.0.0.1", 23000);
    for (unsigned char round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_LEN(list); i++) {
            list[i] = (struct dfs_brief){.status = DFS_ST_ACTIVE, .port = 23000};
            snprintf(list[i].id, sizeof(list[i].id), "10.1.%u.%zu", round, i);
            snprintf(list[i].ip, sizeof(list[i].ip), "10.1.%u.%zu", round, i);
        }
        sto_members_hearsay(m, list, ARRAY_LEN(list));
        assert_int_equal(sto_members_peers(m, peers), DFS_SERVERS_MAX);
    }
    assert_string_equal(peers[0].id, "10.1.0.0");
}

static void times_received_only_grow_and_survive_a_new_list(void **state)
{
    (void)state;
    AUTO(sto_members_free) struct sto_members *m = three();
    struct sto_member got;
    sto_members_synced(m, "10.0.0.2", 100);
    sto_members_synced(m, "10.0.0.2", 50);
    sto_members_synced(m, "10.9.9.9", 50); /* nobody */
    const struct dfs_brief one = {
        .status = DFS_ST_OFFLINE, .port = 23000, .id = "10.0.0.2", .ip = "10.0.0.2"};
    sto_members_update(m, &one, 1);
    assert_int_equal(sto_members_find(m, "10.0.0.2", &got), 0);
    assert_int_equal(got.synced_s, 100);
    assert_int_equal(got.status, DFS_ST_OFFLINE);
    assert_int_equal(sto_members_find(m, "10.0.0.3", &got), -ENOENT);
}

static void up_to_date_is_who_has_what_all_in_service_had_since_we_joined(void **state)
{
    (void)state;
    clock_begin(0);
    AUTO(sto_members_free) struct sto_members *m = three();
    clock_pass(STO_AWAITED_MS);
    uint64_t start = sto_members_joins(m);
    assert_false(sto_members_up_to_date(m));
    sto_members_caught_up(m, "10.0.0.2", start);
    assert_true(sto_members_up_to_date(m)); /* who is not in service changes nothing */

    const struct dfs_brief all[] = {
        {.status = DFS_ST_ACTIVE, .port = 23000, .id = "10.0.0.1", .ip = "10.0.0.1"},
        {.status = DFS_ST_ACTIVE, .port = 23000, .id = "10.0.0.2", .ip = "10.0.0.2"},
        {.status = DFS_ST_ACTIVE, .port = 23000, .id = "10.0.0.3", .ip = "10.0.0.3"},
    };
    sto_members_update(m, all, ARRAY_LEN(all));
    assert_false(sto_members_up_to_date(m));
    sto_members_caught_up(m, "10.0.0.3", start);
    assert_true(sto_members_up_to_date(m));

    uint64_t seen = sto_members_version(m);
    sto_members_joined(m);
    assert_int_not_equal(sto_members_version(m), seen); /* replicators that wait look at it */
    sto_members_caught_up(m, "10.0.0.2", start);        /* asked before */
    sto_members_caught_up(m, "10.0.0.3", sto_members_joins(m));
    assert_false(sto_members_up_to_date(m));
    sto_members_caught_up(m, "10.0.0.2", sto_members_joins(m));
    assert_true(sto_members_up_to_date(m));
    sto_members_caught_up(m, "10.0.0.9", 1); /* unknown */
    clock_end();
}

static void who_is_away_is_awaited_for_a_while_after_our_start(void **state)
{
    (void)state;
    clock_begin(0);
    AUTO(sto_members_free) struct sto_members *m = three();
    struct dfs_brief list[] = {
        {.status = DFS_ST_ACTIVE, .port = 23000, .id = "10.0.0.1", .ip = "10.0.0.1"},
        {.status = DFS_ST_OFFLINE, .port = 23000, .id = "10.0.0.2", .ip = "10.0.0.2"},
    };
    sto_members_update(m, list, ARRAY_LEN(list));
    assert_false(sto_members_up_to_date(m));
    list[1].status = DFS_ST_DELETED;
    sto_members_update(m, list, ARRAY_LEN(list));
    assert_true(sto_members_up_to_date(m));
    list[1].status = DFS_ST_OFFLINE;
    sto_members_update(m, list, ARRAY_LEN(list));
    sto_members_caught_up(m, "10.0.0.2", 1); /* it was there in between */
    assert_true(sto_members_up_to_date(m));
    sto_members_joined(m);
    assert_true(sto_members_up_to_date(m));
    clock_end();
}

static uint64_t lapses(struct sto_members *m)
{
    return sto_members_vouch(m, 0).lapses;
}

static void who_has_not_beaten_for_too_long_is_to_catch_up_again(void **state)
{
    (void)state;
    clock_begin(0);
    AUTO(sto_members_free) struct sto_members *m = three();
    uint64_t joins = sto_members_joins(m);
    sto_members_caught_up(m, "10.0.0.2", joins);
    clock_pass(1000000);
    assert_true(sto_members_up_to_date(m));
    assert_int_equal(lapses(m), 0); /* nobody has called sto_members_lease() */
    sto_members_lease(m, 600);
    assert_false(sto_members_up_to_date(m)); /* no beat yet */
    assert_int_equal(lapses(m), 1);
    sto_members_beaten(m, 0, dfs_mono_ms());
    assert_true(sto_members_up_to_date(m)); /* it has just joined for that */
    clock_pass(600);
    assert_true(sto_members_up_to_date(m));
    assert_int_equal(lapses(m), 1);
    clock_pass(1);
    assert_false(sto_members_up_to_date(m));
    assert_int_equal(lapses(m), 2);

    uint64_t seen = sto_members_version(m), late = dfs_mono_ms();
    sto_members_caught_up(m, "10.0.0.2", joins); /* does not end it */
    clock_pass(601);
    sto_members_beaten(m, 0, late); /* whose answer was so long on its way */
    assert_false(sto_members_up_to_date(m));
    assert_int_equal(sto_members_joins(m), joins);
    sto_members_beaten(m, 0, dfs_mono_ms());
    assert_int_not_equal(sto_members_version(m), seen); /* replicators that wait look at it */
    assert_int_equal(sto_members_joins(m), joins + 1);
    assert_false(sto_members_up_to_date(m));
    sto_members_caught_up(m, "10.0.0.2", joins + 1);
    assert_true(sto_members_up_to_date(m));
    assert_int_equal(lapses(m), 2);

    clock_pass(601); /* nobody looks before the next beat */
    sto_members_beaten(m, 0, dfs_mono_ms());
    assert_int_equal(lapses(m), 3);
    assert_false(sto_members_up_to_date(m));
    clock_end();
}

static void who_has_lost_a_tracker_is_alive_for_the_others_alone(void **state)
{
    (void)state;
    clock_begin(0);
    AUTO(sto_members_free) struct sto_members *m = three();
    sto_members_lease(m, 600);
    sto_members_beaten(m, 0, dfs_mono_ms());
    sto_members_beaten(m, DFS_TRACKERS_MAX - 1, dfs_mono_ms());
    const struct sto_vouch before = sto_members_vouch(m, 7);
    assert_true(before.until_ms == UINT64_MAX);
    sto_members_unheard(m, 0);
    sto_members_unheard(m, 1); /* has never answered */
    assert_true(sto_members_vouched(m, &before));
    sto_members_unheard(m, DFS_TRACKERS_MAX - 1); /* it calls us OFFLINE from now on */
    assert_false(sto_members_vouched(m, &before));

    const struct sto_vouch alone = sto_members_vouch(m, dfs_mono_ms() + 50);
    clock_pass(50);
    assert_true(sto_members_vouched(m, &alone));
    clock_pass(1);
    assert_false(sto_members_vouched(m, &alone));

    uint64_t joins = sto_members_joins(m);
    sto_members_beaten(m, 0, dfs_mono_ms());
    assert_int_equal(sto_members_joins(m), joins + 1);
    assert_false(sto_members_vouched(m, &alone));
    const struct sto_vouch again = sto_members_vouch(m, 0);
    assert_true(sto_members_vouched(m, &again));
    clock_end();
}

static void a_list_that_is_too_long_is_cut(void **state)
{
    (void)state;
    AUTO(sto_members_free) struct sto_members *m = three();
    struct dfs_brief list[DFS_SERVERS_MAX + 5] = {{0}};
    struct sto_member peers[DFS_SERVERS_MAX];
    for (size_t i = 0; i < ARRAY_LEN(list); i++)
        snprintf(list[i].id, sizeof(list[i].id), "%zu", i + 1);
    sto_members_update(m, list, ARRAY_LEN(list));
    assert_int_equal(sto_members_peers(m, peers), DFS_SERVERS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers_leave_ourselves_out),
        cmocka_unit_test(only_news_changes_the_version),
        cmocka_unit_test(hearsay_counts_until_somebody_tells_and_makes_nobody_told),
        cmocka_unit_test(hearsay_fills_the_list_and_no_more),
        cmocka_unit_test(times_received_only_grow_and_survive_a_new_list),
        cmocka_unit_test(up_to_date_is_who_has_what_all_in_service_had_since_we_joined),
        cmocka_unit_test(who_is_away_is_awaited_for_a_while_after_our_start),
        cmocka_unit_test(who_has_not_beaten_for_too_long_is_to_catch_up_again),
        cmocka_unit_test(who_has_lost_a_tracker_is_alive_for_the_others_alone),
        cmocka_unit_test(a_list_that_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
