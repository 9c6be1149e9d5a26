/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - the tracker's memory on disk: a snapshot of everything, and journals of what came after.
 *
 *   DIR/snapshot        generation g; replaced atomically
 *   DIR/journal.<g>     records since the snapshot of generation g
 *   DIR/lock            held while a tracker runs on DIR
 *
 * A record handed to trk_store_add is durable when the waiter of its sequence number has been
 * called with 0. One thread inside writes and syncs; what arrives meanwhile shares the next sync.
 * When a write fails, the store is broken until a snapshot succeeds: waiters get the error, and
 * what they waited for may or may not be on disk.
 *
 * Kill it at any point: what open finds is a snapshot with all journals from its generation on, in
 * order; a torn record can only be the end of a journal, and was never acknowledged.
 *
 * Threads: any; waiters are called on the store's thread.
 */
#ifndef TRK_STORE_H
#define TRK_STORE_H

#include "tracker/state/files.h"

struct trk_store;

struct trk_waiter {
    struct trk_waiter *next; /* the store's while queued */
    uint64_t seq;
    void (*fn)(struct trk_waiter *w, int r);
};

/*
 * Lock @dir (made if missing), load it into @c and @self, begin a new generation; all changes of files go through @io.
 * 0; -EBUSY: another process has it; -EBADMSG: a snapshot is damaged; other negative errno. @err
 * gets one line for a human. A disk that takes no writes is not an error here: the store starts
 * broken.
 */
int trk_store_open(const char *dir, const struct trk_io *io, struct trk_cluster *c,
                   struct trk_self *self, struct trk_store **ret, struct buf *err) MUST_CHECK;
/* Start the thread. 0 or negative errno. */
int trk_store_start(struct trk_store *s) MUST_CHECK;
/* Its work, for who has no thread: write what is queued, call the waiters. False: nothing was. */
bool trk_store_step(struct trk_store *s);
/* Writes what is queued, then stops. Waiters still queued are called. Without a thread: what is queued is lost. */
void trk_store_close(struct trk_store **sp);

/* Queue records; returns the sequence number to wait for. Never blocks. */
uint64_t trk_store_add(struct trk_store *s, struct str records);
/* Of the last record queued, while it is being written; 0: nothing is. @or_lost: also while any could not be written, which
 * the waiter is told. */
uint64_t trk_store_unsettled(struct trk_store *s, bool or_lost);
/* Could the records of @seq not be written, nor has a snapshot brought them since? */
bool trk_store_lost(struct trk_store *s, uint64_t seq);
/* w->fn is called once w->seq is durable or has failed, perhaps before this returns. */
void trk_store_wait(struct trk_store *s, struct trk_waiter *w);

/*
 * Queue a snapshot: records of everything as it is now, all added before included. Takes the bytes
 * of @image. -EBUSY: one is being written already.
 */
int trk_store_snapshot(struct trk_store *s, struct buf *image, uint64_t records) MUST_CHECK;
/* Worth a snapshot now: the journal has grown, or the store is broken. */
bool trk_store_wants_snapshot(struct trk_store *s);
/* 0, or the error that broke it. */
int trk_store_error(struct trk_store *s);

#endif
