/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/quota.h"

#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/usage.h"

enum { RECORD_VERSION = 1 };

void s3_quota_encode(const struct s3_limits *l, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_var(out, l->bytes);
    buf_var(out, l->objects);
}

struct s3_limits s3_quota_of_bucket(const struct s3_bucket *bkt)
{
    struct str doc = s3_bucket_doc(bkt, STR("quota"));
    struct s3_limits l = {0};
    if (!doc.p)
        return l;
    struct rd r = rd_of(doc);
    uint8_t version = rd_u8(&r);
    l.bytes = rd_var(&r);
    l.objects = rd_var(&r);
    if (r.bad || r.n > 0 || version != RECORD_VERSION)
        l = (struct s3_limits){.bytes = 1, .objects = 1};
    return l;
}

static bool passes(uint64_t limit, uint64_t held, uint64_t more)
{
    return limit > 0 && (held > limit || more > limit - held);
}

static enum s3err judge(const struct s3_limits *l, int r, const struct s3_usage *u, uint64_t bytes,
                        uint64_t objects)
{
    if (r == -EAGAIN)
        return S3ERR_WOULD_BLOCK;
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    return passes(l->bytes, u->bytes, bytes) || passes(l->objects, u->objects, objects)
               ? S3ERR_QUOTA_EXCEEDED
               : S3ERR_OK;
}

/* Mostly the owner asks, and their limits came with their key. */
static enum s3err owner_limits(struct s3_req *q, struct str owner, enum s3_read how,
                               struct s3_limits *ret)
{
    if (!q->who.anonymous && str_eq(q->who.user_id, owner)) {
        *ret = q->who.limits;
        return S3ERR_OK;
    }
    struct s3_user u;
    int r = s3_user_get(q->gw->index, owner, how, &q->arena, &u);
    *ret = r == 0 ? u.limits : (struct s3_limits){0};
    if (r == -EAGAIN)
        return S3ERR_WOULD_BLOCK;
    return r == -ENOENT ? S3ERR_OK : s3err_from_errno(r, S3_THING_OTHER);
}

enum s3err s3_quota_check(struct s3_req *q, const struct s3_bucket *bkt, uint64_t bytes,
                          uint64_t objects)
{
    enum s3_read how = q->may_block ? S3_READ_ANY : S3_READ_CACHED;
    struct s3_limits l = s3_quota_of_bucket(bkt);
    struct s3_usage u;
    enum s3err e = S3ERR_OK;
    if (l.bytes || l.objects) {
        int r = s3_usage_of_bucket(q->gw->index, bkt->bid, how, &u);
        e = judge(&l, r, &u, bytes, objects);
    }
    if (e == S3ERR_OK)
        e = owner_limits(q, bkt->owner_id, how, &l);
    if (e == S3ERR_OK && (l.bytes || l.objects)) {
        int r = s3_usage_of_user(q->gw->index, bkt->owner_id, how, &u);
        e = judge(&l, r, &u, bytes, objects);
    }
    return e;
}
