/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retention - retention and legal hold of a version.
 *
 * The change is judged inside the transaction, by its clock, which does not go back, against the
 * lock as it is there.
 *
 * Rule: s3-behaviours 19; Amazon S3 API Reference, PutObjectRetention, PutObjectLegalHold.
 */
#include "s3gw/api/answer.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lock.h"
#include "s3gw/api/lookup.h"
#include "s3gw/api/notice.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/httpdate.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/lock.h"
#include "s3gw/policy/eval.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

enum { TRIES = 8 };

static enum s3err object_with_lock(struct s3_req *q, struct s3_object *o, struct s3_lock *l)
{
    if (!s3_lock_enabled(q->bkt))
        return s3_errm(q, S3ERR_INVALID_REQUEST, "Bucket is missing Object Lock Configuration");
    enum s3err e = s3_lookup_said(q, true, o);
    if (e == S3ERR_OK && s3_lock_decode(o->lock, l) < 0)
        e = S3ERR_INTERNAL_ERROR;
    return e;
}

/* --- reading --- */

enum s3err s3_h_get_object_retention(struct s3_req *q)
{
    struct s3_object o;
    struct s3_lock l;
    enum s3err e = object_with_lock(q, &o, &l);
    if (e != S3ERR_OK)
        return e;
    if (l.mode == S3_LOCK_NONE)
        return S3ERR_NO_SUCH_OBJECT_LOCK_CONFIGURATION;
    struct buf *b = s3_answer_open(q, "Retention");
    s3_xml_text(b, "Mode", l.mode == S3_LOCK_GOVERNANCE ? STR("GOVERNANCE") : STR("COMPLIANCE"));
    s3_xml_time(b, "RetainUntilDate", l.until_ms);
    return s3_answer_close(q, "Retention");
}

enum s3err s3_h_get_object_legal_hold(struct s3_req *q)
{
    struct s3_object o;
    struct s3_lock l;
    enum s3err e = object_with_lock(q, &o, &l);
    if (e != S3ERR_OK)
        return e;
    if (!o.lock.p)
        return S3ERR_NO_SUCH_OBJECT_LOCK_CONFIGURATION;
    struct buf *b = s3_answer_open(q, "LegalHold");
    s3_xml_text(b, "Status", l.legal_hold ? STR("ON") : STR("OFF"));
    return s3_answer_close(q, "LegalHold");
}

/* --- changing --- */

struct change {
    struct s3_req *q;
    uint64_t bid;
    struct str key;
    struct s3_object o; /* as read */
    struct s3_lock was, now;
    struct s3_amendment m;
    bool bypass, tells; /* AWS has an event for retention, none for legal holds */
};

/* May retention change so at this moment? 0 or -EPERM. */
static int judge(const struct change *c, int64_t now_ms)
{
    const struct s3_lock *was = &c->was, *now = &c->now;
    if (was->mode == S3_LOCK_NONE || now_ms >= was->until_ms)
        return 0;
    bool stays = now->mode == was->mode && now->until_ms >= was->until_ms;
    if (stays)
        return 0;
    return was->mode == S3_LOCK_GOVERNANCE && c->bypass ? 0 : -EPERM;
}

static int commit(struct s3_tx *tx, void *arg)
{
    struct change *c = arg;
    int r = judge(c, s3_tx_now(tx));
    if (r == 0)
        r = s3_object_amend(tx, c->bid, c->key, &c->m);
    if (r == 0 && c->tells)
        s3_notice_object(tx, c->q, S3_EVENT_RETENTION_PUT, c->key, &c->o);
    return r;
}

static enum s3err apply(struct s3_req *q, struct change *c)
{
    AUTO(buf_free) struct buf b = BUF(64);
    s3_lock_encode(&c->now, &b);
    struct str lock = buf_err(&b) ? STR_NULL : arena_str(&q->arena, buf_str(&b));
    if (!lock.p)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    c->m = (struct s3_amendment){
        .seq = c->o.seq, .what = S3_SECTION_LOCK, .value = lock, .was = &c->o.lock};
    int r = judge(c, q->now_ms); /* before a note is written; the commit judges again */
    if (r == 0)
        r = s3_commit_amendment(q, q->bkt, c->key, &c->m, commit, c);
    if (r == -EAGAIN)
        return S3ERR_OPERATION_ABORTED;
    return s3_commit_error(q, r);
}

static void set_retention(struct s3_lock *l, const struct s3_lock *asked)
{
    l->mode = asked->mode;
    l->until_ms = asked->until_ms;
}

static void set_hold(struct s3_lock *l, const struct s3_lock *asked)
{
    l->legal_hold = asked->legal_hold;
}

static enum s3err change_lock(struct s3_req *q,
                              void (*set)(struct s3_lock *l, const struct s3_lock *asked),
                              const struct s3_lock *asked)
{
    enum s3err e = S3ERR_OPERATION_ABORTED;
    for (int i = 0; e == S3ERR_OPERATION_ABORTED && i < TRIES; i++) {
        struct change c = {
            .q = q, .bid = q->bkt->bid, .key = q->key, .tells = set == set_retention};
        q->resp.nheaders = 0;
        e = object_with_lock(q, &c.o, &c.was);
        if (e != S3ERR_OK)
            return e;
        c.now = c.was;
        c.bypass = s3_may_bypass_governance(q, q->key, s3_req_param(q, STR("versionId")));
        set(&c.now, asked);
        e = apply(q, &c);
    }
    return e;
}

enum s3err s3_h_put_object_retention(struct s3_req *q)
{
    struct s3_node *root;
    struct s3_lock asked = {0};
    enum s3err e = s3_document(q, "Retention", &root);
    if (e == S3ERR_OK)
        e = s3_need_digest(q);
    if (e != S3ERR_OK)
        return e;
    if (s3_node_child(root, "EventHold") || s3_node_child(root, "EventHoldDuration"))
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "Event holds are not offered.");
    struct str mode = str_trim(s3_node_text(root, "Mode")),
               until = str_trim(s3_node_text(root, "RetainUntilDate"));
    bool removal = !mode.p && !until.p; /* an empty document */
    if (str_eq(mode, STR("GOVERNANCE")))
        asked.mode = S3_LOCK_GOVERNANCE;
    else if (str_eq(mode, STR("COMPLIANCE")))
        asked.mode = S3_LOCK_COMPLIANCE;
    else if (!removal)
        return S3ERR_MALFORMED_XML;
    if (!removal && s3_isodate_parse(until, &asked.until_ms) < 0)
        return S3ERR_MALFORMED_XML;
    if (!removal && asked.until_ms <= q->now_ms)
        return s3_err_arg(q, "The retain until date must be in the future!", "RetainUntilDate",
                          until);
    q->body_mode = mode;
    q->body_until = until;
    q->body_told = true;
    e = s3_policy_check(q);
    return e == S3ERR_OK ? change_lock(q, set_retention, &asked) : e;
}

enum s3err s3_h_put_object_legal_hold(struct s3_req *q)
{
    struct s3_node *root;
    enum s3err e = s3_document(q, "LegalHold", &root);
    if (e == S3ERR_OK)
        e = s3_need_digest(q);
    if (e != S3ERR_OK)
        return e;
    struct str status = str_trim(s3_node_text(root, "Status"));
    if (!str_eq(status, STR("ON")) && !str_eq(status, STR("OFF")))
        return S3ERR_MALFORMED_XML;
    struct s3_lock asked = {.legal_hold = str_eq(status, STR("ON"))};
    q->body_hold = status;
    q->body_told = true;
    e = s3_policy_check(q);
    return e == S3ERR_OK ? change_lock(q, set_hold, &asked) : e;
}
