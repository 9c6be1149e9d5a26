/* SPDX-License-Identifier: Apache-2.0 */
/* New current objects: put, copy, append, rename. */
#include "s3gw/index/object.h"

#include "s3gw/index/lock.h"
#include "s3gw/index/object_change.h"
#include "s3gw/index/object_read.h"
#include "s3gw/index/refs.h"
#include "s3gw/index/usage.h"

static void adopt_new_files(struct s3_tx *tx, struct s3_object *o)
{
    for (size_t i = 0; i < o->nextents; i++) {
        struct s3_extent *e = &o->extents[i];
        if (e->owner != 0 && e->owner != o->seq)
            continue;
        e->owner = o->seq;
        if (o->flags & S3_OBJ_ADOPTED)
            s3_ref_add_kept(tx, e->file_id, o->seq);
        else
            s3_ref_add(tx, e->file_id, o->seq);
    }
}

static int share_files(struct s3_tx *tx, struct s3_object *o)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < o->nextents; i++) {
        struct s3_extent *e = &o->extents[i];
        bool again = i > 0 && str_eq(e->file_id, o->extents[i - 1].file_id);
        if (!again)
            r = s3_ref_share(tx, e->file_id, e->owner, o->seq);
        e->owner = o->seq;
    }
    return r;
}

static int put(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond,
               bool share, struct s3_object *o)
{
    AUTO(s3_change_fini) struct s3_change c;
    int r = s3_change_init(&c, tx, bid, key);
    if (r == 0)
        r = s3_change_judge(cond, &c.current);
    if (r == 0)
        r = s3_change_as_described(&c, o);
    if (r < 0)
        return r;
    /* New references first: what is replaced may hold the same files. */
    if (share)
        r = share_files(tx, o);
    else
        adopt_new_files(tx, o);
    if (r == 0)
        r = s3_change_make_way(&c);
    return r < 0 ? r : s3_change_write_new(&c, o);
}

int s3_object_put(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond,
                  struct s3_object *o)
{
    return put(tx, bid, key, cond, false, o);
}

int s3_object_copy(struct s3_tx *tx, uint64_t src_bid, struct str src_key, uint64_t src_seq,
                   uint64_t bid, struct str key, const struct s3_cond *cond, struct s3_object *o)
{
    int r = s3_object_still_there(tx, src_bid, src_key, src_seq);
    return r < 0 ? r : put(tx, bid, key, cond, true, o);
}

/* --- append and rename --- */

int s3_object_append(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond,
                     const struct s3_object *base, struct s3_object *o)
{
    AUTO(s3_change_fini) struct s3_change c;
    int r = s3_change_init(&c, tx, bid, key);
    if (r == 0 && c.versioning != S3_VERSIONING_NEVER)
        r = -EOPNOTSUPP;
    if (r == 0)
        r = s3_change_judge(cond, &c.current);
    if (r == 0 && !(c.current.there && c.current.o.seq == base->seq))
        r = -ERANGE;
    if (r == 0 && !(c.current.o.amended == base->amended && s3_same_sections(&c.current.o, base)))
        r = -EAGAIN; /* s3_object_move() has given it other files, or a section was amended */
    if (r == 0)
        r = s3_lock_check(c.current.o.lock, s3_tx_now(tx), false);
    if (r == 0)
        r = s3_change_as_described(&c, o);
    if (r < 0)
        return r;
    adopt_new_files(tx, o);
    if (c.current.split) /* the new record names its files too, under the owners they have */
        s3_change_del_detail(&c, base->seq);
    s3_usage_add(tx, bid, -1, -(int64_t)base->size);
    return s3_change_write_new(&c, o);
}

int s3_object_rename(struct s3_tx *tx, uint64_t bid, struct str from_key, uint64_t seq,
                     struct str to_key, const struct s3_cond *cond, struct s3_object *o)
{
    AUTO(s3_change_fini) struct s3_change from;
    AUTO(s3_change_fini) struct s3_change to = {0};
    int r = s3_change_init(&from, tx, bid, from_key);
    if (r == 0 && from.versioning != S3_VERSIONING_NEVER)
        r = -EOPNOTSUPP;
    if (r == 0 &&
        !(from.current.there && from.current.o.seq == seq && from.current.o.amended == o->amended))
        r = -EAGAIN;
    if (r == 0)
        r = s3_lock_check(from.current.o.lock, s3_tx_now(tx), false);
    if (r == 0)
        r = s3_change_init(&to, tx, bid, to_key);
    if (r == 0)
        r = s3_change_judge(cond, &to.current);
    if (r == 0 && (o->flags & S3_OBJ_UNSAID ||
                   s3_change_is_late(&to, o, to.current.there ? to.current.o.seq : 0))) {
        o->flags |= S3_OBJ_UNSAID;
        r = -ERESTART;
    }
    if (r == 0)
        r = s3_change_make_way(&to);
    if (r < 0)
        return r;
    s3_change_note_removed(&from, &from.current.o);
    s3_change_del_current(&from);
    if (from.current.split) /* it is written anew under the new number */
        s3_change_del_detail(&from, seq);
    s3_usage_add(tx, bid, -1, -(int64_t)from.current.o.size);
    return s3_change_write_new(&to, o); /* its files stay under the owners they have */
}
