/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that go: the current one, or a delete marker above it; one version for good. */
#include "s3gw/index/lock.h"
#include "s3gw/index/object_change.h"
#include "s3gw/index/record.h"
#include "s3gw/index/usage.h"

static int put_marker(struct s3_change *c, const struct s3_object *m, struct s3_deleted *ret)
{
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    s3_object_encode(m, &value);
    int r = buf_err(&value) < 0 ? buf_err(&value) : s3_change_make_way(c);
    if (r < 0)
        return r;
    s3_change_put_older(c, m, buf_str(&value));
    s3_usage_add(c->tx, c->bid, 1, 0);
    ret->marker = true;
    ret->null_version = m->flags & S3_OBJ_NULL_VERSION;
    ret->seq = m->seq;
    return 0;
}

/* What deleting the current object means now; -ERESTART: not what @o says, which is it then. */
static int deletion_as_described(struct s3_change *c, struct s3_object *o)
{
    if (c->versioning != S3_VERSIONING_NEVER) {
        if (!(o->flags & S3_OBJ_DELETE_MARKER)) {
            o->flags = S3_OBJ_DELETE_MARKER | S3_OBJ_UNSAID;
            o->seq = MAX(o->seq, (uint64_t)1); /* any: it gets a new one */
        }
        return s3_change_as_described(c, o);
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
    AUTO(s3_change_fini) struct s3_change c;
    int r = s3_change_init(&c, tx, bid, key);
    if (r == 0)
        r = s3_change_judge(cond, &c.current);
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
        s3_change_note_removed(&c, &c.current.o);
        r = s3_change_make_way(&c);
    }
    if (r == 0 && ret->had)
        s3_change_del_current(&c);
    return r;
}

/* --- delete one version --- */

/* There is no o row any more: the newest of the v rows becomes it, unless it is a marker. */
static int promote(struct s3_change *c)
{
    struct str value;
    int r = s3_change_newest_older(c, &value);
    if (r < 0 || !value.p)
        return r;
    struct s3_object o;
    bool split;
    r = s3_object_decode_head(value, &c->arena, &o, &split);
    if (r < 0 || o.flags & S3_OBJ_DELETE_MARKER)
        return r;
    s3_change_del_older(c, &o);
    s3_change_put_current(c, value);
    return 0;
}

static int remove_version(struct s3_change *c, const struct s3_stored *v, bool bypass,
                          struct s3_deleted *ret)
{
    int r = s3_lock_check(v->o.lock, s3_tx_now(c->tx), bypass);
    if (r == 0)
        r = s3_change_drop_content(c, v);
    if (r < 0)
        return r;
    ret->had = true;
    ret->marker = v->o.flags & S3_OBJ_DELETE_MARKER;
    ret->null_version = v->o.flags & S3_OBJ_NULL_VERSION;
    ret->seq = v->o.seq;
    s3_change_note_removed(c, &v->o);
    return 0;
}

static bool is_named(const struct s3_object *o, const struct s3_version *v)
{
    bool null = o->flags & S3_OBJ_NULL_VERSION;
    return v->null ? null && (v->seq == 0 || o->seq == v->seq) : !null && o->seq == v->seq;
}

static int remove_older(struct s3_change *c, const struct s3_version *v, bool bypass,
                        struct s3_deleted *ret)
{
    uint64_t seq = v->seq;
    int r = v->null ? s3_change_null_number(c, &seq) : 0;
    if (r < 0 || seq == 0)
        return r;
    struct s3_row_key row;
    s3_row_numbered(&row, S3_ROW_VERSION, c->bid, c->key, seq);
    struct s3_stored old;
    r = s3_change_load(c, &row, &old);
    if (r == 0 && old.there && is_named(&old.o, v)) {
        r = remove_version(c, &old, bypass, ret);
        if (r == 0)
            s3_change_del_older(c, &old.o);
    }
    buf_free(&old.value);
    return r;
}

int s3_object_delete_version(struct s3_tx *tx, uint64_t bid, struct str key,
                             const struct s3_version *v, bool bypass_governance,
                             struct s3_deleted *ret)
{
    *ret = (struct s3_deleted){0};
    AUTO(s3_change_fini) struct s3_change c;
    int r = s3_change_init(&c, tx, bid, key);
    if (r < 0)
        return r;
    bool current = c.current.there && is_named(&c.current.o, v);
    if (current) {
        r = remove_version(&c, &c.current, bypass_governance, ret);
        if (r == 0)
            s3_change_del_current(&c);
    } else {
        r = remove_older(&c, v, bypass_governance, ret);
    }
    if (r == 0 && ret->had && (current || !c.current.there))
        r = promote(&c);
    return r;
}
