/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/logging.h"

#include <sys/random.h>
#include <time.h>

#include "dfscore/base/clock.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/growth.h"
#include "s3gw/api/notice.h"
#include "s3gw/api/object_headers.h"
#include "s3gw/api/relocate.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/names.h"
#include "s3gw/lifecycle/note.h"
#include "s3gw/policy/access.h"
#include "s3gw/policy/acl.h"
#include "s3gw/policy/eval.h"
#include "s3gw/policy/policy.h"

enum { RECORD_VERSION = 1, RANDOM_BYTES = 8 };

/* --- the record --- */

void s3_logging_encode(const struct s3_logging *l, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_u8(out, (uint8_t)l->format);
    buf_lstr(out, l->target);
    buf_lstr(out, l->prefix);
    buf_lstr(out, l->acl);
}

int s3_logging_decode(struct str record, struct s3_logging *ret)
{
    struct rd in = rd_of(record);
    uint8_t version = rd_u8(&in), format = rd_u8(&in);
    struct s3_logging l = {.format = (enum s3_log_format)format};
    l.target = rd_lstr(&in);
    l.prefix = rd_lstr(&in);
    l.acl = rd_lstr(&in);
    if (in.bad || in.n > 0 || version != RECORD_VERSION || format >= S3_LOG_FORMATS_)
        return -EBADMSG;
    *ret = l;
    return 0;
}

/* --- may it be delivered? --- */

static bool granted_by_acl(const struct s3_bucket *target)
{
    struct s3_acl acl;
    unsigned has = 0;
    if (s3_ownership_of(target) == S3_BUCKET_OWNER_ENFORCED ||
        s3_acl_decode(s3_bucket_doc(target, STR("acl")), target->owner_id, &acl) < 0)
        return false;
    for (size_t i = 0; i < acl.n; i++)
        if (acl.grant[i].kind == S3_GRANTEE_LOG_DELIVERY)
            has |= acl.grant[i].permission;
    return (has & S3_PERM_WRITE) && (has & S3_PERM_READ_ACP);
}

/* A request that nobody sent, by the service. */
static void service_request(struct s3_req *q, struct s3_gw *gw, const struct s3_bucket *source,
                            struct s3_bucket *target, struct str key)
{
    s3_req_init(q);
    q->gw = gw;
    q->bkt = target;
    q->bucket = target->name;
    q->key = key;
    q->now_ms = dfs_now_ms();
    q->may_block = true;
    q->who = (struct s3_identity){.user_id = STR(S3_SERVICE_LOGGING),
                                  .how = S3_AUTH_V4_HEADER,
                                  .source_bucket = source->name,
                                  .source_account = source->owner_id};
}

enum s3err s3_logging_permitted(struct s3_gw *gw, const struct s3_bucket *source,
                                const struct s3_bucket *target, struct str key)
{
    struct s3_req q;
    struct s3_bucket bkt = *target;
    if (!str_eq(source->owner_id, target->owner_id))
        return S3ERR_ACCESS_DENIED;
    service_request(&q, gw, source, &bkt, key);
    const struct s3_ask ask = {.q = &q, .bkt = &bkt, .key = key, .action = "s3:PutObject"};
    enum s3_verdict v = s3_policy_verdict(s3_bucket_doc(&bkt, STR("policy")), &ask);
    s3_req_fini(&q);
    return v == S3_ALLOW || (v == S3_SILENT && granted_by_acl(target)) ? S3ERR_OK
                                                                       : S3ERR_ACCESS_DENIED;
}

/* --- delivery --- */

static int key_of(const struct s3_gw *gw, const struct s3_bucket *source,
                  const struct s3_logging *l, int64_t day_ms, int64_t now_ms, struct buf *out)
{
    uint8_t raw[RANDOM_BYTES];
    if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
        return -EIO;
    bool event = l->format == S3_LOG_BY_EVENT;
    time_t s = (time_t)((event ? day_ms : now_ms) / 1000);
    struct tm tm;
    char when[64];
    gmtime_r(&s, &tm);
    if (l->format != S3_LOG_SIMPLE) {
        strftime(when, sizeof(when), "%Y/%m/%d/", &tm);
        buf_addf(out, STR_F STR_F "/" STR_F "/" STR_F "/%s", STR_A(l->prefix),
                 STR_A(source->owner_id), STR_A(gw->region), STR_A(source->name), when);
    } else {
        buf_adds(out, l->prefix);
    }
    strftime(when, sizeof(when), event ? "%Y-%m-%d-00-00-00" : "%Y-%m-%d-%H-%M-%S", &tm);
    buf_addf(out, "%s-", when);
    for (size_t i = 0; i < sizeof(raw); i++)
        buf_addf(out, "%02X", raw[i]);
    return buf_err(out);
}

struct delivery {
    struct s3_req *q;
    struct s3_object o;
};

static int describe(void *arg, struct buf *out)
{
    const struct delivery *d = arg;
    return s3_note_describe_put(d->q->gw, d->o.seq, d->q->bkt, d->q->key, &d->o, 0, out);
}

static int commit(struct s3_tx *tx, void *arg)
{
    struct delivery *d = arg;
    d->o.extents[0].owner = 0; /* a new file: also when this runs a second time */
    int r = s3_object_put(tx, d->q->bkt->bid, d->q->key, NULL, &d->o);
    if (r == 0)
        s3_notice_object(tx, d->q, S3_EVENT_CREATED_PUT, d->q->key, &d->o);
    return r;
}

static int digests(struct s3_req *q, struct s3_object *o, struct str lines)
{
    AUTO(s3_hash_fini) struct s3_hash h = {0};
    int r = s3_hash_init(&h, S3_CK_CRC64NVME);
    if (r < 0)
        return r;
    s3_hash_update(&h, lines.p, lines.n);
    s3_hash_final(&h, &o->checksum);
    s3_md5(lines.p, lines.n, o->etag.md5);
    return s3_seal_etag(q->seal, o->etag.md5, o->etag.md5);
}

/* As a PutObject of the bucket's owner would: defaults of the bucket hold. */
static int put(struct s3_req *q, const struct s3_logging *l, struct str lines)
{
    static struct s3_pair type = {STR_INIT("content-type"), STR_INIT("text/plain")};
    struct delivery d = {.q = q};
    q->who =
        (struct s3_identity){.root = true, .user_id = q->bkt->owner_id, .how = S3_AUTH_V4_HEADER};
    if (s3_object_rest_from(q, &d.o) != S3ERR_OK)
        return -EPERM;
    d.o.size = lines.n;
    d.o.mtime_ms = q->now_ms;
    d.o.headers = &type;
    d.o.nheaders = 1;
    d.o.acl = l->acl.n ? l->acl : STR_NULL;
    int r = digests(q, &d.o, lines);
    if (r < 0)
        return r;
    struct s3_relocation m = {.groups = q->bkt->groups,
                              .key = q->key,
                              .bytes = lines,
                              .seal = q->seal,
                              .describe = describe,
                              .arg = &d};
    s3_number_version(q, q->bkt, &d.o);
    r = s3_relocate(q->gw, &q->arena, &m);
    if (r < 0)
        return r;
    s3_growth_notice(q, m.groups, m.to.file_id);
    d.o.extents = &m.to;
    d.o.nextents = 1;
    r = s3_commit_described(q, q->bkt, q->key, &d.o, commit, &d);
    if (r < 0)
        s3_relocate_undo(q->gw, &m);
    return r == -ENODEV ? -EPERM : r; /* the bucket has gone */
}

static int deliver_from(struct s3_gw *gw, const struct s3_bucket *source, struct arena *a,
                        int64_t day_ms, struct str lines)
{
    struct s3_logging l;
    struct s3_bucket target;
    AUTO(buf_free) struct buf key = BUF(S3_KEY_MAX);
    int r = s3_logging_decode(s3_bucket_doc(source, STR("logging")), &l);
    if (r < 0)
        return -EPERM; /* switched off meanwhile */
    r = s3_bucket_get(gw->index, l.target, S3_READ_ANY, a, &target);
    if (r == 0)
        r = key_of(gw, source, &l, day_ms, dfs_now_ms(), &key);
    if (r < 0)
        return r == -ENOENT || r == -E2BIG ? -EPERM : r;
    if (s3_logging_permitted(gw, source, &target, buf_str(&key)) != S3ERR_OK)
        return -EPERM;
    struct s3_req q;
    service_request(&q, gw, source, &target, buf_str(&key));
    r = put(&q, &l, lines);
    s3_notice_committed(&q);
    s3_req_fini(&q);
    return r;
}

int s3_logging_deliver(void *gw, struct str bucket, int64_t day_ms, struct str lines)
{
    AUTO(arena_fini) struct arena a;
    struct s3_bucket source;
    arena_init(&a, 32 * 1024 * 1024);
    int r = s3_bucket_get(((struct s3_gw *)gw)->index, bucket, S3_READ_ANY, &a, &source);
    if (r < 0)
        return r == -ENOENT ? -EPERM : r;
    return deliver_from(gw, &source, &a, day_ms, lines);
}
