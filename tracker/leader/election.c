/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/leader/election.h"

static const bool may[TRK_ROLES_][TRK_ROLES_] = {
    [TRK_FOLLOWER] = {[TRK_FOLLOWER] = true, [TRK_ASKING] = true},
    [TRK_ASKING] = {[TRK_FOLLOWER] = true, [TRK_CANDIDATE] = true},
    [TRK_CANDIDATE] = {[TRK_FOLLOWER] = true, [TRK_LEADER] = true},
    [TRK_LEADER] = {[TRK_FOLLOWER] = true},
};

/* --- messages ------------------------------------------------------------------------------- */

void trk_emsg_put(struct buf *b, const struct trk_emsg *m)
{
    buf_u8(b, m->kind);
    buf_u8(b, m->granted);
    buf_u64(b, m->term);
    buf_u64(b, m->stamp);
    buf_u32(b, m->voters);
}

int trk_emsg_get(struct rd *r, struct trk_emsg *ret)
{
    struct trk_emsg m = {.kind = rd_u8(r)};
    m.granted = rd_u8(r);
    m.term = rd_u64(r);
    m.stamp = rd_u64(r);
    m.voters = rd_u32(r);
    /* Terms grow by one an election: one near the end of 64 bits is no term. */
    if (r->bad || m.kind < TRK_EMSG_ASK || m.kind > TRK_EMSG_BEAT || m.granted > 1 ||
        m.term >> 62 != 0)
        return -EINVAL;
    *ret = m;
    return 0;
}

/* --- helpers -------------------------------------------------------------------------------- */

static uint64_t lease_ms(const struct trk_election *e)
{
    return e->o.timeout_ms - e->o.timeout_ms / 4;
}

static uint64_t beat_ms(const struct trk_election *e)
{
    return MAX(e->o.timeout_ms / 5, UINT64_C(1));
}

/* xorshift64*: enough to keep trackers out of step. */
static uint64_t draw(struct trk_election *e, uint64_t below)
{
    e->random ^= e->random >> 12;
    e->random ^= e->random << 25;
    e->random ^= e->random >> 27;
    return (e->random * UINT64_C(2685821657736338717) >> 16) % below;
}

static bool is_majority(const struct trk_election *e, unsigned count)
{
    return count > e->o.n / 2;
}

static void enter(struct trk_election *e, enum trk_role to)
{
    ASSERT(may[e->role][to]);
    e->role = to;
    e->yes = UINT32_C(1) << e->o.me;
    /* Only one who has been voted for by itself leads. */
    ASSERT(to != TRK_LEADER || (e->voted == e->o.me && e->eligible));
}

static void follow(struct trk_election *e, uint64_t now_ms, int leader)
{
    enter(e, TRK_FOLLOWER);
    e->leader = leader;
    e->deadline_ms = now_ms + e->o.timeout_ms + draw(e, e->o.timeout_ms) + 1;
}

static void new_term(struct trk_election *e, uint64_t term, int voted)
{
    ASSERT(term >= e->term);
    if (term == e->term && voted == e->voted)
        return;
    e->term = term;
    e->voted = voted;
    e->must_save = true;
}

static void say(const struct trk_election *e, uint8_t kind, uint64_t term, uint64_t now_ms,
                struct trk_emsg *out)
{
    *out = (struct trk_emsg){kind, 0, term, now_ms, e->o.voters};
}

/* --- the life ------------------------------------------------------------------------------- */

void trk_election_init(struct trk_election *e, const struct trk_election_opts *o, uint64_t term,
                       int voted, uint64_t now_ms)
{
    ASSERT(o->n >= 1 && o->n <= DFS_TRACKERS_MAX && o->me >= 0 && (unsigned)o->me < o->n);
    ASSERT(o->timeout_ms > 0);
    memset(e, 0, sizeof(*e));
    e->o = *o;
    e->term = term;
    e->voted = voted;
    e->leader = -1;
    e->random = o->seed | 1;
    follow(e, now_ms, -1);
    if (o->n == 1) {
        e->deadline_ms = now_ms; /* there is nobody to wait for */
        return;
    }
    e->promise_ms = now_ms + o->timeout_ms;
}

static void become_leader(struct trk_election *e, uint64_t now_ms, struct trk_emsg *out)
{
    enter(e, TRK_LEADER);
    e->leader = e->o.me;
    memset(e->acked, 0, sizeof(e->acked));
    e->beat_due_ms = now_ms + beat_ms(e);
    say(e, TRK_EMSG_BEAT, e->term, now_ms, out);
}

static bool become_candidate(struct trk_election *e, uint64_t now_ms, struct trk_emsg *out)
{
    enter(e, TRK_CANDIDATE);
    new_term(e, e->term + 1, e->o.me);
    e->deadline_ms = now_ms + e->o.timeout_ms;
    if (is_majority(e, 1)) {
        become_leader(e, now_ms, out);
        return e->o.n > 1;
    }
    say(e, TRK_EMSG_VOTE, e->term, now_ms, out);
    return true;
}

static bool begin_asking(struct trk_election *e, uint64_t now_ms, struct trk_emsg *out)
{
    enter(e, TRK_ASKING);
    e->leader = -1;
    e->deadline_ms = now_ms + e->o.timeout_ms;
    if (is_majority(e, 1))
        return become_candidate(e, now_ms, out);
    say(e, TRK_EMSG_ASK, e->term + 1, now_ms, out);
    return true;
}

bool trk_election_tick(struct trk_election *e, uint64_t now_ms, struct trk_emsg *out)
{
    if (e->role == TRK_LEADER) {
        if (!trk_election_leads(e, now_ms) && now_ms >= e->deadline_ms + e->o.timeout_ms) {
            follow(e, now_ms, -1); /* no majority for long: somebody else may try */
            return false;
        }
        if (trk_election_leads(e, now_ms))
            e->deadline_ms = now_ms;
        if (now_ms < e->beat_due_ms || e->o.n == 1)
            return false;
        e->beat_due_ms = now_ms + beat_ms(e);
        say(e, TRK_EMSG_BEAT, e->term, now_ms, out);
        return true;
    }
    if (now_ms < e->deadline_ms)
        return false;
    if (e->role != TRK_FOLLOWER || !e->eligible) {
        follow(e, now_ms, -1);
        if (e->o.n == 1)
            e->deadline_ms = now_ms; /* there is nobody to leave it to */
        return false;
    }
    return begin_asking(e, now_ms, out);
}

/* Somebody else may have our vote now. */
static bool free_to_vote(const struct trk_election *e, uint64_t now_ms, int from)
{
    if (e->role == TRK_LEADER && trk_election_leads(e, now_ms))
        return false;
    return now_ms >= e->promise_ms || e->leader == from;
}

static bool hear_beat(struct trk_election *e, uint64_t now_ms, int from, uint64_t term)
{
    if (term < e->term)
        return false;
    /* Two leaders of one term would mean that somebody voted twice. We keep to the first. */
    if (term == e->term && e->role == TRK_LEADER)
        return false;
    if (term == e->term && e->leader >= 0 && e->leader != from && now_ms < e->promise_ms)
        return false;
    new_term(e, term, term == e->term ? e->voted : -1);
    follow(e, now_ms, from);
    e->promise_ms = now_ms + e->o.timeout_ms;
    return true;
}

static bool hear_vote(struct trk_election *e, uint64_t now_ms, int from, uint64_t term)
{
    if (term < e->term || !free_to_vote(e, now_ms, from))
        return false;
    if (term == e->term && e->voted >= 0)
        return e->voted == from;
    new_term(e, term, from);
    follow(e, now_ms, -1);
    return true;
}

void trk_election_request(struct trk_election *e, uint64_t now_ms, int from,
                          const struct trk_emsg *m, struct trk_emsg *reply)
{
    *reply = *m;
    reply->granted = 0;
    reply->voters = e->o.voters;
    if (m->voters == e->o.voters && from != e->o.me && from >= 0 && (unsigned)from < e->o.n) {
        if (m->kind == TRK_EMSG_BEAT)
            reply->granted = hear_beat(e, now_ms, from, m->term);
        else if (m->kind == TRK_EMSG_VOTE)
            reply->granted = hear_vote(e, now_ms, from, m->term);
        else
            reply->granted = m->term > e->term && free_to_vote(e, now_ms, from);
    }
    if (!reply->granted)
        reply->term = e->term; /* so that one who is behind learns of it */
}

static bool count_yes(struct trk_election *e, int from)
{
    e->yes |= UINT32_C(1) << from;
    return is_majority(e, (unsigned)__builtin_popcount(e->yes));
}

bool trk_election_answer(struct trk_election *e, uint64_t now_ms, int from,
                         const struct trk_emsg *m, struct trk_emsg *out)
{
    if (m->voters != e->o.voters || from < 0 || (unsigned)from >= e->o.n || from == e->o.me)
        return false;
    if (!m->granted) {
        if (m->term > e->term) {
            new_term(e, m->term, -1);
            follow(e, now_ms, -1);
        }
        return false;
    }
    if (m->kind == TRK_EMSG_ASK && e->role == TRK_ASKING && m->term == e->term + 1)
        return count_yes(e, from) && become_candidate(e, now_ms, out);
    if (m->kind == TRK_EMSG_VOTE && e->role == TRK_CANDIDATE && m->term == e->term) {
        if (!count_yes(e, from))
            return false;
        become_leader(e, now_ms, out);
        e->deadline_ms = now_ms;
        return true;
    }
    if (m->kind == TRK_EMSG_BEAT && e->role == TRK_LEADER && m->term == e->term &&
        m->stamp <= now_ms)
        e->acked[from] = MAX(e->acked[from], m->stamp);
    return false;
}

void trk_election_step_down(struct trk_election *e, uint64_t now_ms)
{
    if (e->role != TRK_LEADER)
        return;
    follow(e, now_ms, -1);
    if (e->o.n > 1)
        e->deadline_ms += 2 * e->o.timeout_ms; /* let another one have it */
    else
        e->deadline_ms = now_ms + e->o.timeout_ms / 2;
}

bool trk_election_leads(const struct trk_election *e, uint64_t now_ms)
{
    if (e->role != TRK_LEADER || !e->eligible)
        return false;
    unsigned count = 1;
    for (unsigned i = 0; i < e->o.n; i++)
        count += (int)i != e->o.me && e->acked[i] > 0 && now_ms < e->acked[i] + lease_ms(e);
    return is_majority(e, count);
}

int trk_election_leader(const struct trk_election *e, uint64_t now_ms)
{
    if (e->role == TRK_LEADER)
        return trk_election_leads(e, now_ms) ? e->o.me : -1;
    return e->role == TRK_FOLLOWER && now_ms < e->promise_ms ? e->leader : -1;
}

uint64_t trk_election_wait(const struct trk_election *e, uint64_t now_ms)
{
    uint64_t due = e->role == TRK_LEADER ? e->beat_due_ms : e->deadline_ms;
    return due > now_ms ? due - now_ms : 0;
}
