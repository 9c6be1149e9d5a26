/* SPDX-License-Identifier: Apache-2.0 */
/* Where a start begins to compare, on the memory index and a real storage engine. */
#include "s3gw/lifecycle/settled.h"

#include "s3gw/index/refs.h"
#include "tests/lib/store_fixture.h"

struct world {
    struct store_fixture store;
    struct s3_gw gw;
    struct s3_settled *settled;
};

static void begin(struct world *w)
{
    *w = (struct world){0};
    fixture_start(&w->store);
    assert_int_equal(s3_index_open_mem(&w->gw.index), 0);
    w->gw.dfs = w->store.dfs;
    assert_int_equal(s3_settled_new(&w->gw, &w->settled), 0);
}

static void end(struct world *w)
{
    s3_settled_free(&w->settled);
    s3_index_close(&w->gw.index);
    fixture_stop(&w->store);
}

static void say(struct world *w, const char *what)
{
    assert_int_equal(s3_dfs_note(w->gw.dfs, STR("group1"), str_c(what)), 0);
}

/* The statements that a start would read, joined. */
static void expect_unsettled(struct world *w, const char *joined)
{
    AUTO(arena_fini) struct arena a;
    AUTO(buf_free) struct buf frame = BUF(1 << 20), seen = BUF(1000);
    arena_init(&a, 1 << 20);
    struct s3_log *logs;
    size_t n, entries;
    assert_int_equal(s3_dfs_logs(w->gw.dfs, &a, &logs, &n), 0);
    assert_int_equal(n, 1);
    uint64_t position;
    assert_int_equal(s3_settled_from(&w->gw, &logs[0], &position), 0);
    for (bool last = false; !last && position < logs[0].end;) {
        struct s3_scan_entry *e;
        frame.n = 0;
        assert_int_equal(
            s3_dfs_scan(w->gw.dfs, &logs[0], &position, 10, true, &frame, &a, &e, &entries, &last),
            0);
        for (size_t i = 0; i < entries; i++)
            buf_adds(&seen, e[i].description);
    }
    assert_true(str_eq(buf_str(&seen), str_c(joined)));
}

static void what_was_said_an_interval_ago_is_not_read_again(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    say(&w, "a");
    expect_unsettled(&w, "a");
    assert_int_equal(s3_settled_step(w.settled), 0);
    say(&w, "b");
    expect_unsettled(&w, "ab"); /* may be under way still */
    assert_int_equal(s3_settled_step(w.settled), 0);
    expect_unsettled(&w, "b");
    say(&w, "c");
    assert_int_equal(s3_settled_step(w.settled), 0);
    expect_unsettled(&w, "c");
    end(&w);
}

static void the_last_statement_before_a_pause_is_settled_too(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    say(&w, "a");
    assert_int_equal(s3_settled_step(w.settled), 0);
    say(&w, "b");
    for (int i = 0; i < 3; i++)
        assert_int_equal(s3_settled_step(w.settled), 0);
    expect_unsettled(&w, "");
    uint64_t committed = s3_index_committed(w.gw.index);
    assert_int_equal(s3_settled_step(w.settled), 0);
    assert_int_equal(s3_index_committed(w.gw.index), committed); /* nothing new, no commit */
    end(&w);
}

static int searched_fn(struct s3_tx *tx, void *arg)
{
    const struct s3_log *log = arg;
    s3_scan_position_put(tx, str_c(log->name), log->path, log->end);
    return 0;
}

static void the_search_for_orphans_may_be_further(void **state)
{
    (void)state;
    struct world w;
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 1 << 20);
    struct s3_log *logs;
    size_t n;
    begin(&w);
    say(&w, "a");
    assert_int_equal(s3_dfs_logs(w.gw.dfs, &a, &logs, &n), 0);
    assert_int_equal(s3_index_update(w.gw.index, searched_fn, &logs[0]), 0);
    say(&w, "b");
    expect_unsettled(&w, "b");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_said_an_interval_ago_is_not_read_again),
        cmocka_unit_test(the_last_statement_before_a_pause_is_settled_too),
        cmocka_unit_test(the_search_for_orphans_may_be_further),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
