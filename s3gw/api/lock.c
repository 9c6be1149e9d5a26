/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/lock.h"

#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/core/httpdate.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/lock.h"
#include "s3gw/policy/access.h"
#include "s3gw/policy/eval.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

enum { RECORD_VERSION = 1, DAYS_MAX = 36500, YEARS_MAX = 100 };

#define DAY_MS (24LL * 60 * 60 * 1000)

static const struct str DOC = STR_INIT("lock");
static const struct str mode_names[] = {
    [S3_LOCK_GOVERNANCE] = STR_INIT("GOVERNANCE"), [S3_LOCK_COMPLIANCE] = STR_INIT("COMPLIANCE")};

struct retention_rule {     /* of a bucket */
    enum s3_lock_mode mode; /* NONE: no default */
    bool years;
    uint32_t n;
};

bool s3_lock_enabled(const struct s3_bucket *b)
{
    return s3_bucket_doc(b, DOC).p;
}

struct str s3_lock_plain(void)
{
    return STR("\x01\0\0\0\0\0\0");
}

static int mode_by_name(struct str name, enum s3_lock_mode *ret)
{
    for (size_t i = S3_LOCK_GOVERNANCE; i < ARRAY_LEN(mode_names); i++)
        if (str_eq(name, mode_names[i])) {
            *ret = (enum s3_lock_mode)i;
            return 0;
        }
    return -EINVAL;
}

static int rule_of(const struct s3_bucket *b, struct retention_rule *ret)
{
    struct rd r = rd_of(s3_bucket_doc(b, DOC));
    uint8_t version = rd_u8(&r), mode = rd_u8(&r);
    *ret = (struct retention_rule){
        .mode = (enum s3_lock_mode)mode, .years = rd_u8(&r) != 0, .n = rd_u32(&r)};
    return r.bad || version != RECORD_VERSION || mode > S3_LOCK_COMPLIANCE ? -EBADMSG : 0;
}

/* --- on writes --- */

static enum s3err bad(struct s3_req *q, const char *message, const char *name, struct str value)
{
    return s3_err_arg(q, message, name, value);
}

static enum s3err retention_header(struct s3_req *q, struct s3_lock *l)
{
    static const char mode_header[] = "x-amz-object-lock-mode";
    static const char until_header[] = "x-amz-object-lock-retain-until-date";
    struct str mode = s3_req_option(q, str_c(mode_header));
    struct str until = s3_req_option(q, str_c(until_header));
    if (!mode.p && !until.p)
        return S3ERR_OK;
    if (!mode.p || !until.p)
        return bad(
            q,
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            mode.p ? mode_header : until_header, mode.p ? mode : until);
    if (mode_by_name(mode, &l->mode) < 0)
        return bad(q, "Unknown wormMode directive.", mode_header, mode);
    if (s3_isodate_parse(until, &l->until_ms) < 0)
        return bad(q, "The retain until date must be provided in ISO 8601 format", until_header,
                   until);
    if (l->until_ms <= q->now_ms)
        return bad(q, "The retain until date must be in the future!", until_header, until);
    return S3ERR_OK;
}

static enum s3err hold_header(struct s3_req *q, struct s3_lock *l)
{
    struct str hold = s3_req_option(q, STR("x-amz-object-lock-legal-hold"));
    if (hold.p && !str_eq(hold, STR("ON")) && !str_eq(hold, STR("OFF")))
        return bad(q, "Legal Hold must be either of 'ON' or 'OFF'", "x-amz-object-lock-legal-hold",
                   hold);
    l->legal_hold = str_eq(hold, STR("ON"));
    return S3ERR_OK;
}

bool s3_lock_in_headers(const struct s3_req *q)
{
    return s3_req_option(q, STR("x-amz-object-lock-mode")).p ||
           s3_req_option(q, STR("x-amz-object-lock-retain-until-date")).p ||
           s3_req_option(q, STR("x-amz-object-lock-legal-hold")).p;
}

/* Years as the calendar has them would need one; 365.25 days never fall short by more than a day.
 */
static int64_t length_ms(const struct retention_rule *r)
{
    return r->years ? r->n * 1461LL * DAY_MS / 4 : r->n * DAY_MS;
}

static enum s3err keep_lock(struct s3_req *q, const struct s3_lock *l, struct str *ret)
{
    AUTO(buf_free) struct buf b = BUF(64);
    *ret = STR_NULL;
    if (l->mode == S3_LOCK_NONE && !l->legal_hold)
        return S3ERR_OK;
    s3_lock_encode(l, &b);
    *ret = buf_err(&b) ? STR_NULL : arena_str(&q->arena, buf_str(&b));
    return ret->p ? S3ERR_OK : s3err_from_errno(-ENOMEM, S3_THING_OTHER);
}

static enum s3err no_lock_here(struct s3_req *q)
{
    return s3_errm(q, S3ERR_INVALID_REQUEST, "Bucket is missing Object Lock Configuration");
}

/* A legal hold is no retention: beside it the default applies. */
static enum s3err default_retention(struct s3_req *q, struct s3_lock *l)
{
    struct retention_rule r;
    if (l->mode != S3_LOCK_NONE)
        return S3ERR_OK;
    if (rule_of(q->bkt, &r) < 0)
        return S3ERR_INTERNAL_ERROR;
    l->mode = r.mode;
    l->until_ms = r.mode == S3_LOCK_NONE ? 0 : q->now_ms + length_ms(&r);
    return S3ERR_OK;
}

enum s3err s3_lock_from_headers(struct s3_req *q, bool with_default, struct s3_object *o)
{
    struct s3_lock l = {0};
    o->lock = STR_NULL;
    enum s3err e = retention_header(q, &l);
    if (e == S3ERR_OK)
        e = hold_header(q, &l);
    if (e == S3ERR_OK && !s3_lock_enabled(q->bkt))
        return s3_lock_in_headers(q) ? no_lock_here(q) : S3ERR_OK;
    if (e == S3ERR_OK && with_default)
        e = default_retention(q, &l);
    return e == S3ERR_OK ? keep_lock(q, &l, &o->lock) : e;
}

enum s3err s3_lock_at_completion(struct s3_req *q, struct s3_object *o)
{
    struct s3_lock l;
    if (!s3_lock_enabled(q->bkt))
        return S3ERR_OK;
    if (s3_lock_decode(o->lock, &l) < 0)
        return S3ERR_INTERNAL_ERROR;
    enum s3err e = default_retention(q, &l);
    return e == S3ERR_OK ? keep_lock(q, &l, &o->lock) : e;
}

void s3_lock_headers(struct s3_req *q, const struct s3_object *o)
{
    struct s3_lock l;
    if (!o->lock.p || s3_lock_decode(o->lock, &l) < 0)
        return;
    if (l.mode != S3_LOCK_NONE &&
        s3_policy_allows_here(q, o, "s3:GetObjectRetention") == S3ERR_OK) {
        char date[S3_ISODATE_MAX];
        size_t n = s3_isodate_format(l.until_ms, date);
        s3_resp_header(q, "x-amz-object-lock-mode", mode_names[l.mode]);
        s3_resp_header(q, "x-amz-object-lock-retain-until-date", str_of(date, n));
    }
    if (s3_policy_allows_here(q, o, "s3:GetObjectLegalHold") == S3ERR_OK)
        s3_resp_header(q, "x-amz-object-lock-legal-hold", l.legal_hold ? STR("ON") : STR("OFF"));
}

bool s3_may_bypass_governance(struct s3_req *q, struct str key, struct str version)
{
    const struct s3_policy_target t = {.bkt = q->bkt, .key = key, .version = version};
    return str_ieq(s3_req_option(q, STR("x-amz-bypass-governance-retention")), STR("true")) &&
           s3_policy_allows_version(q, &t, "s3:BypassGovernanceRetention") == S3ERR_OK;
}

/* --- the bucket's configuration --- */

static enum s3err default_of(struct s3_req *q, const struct s3_node *root,
                             struct retention_rule *ret)
{
    *ret = (struct retention_rule){0};
    const struct s3_node *rule = s3_node_child(root, "Rule");
    if (!rule)
        return S3ERR_OK;
    const struct s3_node *d = s3_node_child(rule, "DefaultRetention");
    if (s3_node_child(d, "DefaultEventHold"))
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "Event holds are not offered.");
    struct str days = str_trim(s3_node_text(d, "Days")), years = str_trim(s3_node_text(d, "Years"));
    if (!d || !days.p == !years.p ||
        mode_by_name(str_trim(s3_node_text(d, "Mode")), &ret->mode) < 0)
        return S3ERR_MALFORMED_XML;
    struct str text = days.p ? days : years;
    uint64_t n;
    ret->years = !days.p;
    if (str_u64(str_starts(text, STR("-")) ? str_from(text, 1) : text, INT32_MAX, &n) < 0)
        return S3ERR_MALFORMED_XML; /* no number at all */
    /* Differs: InvalidRetentionPeriod in Ceph */
    if (str_u64(text, ret->years ? YEARS_MAX : DAYS_MAX, &n) < 0 || n == 0)
        return s3_err_arg(q, "Default retention period must be a positive integer value.",
                          days.p ? "Days" : "Years", text);
    ret->n = (uint32_t)n;
    return S3ERR_OK;
}

static bool keeps_versions(const struct s3_bucket *now, struct str record)
{
    (void)record;
    return str_eq(now->versioning, STR("Enabled"));
}

enum s3err s3_h_put_object_lock_configuration(struct s3_req *q)
{
    struct s3_node *root;
    struct retention_rule r;
    enum s3err e = s3_document(q, "ObjectLockConfiguration", &root);
    if (e == S3ERR_OK)
        e = s3_need_digest(q);
    if (e == S3ERR_OK && !str_eq(str_trim(s3_node_text(root, "ObjectLockEnabled")), STR("Enabled")))
        e = S3ERR_MALFORMED_XML;
    if (e == S3ERR_OK)
        e = default_of(q, root, &r);
    if (e != S3ERR_OK)
        return e;
    if (!keeps_versions(q->bkt, STR_NULL))
        return s3_errm(q, S3ERR_INVALID_BUCKET_STATE,
                       "Versioning must be 'Enabled' on the bucket to apply a Object "
                       "Lock configuration");
    AUTO(buf_free) struct buf b = BUF(64);
    buf_u8(&b, RECORD_VERSION);
    buf_u8(&b, (uint8_t)r.mode);
    buf_u8(&b, r.years);
    buf_u32(&b, r.n);
    return buf_err(&b) ? s3err_from_errno(buf_err(&b), S3_THING_OTHER)
                       : s3_keep_bucket_doc_if(q, DOC, buf_str(&b), keeps_versions);
}

enum s3err s3_h_get_object_lock_configuration(struct s3_req *q)
{
    struct retention_rule r;
    if (!s3_lock_enabled(q->bkt))
        return s3_err(q, S3ERR_OBJECT_LOCK_CONFIGURATION_NOT_FOUND_ERROR, "BucketName", q->bucket);
    if (rule_of(q->bkt, &r) < 0)
        return S3ERR_INTERNAL_ERROR;
    struct buf *b = s3_answer_open(q, "ObjectLockConfiguration");
    s3_xml_text(b, "ObjectLockEnabled", STR("Enabled"));
    if (r.mode != S3_LOCK_NONE) {
        s3_xml_open(b, "Rule");
        s3_xml_open(b, "DefaultRetention");
        s3_xml_text(b, "Mode", mode_names[r.mode]);
        s3_xml_u64(b, r.years ? "Years" : "Days", r.n);
        s3_xml_close(b, "DefaultRetention");
        s3_xml_close(b, "Rule");
    }
    return s3_answer_close(q, "ObjectLockConfiguration");
}
