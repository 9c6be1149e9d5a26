/* SPDX-License-Identifier: Apache-2.0 */
/* Members that answer as the test says, and what is made of it. What comes of it in a group is in test_cluster. */
#include "storage/sync/holder.h"

#include "dfscore/client/storage_client.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "tests/lib/one_store.h"

enum { SELF, B, C, MEMBERS, LENGTH = 7 };

/* How a member of the group answers. */
static struct member {
    uint8_t status;
    int reached, has; /* errnos, or 0 */
    int does;         /* what it is then asked for */
} group[MEMBERS];

static struct sto_members *members;
static bool empty_again; /* who has been asked for what it has does not have it any more */
static bool known;       /* the trackers name nobody else */
static char by_self[STO_NAME_MAX + 1], by_b[STO_NAME_MAX + 1], by_stranger[STO_NAME_MAX + 1],
    slave[STO_NAME_MAX + 1];

static struct member *member_of(const struct dfs_peer *p)
{
    return (struct member *)(uintptr_t)p;
}

static int open_line(const struct dfs_addr *addr, const struct dfs_peer_opts *o,
                     struct dfs_peer **ret)
{
    assert_string_equal(o->bind_ip, "10.0.0.0");
    struct member *m = &group[addr->port - 1];
    if (m->reached == 0)
        *ret = (struct dfs_peer *)m;
    return m->reached;
}

static void free_line(struct dfs_peer **pp)
{
    *pp = NULL;
}

static int call(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts, size_t n,
                struct buf *rsp)
{
    const struct dfs_file_info_rsp info = {.size = LENGTH};
    (void)parts;
    (void)n;
    assert_int_equal(cmd, DFS_CMD_FILE_INFO);
    assert_true(status & DFS_ASK_WHO_HAS);
    dfs_file_info_rsp_put(rsp, DFS_IPW4, &info);
    return member_of(p)->has;
}

static int send_line(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts,
                     size_t n, uint64_t more)
{
    assert_int_equal(cmd, DFS_CMD_DOWNLOAD);
    assert_true(n == 1 && str_eq(parts[0], STR("question")) && more == 0 && status == 0);
    return member_of(p)->reached;
}

static int answer(struct dfs_peer *p, uint64_t *len)
{
    if (member_of(p)->does == 0)
        *len = LENGTH;
    if (empty_again)
        member_of(p)->has = -ENODATA;
    return member_of(p)->does;
}

static const struct sto_line line = {
    .open = open_line, .free = free_line, .call = call, .send = send_line, .answer = answer};

static void one_by_one(unsigned n, void (*fn)(void *arg, unsigned i), void *arg)
{
    for (unsigned i = 0; i < n; i++)
        fn(arg, i);
}

static bool all_known(void *arg)
{
    return *(const bool *)arg;
}

static struct sto_holder_options options(unsigned copies)
{
    return (struct sto_holder_options){.store = here.s,
                                       .members = members,
                                       .line = &line,
                                       .copies = copies,
                                       .at_once = one_by_one,
                                       .all_known = all_known,
                                       .arg = &known};
}

static int found_with(const char *name, unsigned copies)
{
    const struct sto_holder_options o = options(copies);
    const struct sto_holder_question q = {.cmd = DFS_CMD_DOWNLOAD, .body = STR("question")};
    struct dfs_peer *p = NULL;
    uint64_t len = 0;
    int r = sto_holder_find(&o, str_c(name), &q, &p, &len);
    assert_true((r == 0) == (p != NULL) && (r == 0) == (len == LENGTH));
    return r;
}

static int found(const char *name)
{
    return found_with(name, 0);
}

static const char *id_of(unsigned i)
{
    static const char *const ids[MEMBERS] = {"100001", "100002", "100003"};
    return ids[i];
}

/* As a tracker tells it. */
static void tell(void)
{
    struct dfs_brief list[MEMBERS];
    for (unsigned i = 0; i < MEMBERS; i++) {
        list[i] = (struct dfs_brief){.status = group[i].status, .port = 1 + (int32_t)i};
        (void)snprintf(list[i].id, sizeof(list[i].id), "%s", id_of(i));
        (void)snprintf(list[i].ip, sizeof(list[i].ip), "10.0.0.%u", i);
    }
    sto_members_update(members, list, MEMBERS);
}

static void group_is(struct member b, struct member c)
{
    group[SELF].status = DFS_ST_ACTIVE;
    group[B] = b;
    group[C] = c;
    tell();
}

static const struct member holder = {.status = DFS_ST_ACTIVE};
static const struct member lacks = {.status = DFS_ST_ACTIVE, .has = -ENOENT};
static const struct member not_whole = {.status = DFS_ST_ACTIVE, .has = -ENODATA};
static const struct member filling = {.status = DFS_ST_SYNCING, .has = -ENODATA};
static const struct member hangs = {.status = DFS_ST_ACTIVE, .reached = -ETIMEDOUT};
static const struct member away = {.status = DFS_ST_OFFLINE};
static const struct member has_left = {.status = DFS_ST_DELETED};

/* The name of a file that the server @id has taken. */
static void name_by(const char *id, char *name)
{
    struct sto_store *ours = here.s;
    char *dir = test_tmpdir();
    here.s = test_sto_open(dir, id, false);
    assert_int_equal(make_file("content", NULL, 0, name), 0);
    sto_store_close(&here.s);
    test_tmpdir_free(&dir);
    here.s = ours;
}

static int setup(void **state)
{
    int r = one_store_setup(state);
    name_by(id_of(SELF), by_self);
    name_by(id_of(B), by_b);
    name_by("100009", by_stranger);
    assert_int_equal(make_file("master", NULL, 0, here.master), 0);
    assert_int_equal(make_file("slave", here.master, 0, slave), 0);
    assert_int_equal(sto_members_new(&members), 0);
    sto_members_self(members, id_of(SELF), "10.0.0.0", 1);
    sto_members_set_whole(members, true);
    known = true;
    return r;
}

static int teardown(void **state)
{
    sto_members_free(&members);
    return one_store_teardown(state);
}

static void who_has_it_is_asked(void **state)
{
    (void)state;
    group_is(lacks, holder);
    assert_int_equal(found(by_stranger), 0);
    group_is(hangs, holder);
    assert_int_equal(found(by_b), 0);
    group[C].does = -EINVAL; /* no range of it */
    assert_int_equal(found(by_b), -EINVAL);
    group_is(holder, lacks);
    group[B].does = -ENOENT; /* it has no metadata */
    assert_int_equal(found(by_b), -ENOENT);
    empty_again = true; /* it has come back with an empty disk just now */
    assert_int_equal(found(by_b), -EAGAIN);
    group[B].has = -EPROTO;
    assert_int_equal(found(by_b), -EAGAIN);
    empty_again = false;
    group[B].has = -EREMOTE; /* and is deleted where it went */
    assert_int_equal(found(by_b), -ENOENT);
}

static void who_took_it_knows(void **state)
{
    (void)state;
    group_is(lacks, hangs);
    assert_int_equal(found(by_b), -ENOENT);
    group_is(lacks, away);
    assert_int_equal(found(by_b), -ENOENT);
    group_is(not_whole, lacks); /* then nobody has it */
    assert_int_equal(found(by_b), -ENOENT);
    group_is(not_whole, away); /* it may be there */
    assert_int_equal(found(by_b), -EAGAIN);
    group_is(away, lacks);
    assert_int_equal(found(by_b), -EAGAIN);
    group_is(hangs, lacks);
    assert_int_equal(found(by_b), -EAGAIN);
    group_is(filling, lacks);
    assert_int_equal(found(by_b), -ENOENT);
}

static void who_has_left_is_not_waited_for(void **state)
{
    (void)state;
    group_is(has_left, lacks);
    assert_int_equal(found(by_b), -ENOENT);
    group_is(has_left, away);
    assert_int_equal(found(by_b), -EAGAIN);
}

/* Deleted since, perhaps, or we have not heard yet that it is through. */
static void what_only_one_that_fills_has_is_not_shown_and_not_missing(void **state)
{
    (void)state;
    struct member has = filling;
    has.has = 0;
    group_is(lacks, has);
    assert_int_equal(found(by_stranger), -EAGAIN);
    assert_int_equal(found(slave), -EAGAIN);
}

static void there_may_be_somebody_of_whom_nobody_has_told(void **state)
{
    (void)state;
    group[SELF].status = DFS_ST_ACTIVE;
    assert_int_equal(found(by_stranger), -EAGAIN); /* nobody has told anything */
    group_is(lacks, lacks);
    assert_int_equal(found(by_stranger), -ENOENT);
    known = false;
    assert_int_equal(found(by_stranger), -EAGAIN);
    assert_int_equal(found(slave), -EAGAIN);
    assert_int_equal(found(by_b), -ENOENT);
}

static void one_that_is_away_keeps_no_slave_alone(void **state)
{
    (void)state;
    group_is(lacks, away);
    assert_int_equal(found(slave), -EAGAIN);
    sto_members_caught_up(members, id_of(C), sto_members_joins(members));
    assert_int_equal(found(slave), -EAGAIN); /* it may not know that we are in service */
    clock_pass(STO_AWAITED_MS);
    assert_int_equal(found(slave), -ENOENT);
    assert_int_equal(found_with(slave, 2), -ENOENT);
    assert_int_equal(found_with(slave, 1), -EAGAIN); /* each keeps what it has alone */
    assert_int_equal(found(by_stranger), -ENOENT);
    assert_int_equal(found(by_b), -ENOENT);
    group_is(has_left, away);
    assert_int_equal(found(by_b), -ENOENT);
    group_is(hangs, away);
    sto_members_caught_up(members, id_of(B), sto_members_joins(members));
    assert_int_equal(found(slave), -EAGAIN); /* the two may have it */
    group_is(lacks, away);
    sto_members_joined(members);
    assert_int_equal(found(slave), -EAGAIN);
}

static void who_is_whole_need_not_ask_about_its_own(void **state)
{
    (void)state;
    const struct sto_holder_options o = options(0);
    group_is(lacks, lacks);
    assert_false(sto_holder_may_be(&o, str_c(by_self)));
    assert_true(sto_holder_may_be(&o, str_c(by_b)));
    assert_true(sto_holder_may_be(&o, str_c(slave)));
    assert_int_equal(sto_holder_absent(members), -ENOENT);
    sto_members_set_whole(members, false);
    assert_true(sto_holder_may_be(&o, str_c(by_self)));
    assert_int_equal(sto_holder_absent(members), -ENODATA);
    assert_int_equal(found(by_self), -ENOENT);
    group_is(away, lacks);
    assert_int_equal(found(by_self), -EAGAIN);
    sto_members_set_whole(members, true);
    group[SELF].status = DFS_ST_SYNCING;
    tell();
    assert_true(sto_holder_may_be(&o, str_c(by_self)));
    assert_int_equal(sto_holder_absent(members), -ENODATA);
}

int main(void)
{
    dfs_log_threshold = LOG_WARN;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_has_it_is_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(who_took_it_knows, setup, teardown),
        cmocka_unit_test_setup_teardown(who_has_left_is_not_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(what_only_one_that_fills_has_is_not_shown_and_not_missing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(there_may_be_somebody_of_whom_nobody_has_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_that_is_away_keeps_no_slave_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_whole_need_not_ask_about_its_own, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
