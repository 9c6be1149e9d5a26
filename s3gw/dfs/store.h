/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - the storage servers as this gateway sees them: groups of members; for each member lanes
 * for blocking calls and a batch for small puts. Private to s3gw/dfs.
 *
 * Groups and members are only added while the gateway runs, by one thread (view.c, and dfs.c before
 * it starts), and are found without a lock: a count is raised after what it counts is complete.
 */
#ifndef S3_DFS_STORE_H
#define S3_DFS_STORE_H

#include <pthread.h>

#include "s3gw/core/pool.h"
#include "s3gw/dfs/conn.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/dfs/order.h"
#include "s3gw/dfs/pieces.h"

enum {
    S3_LANES_MAX = 16,
    S3_GROUPS_MAX = 64,
    S3_STORES_MAX = 256, /* servers of all groups */
};

/* One storage server. */
struct s3_store {
    struct s3_dfs *dfs;
    struct s3_group *group;
    uint16_t number; /* in dfs->stores */
    bool local;      /* behind its Unix-domain socket: descriptors are passed */

    /* What the trackers say; without trackers, as it is made. */
    _Atomic bool active, reads, writes;
    _Atomic bool retired; /* removed from the group, or another entry is the same server */
    unsigned doubts;      /* view.c's */
    _Atomic bool known;   /* id is written and will not change */
    char id[17];          /* storage id */

    pthread_mutex_t lock;
    struct dfs_addr addr;                     /* under lock */
    pthread_cond_t lane_free;                 /* monotonic clock */
    struct s3_store_conn lanes[S3_LANES_MAX]; /* owner: whoever has taken it */
    bool taken[S3_LANES_MAX];                 /* under lock */
    _Atomic uint64_t down_since_ms;           /* monotonic; 0: it answered last time */
    _Atomic uint64_t probe_ms;                /* while down: no attempt to connect before */
    _Atomic bool refuses; /* while down: it costs no waiting to find out that it still is */
    _Atomic uint64_t slow_until_ms; /* others are preferred until then */
    _Atomic uint64_t damaged;       /* local: files it knows to be damaged (suspect.c) */
    _Atomic int64_t repair_changes; /* local: as it told last */

    pthread_t batch_thread;
    bool batch_running; /* the thread exists */
    pthread_cond_t batch_some;
    struct s3_dfs_put *batch_first, **batch_last; /* under lock */
    bool stopping;                                /* under lock */
};

struct s3_group {
    char name[17];
    bool of_class; /* a storage class's own: nothing goes from it or to it when a group is full or
                      away */
    /* that are asked for with what is written to it; 0: as many as its storages want */
    uint8_t copies;
    struct s3_store *members[S3_GROUP_MEMBERS_MAX];
    _Atomic size_t n;
    _Atomic uint64_t free_mb;
    _Atomic bool low; /* hardly any space beyond the reserve: new files go to other groups */
    _Atomic unsigned turn;
};

struct s3_read_cache;
struct s3_suspects;
struct s3_view;

struct s3_dfs {
    unsigned magic;
#define S3_DFS_MAGIC 0x53334446u
    uint64_t session;
    struct s3_dfs_options o; /* limits and deadlines; what it points to is the caller's */
    struct s3_store *stores[S3_STORES_MAX];
    _Atomic size_t nstores;
    struct s3_group *groups[S3_GROUPS_MAX];
    _Atomic size_t ngroups;
    _Atomic bool stopping;  /* what fails now is not tried elsewhere */
    struct s3_view *view;   /* NULL: no trackers */
    struct s3_pool *hash;   /* MD5 and writing of large uploads */
    struct s3_pool *commit; /* their syncs */
    struct s3_read_cache *reads;
    struct s3_suspects *suspects;
    struct s3_pieces pieces; /* of large uploads */
};

/* ---- groups and members (cluster.c) ---- */

/* Have all servers of it been removed? Then nobody will ever answer for it. */
bool s3_group_gone(const struct s3_group *g);
/* Is somebody of it in service, though nobody is meant to take new files? */
bool s3_group_drained(const struct s3_group *g);

/* The group of that name, the first known of a list, or the one a file id begins with; NULL: none. */
struct s3_group *s3_group_named(struct s3_dfs *d, struct str group);
struct s3_group *s3_group_first(struct s3_dfs *d, struct str groups);
struct s3_group *s3_group_of_file(struct s3_dfs *d, struct str file_id);
/* The same, made when there is none. NULL: no memory, or too many. One thread. */
struct s3_group *s3_group_make(struct s3_dfs *d, struct str group);
/* A new member, not yet active. One thread. 0, -ENOMEM, -EAGAIN (no thread), -ENOSPC (too many). */
int s3_group_add(struct s3_group *g, struct s3_dfs *d, const struct dfs_addr *addr, const char *id,
                 struct s3_store **ret) MUST_CHECK;

/* What is known of the members now. @source: as in a file id's text, or "". Returns how many. */
size_t s3_group_members(const struct s3_group *g, const char *source,
                        struct s3_member out[S3_GROUP_MEMBERS_MAX]);
/*
 * A member to write to that is not among the tried ones: of the first of @groups that has space, else (when
 * buckets may spread, and none of the groups is a storage class's own) of the group with most. It becomes
 * one of the tried. NULL: nobody is left.
 */
struct s3_store *s3_pick_writer(struct s3_dfs *d, struct str groups, struct s3_tried *tried);
/* The same of that group alone, whether it has space or not. */
struct s3_store *s3_group_writer(struct s3_group *g, struct s3_tried *tried);
/* Would another server do better after this failure? */
bool s3_worth_another(int r);
/* What a write ends with whose last server failed with @r: -EHOSTUNREACH, unless it is about what was to be written, or
 * space. */
int s3_write_failure(int r);
/*
 * Nobody is left to write to, the last one having failed with @r. True: the trackers are asked (once for each write), and
 * @k goes on when they have answered. Does not block.
 */
bool s3_ask_for_writer(struct s3_dfs *d, struct s3_tried *tried, int r, struct s3_dfs_wait *k);

/* ---- one server (store.c) ---- */

int s3_store_new(struct s3_dfs *d, struct s3_group *g, const struct dfs_addr *addr, const char *id,
                 struct s3_store **ret) MUST_CHECK;
/* Its batch thread ends once its queue is answered. */
void s3_store_free(struct s3_store **sp);
/* It is at another address now. */
void s3_store_move(struct s3_store *s, const struct dfs_addr *addr);

/*
 * Connect. A lone member is waited for a little, since it may just be restarting; once it has been
 * away for longer, failures come at once. With others in the group there is no waiting; after a
 * failure further attempts fail at once until the hold-down is over, then one caller tries. (One
 * that refused a connection, or broke one off, may always be tried: who comes here had no better server to ask, its
 * answer is immediate, and a program that was killed may be back.) 0 or -EHOSTUNREACH.
 */
int s3_store_connect(struct s3_store *s, struct s3_store_conn *c) MUST_CHECK;
/* A call failed on the way (@r): stay away from it for the hold-down. */
void s3_store_suspect(struct s3_store *s, int r);
/* Look whether it is back, if it is down and the hold-down is over, or @now. Blocks for a
 * connection. */
void s3_store_probe(struct s3_store *s, bool now);
/* Did it make the file with that source (as in a file id's text)? */
bool s3_store_made(struct s3_store *s, const char *source);

/*
 * A connected lane; give it back. Waits at most a call's time for one that is free. 0 or
 * -EHOSTUNREACH. A lane whose connection is closed when it comes back is connected anew by the next
 * who takes it.
 */
int s3_store_lane(struct s3_store *s, struct s3_store_conn **ret) MUST_CHECK;
void s3_store_lane_give(struct s3_store *s, struct s3_store_conn *c);

/*
 * A blocking call on a lane. The answer's body goes to @answer (NULL: thrown away). @repeatable: a
 * connection that broke is replaced and the call made once more. Results as s3_store_conn_call;
 * transport errors come as -EHOSTUNREACH (not executed) or -EIO (unknown).
 */
int s3_store_ask(struct s3_store *s, uint8_t cmd, struct str body, bool repeatable,
                 struct buf *answer, int *fd) MUST_CHECK;

void *s3_store_batch_main(void *store);

/* ---- reading (read.c, remote.c) ---- */

int s3_read_cache_new(unsigned open_files, struct s3_read_cache **ret) MUST_CHECK;
void s3_read_cache_free(struct s3_read_cache **rc);
/* The file has been deleted: close what is kept of it. Any thread. */
void s3_read_cache_drop(struct s3_read_cache *rc, struct str file_id);

/* The same with all plain files: some of them may be others now. Any thread. */
void s3_read_cache_drop_plain(struct s3_read_cache *rc);

/*
 * @n bytes of a file from the members of its group in turn, over the network, the second one beside
 * the first when that is slow. @moved: the storage of this machine has no descriptor to give, as the file has moved, so it
 * is asked for the bytes like the others. When @check (NULL: nobody) does not like an answer the next one is asked.
 * Blocks. 0; -ENOENT: every member says so; else why not.
 */
int s3_read_remote(struct s3_dfs *d, struct str file_id, bool moved, uint64_t at, void *out,
                   size_t n, s3_dfs_check *check, void *arg) MUST_CHECK;
/* How large a file is whose name does not say it, as the first member says that can: 0, and errors as above. */
int s3_native_size(struct s3_dfs *d, struct str file_id, uint64_t *ret) MUST_CHECK;

/* ---- copies that are wrong (suspect.c) ---- */

int s3_suspects_new(struct s3_dfs *d, struct s3_suspects **ret) MUST_CHECK;
void s3_suspects_free(struct s3_suspects **tp);
/* Does this answer to a read say that the copy is damaged? (remote.c) */
bool s3_is_damage(int r);
/* The copy at @s is damaged; or @missing, though another server has it. Does not block. */
void s3_suspect(struct s3_store *s, struct str file_id, bool missing);

/* ---- the view of the cluster (view.c) ---- */

/* Asks the trackers about once a second, and looks after members that are down. */
int s3_view_new(struct s3_dfs *d, struct s3_view **ret) MUST_CHECK;
/* Ask them now; @k goes on when they have answered, or do not in time (waiting.h). False: it does not wait, too many
 * do, or it stops. Any thread. */
bool s3_view_ask(struct s3_view *v, struct s3_dfs_wait *k);
/* No more looking, and nobody waits any longer. Anybody may still ask, in vain. */
void s3_view_stop(struct s3_view *v);
void s3_view_free(struct s3_view **vp); /* after stop() */

#endif
