/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/notify/event.h"

#include "s3gw/core/httpdate.h"

enum { RECORD_VERSION = 1, HAS_OBJECT = 1, HAS_VERSION = 2 };

/* --- the record --- */

void s3_event_encode(const struct s3_event_record *e, struct buf *out)
{
    const struct str *texts[] = {&e->rule_id,   &e->bucket,  &e->bucket_owner, &e->key,
                                 &e->requester, &e->address, &e->request_id,   &e->storage_class};
    buf_u8(out, RECORD_VERSION);
    buf_u8(out, (uint8_t)e->event);
    buf_u8(out, (uint8_t)((e->has_object ? HAS_OBJECT : 0) | (e->version.p ? HAS_VERSION : 0)));
    buf_u64(out, (uint64_t)e->time_ms);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        buf_lstr(out, *texts[i]);
    if (e->has_object) {
        buf_var(out, e->size);
        buf_lstr(out, e->etag);
    }
    if (e->version.p)
        buf_lstr(out, e->version);
}

int s3_event_decode(struct str bytes, struct s3_event_record *ret)
{
    struct rd in = rd_of(bytes);
    struct s3_event_record e = {0};
    struct str *texts[] = {&e.rule_id,   &e.bucket,  &e.bucket_owner, &e.key,
                           &e.requester, &e.address, &e.request_id,   &e.storage_class};
    uint8_t version = rd_u8(&in), event = rd_u8(&in), has = rd_u8(&in);
    e.event = (enum s3_event)event;
    e.time_ms = (int64_t)rd_u64(&in);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = rd_lstr(&in);
    e.has_object = has & HAS_OBJECT;
    if (e.has_object) {
        e.size = rd_var(&in);
        e.etag = rd_lstr(&in);
    }
    if (has & HAS_VERSION)
        e.version = rd_lstr(&in);
    if (in.bad || in.n > 0 || version != RECORD_VERSION || event >= S3_EVENTS_)
        return -EBADMSG;
    *ret = e;
    return 0;
}

/* --- the document --- */

/* Bytes that are no UTF-8 cannot stand in JSON; names of buckets, ids and addresses are ASCII. */
static void text(struct buf *b, const char *name, struct str s)
{
    buf_addf(b, "\"%s\":\"", name);
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        if (c == '"' || c == '\\')
            buf_addf(b, "\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            buf_addf(b, "\\u%04x", (unsigned)c);
        else
            buf_addc(b, (char)c);
    }
    buf_addc(b, '"');
}

static void key_text(struct buf *b, struct str key)
{
    static const struct str plain = STR_INIT("-_.*/");
    buf_adds(b, STR("\"key\":\""));
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            str_chr(plain, c) != SIZE_MAX)
            buf_addc(b, c);
        else if (c == ' ')
            buf_addc(b, '+');
        else
            buf_addf(b, "%%%02X", (unsigned)(uint8_t)c);
    }
    buf_addc(b, '"');
}

static void time_text(struct buf *b, const char *name, int64_t ms)
{
    char when[S3_ISODATE_MAX];
    size_t n = s3_isodate_format(ms, when);
    text(b, name, str_of(when, n));
}

static bool is_newer_kind(enum s3_event e)
{
    return e == S3_EVENT_TAGGING_PUT || e == S3_EVENT_TAGGING_DELETE || e == S3_EVENT_ACL_PUT ||
           e == S3_EVENT_EXPIRATION_DELETE || e == S3_EVENT_EXPIRATION_MARKER ||
           e == S3_EVENT_TRANSITION || e == S3_EVENT_RETENTION_PUT;
}

static void object(const struct s3_event_record *e, uint64_t number, struct buf *b)
{
    buf_adds(b, STR("\"object\":{"));
    key_text(b, e->key);
    if (e->has_object) {
        buf_addf(b, ",\"size\":%llu,", (unsigned long long)e->size);
        text(b, "eTag", e->etag);
    }
    if (e->version.p) {
        buf_addc(b, ',');
        text(b, "versionId", e->version);
    }
    buf_addf(b, ",\"sequencer\":\"%016llX\"}", (unsigned long long)number);
}

static void bucket(const struct s3_event_record *e, struct buf *b)
{
    buf_adds(b, STR("\"bucket\":{"));
    text(b, "name", e->bucket);
    buf_adds(b, STR(",\"ownerIdentity\":{"));
    text(b, "principalId", e->bucket_owner);
    buf_addf(b, "},\"arn\":\"arn:aws:s3:::" STR_F "\"},", STR_A(e->bucket));
}

void s3_event_document(const struct s3_event_record *e, uint64_t number, struct str region,
                       struct buf *b)
{
    static const struct str prefix = STR_INIT("s3:");
    struct str by = e->requester.n ? e->requester : STR("s3.amazonaws.com");
    struct str from = e->address.n ? e->address : STR("127.0.0.1");
    buf_addf(b, "{\"Records\":[{\"eventVersion\":\"%s\",\"eventSource\":\"aws:s3\",",
             is_newer_kind(e->event) ? "2.3" : "2.1");
    text(b, "awsRegion", region);
    buf_addc(b, ',');
    time_text(b, "eventTime", e->time_ms);
    buf_addc(b, ',');
    text(b, "eventName", str_from(s3_event_name(e->event), prefix.n));
    buf_adds(b, STR(",\"userIdentity\":{"));
    text(b, "principalId", by);
    buf_adds(b, STR("},\"requestParameters\":{"));
    text(b, "sourceIPAddress", from);
    buf_adds(b, STR("},\"responseElements\":{"));
    text(b, "x-amz-request-id", e->request_id);
    buf_addc(b, ',');
    text(b, "x-amz-id-2", e->request_id);
    buf_adds(b, STR("},\"s3\":{\"s3SchemaVersion\":\"1.0\","));
    text(b, "configurationId", e->rule_id);
    buf_addc(b, ',');
    bucket(e, b);
    object(e, number, b);
    buf_addc(b, '}');
    if (e->event == S3_EVENT_TRANSITION) {
        buf_adds(b, STR(",\"lifecycleEventData\":{\"transitionEventData\":{"));
        text(b, "destinationStorageClass", e->storage_class);
        buf_adds(b, STR("}}"));
    }
    buf_adds(b, STR("}]}"));
}

void s3_event_test(struct str name, struct str request_id, int64_t now_ms, struct buf *b)
{
    buf_adds(b, STR("{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\","));
    time_text(b, "Time", now_ms);
    buf_addc(b, ',');
    text(b, "Bucket", name);
    buf_addc(b, ',');
    text(b, "RequestId", request_id);
    buf_addc(b, ',');
    text(b, "HostId", request_id);
    buf_addc(b, '}');
}
