/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copies - holds an answer back until enough members have what it acknowledges (min_copies).
 *
 * A write is on our disk and in our log when it comes here. It may be acknowledged when as many members
 * in service as asked for, we ourselves included, have everything before the log's end of that moment:
 * their pulls say so (followers.h). Nobody is sent anything: pulls wait at our side and leave the moment the
 * log grows, so a copy costs a round trip and the follower's sync, shared by all writes of that moment.
 *
 * How many: options.min, or with 0 ("auto") two as long as another member is in service, or may be: who has just started does
 * not know before a tracker says it, unless nobody else was in the group before. A member that dies
 * holds writes up until the trackers call it OFFLINE. When one has waited a second, or a connection by which a member
 * pulls ends (sto_copies_lost), we ask them, every one: so a process that was killed holds writes up for some 0.1 s, a
 * machine that is silent for about a second longer than it takes the trackers. Who only connects anew is waited for,
 * since the trackers go on calling it ACTIVE. A number is strict: with
 * fewer members in service nothing is written, and what waits is refused the moment they become too few.
 *
 * Threads: any; one of its own for deadlines, or somebody who tends it. Lock order: leaf; nothing is called
 * under it.
 */
#ifndef STO_COPIES_H
#define STO_COPIES_H

#include "storage/sync/followers.h"

struct sto_copies;

enum { STO_COPIES_MOST = 30 };

struct sto_copies_options {
    struct sto_store *store; /* all of these outlive the copies */
    struct sto_members *members;
    struct sto_followers *followers;
    unsigned min;             /* 0: auto */
    uint64_t timeout_ms;      /* a write waits no longer, unless a member that lacks it gets on
                                        (a large file is on its way): then STO_COPIES_MOST times that */
    void (*stuck)(void *arg); /* a write waits for a member that may be dead: find out. May block.
                                        At most once a second, but for the second after a loss. NULL: nobody
                                        finds out */
    void *arg;
};

/* A write that waits. The caller's memory until done() is called. */
struct sto_copies_wait {
    unsigned path;   /* set by the caller, */
    unsigned copies; /* as this: servers that must have it, if that is more than usual. Strict */
    /*
     * Of an edit, else NULL: how long nobody else can have made one without asking this server (turn.h). Later its record may
     * have come to others when they had another edit, and have been too old for them.
     */
    const struct sto_vouch *vouch;
    /*
     * Once, with 0; or -EAGAIN: it is on our disk, but the copies did not come in time, or there are too few
     * members in service to get them from, or what was edited may have been edited elsewhere, too. On any thread, also within
     * sto_copies_begin(); be quick.
     */
    void (*done)(struct sto_copies_wait *w, int result);
    /* private to copies.c */
    uint64_t position, since_ms;
    struct sto_copies_wait *next;
};

int sto_copies_new(const struct sto_copies_options *o, struct sto_copies **ret) MUST_CHECK;
/* Begins the thread that sees to deadlines. */
int sto_copies_start(struct sto_copies *c) MUST_CHECK;
/* What that thread does; returns within how many milliseconds it is to be done again. One caller at a time. */
uint64_t sto_copies_tend(struct sto_copies *c);
/* From now on no write waits longer than @ms: before the requests of a service are waited for. */
void sto_copies_hurry(struct sto_copies *c, uint64_t ms);
/* Nobody waits any more. */
void sto_copies_free(struct sto_copies **cp);

unsigned sto_copies_min(const struct sto_copies *c); /* options.min */
/* How many servers, we ourselves included, must have a write now. */
unsigned sto_copies_needed(struct sto_copies *c);
/* Before a write is begun: 0, or -EAGAIN when fewer members are in service than are needed, or than @asked. */
int sto_copies_ready(struct sto_copies *c, unsigned asked) MUST_CHECK;

void sto_copies_begin(struct sto_copies *c, struct sto_copies_wait *w);
/* Blocks until everything written so far on all paths has its copies, or @asked if that is more. 0 or -EAGAIN. */
int sto_copies_settle(struct sto_copies *c, unsigned asked) MUST_CHECK;
/* A connection by which a member pulled has ended: it may be dead. */
void sto_copies_lost(struct sto_copies *c);
/* Somebody who should be in service does not answer: find out (options.stuck), now. Blocks. */
void sto_copies_ask(struct sto_copies *c);
/* A follower has told its position on @path. */
void sto_copies_heard(struct sto_copies *c, unsigned path);

#endif
