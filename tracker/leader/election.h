/* SPDX-License-Identifier: Apache-2.0 */
/*
 * election - one leader among the trackers, never two at once. Pure: time and messages come from
 * outside, so tests run any number of trackers on a virtual clock.
 *
 *              timeout            majority would         majority has
 *   FOLLOWER ----------> ASKING ----------> CANDIDATE ----------> LEADER
 *       ^                  |                    |                    |
 *       +------------------+--------------------+--------------------+
 *        somebody leads, a newer term, no answer, no lease, asked to step down
 *
 * Terms and votes as in Raft ("In Search of an Understandable Consensus Algorithm", section 5.2),
 * with its pre-vote (dissertation, 9.6), and a lease (6.4.1) instead of a log:
 *
 *   - a voter votes once a term, and its vote is on disk before anybody hears of it
 *   - a voter that has accepted a leader's beat votes for nobody else for timeout_ms from then on;
 * after a start it waits as long, for it may have promised that before
 *   - a leader acts only while a majority accepted beats that it sent less than lease_ms ago
 *
 * lease_ms is 3/4 of timeout_ms: two clocks may differ in speed by a quarter before two trackers
 * could believe to lead at once. Wall clocks do not matter. Everybody must use the same list of
 * voters: messages carry its checksum, others are refused.
 *
 * Threads: none; the caller serialises.
 */
#ifndef TRK_ELECTION_H
#define TRK_ELECTION_H

#include "dfscore/wire/messages.h"

enum trk_role { TRK_FOLLOWER, TRK_ASKING, TRK_CANDIDATE, TRK_LEADER, TRK_ROLES_ };

enum trk_emsg_kind {
    TRK_EMSG_ASK = 1,  /* would you vote for me? */
    TRK_EMSG_VOTE = 2, /* do */
    TRK_EMSG_BEAT = 3, /* I lead */
};

/* A request, and with the same kind, term and stamp, its answer. */
struct trk_emsg {
    uint8_t kind;
    uint8_t granted; /* answers: 1 yes */
    uint64_t term;
    uint64_t stamp;  /* sender's clock when it was sent; the answer brings it back */
    uint32_t voters; /* checksum of the list of voters */
};

enum { TRK_EMSG_LEN = 22 };
void trk_emsg_put(struct buf *b, const struct trk_emsg *m);
int trk_emsg_get(struct rd *r, struct trk_emsg *ret) MUST_CHECK;

struct trk_election_opts {
    unsigned n;          /* voters, 1..DFS_TRACKERS_MAX */
    int me;              /* our index */
    uint32_t voters;     /* checksum of the sorted list */
    uint64_t timeout_ms; /* > 0, the same everywhere */
    uint64_t seed;       /* for times that differ from tracker to tracker */
};

struct trk_election {
    struct trk_election_opts o;
    enum trk_role role;
    bool eligible;        /* may lead: has something to lead with */
    uint64_t term;        /* kept on disk */
    int voted;            /* kept on disk; whom for in this term, -1: nobody */
    bool must_save;       /* term or voted have changed: save before anything is sent, then clear */
    int leader;           /* whom we believe to lead; -1: nobody */
    uint32_t yes;         /* voters that said yes in this round, a bit each */
    uint64_t promise_ms;  /* vote for nobody but leader until then */
    uint64_t deadline_ms; /* follower: ask then. Asking, candidate: give up then */
    uint64_t beat_due_ms; /* leader */
    /* leader: when the newest beat a voter has accepted was sent */
    uint64_t acked[DFS_TRACKERS_MAX];
    uint64_t random;
};

/* @term and @voted as they were saved; 0 and -1 at first. */
void trk_election_init(struct trk_election *e, const struct trk_election_opts *o, uint64_t term,
                       int voted, uint64_t now_ms);

/* Time passes. True: send *out to all other voters now. */
bool trk_election_tick(struct trk_election *e, uint64_t now_ms, struct trk_emsg *out);
/* Voter @from sent @m; *reply is for it. */
void trk_election_request(struct trk_election *e, uint64_t now_ms, int from,
                          const struct trk_emsg *m, struct trk_emsg *reply);
/* Voter @from answered. True: send *out to all other voters now. */
bool trk_election_answer(struct trk_election *e, uint64_t now_ms, int from,
                         const struct trk_emsg *m, struct trk_emsg *out);
/* Give up leadership for a while (68). */
void trk_election_step_down(struct trk_election *e, uint64_t now_ms);

/* We lead, and hold the lease, at @now_ms. Ask before every act of a leader. */
bool trk_election_leads(const struct trk_election *e, uint64_t now_ms);
/* Who leads as far as we know at @now_ms; -1: nobody. */
int trk_election_leader(const struct trk_election *e, uint64_t now_ms);
/* Milliseconds until tick has something to do. */
uint64_t trk_election_wait(const struct trk_election *e, uint64_t now_ms);

#endif
