/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster - what a tracker knows: groups, their storage servers, and the log of removals.
 *
 * Nothing here does I/O or reads a clock. Every change that must survive a restart marks its node
 * or group as changed; the owner drains these with trk_cluster_next_change and writes them down.
 *
 * Rule:    semantics 4 (behaviour), 6 (what the files hold), protocol 3 (limits), 6.4 (counters).
 * Threads: none of its own; the owner's lock guards the whole tree.
 */
#ifndef TRK_CLUSTER_H
#define TRK_CLUSTER_H

#include "tracker/cluster/node.h"

enum {
    TRK_LOG_MAX = 8192, /* lines of the change log that are kept */
};

struct trk_group {
    char name[DFS_ID_MAX + 1];
    struct trk_node *nodes[DFS_SERVERS_MAX]; /* owned; sorted by id, records of the gone included */
    unsigned n;
    int64_t port;                  /* of all members; 0: not known yet; -1: members differ */
    unsigned path_count;           /* 0: not known yet */
    unsigned subdir_count;         /* 0: not known yet */
    char trunk_server[DFS_ID_MAX]; /* "": none */
    char last_trunk_server[DFS_ID_MAX];
    int32_t trunk_file_id;
    int64_t trunk_free_mb;    /* as its trunk server said; soft */
    uint32_t members_version; /* counts changes members are told of; starts at 1 */
    uint32_t trunk_version;   /* the same for the trunk server; 0: there never was one */
    struct trk_drain drain;
    struct trk_drain path_drain[DFS_PATHS_MAX]; /* by store path, of all its servers */
    unsigned next_write, next_read;             /* round-robin cursors; soft */
    struct trk_group *next_changed;
    bool changed;
};

struct trk_log_line {
    int64_t time_s;
    char group[DFS_ID_MAX + 1];
    char id[DFS_ID_MAX];
    uint8_t status;       /* DELETED or IP_CHANGED */
    char arg[DFS_IP_MAX]; /* IP_CHANGED: the new address; else "" */
};

struct trk_cluster {
    struct trk_group **groups; /* owned; sorted by name */
    unsigned n, cap;
    unsigned next_group;      /* round-robin cursor; soft */
    struct trk_log_line *log; /* owned; line i has number log_first + i */
    unsigned log_n, log_cap;
    uint64_t log_first;
    uint64_t log_saved;    /* lines below this number have been drained */
    int64_t log_dropped_s; /* latest time of the lines that were dropped for room; 0: none was */
    struct trk_node *changed_nodes;
    struct trk_group *changed_groups;
    int64_t forget_before_us; /* records of the gone that changed before this are of no use */
    int64_t last_change_us;   /* stamps of changes only grow, also when the clock is set back */
};

void trk_cluster_init(struct trk_cluster *c);
void trk_cluster_fini(struct trk_cluster *c);

struct trk_group *trk_group_find(const struct trk_cluster *c, const char *name);
/* Find or make. -EINVAL: not a group's name; -ENOSPC: DFS_GROUPS_MAX are there; -ENOMEM. */
int trk_group_get(struct trk_cluster *c, const char *name, struct trk_group **ret) MUST_CHECK;
/* -EBUSY while it holds a record, also a deleted one (protocol 5.8); -ENOENT. */
int trk_group_remove(struct trk_cluster *c, const char *name) MUST_CHECK;

struct trk_node *trk_node_find(const struct trk_group *g, const char *id);
/* By one of its addresses and, when @port is not 0, port. Records of the gone are looked at last.
 */
struct trk_node *trk_node_find_ip(const struct trk_group *g, const char *ip, uint16_t port);
/* A new record in INIT. -EEXIST; -ENOSPC: DFS_SERVERS_MAX are there; -ENOMEM. */
int trk_node_add(struct trk_cluster *c, struct trk_group *g, const char *id,
                 struct trk_node **ret) MUST_CHECK;
/* Forget the record. Nobody may hold a pointer to it. */
void trk_node_remove(struct trk_cluster *c, struct trk_node *n);

/*
 * The next record of a server that is gone and has not changed since forget_before_us, or NULL: its
 * peers have long read the change log. The owner removes it.
 */
struct trk_node *trk_cluster_forgettable(const struct trk_cluster *c);

/* The one place where a status changes: keeps counters, sync positions and invariants. */
void trk_node_set_status(struct trk_cluster *c, struct trk_node *n, uint8_t status);
/* The same through the table of status.h. True when the status changed. */
bool trk_node_event(struct trk_cluster *c, struct trk_node *n, enum trk_event event);

/* Something that must survive a restart has changed. */
void trk_node_changed(struct trk_cluster *c, struct trk_node *n);
void trk_group_changed(struct trk_cluster *c, struct trk_group *g);
/* @n, or with NULL @g itself, is in @state from now on. */
void trk_set_drain(struct trk_cluster *c, struct trk_group *g, struct trk_node *n, uint8_t state);
/* The same for a store path of all servers of @g. */
void trk_set_path_drain(struct trk_cluster *c, struct trk_group *g, unsigned path, uint8_t state);
/* Wall clock of the changes that follow, microseconds. */
void trk_cluster_now(struct trk_cluster *c, int64_t now_us);
/* False when nothing is left; else one of the three is set. They are unmarked by this. */
struct trk_change {
    struct trk_node *node;
    struct trk_group *group;
    const struct trk_log_line *line;
};
bool trk_cluster_next_change(struct trk_cluster *c, struct trk_change *ret);

/* Append to the change log; the oldest line goes when there are TRK_LOG_MAX. 0 or -ENOMEM. */
int trk_log_add(struct trk_cluster *c, const struct trk_log_line *line) MUST_CHECK;
/*
 * A line has been dropped for room; have lines of the time of this one been? A peer may still have those: taken again it
 * would push out another one, which that peer has as well, and so on for ever.
 */
void trk_log_dropped(struct trk_cluster *c, const struct trk_log_line *line);
bool trk_log_is_past(const struct trk_cluster *c, const struct trk_log_line *line);
/*
 * Lines from number @from on as text, whole lines only, at most @max bytes. Returns the number of
 * the first line that is not in it. Protocol 6.13.
 */
uint64_t trk_log_text(const struct trk_cluster *c, uint64_t from, size_t max, struct buf *out);

void trk_group_set_trunk_server(struct trk_cluster *c, struct trk_group *g, const char *id);

unsigned trk_group_readable(const struct trk_group *g);
unsigned trk_group_writable(const struct trk_group *g);
/* Space of the writable server with the least free space, of those that have reported their disks; where
 * all are drained, of any in service; else zero. */
void trk_group_space(const struct trk_group *g, int64_t *total_mb, int64_t *free_mb);

#endif
