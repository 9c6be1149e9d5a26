/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several trackers on a virtual network: messages are delayed, lost and reordered, links are cut
 * one way or both, nodes are killed and come back with what they had saved, clocks run at different
 * speeds. After every step at most one node may believe that it leads.
 */
#include "tests/lib/test.h"

#include "tracker/leader/election.h"

enum { NODES_MAX = 5, FLIGHT_MAX = 4096, TIMEOUT = 1000 };

struct flight {
    bool used, is_answer;
    int from, to;
    uint64_t due;
    struct trk_emsg m;
};

struct node {
    struct trk_election e;
    bool up;
    uint64_t saved_term;
    int saved_voted;
    unsigned speed; /* per mille of true time */
    uint64_t born;  /* true time of its start */
};

struct sim {
    unsigned n;
    uint64_t now, random;
    struct node node[NODES_MAX];
    bool cut[NODES_MAX][NODES_MAX]; /* [from][to] */
    unsigned loss;                  /* percent */
    unsigned delay;                 /* ms at most */
    struct flight flight[FLIGHT_MAX];
    unsigned top; /* places used so far */
    unsigned leaders_seen;
    uint64_t last_term;
};

static uint64_t draw(struct sim *s, uint64_t below)
{
    s->random = s->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (s->random >> 33) % below;
}

/* Its own clock: some speed, some offset. */
static uint64_t clock_of(const struct sim *s, int i)
{
    return 1000 + (uint64_t)i * 77777 + s->now * s->node[i].speed / 1000;
}

static void boot(struct sim *s, int i)
{
    struct node *n = &s->node[i];
    struct trk_election_opts o = {.n = s->n,
                                  .me = i,
                                  .voters = 7,
                                  .timeout_ms = TIMEOUT,
                                  .seed = s->random + (uint64_t)i * 99};
    trk_election_init(&n->e, &o, n->saved_term, n->saved_voted, clock_of(s, i));
    n->e.eligible = true;
    n->up = true;
    n->born = s->now;
}

static void sim_init(struct sim *s, unsigned n, uint64_t seed)
{
    memset(s, 0, sizeof(*s));
    s->n = n;
    s->random = seed;
    s->delay = 20;
    s->now = 1;
    for (unsigned i = 0; i < n; i++) {
        s->node[i].saved_voted = -1;
        s->node[i].speed = 950 + (unsigned)draw(s, 101);
        boot(s, (int)i);
    }
}

static void save(struct node *n)
{
    if (!n->e.must_save)
        return;
    assert_true(n->e.term >= n->saved_term);
    n->saved_term = n->e.term;
    n->saved_voted = n->e.voted;
    n->e.must_save = false;
}

static void post(struct sim *s, int from, int to, const struct trk_emsg *m, bool is_answer)
{
    if (s->cut[from][to] || draw(s, 100) < s->loss)
        return;
    for (unsigned i = 0; i < FLIGHT_MAX; i++) {
        struct flight *f = &s->flight[i];
        if (f->used)
            continue;
        *f = (struct flight){true, is_answer, from, to, s->now + 1 + draw(s, s->delay), *m};
        s->top = MAX(s->top, i + 1);
        return;
    }
    fail_msg("too many messages under way");
}

static void broadcast(struct sim *s, int from, const struct trk_emsg *m)
{
    save(&s->node[from]);
    for (unsigned to = 0; to < s->n; to++) {
        if ((int)to != from)
            post(s, from, (int)to, m, false);
    }
}

static void deliver(struct sim *s, struct flight *f)
{
    struct node *n = &s->node[f->to];
    struct trk_emsg out;
    f->used = false;
    if (!n->up)
        return;
    if (f->is_answer) {
        bool send = trk_election_answer(&n->e, clock_of(s, f->to), f->from, &f->m, &out);
        save(n);
        if (send)
            broadcast(s, f->to, &out);
        return;
    }
    trk_election_request(&n->e, clock_of(s, f->to), f->from, &f->m, &out);
    save(n);
    post(s, f->to, f->from, &out, true);
}

static int leader(const struct sim *s)
{
    int found = -1;
    for (unsigned i = 0; i < s->n; i++) {
        if (!s->node[i].up || !trk_election_leads(&s->node[i].e, clock_of(s, (int)i)))
            continue;
        if (found >= 0)
            fail_msg("%d and %u lead at %llu", found, i, (unsigned long long)s->now);
        found = (int)i;
    }
    return found;
}

static void step(struct sim *s)
{
    s->now++;
    for (unsigned i = 0; i < s->n; i++) {
        struct trk_emsg out;
        if (s->node[i].up && trk_election_tick(&s->node[i].e, clock_of(s, (int)i), &out))
            broadcast(s, (int)i, &out);
        if (s->node[i].up)
            save(&s->node[i]);
    }
    for (unsigned i = 0; i < s->top; i++) {
        if (s->flight[i].used && s->flight[i].due <= s->now)
            deliver(s, &s->flight[i]);
    }
    int l = leader(s);
    if (l >= 0 && s->node[l].e.term != s->last_term) {
        s->last_term = s->node[l].e.term;
        s->leaders_seen++;
    }
}

static void run(struct sim *s, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++)
        step(s);
}

static struct sim sim;

static void isolate(struct sim *s, int i, bool cut)
{
    for (unsigned j = 0; j < s->n; j++)
        s->cut[i][j] = s->cut[j][i] = cut;
}

static void one_tracker_leads_at_once(void **state)
{
    (void)state;
    sim_init(&sim, 1, 1);
    step(&sim);
    assert_int_equal(leader(&sim), 0);
}

static void without_groups_nobody_leads(void **state)
{
    (void)state;
    sim_init(&sim, 1, 1);
    sim.node[0].e.eligible = false;
    run(&sim, 10 * TIMEOUT);
    assert_int_equal(leader(&sim), -1);
    sim.node[0].e.eligible = true;
    step(&sim);
    assert_int_equal(leader(&sim), 0);
}

static void three_agree_and_stay_with_one(void **state)
{
    (void)state;
    sim_init(&sim, 3, 2);
    run(&sim, 5 * TIMEOUT);
    int first = leader(&sim);
    assert_true(first >= 0);
    run(&sim, 100 * TIMEOUT);
    assert_int_equal(leader(&sim), first);
    assert_int_equal(sim.leaders_seen, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(trk_election_leader(&sim.node[i].e, clock_of(&sim, (int)i)), first);
}

static void a_dead_leader_is_replaced(void **state)
{
    (void)state;
    sim_init(&sim, 3, 3);
    run(&sim, 5 * TIMEOUT);
    int first = leader(&sim);
    sim.node[first].up = false;
    run(&sim, 6 * TIMEOUT);
    assert_true(leader(&sim) >= 0 && leader(&sim) != first);
    boot(&sim, first);
    int second = leader(&sim);
    run(&sim, 20 * TIMEOUT);
    assert_int_equal(leader(&sim), second); /* the old one comes back as a follower */
}

static void one_of_two_does_not_lead_alone(void **state)
{
    (void)state;
    sim_init(&sim, 2, 4);
    run(&sim, 5 * TIMEOUT);
    assert_true(leader(&sim) >= 0);
    isolate(&sim, 0, true);
    run(&sim, 2 * TIMEOUT);
    assert_int_equal(leader(&sim), -1);
    run(&sim, 50 * TIMEOUT);
    assert_int_equal(leader(&sim), -1);
    isolate(&sim, 0, false);
    run(&sim, 6 * TIMEOUT);
    assert_true(leader(&sim) >= 0);
}

static void a_minority_loses_its_leader_before_the_majority_has_one(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 30; seed++) {
        sim_init(&sim, 5, seed);
        run(&sim, 5 * TIMEOUT);
        int first = leader(&sim);
        assert_true(first >= 0);
        isolate(&sim, first, true); /* step() fails when both lead */
        run(&sim, 8 * TIMEOUT);
        assert_true(leader(&sim) >= 0 && leader(&sim) != first);
        isolate(&sim, first, false);
        int second = leader(&sim);
        run(&sim, 10 * TIMEOUT);
        assert_int_equal(leader(&sim), second); /* pre-vote: coming back disturbs nobody */
    }
}

static void stepping_down_lets_another_lead(void **state)
{
    (void)state;
    sim_init(&sim, 3, 5);
    run(&sim, 5 * TIMEOUT);
    int first = leader(&sim);
    trk_election_step_down(&sim.node[first].e, clock_of(&sim, first));
    assert_int_equal(leader(&sim), -1);
    run(&sim, 6 * TIMEOUT);
    assert_true(leader(&sim) >= 0);
}

static void a_stranger_or_another_electorate_gets_no_vote(void **state)
{
    (void)state;
    sim_init(&sim, 3, 6);
    struct trk_election *e = &sim.node[0].e;
    uint64_t now = clock_of(&sim, 0) + 10 * TIMEOUT;
    struct trk_emsg m = {TRK_EMSG_VOTE, 0, 50, 1, 8}, reply;
    trk_election_request(e, now, 1, &m, &reply);
    assert_int_equal(reply.granted, 0);
    m.voters = 7;
    static const int strangers[] = {-1, 0, 3, 1000};
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
        trk_election_request(e, now, strangers[i], &m, &reply);
        assert_int_equal(reply.granted, 0);
    }
    assert_int_equal(e->term, 0);
    trk_election_request(e, now, 1, &m, &reply);
    assert_int_equal(reply.granted, 1);
    assert_true(e->must_save);
    trk_election_request(e, now, 2, &m, &reply); /* the same term, another candidate */
    assert_int_equal(reply.granted, 0);
    trk_election_request(e, now, 1, &m, &reply); /* the answer was lost: the same again */
    assert_int_equal(reply.granted, 1);
}

static void a_restarted_voter_waits_before_it_votes(void **state)
{
    (void)state;
    sim_init(&sim, 3, 7);
    struct trk_election *e = &sim.node[0].e;
    uint64_t born = clock_of(&sim, 0);
    struct trk_emsg m = {TRK_EMSG_VOTE, 0, 5, 1, 7}, reply;
    trk_election_request(e, born + TIMEOUT - 1, 1, &m, &reply);
    assert_int_equal(reply.granted, 0);
    trk_election_request(e, born + TIMEOUT + 1, 1, &m, &reply);
    assert_int_equal(reply.granted, 1);
}

static void shake(struct sim *s)
{
    switch (draw(s, 6)) {
    case 0: /* kill one */
        s->node[draw(s, s->n)].up = false;
        break;
    case 1: /* one comes back with what it had saved */
        for (unsigned i = 0; i < s->n; i++) {
            if (!s->node[i].up) {
                boot(s, (int)i);
                break;
            }
        }
        break;
    case 2: /* cut a link one way */
        s->cut[draw(s, s->n)][draw(s, s->n)] = true;
        break;
    case 3:
        isolate(s, (int)draw(s, s->n), true);
        break;
    case 4:
        memset(s->cut, 0, sizeof(s->cut));
        break;
    default:
        s->loss = (unsigned)draw(s, 50);
        s->delay = 1 + (unsigned)draw(s, 400);
    }
}

/* Whatever happens: never two leaders (step checks), and one again after it has become quiet. */
static void chaos_never_makes_two_leaders(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        sim_init(&sim, 2 + (unsigned)(seed % 4), seed * 977);
        for (int round = 0; round < 40; round++) {
            shake(&sim);
            run(&sim, 200 + draw(&sim, 1500));
        }
        memset(sim.cut, 0, sizeof(sim.cut));
        sim.loss = 0;
        sim.delay = 20;
        for (unsigned i = 0; i < sim.n; i++) {
            if (!sim.node[i].up)
                boot(&sim, (int)i);
        }
        run(&sim, 15 * TIMEOUT);
        if (leader(&sim) < 0)
            fail_msg("no leader after it was quiet again, seed %llu", (unsigned long long)seed);
    }
}

static void messages_survive_the_wire(void **state)
{
    (void)state;
    struct trk_emsg m = {TRK_EMSG_BEAT, 1, 0x123456789a, 0xfedcba98, 0xdeadbeef}, got;
    AUTO(buf_free) struct buf b = BUF(64);
    trk_emsg_put(&b, &m);
    assert_int_equal(b.n, TRK_EMSG_LEN);
    struct rd r = rd_of(buf_str(&b));
    assert_int_equal(trk_emsg_get(&r, &got), 0);
    assert_int_equal(got.term, m.term);
    assert_int_equal(got.stamp, m.stamp);
    assert_int_equal(got.voters, m.voters);
    for (size_t n = 0; n < b.n; n++) {
        r = rd_of(str_head(buf_str(&b), n));
        assert_int_equal(trk_emsg_get(&r, &got), -EINVAL);
    }
    b.p[2] = (char)0xff; /* a term near the end of 64 bits */
    r = rd_of(buf_str(&b));
    assert_int_equal(trk_emsg_get(&r, &got), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_tracker_leads_at_once),
        cmocka_unit_test(without_groups_nobody_leads),
        cmocka_unit_test(three_agree_and_stay_with_one),
        cmocka_unit_test(a_dead_leader_is_replaced),
        cmocka_unit_test(one_of_two_does_not_lead_alone),
        cmocka_unit_test(a_minority_loses_its_leader_before_the_majority_has_one),
        cmocka_unit_test(stepping_down_lets_another_lead),
        cmocka_unit_test(a_stranger_or_another_electorate_gets_no_vote),
        cmocka_unit_test(a_restarted_voter_waits_before_it_votes),
        cmocka_unit_test(chaos_never_makes_two_leaders),
        cmocka_unit_test(messages_survive_the_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
