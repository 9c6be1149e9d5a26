/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real store, members as a tracker would tell, followers' positions by hand. The clock is the test's, and the test
 * tends the copies as their thread would; the last test has that thread.
 */
#include "storage/sync/copies.h"

#include <semaphore.h>
#include <stdatomic.h>

#include "dfscore/base/clock.h"
#include "tests/lib/test.h"

#define SELF "10.0.0.1"
#define B    "10.0.0.2"
#define C    "10.0.0.3"

enum { TIMEOUT_MS = 30000 };

static uint64_t clock_us = 1000000;

static uint64_t show_clock(void)
{
    return clock_us;
}

static int64_t show_wall(void)
{
    return (int64_t)(clock_us / 1000);
}

static const struct dfs_clock_hook test_clock = {.now_ms = show_wall, .mono_us = show_clock};

struct fixture {
    char *dir;
    struct sto_store *store;
    struct sto_members *members;
    struct sto_mirrors *mirrors;
    struct sto_followers *followers;
    struct sto_copies *copies;
    struct sto_log_info log;
    atomic_uint stuck; /* how often the trackers were asked, */
    bool b_is_dead;    /* and what they say */
};

static void stuck(void *arg)
{
    struct fixture *f = arg;
    atomic_fetch_add(&f->stuck, 1);
    if (f->b_is_dead)
        sto_followers_gone(f->followers, B);
}

static void members_are(struct fixture *f, uint8_t b, uint8_t c)
{
    const struct dfs_brief list[] = {
        {.status = DFS_ST_ACTIVE, .port = 1, .id = SELF, .ip = SELF},
        {.status = b, .port = 1, .id = B, .ip = B},
        {.status = c, .port = 1, .id = C, .ip = C},
    };
    sto_members_update(f->members, list, ARRAY_LEN(list));
}

static void start(struct fixture *f, unsigned min)
{
    memset(f, 0, sizeof(*f));
    f->dir = test_tmpdir();
    const struct sto_path_options path = {.dir = f->dir};
    const struct sto_store_options so = {.group = "group1",
                                         .storage_id = SELF,
                                         .paths = &path,
                                         .path_count = 1,
                                         .reserve_bytes = 1,
                                         .segment_size = 1024 * 1024,
                                         .relaxed = true};
    assert_int_equal(sto_store_open(&so, &f->store, NULL), 0);
    assert_int_equal(sto_members_new(&f->members), 0);
    sto_members_self(f->members, SELF, SELF, 1);
    assert_int_equal(sto_mirrors_open(f->store, SELF, &f->mirrors), 0);
    assert_int_equal(sto_followers_new(f->store, f->mirrors, f->members, &f->followers), 0);
    const struct sto_copies_options co = {.store = f->store,
                                          .members = f->members,
                                          .followers = f->followers,
                                          .min = min,
                                          .timeout_ms = TIMEOUT_MS,
                                          .stuck = stuck,
                                          .arg = f};
    assert_int_equal(sto_copies_new(&co, &f->copies), 0);
    assert_int_equal(sto_mirrors_list(f->mirrors, 0, &f->log, 1), 1);
}

static void end(struct fixture *f)
{
    sto_copies_free(&f->copies);
    sto_followers_free(&f->followers);
    sto_mirrors_close(&f->mirrors);
    sto_members_free(&f->members);
    sto_store_close(&f->store);
    test_tmpdir_free(&f->dir);
}

static void write_something(struct fixture *f)
{
    struct sto_put p = {.kind = DFS_PUT_NOTE, .desc = STR("note")};
    assert_int_equal(sto_put_batch(f->store, 0, &p, 1), 0);
    assert_int_equal(p.result, 0);
}

/* What a pull of @id says. */
static void pulled(struct fixture *f, const char *id, uint64_t position)
{
    sto_followers_note(f->followers, id, 0, f->log.id, position);
    sto_copies_heard(f->copies, 0);
}

struct write {
    struct sto_copies_wait wait; /* first */
    _Atomic int result;          /* 1: not told yet */
    sem_t over;
};

static void told(struct sto_copies_wait *w, int result)
{
    struct write *x = (struct write *)w;
    assert_int_equal(atomic_load(&x->result), 1);
    atomic_store(&x->result, result);
    sem_post(&x->over);
}

/* A write that asks for @copies, if that is more than usual. */
static void begin_asking(struct fixture *f, struct write *w, unsigned copies)
{
    *w = (struct write){.wait = {.path = 0, .copies = copies, .done = told}};
    sem_init(&w->over, 0, 0);
    atomic_store(&w->result, 1);
    write_something(f);
    sto_copies_begin(f->copies, &w->wait);
}

static void begin(struct fixture *f, struct write *w)
{
    begin_asking(f, w, 0);
}

static void assert_waits(struct write *w)
{
    assert_int_equal(atomic_load(&w->result), 1);
}

static void assert_told(struct write *w, int result)
{
    assert_int_equal(atomic_load(&w->result), result);
}

/* @ms pass, and the copies are tended whenever they ask for it, at the last moment too. */
static void pass(struct fixture *f, uint64_t ms)
{
    for (;;) {
        uint64_t nap = sto_copies_tend(f->copies);
        if (ms == 0 && nap > 0)
            return;
        nap = MIN(nap, ms);
        clock_us += nap * 1000;
        ms -= nap;
    }
}

static void alone_nothing_waits(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 0);
    members_are(&f, DFS_ST_OFFLINE, DFS_ST_SYNCING);
    assert_int_equal(sto_copies_needed(f.copies), 1);
    begin(&f, &w);
    assert_told(&w, 0);
    assert_int_equal(sto_copies_ready(f.copies, 0), 0);
    end(&f);
}

static void two_while_another_is_in_service(void **state)
{
    (void)state;
    struct fixture f;
    struct write one, two;
    start(&f, 0);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_SYNCING);
    assert_int_equal(sto_copies_needed(f.copies), 2);
    begin(&f, &one);
    uint64_t first = sto_store_end(f.store, 0);
    begin(&f, &two);
    assert_waits(&one);
    pulled(&f, B, first - 1);
    assert_waits(&one);
    pulled(&f, C, sto_store_end(f.store, 0)); /* not in service: readers would not find it there */
    assert_waits(&one);
    pulled(&f, B, first);
    assert_told(&one, 0);
    assert_waits(&two);
    pulled(&f, B, sto_store_end(f.store, 0));
    assert_told(&two, 0);
    begin(&f, &one); /* it was there before we asked */
    uint64_t all = sto_store_end(f.store, 0);
    pulled(&f, B, all);
    assert_told(&one, 0);
    end(&f);
}

static void a_member_that_goes_offline_lets_go(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 0);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
    begin(&f, &w);
    assert_waits(&w);
    members_are(&f, DFS_ST_OFFLINE, DFS_ST_OFFLINE);
    pass(&f, 0);
    assert_told(&w, 0);
    assert_int_equal(atomic_load(&f.stuck), 0);
    end(&f);
}

static void who_waits_too_long_finds_out(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 0);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
    begin(&f, &w);
    pass(&f, 3500); /* the trackers know nothing new, and are asked once a second */
    assert_waits(&w);
    assert_in_range(atomic_load(&f.stuck), 3, 4);
    f.b_is_dead = true;
    pass(&f, 1000);
    assert_told(&w, 0);
    assert_int_equal(sto_copies_needed(f.copies), 1);
    pulled(&f, B, 0); /* it lives after all */
    assert_int_equal(sto_copies_needed(f.copies), 2);
    end(&f);
}

/* How often the trackers are asked while @ms pass. */
static unsigned asked_within(struct fixture *f, uint64_t ms)
{
    unsigned before = atomic_load(&f->stuck);
    pass(f, ms);
    return atomic_load(&f->stuck) - before;
}

static void a_pull_that_ends_has_the_trackers_asked_at_once(void **state)
{
    (void)state;
    for (unsigned min = 0; min < 3; min += 2) { /* auto, and a number */
        struct fixture f;
        struct write w;
        start(&f, min);
        f.b_is_dead = true;
        members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
        begin(&f, &w);
        assert_int_equal(asked_within(&f, 500), 0);
        sto_copies_lost(f.copies);
        assert_int_equal(asked_within(&f, 0), 1);
        assert_told(&w, min ? -EAGAIN : 0); /* a number cannot be had */
        end(&f);
    }
}

static void who_only_connects_anew_is_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 0);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
    sto_copies_lost(f.copies);
    assert_int_equal(asked_within(&f, 300), 0); /* nobody waits */
    begin(&f, &w);
    assert_in_range(asked_within(&f, 699), 6, 8);  /* the trackers may not have noticed yet */
    assert_in_range(asked_within(&f, 5000), 4, 6); /* then as usual */
    assert_waits(&w);
    pulled(&f, B, sto_store_end(f.store, 0));
    assert_told(&w, 0);
    end(&f);
}

static void the_deadline_refuses(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 3);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_ACTIVE);
    begin(&f, &w);
    pulled(&f, B, sto_store_end(f.store, 0));
    pass(&f, TIMEOUT_MS - 1);
    assert_waits(&w);
    pass(&f, 1000);
    assert_told(&w, -EAGAIN);
    end(&f);
}

/* Others have taken this server for dead meanwhile, and edited the file: its record was too old for them when it came. */
static void an_edit_that_was_copied_too_late_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    for (unsigned min = 1; min <= 2; min++)
        for (unsigned late = 0; late <= 1; late++) {
            struct write w = {.result = 1};
            start(&f, min);
            members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
            sto_members_lease(f.members, 600);
            sto_members_beaten(f.members, 0, clock_us / 1000);
            const struct sto_vouch vouch = sto_members_vouch(f.members, 0);
            w.wait = (struct sto_copies_wait){.vouch = &vouch, .done = told};
            sem_init(&w.over, 0, 0);
            write_something(&f);
            if (min == 1)
                clock_us += late * 601000;
            sto_copies_begin(f.copies, &w.wait);
            if (min == 2) {
                assert_waits(&w);
                clock_us += late * 601000;
                pulled(&f, B, sto_store_end(f.store, 0));
            }
            assert_told(&w, late ? -EAGAIN : 0);
            end(&f);
        }
}

/* For B, which has begun to follow. */
static void start_a_write_that_waits(struct fixture *f, struct write *w)
{
    start(f, 2);
    members_are(f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
    pulled(f, B, 1);
    begin(f, w);
}

static void a_member_that_gets_on_is_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start_a_write_that_waits(&f, &w);
    for (uint64_t ms = 0; ms < 3 * TIMEOUT_MS; ms += 500) { /* a piece of a large file each time */
        sto_followers_progress(f.followers, B, STR("large"), 1 + ms);
        pass(&f, 500);
        assert_waits(&w);
    }
    pass(&f, TIMEOUT_MS); /* and then nothing more */
    assert_told(&w, -EAGAIN);
    end(&f);
}

/* It cannot take a file, and tries again and again. */
static void a_member_that_asks_for_the_same_does_not_get_on(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start_a_write_that_waits(&f, &w);
    sto_followers_progress(f.followers, B, STR("another"), 3);
    for (uint64_t ms = 500; ms < TIMEOUT_MS; ms += 500) {
        for (uint64_t offset = 1; offset < 4; offset++)
            sto_followers_progress(f.followers, B, STR("refused"), offset);
        pass(&f, 500);
        assert_waits(&w);
    }
    pass(&f, 1000);
    assert_told(&w, -EAGAIN);
    end(&f);
}

static void but_not_for_ever(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    uint64_t began = clock_us;
    start(&f, 2);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
    pulled(&f, B, 1);
    begin(&f, &w);
    while (atomic_load(&w.result) == 1) {
        sto_followers_progress(f.followers, B, STR("large"), clock_us);
        pass(&f, 500);
    }
    assert_told(&w, -EAGAIN);
    assert_in_range((clock_us - began) / 1000, STO_COPIES_MOST * TIMEOUT_MS,
                    STO_COPIES_MOST * TIMEOUT_MS + 1000);
    end(&f);
}

static void hurrying_shortens_every_wait(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 2);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_ACTIVE);
    begin(&f, &w);
    sto_copies_hurry(f.copies, 1);
    pass(&f, 1);
    assert_told(&w, -EAGAIN);
    begin(&f, &w);
    pass(&f, 1);
    assert_told(&w, -EAGAIN);
    end(&f);
}

static void a_number_is_strict(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, 2);
    assert_int_equal(sto_copies_ready(f.copies, 0), -EAGAIN);
    members_are(&f, DFS_ST_ONLINE, DFS_ST_OFFLINE);
    assert_int_equal(sto_copies_ready(f.copies, 0), -EAGAIN);
    members_are(&f, DFS_ST_ONLINE, DFS_ST_ACTIVE);
    assert_int_equal(sto_copies_ready(f.copies, 0), 0);
    assert_int_equal(sto_copies_needed(f.copies), 2);
    end(&f);
}

static void what_a_number_asks_for_is_not_waited_for_when_members_are_too_few(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 3);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_ACTIVE);
    begin(&f, &w);
    pulled(&f, B, sto_store_end(f.store, 0));
    assert_waits(&w);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE); /* while it waits */
    pass(&f, 0);
    assert_told(&w, -EAGAIN);
    begin(&f, &w); /* between ready() and here */
    assert_told(&w, -EAGAIN);
    assert_int_equal(sto_copies_settle(f.copies, 0), -EAGAIN);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_ACTIVE);
    begin(&f, &w);
    assert_waits(&w);
    pulled(&f, B, sto_store_end(f.store, 0));
    pulled(&f, C, sto_store_end(f.store, 0));
    assert_told(&w, 0);
    end(&f);
}

static void who_is_found_gone_is_not_waited_for_by_a_number(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 2);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
    f.b_is_dead = true;
    begin(&f, &w); /* B does not pull, and the trackers say why */
    pass(&f, 2000);
    assert_told(&w, -EAGAIN);
    assert_int_equal(atomic_load(&f.stuck), 1);
    end(&f);
}

static void a_writer_that_asked_for_more_is_refused_alone(void **state)
{
    (void)state;
    struct fixture f;
    struct write usual, more;
    start(&f, 0);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_ACTIVE);
    begin(&f, &usual);
    begin_asking(&f, &more, 3);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
    pass(&f, 0);
    assert_told(&more, -EAGAIN);
    assert_waits(&usual);
    pulled(&f, B, sto_store_end(f.store, 0));
    assert_told(&usual, 0);
    end(&f);
}

static void a_writer_may_ask_for_more(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, 0);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
    assert_int_equal(sto_copies_ready(f.copies, 0), 0);
    assert_int_equal(sto_copies_ready(f.copies, 2), 0);
    assert_int_equal(sto_copies_ready(f.copies, 3), -EAGAIN);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_ACTIVE);
    assert_int_equal(sto_copies_ready(f.copies, 3), 0);
    struct write usual, more;
    begin(&f, &usual);
    begin_asking(&f, &more, 3);
    pulled(&f, B, sto_store_end(f.store, 0));
    assert_told(&usual, 0);
    assert_waits(&more);
    pulled(&f, C, sto_store_end(f.store, 0));
    assert_told(&more, 0);
    end(&f);
}

static void another_log_s_position_says_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 0);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
    begin(&f, &w);
    uint8_t other[STO_LOG_ID_LEN];
    memcpy(other, f.log.id, sizeof(other));
    other[3] ^= 1; /* as of our disk before it was replaced */
    sto_followers_note(f.followers, B, 0, other, UINT64_MAX);
    sto_copies_heard(f.copies, 0);
    assert_waits(&w);
    pulled(&f, B, sto_store_end(f.store, 0));
    assert_told(&w, 0);
    end(&f);
}

static void its_own_thread_sees_members_go(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    dfs_clock_hook = NULL;
    start(&f, 0);
    assert_int_equal(sto_copies_start(f.copies), 0);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
    begin(&f, &w);
    members_are(&f, DFS_ST_OFFLINE, DFS_ST_OFFLINE);
    const struct timespec at_the_latest = dfs_mono_after(60000);
    assert_int_equal(sem_clockwait(&w.over, CLOCK_MONOTONIC, &at_the_latest), 0);
    assert_told(&w, 0);
    end(&f);
}

/* What the trackers cannot know, as it beats: its disk takes no writes. */
static void who_has_no_disk_for_it_is_not_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 0);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
    pulled(&f, B, 0);
    begin(&f, &w);
    assert_int_equal(atomic_load(&w.result), 1);
    sto_followers_unfit(f.followers, B, 0);
    (void)sto_copies_tend(f.copies);
    assert_int_equal(atomic_load(&w.result), 0);
    pulled(&f, B, 0); /* it asks, and gets no further */
    begin(&f, &w);
    assert_int_equal(atomic_load(&w.result), 0);
    pulled(&f, B, sto_store_end(f.store, 0)); /* its disk is back */
    begin(&f, &w);
    assert_int_equal(atomic_load(&w.result), 1);
    pulled(&f, B, sto_store_end(f.store, 0));
    assert_int_equal(atomic_load(&w.result), 0);
    sto_followers_unfit(f.followers, "10.0.0.9", 0); /* nobody */
    sto_followers_unfit(f.followers, B, 1);          /* no such path */
    end(&f);
}

static void a_number_refuses_what_a_failed_disk_leaves_too_few_for(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 2);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_OFFLINE);
    pulled(&f, B, 0);
    begin(&f, &w);
    sto_followers_unfit(f.followers, B, 0);
    (void)sto_copies_tend(f.copies);
    assert_int_equal(atomic_load(&w.result), -EAGAIN);
    assert_int_equal(sto_copies_ready(f.copies, 0), -EAGAIN);
    end(&f);
}

/* A group has DFS_SERVERS_MAX at a time, and in the course of years more. */
static void those_who_are_gone_take_no_places(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, 0);
    for (unsigned i = 1; i <= 2 * DFS_SERVERS_MAX; i++) {
        struct dfs_brief list[] = {{.status = DFS_ST_ACTIVE, .port = 1, .id = SELF, .ip = SELF},
                                   {.status = DFS_ST_ACTIVE, .port = 1}};
        (void)snprintf(list[1].id, sizeof(list[1].id), "10.0.1.%u", i);
        (void)snprintf(list[1].ip, sizeof(list[1].ip), "10.0.1.%u", i);
        sto_members_update(f.members, list, ARRAY_LEN(list));
        struct write w;
        begin(&f, &w);
        assert_waits(&w);
        pulled(&f, list[1].id, sto_store_end(f.store, 0));
        assert_told(&w, 0);
        sto_followers_retain(f.followers);
    }
    end(&f);
}

/* --- who lets questions wait --- */

static bool is_silent(struct fixture *f, const char *id)
{
    return sto_followers_silent_since(f->followers, id) > 0;
}

/* Trackers that have no leader say nothing. */
static void who_has_just_started_is_not_alone(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 0);
    assert_int_equal(sto_copies_needed(f.copies), 2);
    assert_int_equal(sto_copies_ready(f.copies, 0), -EAGAIN);
    begin(&f, &w);
    assert_told(&w, -EAGAIN);
    members_are(&f, DFS_ST_OFFLINE, DFS_ST_DELETED);
    assert_int_equal(sto_copies_needed(f.copies), 1);
    assert_int_equal(sto_copies_ready(f.copies, 0), 0);
    end(&f);
}

static void who_was_alone_goes_on_without_a_tracker(void **state)
{
    (void)state;
    struct fixture f;
    struct write w;
    start(&f, 0);
    sto_members_were_alone(f.members);
    assert_int_equal(sto_copies_ready(f.copies, 0), 0);
    begin(&f, &w);
    assert_told(&w, 0);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_ACTIVE);
    assert_int_equal(sto_copies_needed(f.copies), 2);
    end(&f);
}

static void who_has_waited_in_vain_does_not_for_a_while(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, 2);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_ACTIVE);
    assert_false(is_silent(&f, B));
    sto_followers_asked(f.followers, B, -ETIMEDOUT);
    uint64_t since = clock_us / 1000;
    assert_int_equal(sto_followers_silent_since(f.followers, B), since);
    assert_false(is_silent(&f, C));
    clock_us += (STO_SILENT_MS - 1) * 1000;
    assert_int_equal(sto_followers_silent_since(f.followers, B), since);
    clock_us += 1000;
    assert_false(is_silent(&f, B));
    sto_followers_asked(f.followers, "10.0.0.9", -ETIMEDOUT); /* nobody */
    assert_false(is_silent(&f, "10.0.0.9"));
    sto_followers_asked(NULL, B, -ETIMEDOUT);
    assert_int_equal(sto_followers_silent_since(NULL, B), 0);
    end(&f);
}

/* Such as one whose connections are refused: that takes no time. */
static void any_other_result_is_an_answer(void **state)
{
    (void)state;
    static const int results[] = {0, -ENOENT, -ECONNREFUSED, -EPIPE};
    struct fixture f;
    start(&f, 2);
    members_are(&f, DFS_ST_ACTIVE, DFS_ST_ACTIVE);
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        sto_followers_asked(f.followers, B, -ETIMEDOUT);
        sto_followers_asked(f.followers, C, results[i]);
        assert_true(is_silent(&f, B));
        sto_followers_asked(f.followers, B, results[i]);
        assert_false(is_silent(&f, B));
    }
    end(&f);
}

int main(void)
{
    dfs_clock_hook = &test_clock;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_nothing_waits),
        cmocka_unit_test(two_while_another_is_in_service),
        cmocka_unit_test(a_member_that_goes_offline_lets_go),
        cmocka_unit_test(who_waits_too_long_finds_out),
        cmocka_unit_test(a_pull_that_ends_has_the_trackers_asked_at_once),
        cmocka_unit_test(who_only_connects_anew_is_waited_for),
        cmocka_unit_test(the_deadline_refuses),
        cmocka_unit_test(an_edit_that_was_copied_too_late_is_refused),
        cmocka_unit_test(a_member_that_gets_on_is_waited_for),
        cmocka_unit_test(a_member_that_asks_for_the_same_does_not_get_on),
        cmocka_unit_test(but_not_for_ever),
        cmocka_unit_test(hurrying_shortens_every_wait),
        cmocka_unit_test(a_number_is_strict),
        cmocka_unit_test(what_a_number_asks_for_is_not_waited_for_when_members_are_too_few),
        cmocka_unit_test(who_is_found_gone_is_not_waited_for_by_a_number),
        cmocka_unit_test(a_writer_that_asked_for_more_is_refused_alone),
        cmocka_unit_test(a_writer_may_ask_for_more),
        cmocka_unit_test(another_log_s_position_says_nothing),
        cmocka_unit_test(who_has_just_started_is_not_alone),
        cmocka_unit_test(who_was_alone_goes_on_without_a_tracker),
        cmocka_unit_test(who_has_waited_in_vain_does_not_for_a_while),
        cmocka_unit_test(any_other_result_is_an_answer),
        cmocka_unit_test(its_own_thread_sees_members_go),
        cmocka_unit_test(who_has_no_disk_for_it_is_not_waited_for),
        cmocka_unit_test(a_number_refuses_what_a_failed_disk_leaves_too_few_for),
        cmocka_unit_test(those_who_are_gone_take_no_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
