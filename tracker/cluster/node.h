/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node - one storage server of a group.
 *
 * Fields marked "kept" survive a restart and are written when they change; the others are learned
 * again from heartbeats, and written along when something else is.
 * Threads: the owner's lock, as the whole cluster.
 */
#ifndef TRK_NODE_H
#define TRK_NODE_H

#include "tracker/cluster/status.h"

struct trk_group;

struct trk_path {
    int64_t total_mb, free_mb; /* 2^20 bytes */
    bool slow;                 /* its syncs take long, as the server says; soft */
};

/* Whether a server or group is being emptied. Kept; the later word wins between trackers. */
struct trk_drain {
    uint8_t state;  /* enum dfs_drain_state; not NONE: it takes no new files */
    int64_t set_us; /* when it changed last; 0: never */
};

struct trk_node {
    char id[DFS_ID_MAX]; /* kept; number, address, or short code of an IPv6 address */
    struct trk_group *group;
    char ip[2][DFS_IP_MAX]; /* kept; inner first; ip[1] "" when it has one */
    uint16_t port;          /* kept */
    uint8_t status;         /* kept as far as trk_status_reloaded says; enum dfs_server_status */
    uint8_t rw_mode;        /* DFS_RW_*, from storage_ids.conf */
    unsigned slot;          /* its column in everybody's synced_s; < DFS_SERVERS_MAX */
    char version[DFS_VERSION_MAX + 1];
    int64_t join_time, up_time, upload_priority; /* kept; Unix seconds; as it said when it joined */
    unsigned path_count;                         /* kept */
    char sync_source[DFS_ID_MAX]; /* kept; id of the server its old files come from; "": none */
    int64_t sync_until;           /* kept; Unix seconds by our clock */
    struct trk_drain drain;
    bool refill;            /* kept; was removed: must not become complete without a source */
    uint64_t log_next;      /* kept; number of the next change-log line it has to hear */
    int64_t mod_us;         /* kept; when a kept field changed last; later wins between trackers */
    struct trk_path *paths; /* owned; path_count of them, or NULL before the first report */
    int64_t total_mb, free_mb; /* sums over paths */
    unsigned slow_paths;
    unsigned write_path; /* where the next upload goes, when there is space */
    struct dfs_stat_block stat;
    int64_t beat_s;   /* Unix seconds of the last 83 */
    uint64_t beat_ms; /* monotonic; of the last 83, 84 or join. 0: none since our start */
    /* [slot of S]: newest operation time received from S; 0: none */
    int64_t synced_s[DFS_SERVERS_MAX];
    int64_t last_synced_s; /* what 92 shows: the least of the positions reported */
    uint64_t session;      /* connection that is joined as this server; 0: none */
    uint32_t told_members; /* group's version it was told last; 0: nothing yet */
    uint32_t told_trunk;
    struct trk_node *next_changed;
    bool changed;
};

bool trk_node_readable(const struct trk_node *n); /* ACTIVE and allowed to serve reads */
bool trk_node_writable(const struct trk_node *n); /* ... takes new files */
/* It has told us of its disks, and none is there, or none takes writes: it takes nothing, and does not count as full. */
bool trk_node_diskless(const struct trk_node *n);
/* Takes changes to the files there are: also while it or its group is drained. */
bool trk_node_changeable(const struct trk_node *n);
/* Is it drained, or its group? */
bool trk_node_drained(const struct trk_node *n);
/* May new files be placed on its store path @path, as far as that is not drained? */
bool trk_path_open(const struct trk_node *n, unsigned path);
/* Of all its paths, drained ones left out. */
void trk_node_space(const struct trk_node *n, int64_t *total_mb, int64_t *free_mb);

/* Disk usage of all its paths (84). 0; -EINVAL: @count differs from what it joined with; -ENOMEM.
 */
int trk_node_set_usage(struct trk_node *n, const struct dfs_path_usage *usage, size_t count,
                       bool write_most_free) MUST_CHECK;

/* DFS_PATH_* (wire/internal.h) of each, told with their usage: @states is empty when none is worth telling. */
void trk_node_set_states(struct trk_node *n, struct str states);

/* Which of its addresses a peer with address @peer_ip gets (protocol 3.2). */
const char *trk_node_ip_for(const struct trk_node *n, const char *peer_ip);
bool trk_node_has_ip(const struct trk_node *n, const char *ip);

/* Newest operations received, by source (89). Zero times and unknown sources are skipped. */
void trk_node_set_synced(struct trk_node *n, const struct dfs_sync_timestamp *t, size_t count);

void trk_node_brief(const struct trk_node *n, struct dfs_brief *ret);

/* Assertions about one record; run after every change of status. */
void trk_node_check(const struct trk_node *n);

#endif
