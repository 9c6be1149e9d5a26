/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/upload_record.h"

#include "s3gw/index/record.h"

enum { RECORD_VERSION = 1, PART_VERSION = 2 /* since its first field is seq */ };

static int finish(const struct rd *r, int e)
{
    return r->bad || (e == 0 && r->n > 0) ? -EBADMSG : e;
}

static uint64_t read_bounded(struct rd *r, uint64_t max)
{
    uint64_t v = rd_var(r);
    if (v > max)
        r->bad = true;
    return r->bad ? 0 : v;
}

void s3_upload_encode(const struct s3_upload *u, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_u64(out, u->check);
    buf_var(out, (uint64_t)u->started_ms);
    s3_rec_add_id(out, u->initiator_id);
    buf_u8(out, (uint8_t)u->ck_alg);
    buf_u8(out, (uint8_t)u->ck_type);
    s3_object_encode(&u->proto, out);
}

static struct str read_upload(struct rd *r, struct arena *a, struct s3_upload *u, int *err)
{
    *u = (struct s3_upload){0};
    if (rd_u8(r) != RECORD_VERSION)
        r->bad = true;
    u->check = rd_u64(r);
    u->started_ms = (int64_t)read_bounded(r, INT64_MAX);
    *err = s3_rec_id(r, a, &u->initiator_id);
    uint8_t alg = rd_u8(r), type = rd_u8(r);
    if (alg >= S3_CK_COUNT_ || type > S3_CK_COMPOSITE)
        r->bad = true;
    u->ck_alg = r->bad ? S3_CK_NONE : alg;
    u->ck_type = r->bad ? S3_CK_FULL_OBJECT : type;
    return rd_bytes(r, r->n);
}

int s3_upload_decode(struct str bytes, struct arena *a, struct s3_upload *ret)
{
    struct rd r = rd_of(bytes);
    struct s3_upload u;
    int e = 0;
    struct str proto = read_upload(&r, a, &u, &e);
    e = finish(&r, e);
    if (e == 0)
        e = s3_object_decode(proto, a, &u.proto);
    if (e == 0)
        *ret = u;
    return e;
}

int s3_upload_decode_listed(struct str bytes, struct arena *a, struct s3_upload *ret)
{
    struct rd r = rd_of(bytes);
    struct s3_upload u;
    int e = 0;
    struct str proto = read_upload(&r, a, &u, &e);
    e = finish(&r, e);
    if (e == 0)
        e = s3_object_decode_listed(proto, a, &u.proto);
    if (e == 0 && u.initiator_id.p) {
        u.initiator_id = arena_str(a, u.initiator_id);
        e = u.initiator_id.p ? 0 : -ENOMEM;
    }
    if (e == 0)
        *ret = u;
    return e;
}

void s3_upart_encode(const struct s3_upart *p, struct buf *out)
{
    buf_u8(out, PART_VERSION);
    buf_var(out, p->seq);
    buf_var(out, p->size);
    buf_var(out, (uint64_t)p->mtime_ms);
    buf_add(out, p->md5, sizeof(p->md5));
    s3_rec_add_checksum(out, &p->checksum);
    s3_rec_add_checksum(out, &p->crc64);
    s3_rec_add_extents(out, p->extents, p->nextents, 0);
}

int s3_upart_decode(struct str bytes, struct arena *a, struct s3_upart *ret)
{
    struct rd r = rd_of(bytes);
    struct s3_upart p = {0};
    uint8_t version = rd_u8(&r);
    if (version != RECORD_VERSION && version != PART_VERSION)
        r.bad = true;
    if (version == PART_VERSION)
        p.seq = rd_var(&r);
    p.size = rd_var(&r);
    p.mtime_ms = (int64_t)read_bounded(&r, INT64_MAX);
    struct str md5 = rd_bytes(&r, sizeof(p.md5));
    memcpy(p.md5, md5.p, md5.n);
    s3_rec_checksum(&r, &p.checksum);
    s3_rec_checksum(&r, &p.crc64);
    int e = s3_rec_extents(&r, a, 0, &p.extents, &p.nextents);
    e = finish(&r, e);
    if (e == 0)
        *ret = p;
    return e;
}

void s3_finished_encode(const struct s3_finished *f, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_u64(out, f->bid);
    buf_u64(out, f->seq);
    buf_u64(out, f->check);
    buf_u64(out, (uint64_t)f->time_ms);
    buf_lstr(out, f->key);
}

int s3_finished_decode(struct str bytes, struct s3_finished *ret)
{
    struct rd r = rd_of(bytes);
    struct s3_finished f = {0};
    if (rd_u8(&r) != RECORD_VERSION)
        r.bad = true;
    f.bid = rd_u64(&r);
    f.seq = rd_u64(&r);
    f.check = rd_u64(&r);
    f.time_ms = (int64_t)rd_u64(&r);
    f.key = rd_lstr(&r);
    int e = finish(&r, 0);
    if (e == 0)
        *ret = f;
    return e;
}
