/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bucket_notification - PutBucketNotificationConfiguration and its reading.
 *
 * A topic, queue or function is the name of a target in the settings (notification_target). Putting
 * a configuration sends each target s3:TestEvent and fails when one does not take it, unless
 * x-amz-skip-destination-validation says not to.
 *
 * Rule: Amazon S3 API Reference, PutBucketNotificationConfiguration; Amazon S3 User Guide,
 * "Configuring event notifications using object key name filtering"; s3-behaviours 23.
 */
#include <sys/random.h>

#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/notification.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/names.h"
#include "s3gw/index/bucket.h"
#include "s3gw/notify/event.h"
#include "s3gw/notify/sender.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

enum { RANDOM_ID_BYTES = 16 };

static const struct str DOC = STR_INIT("notification");

static const struct {
    const char *element, *target;
} kinds[S3_NOTIFY_KINDS_] = {
    [S3_NOTIFY_TOPIC] = {"TopicConfiguration", "Topic"},
    [S3_NOTIFY_QUEUE] = {"QueueConfiguration", "Queue"},
    [S3_NOTIFY_FUNCTION] = {"CloudFunctionConfiguration", "CloudFunction"},
};

/* --- one rule --- */

static enum s3err filter_rule(struct s3_req *q, const struct s3_node *n, struct s3_notify_rule *r)
{
    struct str name = str_trim(s3_node_text(n, "Name")), value = s3_node_text(n, "Value");
    bool prefix = str_ieq(name, STR("prefix"));
    bool *has = prefix ? &r->has_prefix : &r->has_suffix;
    if (!prefix && !str_ieq(name, STR("suffix")))
        return s3_err_arg(q, "filter rule name must be either prefix or suffix", "FilterRule.Name",
                          name);
    if (*has)
        return s3_err_arg(q, "Cannot specify more than one rule of a kind in a filter.",
                          "FilterRule.Name", name);
    if (value.n > S3_KEY_MAX)
        return s3_err_arg(
            q, "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation",
            "FilterRule.Value", value);
    *has = true;
    *(prefix ? &r->prefix : &r->suffix) = value.p ? value : STR("");
    return S3ERR_OK;
}

static enum s3err filter_of(struct s3_req *q, const struct s3_node *n, struct s3_notify_rule *r)
{
    const struct s3_node *key = s3_node_child(n, "S3Key");
    if (n && (!key || n->child->next))
        return S3ERR_MALFORMED_XML;
    for (const struct s3_node *c = key ? key->child : NULL; c; c = c->next) {
        if (!str_eq(c->name, STR("FilterRule")))
            return S3ERR_MALFORMED_XML;
        enum s3err e = filter_rule(q, c, r);
        if (e != S3ERR_OK)
            return e;
    }
    return S3ERR_OK;
}

static enum s3err event_of(struct s3_req *q, const struct s3_node *n, struct s3_notify_rule *r)
{
    enum s3_event e;
    struct str name = str_trim(n->text);
    if (s3_event_by_name(name, &e) < 0)
        return s3_err_arg(q, "The event is not supported for notifications", "Event", name);
    r->names |= UINT64_C(1) << e;
    return S3ERR_OK;
}

static enum s3err id_of(struct s3_req *q, struct s3_notify_rule *r)
{
    if (r->id.n > S3_NOTIFY_ID_MAX)
        return s3_err_arg(q, "The id of a notification configuration is too long", "Id", r->id);
    if (r->id.n > 0)
        return S3ERR_OK;
    uint8_t raw[RANDOM_ID_BYTES];
    char *text = arena_alloc(&q->arena, 2 * sizeof(raw));
    if (!text || getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    str_hex(raw, sizeof(raw), text);
    r->id = str_of(text, 2 * sizeof(raw));
    return S3ERR_OK;
}

static enum s3err rule_of(struct s3_req *q, const struct s3_node *n, enum s3_notify_kind kind,
                          struct s3_notify_rule *r)
{
    enum s3err e = S3ERR_OK;
    *r = (struct s3_notify_rule){.kind = kind, .prefix = STR(""), .suffix = STR("")};
    if (s3_node_count(n, "Id") > 1 || s3_node_count(n, kinds[kind].target) != 1 ||
        s3_node_count(n, "Filter") > 1)
        return S3ERR_MALFORMED_XML;
    for (const struct s3_node *c = n->child; e == S3ERR_OK && c; c = c->next) {
        if (str_eq(c->name, STR("Event")))
            e = event_of(q, c, r);
        else if (str_eq(c->name, STR("Id")))
            r->id = str_trim(c->text);
        else if (str_eq(c->name, str_c(kinds[kind].target)))
            r->target = str_trim(c->text);
        else if (str_eq(c->name, STR("Filter")))
            e = filter_of(q, c, r);
        else
            e = S3ERR_MALFORMED_XML;
    }
    if (e == S3ERR_OK && (r->names == 0 || r->target.n == 0))
        return S3ERR_MALFORMED_XML;
    if (e == S3ERR_OK && r->target.n > S3_NOTIFY_TARGET_MAX)
        return s3_err_arg(q, "The ARN is not well formed", kinds[kind].target, r->target);
    return e == S3ERR_OK ? id_of(q, r) : e;
}

/* --- all of them --- */

static enum s3err check_against(struct s3_req *q, const struct s3_notify_rule *rules, size_t n)
{
    const struct s3_notify_rule *last = &rules[n];
    for (size_t i = 0; i < n; i++) {
        if (str_eq(rules[i].id, last->id))
            return s3_err_arg(q, "Same ID used for multiple configurations. IDs must be unique",
                              "Id", last->id);
        if (s3_notify_overlap(&rules[i], last))
            return s3_err_arg(
                q,
                "Configuration is ambiguously defined. Cannot have overlapping suffixes in "
                "two rules if the prefixes are overlapping for the same event type.",
                "Id", last->id);
    }
    return S3ERR_OK;
}

static int kind_of(struct str element)
{
    for (int k = 0; k < S3_NOTIFY_KINDS_; k++)
        if (str_eq(element, str_c(kinds[k].element)))
            return k;
    return -1;
}

enum s3err s3_notification_parse(struct s3_req *q, const struct s3_node *root,
                                 struct s3_notify_rule **ret, size_t *ret_n)
{
    size_t n = 0;
    struct s3_notify_rule *rules = arena_alloc(&q->arena, S3_NOTIFY_RULES_MAX * sizeof(*rules));
    if (!rules)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    for (const struct s3_node *c = root->child; c; c = c->next) {
        int kind = kind_of(c->name);
        if (str_eq(c->name, STR("EventBridgeConfiguration")))
            return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "EventBridge is not offered.");
        if (kind < 0)
            return S3ERR_MALFORMED_XML;
        if (n == S3_NOTIFY_RULES_MAX)
            return s3_errm(q, S3ERR_INVALID_ARGUMENT,
                           "A bucket can have at most %d notification configurations",
                           S3_NOTIFY_RULES_MAX);
        enum s3err e = rule_of(q, c, (enum s3_notify_kind)kind, &rules[n]);
        if (e == S3ERR_OK)
            e = check_against(q, rules, n);
        if (e != S3ERR_OK)
            return e;
        n++;
    }
    *ret = rules;
    *ret_n = n;
    return S3ERR_OK;
}

/* --- targets --- */

static enum s3err bad_target(struct s3_req *q, const struct s3_notify_rule *r, const char *why)
{
    s3_err_element(q, "ArgumentName1", r->target);
    s3_err_element(q, "ArgumentValue1", str_c(why));
    return s3_errm(q, S3ERR_INVALID_ARGUMENT,
                   "Unable to validate the following destination configurations");
}

static bool seen_before(const struct s3_notify_rule *rules, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq(rules[k].target, rules[i].target))
            return true;
    return false;
}

static enum s3err check_targets(struct s3_req *q, const struct s3_notify_rule *rules, size_t n)
{
    bool skip = str_ieq(s3_req_option(q, STR("x-amz-skip-destination-validation")), STR("true"));
    AUTO(buf_free) struct buf json = BUF(S3_EVENT_DOC_MAX);
    s3_event_test(q->bucket, str_c(q->request_id), q->now_ms, &json);
    for (size_t i = 0; i < n; i++) {
        if (!q->gw->sender || !s3_sender_knows(q->gw->sender, rules[i].target))
            return bad_target(q, &rules[i],
                              "The destination is not among this server's notification targets");
        if (!skip && !seen_before(rules, i) &&
            s3_sender_test(q->gw->sender, rules[i].target, buf_str(&json)) < 0)
            return bad_target(q, &rules[i], "The destination did not accept s3:TestEvent");
    }
    return buf_err(&json) ? s3err_from_errno(buf_err(&json), S3_THING_OTHER) : S3ERR_OK;
}

void s3_notification_encode(const struct s3_notify_rule *rules, size_t n, struct buf *out)
{
    s3_notify_encode_head(n, out);
    for (size_t i = 0; i < n; i++)
        s3_notify_encode_rule(&rules[i], out);
}

enum s3err s3_h_put_bucket_notification(struct s3_req *q)
{
    struct s3_node *root;
    struct s3_notify_rule *rules;
    size_t n;
    enum s3err e = s3_document(q, "NotificationConfiguration", &root);
    if (e == S3ERR_OK)
        e = s3_notification_parse(q, root, &rules, &n);
    if (e == S3ERR_OK)
        e = check_targets(q, rules, n);
    if (e != S3ERR_OK)
        return e;
    if (n == 0)
        return s3_bucket_doc(q->bkt, DOC).p ? s3_keep_bucket_doc(q, DOC, STR_NULL) : S3ERR_OK;
    AUTO(buf_free) struct buf record = BUF(S3_NOTIFY_DOC_MAX);
    s3_notification_encode(rules, n, &record);
    return s3_keep_bucket_record(q, DOC, &record, "The notification");
}

/* --- back to XML --- */

static void write_filter_rule(struct buf *b, const char *name, struct str value)
{
    s3_xml_open(b, "FilterRule");
    s3_xml_text(b, "Name", str_c(name));
    s3_xml_text(b, "Value", value);
    s3_xml_close(b, "FilterRule");
}

static void write_rule(struct buf *b, const struct s3_notify_rule *r)
{
    s3_xml_open(b, kinds[r->kind].element);
    s3_xml_text(b, "Id", r->id);
    s3_xml_text(b, kinds[r->kind].target, r->target);
    for (unsigned i = 0; i < S3_EVENTS_; i++)
        if (r->names & (UINT64_C(1) << i))
            s3_xml_text(b, "Event", s3_event_name((enum s3_event)i));
    if (r->has_prefix || r->has_suffix) {
        s3_xml_open(b, "Filter");
        s3_xml_open(b, "S3Key");
        if (r->has_prefix)
            write_filter_rule(b, "Prefix", r->prefix);
        if (r->has_suffix)
            write_filter_rule(b, "Suffix", r->suffix);
        s3_xml_close(b, "S3Key");
        s3_xml_close(b, "Filter");
    }
    s3_xml_close(b, kinds[r->kind].element);
}

int s3_notification_write(struct str record, struct buf *xml)
{
    struct s3_notify_doc doc;
    struct s3_notify_rule rule;
    int r = s3_notify_open(record, &doc);
    while (r >= 0 && (r = s3_notify_next(&doc, &rule)) > 0)
        write_rule(xml, &rule);
    return r;
}

enum s3err s3_h_get_bucket_notification(struct s3_req *q)
{
    struct str record = s3_bucket_doc(q->bkt, DOC);
    struct buf *b = s3_answer_open(q, "NotificationConfiguration");
    int r = record.p ? s3_notification_write(record, b) : 0;
    return r < 0 ? s3err_from_errno(r, S3_THING_OTHER)
                 : s3_answer_close(q, "NotificationConfiguration");
}
