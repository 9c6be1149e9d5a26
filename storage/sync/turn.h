/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turn - before a client's edit of an appender, or of metadata: nobody else edits the file, and nobody has a later one.
 *
 * Clients are led to the server that took a file from its client, its home. Once that has caught up with all since a tracker
 * last took it in, it edits at once, as long as its beats are answered (group/members.h) and it has not given the turn to
 * another member (trunk/turns.h); so does one that has the group to itself. Any other asks all members in service, the home
 * first, then by their ids, so that of two that ask at once one is refused by the first, and has taken nothing from the
 * other. Each answers what it has of the file, and from then on waits for the record of the edit. One that does not answer
 * may be editing: the client is to come again, as it is when somebody has a later content, which will come.
 *
 * Nobody is left out who is awaited after this member's start (sto_members_awaited()).
 *
 * A member that is asked for the turn at a file whose home the asker takes to be out of service, and does not itself,
 * refuses.
 *
 * Members of earlier builds do not know turns, and are asked only what they have.
 *
 * Threads: any. take and end block, bounded by the timeouts.
 */
#ifndef STO_TURN_H
#define STO_TURN_H

#include "storage/sync/followers.h"
#include "storage/sync/line.h"
#include "storage/trunk/turns.h"

struct sto_turn_options {
    struct sto_store *store; /* all of these outlive the taker */
    struct sto_members *members;
    struct sto_followers *followers; /* NULL: nobody has found out more than the trackers say */
    const struct sto_line *line;
    struct dfs_peer_opts net;
    /* One cannot be asked that some tracker may take for alive: find out (sto_followers_gone()). May block. NULL: nobody
     * does. */
    void (*silent)(void *arg);
    void *arg;
};

struct sto_turn {
    struct sto_members *members;
    struct sto_vouch vouch; /* how long nobody else can edit the file without asking this member */
    struct sto_turn_id id;
    struct str name;
    bool taken;                               /* and of this member itself */
    struct sto_latest before;                 /* if so: what was here */
    struct sto_member asked[DFS_SERVERS_MAX]; /* that have given it */
    size_t n;
    struct sto_member away[DFS_SERVERS_MAX]; /* that were not, being out of service, */
    size_t n_away;
    uint64_t began_ms; /* monotonic: when it was asked for */
};

/* Did a client give the file to the server @id, as its name says? Of a slave it does not: any member may have taken it. */
bool sto_turn_home(struct str name, const char *id);

/* Nobody else edits it, but members that have asked this one: there is nobody to be asked. *t is that, or may be asked
 * for. */
bool sto_turn_leads(const struct sto_turn_options *o, struct str name, struct sto_turn *t);
/*
 * 0: @name, which is here, may be edited before sto_turn_end(), which is to be called then; the name stays where it is.
 * -EAGAIN: later; -EBUSY: another client of this member has the turn. Or as sto_info().
 */
int sto_turn_take(const struct sto_turn_options *o, struct str name, struct sto_turn *t) MUST_CHECK;
/* That has not been over. @t: a turn (struct sto_still). */
bool sto_turn_lasts(void *t);
/* -EAGAIN: it has not lasted, or somebody has come back meanwhile who was not asked, and may have edited it, too. */
int sto_turn_end(const struct sto_turn_options *o, struct sto_turn *t) MUST_CHECK;

/*
 * What a member is asked, SYNC_TURN, with a name behind STO_TURN_HEAD bytes: the answer in @out. -EHOSTDOWN: options.silent
 * is needed to say it.
 */
enum { STO_TURN_HEAD = 1 + 8 + 8 + DFS_ID_MAX };
int sto_turn_hear(const struct sto_turn_options *o, struct str body, struct buf *out) MUST_CHECK;

#endif
