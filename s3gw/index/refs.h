/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refs - which stored files are in use, and the outbox of those that no longer are.
 *
 * Rows:  f file-id 00 owner   empty: the only one of its file; 01: the file has or had others
 *        f file-id 00 0       01: kept for whoever stored it, a FastDFS client; never dropped
 *        g time owner file-id queued then, when that owner, the last, had gone
 *        s group 00 path      u64: how far the log of that store path has been searched for orphans
 *        S group 00 path      u64: how far it need not be compared at a start
 *
 * A file lives while an `f` row names it. Dropping the last one writes a `g` row in the same
 * transaction; the reclaimer claims those, deletes the files on the storages, then forgets the
 * rows. A claimed file can get no new owner: owners come only from an object that is current in the
 * same transaction, and there is none.
 */
#ifndef S3_INDEX_REFS_H
#define S3_INDEX_REFS_H

#include "s3gw/core/req.h"
#include "s3gw/index/index.h"

/* The first owner of a new file. */
void s3_ref_add(struct s3_tx *tx, struct str file_id, uint64_t owner);
/* One more owner of a file that @from owns (0, or not so: whoever does). -EAGAIN: nobody owns it any more. */
int s3_ref_share(struct s3_tx *tx, struct str file_id, uint64_t from, uint64_t owner) MUST_CHECK;
/* An owner of a file that may have others already: while an index is rebuilt, when objects move. */
int s3_ref_restore(struct s3_tx *tx, struct str file_id, uint64_t owner) MUST_CHECK;
/* The file is not ours to delete, whatever owners come and go. */
void s3_ref_keep(struct s3_tx *tx, struct str file_id);
/* ... and gets its first owner. */
void s3_ref_add_kept(struct s3_tx *tx, struct str file_id, uint64_t owner);
/* Has that been said? 1, 0, errno. Outside an update. */
int s3_ref_kept(struct s3_index *x, struct str file_id) MUST_CHECK;
/*
 * All files of these extents, each under its extent's owner: drops the row; when it was the last of
 * a file, queues the file for the reclaimer.
 */
int s3_refs_drop(struct s3_tx *tx, const struct s3_extent *e, size_t n) MUST_CHECK;
/* Is any owner left? 1, 0, or negative errno. Outside and inside an update. */
int s3_ref_used(struct s3_index *x, struct str file_id) MUST_CHECK;
int s3_ref_used_tx(struct s3_tx *tx, struct str file_id) MUST_CHECK;
/* A file whose write was acknowledged by a storage but will never be named: to the outbox, unless
 * something names it, as if queued @delay_ms from now. */
int s3_ref_orphan(struct s3_tx *tx, struct str file_id, int64_t delay_ms) MUST_CHECK;

struct s3_garbage {
    struct str row; /* the g row's key: give it to s3_garbage_forget */
    struct str file_id;
};
/* Up to @max rows queued at or before @before_ms, oldest first, behind the row @after (empty: all). *ret in the arena. 0 or
 * errno. Takes the trash (index/trash.h) apart before it looks, so it is no reader only. May block. */
int s3_garbage_list(struct s3_index *x, struct str after, int64_t before_ms, size_t max,
                    struct arena *a, struct s3_garbage **ret, size_t *ret_n) MUST_CHECK;
void s3_garbage_forget(struct s3_tx *tx, struct str row);

/* How far a storage's log has been searched for orphans. get: 0, -ENOENT (not yet), errno. */
int s3_scan_position_get(struct s3_index *x, struct str group, unsigned path,
                         uint64_t *ret) MUST_CHECK;
void s3_scan_position_put(struct s3_tx *tx, struct str group, unsigned path, uint64_t position);

/* The same of the comparison at a start (lifecycle/settled.h). */
int s3_settled_position_get(struct s3_index *x, struct str group, unsigned path,
                            uint64_t *ret) MUST_CHECK;
void s3_settled_position_put(struct s3_tx *tx, struct str group, unsigned path, uint64_t position);

#endif
