/* SPDX-License-Identifier: Apache-2.0 */
/* Which group a write goes to: groups and servers made by hand, nobody is connected to. */
#include <stdatomic.h>
#include <stdio.h>

#include "s3gw/dfs/store.h"
#include "tests/lib/test.h"

enum group_state { FINE = 'f', LOW = 'l', DRAINED = 'd', AWAY = 'a', OWN = 'o' /* of a class */ };

/* One server a group: group1, group2, ... by the letters of @states; the later, the more space. */
static void build(struct s3_dfs *d, const char *states, bool spread)
{
    *d = (struct s3_dfs){.magic = S3_DFS_MAGIC, .o = {.spread = spread}};
    for (size_t i = 0; states[i]; i++) {
        struct dfs_addr addr = {.port = 1, .host = "127.0.0.1"};
        char name[17];
        struct s3_store *s;
        snprintf(name, sizeof(name), "group%u", (unsigned)(i + 1) & 0xf);
        struct s3_group *g = s3_group_make(d, str_c(name));
        assert_non_null(g);
        assert_int_equal(s3_group_add(g, d, &addr, name, &s), 0);
        atomic_store(&s->active, states[i] != AWAY);
        atomic_store(&s->writes, states[i] != DRAINED);
        atomic_store(&g->low, states[i] == LOW);
        atomic_store(&g->free_mb, 100 * (i + 1));
        g->of_class = states[i] == OWN;
    }
}

static void take_down(struct s3_dfs *d)
{
    for (size_t i = 0; i < atomic_load(&d->nstores); i++)
        s3_store_free(&d->stores[i]);
    for (size_t i = 0; i < atomic_load(&d->ngroups); i++)
        free(d->groups[i]);
}

/* The groups that are asked one after the other, as when each refuses: "1", "12" ... */
static void ask_all(struct s3_dfs *d, struct str groups, char out[8])
{
    struct s3_tried tried = {0};
    struct s3_store *s;
    size_t n = 0;
    while (n < 7 && (s = s3_pick_writer(d, groups, &tried)) != NULL)
        out[n++] = s->group->name[5];
    out[n] = '\0';
}

static void the_first_group_that_has_room_is_asked_first(void **state)
{
    (void)state;
    static const struct {
        const char *states, *groups;
        bool spread;
        const char *asked;
    } rows[] = {
        {"ff", "group1", false, "1"},
        {"ff", "group1", true, "12"},
        {"ff", "group2", false, "2"},
        {"fff", "group1,group2", false, "12"},
        {"fff", "group2,group1", false, "21"},
        {"fff", "group1,group2", true, "123"},
        /* no room: those that have some, then it all the same, as its servers may know better */
        {"lf", "group1", false, "1"},
        {"lf", "group1", true, "21"},
        {"lff", "group1", true, "321"}, /* elsewhere: where there is most space */
        {"lff", "group1,group2", false, "21"},
        {"lff", "group1,group2", true, "231"},
        {"llf", "group1,group2", false, "12"},
        {"llf", "group1,group2", true, "312"},
        {"lll", "group1,group2", true, "12"},
        /* nobody there takes files, or is there */
        {"dff", "group1", false, ""},
        {"dff", "group1,group2", false, "2"},
        {"aff", "group1,group2", false, "2"},
        {"dlf", "group1,group2", false, "2"},
        {"dlf", "group1,group2", true, "32"},
        {"df", "group1", true, "2"},
        /* a storage class's own groups keep theirs and take no others' */
        {"fof", "group2", true, "2"},
        {"loo", "group1", true, "1"},
        {"olf", "group2,group1", true, "12"},
        /* a list may name what is not known (any more); where nothing is, nothing is written */
        {"ff", "gone,group2", false, "2"},
        {"lf", "gone,group1", true, "21"},
        {"ff", "gone", true, ""},
        {"ff", "", true, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_dfs d;
        char asked[8];
        build(&d, rows[i].states, rows[i].spread);
        ask_all(&d, str_c(rows[i].groups), asked);
        if (strcmp(asked, rows[i].asked) != 0)
            fail_msg("row %zu: '%s' of '%s' gave '%s'", i, rows[i].groups, rows[i].states, asked);
        take_down(&d);
    }
}

static void a_group_says_how_it_is(void **state)
{
    (void)state;
    struct s3_dfs d;
    struct s3_dfs_group g;
    build(&d, "fldao", true);
    static const struct {
        bool takes_files, low, drained, of_class;
    } rows[] = {{true, false, false, false},
                {true, true, false, false},
                {false, false, true, false},
                {false, false, false, false},
                {true, false, false, true}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(s3_dfs_group(&d, i, &g));
        assert_true(g.takes_files == rows[i].takes_files && g.low == rows[i].low &&
                    g.drained == rows[i].drained && g.of_class == rows[i].of_class);
    }
    assert_false(s3_dfs_group(&d, ARRAY_LEN(rows), &g));
    take_down(&d);
}

static void a_write_that_no_server_took_may_be_tried_again(void **state)
{
    (void)state;
    static const int rows[][2] = {
        {0, 0},
        {-EIO, -EHOSTUNREACH}, /* it broke off, or the disk did */
        {-ECONNRESET, -EHOSTUNREACH},
        {-ETIMEDOUT, -EHOSTUNREACH},
        {-ENOENT, -EHOSTUNREACH}, /* a token of the storage's former life */
        {-EBADMSG, -EHOSTUNREACH},
        {-EROFS, -EHOSTUNREACH},
        {-EHOSTUNREACH, -EHOSTUNREACH},
        {-ENOLCK, -ENOLCK}, /* ours, not a storage's */
        {-ENOSPC, -ENOSPC},
        {-EBUSY, -EBUSY},
        {-ENOMEM, -ENOMEM},
        {-EINVAL, -EINVAL},
        {-E2BIG, -E2BIG},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(s3_write_failure(rows[i][0]), rows[i][1]);
}

static void without_trackers_nobody_waits_for_their_word(void **state)
{
    (void)state;
    struct s3_dfs d;
    struct s3_tried tried = {0};
    struct s3_dfs_wait k;
    build(&d, "a", true);
    assert_null(s3_pick_writer(&d, STR("group1"), &tried));
    assert_false(s3_ask_for_writer(&d, &tried, -EHOSTUNREACH, &k));
    take_down(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_group_that_has_room_is_asked_first),
        cmocka_unit_test(a_group_says_how_it_is),
        cmocka_unit_test(a_write_that_no_server_took_may_be_tried_again),
        cmocka_unit_test(without_trackers_nobody_waits_for_their_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
