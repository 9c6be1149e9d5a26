/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - one group's storage as this gateway sees it: lanes for blocking calls, a batch for small
 * puts. Private to s3gw/dfs.
 */
#ifndef S3_DFS_STORE_H
#define S3_DFS_STORE_H

#include <pthread.h>

#include "s3gw/core/pool.h"
#include "s3gw/dfs/conn.h"
#include "s3gw/dfs/dfs.h"

enum { S3_LANES_MAX = 8 };

/* A pooled buffer of large uploads. */
struct s3_piece {
    struct s3_piece *next;     /* among the free ones */
    struct s3_piece *after[2]; /* the next piece of the same upload, for each of its two hands */
    unsigned hands;            /* that have not done their work on it yet */
    size_t n;
    char bytes[S3_DFS_PIECE];
};

struct s3_store {
    struct s3_dfs *dfs;
    char *group;
    char *socket;

    pthread_mutex_t lock;
    pthread_cond_t lane_free;
    struct s3_store_conn lanes[S3_LANES_MAX]; /* owner: whoever has taken it */
    bool taken[S3_LANES_MAX];                 /* under lock */
    _Atomic uint64_t down_since_ms;           /* monotonic; 0: it answered last time */

    pthread_t batch_thread;
    bool batch_running; /* the thread exists */
    pthread_cond_t batch_some;
    struct s3_dfs_put *batch_first, **batch_last; /* under lock */
    bool stopping;                                /* under lock */
};

struct s3_read_cache;

struct s3_dfs {
    unsigned magic;
#define S3_DFS_MAGIC 0x53334446u
    uint64_t session;
    struct s3_store stores[S3_DFS_STORES_MAX];
    size_t nstores;
    struct s3_pool *hash;   /* MD5 and writing of large uploads */
    struct s3_pool *commit; /* their syncs */
    struct s3_read_cache *reads;

    pthread_mutex_t pieces_lock;
    struct s3_piece *pieces; /* free ones; under pieces_lock */
    unsigned pieces_made;    /* under pieces_lock; <= pieces_max */
    unsigned pieces_out;     /* under pieces_lock: with uploads */
    unsigned pieces_max;
    struct s3_upload_file *starved; /* under pieces_lock: uploads waiting for a piece */
};

/* The store of a group, or of the group a file id begins with; NULL: none. */
struct s3_store *s3_store_of_group(struct s3_dfs *d, struct str group);
struct s3_store *s3_store_of_file(struct s3_dfs *d, struct str file_id);

int s3_store_init(struct s3_store *s, struct s3_dfs *d, const struct s3_dfs_store *o) MUST_CHECK;
void s3_store_fini(struct s3_store *s);

/*
 * Connect, waiting a little for a storage that is just being restarted. Once it has been away for
 * longer, failures come at once. 0 or -EHOSTUNREACH.
 */
int s3_store_connect(struct s3_store *s, struct s3_store_conn *c) MUST_CHECK;

/*
 * A blocking call on a lane. The answer's body goes to @answer (NULL: thrown away). @repeatable: a
 * connection that broke is replaced and the call made once more. Results as s3_store_conn_call;
 * transport errors come as -EHOSTUNREACH (not executed) or -EIO (unknown).
 */
int s3_store_ask(struct s3_store *s, uint8_t cmd, struct str body, bool repeatable,
                 struct buf *answer, int *fd) MUST_CHECK;

void *s3_store_batch_main(void *store);

int s3_read_cache_new(unsigned open_files, struct s3_read_cache **ret) MUST_CHECK;
void s3_read_cache_free(struct s3_read_cache **rc);
/* The file has been deleted: close what is kept of it. Any thread. */
void s3_read_cache_drop(struct s3_read_cache *rc, struct str file_id);

#endif
