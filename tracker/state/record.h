/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - one self-contained fact about the cluster, as bytes. A snapshot, a journal and what one
 * tracker tells another are all sequences of records; later ones replace earlier ones.
 *
 *   length u32 (of type and payload) | CRC-32 of type and payload u32 | type u8 | payload
 *
 * Integers big endian; "lstr" is a LEB128 length and that many bytes. Payloads begin with a version
 * byte; what a later version appends is skipped by this one. tracker/README.md has them byte by
 * byte.
 *
 * Threads: no state.
 */
#ifndef TRK_RECORD_H
#define TRK_RECORD_H

#include "tracker/cluster/cluster.h"

enum trk_rec_type {
    TRK_REC_GROUP = 1,
    TRK_REC_NODE = 2,
    TRK_REC_LOG = 3,      /* a line of the change log */
    TRK_REC_VOTE = 4,     /* what this tracker has promised in elections */
    TRK_REC_TRACKERS = 5, /* trackers learned from storages */
    TRK_REC_NODE_GONE = 6,
    TRK_REC_GROUP_GONE = 7,
    TRK_REC_ALIVE = 8,  /* when this tracker last ran */
    TRK_REC_END = 9,    /* last of a snapshot: how many records came before */
    TRK_REC_LEASE = 10, /* who has, or had, the lease of the key index */
};

enum { TRK_REC_MAX = 64 * 1024 }; /* length of one record, header not counted */

enum { TRK_LEASE_NAME_MAX = 64 };

/* Whom this tracker granted the lease of the key index last (leader/lease.h). */
struct trk_lease_kept {
    uint64_t holder; /* 0: nobody, ever */
    uint64_t ttl_ms; /* how long a grant of it lasts */
    uint64_t mark;   /* as it said: what all gateways must have in common */
    char name[TRK_LEASE_NAME_MAX + 1];
};

/* Facts of one tracker itself, beside the cluster. */
struct trk_self {
    uint64_t term;                                 /* latest seen in an election */
    char voted_for[DFS_HOST_MAX];                  /* in that term; "": nobody */
    char trackers[DFS_TRACKERS_MAX][DFS_HOST_MAX]; /* "host:port", as storages listed them */
    unsigned tracker_count;
    int64_t alive_s; /* Unix seconds, a few minutes coarse */
    struct trk_lease_kept lease;
};

void trk_rec_group(struct buf *b, const struct trk_group *g);
void trk_rec_node(struct buf *b, const struct trk_node *n);
void trk_rec_vote(struct buf *b, const struct trk_self *s);
void trk_rec_trackers(struct buf *b, const struct trk_self *s);
void trk_rec_lease(struct buf *b, const struct trk_self *s);
void trk_rec_node_gone(struct buf *b, const char *group, const char *id);
void trk_rec_group_gone(struct buf *b, const char *group);
void trk_rec_end(struct buf *b, uint64_t count);
/* One of the first three, by what changed. */
void trk_rec_change(struct buf *b, const struct trk_cluster *c, const struct trk_change *change);
/* The whole cluster, and @self unless NULL. Returns the number of records. */
uint64_t trk_rec_all(struct buf *b, const struct trk_cluster *c, const struct trk_self *self);

struct trk_rec {
    uint8_t type;       /* enum trk_rec_type, or one of a later version */
    struct str payload; /* view */
};

/* 1: *ret is the next one, *rest what follows; 0: *rest is empty; -EBADMSG: torn or damaged, *rest
 * is what could not be read. */
int trk_rec_next(struct str *rest, struct trk_rec *ret) MUST_CHECK;

/* A node as it was written; its group and the sources of its positions by name. */
struct trk_node_image {
    char group[DFS_ID_MAX + 1];
    struct trk_node node; /* node.paths is owned; no group, no slot, no synced_s */
    struct {
        char id[DFS_ID_MAX];
        int64_t s;
    } synced[DFS_SERVERS_MAX];
    unsigned synced_count;
};
/* 0, -EBADMSG, -ENOMEM. Free with trk_node_image_fini. */
int trk_rec_node_get(struct str payload, struct trk_node_image *ret) MUST_CHECK;
void trk_node_image_fini(struct trk_node_image *i);
/* *ret is a group without nodes and lists, to be copied from. */
int trk_rec_group_get(struct str payload, struct trk_group *ret) MUST_CHECK;
int trk_rec_log_get(struct str payload, uint64_t *number, struct trk_log_line *ret) MUST_CHECK;

/*
 * Take over what a file of ours says: replaces what is there. Statuses become what a restart makes
 * of them. Types it does not know are skipped. 0, -EBADMSG (shaped wrongly), -ENOSPC (more than
 * fits), -ENOMEM. @self may be NULL.
 */
int trk_rec_apply(struct trk_cluster *c, struct trk_self *self,
                  const struct trk_rec *rec) MUST_CHECK;

#endif
