/* SPDX-License-Identifier: Apache-2.0 */
/* What changes of a version that stays: its sections, the files it lies in. */
#include "s3gw/index/object_change.h"
#include "s3gw/index/record.h"
#include "s3gw/index/refs.h"
#include "s3gw/index/trash.h"

/* The version with that number, wherever it is; *is_current tells. */
static int load_number(struct s3_change *c, uint64_t seq, struct s3_stored *ret, bool *is_current)
{
    *is_current = c->current.there && c->current.o.seq == seq;
    if (*is_current) {
        *ret = c->current;
        ret->value = BUF(S3_INDEX_VALUE_MAX); /* not needed again, and not ours */
        return 0;
    }
    struct s3_row_key row;
    s3_row_numbered(&row, S3_ROW_VERSION, c->bid, c->key, seq);
    int r = s3_change_load(c, &row, ret);
    if (r == 0 && !ret->there)
        r = c->current.there ? -EAGAIN : -ENOENT;
    return r;
}

static void put_row(struct s3_change *c, const struct s3_stored *v, bool is_current,
                    struct str head)
{
    if (is_current)
        s3_change_put_current(c, head);
    else
        s3_change_put_older(c, &v->o, head);
}

static int rewrite(struct s3_change *c, const struct s3_stored *v, bool is_current)
{
    AUTO(buf_free) struct buf head = BUF(S3_INDEX_VALUE_MAX);
    s3_object_encode_head(&v->o, v->split, &head);
    if (buf_err(&head) < 0)
        return buf_err(&head);
    put_row(c, v, is_current, buf_str(&head));
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
    case S3_SECTION_SSE:
        return &o->sse;
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
    AUTO(s3_change_fini) struct s3_change c;
    struct s3_stored v = {.value = BUF(S3_INDEX_VALUE_MAX)};
    bool is_current;
    int r = s3_change_init(&c, tx, bid, key);
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

static int load_detail(struct s3_change *c, struct s3_stored *v)
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
    AUTO(s3_change_fini) struct s3_change c;
    AUTO(buf_free) struct buf whole = BUF(S3_INDEX_VALUE_MAX);
    struct s3_stored v = {.value = BUF(S3_INDEX_VALUE_MAX)};
    bool is_current;
    int r = s3_change_init(&c, tx, bid, key);
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
static int drop_detail(struct s3_change *c, const struct s3_object *o)
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
    s3_change_put_detail(c, old.seq, buf_str(&detail));
    s3_trash_add(c->tx, S3_TRASH_DETAIL, old.seq);
    return 0;
}

static int rewrite_whole(struct s3_change *c, const struct s3_stored *v, bool is_current)
{
    AUTO(buf_free) struct buf head = BUF(S3_INDEX_VALUE_MAX), detail = BUF(S3_INDEX_VALUE_MAX);
    s3_object_encode_split(&v->o, &head, &detail);
    int r = buf_err(&head) < 0 ? buf_err(&head) : buf_err(&detail);
    if (r < 0)
        return r;
    put_row(c, v, is_current, buf_str(&head));
    if (detail.n > 0)
        s3_change_put_detail(c, v->o.seq, buf_str(&detail));
    else if (v->split)
        s3_change_del_detail(c, v->o.seq);
    return 0;
}

static int move(struct s3_change *c, struct s3_stored *v, bool is_current,
                const struct s3_object *o)
{
    int r = v->split ? load_detail(c, v) : 0;
    if (r == 0)
        r = v->split ? drop_detail(c, &v->o) : s3_refs_drop(c->tx, v->o.extents, v->o.nextents);
    struct s3_extent *e = arena_alloc(&c->arena, MAX(o->nextents, (size_t)1) * sizeof(*e));
    if (r == 0 && !e)
        r = -ENOMEM;
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < o->nextents; i++) {
        e[i] = o->extents[i];
        e[i].owner = v->o.seq;
        if (i == 0 || !str_eq(e[i].file_id, e[i - 1].file_id))
            r = s3_ref_restore(c->tx, e[i].file_id,
                               v->o.seq); /* a file that copies of it went to may be there */
    }
    if (r < 0)
        return r;
    v->o.flags &= ~(uint32_t)S3_OBJ_ADOPTED; /* it lies in files of ours now */
    v->o.extents = e;
    v->o.nextents = o->nextents;
    v->o.storage_class = o->storage_class;
    return rewrite_whole(c, v, is_current);
}

int s3_object_move(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t number, struct str was,
                   const struct s3_object *o)
{
    AUTO(s3_change_fini) struct s3_change c;
    struct s3_stored v = {.value = BUF(S3_INDEX_VALUE_MAX)};
    bool is_current;
    int r = s3_change_init(&c, tx, bid, key);
    if (r == 0)
        r = load_number(&c, o->seq, &v, &is_current);
    if (r == 0 &&
        !(str_eq(v.o.storage_class, was) && s3_same_sections(&v.o, o) && v.o.amended <= number))
        r = -EAGAIN;
    v.o.amended = number;
    if (r == 0)
        r = move(&c, &v, is_current, o);
    buf_free(&v.value);
    return r;
}
