/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_change - one change of the versions of a key, within a transaction. Private to object*.c.
 *
 * The versions of a key lie in two places. The `o` row is the newest one, unless that is a delete
 * marker; everything else is a `v` row. So readers and listings of current objects look at one row
 * a key, and a bucket without versioning has no `v` rows. Invariants, at the end of each
 * transaction:
 *
 *   - the o row has a greater number than every v row of its key;
 *   - without an o row the newest v row, if any, is a delete marker;
 *   - at most one version of a key is the null version; if it is a v row, the n row is its number;
 *   - the detail row of a number lives as long as the version of that number, wherever its row is.
 *
 * Threads: the index's committer. Errors: those of s3_tx_get(), -EBADMSG for a record that does not
 * decode, -ENOMEM; what else, is said.
 */
#ifndef S3_INDEX_OBJECT_CHANGE_H
#define S3_INDEX_OBJECT_CHANGE_H

#include "s3gw/index/bucket.h"
#include "s3gw/index/object.h"
#include "s3gw/index/rows.h"

/* A version as it is in its row. */
struct s3_stored {
    bool there;
    bool split;         /* its extents are in a detail row */
    struct buf value;   /* the row's; owned */
    struct s3_object o; /* views of value and of the change's arena */
};

/* What one change of a key works with; lives as long as the call. Zeroed is fit for fini. */
struct s3_change {
    struct s3_tx *tx;
    uint64_t bid;
    struct str key;
    enum s3_versioning versioning;
    struct arena arena;
    struct s3_stored current; /* the o row */
};

/* Whatever init returns, fini is due. -ENODEV: the bucket is gone. */
int s3_change_init(struct s3_change *c, struct s3_tx *tx, uint64_t bid, struct str key) MUST_CHECK;
void s3_change_fini(struct s3_change *c);

/* The version in @row; ret->there says whether there is one. Whatever it returns, ret->value is the
 * caller's. */
int s3_change_load(struct s3_change *c, const struct s3_row_key *row,
                   struct s3_stored *ret) MUST_CHECK;

/* Does @current meet @cond (NULL: none)? 0 or an errno of s3_cond. */
int s3_change_judge(const struct s3_cond *cond, const struct s3_stored *current) MUST_CHECK;

/* Rows. older: a v row, and the n row when @o is the null version. */
void s3_change_put_current(struct s3_change *c, struct str value);
void s3_change_del_current(struct s3_change *c);
void s3_change_put_older(struct s3_change *c, const struct s3_object *o, struct str value);
void s3_change_del_older(struct s3_change *c, const struct s3_object *o);
void s3_change_put_detail(struct s3_change *c, uint64_t seq, struct str value);
void s3_change_del_detail(struct s3_change *c, uint64_t seq);
/* The number in the n row; 0: the null version is not among the v rows. */
int s3_change_null_number(struct s3_change *c, uint64_t *ret) MUST_CHECK;
/* The first of the v rows, absent when there is none. Arena. */
int s3_change_newest_older(struct s3_change *c, struct str *ret) MUST_CHECK;

/* The version loses its files; its row is the caller's. */
int s3_change_drop_content(struct s3_change *c, const struct s3_stored *v) MUST_CHECK;
/* The o row is about to be written or deleted by a new version: keep or drop what it says now.
 * -EPERM: locked. */
int s3_change_make_way(struct s3_change *c) MUST_CHECK;
/* The o row, and the detail row when there is one, from @o; counted. */
int s3_change_write_new(struct s3_change *c, const struct s3_object *o) MUST_CHECK;

/* A new version: is it above all others, and as its bucket and its key want it? 0, or -ERESTART
 * with *o as it should have been described. */
int s3_change_as_described(struct s3_change *c, struct s3_object *o) MUST_CHECK;
/* Is @o, whose key has versions up to number @newest, below what there is or, as a null version,
 * was? */
bool s3_change_is_late(const struct s3_change *c, const struct s3_object *o, uint64_t newest);
/* A removed version leaves no row, but what replaced others before it has replaced this too. */
void s3_change_note_removed(struct s3_change *c, const struct s3_object *o);

/* What was described beside the new files is what the record says. */
bool s3_same_sections(const struct s3_object *a, const struct s3_object *b);

#endif
