/* SPDX-License-Identifier: Apache-2.0 */
/* Events: the record, and the document as AWS has it. */
#include "s3gw/notify/event.h"

#include <jansson.h>

#include "tests/lib/test.h"

static const struct s3_event_record whole = {.event = S3_EVENT_CREATED_PUT,
                                             .time_ms = 1000,
                                             .rule_id = STR_INIT("r \"1\""),
                                             .bucket = STR_INIT("bkt"),
                                             .bucket_owner = STR_INIT("alice-id"),
                                             .key = STR_INIT("a b/\xC3\xBC+&.txt"),
                                             .requester = STR_INIT("bob-id"),
                                             .address = STR_INIT("192.0.2.1"),
                                             .request_id = STR_INIT("00FF"),
                                             .storage_class = STR_INIT("STANDARD"),
                                             .has_object = true,
                                             .size = 1024,
                                             .etag = STR_INIT("d41d8cd98f00b204e9800998ecf8427e"),
                                             .version = STR_INIT("null")};

static void a_record_comes_back_and_every_cut_is_noticed(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf a = BUF(4096), b = BUF(4096);
    struct s3_event_record e;
    s3_event_encode(&whole, &a);
    assert_int_equal(s3_event_decode(buf_str(&a), &e), 0);
    s3_event_encode(&e, &b);
    assert_true(str_eq(buf_str(&a), buf_str(&b)));
    for (size_t n = 0; n < a.n; n++)
        assert_int_equal(s3_event_decode(str_of(a.p, n), &e), -EBADMSG);
    buf_addc(&a, 'x');
    assert_int_equal(s3_event_decode(buf_str(&a), &e), -EBADMSG);
}

static void the_document_is_awss(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf b = BUF(S3_EVENT_DOC_MAX);
    s3_event_document(&whole, 0x1F, STR("us-east-1"), &b);
    buf_addc(&b, '\0');
    assert_string_equal(
        b.p, "{\"Records\":[{\"eventVersion\":\"2.1\",\"eventSource\":\"aws:s3\",\"awsRegion\":"
             "\"us-east-1\","
             "\"eventTime\":\"1970-01-01T00:00:01.000Z\",\"eventName\":\"ObjectCreated:Put\","
             "\"userIdentity\":{\"principalId\":\"bob-id\"},\"requestParameters\":{"
             "\"sourceIPAddress\":\"192.0.2.1\"},"
             "\"responseElements\":{\"x-amz-request-id\":\"00FF\",\"x-amz-id-2\":\"00FF\"},"
             "\"s3\":{\"s3SchemaVersion\":\"1.0\",\"configurationId\":\"r "
             "\\\"1\\\"\",\"bucket\":{\"name\":\"bkt\","
             "\"ownerIdentity\":{\"principalId\":\"alice-id\"},\"arn\":\"arn:aws:s3:::bkt\"},"
             "\"object\":{\"key\":\"a+b/"
             "%C3%BC%2B%26.txt\",\"size\":1024,\"eTag\":\"d41d8cd98f00b204e9800998ecf8427e\","
             "\"versionId\":\"null\",\"sequencer\":\"000000000000001F\"}}}]}");
}

/* Whatever is inside, it is JSON. */
static void every_event_is_json(void **state)
{
    (void)state;
    for (unsigned i = 0; i < S3_EVENTS_; i++)
        for (unsigned c = 1; c < 256; c++) {
            AUTO(buf_free) struct buf b = BUF(S3_EVENT_DOC_MAX);
            struct s3_event_record e = whole;
            char odd[] = {'x', (char)c, 'y'};
            e.event = (enum s3_event)i;
            e.has_object = c % 2;
            e.key = e.rule_id = e.requester = str_of(odd, sizeof(odd));
            s3_event_document(&e, c, STR("r"), &b);
            json_error_t why;
            json_t *j = json_loadb(b.p, b.n, 0, &why);
            if (!j)
                fail_msg("event %u, byte %u: %s", i, c, why.text);
            json_decref(j);
        }
    AUTO(buf_free) struct buf b = BUF(S3_EVENT_DOC_MAX);
    s3_event_test(STR("bkt"), STR("00FF"), 0, &b);
    json_t *j = json_loadb(b.p, b.n, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(j, "Event")), "s3:TestEvent");
    assert_string_equal(json_string_value(json_object_get(j, "Bucket")), "bkt");
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_comes_back_and_every_cut_is_noticed),
        cmocka_unit_test(the_document_is_awss),
        cmocka_unit_test(every_event_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
