/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/trash.h"

#include "s3gw/index/record.h"
#include "s3gw/index/refs_internal.h"
#include "s3gw/index/rows.h"
#include "s3gw/index/upload_record.h"

enum {
    SLICE_REFS = 500, /* what one update drops: a few milliseconds */
    SLICE_PARTS = 250,
    SLICE_PIECES = 5000, /* ... of parts, mostly of few files; each slice reads a part anew */
    SLICE_UPLOADS = 1000,
    ARENA_MAX = 64 * 1024 * 1024,
};

struct item { /* a t row */
    struct s3_row_key row;
    uint8_t kind;
    uint64_t number;
    int64_t time_ms;
    uint32_t at;
};

static void put_item(struct s3_tx *tx, const struct item *t)
{
    AUTO(buf_free) struct buf b = BUF(64);
    buf_u64(&b, (uint64_t)t->time_ms);
    buf_u32(&b, t->at);
    s3_tx_put(tx, s3_row_str(&t->row),
              buf_str(&b)); /* short of memory: reads as damaged, not as done */
}

static void item_named(struct item *t, enum s3_trash kind, uint64_t number, int64_t time_ms)
{
    *t = (struct item){.kind = (uint8_t)kind, .number = number, .time_ms = time_ms};
    s3_row_start(&t->row, S3_ROW_TRASH);
    s3_row_u8(&t->row, t->kind);
    s3_row_u64(&t->row, number);
}

void s3_trash_add(struct s3_tx *tx, enum s3_trash kind, uint64_t number)
{
    struct item t;
    item_named(&t, kind, number, s3_tx_now(tx));
    put_item(tx, &t);
}

static int read_item(struct s3_iter *it, struct item *t)
{
    struct rd key = rd_of(s3_iter_key(it)), value = rd_of(s3_iter_value(it));
    t->row.n = 0;
    t->row.too_long = false;
    s3_row_bytes(&t->row, s3_iter_key(it));
    rd_u8(&key);
    t->kind = rd_u8(&key);
    t->number = rd_u64(&key);
    t->time_ms = (int64_t)rd_u64(&value);
    t->at = rd_u32(&value);
    return key.bad || value.bad || key.n > 0 || value.n > 0 || t->time_ms < 0 ? -EBADMSG : 0;
}

/* --- a slice of each kind; *done when nothing is left --- */

static int slice_detail(struct s3_tx *tx, struct item *t, struct arena *a, bool *done)
{
    struct s3_row_key k;
    s3_row_number(&k, S3_ROW_DETAIL, t->number);
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_tx_get(tx, s3_row_str(&k), &value);
    if (r < 0) {
        *done = r == -ENOENT;
        return r == -ENOENT ? 0 : r;
    }
    struct s3_object o = {.seq = t->number};
    r = s3_object_decode_detail(buf_str(&value), a, &o);
    if (r < 0)
        return r;
    size_t from = MIN((size_t)t->at, o.nextents);
    size_t n = MIN((size_t)SLICE_REFS, o.nextents - from);
    r = s3_refs_drop_at(tx, o.extents + from, n, t->time_ms);
    t->at = (uint32_t)(from + n);
    *done = from + n == o.nextents;
    if (*done)
        s3_tx_del(tx, s3_row_str(&k));
    return r;
}

static int rows_of(struct s3_tx *tx, struct s3_row_key *from, struct s3_iter **it)
{
    struct s3_row_key until = *from;
    s3_row_after_prefix(&until);
    return s3_tx_iter(tx, s3_row_str(from), s3_row_str(&until), it);
}

/* Some of the references of a part from its extent t->at on; with the last of them its row goes. */
static int slice_part(struct s3_tx *tx, struct item *t, struct str row, size_t *refs)
{
    AUTO(arena_fini) struct arena a;
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    struct s3_upart p;
    arena_init(&a, ARENA_MAX);
    int r = s3_tx_get(tx, row, &value);
    if (r == 0)
        r = s3_upart_decode(buf_str(&value), &a, &p);
    if (r < 0)
        return r;
    size_t from = MIN((size_t)t->at, p.nextents), n = MIN(*refs, p.nextents - from);
    r = s3_refs_drop_at(tx, p.extents + from, n, t->time_ms);
    *refs -= n;
    bool all = from + n == p.nextents;
    t->at = all ? 0 : (uint32_t)(from + n);
    if (all)
        s3_tx_del(tx, row);
    return r;
}

static int slice_upload(struct s3_tx *tx, struct item *t, bool *done)
{
    struct s3_row_key from;
    s3_row_number(&from, S3_ROW_PART, t->number);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    size_t refs = SLICE_PIECES;
    int r = rows_of(tx, &from, &it);
    for (size_t i = 0; r == 0 && i < SLICE_PARTS && refs > 0 && s3_iter_valid(it); i++) {
        struct s3_row_key row = {0};
        s3_row_bytes(&row, s3_iter_key(it));
        s3_iter_next(it); /* away from the row before it is deleted */
        r = slice_part(tx, t, s3_row_str(&row), &refs);
    }
    *done = r == 0 && t->at == 0 && !s3_iter_valid(it);
    return r < 0 ? r : s3_iter_err(it);
}

static int slice_bucket(struct s3_tx *tx, struct item *t, struct arena *a, bool *done)
{
    struct s3_row_key from;
    s3_row_number(&from, S3_ROW_UPLOAD, t->number);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = rows_of(tx, &from, &it);
    for (size_t i = 0; r == 0 && i < SLICE_UPLOADS && s3_iter_valid(it); i++) {
        struct str key, row = arena_str(a, s3_iter_key(it));
        uint64_t useq;
        if (!row.p)
            return -ENOMEM;
        s3_iter_next(it);
        if (!s3_row_numbered_parse(row, &key, &useq))
            return -EBADMSG;
        struct item upload;
        item_named(&upload, S3_TRASH_UPLOAD, useq, t->time_ms);
        put_item(tx, &upload);
        s3_tx_del(tx, row);
    }
    *done = r == 0 && !s3_iter_valid(it);
    return r < 0 ? r : s3_iter_err(it);
}

static int slice(struct s3_tx *tx, struct item *t, bool *done)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    switch (t->kind) {
    case S3_TRASH_DETAIL:
        return slice_detail(tx, t, &a, done);
    case S3_TRASH_UPLOAD:
        return slice_upload(tx, t, done);
    case S3_TRASH_BUCKET:
        return slice_bucket(tx, t, &a, done);
    default:
        return -EBADMSG;
    }
}

/* One slice of the first item; *arg: there was one. */
static int empty_some(struct s3_tx *tx, void *arg)
{
    bool *found = arg;
    *found = false;
    s3_tx_frees(tx);
    struct s3_row_key from;
    s3_row_start(&from, S3_ROW_TRASH);
    struct s3_iter *it = NULL;
    int r = rows_of(tx, &from, &it);
    if (r < 0)
        return r;
    struct item t;
    if (s3_iter_valid(it)) {
        *found = true;
        r = read_item(it, &t);
    } else {
        r = s3_iter_err(it);
    }
    s3_iter_free(&it);
    if (r < 0 || !*found)
        return r;
    bool done = false;
    r = slice(tx, &t, &done);
    if (r == 0 && done)
        s3_tx_del(tx, s3_row_str(&t.row));
    else if (r == 0)
        put_item(tx, &t);
    return r;
}

static int any_trash(struct s3_index *x)
{
    struct s3_row_key from, until;
    s3_row_start(&from, S3_ROW_TRASH);
    until = from;
    s3_row_after_prefix(&until);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = s3_iter_new(x, s3_row_str(&from), s3_row_str(&until), &it);
    if (r < 0)
        return r;
    return s3_iter_valid(it) ? 1 : s3_iter_err(it);
}

int s3_trash_empty(struct s3_index *x)
{
    int r = any_trash(x);
    bool found = r == 1;
    while (r >= 0 && found)
        r = s3_index_update(x, empty_some, &found);
    return MIN(r, 0);
}
