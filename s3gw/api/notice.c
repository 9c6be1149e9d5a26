/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/notice.h"

#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/events.h"
#include "s3gw/index/version.h"
#include "s3gw/notify/event.h"
#include "s3gw/notify/sender.h"

static struct str configuration(const struct s3_req *q)
{
    return q->bkt && q->gw->sender ? s3_bucket_doc(q->bkt, STR("notification")) : STR_NULL;
}

/* For every rule that speaks of it; AWS's rules of a bucket do not overlap, so for one target. */
static void put(struct s3_tx *tx, struct s3_req *q, struct str record, struct s3_event_record *e)
{
    struct s3_notify_doc doc;
    struct s3_notify_rule r;
    if (s3_notify_open(record, &doc) < 0)
        return;
    while (s3_notify_next(&doc, &r) > 0) {
        AUTO(buf_free) struct buf b = BUF(S3_EVENT_RECORD_MAX);
        if (!s3_notify_matches(&r, e->event, e->key) || !s3_sender_room(q->gw->sender))
            continue;
        e->rule_id = r.id;
        s3_event_encode(e, &b);
        if (buf_err(&b) == 0) {
            s3_event_put(tx, r.target, buf_str(&b));
            q->noticed++;
        }
    }
}

static struct s3_event_record record_of(const struct s3_req *q, enum s3_event event, struct str key)
{
    return (struct s3_event_record){.event = event,
                                    .bucket = q->bkt->name,
                                    .bucket_owner = q->bkt->owner_id,
                                    .key = key,
                                    .requester = q->op ? q->who.user_id : STR_NULL,
                                    .address = q->peer,
                                    .request_id = str_c(q->request_id)};
}

static struct str version_text(const struct s3_req *q, bool null, uint64_t seq,
                               char out[S3_VERSION_ID_MAX])
{
    if (null && !q->bkt->versioning.p)
        return STR_NULL;
    const struct s3_object o = {.flags = null ? S3_OBJ_NULL_VERSION : 0u, .seq = seq};
    return str_of(out, s3_version_id_format(&o, out));
}

void s3_notice_object(struct s3_tx *tx, struct s3_req *q, enum s3_event event, struct str key,
                      const struct s3_object *o)
{
    struct str record = configuration(q);
    if (!record.p)
        return;
    char etag[S3_ETAG_TEXT_MAX], version[S3_VERSION_ID_MAX];
    struct s3_event_record e = record_of(q, event, key);
    size_t n = s3_etag_format(&o->etag, etag);
    e.time_ms = s3_tx_now(tx);
    e.has_object = true;
    e.size = o->size;
    e.etag = str_of(etag + 1, n - 2); /* without quotes */
    e.version = version_text(q, o->flags & S3_OBJ_NULL_VERSION, o->seq, version);
    e.storage_class = o->storage_class.n ? o->storage_class : STR("STANDARD");
    put(tx, q, record, &e);
}

void s3_notice_deleted(struct s3_tx *tx, struct s3_req *q, struct str key, bool by_version,
                       const struct s3_deleted *gone)
{
    struct str record = configuration(q);
    bool marker = gone->marker && !by_version;
    if (!record.p || (!gone->had && !marker))
        return;
    char version[S3_VERSION_ID_MAX];
    enum s3_event event = q->op
                              ? (marker ? S3_EVENT_REMOVED_MARKER : S3_EVENT_REMOVED_DELETE)
                              : (marker ? S3_EVENT_EXPIRATION_MARKER : S3_EVENT_EXPIRATION_DELETE);
    struct s3_event_record e = record_of(q, event, key);
    e.time_ms = s3_tx_now(tx);
    e.version = version_text(q, gone->null_version, gone->seq, version);
    put(tx, q, record, &e);
}

void s3_notice_committed(struct s3_req *q)
{
    uint64_t n = q->noticed;
    q->noticed = 0;
    if (n > 0)
        s3_sender_wake(q->gw->sender, n);
}
