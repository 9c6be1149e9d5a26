/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - one tracker: its knowledge, its settings, its sessions, and the way a request goes.
 *
 * Everything below struct trk_server.lock is guarded by that one lock. Handlers run under it; they
 * only work in memory. What they changed is queued for the disk before the lock is given back, and
 * the answer waits until it is there (trk_store_wait).
 *
 * Nothing in this folder knows a socket but commands.c: tests and fuzz targets call trk_dispatch.
 *
 * Threads: any number of network threads, the main loop's timer, the peers' threads.
 */
#ifndef TRK_SERVER_H
#define TRK_SERVER_H

#include <pthread.h>

#include "dfscore/net/addr.h"
#include "tracker/cluster/ids.h"
#include "tracker/cluster/select.h"
#include "tracker/leader/election.h"
#include "tracker/leader/lease.h"
#include "tracker/state/store.h"

enum {
    TRK_OWN_MAX = 64,        /* own addresses that are remembered */
    TRK_STATUS_STEP_S = 300, /* coarseness of times in the answer of 64 */
    TRK_LOG_CHUNK = 8192,    /* bytes of change log in one answer */
    TRK_SYS_CHUNK = 8173,    /* bytes of a system file in one answer */
    TRK_SYS_FILES = 4,
};

/* One open connection. Created and destroyed by trk_session_open and _close. */
struct trk_session {
    uint64_t id; /* > 0, unique while the process runs */
    char peer_ip[DFS_IP_MAX];
    char local_ip[DFS_IP_MAX];
    bool named;  /* both addresses are numeric */
    bool server; /* may use the commands of servers and administrators */
    bool left;   /* it has said QUIT */
    /* the rest under the server's lock */
    char group[DFS_ID_MAX + 1]; /* joined as ... (81); "": not */
    char node[DFS_ID_MAX];
    uint32_t told_leader; /* leader version it has been told */
    uint64_t log_sent;    /* change-log line the last 77 ended before */
    bool log_open;        /* that answer may not have arrived yet */
    int tracker;          /* bound by 58 to this index of the trackers; -1: not */
    uint32_t told_trunks; /* trunk version it has been pinged with */
};

struct trk_own_addr {
    char ip[DFS_IP_MAX];
};

/* What we know of another tracker, for statistics (96). */
struct trk_peer_stat {
    char version[DFS_VERSION_MAX + 1];
    int64_t up_time_s, beat_s;
    int32_t conns_allocated, conns_current, conns_max;
};

struct trk_server_opts {
    struct trk_select_opts select;
    enum dfs_ipw ipw;
    bool old_fetch_all; /* 105 with a port for the first server only */
    bool use_storage_id, trust_id, ids_in_names;
    uint64_t check_active_ms;
    uint64_t election_ms;
    uint64_t deleted_keep_ms;  /* records of removed servers are kept this long */
    struct str params;         /* answer of 75; outlives the server */
    const struct trk_ids *ids; /* outlives the server; empty without use_storage_id */
};

struct trk_commands;

struct trk_server {
    unsigned magic;
#define TRK_SERVER_MAGIC 0x7aac3e21u
    pthread_mutex_t lock;
    struct trk_server_opts o;
    struct trk_cluster cluster;
    struct trk_self self;
    struct trk_store *store;    /* NULL in tests: then nothing is written */
    uint16_t port;              /* we listen here */
    int64_t up_s;               /* Unix seconds of our start */
    int64_t restart_interval_s; /* how long we were away before it */
    uint64_t started_ms;        /* monotonic */
    struct trk_own_addr own[TRK_OWN_MAX];
    unsigned own_count;
    uint64_t next_session;

    struct trk_election *election;
    struct trk_lease lease;                        /* of the key index; whose it is: self.lease */
    bool lease_noted;                              /* ... goes to the store with this request, */
    uint64_t lease_seq;                            /* or went as this number */
    char trackers[DFS_TRACKERS_MAX][DFS_HOST_MAX]; /* the voters, as "host:port" */
    unsigned tracker_count;
    bool trackers_fixed; /* from the configuration: joins do not add to them */
    int me;              /* our index among them; -1: not there (yet) */
    struct trk_peer_stat peer_stat[DFS_TRACKERS_MAX];
    bool catching_up;          /* we know nothing and a peer may: no join is decided yet */
    uint64_t waiting_said_ms;  /* when the log last said that we wait for peers */
    bool asked_peers;          /* the list of the first join has been taken to ask around */
    uint32_t fresh_peers;      /* peers that know nothing either, a bit each */
    uint32_t leader_version;   /* counts changes of leader; starts at 1 */
    char leader[DFS_HOST_MAX]; /* "": none */
    uint32_t trunks_version;   /* counts changes of any group's trunk server */

    struct buf notes;    /* records to be written with the next unlock, beside changes */
    uint64_t sys_holder; /* session that reads the system files; 0: none */
    struct buf sys_file[TRK_SYS_FILES];

    const struct trk_commands *commands;                      /* the table in use; NULL in tests */
    void (*conns)(void *arg, int32_t *current, int32_t *max); /* of our listener */
    void *conns_arg;
    int32_t conns_limit;
    void (*trackers_changed)(void *arg); /* under the lock; must only wake somebody */
    void *trackers_arg;
};

/* 0 or -ENOMEM. The store and what it loaded come afterwards. */
int trk_server_new(const struct trk_server_opts *o, struct trk_server **ret) MUST_CHECK;
void trk_server_free(struct trk_server **sp);

void trk_lock(struct trk_server *srv);
/* Queues what has changed for the disk, then unlocks. Returns what to wait for; 0: nothing;
 * TRK_CANNOT_SAVE: there was no memory to write it down. */
#define TRK_CANNOT_SAVE UINT64_MAX
uint64_t trk_unlock(struct trk_server *srv);

void trk_session_open(struct trk_server *srv, struct trk_session *s);
void trk_session_close(struct trk_server *srv, struct trk_session *s);

/* The store has been loaded and the trackers are known: from here on requests may come. */
void trk_server_begin(struct trk_server *srv);
/* Look for servers that have fallen silent; once a second or so. */
void trk_server_tick(struct trk_server *srv);
/* Give the store all we know as a snapshot. 0; -EBUSY: it writes one already; other negative errno. */
int trk_server_snapshot(struct trk_server *srv) MUST_CHECK;

/* --- a request ------------------------------------------------------------------------------ */

struct trk_call {
    struct trk_server *srv;
    struct trk_session *s;
    const struct trk_row *row;
    uint8_t status; /* of the request: flags of some commands */
    struct str body;
    struct buf *out;       /* the answer's body */
    struct trk_node *node; /* of a joined session, for rows with TRK_JOINED */
};

enum {
    TRK_OPEN = 0,
    TRK_SERVERS = 1, /* refused (EACCES) unless the session's address is a server's */
    TRK_JOINED = 2,  /* refused (EACCES) before a join */
    TRK_KEPT =
        4, /* its answer says that something is kept: it waits for what others have changed, too */
    TRK_SURE =
        8, /* and is the error while anything could not be written: nobody says it again by himself */
};

/* A command of the tracker; the table is in commands.c. */
struct trk_row {
    uint8_t cmd;
    const char *name;
    uint32_t min_len, max_len;         /* of the body; anything else is EINVAL */
    unsigned who;                      /* TRK_SERVERS | TRK_JOINED | TRK_KEPT | TRK_SURE */
    int (*handle)(struct trk_call *c); /* under the lock; 0 or negative errno */
};

enum { TRK_FRAME_MAX = 256 * 1024 };

const struct trk_row *trk_rows(size_t *n);
/*
 * Serve one request. 0 or negative errno; @out is the answer's body (empty on error). *wait:
 * sequence number the answer must wait for; 0: none.
 */
int trk_dispatch(struct trk_server *srv, struct trk_session *s, uint8_t cmd, uint8_t status,
                 struct str body, struct buf *out, uint64_t *wait);

/* --- the handlers, by family ---------------------------------------------------------------- */

/* for_client.c */
int trk_query_store(struct trk_call *c);           /* 101 */
int trk_query_store_group(struct trk_call *c);     /* 104 */
int trk_query_store_all(struct trk_call *c);       /* 106 */
int trk_query_store_group_all(struct trk_call *c); /* 107 */
int trk_query_fetch(struct trk_call *c);           /* 102 */
int trk_query_fetch_all(struct trk_call *c);       /* 105 */
int trk_query_update(struct trk_call *c);          /* 103 */
int trk_parameters(struct trk_call *c);            /* 75 */
int trk_storage_ids(struct trk_call *c);           /* 69 */

/* for_admin.c */
int trk_list_group(struct trk_call *c);       /* 90 */
int trk_list_groups(struct trk_call *c);      /* 91 */
int trk_list_storages(struct trk_call *c);    /* 92 */
int trk_delete_storage(struct trk_call *c);   /* 93 */
int trk_set_trunk_server(struct trk_call *c); /* 94 */
int trk_delete_group(struct trk_call *c);     /* 108 */
int trk_drain(struct trk_call *c);            /* ours, 202 */
int trk_drains(struct trk_call *c);           /* ours, 203 */
int trk_stat_trackers(struct trk_call *c);    /* 96 */
int trk_stat_storages(struct trk_call *c);    /* 97 */
int trk_stat_volumes(struct trk_call *c);     /* 98 */

/* for_gateway.c */
int trk_lease(struct trk_call *c); /* ours, 204 */

/* join.c */
int trk_join(struct trk_call *c);       /* 81 */
int trk_ip_changed(struct trk_call *c); /* 78 */

/* for_storage.c */
int trk_beat(struct trk_call *c);               /* 83 */
int trk_disk_usage(struct trk_call *c);         /* 84 */
int trk_sync_timestamps(struct trk_call *c);    /* 89 */
int trk_peer_list(struct trk_call *c);          /* 85 */
int trk_need_sync_source(struct trk_call *c);   /* 87 */
int trk_notify_sync_source(struct trk_call *c); /* 88 */
int trk_my_sync_source(struct trk_call *c);     /* 79 */
int trk_peer_sync_source(struct trk_call *c);   /* 86 */
int trk_report_status(struct trk_call *c);      /* 76 */
int trk_change_status(struct trk_call *c);      /* 59 */
int trk_change_log(struct trk_call *c);         /* 77 */
int trk_trunk_id_fetch(struct trk_call *c);     /* 72 */
int trk_trunk_id_report(struct trk_call *c);    /* 73 */
int trk_trunk_free_report(struct trk_call *c);  /* 74 */

/* identity.c */
int trk_my_address(struct trk_call *c);      /* 60 */
int trk_server_id(struct trk_call *c);       /* 70 */
int trk_server_status(struct trk_call *c);   /* 71 */
int trk_group_of_server(struct trk_call *c); /* 109 */

/* for_tracker.c */
int trk_tracker_status(struct trk_call *c);  /* 64 */
int trk_get_leader(struct trk_call *c);      /* 95 */
int trk_notify_leader(struct trk_call *c);   /* 66 */
int trk_commit_leader(struct trk_call *c);   /* 67 */
int trk_reselect_leader(struct trk_call *c); /* 68 */
int trk_join_leader(struct trk_call *c);     /* 58 */
int trk_ping_leader(struct trk_call *c);     /* 65 */
int trk_sys_start(struct trk_call *c);       /* 61 */
int trk_sys_end(struct trk_call *c);         /* 62 */
int trk_sys_read(struct trk_call *c);        /* 63 */
int trk_peer_message(struct trk_call *c);    /* 200: an election message */
int trk_peer_state(struct trk_call *c);      /* 201: all we know, for another tracker */

/* --- shared by the families ----------------------------------------------------------------- */

/* Parse "group 16" at the front of the body; -EINVAL, or -ENOENT when no such group. */
int trk_take_group(struct trk_call *c, struct trk_group **ret, struct str *tail) MUST_CHECK;
/* A storage id of 1..15 bytes. */
int trk_take_id(struct str text, char out[DFS_ID_MAX]) MUST_CHECK;
/* Change notice: what this session's storage has not been told yet (protocol 6.4). */
void trk_notice(struct trk_call *c);
/*
 * Have all servers of @g been heard of since our start that may be in service, or had the time to come back? Before that we
 * cannot say that one is not.
 */
bool trk_knows_who_serves(const struct trk_server *srv, const struct trk_group *g);
bool trk_is_leader(const struct trk_server *srv);
/* "host:port", "[ip6]:port". */
void trk_host_text(const char *ip, uint16_t port, char out[DFS_HOST_MAX]);
bool trk_is_own(const struct trk_server *srv, const struct dfs_addr *a);
void trk_add_own(struct trk_server *srv, const char *ip);

/* trackers.c: the list of trackers and who leads */
/* The list of the configuration; before any session. -EINVAL: we are not in it. */
int trk_trackers_fix(struct trk_server *srv, const struct dfs_addr *list, size_t n) MUST_CHECK;
/* Use what earlier runs learned. */
void trk_trackers_restore(struct trk_server *srv);
/* What a storage says of its trackers. -ENOENT: we are not among them; -ENOSPC. Changes nothing. */
int trk_trackers_check(const struct trk_server *srv, const struct trk_session *s, const char *asked,
                       const struct dfs_addr *list, size_t n) MUST_CHECK;
/* Take it over, after the check. */
void trk_trackers_learn(struct trk_server *srv, const struct trk_session *s, const char *asked,
                        const struct dfs_addr *list, size_t n);
/* Let the election see the time; true: send *out to all other trackers, once what trk_unlock says
 * is on disk. */
bool trk_election_poll(struct trk_server *srv, struct trk_emsg *out);
/* After anything that may have changed who leads. */
void trk_leader_update(struct trk_server *srv);
/* What trackers tell each other of themselves. get: 0 or -EINVAL. */
void trk_put_stat(const struct trk_server *srv, struct buf *b);
int trk_get_stat(struct rd *r, struct trk_peer_stat *ret) MUST_CHECK;
/* Leader only: give every group that needs one a trunk server. */
void trk_elect_trunk_servers(struct trk_server *srv);

#endif
