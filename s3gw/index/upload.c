/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/upload.h"

#include <stdio.h>
#include <sys/random.h>

#include "s3gw/index/bucket.h"
#include "s3gw/index/object_read.h"
#include "s3gw/index/record.h"
#include "s3gw/index/refs.h"
#include "s3gw/index/rows.h"
#include "s3gw/index/trash.h"
#include "s3gw/index/upload_record.h"

enum {
    ARENA_MAX = 64 * 1024 * 1024,
    FORGET_LOOK_AT = 1000,
    PARTS_A_PAGE = 1000,
    PIECES_A_PAGE = 50000, /* extents of listed parts: some 5 MB */
};

/* --- ids --- */

void s3_upload_id_format(const struct s3_upload *u, char out[33])
{
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)u->useq, (unsigned long long)u->check);
}

int s3_upload_id_parse(struct str id, uint64_t *ret_useq, uint64_t *ret_check)
{
    uint64_t useq, check;
    if (id.n != 32 || str_hex64(str_head(id, 16), &useq) < 0 ||
        str_hex64(str_from(id, 16), &check) < 0)
        return -EINVAL;
    *ret_useq = useq;
    *ret_check = check;
    return 0;
}

/* --- rows --- */

static void part_row(struct s3_row_key *k, uint64_t useq, uint32_t number)
{
    s3_row_number(k, S3_ROW_PART, useq);
    s3_row_u32(k, number);
}

static int part_number(struct str row, uint32_t *ret)
{
    struct rd r = rd_of(str_from(row, 1 + 8));
    *ret = rd_u32(&r);
    return r.bad || r.n > 0 ? -EBADMSG : 0;
}

/* The m row of an upload whose bucket is there. -ENODEV, -ENOENT. */
static int check_open(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq,
                      struct s3_row_key *row, struct buf *value)
{
    ASSERT(key.n > 0 && key.n <= S3_OBJECT_KEY_MAX);
    enum s3_versioning v;
    int r = s3_bucket_versioning_tx(tx, bid, &v);
    if (r < 0)
        return r;
    s3_row_numbered(row, S3_ROW_UPLOAD, bid, key, useq);
    return s3_tx_get(tx, s3_row_str(row), value);
}

int s3_upload_new_id(struct s3_index *x, struct s3_upload *u)
{
    if (getrandom(&u->check, sizeof(u->check), 0) != sizeof(u->check))
        return -EIO;
    u->useq = s3_index_number(x);
    return 0;
}

int s3_upload_create(struct s3_tx *tx, uint64_t bid, const struct s3_upload *u)
{
    ASSERT(u->useq > 0 && u->key.n > 0 && u->key.n <= S3_OBJECT_KEY_MAX);
    enum s3_versioning v;
    int r = s3_bucket_versioning_tx(tx, bid, &v);
    if (r < 0)
        return r;
    AUTO(buf_free) struct buf record = BUF(S3_INDEX_VALUE_MAX);
    s3_upload_encode(u, &record);
    if (buf_err(&record) < 0)
        return buf_err(&record);
    struct s3_row_key row;
    s3_row_numbered(&row, S3_ROW_UPLOAD, bid, u->key, u->useq);
    s3_tx_put(tx, s3_row_str(&row), buf_str(&record));
    return 0;
}

static int read_upload(struct s3_index *x, uint64_t bid, struct str key, uint64_t useq,
                       enum s3_read how, struct arena *a, struct s3_upload *ret)
{
    struct s3_row_key row;
    s3_row_numbered(&row, S3_ROW_UPLOAD, bid, key, useq);
    if (row.too_long)
        return -ENOENT;
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_index_get(x, s3_row_str(&row), how, &value);
    if (r < 0)
        return r;
    struct s3_upload u;
    struct str bytes = arena_str(a, buf_str(&value)), name = arena_str(a, key);
    if (!bytes.p || !name.p)
        return -ENOMEM;
    r = s3_upload_decode(bytes, a, &u);
    if (r < 0)
        return r;
    u.useq = useq;
    u.key = name;
    *ret = u;
    return 0;
}

int s3_upload_get(struct s3_index *x, uint64_t bid, struct str key, struct str upload_id,
                  enum s3_read how, struct arena *a, struct s3_upload *ret)
{
    uint64_t useq, check;
    struct s3_upload u;
    if (s3_upload_id_parse(upload_id, &useq, &check) < 0)
        return -ENOENT;
    int r = read_upload(x, bid, key, useq, how, a, &u);
    if (r < 0 || u.check != check)
        return r < 0 ? r : -ENOENT;
    *ret = u;
    return 0;
}

int s3_upload_by_number(struct s3_index *x, uint64_t bid, struct str key, uint64_t useq,
                        struct arena *a, struct s3_upload *ret)
{
    return read_upload(x, bid, key, useq, S3_READ_ANY, a, ret);
}

/* --- parts --- */

/* The extents of @p as they are to be stored: the caller's stay as they are, so a second run is
 * like the first. */
static int own_extents(struct s3_tx *tx, const struct s3_upart *p, bool share, struct arena *a,
                       struct s3_upart *stored)
{
    *stored = *p;
    stored->extents = arena_alloc(a, MAX(p->nextents, (size_t)1) * sizeof(*p->extents));
    if (!stored->extents)
        return -ENOMEM;
    int r = 0;
    for (size_t i = 0; r == 0 && i < p->nextents; i++) {
        struct s3_extent *e = &stored->extents[i];
        *e = p->extents[i];
        bool again = i > 0 && str_eq(e->file_id, e[-1].file_id);
        if (!again && share)
            r = s3_ref_share(tx, e->file_id, e->owner, p->seq);
        else if (!again)
            s3_ref_add(tx, e->file_id, p->seq);
        e->owner = p->seq;
    }
    return r;
}

/* The part of that row. 0; -ENOENT. Arena. */
static int get_part(struct s3_tx *tx, struct str row, struct arena *a, struct s3_upart *ret)
{
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_tx_get(tx, row, &value);
    if (r < 0)
        return r;
    struct str bytes = arena_str(a, buf_str(&value));
    return bytes.p ? s3_upart_decode(bytes, a, ret) : -ENOMEM;
}

/* The part that @p replaces, if any; -ERESTART when it is the later one. Arena. */
static int replaced_part(struct s3_tx *tx, struct str row, const struct s3_upart *p,
                         struct arena *a, struct s3_upart *ret)
{
    *ret = (struct s3_upart){0};
    int r = get_part(tx, row, a, ret);
    if (r == -ENOENT)
        return 0;
    return r < 0 || ret->seq < p->seq ? r : -ERESTART;
}

static int put_part(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq, bool share,
                    const struct s3_upart *p)
{
    ASSERT(p->seq > 0);
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX), record = BUF(S3_INDEX_VALUE_MAX);
    struct s3_row_key row;
    int r = check_open(tx, bid, key, useq, &row, &value);
    if (r < 0)
        return r;
    struct s3_upart stored, old;
    part_row(&row, useq, p->number);
    r = replaced_part(tx, s3_row_str(&row), p, &a, &old);
    if (r == 0)
        r = own_extents(tx, p, share, &a,
                        &stored); /* before the old part's go: they may be the same files */
    if (r == 0)
        r = s3_refs_drop(tx, old.extents, old.nextents);
    if (r < 0)
        return r;
    s3_upart_encode(&stored, &record);
    if (buf_err(&record) < 0)
        return buf_err(&record);
    s3_tx_put(tx, s3_row_str(&row), buf_str(&record));
    return 0;
}

int s3_upload_put_part(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq,
                       struct s3_upart *p)
{
    return put_part(tx, bid, key, useq, false, p);
}

int s3_upload_copy_part(struct s3_tx *tx, uint64_t src_bid, struct str src_key, uint64_t src_seq,
                        uint64_t bid, struct str key, uint64_t useq, struct s3_upart *p)
{
    int r = s3_object_still_there(tx, src_bid, src_key, src_seq);
    return r < 0 ? r : put_part(tx, bid, key, useq, true, p);
}

static bool same_extents(const struct s3_upart *p, const struct s3_extent *e)
{
    for (size_t i = 0; i < p->nextents; i++)
        if (p->extents[i].owner != e[i].owner || p->extents[i].offset != e[i].offset ||
            p->extents[i].length != e[i].length || !str_eq(p->extents[i].file_id, e[i].file_id))
            return false;
    return true;
}

/* Is the part of that row @was, still? 0; -ESTALE. */
static int check_part(struct s3_tx *tx, struct str row, const struct s3_upart *was, struct arena *a)
{
    struct s3_upart now;
    int r = get_part(tx, row, a, &now);
    if (r < 0)
        return r == -ENOENT ? -ESTALE : r;
    bool same =
        now.seq == was->seq && now.nextents == was->nextents && same_extents(&now, was->extents);
    return same ? 0 : -ESTALE;
}

int s3_upload_move_part(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq,
                        const struct s3_upart *was, const struct s3_extent *to)
{
    ASSERT(was->seq > 0);
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX), record = BUF(S3_INDEX_VALUE_MAX);
    struct s3_row_key row;
    int r = check_open(tx, bid, key, useq, &row, &value);
    if (r < 0)
        return r;
    part_row(&row, useq, was->number);
    r = check_part(tx, s3_row_str(&row), was, &a);
    if (r < 0)
        return r;
    struct s3_extent e = *to;
    struct s3_upart moved = *was;
    e.owner = was->seq;
    moved.extents = &e;
    moved.nextents = 1;
    s3_ref_add(tx, e.file_id, was->seq);
    r = s3_refs_drop(tx, was->extents, was->nextents);
    s3_upart_encode(&moved, &record);
    if (r == 0)
        r = buf_err(&record);
    if (r == 0)
        s3_tx_put(tx, s3_row_str(&row), buf_str(&record));
    return r;
}

struct part_list {
    struct s3_upart *p; /* arena */
    size_t n, cap;
};

static int list_add(struct part_list *l, struct arena *a, struct s3_iter *it)
{
    if (l->n == l->cap) {
        size_t cap = MAX(l->cap * 2, (size_t)16);
        struct s3_upart *p = arena_alloc(a, cap * sizeof(*p));
        if (!p)
            return -ENOMEM;
        if (l->n)
            memcpy(p, l->p, l->n * sizeof(*p));
        l->p = p;
        l->cap = cap;
    }
    struct str bytes = arena_str(a, s3_iter_value(it));
    struct s3_upart *p = &l->p[l->n];
    int r = bytes.p ? s3_upart_decode(bytes, a, p) : -ENOMEM;
    if (r == 0)
        r = part_number(s3_iter_key(it), &p->number);
    if (r == 0)
        l->n++;
    return r;
}

static int read_parts(struct s3_iter *it, size_t max, struct arena *a, struct s3_upart **ret,
                      size_t *ret_n, bool *more)
{
    struct part_list l = {0};
    size_t pieces = 0;
    int r = 0;
    for (; r == 0 && l.n < max && pieces < PIECES_A_PAGE && s3_iter_valid(it); s3_iter_next(it)) {
        r = list_add(&l, a, it);
        pieces += r == 0 ? l.p[l.n - 1].nextents : 0;
    }
    if (r == 0)
        r = s3_iter_err(it);
    if (r < 0)
        return r;
    *ret = l.p;
    *ret_n = l.n;
    *more = s3_iter_valid(it);
    return 0;
}

static void parts_range(uint64_t useq, uint32_t after, struct s3_row_key *from,
                        struct s3_row_key *until)
{
    s3_row_number(until, S3_ROW_PART, useq);
    s3_row_after_prefix(until);
    if (after == UINT32_MAX)
        *from = *until;
    else
        part_row(from, useq, after + 1);
}

int s3_upload_parts(struct s3_index *x, uint64_t useq, uint32_t after, size_t max, struct arena *a,
                    struct s3_upart **ret, size_t *ret_n, bool *more)
{
    struct s3_row_key from, until;
    parts_range(useq, after, &from, &until);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = s3_iter_new(x, s3_row_str(&from), s3_row_str(&until), &it);
    return r < 0 ? r : read_parts(it, max, a, ret, ret_n, more);
}

int s3_upload_each_part(struct s3_index *x, uint64_t useq,
                        int (*fn)(void *arg, const struct s3_upart *p), void *arg)
{
    uint32_t after = 0;
    int r = 0;
    for (bool more = true; r == 0 && more;) {
        AUTO(arena_fini) struct arena a;
        struct s3_upart *p;
        size_t n = 0;
        arena_init(&a, ARENA_MAX);
        r = s3_upload_parts(x, useq, after, PARTS_A_PAGE, &a, &p, &n, &more);
        for (size_t i = 0; r == 0 && i < n; i++) {
            after = p[i].number;
            r = fn(arg, &p[i]);
        }
    }
    return r;
}

/* --- complete --- */

/* The record of a part that is listed as @i: it must be what @o is made of, from its extent *at on. */
static int check_listed(struct str record, const struct s3_object *o, size_t i, size_t *at)
{
    AUTO(arena_fini) struct arena a;
    struct s3_upart p;
    arena_init(&a, ARENA_MAX);
    int r = s3_upart_decode(record, &a, &p);
    if (r < 0)
        return r;
    if (p.nextents > o->nextents - *at || !same_extents(&p, o->extents + *at) ||
        o->parts[i].size != p.size)
        return -EAGAIN;
    *at += p.nextents;
    return 0;
}

/* The listed parts go. Others, which may be many and of many files: later, in slices. */
static int take_parts(struct s3_tx *tx, uint64_t useq, const uint32_t *numbers, size_t n,
                      const struct s3_object *o)
{
    struct s3_row_key from, until;
    parts_range(useq, 0, &from, &until);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    size_t listed = 0, at = 0;
    bool others = false;
    int r = s3_tx_iter(tx, s3_row_str(&from), s3_row_str(&until), &it);
    while (r == 0 && s3_iter_valid(it)) {
        struct s3_row_key row = {0};
        uint32_t number;
        s3_row_bytes(&row, s3_iter_key(it));
        r = part_number(s3_row_str(&row), &number);
        bool is_listed = r == 0 && listed < n && numbers[listed] == number;
        if (is_listed)
            r = check_listed(s3_iter_value(it), o, listed++, &at);
        s3_iter_next(it); /* away from the row before it is deleted */
        if (is_listed)
            s3_tx_del(tx, s3_row_str(&row));
        others = others || !is_listed;
    }
    if (r == 0)
        r = s3_iter_err(it);
    if (r == 0 && (listed != n || at != o->nextents))
        return -EAGAIN;
    if (r == 0 && others)
        s3_trash_add(tx, S3_TRASH_UPLOAD, useq);
    return r;
}

static int put_finished(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_upload *u,
                        uint64_t useq, uint64_t seq)
{
    struct s3_finished f = {
        .bid = bid, .key = key, .seq = seq, .check = u->check, .time_ms = s3_tx_now(tx)};
    AUTO(buf_free) struct buf record = BUF(4096);
    s3_finished_encode(&f, &record);
    if (buf_err(&record) < 0)
        return buf_err(&record);
    struct s3_row_key row;
    s3_row_number(&row, S3_ROW_FINISHED, useq);
    s3_tx_put(tx, s3_row_str(&row), buf_str(&record));
    return 0;
}

int s3_upload_complete(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq,
                       const uint32_t *numbers, size_t n, const struct s3_cond *cond,
                       struct s3_object *o, bool *ret_gone)
{
    ASSERT(n > 0 && o->nparts == n);
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    struct s3_row_key row;
    struct s3_upload u;
    *ret_gone = false;
    int r = check_open(tx, bid, key, useq, &row, &value);
    if (r == -ENOENT)
        *ret_gone = true;
    if (r == 0)
        r = s3_upload_decode(buf_str(&value), &a, &u);
    if (r == 0)
        r = s3_object_put(tx, bid, key, cond, o);
    if (r == 0)
        r = take_parts(tx, useq, numbers, n, o);
    if (r == 0)
        r = put_finished(tx, bid, key, &u, useq, o->seq);
    if (r == 0)
        s3_tx_del(tx, s3_row_str(&row));
    return r;
}

int s3_upload_abort(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq)
{
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    struct s3_row_key row;
    int r = check_open(tx, bid, key, useq, &row, &value);
    if (r < 0)
        return r;
    s3_tx_del(tx, s3_row_str(&row));
    s3_trash_add(tx, S3_TRASH_UPLOAD, useq); /* thousands of parts: later, in slices */
    return 0;
}

/* --- finished uploads --- */

int s3_upload_finished(struct s3_index *x, uint64_t bid, struct str key, struct str upload_id,
                       struct arena *a, struct s3_object *ret)
{
    uint64_t useq, check;
    if (s3_upload_id_parse(upload_id, &useq, &check) < 0)
        return -ENOENT;
    struct s3_row_key row;
    s3_row_number(&row, S3_ROW_FINISHED, useq);
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    struct s3_finished f;
    int r = s3_index_get(x, s3_row_str(&row), S3_READ_ANY, &value);
    if (r == 0)
        r = s3_finished_decode(buf_str(&value), &f);
    if (r < 0)
        return r;
    if (f.check != check || f.bid != bid || !str_eq(f.key, key))
        return -ENOENT;
    struct s3_object o;
    r = s3_object_get(x, bid, key, S3_READ_ANY, false, a, &o);
    if (r < 0)
        return r;
    if (o.seq != f.seq)
        return -ENOENT;
    *ret = o;
    return 0;
}

/* Rows lie in the order of the uploads' start, not of their end: look at more than are forgotten.
 */
int s3_upload_forget_finished(struct s3_tx *tx, int64_t before_ms, size_t max)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    struct s3_row_key from, until;
    s3_row_start(&from, S3_ROW_FINISHED);
    s3_row_start(&until, S3_ROW_FINISHED + 1);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = s3_tx_iter(tx, s3_row_str(&from), s3_row_str(&until), &it);
    size_t gone = 0;
    for (size_t i = 0; r == 0 && gone < max && i < max + FORGET_LOOK_AT && s3_iter_valid(it); i++) {
        struct s3_finished f;
        r = s3_finished_decode(s3_iter_value(it), &f);
        bool old = r == 0 && f.time_ms < before_ms;
        struct str row = old ? arena_str(&a, s3_iter_key(it)) : STR_NULL;
        s3_iter_next(it); /* away from the row before it is deleted */
        if (old && !row.p)
            return -ENOMEM;
        if (old) {
            s3_tx_del(tx, row);
            gone++;
        }
    }
    return r < 0 ? r : s3_iter_err(it);
}
