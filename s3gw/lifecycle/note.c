/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/note.h"

#include "dfscore/wire/internal.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/upload_record.h"

enum { DESCRIPTION_MAX = 2 * S3_INDEX_VALUE_MAX };

int s3_note_describe(const struct s3_gw *gw, enum s3_desc_kind kind, uint64_t number,
                     const struct s3_bucket *bkt, struct str key, struct str rest, struct buf *out)
{
    ASSERT(number > 0);
    s3_desc_encode(&(struct s3_desc){.kind = kind,
                                     .number = number,
                                     .committed = s3_index_committed(gw->index),
                                     .index = gw->index_id,
                                     .bid = bkt ? bkt->bid : 0,
                                     .bucket = bkt ? bkt->name : STR_NULL,
                                     .owner_id = bkt ? bkt->owner_id : STR_NULL,
                                     .key = key,
                                     .rest = rest},
                   out);
    return buf_err(out) < 0 ? buf_err(out) : out->n > DFS_DESC_MAX ? -E2BIG : 0;
}

int s3_note_describe_put(const struct s3_gw *gw, uint64_t number, const struct s3_bucket *bkt,
                         struct str key, const struct s3_object *o, uint64_t instead,
                         struct buf *out)
{
    AUTO(buf_free) struct buf rest = BUF(S3_INDEX_VALUE_MAX);
    buf_u64(&rest, instead);
    s3_object_encode(o, &rest);
    int r = buf_err(&rest);
    return r < 0 ? r : s3_note_describe(gw, S3_DESC_PUT, number, bkt, key, buf_str(&rest), out);
}

int s3_note_describe_move(const struct s3_gw *gw, uint64_t number, const struct s3_bucket *bkt,
                          struct str key, const struct s3_object *o, struct str old,
                          struct buf *out)
{
    if (!old.p)
        return s3_note_describe_put(gw, number, bkt, key, o, 0, out);
    AUTO(buf_free) struct buf rest = BUF(S3_INDEX_VALUE_MAX);
    buf_lstr(&rest, old);
    buf_u64(&rest, 0);
    s3_object_encode(o, &rest);
    int r = buf_err(&rest);
    return r < 0 ? r : s3_note_describe(gw, S3_DESC_MOVE, number, bkt, key, buf_str(&rest), out);
}

int s3_note_describe_change(const struct s3_gw *gw, enum s3_desc_kind kind,
                            const struct s3_bucket *bkt, struct str key,
                            const struct s3_desc_change *c, uint64_t *ret_number, struct buf *out)
{
    AUTO(buf_free) struct buf rest = BUF(S3_INDEX_VALUE_MAX);
    s3_desc_change_encode(kind, c, &rest);
    uint64_t number = s3_index_number(gw->index);
    if (ret_number)
        *ret_number = number;
    int r = buf_err(&rest);
    return r < 0 ? r : s3_note_describe(gw, kind, number, bkt, key, buf_str(&rest), out);
}

int s3_note_describe_part(const struct s3_gw *gw, const struct s3_bucket *bkt, struct str key,
                          uint64_t useq, struct s3_upart *p, struct buf *out)
{
    p->seq = s3_index_number(gw->index);
    return s3_note_describe_part_again(gw, bkt, key, useq, p, out);
}

int s3_note_describe_part_again(const struct s3_gw *gw, const struct s3_bucket *bkt, struct str key,
                                uint64_t useq, const struct s3_upart *p, struct buf *out)
{
    AUTO(buf_free) struct buf rest = BUF(S3_INDEX_VALUE_MAX);
    buf_u64(&rest, useq);
    buf_u32(&rest, p->number);
    s3_upart_encode(p, &rest);
    int r = buf_err(&rest);
    return r < 0 ? r : s3_note_describe(gw, S3_DESC_PART, p->seq, bkt, key, buf_str(&rest), out);
}

int s3_note_describe_upload(const struct s3_gw *gw, const struct s3_bucket *bkt,
                            const struct s3_upload *u, struct buf *out)
{
    AUTO(buf_free) struct buf rest = BUF(S3_INDEX_VALUE_MAX);
    buf_u64(&rest, u->useq);
    s3_upload_encode(u, &rest);
    int r = buf_err(&rest);
    return r < 0 ? r
                 : s3_note_describe(gw, S3_DESC_UPLOAD, s3_index_number(gw->index), bkt, u->key,
                                    buf_str(&rest), out);
}

int s3_note_describe_bucket(const struct s3_gw *gw, const struct s3_bucket *bkt, bool gone,
                            struct buf *out)
{
    AUTO(buf_free) struct buf record = BUF(S3_INDEX_VALUE_MAX);
    if (!gone)
        s3_bucket_encode(bkt, &record);
    int r = buf_err(&record);
    return r < 0
               ? r
               : s3_note_describe(gw, gone ? S3_DESC_UNBUCKET : S3_DESC_BUCKET,
                                  s3_index_number(gw->index), bkt, STR_NULL, buf_str(&record), out);
}

int s3_note_write(const struct s3_gw *gw, const struct s3_bucket *bkt, const struct buf *d)
{
    return s3_dfs_note(gw->dfs, bkt ? bkt->groups : gw->default_group, buf_str(d));
}

int s3_note_put(const struct s3_gw *gw, uint64_t number, const struct s3_bucket *bkt,
                struct str key, const struct s3_object *o, uint64_t instead)
{
    AUTO(buf_free) struct buf d = BUF(DESCRIPTION_MAX);
    int r = s3_note_describe_put(gw, number, bkt, key, o, instead, &d);
    return r < 0 ? r : s3_note_write(gw, bkt, &d);
}

int s3_note_change(const struct s3_gw *gw, enum s3_desc_kind kind, const struct s3_bucket *bkt,
                   struct str key, const struct s3_desc_change *c, uint64_t *ret_number)
{
    AUTO(buf_free) struct buf d = BUF(DESCRIPTION_MAX);
    int r = s3_note_describe_change(gw, kind, bkt, key, c, ret_number, &d);
    return r < 0 ? r : s3_note_write(gw, bkt, &d);
}

int s3_note_part(const struct s3_gw *gw, const struct s3_bucket *bkt, struct str key, uint64_t useq,
                 struct s3_upart *p)
{
    AUTO(buf_free) struct buf d = BUF(DESCRIPTION_MAX);
    int r = s3_note_describe_part(gw, bkt, key, useq, p, &d);
    return r < 0 ? r : s3_note_write(gw, bkt, &d);
}

int s3_note_upload(const struct s3_gw *gw, const struct s3_bucket *bkt, const struct s3_upload *u)
{
    AUTO(buf_free) struct buf d = BUF(DESCRIPTION_MAX);
    int r = s3_note_describe_upload(gw, bkt, u, &d);
    return r < 0 ? r : s3_note_write(gw, bkt, &d);
}

int s3_note_ended(const struct s3_gw *gw, const struct s3_bucket *bkt, struct str key,
                  uint64_t useq)
{
    struct s3_desc_change ended = {.version = useq};
    return s3_note_change(gw, S3_DESC_ENDED, bkt, key, &ended, NULL);
}

int s3_note_bucket(const struct s3_gw *gw, const struct s3_bucket *bkt, bool gone)
{
    AUTO(buf_free) struct buf d = BUF(DESCRIPTION_MAX);
    int r = s3_note_describe_bucket(gw, bkt, gone, &d);
    return r < 0 ? r : s3_note_write(gw, bkt, &d);
}
