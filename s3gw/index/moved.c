/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/moved.h"

#include "s3gw/index/refs.h"
#include "s3gw/index/rows.h"

enum { ID_MAX = 256, STEPS_MAX = 64 };

static void new_prefix(struct s3_row_key *k, struct str now)
{
    s3_row_name(k, S3_ROW_MOVED_FROM, now);
    s3_row_u8(k, 0);
}

bool s3_file_in_group(struct str file_id, struct str place)
{
    return str_starts(file_id, place) && file_id.n > place.n && file_id.p[place.n] == '/';
}

bool s3_lies_in(const struct s3_extent *e, size_t n, struct str place)
{
    for (size_t i = 0; i < n; i++)
        if (s3_file_in_group(e[i].file_id, place))
            return true;
    return false;
}

void s3_moved_put(struct s3_tx *tx, struct str old, struct str now)
{
    struct s3_row_key there, back;
    s3_row_name(&there, S3_ROW_MOVED, old);
    new_prefix(&back, now);
    s3_row_bytes(&back, old);
    s3_tx_put(tx, s3_row_str(&there), now);
    s3_tx_put(tx, s3_row_str(&back), STR(""));
}

int s3_moved_get(struct s3_index *x, struct str old, struct arena *a, struct str *ret)
{
    struct str at = old;
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        struct s3_row_key k;
        AUTO(buf_free) struct buf now = BUF(ID_MAX);
        s3_row_name(&k, S3_ROW_MOVED, at);
        int r = s3_index_get(x, s3_row_str(&k), S3_READ_ANY, &now);
        if (r == -ENOENT && i > 0) {
            *ret = at;
            return 0;
        }
        if (r < 0)
            return r;
        at = arena_str(a, buf_str(&now));
        if (!at.p)
            return -ENOMEM;
    }
    return -EBADMSG;
}

int s3_moved_any(struct s3_index *x)
{
    struct s3_row_key from, until;
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    s3_row_start(&from, S3_ROW_MOVED);
    until = from;
    s3_row_after_prefix(&until);
    int r = s3_iter_new(x, s3_row_str(&from), s3_row_str(&until), &it);
    if (r < 0)
        return r;
    return s3_iter_valid(it) ? 1 : s3_iter_err(it);
}

/* The first of those that became @now, in *ret; -ENOENT. */
static int first_old(struct s3_tx *tx, struct str now, struct s3_row_key *ret)
{
    struct s3_row_key from, until;
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    new_prefix(&from, now);
    until = from;
    s3_row_after_prefix(&until);
    int r = s3_tx_iter(tx, s3_row_str(&from), s3_row_str(&until), &it);
    if (r < 0)
        return r;
    if (!s3_iter_valid(it))
        return s3_iter_err(it) < 0 ? s3_iter_err(it) : -ENOENT;
    *ret = (struct s3_row_key){0};
    s3_row_bytes(ret, s3_iter_key(it));
    return 0;
}

int s3_moved_drop(struct s3_tx *tx, struct str now)
{
    struct s3_row_key back, there;
    int r;
    while ((r = first_old(tx, now, &back)) == 0) {
        struct str old = str_from(s3_row_str(&back), 1 + now.n + 1);
        s3_row_name(&there, S3_ROW_MOVED, old);
        r = s3_ref_orphan(tx, old, 0);
        if (r < 0)
            return r;
        s3_tx_del(tx, s3_row_str(&there));
        s3_tx_del(tx, s3_row_str(&back));
    }
    return r == -ENOENT ? 0 : r;
}

static void left_row(struct s3_row_key *k, struct str group)
{
    s3_row_start(k, S3_ROW_REBALANCE);
    s3_row_u8(k, 0);
    s3_row_bytes(k, group);
}

void s3_moved_out(struct s3_tx *tx, struct str group)
{
    struct s3_row_key row;
    left_row(&row, group);
    s3_tx_put(tx, s3_row_str(&row), STR(""));
}

int s3_moved_is_out(struct s3_index *x, struct str group)
{
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(64);
    left_row(&row, group);
    int r = s3_index_get(x, s3_row_str(&row), S3_READ_ANY, &v);
    return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}
