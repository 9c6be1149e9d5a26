/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group_view - one group as its trackers and its servers tell it: who is in service, who lacks what.
 *
 * A server says what every other one lacks of what it has written (internal.h, SYNC_STATE). What a
 * server lacks is the sum over all others; it is known only when all in service have answered, which
 * FastDFS's own storages do not.
 *
 * Threads: any. Blocking, within the pool's timeouts.
 */
#ifndef DFS_GROUP_VIEW_H
#define DFS_GROUP_VIEW_H

#include "dfscore/client/client.h"

struct dfs_path_view { /* a store path, as PATHS tells it */
    bool closed;
    bool unfit;        /* its disk takes no writes */
    bool slow;         /* or they take long */
    uint32_t incoming; /* files that are being written there */
};

struct dfs_member_view {
    struct dfs_storage_detail detail;
    bool counts;   /* no removed one */
    bool answered; /* SYNC_STATE */
    bool repairs;  /* REPAIR_STATE: the next holds */
    struct dfs_repair_state repair;
    bool moves; /* MOVE_STATE: the next holds */
    struct dfs_move_state move;
    unsigned npaths; /* 0: it has not been asked (PATHS), or does not know the question */
    struct dfs_path_view paths[DFS_PATHS_MAX];    /* as it says */
    unsigned unfit, slow;                         /* how many of them are that */
    bool known;                                   /* the numbers below hold */
    bool more;                                    /* they are at least that */
    int64_t changes, bytes;                       /* that it lacks */
    int64_t seconds;                              /* age of the oldest of them */
    size_t n;                                     /* of lacks */
    struct dfs_sync_state lacks[DFS_SERVERS_MAX]; /* what others lack of this server's */
};

struct dfs_group_view {
    struct dfs_member_view *members; /* owned */
    size_t n;
    unsigned in_service;  /* ACTIVE */
    unsigned min, needed; /* min_copies (0: auto), and what it comes to now; 0: nobody told */
    bool more;
    int64_t under_replicated; /* changes that some member lacks */
    /* owned; of all groups. None where trackers do not know the question */
    struct dfs_drain *drains;
    size_t ndrains;
};

/* The body of an answer to 197. 0 or -EBADMSG. */
int dfs_decode_paths(struct str body, struct dfs_path_view ret[DFS_PATHS_MAX],
                     unsigned *ret_n) MUST_CHECK;

/* 0; -ENOENT: no such group; other errors of asking the trackers. */
int dfs_group_view_get(struct dfs_client *c, struct str group,
                       struct dfs_group_view *ret) MUST_CHECK;
void dfs_group_view_fini(struct dfs_group_view *v);
/* enum dfs_drain_state of a server, with @id "M01" of a store path, or with "" of the group itself. */
uint8_t dfs_group_view_drain(const struct dfs_group_view *v, const char *group, const char *id);
/* The server of that id; NULL: there is none. */
const struct dfs_member_view *dfs_group_view_find(const struct dfs_group_view *v, struct str id);

#endif
