/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index - what a store of metadata must promise; the one interface to it.
 *
 * An ordered map from byte strings to byte strings, in true byte order. Keys are not empty; those
 * that begin with a NUL byte are the engine's own and are not seen by iterators. Changes happen
 * only inside an update: a function that reads and writes through a transaction. All updates of an
 * index are serial: each sees everything committed before it, no other change happens while it
 * runs, and its writes become visible together, after they are durable (synced, unless the index
 * was opened relaxed). Updates of one moment share one sync.
 *
 * An update function must be quick and must not block: others wait behind it. It may be run more
 * than once (an engine that detects conflicts runs it again), so it may change nothing but the
 * transaction and its own argument, and must overwrite, not add to, what an earlier run left there.
 *
 * Readers outside updates see the last committed state; two reads may see two states. An iterator
 * sees one state from its creation to its end.
 *
 * Threads: any, except where said. Nothing above this interface may assume a single gateway
 * process.
 */
#ifndef S3_INDEX_H
#define S3_INDEX_H

#include "dfscore/base/buf.h"

struct s3_index;
struct s3_tx;
struct s3_iter;

enum { S3_INDEX_VALUE_MAX = 8 * 1024 * 1024 };

enum s3_read {
    S3_READ_CACHED, /* never touch the disk: -EAGAIN when the answer is not in memory */
    S3_READ_ANY,    /* may block on the disk */
};

/* 0 and *value appended to; -ENOENT; -EAGAIN (CACHED only); -EIO, -ENOMEM. */
int s3_index_get(struct s3_index *x, struct str key, enum s3_read how,
                 struct buf *value) MUST_CHECK;

/*
 * Iterate over keys >= @from and < @until (until.n == 0: no end). Position is on the first key, if
 * any. May block. Free soon: an iterator pins old state. key and value are views until
 * next/seek/free.
 */
int s3_iter_new(struct s3_index *x, struct str from, struct str until,
                struct s3_iter **ret) MUST_CHECK;
bool s3_iter_valid(struct s3_iter *it);
void s3_iter_next(struct s3_iter *it);
void s3_iter_seek(struct s3_iter *it, struct str key); /* forward or back; within the bounds */
struct str s3_iter_key(struct s3_iter *it);
struct str s3_iter_value(struct s3_iter *it);
int s3_iter_err(struct s3_iter *it); /* check when valid() turned false */
void s3_iter_free(struct s3_iter **it);

/*
 * An update. @fn returns 0 to commit, or a negative errno to change nothing; that, or the errno of
 * a failed commit, is the result. Owner: the caller, until done() is called.
 */
struct s3_update {
    int (*fn)(struct s3_tx *tx, void *arg);
    void (*done)(void *arg,
                 int result); /* on the thread that commits: quick, must not block or update */
    void *arg;
    int result;
    struct s3_update *next; /* owner: the index while queued */
};
void s3_index_submit(struct s3_index *x, struct s3_update *u);
/* The same from a thread that may block on the disk: where the index's thread is idle it commits here and now, which
 * saves a lone writer the hand-over there. Not from done() or fn(). */
void s3_index_submit_alone(struct s3_index *x, struct s3_update *u);
/* The same, waiting for the result. Not from done() or fn(). */
int s3_index_update(struct s3_index *x, int (*fn)(struct s3_tx *tx, void *arg),
                    void *arg) MUST_CHECK;

/* Inside an update. get: 0 / -ENOENT / -EIO / -ENOMEM. Errors of put and del stick and fail the
 * update. */
int s3_tx_get(struct s3_tx *tx, struct str key, struct buf *value) MUST_CHECK;
void s3_tx_put(struct s3_tx *tx, struct str key, struct str value);
void s3_tx_del(struct s3_tx *tx, struct str key);
/* Like s3_iter_new, seeing this transaction's own writes so far too; what is written while it lives
 * may be seen or not, and the row it stands on must not be changed. Free before the function
 * returns. */
int s3_tx_iter(struct s3_tx *tx, struct str from, struct str until,
               struct s3_iter **ret) MUST_CHECK;
/* As s3_index_number(). */
uint64_t s3_tx_seq(struct s3_tx *tx);
/* Numbers given from now on are greater than @number (rebuilding). */
void s3_tx_raise(struct s3_tx *tx, uint64_t number);

/* Wall clock, Unix milliseconds, that never goes back: not below what a committed transaction was
 * told. */
int64_t s3_tx_now(struct s3_tx *tx);

/* This update sets space free in the end: let it use the reserve. */
void s3_tx_frees(struct s3_tx *tx);

/*
 * A number greater than every one given before; never 0, never reused. It is the wall clock in
 * microseconds or one more than the last one, so that an index from a backup does not give out what
 * was given out after it. What is described on a storage before it is committed takes its number here.
 */
uint64_t s3_index_number(struct s3_index *x);
/* All numbers that a durable commit has are at most this, and this was the last number given at some
 * durable commit: an index that answers less has lost one. */
uint64_t s3_index_committed(struct s3_index *x);

struct s3_index_options {
    struct str path;        /* folder of the embedded engine; created when missing */
    bool relaxed;           /* do not sync: an acknowledged update may be lost with the power */
    uint64_t cache_bytes;   /* block cache */
    uint64_t reserve_bytes; /* below this much free space an update whose fn did not call
                               s3_tx_frees() fails with -ENOSPC, so deletions still pass */
};
/* 0, -EBUSY when another process has it open, -EBADMSG when damaged or of a newer format, -errno.
 */
int s3_index_open_mem(struct s3_index **ret) MUST_CHECK;
int s3_index_open_rocksdb(const struct s3_index_options *o, struct s3_index **ret) MUST_CHECK;
/* Waits for queued updates. */
void s3_index_close(struct s3_index **x);

/* 0, or why updates fail at the moment (-ENOSPC, -EIO). Heals by itself. */
int s3_index_health(struct s3_index *x);

#endif
