/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lease/plan.h"

#include "dfscore/wire/internal.h"

enum {
    ROUNDS = 3, /* in a time to live */
    MARGIN = 8, /* the part of a grant that does not count, 1/8: clocks differ in speed by less */
    LOOK_MIN_MS = 50,
};

void s3_lease_plan_init(struct s3_lease_plan *p, unsigned trackers, uint64_t ttl_ms,
                        uint64_t holder, uint64_t now_ms)
{
    ASSERT(trackers > 0 && trackers <= DFS_TRACKERS_MAX && ttl_ms > 0 && holder != 0);
    *p = (struct s3_lease_plan){.n = trackers,
                                .majority = trackers / 2 + 1,
                                .ttl_ms = ttl_ms,
                                .holder = holder,
                                .state = S3_LEASE_KEEPING,
                                .next_mode = DFS_LEASE_LOOK,
                                .due_ms = now_ms};
}

uint64_t s3_lease_patience(const struct s3_lease_plan *p)
{
    return p->ttl_ms / ROUNDS;
}

/* What a majority has at least: the least of the @p->majority greatest. */
uint64_t s3_lease_until(const struct s3_lease_plan *p)
{
    uint64_t best = 0;
    for (unsigned i = 0; i < p->n; i++) {
        unsigned as_long = 0;
        for (unsigned k = 0; k < p->n; k++)
            as_long += p->seat[k].until_ms >= p->seat[i].until_ms;
        if (as_long >= p->majority)
            best = MAX(best, p->seat[i].until_ms);
    }
    return best;
}

void s3_lease_round(struct s3_lease_plan *p, uint64_t fresh, uint64_t now_ms)
{
    bool run_out = p->state == S3_LEASE_HELD && s3_lease_until(p) <= now_ms;
    p->mode = run_out ? DFS_LEASE_LOOK : p->next_mode;
    p->asked_ms = now_ms;
    if (p->mode == DFS_LEASE_TAKE) {
        ASSERT(p->state == S3_LEASE_WAITING && fresh != 0);
        p->holder = fresh;
    }
    for (unsigned i = 0; i < p->n; i++) {
        p->seat[i].answered = false;
        if (p->mode == DFS_LEASE_TAKE)
            p->seat[i].until_ms = 0;
    }
}

void s3_lease_question(const struct s3_lease_plan *p, unsigned i, struct dfs_lease_req *ret)
{
    const struct dfs_lease_rsp *said = &p->seat[i].said; /* in an earlier round */
    *ret = (struct dfs_lease_req){
        .mode = p->mode, .holder = (int64_t)p->holder, .ttl_ms = (int64_t)p->ttl_ms};
    /* While it is ours nobody else has a majority: what is left of others at single trackers is free to be had. */
    if (p->state == S3_LEASE_HELD && p->mode == DFS_LEASE_KEEP && said->state == DFS_LEASE_FREE &&
        said->kept == DFS_LEASE_ANOTHERS)
        ret->mode = DFS_LEASE_TAKE;
    if (ret->mode == DFS_LEASE_TAKE)
        ret->over = said->holder;
}

void s3_lease_answer(struct s3_lease_plan *p, unsigned i, const struct dfs_lease_req *asked,
                     uint64_t asked_ms, const struct dfs_lease_rsp *said)
{
    ASSERT(i < p->n);
    struct s3_lease_seat *s = &p->seat[i];
    if ((uint64_t)asked->holder != p->holder)
        return; /* of an attempt that was given up */
    if (said->state == DFS_LEASE_GRANTED)
        s->until_ms = MAX(s->until_ms, asked_ms + p->ttl_ms - p->ttl_ms / MARGIN);
    if (asked_ms < p->asked_ms)
        return;
    s->answered = true;
    s->said = *said;
}

struct count {
    unsigned answered, yours, nobodys, anothers, free;
};

static struct count count(const struct s3_lease_plan *p)
{
    struct count c = {0};
    for (unsigned i = 0; i < p->n; i++) {
        const struct s3_lease_seat *s = &p->seat[i];
        bool free = s->answered && s->said.state != DFS_LEASE_HELD;
        c.answered += s->answered;
        c.free += free;
        c.yours += s->answered && s->said.kept == DFS_LEASE_YOURS;
        c.anothers += s->answered && s->said.kept == DFS_LEASE_ANOTHERS;
        c.nobodys += s->answered && s->said.kept == DFS_LEASE_NOBODYS;
    }
    return c;
}

/* When a majority may be free, if nobody asks for it again. */
static uint64_t free_in_ms(const struct s3_lease_plan *p)
{
    uint64_t best = UINT64_MAX;
    for (unsigned i = 0; i < p->n; i++) {
        uint64_t left = (uint64_t)MAX(p->seat[i].said.left_ms, INT64_C(0));
        unsigned sooner = 0;
        for (unsigned k = 0; k < p->n; k++)
            sooner += p->seat[k].answered && (uint64_t)p->seat[k].said.left_ms <= left;
        if (p->seat[i].answered && sooner >= p->majority)
            best = MIN(best, left);
    }
    return best;
}

static void look_again(struct s3_lease_plan *p, uint64_t now_ms)
{
    uint64_t soon = MAX(free_in_ms(p), (uint64_t)LOOK_MIN_MS);
    p->next_mode = DFS_LEASE_LOOK;
    p->due_ms = now_ms + MIN(soon, p->ttl_ms / ROUNDS);
}

/* What we have got at single trackers keeps others from it: let it run out, and do not meet them again. */
static void stand_back(struct s3_lease_plan *p, uint64_t random, uint64_t now_ms)
{
    p->next_mode = DFS_LEASE_LOOK;
    p->due_ms = now_ms + p->ttl_ms + random % p->ttl_ms;
}

static void hold(struct s3_lease_plan *p)
{
    p->state = S3_LEASE_HELD;
    p->next_mode = DFS_LEASE_KEEP;
    p->due_ms = p->asked_ms + p->ttl_ms / ROUNDS;
}

static enum s3_lease_event looked(struct s3_lease_plan *p, uint64_t now_ms)
{
    const struct count c = count(p);
    unsigned silent = p->n - c.answered;
    look_again(p, now_ms);
    if (p->state == S3_LEASE_KEEPING && c.yours + silent < p->majority &&
        c.nobodys + silent < p->majority) {
        p->state = S3_LEASE_WAITING;
        p->due_ms = now_ms;
        return S3_LEASE_PASSED;
    }
    bool keeps = p->state == S3_LEASE_KEEPING;
    bool possible = keeps ? c.yours >= p->majority || c.nobodys >= p->majority : true;
    if (c.free >= p->majority && possible) {
        p->next_mode = keeps ? DFS_LEASE_KEEP : DFS_LEASE_TAKE;
        p->due_ms = now_ms;
    }
    return S3_LEASE_NOTHING;
}

static enum s3_lease_event tried(struct s3_lease_plan *p, bool ours, uint64_t random,
                                 uint64_t now_ms)
{
    const struct count c = count(p);
    if (ours && p->state == S3_LEASE_WAITING) {
        hold(p);
        return S3_LEASE_TAKEN;
    }
    if (ours && (c.yours >= p->majority || c.nobodys >= p->majority)) {
        hold(p);
        return c.yours >= p->majority ? S3_LEASE_KEPT : S3_LEASE_FIRST;
    }
    if (p->state == S3_LEASE_KEEPING && c.yours >= p->majority)
        look_again(p, now_ms); /* nobody else can want what is ours at a majority */
    else
        stand_back(p, random, now_ms);
    return S3_LEASE_NOTHING;
}

enum s3_lease_event s3_lease_round_end(struct s3_lease_plan *p, uint64_t random, uint64_t now_ms)
{
    bool ours = s3_lease_until(p) > now_ms;
    if (p->state != S3_LEASE_HELD)
        return p->mode == DFS_LEASE_LOOK ? looked(p, now_ms) : tried(p, ours, random, now_ms);
    const struct count c = count(p); /* our clock may have stood still: then they know better */
    if (ours && c.anothers < p->majority) {
        hold(p);
        return S3_LEASE_NOTHING;
    }
    p->state = S3_LEASE_KEEPING;
    p->next_mode = DFS_LEASE_LOOK;
    p->due_ms = now_ms;
    return S3_LEASE_LOST;
}
