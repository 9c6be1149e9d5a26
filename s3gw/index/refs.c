/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nearly every file has one owner in all its life. Its row is empty, and dropping it needs no look
 * at the rows around it. Who adds a second owner marks the rows that are there: whoever drops a
 * marked row looks for others.
 */
#include "s3gw/index/refs.h"

#include "s3gw/index/refs_internal.h"
#include "s3gw/index/rows.h"
#include "s3gw/index/trash.h"

#define SOLE   STR("")
#define SHARED STR("\x01")

enum { GARBAGE_HEAD = 1 + 8 + 8 };

static void file_prefix(struct s3_row_key *k, struct str file_id)
{
    s3_row_start(k, S3_ROW_FILE);
    s3_row_bytes(k, file_id);
    s3_row_u8(k, 0);
}

static void owner_row(struct s3_row_key *k, struct str file_id, uint64_t owner)
{
    file_prefix(k, file_id);
    s3_row_u64(k, owner);
}

static void put_owner(struct s3_tx *tx, struct str file_id, uint64_t owner, struct str mark)
{
    struct s3_row_key k;
    owner_row(&k, file_id, owner);
    s3_tx_put(tx, s3_row_str(&k), mark);
}

static int mark_all(struct s3_tx *tx, struct str file_id)
{
    struct s3_row_key from, until;
    file_prefix(&from, file_id);
    until = from;
    s3_row_after_prefix(&until);
    for (;;) { /* an iterator does not see what is put while it lives: one row at a time */
        AUTO(s3_iter_free) struct s3_iter *it = NULL;
        int r = s3_tx_iter(tx, s3_row_str(&from), s3_row_str(&until), &it);
        if (r < 0)
            return r;
        while (s3_iter_valid(it) && s3_iter_value(it).n > 0)
            s3_iter_next(it);
        if (!s3_iter_valid(it))
            return s3_iter_err(it);
        from.n = 0;
        s3_row_bytes(&from, s3_iter_key(it));
        s3_tx_put(tx, s3_row_str(&from), SHARED);
    }
}

/* -EAGAIN: there are none; the file has been left (s3_object_move) since it was read about. */
static int mark_others(struct s3_tx *tx, struct str file_id)
{
    int r = s3_ref_used_tx(tx, file_id);
    return r < 0 ? r : r == 0 ? -EAGAIN : mark_all(tx, file_id);
}

void s3_ref_add(struct s3_tx *tx, struct str file_id, uint64_t owner)
{
    put_owner(tx, file_id, owner, SOLE);
}

int s3_ref_share(struct s3_tx *tx, struct str file_id, uint64_t from, uint64_t owner)
{
    struct s3_row_key k;
    owner_row(&k, file_id, from);
    AUTO(buf_free) struct buf mark = BUF(64);
    int r = s3_tx_get(tx, s3_row_str(&k), &mark);
    if (r == 0 && mark.n == 0)
        s3_tx_put(tx, s3_row_str(&k), SHARED);
    else if (r == -ENOENT)
        r = mark_others(tx, file_id);
    if (r == 0)
        put_owner(tx, file_id, owner, SHARED);
    return r;
}

int s3_ref_restore(struct s3_tx *tx, struct str file_id, uint64_t owner)
{
    int r = s3_ref_used_tx(tx, file_id);
    if (r == 0)
        s3_ref_add(tx, file_id, owner);
    else if (r == 1)
        r = s3_ref_share(tx, file_id, owner, owner); /* whoever has it */
    return r;
}

void s3_ref_keep(struct s3_tx *tx, struct str file_id)
{
    put_owner(tx, file_id, 0, SHARED);
}

void s3_ref_add_kept(struct s3_tx *tx, struct str file_id, uint64_t owner)
{
    s3_ref_keep(tx, file_id);
    put_owner(tx, file_id, owner, SHARED);
}

int s3_ref_kept(struct s3_index *x, struct str file_id)
{
    struct s3_row_key k;
    AUTO(buf_free) struct buf mark = BUF(64);
    owner_row(&k, file_id, 0);
    int r = s3_index_get(x, s3_row_str(&k), S3_READ_ANY, &mark);
    return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

static int used(struct s3_iter *it)
{
    int r = s3_iter_valid(it) ? 1 : s3_iter_err(it);
    s3_iter_free(&it);
    return r;
}

int s3_ref_used_tx(struct s3_tx *tx, struct str file_id)
{
    struct s3_row_key from, until;
    file_prefix(&from, file_id);
    until = from;
    s3_row_after_prefix(&until);
    struct s3_iter *it;
    int r = s3_tx_iter(tx, s3_row_str(&from), s3_row_str(&until), &it);
    return r < 0 ? r : used(it);
}

int s3_ref_used(struct s3_index *x, struct str file_id)
{
    struct s3_row_key from, until;
    file_prefix(&from, file_id);
    until = from;
    s3_row_after_prefix(&until);
    struct s3_iter *it;
    int r = s3_iter_new(x, s3_row_str(&from), s3_row_str(&until), &it);
    return r < 0 ? r : used(it);
}

static void queue(struct s3_tx *tx, struct str file_id, uint64_t owner, int64_t time_ms)
{
    struct s3_row_key k;
    s3_row_number(&k, S3_ROW_GARBAGE, (uint64_t)time_ms);
    s3_row_u64(&k, owner);
    s3_row_bytes(&k, file_id);
    s3_tx_put(tx, s3_row_str(&k), STR(""));
}

static int drop_at(struct s3_tx *tx, struct str file_id, uint64_t owner, int64_t time_ms)
{
    struct s3_row_key k;
    owner_row(&k, file_id, owner);
    AUTO(buf_free) struct buf mark = BUF(64);
    int r = s3_tx_get(tx, s3_row_str(&k), &mark);
    if (r == -ENOENT) /* a manifest may name a file many times, the owner is one */
        return 0;
    if (r < 0)
        return r;
    s3_tx_del(tx, s3_row_str(&k));
    r = mark.n > 0 ? s3_ref_used_tx(tx, file_id) : 0;
    if (r == 0)
        queue(tx, file_id, owner, time_ms);
    return MIN(r, 0);
}

int s3_refs_drop_at(struct s3_tx *tx, const struct s3_extent *e, size_t n, int64_t time_ms)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = drop_at(tx, e[i].file_id, e[i].owner, time_ms);
    return r;
}

int s3_refs_drop(struct s3_tx *tx, const struct s3_extent *e, size_t n)
{
    return s3_refs_drop_at(tx, e, n, s3_tx_now(tx));
}

int s3_ref_orphan(struct s3_tx *tx, struct str file_id, int64_t delay_ms)
{
    int r = s3_ref_used_tx(tx, file_id);
    if (r == 0)
        queue(tx, file_id, 0, s3_tx_now(tx) + delay_ms);
    return MIN(r, 0);
}

static int read_garbage(struct s3_iter *it, struct arena *a, struct s3_garbage *ret)
{
    struct str row = s3_iter_key(it);
    if (row.n <= GARBAGE_HEAD)
        return -EBADMSG;
    ret->row = arena_str(a, row);
    if (!ret->row.p)
        return -ENOMEM;
    ret->file_id = str_from(ret->row, GARBAGE_HEAD);
    return 0;
}

int s3_garbage_list(struct s3_index *x, struct str after, int64_t before_ms, size_t max,
                    struct arena *a, struct s3_garbage **ret, size_t *ret_n)
{
    int r = s3_trash_empty(x);
    if (r < 0)
        return r;
    struct s3_garbage *g = arena_alloc(a, MAX(max, (size_t)1) * sizeof(*g));
    if (!g)
        return -ENOMEM;
    struct s3_row_key from, until;
    s3_row_start(&from, S3_ROW_GARBAGE);
    s3_row_number(&until, S3_ROW_GARBAGE, before_ms < 0 ? 0 : (uint64_t)before_ms + 1);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    r = s3_iter_new(x, after.n > 0 ? after : s3_row_str(&from), s3_row_str(&until), &it);
    size_t n = 0;
    if (r == 0 && after.n > 0 && s3_iter_valid(it) && str_eq(s3_iter_key(it), after))
        s3_iter_next(it);
    for (; r == 0 && n < max && s3_iter_valid(it); s3_iter_next(it))
        r = read_garbage(it, a, &g[n++]);
    if (r == 0)
        r = s3_iter_err(it);
    if (r < 0)
        return r;
    *ret = g;
    *ret_n = n;
    return 0;
}

void s3_garbage_forget(struct s3_tx *tx, struct str row)
{
    ASSERT(row.n > GARBAGE_HEAD && row.p[0] == S3_ROW_GARBAGE);
    s3_tx_del(tx, row);
}

/* --- places in the storages' logs --- */

static void position_row(struct s3_row_key *k, char what, struct str group, unsigned path)
{
    s3_row_name(k, what, group);
    s3_row_u8(k, 0);
    s3_row_u32(k, path);
}

static int get_position(struct s3_index *x, char what, struct str group, unsigned path,
                        uint64_t *ret)
{
    struct s3_row_key k;
    position_row(&k, what, group, path);
    AUTO(buf_free) struct buf v = BUF(64);
    int r = s3_index_get(x, s3_row_str(&k), S3_READ_ANY, &v);
    if (r < 0)
        return r;
    struct rd rd = rd_of(buf_str(&v));
    uint64_t position = rd_u64(&rd);
    if (rd.bad || rd.n > 0)
        return -EBADMSG;
    *ret = position;
    return 0;
}

static void put_position(struct s3_tx *tx, char what, struct str group, unsigned path,
                         uint64_t position)
{
    struct s3_row_key k, v; /* a number as a row has it */
    position_row(&k, what, group, path);
    v = (struct s3_row_key){0};
    s3_row_u64(&v, position);
    s3_tx_put(tx, s3_row_str(&k), s3_row_str(&v));
}

int s3_scan_position_get(struct s3_index *x, struct str group, unsigned path, uint64_t *ret)
{
    return get_position(x, S3_ROW_SCAN, group, path, ret);
}

void s3_scan_position_put(struct s3_tx *tx, struct str group, unsigned path, uint64_t position)
{
    put_position(tx, S3_ROW_SCAN, group, path, position);
}

int s3_settled_position_get(struct s3_index *x, struct str group, unsigned path, uint64_t *ret)
{
    return get_position(x, S3_ROW_SETTLED, group, path, ret);
}

void s3_settled_position_put(struct s3_tx *tx, struct str group, unsigned path, uint64_t position)
{
    put_position(tx, S3_ROW_SETTLED, group, path, position);
}
