/* SPDX-License-Identifier: Apache-2.0 */
/*
 * members - what this process believes about the servers of its group, and what each has sent us.
 *
 * The leader tracker's change notices are the source (protocol 6.4). Beat writes, replicators and the
 * service read; whoever waits for news waits here.
 *
 * Threads: any. Lock order: leaf.
 */
#ifndef STO_MEMBERS_H
#define STO_MEMBERS_H

#include "dfscore/wire/messages.h"

struct sto_member {
    char id[DFS_ID_MAX + 1];
    char ip[DFS_IP_MAX + 1];
    uint16_t port;
    uint8_t status;   /* enum dfs_server_status */
    int64_t synced_s; /* newest operation time received from it since our start; 0: none */
    uint64_t joins;   /* what sto_members_caught_up() said last; 0: nothing yet */
};

/* Does a member of this status (enum dfs_server_status) take and show files? */
bool sto_in_service(uint8_t status);

struct sto_members;

int sto_members_new(struct sto_members **ret) MUST_CHECK;
void sto_members_free(struct sto_members **mp);

/* Who we are; excluded from peers. Set once, before threads exist. */
void sto_members_self(struct sto_members *m, const char *id, const char *ip, uint16_t port);
/* Is all here that any member had when we last lost a disk, or joined, also those that were away since? At first not. */
void sto_members_set_whole(struct sto_members *m, bool whole);
bool sto_members_whole(struct sto_members *m);
/* Nobody else was in the group when a tracker last said who is, before this process: until one does, that is so. Likewise. */
void sto_members_were_alone(struct sto_members *m);
/* This server's own id and address, as file ids and peers know it. */
void sto_members_get_self(struct sto_members *m, struct sto_member *ret);

/* The list of a notice replaces ours; times received are kept. At most DFS_SERVERS_MAX are taken. */
void sto_members_update(struct sto_members *m, const struct dfs_brief *list, size_t n);
/*
 * As long as no leader has told us who is in the group: whom a tracker lists that is none. Those who are new are added, of
 * the others status and address are taken over; nobody leaves, and nobody counts as told of. Ourselves it skips.
 */
void sto_members_hearsay(struct sto_members *m, const struct dfs_brief *list, size_t n);
/* Peers without ourselves; returns how many were written to @out (DFS_SERVERS_MAX places). */
size_t sto_members_peers(struct sto_members *m, struct sto_member *out);
/* Status and address of one member (also ourselves): 0 or -ENOENT. */
int sto_members_find(struct sto_members *m, const char *id, struct sto_member *ret) MUST_CHECK;
/* True when a peer of the group has the address @ip; our own entry does not count. */
bool sto_members_has_ip(struct sto_members *m, const char *ip);

/* Who the leader tracker has made trunk server of the group; "" nobody. */
void sto_members_set_trunk_server(struct sto_members *m, const char *id);
bool sto_members_is_trunk_server(struct sto_members *m); /* we ourselves */

/* An operation of @id, made there at @ts, has been applied here. */
void sto_members_synced(struct sto_members *m, const char *id, int64_t ts);

/*
 * How long after a beat that it has answered a tracker takes us for alive; 0, until this is called: for ever. When that is
 * over with all of them, others may edit what clients are led to us with, without asking us: we may have stood still, and not
 * know it.
 */
void sto_members_lease(struct sto_members *m, uint64_t ms);
/* The tracker @nr (below DFS_TRACKERS_MAX) has answered a beat that was sent at @ms (monotonic). */
void sto_members_beaten(struct sto_members *m, unsigned nr, uint64_t ms);
/* Our connection to it is about to end, or has: then it no longer takes us for alive, whatever it has answered. */
void sto_members_unheard(struct sto_members *m, unsigned nr);
/*
 * From when on nobody else can have taken us for dead: while the lease has been over as often as now, and until then
 * (monotonic): for ever, or @alone_ms when it is over now.
 */
struct sto_vouch {
    uint64_t lapses, until_ms;
};
struct sto_vouch sto_members_vouch(struct sto_members *m, uint64_t alone_ms);
/* Is that so still? */
bool sto_members_vouched(struct sto_members *m, const struct sto_vouch *h);

/* May others be in the group that nobody has told us of yet? */
bool sto_members_unknown(struct sto_members *m);
/* Has a tracker said who is in the group? Only their leader does, so it may take a while. Until then all can be asked of whom
 * trackers know, but it is not known who else there is. */
bool sto_members_told(struct sto_members *m);
/* A tracker is about to take us in: until then it may have led clients to others. */
void sto_members_joined(struct sto_members *m);
/* How often so far, our start included. */
uint64_t sto_members_joins(struct sto_members *m);
/* What @id had after so many of them is here. */
void sto_members_caught_up(struct sto_members *m, const char *id, uint64_t joins);
/*
 * Whether what the members in service had after the last of them, or of the lapses, is here, and none is on; and nobody is
 * awaited.
 */
bool sto_members_up_to_date(struct sto_members *m);
/*
 * Is @peer one with which we have not caught up since our start, STO_AWAITED_MS ago at most? What ended us may have ended it,
 * too, while we had not heard of its last edits: it gets that time to come back before anything is edited without it.
 */
enum { STO_AWAITED_MS = 60 * 1000 };
bool sto_members_awaited(const struct sto_members *m, const struct sto_member *peer);

/*
 * Have we caught up with @peer since we were last out of service, and has it known since that we are in service, so that it
 * keeps nothing alone? It is taken to know after STO_AWAITED_MS.
 */
bool sto_members_keeps_up(struct sto_members *m, const struct sto_member *peer);

/* Changes with every update that changed something, and with sto_members_wake. */
uint64_t sto_members_version(struct sto_members *m);
/* Wait until the version is not @seen or @ms have passed; returns the version. */
uint64_t sto_members_wait(struct sto_members *m, uint64_t seen, uint64_t ms);
void sto_members_wake(struct sto_members *m);

#endif
