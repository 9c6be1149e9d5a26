/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/object_change.h"

#include "s3gw/index/engine.h"
#include "s3gw/index/lock.h"
#include "s3gw/index/record.h"
#include "s3gw/index/refs.h"
#include "s3gw/index/trash.h"
#include "s3gw/index/usage.h"

enum { ARENA_MAX = 64 * 1024 * 1024 };

void s3_change_fini(struct s3_change *c)
{
    buf_free(&c->current.value);
    arena_fini(&c->arena);
}

int s3_change_load(struct s3_change *c, const struct s3_row_key *row, struct s3_stored *ret)
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

int s3_change_init(struct s3_change *c, struct s3_tx *tx, uint64_t bid, struct str key)
{
    ASSERT(key.n > 0 && key.n <= S3_OBJECT_KEY_MAX);
    *c = (struct s3_change){.tx = tx, .bid = bid, .key = key};
    c->current.value = BUF(S3_INDEX_VALUE_MAX);
    arena_init(&c->arena, ARENA_MAX);
    int r = s3_bucket_versioning_tx(tx, bid, &c->versioning);
    if (r < 0)
        return r;
    struct s3_row_key row;
    s3_row_object(&row, S3_ROW_OBJECT, bid, key);
    return s3_change_load(c, &row, &c->current);
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

int s3_cond_judge(const struct s3_cond *c, const struct s3_object *current)
{
    if (c->if_none_match_any && current)
        return -EEXIST;
    if (c->if_seq && !(current && current->seq == c->if_seq))
        return -ESTALE;
    if (!c->has_if_match && !c->has_size && !c->has_mtime)
        return 0;
    if (!current)
        return -ENOENT;
    bool fits = (!c->has_if_match || c->if_match_any || etag_listed(c, &current->etag)) &&
                (!c->has_size || c->size == current->size) &&
                (!c->has_mtime || c->mtime_s == current->mtime_ms / 1000);
    return fits ? 0 : -ESTALE;
}

int s3_change_judge(const struct s3_cond *cond, const struct s3_stored *current)
{
    return cond ? s3_cond_judge(cond, current->there ? &current->o : NULL) : 0;
}

/* --- rows --- */

void s3_change_put_current(struct s3_change *c, struct str value)
{
    struct s3_row_key row;
    s3_row_object(&row, S3_ROW_OBJECT, c->bid, c->key);
    s3_tx_put(c->tx, s3_row_str(&row), value);
}

void s3_change_del_current(struct s3_change *c)
{
    struct s3_row_key row;
    s3_row_object(&row, S3_ROW_OBJECT, c->bid, c->key);
    s3_tx_del(c->tx, s3_row_str(&row));
}

void s3_change_put_detail(struct s3_change *c, uint64_t seq, struct str value)
{
    struct s3_row_key row;
    s3_row_number(&row, S3_ROW_DETAIL, seq);
    s3_tx_put(c->tx, s3_row_str(&row), value);
}

void s3_change_del_detail(struct s3_change *c, uint64_t seq)
{
    struct s3_row_key row;
    s3_row_number(&row, S3_ROW_DETAIL, seq);
    s3_tx_del(c->tx, s3_row_str(&row));
}

static void put_null_number(struct s3_change *c, uint64_t seq)
{
    struct s3_row_key row;
    s3_row_object(&row, S3_ROW_NULL_VERSION, c->bid, c->key);
    AUTO(buf_free) struct buf b = BUF(64);
    buf_u64(&b, seq);
    s3_tx_put(c->tx, s3_row_str(&row), buf_str(&b));
}

static void del_null_number(struct s3_change *c)
{
    struct s3_row_key row;
    s3_row_object(&row, S3_ROW_NULL_VERSION, c->bid, c->key);
    s3_tx_del(c->tx, s3_row_str(&row));
}

int s3_change_null_number(struct s3_change *c, uint64_t *ret)
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

void s3_change_put_older(struct s3_change *c, const struct s3_object *o, struct str value)
{
    struct s3_row_key row;
    s3_row_numbered(&row, S3_ROW_VERSION, c->bid, c->key, o->seq);
    s3_tx_put(c->tx, s3_row_str(&row), value);
    if (o->flags & S3_OBJ_NULL_VERSION)
        put_null_number(c, o->seq);
}

void s3_change_del_older(struct s3_change *c, const struct s3_object *o)
{
    struct s3_row_key row;
    s3_row_numbered(&row, S3_ROW_VERSION, c->bid, c->key, o->seq);
    s3_tx_del(c->tx, s3_row_str(&row));
    if (o->flags & S3_OBJ_NULL_VERSION)
        del_null_number(c);
}

int s3_change_newest_older(struct s3_change *c, struct str *ret)
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

/* --- what a new version does to the ones before --- */

int s3_change_drop_content(struct s3_change *c, const struct s3_stored *v)
{
    s3_usage_add(c->tx, c->bid, -1, -(int64_t)v->o.size);
    if (v->split) {
        s3_trash_add(c->tx, S3_TRASH_DETAIL, v->o.seq);
        return 0;
    }
    return s3_refs_drop(c->tx, v->o.extents, v->o.nextents);
}

static int replace_null_among_older(struct s3_change *c)
{
    uint64_t seq;
    int r = s3_change_null_number(c, &seq);
    if (r < 0 || seq == 0)
        return r;
    struct s3_row_key row;
    s3_row_numbered(&row, S3_ROW_VERSION, c->bid, c->key, seq);
    struct s3_stored old;
    r = s3_change_load(c, &row, &old);
    if (r == 0 && !old.there)
        r = -EBADMSG;
    if (r == 0)
        r = s3_lock_check(old.o.lock, s3_tx_now(c->tx), false);
    if (r == 0)
        r = s3_change_drop_content(c, &old);
    if (r == 0)
        s3_change_del_older(c, &old.o);
    buf_free(&old.value);
    return r;
}

int s3_change_make_way(struct s3_change *c)
{
    struct s3_stored *cur = &c->current;
    bool replaces =
        c->versioning != S3_VERSIONING_ENABLED; /* a null version replaces the null version */
    if (cur->there && replaces && cur->o.flags & S3_OBJ_NULL_VERSION) {
        int r = s3_lock_check(cur->o.lock, s3_tx_now(c->tx), false);
        return r < 0 ? r : s3_change_drop_content(c, cur);
    }
    if (cur->there)
        s3_change_put_older(c, &cur->o, buf_str(&cur->value));
    return replaces && c->versioning == S3_VERSIONING_SUSPENDED ? replace_null_among_older(c) : 0;
}

int s3_change_write_new(struct s3_change *c, const struct s3_object *o)
{
    AUTO(buf_free) struct buf head = BUF(S3_INDEX_VALUE_MAX), detail = BUF(S3_INDEX_VALUE_MAX);
    s3_object_encode_split(o, &head, &detail);
    int r = buf_err(&head) < 0 ? buf_err(&head) : buf_err(&detail);
    if (r < 0)
        return r;
    s3_change_put_current(c, buf_str(&head));
    s3_usage_add(c->tx, c->bid, 1, (int64_t)o->size);
    if (detail.n > 0)
        s3_change_put_detail(c, o->seq, buf_str(&detail));
    return 0;
}

/* --- was it described so? --- */

static uint32_t flags_of_new(const struct s3_change *c)
{
    return c->versioning == S3_VERSIONING_ENABLED ? 0 : S3_OBJ_NULL_VERSION;
}

/* The highest number a version of the key has, 0: none. */
static int newest_number(struct s3_change *c, uint64_t *ret)
{
    *ret = c->current.there ? c->current.o.seq : 0;
    if (c->current.there || c->versioning == S3_VERSIONING_NEVER)
        return 0;
    struct str value;
    struct s3_object o = {0};
    bool split;
    int r = s3_change_newest_older(c, &value);
    if (r == 0 && value.p)
        r = s3_object_decode_head(value, &c->arena, &o, &split);
    *ret = o.seq;
    return r;
}

void s3_change_note_removed(struct s3_change *c, const struct s3_object *o)
{
    if (o->flags & S3_OBJ_NULL_VERSION)
        c->tx->x->removed = MAX(c->tx->x->removed, o->seq);
}

bool s3_change_is_late(const struct s3_change *c, const struct s3_object *o, uint64_t newest)
{
    bool null = o->flags & S3_OBJ_NULL_VERSION;
    return o->seq <= newest || (null && o->seq <= c->tx->x->removed);
}

int s3_change_as_described(struct s3_change *c, struct s3_object *o)
{
    ASSERT(o->seq > 0);
    uint64_t newest;
    int r = newest_number(c, &newest);
    if (r < 0)
        return r;
    uint32_t flags = (o->flags & (S3_OBJ_DELETE_MARKER | S3_OBJ_ADOPTED)) | flags_of_new(c);
    int64_t mtime = c->current.there ? MAX(o->mtime_ms, c->current.o.mtime_ms) : o->mtime_ms;
    bool same = flags == o->flags && mtime == o->mtime_ms && !s3_change_is_late(c, o, newest);
    o->flags = same ? flags : flags | S3_OBJ_UNSAID;
    o->mtime_ms = mtime;
    return same ? 0 : -ERESTART;
}

bool s3_same_sections(const struct s3_object *a, const struct s3_object *b)
{
    return str_eq(a->tags, b->tags) && str_eq(a->acl, b->acl) && str_eq(a->lock, b->lock) &&
           str_eq(a->sse, b->sse);
}
