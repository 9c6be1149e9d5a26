/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/restore.h"

#include "s3gw/index/record.h"
#include "s3gw/index/refs.h"
#include "s3gw/index/rows.h"
#include "s3gw/index/upload_record.h"
#include "s3gw/index/usage.h"

int s3_restore_has_bucket(struct s3_tx *tx, uint64_t bid)
{
    enum s3_versioning v;
    int r = s3_bucket_versioning_tx(tx, bid, &v);
    return r == 0 ? 1 : r == -ENODEV ? 0 : r;
}

int s3_restore_bucket(struct s3_tx *tx, const struct s3_bucket *b)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 4 * S3_INDEX_VALUE_MAX);
    struct s3_bucket existing;
    int r = s3_bucket_create(tx, b, &a, &existing);
    return r == -EEXIST && existing.bid == b->bid ? s3_bucket_update(tx, b) : r;
}

static int own_files(struct s3_tx *tx, struct s3_extent *e, size_t n, uint64_t owner)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        bool again = i > 0 && str_eq(e[i].file_id, e[i - 1].file_id);
        e[i].owner = owner;
        if (!again)
            r = s3_ref_restore(tx, e[i].file_id, owner);
    }
    return r;
}

static int put_row(struct s3_tx *tx, const struct s3_row_key *row, const struct buf *value)
{
    if (row->too_long)
        return -EBADMSG;
    if (buf_err(value) < 0)
        return buf_err(value);
    s3_tx_put(tx, s3_row_str(row), buf_str(value));
    return 0;
}

int s3_restore_version(struct s3_tx *tx, uint64_t bid, struct str key, struct s3_object *o,
                       bool newest)
{
    AUTO(buf_free)
    struct buf head = BUF(S3_INDEX_VALUE_MAX), detail = BUF(S3_INDEX_VALUE_MAX), number = BUF(64);
    struct s3_row_key row;
    int r = own_files(tx, o->extents, o->nextents, o->seq);
    if (r < 0)
        return r;
    s3_object_encode_split(o, &head, &detail);
    s3_usage_add(tx, bid, 1, (int64_t)o->size);
    bool current = newest && !(o->flags & S3_OBJ_DELETE_MARKER);
    if (current)
        s3_row_object(&row, S3_ROW_OBJECT, bid, key);
    else
        s3_row_numbered(&row, S3_ROW_VERSION, bid, key, o->seq);
    r = put_row(tx, &row, &head);
    if (r == 0 && (detail.n > 0 || buf_err(&detail))) {
        s3_row_number(&row, S3_ROW_DETAIL, o->seq);
        r = put_row(tx, &row, &detail);
    }
    if (r == 0 && !current && o->flags & S3_OBJ_NULL_VERSION) {
        s3_row_object(&row, S3_ROW_NULL_VERSION, bid, key);
        buf_u64(&number, o->seq);
        r = put_row(tx, &row, &number);
    }
    return r;
}

int s3_restore_upload(struct s3_tx *tx, uint64_t bid, const struct s3_upload *u)
{
    AUTO(buf_free) struct buf record = BUF(S3_INDEX_VALUE_MAX);
    struct s3_row_key row;
    s3_upload_encode(u, &record);
    s3_row_numbered(&row, S3_ROW_UPLOAD, bid, u->key, u->useq);
    return put_row(tx, &row, &record);
}

int s3_restore_part(struct s3_tx *tx, uint64_t useq, struct s3_upart *p)
{
    AUTO(buf_free) struct buf record = BUF(S3_INDEX_VALUE_MAX);
    struct s3_row_key row;
    int r = own_files(tx, p->extents, p->nextents, p->seq);
    s3_upart_encode(p, &record);
    s3_row_number(&row, S3_ROW_PART, useq);
    s3_row_u32(&row, p->number);
    return r < 0 ? r : put_row(tx, &row, &record);
}
