/* SPDX-License-Identifier: Apache-2.0 */
/* bucket_logging - PutBucketLogging and GetBucketLogging. Rule: see api/logging.h. */
#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/logging.h"
#include "s3gw/core/names.h"
#include "s3gw/policy/access.h"
#include "s3gw/policy/acl.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

static const struct str DOC = STR_INIT("logging");

/* Room for what delivery appends to it. */
enum { PREFIX_MAX = S3_KEY_MAX - 300, ACL_MAX = 64 * 1024 };

/* --- the document --- */

static enum s3err format_of(const struct s3_node *n, enum s3_log_format *ret)
{
    *ret = S3_LOG_SIMPLE;
    if (!n)
        return S3ERR_OK;
    const struct s3_node *form = n->child;
    if (!form || form->next)
        return S3ERR_MALFORMED_XML;
    if (str_eq(form->name, STR("SimplePrefix")))
        return form->child ? S3ERR_MALFORMED_XML : S3ERR_OK;
    struct str by = str_trim(s3_node_text(form, "PartitionDateSource"));
    *ret = str_eq(by, STR("DeliveryTime")) ? S3_LOG_BY_DELIVERY : S3_LOG_BY_EVENT;
    return !by.p || str_eq(by, STR("EventTime")) || *ret == S3_LOG_BY_DELIVERY
               ? S3ERR_OK
               : S3ERR_MALFORMED_XML;
}

static enum s3err grants_of(struct s3_req *q, const struct s3_node *n, struct str *ret)
{
    struct s3_acl acl;
    AUTO(buf_free) struct buf b = BUF(ACL_MAX);
    *ret = STR("");
    if (!n || !n->child)
        return S3ERR_OK;
    enum s3err e = s3_acl_from_list(q, n, &acl);
    for (size_t i = 0; e == S3ERR_OK && i < acl.n; i++)
        if (acl.grant[i].permission & ~(unsigned)(S3_PERM_READ | S3_PERM_WRITE) &&
            acl.grant[i].permission != S3_PERM_FULL_CONTROL)
            e = S3ERR_MALFORMED_XML; /* READ_ACP and WRITE_ACP are not for log objects */
    if (e != S3ERR_OK)
        return e;
    s3_acl_encode(&acl, &b);
    *ret = buf_err(&b) ? STR_NULL : arena_str(&q->arena, buf_str(&b));
    return ret->p ? S3ERR_OK : s3err_from_errno(-ENOMEM, S3_THING_OTHER);
}

enum s3err s3_logging_parse(struct s3_req *q, const struct s3_node *n, struct s3_logging *l)
{
    const struct s3_node *prefix = s3_node_child(n, "TargetPrefix");
    l->target = str_trim(s3_node_text(n, "TargetBucket"));
    if (l->target.n == 0 || !prefix)
        return S3ERR_MALFORMED_XML;
    l->prefix = prefix->text;
    if (l->prefix.n > PREFIX_MAX)
        return s3_err_arg(q, "The target prefix is too long", "TargetPrefix", l->prefix);
    enum s3err e = format_of(s3_node_child(n, "TargetObjectKeyFormat"), &l->format);
    return e == S3ERR_OK ? grants_of(q, s3_node_child(n, "TargetGrants"), &l->acl) : e;
}

/* --- the target --- */

static enum s3err bad_target(struct s3_req *q, const struct s3_logging *l, const char *why)
{
    s3_err_element(q, "TargetBucket", l->target);
    return s3_errm(q, S3ERR_INVALID_TARGET_BUCKET_FOR_LOGGING, "%s", why);
}

static enum s3err check_target(struct s3_req *q, const struct s3_logging *l, struct s3_bucket *ret)
{
    int r = s3_bucket_get(q->gw->index, l->target, S3_READ_ANY, &q->arena, ret);
    if (r == -ENOENT)
        return bad_target(q, l, "The target bucket for logging does not exist");
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    if (!str_eq(ret->owner_id, q->bkt->owner_id))
        return bad_target(
            q, l, "The owner for the bucket to be logged and the target bucket must be the same.");
    if (l->acl.n > 0 && s3_ownership_of(ret) == S3_BUCKET_OWNER_ENFORCED)
        return s3_errm(q, S3ERR_INVALID_ARGUMENT,
                       "Target grants are not supported: the target bucket does not allow ACLs");
    struct str key = arena_printf(&q->arena, STR_F "log", STR_A(l->prefix));
    if (s3_logging_permitted(q->gw, q->bkt, ret, key) != S3ERR_OK)
        return bad_target(
            q, l,
            "You must either provide the necessary permissions to the logging service using "
            "a bucket policy or give the log-delivery group WRITE and READ_ACP permissions to "
            "the target bucket");
    return S3ERR_OK;
}

static enum s3err open_acls(struct s3_req *q, const struct s3_logging *l, struct s3_bucket *target)
{
    struct s3_bucket *source = q->bkt;
    q->bkt = target;
    enum s3err e = l->acl.n > 0 ? s3_acl_open(q) : S3ERR_OK;
    q->bkt = source;
    return e;
}

enum s3err s3_h_put_bucket_logging(struct s3_req *q)
{
    struct s3_node *root;
    enum s3err e = s3_document(q, "BucketLoggingStatus", &root);
    if (e != S3ERR_OK)
        return e;
    const struct s3_node *enabled = s3_node_child(root, "LoggingEnabled");
    if (!enabled)
        return s3_bucket_doc(q->bkt, DOC).p ? s3_keep_bucket_doc(q, DOC, STR_NULL) : S3ERR_OK;
    struct s3_logging l = {0};
    struct s3_bucket target;
    AUTO(buf_free) struct buf record = BUF(2 * ACL_MAX);
    e = s3_logging_parse(q, enabled, &l);
    if (e == S3ERR_OK)
        e = check_target(q, &l, &target);
    if (e == S3ERR_OK)
        e = open_acls(q, &l, &target);
    if (e != S3ERR_OK)
        return e;
    s3_logging_encode(&l, &record);
    return s3_keep_bucket_record(q, DOC, &record, "The logging");
}

static void write_format(struct buf *b, enum s3_log_format f)
{
    s3_xml_open(b, "TargetObjectKeyFormat");
    if (f == S3_LOG_SIMPLE) {
        s3_xml_text(b, "SimplePrefix", STR(""));
    } else {
        s3_xml_open(b, "PartitionedPrefix");
        s3_xml_text(b, "PartitionDateSource",
                    f == S3_LOG_BY_EVENT ? STR("EventTime") : STR("DeliveryTime"));
        s3_xml_close(b, "PartitionedPrefix");
    }
    s3_xml_close(b, "TargetObjectKeyFormat");
}

int s3_logging_write(struct s3_req *q, const struct s3_logging *l, struct buf *b)
{
    struct s3_acl acl;
    int r = l->acl.n > 0 ? s3_acl_decode(l->acl, STR_NULL, &acl) : 0;
    if (r < 0)
        return r;
    s3_xml_open(b, "LoggingEnabled");
    s3_xml_text(b, "TargetBucket", l->target);
    s3_xml_text(b, "TargetPrefix", l->prefix);
    if (l->acl.n > 0) {
        s3_xml_open(b, "TargetGrants");
        s3_acl_write_grants(q, &acl, b);
        s3_xml_close(b, "TargetGrants");
    }
    write_format(b, l->format);
    s3_xml_close(b, "LoggingEnabled");
    return 0;
}

enum s3err s3_h_get_bucket_logging(struct s3_req *q)
{
    struct str record = s3_bucket_doc(q->bkt, DOC);
    struct buf *b = s3_answer_open(q, "BucketLoggingStatus");
    struct s3_logging l;
    int r = record.p ? s3_logging_decode(record, &l) : 0;
    if (r == 0 && record.p)
        r = s3_logging_write(q, &l, b);
    return r < 0 ? s3err_from_errno(r, S3_THING_OTHER) : s3_answer_close(q, "BucketLoggingStatus");
}
