/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/events.h"

#include "s3gw/index/rows.h"

enum { TARGETS_MAX = 1024 };

static void target_prefix(struct s3_row_key *k, struct str target)
{
    s3_row_name(k, S3_ROW_EVENT, target);
    s3_row_u8(k, 0);
}

void s3_event_put(struct s3_tx *tx, struct str target, struct str record)
{
    struct s3_row_key k;
    target_prefix(&k, target);
    s3_row_u64(&k, s3_tx_seq(tx));
    s3_tx_put(tx, s3_row_str(&k), record);
}

/* The row's parts; false when it is none of ours. */
static bool parse(struct str row, struct str *target, uint64_t *number)
{
    enum { TAIL = 1 + 8 };
    if (row.n < 1 + TAIL)
        return false;
    *target = str_of(row.p + 1, row.n - 1 - TAIL);
    struct rd in = rd_of(str_from(row, row.n - 8));
    *number = rd_u64(&in);
    return row.p[row.n - TAIL] == '\0';
}

int s3_event_list(struct s3_index *x, struct str target, size_t max, struct arena *a,
                  struct s3_event_row **ret, size_t *ret_n)
{
    struct s3_row_key from, until;
    target_prefix(&from, target);
    until = from;
    s3_row_after_prefix(&until);
    struct s3_event_row *rows = arena_alloc(a, MAX(max, (size_t)1) * sizeof(*rows));
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = rows ? s3_iter_new(x, s3_row_str(&from), s3_row_str(&until), &it) : -ENOMEM;
    size_t n = 0;
    for (; r == 0 && n < max && s3_iter_valid(it); s3_iter_next(it)) {
        struct str name;
        if (!parse(s3_iter_key(it), &name, &rows[n].number))
            return -EBADMSG;
        rows[n].record = arena_str(a, s3_iter_value(it));
        r = rows[n++].record.p ? 0 : -ENOMEM;
    }
    if (r == 0)
        r = s3_iter_err(it);
    if (r < 0)
        return r;
    *ret = rows;
    *ret_n = n;
    return 0;
}

void s3_event_forget(struct s3_tx *tx, struct str target, uint64_t number)
{
    struct s3_row_key k;
    target_prefix(&k, target);
    s3_row_u64(&k, number);
    s3_tx_del(tx, s3_row_str(&k));
}

int s3_event_targets(struct s3_index *x, struct arena *a, struct str **ret, size_t *ret_n,
                     uint64_t max, uint64_t *ret_rows)
{
    struct s3_row_key from, until;
    s3_row_start(&from, S3_ROW_EVENT);
    until = from;
    s3_row_after_prefix(&until);
    struct str *targets = arena_alloc(a, TARGETS_MAX * sizeof(*targets));
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = targets ? s3_iter_new(x, s3_row_str(&from), s3_row_str(&until), &it) : -ENOMEM;
    size_t n = 0;
    *ret_rows = 0;
    for (; r == 0 && *ret_rows < max && s3_iter_valid(it); s3_iter_next(it)) {
        struct str name;
        uint64_t number;
        if (!parse(s3_iter_key(it), &name, &number))
            return -EBADMSG;
        ++*ret_rows;
        if (n == TARGETS_MAX || (n > 0 && str_eq(targets[n - 1], name)))
            continue;
        targets[n] = arena_str(a, name);
        r = targets[n++].p ? 0 : -ENOMEM;
    }
    if (r == 0)
        r = s3_iter_err(it);
    *ret = targets;
    *ret_n = n;
    return r;
}
