/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/refs.h"

#include "dfscore/base/clock.h"
#include "s3gw/index/rows.h"

void s3_ref_add(struct s3_tx *tx, struct str file_id, uint64_t owner)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    s3_tx_put(tx, s3_row_ref(&k, file_id, owner), STR(""));
}

static int any_left(struct s3_iter *it)
{
    return s3_iter_valid(it) ? 1 : s3_iter_err(it);
}

static int used(struct s3_index *x, struct s3_tx *tx, struct str file_id)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf end = BUF(S3_ROW_KEY_MAX);
    struct str from = s3_row_refs(&k, file_id), until = s3_row_after(&end, from);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = buf_err(&k) ? buf_err(&k) : buf_err(&end);
    if (r == 0)
        r = tx ? s3_tx_iter(tx, from, until, &it) : s3_iter_new(x, from, until, &it);
    return r < 0 ? r : any_left(it);
}

int s3_ref_used(struct s3_index *x, struct str file_id)
{
    return used(x, NULL, file_id);
}

int s3_ref_used_tx(struct s3_tx *tx, struct str file_id)
{
    return used(NULL, tx, file_id);
}

int s3_ref_orphan(struct s3_tx *tx, struct str file_id)
{
    int r = s3_ref_used_tx(tx, file_id);
    if (r != 0)
        return MIN(r, 0);
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    s3_tx_put(tx, s3_row_garbage(&k, dfs_now_ms(), s3_tx_seq(tx), file_id), STR(""));
    return buf_err(&k);
}

int s3_ref_drop(struct s3_tx *tx, struct str file_id, uint64_t owner)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    s3_tx_del(tx, s3_row_ref(&k, file_id, owner));
    return s3_ref_orphan(tx, file_id);
}

int s3_refs_drop(struct s3_tx *tx, const struct s3_extent *e, size_t n)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = s3_ref_drop(tx, e[i].file_id, e[i].owner);
    return r;
}

int s3_garbage_list(struct s3_index *x, int64_t before_ms, size_t max, struct arena *a, struct s3_garbage **ret,
                    size_t *ret_n)
{
    AUTO(buf_free) struct buf until = BUF(S3_ROW_KEY_MAX);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    s3_row_prefix(&until, 'g', (uint64_t)MAX(before_ms, (int64_t)0) + 1);
    int r = buf_err(&until) ? buf_err(&until) : s3_iter_new(x, STR("g"), buf_str(&until), &it);
    if (r < 0)
        return r;
    struct s3_garbage *g = arena_alloc(a, (max + 1) * sizeof(*g));
    size_t n = 0;
    for (; g && n < max && s3_iter_valid(it); s3_iter_next(it), n++) {
        g[n].row = arena_str(a, s3_iter_key(it));
        if (!g[n].row.p)
            return -ENOMEM;
        g[n].file_id = str_from(g[n].row, 1 + 8 + 8);
    }
    if (!g)
        return -ENOMEM;
    *ret = g;
    *ret_n = n;
    return s3_iter_err(it);
}

void s3_garbage_forget(struct s3_tx *tx, struct str row)
{
    s3_tx_del(tx, row);
}

static struct str row_position(struct buf *k, struct str group, unsigned path)
{
    buf_reset(k);
    buf_addc(k, 's');
    buf_adds(k, group);
    buf_addc(k, '\0');
    buf_u32(k, path);
    return buf_str(k);
}

int s3_scan_position_get(struct s3_index *x, struct str group, unsigned path, uint64_t *ret)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(64);
    int r = s3_index_get(x, row_position(&k, group, path), S3_READ_ANY, &v);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&v));
    uint64_t position = rd_u64(&in);
    if (in.bad)
        return -EBADMSG;
    *ret = position;
    return 0;
}

void s3_scan_position_put(struct s3_tx *tx, struct str group, unsigned path, uint64_t position)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(64);
    buf_u64(&v, position);
    s3_tx_put(tx, row_position(&k, group, path), buf_str(&v));
}
