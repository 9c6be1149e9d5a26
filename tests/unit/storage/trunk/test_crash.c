/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promise of the store, under power failures and disk faults at every call: what was acknowledged
 * is there after a restart, what was deleted is gone, nothing is half visible.
 *
 * All is done by one thread, and time passes by the seed, so a seed repeats exactly: maintenance takes its turn between
 * two calls of a writer, and writers between two calls of maintenance. CRASH_SEEDS=5000 for more seeds,
 * CRASH_FIRST=77 for where they begin.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "tests/lib/crash_world.h"
#include "tests/lib/still_clock.h"

static void content(uint64_t seed, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(seed >> 56);
    }
}

static struct entry *begin(struct world *w)
{
    ASSERT(w->now.count < OPS);
    struct entry *e = &w->now.e[w->now.count];
    (void)snprintf(e->desc, sizeof(e->desc), "entry-%u", w->now.count);
    e->seed = fake_disk_random();
    e->size = fake_disk_random() % SIZE_MAX_SMALL;
    w->now.count++;
    return e;
}

static void op_put(struct world *w)
{
    struct sto_put puts[4] = {0};
    struct entry *e[4];
    uint8_t data[4][SIZE_MAX_SMALL];
    unsigned n = 1 + fake_disk_random() % 4;
    n = MIN(n, OPS - w->now.count);
    for (unsigned i = 0; i < n; i++) {
        e[i] = begin(w);
        content(e[i]->seed, data[i], e[i]->size);
        puts[i] = (struct sto_put){
            .kind = DFS_PUT_OBJECT, .desc = str_c(e[i]->desc), .data = str_of(data[i], e[i]->size)};
    }
    assert_int_equal(sto_put_batch(w->s, 0, puts, n), 0);
    for (unsigned i = 0; i < n; i++)
        if (puts[i].result == 0) {
            memcpy(e[i]->name, puts[i].name, sizeof(e[i]->name));
            e[i]->state = THERE;
        }
}

static void op_file(struct world *w)
{
    struct entry *e = begin(w);
    uint8_t data[SIZE_MAX_SMALL];
    content(e->seed, data, e->size);
    struct sto_file *f = NULL;
    if (sto_file_open(w->s, 0, e->size, 0, &f) < 0)
        return;
    if (sto_write_all(&fake_disk_io, sto_file_fd(f), data, e->size, 0) < 0) {
        sto_file_free(&f);
        return;
    }
    struct sto_commit c = {
        .size = e->size, .crc32 = sto_crc32(0, data, e->size), .desc = str_c(e->desc)};
    if (sto_file_commit(&f, &c, e->name) == 0)
        e->state = THERE;
}

static void op_delete(struct world *w)
{
    struct str names[3];
    struct entry *e[3];
    int results[3];
    size_t n = 0;
    for (unsigned tries = 0; tries < 10 && n < 3; tries++) {
        struct entry *c = &w->now.e[fake_disk_random() % MAX(w->now.count, 1u)];
        if (c->state != THERE)
            continue;
        c->state = UNKNOWN; /* until the answer */
        names[n] = str_c(c->name);
        e[n++] = c;
    }
    assert_int_equal(sto_delete_batch(w->s, names, n, results), 0);
    for (size_t i = 0; i < n; i++)
        if (results[i] == 0)
            e[i]->state = GONE;
}

static void op_of_a_writer(struct world *w)
{
    clock_pass(fake_disk_random() % 3000);
    unsigned what = (unsigned)(fake_disk_random() % 10);
    if (w->now.count == OPS || what >= 7)
        op_delete(w);
    else if (what < 5)
        op_put(w);
    else
        op_file(w);
}

/* Their errors are the log's to live with. */
static void op_maintenance(struct world *w)
{
    struct sto_log *log = &w->s->paths[0].log;
    unsigned what = (unsigned)(fake_disk_random() % 4);
    w->maintaining = true;
    if (what == 0)
        (void)!sto_log_checkpoint(log);
    else if (what == 1)
        sto_log_maint_once(log);
    struct sto_seg seg;
    for (uint32_t n = 1;
         what > 1 && sto_log_seg_at(log, n, &seg) && seg.number < STO_POS_PACK(log->checkpoint);
         n = seg.number + 1)
        (void)!sto_log_sweep(log, seg.number);
    w->maintaining = false;
}

static void meanwhile(void *arg)
{
    struct world *w = arg;
    if (w->maintaining)
        op_of_a_writer(w);
    else
        op_maintenance(w);
}

static void run_ops(struct world *w, bool restarts)
{
    fake_disk_meanwhile(25, meanwhile, w);
    while (w->now.count < OPS) {
        uint64_t what = fake_disk_random() % 60;
        if (what < 4) {
            op_maintenance(w);
        } else if (what == 4 && restarts) {
            fake_disk_meanwhile(0, NULL, NULL); /* nobody works on a closed store */
            restart(w);
            fake_disk_meanwhile(25, meanwhile, w);
        } else {
            op_of_a_writer(w);
        }
    }
    fake_disk_meanwhile(0, NULL, NULL);
}

/* ---- what must hold afterwards ---- */

struct check {
    struct sto_store *s;
    struct ledger *l;
};

static int check_entry(const struct sto_entry *e, void *arg)
{
    struct check *c = arg;
    for (unsigned i = 0; i < c->l->count; i++) {
        struct entry *want = &c->l->e[i];
        if (!str_eq(e->desc, str_c(want->desc)))
            continue;
        assert_int_not_equal(want->state, GONE);
        assert_false(want->seen); /* once */
        want->seen = true;
        struct sto_view v;
        int r = sto_open_read(c->s, e->name, &v);
        if (r < 0)
            fail_msg("%s %s in state %d is listed, but: %d", want->desc, want->name,
                     (int)want->state, r);
        assert_int_equal(v.size, want->size);
        uint8_t data[SIZE_MAX_SMALL], got[SIZE_MAX_SMALL];
        content(want->seed, data, want->size);
        assert_int_equal(pread(v.fd, got, want->size, (off_t)v.offset), want->size);
        assert_memory_equal(got, data, want->size);
        close(v.fd);
        return 0;
    }
    fail_msg("the log holds what nobody stored: " STR_F, STR_A(e->desc));
    return -EINVAL;
}

static void check_ledger(struct sto_store *s, struct ledger *l)
{
    for (unsigned i = 0; i < l->count; i++)
        l->e[i].seen = false;
    struct check c = {s, l};
    struct sto_scan r = {0};
    while (!r.at_end)
        assert_int_equal(sto_scan(s, 0, r.next, 0, 7, check_entry, &c, &r), 0);
    for (unsigned i = 0; i < l->count; i++) {
        const struct entry *e = &l->e[i];
        if (e->state == THERE && !e->seen)
            fail_msg("lost: %s %s", e->desc, e->name);
        struct sto_view v;
        if (e->state == GONE && sto_open_read(s, str_c(e->name), &v) != -ENOENT)
            fail_msg("deleted, but there: %s %s", e->desc, e->name);
    }
}

static void keep_ledger(void *arg)
{
    struct world *w = arg;
    w->crash = w->now;
}

struct seeds {
    unsigned first, end;
};

static struct seeds seeds(unsigned usual)
{
    unsigned first = MAX(test_number("CRASH_FIRST", 1), 1u);
    return (struct seeds){first, first + test_number("CRASH_SEEDS", usual)};
}

static void after_a_power_failure_at_any_call_the_promise_holds(void **state)
{
    (void)state;
    struct seeds all = seeds(120);
    clock_begin(INT64_C(1700000000123));
    for (unsigned seed = all.first; seed < all.end; seed++) {
        struct world w;
        begin_world(&w, seed);
        assert_int_equal(open_store(w.dir, &fake_disk_io, &w.s), 0);
        fake_disk_crash_at(1 + (unsigned)(fake_disk_random() % 400), w.dir, w.image, keep_ledger,
                           &w);
        if (seed % 4 == 0) /* what is in memory is not to be believed any more */
            fake_disk_fail(FAKE_SYNC, 1 + (unsigned)(fake_disk_random() % 150), 0, EIO);
        run_ops(&w, true);
        fake_disk_fail(0, 0, 0, 0);
        if (fake_disk_crashed()) {
            struct sto_store *after = NULL;
            assert_int_equal(open_store(w.image, &fake_disk_io, &after), 0);
            check_ledger(after, &w.crash);
            sto_store_close(&after);
            assert_int_equal(open_store(w.image, &fake_disk_io, &after), 0); /* and again */
            check_ledger(after, &w.crash);
            sto_store_close(&after);
        }
        check_ledger(w.s, &w.now);
        end_world(&w);
    }
}

/* The marks of a deletion and the SKIP header a sweep writes over it, of which the disk keeps any part. */
static void a_power_failure_amid_a_sweep_brings_nothing_back(void **state)
{
    (void)state;
    enum { CALLS = 4, DEAD = 3, SEEDS = 60 }; /* sync, SKIP, sync, hole */
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        begin_world(&w, seed);
        assert_int_equal(open_store(w.dir, &fake_disk_io, &w.s), 0);
        struct sto_log *log = &w.s->paths[0].log;
        char data[5000] = "";
        struct sto_put puts[DEAD + 2] = {0};
        for (unsigned i = 0; i < ARRAY_LEN(puts); i++)
            puts[i] = (struct sto_put){.kind = DFS_PUT_OBJECT, .data = str_of(data, sizeof(data))};
        assert_int_equal(sto_put_batch(w.s, 0, puts, DEAD + 1), 0);
        log->seal = true; /* the last one begins the next pack */
        assert_int_equal(sto_put_batch(w.s, 0, &puts[DEAD + 1], 1), 0);
        assert_int_equal(sto_log_checkpoint(log), 0);
        struct str names[DEAD];
        int results[DEAD];
        for (unsigned i = 0; i < DEAD; i++)
            names[i] = str_c(puts[i].name);
        assert_int_equal(sto_delete_batch(w.s, names, DEAD, results), 0);
        fake_disk_crash_at(1 + seed % CALLS, w.dir, w.image, nothing_to_keep, NULL);
        assert_int_equal(sto_log_sweep(log, 1), 0);
        assert_true(fake_disk_crashed());
        struct sto_store *after = NULL;
        assert_int_equal(open_store(w.image, &fake_disk_io, &after), 0);
        for (unsigned i = 0; i < ARRAY_LEN(puts); i++)
            assert_int_equal(sto_verify(after, str_c(puts[i].name)), i < DEAD ? -ENOENT : 0);
        sto_store_close(&after);
        end_world(&w);
    }
}

/* What a killed process left in the page cache looks done to the next one, and is not on the disk. */
static void a_power_failure_after_a_kill_brings_nothing_back(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct world w;
        begin_world(&w, seed);
        assert_int_equal(open_store(w.dir, &fake_disk_io, &w.s), 0);
        op_file(&w);
        while (w.now.count < 4)
            op_put(&w);
        struct str names[OPS];
        int results[OPS];
        for (unsigned i = 0; i < w.now.count; i++)
            names[i] = str_c(w.now.e[i].name);
        assert_int_equal(sto_delete_batch(w.s, names, w.now.count, results), 0);
        for (unsigned i = 0; i < w.now.count; i++)
            w.now.e[i].state = GONE;
        sto_store_close(&w.s); /* the kill: no checkpoint is written */
        assert_int_equal(open_store(w.dir, &fake_disk_io, &w.s), 0);
        assert_int_equal(sto_log_checkpoint(&w.s->paths[0].log), 0);
        fake_disk_crash_at(1, w.dir, w.image, keep_ledger, &w);
        op_put(&w);
        assert_true(fake_disk_crashed());
        struct sto_store *after = NULL;
        assert_int_equal(open_store(w.image, &fake_disk_io, &after), 0);
        check_ledger(after, &w.crash);
        sto_store_close(&after);
        end_world(&w);
    }
}

/* A failed sync of a pack takes marks with it that were made in it before. */
static void a_failed_sync_is_made_good_by_the_next_checkpoint(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct world w;
        begin_world(&w, seed);
        assert_int_equal(open_store(w.dir, &fake_disk_io, &w.s), 0);
        struct sto_log *log = &w.s->paths[0].log;
        while (w.now.count < 10)
            op_put(&w);
        while (w.now.e[0].state == THERE)
            op_delete(&w);
        fake_disk_fail(FAKE_SYNC, 1, 0, EIO);
        op_put(&w);
        fake_disk_fail(FAKE_SYNC, 1, 0, EIO); /* and the checkpoint's first try */
        assert_int_equal(sto_log_checkpoint(log), -EIO);
        assert_int_equal(sto_log_checkpoint(log), 0);
        assert_true(log->checkpoint == log->end);
        fake_disk_crash_at(1, w.dir, w.image, keep_ledger, &w);
        op_put(&w);
        assert_true(fake_disk_crashed());
        struct sto_store *after = NULL;
        assert_int_equal(open_store(w.image, &fake_disk_io, &after), 0);
        check_ledger(after, &w.crash);
        sto_store_close(&after);
        end_world(&w);
    }
}

static void a_failing_disk_loses_nothing_it_acknowledged(void **state)
{
    (void)state;
    static const struct {
        unsigned mask;
        int err;
    } faults[] = {{FAKE_WRITE, EIO},    {FAKE_SYNC, EIO},    {FAKE_ALLOC, ENOSPC}, {FAKE_NAME, EIO},
                  {FAKE_WRITE, ENOSPC}, {FAKE_NAME, ENOSPC}, {FAKE_ANY, EIO}};
    struct seeds all = seeds(140);
    for (unsigned seed = all.first; seed < all.end; seed++) {
        struct world w;
        begin_world(&w, seed);
        assert_int_equal(open_store(w.dir, &fake_disk_io, &w.s), 0);
        unsigned which = seed % ARRAY_LEN(faults);
        fake_disk_fail(faults[which].mask, 1 + (unsigned)(fake_disk_random() % 200),
                       (unsigned)(fake_disk_random() % 4), faults[which].err);
        run_ops(&w, false);
        check_ledger(w.s, &w.now);
        fake_disk_fail(0, 0, 0, 0);
        sto_store_close(&w.s);
        assert_int_equal(open_store(w.dir, &fake_disk_io, &w.s), 0);
        check_ledger(w.s, &w.now);
        end_world(&w);
    }
}

static void short_writes_are_finished(void **state)
{
    (void)state;
    struct world w;
    begin_world(&w, 7);
    fake_disk_short_writes(true);
    assert_int_equal(open_store(w.dir, &fake_disk_io, &w.s), 0);
    run_ops(&w, false);
    for (unsigned i = 0; i < w.now.count; i++)
        assert_int_not_equal(w.now.e[i].state, UNKNOWN);
    check_ledger(w.s, &w.now);
    end_world(&w);
}

static void a_sync_error_is_told_and_the_next_write_works(void **state)
{
    (void)state;
    struct world w;
    begin_world(&w, 3);
    assert_int_equal(open_store(w.dir, &fake_disk_io, &w.s), 0);
    struct sto_put p = {.kind = DFS_PUT_OBJECT, .desc = STR("entry-0"), .data = STR("x")};
    assert_int_equal(sto_put_batch(w.s, 0, &p, 1), 0);
    assert_int_equal(p.result, 0);
    fake_disk_fail(FAKE_SYNC, 1, 0, EIO);
    assert_int_equal(sto_put_batch(w.s, 0, &p, 1), 0);
    assert_int_equal(p.result, -EIO);
    struct sto_path_stat st;
    assert_int_equal(sto_put_batch(w.s, 0, &p, 1), 0);
    assert_int_equal(p.result, 0);
    assert_int_equal(sto_store_stat(w.s, 0, &st), 0);
    assert_int_equal(st.segments, 2); /* the one that failed was left */
    end_world(&w);
}

int main(void)
{
    dfs_log_threshold = LOG_ERROR + 1;
    test_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(short_writes_are_finished, fake_disk_tell_seed),
        cmocka_unit_test_teardown(a_sync_error_is_told_and_the_next_write_works,
                                  fake_disk_tell_seed),
        cmocka_unit_test_teardown(a_power_failure_amid_a_sweep_brings_nothing_back,
                                  fake_disk_tell_seed),
        cmocka_unit_test_teardown(a_power_failure_after_a_kill_brings_nothing_back,
                                  fake_disk_tell_seed),
        cmocka_unit_test_teardown(a_failed_sync_is_made_good_by_the_next_checkpoint,
                                  fake_disk_tell_seed),
        cmocka_unit_test_teardown(a_failing_disk_loses_nothing_it_acknowledged,
                                  fake_disk_tell_seed),
        cmocka_unit_test_teardown(after_a_power_failure_at_any_call_the_promise_holds,
                                  fake_disk_tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
