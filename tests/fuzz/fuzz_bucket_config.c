/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_bucket_config - configurations of what a bucket tells others, as XML and as kept: what is
 * accepted is kept, is written again, and is accepted again as the same. The first byte picks: G
 * logging, g its record; N notifications, n their record; e the record of an event.
 */
#include "s3gw/api/logging.h"
#include "s3gw/api/notification.h"
#include "s3gw/index/bucket.h"
#include "s3gw/notify/event.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

enum { OUT_MAX = 8 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void s3_req_done(struct s3_req *q, enum s3err e)
{
    (void)q, (void)e;
}

void s3_req_more(struct s3_req *q)
{
    (void)q;
}

static void logging_xml(struct s3_req *q, struct str xml)
{
    AUTO(buf_free) struct buf record = BUF(OUT_MAX), again = BUF(OUT_MAX), out = BUF(OUT_MAX);
    struct s3_node *root;
    struct s3_logging l, kept;
    if (s3_xml_parse(xml, "LoggingEnabled", &q->arena, &root) < 0 ||
        s3_logging_parse(q, root, &l) != S3ERR_OK)
        return;
    s3_logging_encode(&l, &record);
    ASSERT(!buf_err(&record) && s3_logging_decode(buf_str(&record), &kept) == 0);
    ASSERT(s3_logging_write(q, &kept, &out) == 0 && !buf_err(&out));
    ASSERT(s3_xml_parse(buf_str(&out), "LoggingEnabled", &q->arena, &root) == 0);
    ASSERT(s3_logging_parse(q, root, &l) == S3ERR_OK);
    s3_logging_encode(&l, &again);
    ASSERT(str_eq(buf_str(&record), buf_str(&again)));
}

static void logging_record(struct s3_req *q, struct str record)
{
    AUTO(buf_free) struct buf again = BUF(OUT_MAX), out = BUF(OUT_MAX);
    struct s3_logging l;
    if (s3_logging_decode(record, &l) < 0)
        return;
    int r = s3_logging_write(q, &l, &out);
    ASSERT(r == 0 || r == -EBADMSG);
    s3_logging_encode(&l, &again);
    ASSERT(s3_logging_decode(buf_str(&again), &l) == 0);
}

static void notification_xml(struct s3_req *q, struct str xml)
{
    AUTO(buf_free) struct buf record = BUF(OUT_MAX), again = BUF(OUT_MAX), out = BUF(OUT_MAX);
    struct s3_notify_rule *rules;
    struct s3_node *root;
    size_t n;
    if (s3_xml_parse(xml, "NotificationConfiguration", &q->arena, &root) < 0 ||
        s3_notification_parse(q, root, &rules, &n) != S3ERR_OK)
        return;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            ASSERT(!s3_notify_overlap(&rules[i], &rules[k]));
    s3_notification_encode(rules, n, &record);
    buf_adds(&out, STR("<NotificationConfiguration>"));
    ASSERT(!buf_err(&record) && s3_notification_write(buf_str(&record), &out) == 0);
    buf_adds(&out, STR("</NotificationConfiguration>"));
    ASSERT(s3_xml_parse(buf_str(&out), "NotificationConfiguration", &q->arena, &root) == 0);
    ASSERT(s3_notification_parse(q, root, &rules, &n) == S3ERR_OK);
    s3_notification_encode(rules, n, &again);
    ASSERT(str_eq(buf_str(&record), buf_str(&again)));
}

static void event_record(struct str record)
{
    AUTO(buf_free) struct buf again = BUF(OUT_MAX), json = BUF(OUT_MAX);
    struct s3_event_record e;
    if (s3_event_decode(record, &e) < 0)
        return;
    s3_event_document(&e, 1, STR("r"), &json);
    s3_event_encode(&e, &again);
    ASSERT(!buf_err(&json) && s3_event_decode(buf_str(&again), &e) == 0);
}

static void notification_record(struct str record)
{
    AUTO(buf_free) struct buf out = BUF(OUT_MAX);
    struct s3_notify_doc d;
    struct s3_notify_rule rule;
    int r = s3_notify_open(record, &d);
    while (r >= 0 && (r = s3_notify_next(&d, &rule)) > 0)
        (void)s3_notify_matches(&rule, S3_EVENT_CREATED_PUT, STR("key"));
    ASSERT(s3_notification_write(record, &out) == r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct s3_gw gw = {.region = STR_INIT("us-east-1")};
    static struct s3_req q;
    if (size < 1 || (!gw.index && s3_index_open_mem(&gw.index) < 0))
        return 0;
    struct str rest = str_of(data + 1, size - 1);
    s3_req_init(&q);
    q.gw = &gw;
    q.may_block = true;
    switch (data[0]) {
    case 'G':
        logging_xml(&q, rest);
        break;
    case 'g':
        logging_record(&q, rest);
        break;
    case 'N':
        notification_xml(&q, rest);
        break;
    case 'n':
        notification_record(rest);
        break;
    case 'e':
        event_record(rest);
        break;
    default:
        break;
    }
    s3_req_fini(&q);
    return 0;
}
