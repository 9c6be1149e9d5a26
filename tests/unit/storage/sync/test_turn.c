/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks whom for a turn, and what is answered to bytes that are no question. What comes of turns is in test_turns. */
#include "storage/sync/turn.h"

#include "tests/lib/one_store.h"

#define SELF  "100001"
#define OTHER "100002"

static struct sto_members *members;
static unsigned asked; /* the other member, in vain */

static int refuse(const struct dfs_addr *addr, const struct dfs_peer_opts *o, struct dfs_peer **ret)
{
    (void)addr;
    (void)o;
    (void)ret;
    asked++;
    return -ECONNREFUSED;
}

static const struct sto_line line = {.open = refuse};

static struct sto_turn_options options(void)
{
    return (struct sto_turn_options){.store = here.s, .members = members, .line = &line};
}

static int setup(void **state)
{
    int r = one_store_setup(state);
    asked = 0;
    assert_int_equal(sto_members_new(&members), 0);
    clock_pass(STO_AWAITED_MS); /* who is away now has been for long */
    sto_members_self(members, SELF, "10.0.0.1", 1);
    assert_int_equal(make_file("master", NULL, 0, here.master), 0);
    assert_int_equal(make_file("slave", here.master, 0, here.slave), 0);
    return r;
}

static int teardown(void **state)
{
    sto_members_free(&members);
    return one_store_teardown(state);
}

/* As a tracker names them. 0: there is no other one. */
static void other_is(uint8_t status)
{
    const struct dfs_brief list[] = {
        {.status = DFS_ST_ACTIVE, .port = 1, .id = SELF, .ip = "10.0.0.1"},
        {.status = status, .port = 1, .id = OTHER, .ip = "10.0.0.2"},
    };
    sto_members_update(members, list, status ? 2 : 1);
}

static void who_has_the_group_to_itself_edits_at_once(void **state)
{
    (void)state;
    const struct sto_turn_options o = options();
    struct sto_turn t;
    assert_false(sto_turn_leads(&o, str_c(here.slave), &t)); /* no tracker has said so yet */
    assert_int_equal(sto_turn_take(&o, str_c(here.slave), &t), -EAGAIN);
    other_is(0);
    assert_true(sto_turn_leads(&o, str_c(here.slave), &t));
    assert_int_equal(sto_turn_take(&o, str_c(here.slave), &t), 0);
    assert_false(t.taken);
    assert_int_equal(sto_turn_end(&o, &t), 0);
}

/* As a tracker that answers a beat lets them know. */
static void alive(void)
{
    sto_members_beaten(members, 0, dfs_mono_ms());
}

static void a_turn_lasts_while_no_tracker_takes_us_for_dead(void **state)
{
    (void)state;
    const struct sto_turn_options o = options();
    char log[STO_NAME_MAX + 1];
    assert_int_equal(make_file("log", NULL, STO_APPENDER, log), 0);
    sto_members_lease(members, 600);
    other_is(DFS_ST_OFFLINE);
    alive();
    for (int alone = 0; alone < 2; alone++) { /* the first one asks the other, in vain */
        struct sto_turn t;
        const struct sto_still still = {sto_turn_lasts, &t};
        if (alone)
            other_is(0);
        assert_int_equal(sto_turn_take(&o, str_c(here.slave), &t), 0);
        assert_int_equal(t.taken, !alone);
        assert_int_equal(sto_truncate(here.s, str_c(log), 2, &still), 0);
        assert_int_equal(sto_truncate(here.s, str_c(log), 3, NULL), 0);
        clock_pass(601); /* it stands still */
        assert_int_equal(sto_truncate(here.s, str_c(log), 2, &still), -EAGAIN);
        alive();
        assert_int_equal(sto_truncate(here.s, str_c(log), 2, &still), -EAGAIN);
        assert_int_equal(sto_turn_end(&o, &t), -EAGAIN);
        assert_int_equal(sto_turn_take(&o, str_c(here.slave), &t), 0);
        assert_int_equal(sto_truncate(here.s, str_c(log), 2, &still), 0);
        assert_int_equal(sto_turn_end(&o, &t), 0);
        assert_int_equal(sto_truncate(here.s, str_c(log), 3, NULL), 0);
    }
}

static void others_are_asked_of_what_has_no_home(void **state)
{
    (void)state;
    const struct sto_turn_options o = options();
    struct sto_turn t;
    other_is(DFS_ST_ACTIVE);
    assert_false(sto_turn_leads(&o, str_c(here.slave), &t));
    assert_int_equal(sto_turn_take(&o, str_c(here.slave), &t), -EAGAIN); /* it may be editing */
    assert_int_equal(asked, 1);
    other_is(DFS_ST_OFFLINE);
    assert_false(sto_turn_leads(&o, str_c(here.slave), &t));
    assert_int_equal(sto_turn_take(&o, str_c(here.slave), &t), 0);
    assert_int_equal(asked, 2); /* it may have come back just now */
    assert_true(t.taken);
    assert_int_equal(sto_turn_end(&o, &t), 0);
}

static void who_has_not_been_heard_of_since_our_start_gets_time_to_come_back(void **state)
{
    (void)state;
    AUTO(sto_members_free) struct sto_members *since = NULL;
    struct sto_turn_options o = options();
    struct sto_turn t;
    struct sto_members *before = members;
    assert_int_equal(sto_members_new(&since), 0);
    sto_members_self(since, SELF, "10.0.0.1", 1);
    o.members = members = since;
    other_is(DFS_ST_OFFLINE);
    clock_pass(STO_AWAITED_MS - 1);
    assert_int_equal(sto_turn_take(&o, str_c(here.slave), &t), -EAGAIN);
    assert_int_equal(asked, 1); /* it may have come back just now */
    clock_pass(1);
    assert_int_equal(sto_turn_take(&o, str_c(here.slave), &t), 0);
    assert_int_equal(sto_turn_end(&o, &t), 0);
    members = before;
}

static bool called_active; /* the other member, by some tracker */
static struct sto_followers *followers;

static void ask_trackers(void *arg)
{
    (void)arg;
    if (!called_active)
        sto_followers_gone(followers, OTHER);
}

/* The leader does not hear its beats, another tracker does: then it edits without asking. */
static void who_is_alive_for_some_tracker_is_not_left_out(void **state)
{
    (void)state;
    struct sto_mirrors *mirrors;
    struct sto_turn_options o = options();
    struct sto_turn t;
    assert_int_equal(sto_mirrors_open(here.s, SELF, &mirrors), 0);
    assert_int_equal(sto_followers_new(here.s, mirrors, members, &followers), 0);
    o.followers = followers;
    o.silent = ask_trackers;
    other_is(DFS_ST_OFFLINE);
    called_active = true;
    assert_int_equal(sto_turn_take(&o, str_c(here.slave), &t), -EAGAIN);
    called_active = false;
    assert_int_equal(sto_turn_take(&o, str_c(here.slave), &t), 0);
    assert_int_equal(sto_turn_end(&o, &t), 0);
    other_is(DFS_ST_DELETED); /* nobody asks for it */
    called_active = true;
    assert_int_equal(sto_turn_take(&o, str_c(here.slave), &t), 0);
    assert_int_equal(sto_turn_end(&o, &t), 0);
    sto_followers_free(&followers);
    sto_mirrors_close(&mirrors);
}

static int hear(uint8_t what, const char *by, struct str name, struct buf *out)
{
    const struct sto_turn_options o = options();
    AUTO(buf_free) struct buf body = BUF(1024);
    char id[DFS_ID_MAX] = {0};
    memcpy(id, by, strlen(by));
    buf_u8(&body, what);
    buf_u64(&body, 7);
    buf_u64(&body, UINT64_MAX);
    buf_add(&body, id, sizeof(id));
    buf_adds(&body, name);
    buf_reset(out);
    return sto_turn_hear(&o, buf_str(&body), out);
}

static void a_question_that_is_none_is_refused(void **state)
{
    (void)state;
    const struct sto_turn_options o = options();
    struct sto_turn t;
    AUTO(buf_free) struct buf out = BUF(64);
    static const char zeros[STO_TURN_HEAD + STO_NAME_MAX + 1];
    for (size_t n = 0; n <= STO_TURN_HEAD; n++)
        assert_int_equal(sto_turn_hear(&o, (struct str){zeros, n}, &out), -EINVAL);
    assert_int_equal(hear(DFS_TURN_TAKE, OTHER, (struct str){zeros, STO_NAME_MAX + 1}, &out),
                     -EINVAL);
    assert_int_equal(hear(DFS_TURN_BACK + 1, OTHER, str_c(here.slave), &out), -EINVAL);
    assert_int_equal(hear(UINT8_MAX, OTHER, str_c(here.slave), &out), -EINVAL);
    assert_int_equal(hear(DFS_TURN_TAKE, SELF, str_c(here.slave), &out), -EINVAL); /* not from us */
    assert_int_equal(hear(DFS_TURN_BACK, OTHER, str_c(here.slave), &out), 0);      /* never given */
    assert_int_equal(buf_str(&out).n, 0);
    other_is(0);
    assert_true(sto_turn_leads(&o, str_c(here.slave), &t)); /* nobody has been given anything */
    assert_int_equal(hear(DFS_TURN_TAKE, OTHER, str_c(here.slave), &out), 0);
    assert_int_equal(buf_str(&out).n, 16);
    assert_false(sto_turn_leads(&o, str_c(here.slave), &t));
    assert_int_equal(hear(DFS_TURN_BACK, OTHER, str_c(here.slave), &out), 0);
    assert_true(sto_turn_leads(&o, str_c(here.slave), &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_has_the_group_to_itself_edits_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_turn_lasts_while_no_tracker_takes_us_for_dead, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(others_are_asked_of_what_has_no_home, setup, teardown),
        cmocka_unit_test_setup_teardown(
            who_has_not_been_heard_of_since_our_start_gets_time_to_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_alive_for_some_tracker_is_not_left_out, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_question_that_is_none_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
