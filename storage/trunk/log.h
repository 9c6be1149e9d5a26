/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - the log of one store path: packs in order, appended to by group commit.
 *
 * Writers put records in a queue. Whoever finds no one at it becomes the leader, takes what is queued
 * (bounded), writes it with one pwritev, syncs once, and completes all; meanwhile the next ones gather.
 * So a lone writer has no thread hand-off and 64 writers share a sync. Requests without a waiting thread
 * are led by the log's commit thread.
 *
 * States of a record: queued -> written -> synced (its result is told) -> applied. "Applied" matters for
 * records with work to do after the sync (name a file, unlink one): they are held, readers of the log
 * and checkpoints stop before the first held record, and its owner calls sto_log_release().
 *
 * A failed write or sync gives the pack up at its last synced byte: what the page cache says about it
 * can not be believed any more. The next commit begins a new pack, whose header says where the valid
 * part of the old one ends.
 *
 * Threads: any. Lock rank: sto_log.lock is taken last and never held across I/O.
 */
#ifndef STO_LOG_H
#define STO_LOG_H

#include <pthread.h>

#include "storage/binlog/record.h"
#include "storage/disk/dir.h"
#include "storage/trunk/growth.h"
#include "storage/trunk/pack.h"
#include "storage/trunk/renamed.h"

enum { STO_DELETED_SLOTS = 4096 };

/* Of the names that share a slot by their hash the last deletion: see sto_log_note_deleted(). */
struct sto_deleted {
    uint64_t position; /* of its record in our log; 0: of none */
    int64_t at_ms;     /* what was made before it is deleted, Unix milliseconds */
};

struct sto_hold {
    uint64_t position, seq;
    struct sto_hold *next, *prev;
    bool on;
};

/* One record to append. Owner: the caller, until the request is done (held ones: until released). */
struct sto_log_rec {
    uint8_t kind, flags, op; /* as in struct sto_rec */
    bool held;
    bool urgent;     /* may use what is kept for what makes room when the disk is full */
    char ext[7];     /* OBJECT: extension of the name to be made */
    struct str name; /* views; OBJECT: absent, made on append */
    struct str extra, desc, data;
    uint32_t time_s;   /* 0: now */
    uint32_t sum;      /* FILE, STO_REC_SUMMED: CRC-32 of the file */
    int result;        /* out: 0 or negative errno */
    uint64_t position; /* out */
    char made[64];     /* out, OBJECT: the logical name, NUL terminated */
    struct sto_hold hold;
};

struct sto_log_req {
    struct sto_log_rec *recs;
    size_t count;
    void (*done)(struct sto_log_req *q); /* NULL: somebody waits in sto_log_append() */
    void *arg;
    /* private to log.c */
    struct sto_log_req *next;
    size_t bytes;
    bool finished;
    pthread_cond_t wake;
};

/* A pack of the log as memory knows it. Guarded by sto_log.lock. */
struct sto_seg {
    uint32_t number;
    uint32_t end;  /* valid bytes */
    uint32_t dead; /* bytes of dead records not yet punched; a hint */
    bool dirty;    /* changed in place since the last checkpoint */
    bool trim;     /* may have preallocated bytes behind end */
};

/* The pack being appended to. Owner: the leader of the moment. */
struct sto_cur {
    int fd; /* -1: none, the next append begins a pack */
    uint32_t number, size, salt;
    uint32_t end; /* synced bytes */
};

struct sto_log_options {
    unsigned path_index;
    unsigned subdirs;
    uint8_t source[4]; /* source field of names */
    uint32_t segment_size;
    uint64_t reserve; /* bytes */
    bool relaxed;
    uint64_t slow_ms;          /* struct sto_store_options */
    struct sto_growth *growth; /* told when readers may see more; NULL: nobody. Outlives the log */
};

struct sto_log {
    struct sto_log_options o;
    struct sto_dir *dir; /* outlives the log */
    /* Fixed once there is a pack; until then see sto_log_identity(). */
    uint8_t id[STO_LOG_ID];
    uint8_t high, low; /* directory of the packs */

    pthread_mutex_t lock;             /* guards all below, save cur (see there) */
    struct sto_log_req *head, **tail; /* the queue */
    size_t queued_bytes;
    bool leading, stopping;
    struct sto_cur cur;
    uint64_t next_seq;     /* owner: leader */
    uint64_t synced_seq;   /* next_seq as of the last sync */
    uint64_t end;          /* position behind the last synced record */
    struct sto_hold holds; /* ring, ordered by position */
    struct sto_seg *segs;  /* sorted by number; the current pack is the last */
    size_t seg_count, seg_cap;
    struct sto_tmp spare; /* prepared next pack; fd -1: none */
    uint32_t spare_size;
    uint64_t checkpoint;             /* replay starts here */
    struct sto_deleted *deleted;     /* STO_DELETED_SLOTS (deleted.c) */
    int64_t deleted_ms;              /* largest at_ms of all, and of those noted before the start */
    int64_t deleted_before_ms;       /* of the latter; constant after open */
    int64_t deleted_saved_ms;        /* what is on the disk; owner: upkeep */
    struct sto_renamed renamed;      /* by apply.c; has its own lock */
    uint64_t retain;                 /* sto_retain() */
    uint64_t *dirty_dirs;            /* bit per data/HH/HH with unsynced unlinks */
    uint64_t marks_lost;             /* counts sto_log_lose_marks() */
    uint64_t marks_redone;           /* its value when the marks were last redone; owner: upkeep */
    _Atomic bool suspected;          /* something speaks against the disk: to be tried (health.c) */
    _Atomic bool unfit;              /* the last trial failed */
    _Atomic bool slow;               /* sto_store_slow() */
    unsigned slow_contradicted;      /* by so many trials in a row; owner: who tries */
    _Atomic uint64_t trial_ms;       /* monotonic: the last one that did not; 0: none */
    _Atomic uint64_t trial_began_ms; /* the same of the one under way */
    _Atomic bool unfit_said;         /* in the log */
    bool tight;                      /* space is short: deletes wake the sweep */
    bool seal;                       /* the next commit shall begin a new pack */
    /* one checkpoint or sweep at a time; taken before lock, held over I/O */
    pthread_mutex_t upkeep;

    pthread_cond_t async_wake, maint_wake;
    bool async_running, maint_running, maint_asked;
    pthread_t async_thread, maint_thread;

    /* Owner: leader. */
    uint8_t *stage;
    struct iovec *iov;
};

/* ---- life (recover.c) ---- */
/* Recover and make ready. @d outlives the log. */
int sto_log_open(struct sto_log *log, struct sto_dir *d,
                 const struct sto_log_options *o) MUST_CHECK;
/* Which log this is, and where, for those who do not know that it has packs. The result is sto_log_stable() of that
 * moment. */
struct sto_logid;
uint64_t sto_log_identity(struct sto_log *log, struct sto_logid *ret);
/*
 * Another log of the group has our directory: as long as nothing is in ours, it becomes another one, in another directory.
 * 0; -EBUSY: something is, or is being written; or errno.
 */
int sto_log_move_away(struct sto_log *log) MUST_CHECK;
/*
 * Do what a held DELETE or CHANGE record says to the files (apply.c). Both the writer after the sync and
 * the recovery call it; doing it twice is the same as once. What is found done already is noted for the
 * next checkpoint like what is done now: whether a process before us got to sync it nobody knows.
 * 0; -ENOENT: there is no such file; other negative errno.
 */
struct sto_body;
int sto_log_apply(struct sto_log *log, uint8_t kind, uint8_t op,
                  const struct sto_body *body) MUST_CHECK;

/* When metadata were set, as their file says, Unix milliseconds. -ENOENT: there is none. */
struct dfs_logical;
int sto_log_meta_ms(const struct sto_log *log, const struct dfs_logical *at,
                    int64_t *ret) MUST_CHECK;
/* They go, if they are earlier than @before_ms (0: whatever they are): 0; -ENOENT: they do not. Not synced. */
int sto_log_drop_meta(struct sto_log *log, const struct dfs_logical *at,
                      int64_t before_ms) MUST_CHECK;

/* ---- reading (scan.c) ---- */
struct sto_entry;
struct sto_scan;
int sto_log_scan(struct sto_log *log, uint64_t position, unsigned flags, size_t max_records,
                 int (*fn)(const struct sto_entry *e, void *arg), void *arg,
                 struct sto_scan *ret) MUST_CHECK;
void sto_log_close(struct sto_log *log); /* stops threads, writes a checkpoint when it can */

/* ---- appending (log.c) ---- */
/* Blocks until every record has its result. */
void sto_log_append(struct sto_log *log, struct sto_log_rec *recs, size_t count);
/* q->done() later on some committing thread; -EAGAIN: queue full, -ENOMEM: no thread. */
int sto_log_submit(struct sto_log *log, struct sto_log_req *q) MUST_CHECK;
void sto_log_release(struct sto_log *log, struct sto_log_rec *rec);
void sto_log_end_lead(struct sto_log *log);   /* lock held: the next may commit */
uint64_t sto_log_stable(struct sto_log *log); /* readers may go up to here */
uint64_t sto_log_end(struct sto_log *log);    /* behind the last synced record */

/* ---- packs by number (log_segs.c); all take the lock themselves ---- */
bool sto_log_seg_at(struct sto_log *log, uint32_t number,
                    struct sto_seg *ret); /* that or the next */
/* Note that @dead bytes of pack @number died and that the file was changed in place. */
void sto_log_note_dead(struct sto_log *log, uint32_t number, uint32_t dead);
void sto_log_note_unlink(struct sto_log *log, unsigned high, unsigned low);
int sto_log_open_pack(struct sto_log *log, uint32_t number, bool write); /* fd or negative errno */
int sto_log_add_seg(struct sto_log *log, const struct sto_seg *seg) MUST_CHECK; /* lock held */
struct sto_seg *sto_log_find_seg(struct sto_log *log, uint32_t number);         /* lock held */
void sto_log_drop_seg(struct sto_log *log, uint32_t number);                    /* lock held */

/* ---- names that can come again (deleted.c) ---- */
/*
 * Some names can be made anew after their deletion: of slaves and links by a master's name. (So can metadata, "-m", in
 * what earlier builds have logged.)
 *
 * A replay of the DELETE record would then take what got the name afterwards. So whoever logs a DELETE
 * of such a name notes its position, before the name gets free, and whoever makes one first lets a
 * checkpoint pass it: 0, also when nothing was to be done; -EAGAIN; what sto_log_checkpoint() says.
 *
 * So would the same deletion when it comes from a member that says it again, or late. Therefore it has a time, which all
 * who say it again carry on, and takes what was made before it: later than the file that it took where it was done,
 * whatever the clocks say. And what gets the name now is made no earlier than the last deletion that was noted here, whether
 * it found a file or not (@position 0). Times of the one kind and of the other are compared and given under the name's
 * edit lock.
 */
bool sto_log_comes_again(struct str name);
void sto_log_note_deleted(struct sto_log *log, struct str name, uint64_t position, int64_t at_ms);
/* When @name was deleted last, or one that shares its slot; 0: never, as far as is known. */
int64_t sto_log_deleted_ms(struct sto_log *log, struct str name);
int sto_log_pass_deletion(struct sto_log *log, struct str name) MUST_CHECK;
/* The same for all that has been logged until now. */
int sto_log_pass_all(struct sto_log *log) MUST_CHECK;
/* The largest time noted is kept on the disk with each checkpoint that may pass its record. upkeep is held. */
int sto_log_load_deleted(struct sto_log *log) MUST_CHECK;
int sto_log_save_deleted(struct sto_log *log) MUST_CHECK;

/*
 * Mark the packed file that @name names dead: in place, not synced (its DELETE record is).
 * @path: of its pack. 0; -ENOENT: no live one there.
 */
struct dfs_fileid;
int sto_log_mark_dead(struct sto_log *log, const struct dfs_fileid *f) MUST_CHECK;
/*
 * A sync failed: the kernel may have forgotten pages with marks that no later sync will write. The next
 * checkpoint makes them again from the records that asked for them, before it passes those.
 */
void sto_log_lose_marks(struct sto_log *log);
/* Apply the DELETE and CHANGE records of [from, until) again, while writers go on; none of them is held. */
int sto_log_redo(struct sto_log *log, uint64_t from, uint64_t until) MUST_CHECK;

/* ---- maintenance (maintain.c) ---- */
int sto_log_maint_start(struct sto_log *log) MUST_CHECK;
void sto_log_maint_stop(struct sto_log *log);
void sto_log_maint_ask(struct sto_log *log); /* there may be something to do */
/* fdatasync(); one that takes long has the disk tried. 0 or negative errno. */
int sto_log_sync(struct sto_log *log, int fd) MUST_CHECK;
/* Something has failed with @err; if that speaks of the disk, or of a directory, it is tried soon. Any thread. */
void sto_log_suspect(struct sto_log *log, int err);
/* Where there is a reason: tries the disk. False: it takes no writes. For the maintenance thread. */
bool sto_log_try_disk(struct sto_log *log);
bool sto_log_unfit(struct sto_log *log);      /* see sto_store_unfit() */
bool sto_log_slow(const struct sto_log *log); /* see sto_store_slow() */
void sto_log_maint_once(struct sto_log *log); /* what the thread does when it wakes */
int sto_log_checkpoint(struct sto_log *log) MUST_CHECK;
int sto_log_sweep(struct sto_log *log, uint32_t number) MUST_CHECK;
/*
 * Is there still what @rec, which names a file, says of @name: a plain file, a link, or that it has moved? True also when
 * that cannot be told.
 */
struct sto_rec;
bool sto_log_holds(struct sto_log *log, const struct sto_rec *rec, struct str name);
uint32_t sto_log_pack_size(const struct sto_log *log); /* for this disk's size */

#endif
