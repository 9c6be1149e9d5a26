/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The versions of a key lie in two places. The `o` row is the newest one, unless that is a delete
 * marker; everything else is a `v` row. So readers and listings of current objects look at one row
 * a key, and a bucket without versioning has no `v` rows. Invariants, at the end of each
 * transaction:
 *
 *   - the o row has a greater number than every v row of its key;
 *   - without an o row the newest v row, if any, is a delete marker;
 *   - at most one version of a key is the null version; the n row gives its number if it is a v
 * row;
 *   - the detail row of a number lives as long as the version of that number, wherever its row is.
 */
#include "s3gw/index/object.h"

#include "s3gw/index/bucket.h"
#include "s3gw/index/engine.h"
#include "s3gw/index/lock.h"
#include "s3gw/index/object_read.h"
#include "s3gw/index/record.h"
#include "s3gw/index/refs.h"
#include "s3gw/index/rows.h"
#include "s3gw/index/trash.h"
#include "s3gw/index/usage.h"

enum { ARENA_MAX = 64 * 1024 * 1024 };

/* A version as it is in its row. */
struct stored {
    bool there;
    bool split;       /* its extents are in a detail row */
    struct buf value; /* the row's */
    struct s3_object o;
};

/* What one change of a key works with; lives as long as the call. */
struct change {
    struct s3_tx *tx;
    uint64_t bid;
    struct str key;
    enum s3_versioning versioning;
    struct arena arena;
    struct stored current; /* the o row */
};

static void change_fini(struct change *c)
{
    buf_free(&c->current.value);
    arena_fini(&c->arena);
}

static int load(struct change *c, const struct s3_row_key *row, struct stored *ret)
{
    ret->there = false;
    ret->value = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_tx_get(c->tx, s3_row_str(row), &ret->value);
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = s3_object_decode_head(buf_str(&ret->value), &c->arena, &ret->o, &ret->split);
    ret->there = r == 0;
    return r;
}

static int change_init(struct change *c, struct s3_tx *tx, uint64_t bid, struct str key)
{
    ASSERT(key.n > 0 && key.n <= S3_OBJECT_KEY_MAX);
    *c = (struct change){.tx = tx, .bid = bid, .key = key};
    c->current.value = BUF(S3_INDEX_VALUE_MAX);
    arena_init(&c->arena, ARENA_MAX);
    int r = s3_bucket_versioning_tx(tx, bid, &c->versioning);
    if (r < 0)
        return r;
    struct s3_row_key row;
    s3_row_object(&row, S3_ROW_OBJECT, bid, key);
    return load(c, &row, &c->current);
}

static bool etag_listed(const struct s3_cond *cond, const struct s3_etag *e)
{
    if (cond->if_match_n == 0)
        return s3_etag_eq(&cond->if_match, e);
    for (size_t i = 0; i < cond->if_match_n; i++)
        if (s3_etag_eq(&cond->if_match_list[i], e))
            return true;
    return false;
}

static int judge(const struct s3_cond *cond, const struct stored *current)
{
    if (!cond)
        return 0;
    if (cond->if_none_match_any && current->there)
        return -EEXIST;
    if (cond->if_seq && !(current->there && current->o.seq == cond->if_seq))
        return -ESTALE;
    if (!cond->has_if_match)
        return 0;
    if (!current->there)
        return -ENOENT;
    return cond->if_match_any || etag_listed(cond, &current->o.etag) ? 0 : -ESTALE;
}

/* --- rows --- */

static void put_current(struct change *c, struct str value)
{
    struct s3_row_key row;
    s3_row_object(&row, S3_ROW_OBJECT, c->bid, c->key);
    s3_tx_put(c->tx, s3_row_str(&row), value);
}

static void del_current(struct change *c)
{
    struct s3_row_key row;
    s3_row_object(&row, S3_ROW_OBJECT, c->bid, c->key);
    s3_tx_del(c->tx, s3_row_str(&row));
}

static void put_null_number(struct change *c, uint64_t seq)
{
    struct s3_row_key row;
    s3_row_object(&row, S3_ROW_NULL_VERSION, c->bid, c->key);
    AUTO(buf_free) struct buf b = BUF(64);
    buf_u64(&b, seq);
    s3_tx_put(c->tx, s3_row_str(&row), buf_str(&b));
}

static void del_null_number(struct change *c)
{
    struct s3_row_key row;
    s3_row_object(&row, S3_ROW_NULL_VERSION, c->bid, c->key);
    s3_tx_del(c->tx, s3_row_str(&row));
}

/* 0: the null version is not among the v rows. */
static int get_null_number(struct change *c, uint64_t *ret)
{
    struct s3_row_key row;
    s3_row_object(&row, S3_ROW_NULL_VERSION, c->bid, c->key);
    AUTO(buf_free) struct buf b = BUF(64);
    int r = s3_tx_get(c->tx, s3_row_str(&row), &b);
    *ret = 0;
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct rd rd = rd_of(buf_str(&b));
    *ret = rd_u64(&rd);
    return rd.bad || *ret == 0 ? -EBADMSG : 0;
}

static void put_older(struct change *c, const struct s3_object *o, struct str value)
{
    struct s3_row_key row;
    s3_row_numbered(&row, S3_ROW_VERSION, c->bid, c->key, o->seq);
    s3_tx_put(c->tx, s3_row_str(&row), value);
    if (o->flags & S3_OBJ_NULL_VERSION)
        put_null_number(c, o->seq);
}

static void del_older(struct change *c, const struct s3_object *o)
{
    struct s3_row_key row;
    s3_row_numbered(&row, S3_ROW_VERSION, c->bid, c->key, o->seq);
    s3_tx_del(c->tx, s3_row_str(&row));
    if (o->flags & S3_OBJ_NULL_VERSION)
        del_null_number(c);
}

/* The version loses its files; its row is the caller's. */
static int drop_content(struct change *c, const struct stored *v)
{
    s3_usage_add(c->tx, c->bid, -1, -(int64_t)v->o.size);
    if (v->split) {
        s3_trash_add(c->tx, S3_TRASH_DETAIL, v->o.seq);
        return 0;
    }
    return s3_refs_drop(c->tx, v->o.extents, v->o.nextents);
}

/* --- what a new version does to the ones before --- */

static int replace_null_among_older(struct change *c)
{
    uint64_t seq;
    int r = get_null_number(c, &seq);
    if (r < 0 || seq == 0)
        return r;
    struct s3_row_key row;
    s3_row_numbered(&row, S3_ROW_VERSION, c->bid, c->key, seq);
    struct stored old;
    r = load(c, &row, &old);
    if (r == 0 && !old.there)
        r = -EBADMSG;
    if (r == 0)
        r = s3_lock_check(old.o.lock, s3_tx_now(c->tx), false);
    if (r == 0)
        r = drop_content(c, &old);
    if (r == 0)
        del_older(c, &old.o);
    buf_free(&old.value);
    return r;
}

/* The o row is about to be written or deleted by a new version: keep or drop what it says now. */
static int make_way(struct change *c)
{
    struct stored *cur = &c->current;
    bool replaces =
        c->versioning != S3_VERSIONING_ENABLED; /* a null version replaces the null version */
    if (cur->there && replaces && cur->o.flags & S3_OBJ_NULL_VERSION) {
        int r = s3_lock_check(cur->o.lock, s3_tx_now(c->tx), false);
        return r < 0 ? r : drop_content(c, cur);
    }
    if (cur->there)
        put_older(c, &cur->o, buf_str(&cur->value));
    return replaces && c->versioning == S3_VERSIONING_SUSPENDED ? replace_null_among_older(c) : 0;
}

static uint32_t flags_of_new(const struct change *c)
{
    return c->versioning == S3_VERSIONING_ENABLED ? 0 : S3_OBJ_NULL_VERSION;
}

/* --- was it described so? --- */

static int newest_older(struct change *c, struct str *ret);

/* The highest number a version of the key has, 0: none. */
static int newest_number(struct change *c, uint64_t *ret)
{
    *ret = c->current.there ? c->current.o.seq : 0;
    if (c->current.there || c->versioning == S3_VERSIONING_NEVER)
        return 0;
    struct str value;
    struct s3_object o = {0};
    bool split;
    int r = newest_older(c, &value);
    if (r == 0 && value.p)
        r = s3_object_decode_head(value, &c->arena, &o, &split);
    *ret = o.seq;
    return r;
}

/* A removed version leaves no row, but what replaced others before it went has replaced this too. */
static void note_removed(struct change *c, const struct s3_object *o)
{
    if (o->flags & S3_OBJ_NULL_VERSION)
        c->tx->x->removed = MAX(c->tx->x->removed, o->seq);
}

static bool is_late(const struct change *c, const struct s3_object *o, uint64_t newest)
{
    bool null = o->flags & S3_OBJ_NULL_VERSION;
    return o->seq <= newest || (null && o->seq <= c->tx->x->removed);
}

/* A new version: is it above all others, and as its bucket and its key want it? */
static int as_described(struct change *c, struct s3_object *o)
{
    ASSERT(o->seq > 0);
    uint64_t newest;
    int r = newest_number(c, &newest);
    if (r < 0)
        return r;
    uint32_t flags = (o->flags & S3_OBJ_DELETE_MARKER) | flags_of_new(c);
    int64_t mtime = c->current.there ? MAX(o->mtime_ms, c->current.o.mtime_ms) : o->mtime_ms;
    bool same = flags == o->flags && mtime == o->mtime_ms && !is_late(c, o, newest);
    o->flags = same ? flags : flags | S3_OBJ_UNSAID;
    o->mtime_ms = mtime;
    return same ? 0 : -ERESTART;
}

/* --- put and copy --- */

static void adopt_new_files(struct s3_tx *tx, struct s3_object *o)
{
    for (size_t i = 0; i < o->nextents; i++) {
        struct s3_extent *e = &o->extents[i];
        if (e->owner != 0 && e->owner != o->seq)
            continue;
        e->owner = o->seq;
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

static int write_new(struct change *c, const struct s3_object *o)
{
    AUTO(buf_free) struct buf head = BUF(S3_INDEX_VALUE_MAX), detail = BUF(S3_INDEX_VALUE_MAX);
    s3_object_encode_split(o, &head, &detail);
    int r = buf_err(&head) < 0 ? buf_err(&head) : buf_err(&detail);
    if (r < 0)
        return r;
    put_current(c, buf_str(&head));
    s3_usage_add(c->tx, c->bid, 1, (int64_t)o->size);
    if (detail.n > 0) {
        struct s3_row_key row;
        s3_row_number(&row, S3_ROW_DETAIL, o->seq);
        s3_tx_put(c->tx, s3_row_str(&row), buf_str(&detail));
    }
    return 0;
}

static int put(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond,
               bool share, struct s3_object *o)
{
    AUTO(change_fini) struct change c;
    int r = change_init(&c, tx, bid, key);
    if (r == 0)
        r = judge(cond, &c.current);
    if (r == 0)
        r = as_described(&c, o);
    if (r < 0)
        return r;
    /* New references first: what is replaced may hold the same files. */
    if (share)
        r = share_files(tx, o);
    else
        adopt_new_files(tx, o);
    if (r == 0)
        r = make_way(&c);
    return r < 0 ? r : write_new(&c, o);
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

/* What was described beside the new files is what the record says. */
static bool same_sections(const struct s3_object *a, const struct s3_object *b)
{
    return str_eq(a->tags, b->tags) && str_eq(a->acl, b->acl) && str_eq(a->lock, b->lock);
}

int s3_object_append(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond,
                     const struct s3_object *base, struct s3_object *o)
{
    AUTO(change_fini) struct change c;
    int r = change_init(&c, tx, bid, key);
    if (r == 0 && c.versioning != S3_VERSIONING_NEVER)
        r = -EOPNOTSUPP;
    if (r == 0)
        r = judge(cond, &c.current);
    if (r == 0 && !(c.current.there && c.current.o.seq == base->seq))
        r = -ERANGE;
    if (r == 0 && !(str_eq(c.current.o.storage_class, base->storage_class) &&
                    same_sections(&c.current.o, base)))
        r = -EAGAIN; /* s3_object_move() has given it other files, or a section was amended */
    if (r == 0)
        r = s3_lock_check(c.current.o.lock, s3_tx_now(tx), false);
    if (r == 0)
        r = as_described(&c, o);
    if (r < 0)
        return r;
    adopt_new_files(tx, o);
    if (c.current.split) { /* the new record names its files too, under the owners they have */
        struct s3_row_key row;
        s3_row_number(&row, S3_ROW_DETAIL, base->seq);
        s3_tx_del(tx, s3_row_str(&row));
    }
    s3_usage_add(tx, bid, -1, -(int64_t)base->size);
    return write_new(&c, o);
}

int s3_object_rename(struct s3_tx *tx, uint64_t bid, struct str from_key, uint64_t seq,
                     struct str to_key, const struct s3_cond *cond, struct s3_object *o)
{
    AUTO(change_fini) struct change from;
    AUTO(change_fini) struct change to = {.current.value = BUF(S3_INDEX_VALUE_MAX)};
    arena_init(&to.arena, ARENA_MAX);
    int r = change_init(&from, tx, bid, from_key);
    if (r == 0 && from.versioning != S3_VERSIONING_NEVER)
        r = -EOPNOTSUPP;
    if (r == 0 && !(from.current.there && from.current.o.seq == seq &&
                    from.current.o.amended == o->amended))
        r = -EAGAIN;
    if (r == 0)
        r = s3_lock_check(from.current.o.lock, s3_tx_now(tx), false);
    if (r == 0)
        r = change_init(&to, tx, bid, to_key);
    if (r == 0)
        r = judge(cond, &to.current);
    if (r == 0 && (o->flags & S3_OBJ_UNSAID || is_late(&to, o, to.current.there ? to.current.o.seq : 0))) {
        o->flags |= S3_OBJ_UNSAID;
        r = -ERESTART;
    }
    if (r == 0)
        r = make_way(&to);
    if (r < 0)
        return r;
    note_removed(&from, &from.current.o);
    del_current(&from);
    if (from.current.split) { /* it is written anew under the new number */
        struct s3_row_key row;
        s3_row_number(&row, S3_ROW_DETAIL, seq);
        s3_tx_del(tx, s3_row_str(&row));
    }
    s3_usage_add(tx, bid, -1, -(int64_t)from.current.o.size);
    return write_new(&to, o); /* its files stay under the owners they have */
}

/* --- delete --- */

static int put_marker(struct change *c, const struct s3_object *m, struct s3_deleted *ret)
{
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    s3_object_encode(m, &value);
    int r = buf_err(&value) < 0 ? buf_err(&value) : make_way(c);
    if (r < 0)
        return r;
    put_older(c, m, buf_str(&value));
    s3_usage_add(c->tx, c->bid, 1, 0);
    ret->marker = true;
    ret->null_version = m->flags & S3_OBJ_NULL_VERSION;
    ret->seq = m->seq;
    return 0;
}

/* What deleting the current object means now; -ERESTART: not what @o says, which is it then. */
static int deletion_as_described(struct change *c, struct s3_object *o)
{
    if (c->versioning != S3_VERSIONING_NEVER) {
        if (!(o->flags & S3_OBJ_DELETE_MARKER)) {
            o->flags = S3_OBJ_DELETE_MARKER | S3_OBJ_UNSAID;
            o->seq = MAX(o->seq, (uint64_t)1); /* any: it gets a new one */
        }
        return as_described(c, o);
    }
    uint64_t current = c->current.there ? c->current.o.seq : 0;
    bool same = o->flags == 0 && (o->seq == current || !current);
    o->flags = same ? 0 : S3_OBJ_UNSAID;
    o->seq = current;
    return same ? 0 : -ERESTART;
}

int s3_object_delete(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond,
                     struct s3_object *o, struct s3_deleted *ret)
{
    *ret = (struct s3_deleted){0};
    AUTO(change_fini) struct change c;
    int r = change_init(&c, tx, bid, key);
    if (r == 0)
        r = judge(cond, &c.current);
    if (r == 0)
        r = deletion_as_described(&c, o);
    if (r < 0)
        return r;
    ret->had = c.current.there;
    if (c.versioning != S3_VERSIONING_NEVER) {
        r = put_marker(&c, o, ret);
    } else if (ret->had) {
        ret->null_version = true;
        ret->seq = c.current.o.seq;
        note_removed(&c, &c.current.o);
        r = make_way(&c);
    }
    if (r == 0 && ret->had)
        del_current(&c);
    return r;
}

/* --- delete one version --- */

/* The first of the v rows, absent when there is none. Arena. */
static int newest_older(struct change *c, struct str *ret)
{
    struct s3_row_key from, until;
    s3_row_object(&from, S3_ROW_VERSION, c->bid, c->key);
    s3_row_u8(&from, 0);
    until = from;
    s3_row_after_prefix(&until);
    struct s3_iter *it = NULL;
    int r = s3_tx_iter(c->tx, s3_row_str(&from), s3_row_str(&until), &it);
    if (r < 0)
        return r;
    *ret = STR_NULL;
    if (s3_iter_valid(it)) {
        *ret = arena_str(&c->arena, s3_iter_value(it));
        r = ret->p ? 0 : -ENOMEM;
    } else {
        r = s3_iter_err(it);
    }
    s3_iter_free(&it);
    return r;
}

/* There is no o row any more: the newest of the v rows becomes it, unless it is a marker. */
static int promote(struct change *c)
{
    struct str value;
    int r = newest_older(c, &value);
    if (r < 0 || !value.p)
        return r;
    struct s3_object o;
    bool split;
    r = s3_object_decode_head(value, &c->arena, &o, &split);
    if (r < 0 || o.flags & S3_OBJ_DELETE_MARKER)
        return r;
    del_older(c, &o);
    put_current(c, value);
    return 0;
}

static int remove_version(struct change *c, const struct stored *v, bool bypass,
                          struct s3_deleted *ret)
{
    int r = s3_lock_check(v->o.lock, s3_tx_now(c->tx), bypass);
    if (r == 0)
        r = drop_content(c, v);
    if (r < 0)
        return r;
    ret->had = true;
    ret->marker = v->o.flags & S3_OBJ_DELETE_MARKER;
    ret->null_version = v->o.flags & S3_OBJ_NULL_VERSION;
    ret->seq = v->o.seq;
    note_removed(c, &v->o);
    return 0;
}

static bool is_named(const struct s3_object *o, const struct s3_version *v)
{
    bool null = o->flags & S3_OBJ_NULL_VERSION;
    return v->null ? null && (v->seq == 0 || o->seq == v->seq) : !null && o->seq == v->seq;
}

static int remove_older(struct change *c, const struct s3_version *v, bool bypass,
                        struct s3_deleted *ret)
{
    uint64_t seq = v->seq;
    int r = v->null ? get_null_number(c, &seq) : 0;
    if (r < 0 || seq == 0)
        return r;
    struct s3_row_key row;
    s3_row_numbered(&row, S3_ROW_VERSION, c->bid, c->key, seq);
    struct stored old;
    r = load(c, &row, &old);
    if (r == 0 && old.there && is_named(&old.o, v)) {
        r = remove_version(c, &old, bypass, ret);
        if (r == 0)
            del_older(c, &old.o);
    }
    buf_free(&old.value);
    return r;
}

int s3_object_delete_version(struct s3_tx *tx, uint64_t bid, struct str key,
                             const struct s3_version *v, bool bypass_governance,
                             struct s3_deleted *ret)
{
    *ret = (struct s3_deleted){0};
    AUTO(change_fini) struct change c;
    int r = change_init(&c, tx, bid, key);
    if (r < 0)
        return r;
    bool current = c.current.there && is_named(&c.current.o, v);
    if (current) {
        r = remove_version(&c, &c.current, bypass_governance, ret);
        if (r == 0)
            del_current(&c);
    } else {
        r = remove_older(&c, v, bypass_governance, ret);
    }
    if (r == 0 && ret->had && (current || !c.current.there))
        r = promote(&c);
    return r;
}

/* --- amend --- */

/* The version with that number, wherever it is; *is_current tells. */
static int load_number(struct change *c, uint64_t seq, struct stored *ret, bool *is_current)
{
    *is_current = c->current.there && c->current.o.seq == seq;
    if (*is_current) {
        *ret = c->current;
        ret->value = BUF(S3_INDEX_VALUE_MAX); /* not needed again, and not ours */
        return 0;
    }
    struct s3_row_key row;
    s3_row_numbered(&row, S3_ROW_VERSION, c->bid, c->key, seq);
    int r = load(c, &row, ret);
    if (r == 0 && !ret->there)
        r = c->current.there ? -EAGAIN : -ENOENT;
    return r;
}

static int rewrite(struct change *c, const struct stored *v, bool is_current)
{
    AUTO(buf_free) struct buf head = BUF(S3_INDEX_VALUE_MAX);
    s3_object_encode_head(&v->o, v->split, &head);
    if (buf_err(&head) < 0)
        return buf_err(&head);
    if (is_current)
        put_current(c, buf_str(&head));
    else
        put_older(c, &v->o, buf_str(&head));
    return 0;
}

struct str *s3_object_section(struct s3_object *o, enum s3_section what)
{
    switch (what) {
    case S3_SECTION_TAGS:
        return &o->tags;
    case S3_SECTION_ACL:
        return &o->acl;
    case S3_SECTION_CLASS:
        return &o->storage_class;
    default:
        return &o->lock;
    }
}

static bool same_section(struct str a, struct str b)
{
    return !a.p == !b.p && str_eq(a, b);
}

int s3_object_amend(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_amendment *m)
{
    AUTO(change_fini) struct change c;
    struct stored v = {.value = BUF(S3_INDEX_VALUE_MAX)};
    bool is_current;
    int r = change_init(&c, tx, bid, key);
    if (r == 0)
        r = load_number(&c, m->seq, &v, &is_current);
    struct str *section = s3_object_section(&v.o, m->what);
    if (r == 0 && m->was && !same_section(*section, *m->was))
        r = -EAGAIN;
    if (r == 0 && v.o.amended >= m->number)
        r = -ERESTART;
    if (r == 0) {
        *section = m->value;
        v.o.amended = m->number;
        r = rewrite(&c, &v, is_current);
    }
    buf_free(&v.value);
    return r;
}

static int load_detail(struct change *c, struct stored *v)
{
    struct s3_row_key row;
    s3_row_number(&row, S3_ROW_DETAIL, v->o.seq);
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_tx_get(c->tx, s3_row_str(&row), &value);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    struct str kept = arena_str(&c->arena, buf_str(&value));
    return kept.p ? s3_object_decode_detail(kept, &c->arena, &v->o) : -ENOMEM;
}

int s3_object_touch(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t seq, uint64_t number,
                    struct arena *a, struct s3_object *ret)
{
    AUTO(change_fini) struct change c;
    AUTO(buf_free) struct buf whole = BUF(S3_INDEX_VALUE_MAX);
    struct stored v = {.value = BUF(S3_INDEX_VALUE_MAX)};
    bool is_current;
    int r = change_init(&c, tx, bid, key);
    if (r == 0)
        r = load_number(&c, seq, &v, &is_current);
    if (r == 0) {
        v.o.amended = MAX(v.o.amended, number);
        r = rewrite(&c, &v, is_current);
    }
    if (r == 0 && v.split)
        r = load_detail(&c, &v);
    if (r == 0) {
        s3_object_encode(&v.o, &whole);
        struct str bytes = buf_err(&whole) ? STR_NULL : arena_str(a, buf_str(&whole));
        r = bytes.p ? s3_object_decode(bytes, a, ret) : -ENOMEM;
    }
    buf_free(&v.value);
    return r == -EAGAIN ? -ENOENT : r;
}

/* --- move --- */

/* The version lives on, so its detail row does: what was in it gets a number of its own, under
 * which the trash takes it apart. */
static int drop_detail(struct change *c, const struct s3_object *o)
{
    struct s3_object old = {.seq = s3_tx_seq(c->tx),
                            .extents = o->extents,
                            .nextents = o->nextents,
                            .parts = o->parts,
                            .nparts = o->nparts};
    AUTO(buf_free) struct buf head = BUF(S3_INDEX_VALUE_MAX), detail = BUF(S3_INDEX_VALUE_MAX);
    s3_object_encode_split(&old, &head, &detail);
    if (buf_err(&detail) < 0 || detail.n == 0)
        return buf_err(&detail) < 0 ? buf_err(&detail) : -EBADMSG;
    struct s3_row_key row;
    s3_row_number(&row, S3_ROW_DETAIL, old.seq);
    s3_tx_put(c->tx, s3_row_str(&row), buf_str(&detail));
    s3_trash_add(c->tx, S3_TRASH_DETAIL, old.seq);
    return 0;
}

static int rewrite_whole(struct change *c, const struct stored *v, bool is_current)
{
    AUTO(buf_free) struct buf head = BUF(S3_INDEX_VALUE_MAX), detail = BUF(S3_INDEX_VALUE_MAX);
    struct s3_row_key row;
    s3_object_encode_split(&v->o, &head, &detail);
    int r = buf_err(&head) < 0 ? buf_err(&head) : buf_err(&detail);
    if (r < 0)
        return r;
    if (is_current)
        put_current(c, buf_str(&head));
    else
        put_older(c, &v->o, buf_str(&head));
    s3_row_number(&row, S3_ROW_DETAIL, v->o.seq);
    if (detail.n > 0)
        s3_tx_put(c->tx, s3_row_str(&row), buf_str(&detail));
    else if (v->split)
        s3_tx_del(c->tx, s3_row_str(&row));
    return 0;
}

static int move(struct change *c, struct stored *v, bool is_current, const struct s3_object *o)
{
    int r = v->split ? load_detail(c, v) : 0;
    if (r == 0)
        r = v->split ? drop_detail(c, &v->o) : s3_refs_drop(c->tx, v->o.extents, v->o.nextents);
    struct s3_extent *e = arena_alloc(&c->arena, MAX(o->nextents, (size_t)1) * sizeof(*e));
    if (r == 0 && !e)
        r = -ENOMEM;
    if (r < 0)
        return r;
    for (size_t i = 0; i < o->nextents; i++) {
        e[i] = o->extents[i];
        e[i].owner = v->o.seq;
        s3_ref_add(c->tx, e[i].file_id, v->o.seq);
    }
    v->o.extents = e;
    v->o.nextents = o->nextents;
    v->o.storage_class = o->storage_class;
    return rewrite_whole(c, v, is_current);
}

int s3_object_move(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t number, struct str was,
                   const struct s3_object *o)
{
    AUTO(change_fini) struct change c;
    struct stored v = {.value = BUF(S3_INDEX_VALUE_MAX)};
    bool is_current;
    int r = change_init(&c, tx, bid, key);
    if (r == 0)
        r = load_number(&c, o->seq, &v, &is_current);
    if (r == 0 && !(str_eq(v.o.storage_class, was) && same_sections(&v.o, o) &&
                    v.o.amended < number))
        r = -EAGAIN;
    v.o.amended = number;
    if (r == 0)
        r = move(&c, &v, is_current, o);
    buf_free(&v.value);
    return r;
}
