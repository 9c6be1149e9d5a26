/* SPDX-License-Identifier: Apache-2.0 */
/* What one tracker says to gateways that want the lease: a table of questions in time. */
#include "tests/lib/test.h"

#include "dfscore/wire/internal.h"
#include "tracker/leader/lease.h"

enum { TTL = 1000, A = 0xA, B = 0xB, C = 0xC };

struct row {
    uint64_t at_ms;
    uint8_t mode;
    int64_t holder, over;
    uint8_t state, kept; /* expected */
    int64_t left_ms;
    bool saved;
};

static void ask_all(struct trk_lease *l, struct trk_lease_kept *kept, const struct row *rows,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        const struct dfs_lease_req m = {.mode = r->mode,
                                        .holder = r->holder,
                                        .over = r->over,
                                        .ttl_ms = TTL,
                                        .name = "gw:9000"};
        struct dfs_lease_rsp got;
        assert_int_equal(trk_lease_check(&m), 0);
        bool saved = trk_lease_ask(l, kept, &m, r->at_ms, &got);
        if (got.state != r->state || got.kept != r->kept || got.left_ms != r->left_ms ||
            saved != r->saved)
            fail_msg("row %zu: state %u kept %u left %lld saved %d", i, got.state, got.kept,
                     (long long)got.left_ms, saved);
    }
}

#define ROWS(...) (const struct row[]){__VA_ARGS__}, ARRAY_LEN(((const struct row[]){__VA_ARGS__}))

enum { LOOK = DFS_LEASE_LOOK, KEEP = DFS_LEASE_KEEP, TAKE = DFS_LEASE_TAKE };
enum { GRANTED = DFS_LEASE_GRANTED, FREE = DFS_LEASE_FREE, HELD = DFS_LEASE_HELD };
enum { NOBODYS = DFS_LEASE_NOBODYS, YOURS = DFS_LEASE_YOURS, ANOTHERS = DFS_LEASE_ANOTHERS };

static void one_at_a_time(void **state)
{
    (void)state;
    struct trk_lease l;
    struct trk_lease_kept kept = {0};
    trk_lease_init(&l, 5000);
    ask_all(&l, &kept,
            ROWS({5000, KEEP, A, 0, HELD, NOBODYS, 1000, false}, /* it may have lost its disk */
                 {5999, TAKE, A, 0, HELD, NOBODYS, 1, false},
                 {6000, LOOK, A, 0, FREE, NOBODYS, 0, false},
                 {6000, KEEP, A, 0, GRANTED, NOBODYS, 0, true},
                 {6500, LOOK, B, 0, HELD, ANOTHERS, 500, false},
                 {6500, TAKE, B, A, HELD, ANOTHERS, 500, false},
                 {6600, KEEP, A, 0, GRANTED, YOURS, 0, false}, /* from now on, again a second */
                 {7599, TAKE, B, A, HELD, ANOTHERS, 1, false},
                 {7600, LOOK, B, 0, FREE, ANOTHERS, 0, false},
                 {7600, KEEP, B, 0, FREE, ANOTHERS, 0, false}, /* not without saying from whom */
                 {7600, TAKE, B, C, FREE, ANOTHERS, 0, false}, /* nor from another one */
                 {7600, TAKE, B, A, GRANTED, ANOTHERS, 0, true},
                 {7700, KEEP, A, 0, HELD, ANOTHERS, 900, false},
                 {9000, KEEP, A, 0, FREE, ANOTHERS, 0, false}, /* B's has run out, but B had it */
                 {9000, KEEP, B, 0, GRANTED, YOURS, 0, false}));
}

static void after_a_start_the_kept_holder_comes_first(void **state)
{
    (void)state;
    struct trk_lease l;
    struct trk_lease_kept kept = {.holder = A, .ttl_ms = 3000, .name = "gw:9000"};
    trk_lease_init(&l, 100);
    ask_all(&l, &kept,
            ROWS({100, TAKE, B, A, HELD, ANOTHERS, 3000, false}, /* A's time to live, not B's */
                 {3099, TAKE, B, A, HELD, ANOTHERS, 1, false},
                 {3099, LOOK, A, 0, FREE, YOURS, 0, false},
                 {3100, TAKE, B, A, GRANTED, ANOTHERS, 0, true}));
    kept = (struct trk_lease_kept){.holder = A, .ttl_ms = 3000, .name = "gw:9000"};
    trk_lease_init(&l, 100);
    ask_all(&l, &kept,
            ROWS({100, KEEP, A, 0, GRANTED, YOURS, 0, true}, /* with another time to live now */
                 {1099, TAKE, B, A, HELD, ANOTHERS, 1, false},
                 {1100, TAKE, B, A, GRANTED, ANOTHERS, 0, true}));
}

static void a_question_that_is_none_is_refused(void **state)
{
    (void)state;
    const struct dfs_lease_req good = {.mode = LOOK, .holder = -1, .ttl_ms = TTL};
    const struct dfs_lease_req bad[] = {
        {.mode = 0, .holder = 1, .ttl_ms = TTL},    {.mode = 4, .holder = 1, .ttl_ms = TTL},
        {.mode = LOOK, .holder = 0, .ttl_ms = TTL}, {.mode = LOOK, .holder = 1, .ttl_ms = 499},
        {.mode = LOOK, .holder = 1, .ttl_ms = -1},  {.mode = LOOK, .holder = 1, .ttl_ms = 3600001},
    };
    assert_int_equal(trk_lease_check(&good), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(trk_lease_check(&bad[i]), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(after_a_start_the_kept_holder_comes_first),
        cmocka_unit_test(a_question_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
