/* SPDX-License-Identifier: Apache-2.0 */
/* Notification configurations, and the events that changes leave in the outbox. */
#include "tests/lib/s3_fixture.h"

#include "s3gw/index/events.h"
#include "s3gw/notify/event.h"
#include "s3gw/notify/sender.h"

#define DOC(inside)   "<NotificationConfiguration>" inside "</NotificationConfiguration>"
#define QUEUE(inside) "<QueueConfiguration><Queue>q</Queue>" inside "</QueueConfiguration>"
#define EVENT(name)   "<Event>s3:" name "</Event>"
#define FILTER(name, value)                                                                        \
    "<Filter><S3Key><FilterRule><Name>" name "</Name><Value>" value                                \
    "</Value></FilterRule></S3Key></Filter>"

static const struct s3_sender_target targets[] = {{STR_INIT("q"), STR_INIT("http://127.0.0.1:1/")}};

static void begin(struct fixture *f)
{
    setup(f);
    /* its only target is away for good: what is noted stays where it can be looked at */
    const struct s3_sender_options o = {.index = f->gw.index,
                                        .region = STR("r"),
                                        .targets = targets,
                                        .ntargets = 1,
                                        .backlog = 1000,
                                        .timeout_ms = 1000,
                                        .retry_ms = 1000000};
    assert_int_equal(s3_sender_start(&o, &f->gw.sender), 0);
    assert_int_equal(call(f, "alice", "PUT", "/bkt", NULL, NULL), S3ERR_OK);
}

static void end(struct fixture *f)
{
    s3_sender_stop(&f->gw.sender);
    teardown(f);
}

static enum s3err configure(struct fixture *f, const char *xml)
{
    return call(f, "alice", "PUT", "/bkt?notification", "x-amz-skip-destination-validation: true",
                xml);
}

static void documents_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum s3err e;
    } rows[] = {
        {DOC(""), S3ERR_OK},
        {DOC(QUEUE(EVENT("ObjectCreated:*"))), S3ERR_OK},
        {DOC(QUEUE(EVENT("ObjectCreated:*") EVENT("ObjectRemoved:Delete") FILTER("prefix", "a"))),
         S3ERR_OK},
        {DOC("<TopicConfiguration><Topic>q</Topic>" EVENT("ObjectAcl:Put") "</TopicConfiguration>"),
         S3ERR_OK},
        {DOC("<CloudFunctionConfiguration><CloudFunction>q</CloudFunction>" EVENT(
             "ObjectAcl:Put") "</CloudFunctionConfiguration>"),
         S3ERR_OK},
        {"", S3ERR_MISSING_REQUEST_BODY_ERROR},
        {"<Other/>", S3ERR_MALFORMED_XML},
        {DOC("<Other/>"), S3ERR_MALFORMED_XML},
        {DOC(QUEUE("")), S3ERR_MALFORMED_XML},
        {DOC("<QueueConfiguration>" EVENT("ObjectCreated:*") "</QueueConfiguration>"),
         S3ERR_MALFORMED_XML},
        {DOC(QUEUE("<Queue>q</Queue>" EVENT("ObjectCreated:*"))), S3ERR_MALFORMED_XML},
        {DOC(QUEUE("<What/>" EVENT("ObjectCreated:*"))), S3ERR_MALFORMED_XML},
        {DOC(QUEUE("<Filter/>" EVENT("ObjectCreated:*"))), S3ERR_MALFORMED_XML},
        {DOC(QUEUE("<Filter><S3Key><What/></S3Key></Filter>" EVENT("ObjectCreated:*"))),
         S3ERR_MALFORMED_XML},
        {DOC(QUEUE(EVENT("ObjectCreated:Wish"))), S3ERR_INVALID_ARGUMENT},
        {DOC(QUEUE(EVENT("ObjectCreated:*") FILTER("infix", "a"))), S3ERR_INVALID_ARGUMENT},
        {DOC("<QueueConfiguration><Queue>other</Queue>" EVENT(
             "ObjectCreated:*") "</QueueConfiguration>"),
         S3ERR_INVALID_ARGUMENT},
        {DOC(QUEUE(EVENT("ObjectCreated:*")) QUEUE(EVENT("ObjectCreated:Put"))),
         S3ERR_INVALID_ARGUMENT},
        {DOC(QUEUE("<Id>a</Id>" EVENT("ObjectCreated:Put"))
                 QUEUE("<Id>a</Id>" EVENT("ObjectCreated:Copy"))),
         S3ERR_INVALID_ARGUMENT},
        {DOC("<EventBridgeConfiguration/>"), S3ERR_NOT_IMPLEMENTED},
    };
    struct fixture f;
    begin(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum s3err e = configure(&f, rows[i].body);
        if (e != rows[i].e)
            fail_msg("%s\ngave %s", rows[i].body, e == S3ERR_OK ? "OK" : s3err_info(e)->code);
    }
    /* without being told to skip that, the target is asked, and is away */
    assert_int_equal(
        call(&f, "alice", "PUT", "/bkt?notification", NULL, DOC(QUEUE(EVENT("ObjectCreated:*")))),
        S3ERR_INVALID_ARGUMENT);
    assert_int_equal(call(&f, "bob", "PUT", "/bkt?notification", NULL, DOC("")),
                     S3ERR_ACCESS_DENIED);
    end(&f);
}

static void it_comes_back_with_an_id_and_goes(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(configure(&f, DOC(QUEUE(EVENT("ObjectRemoved:Delete") EVENT("ObjectCreated:*")
                                                 FILTER("suffix", ".x")))),
                     S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/bkt?notification", NULL, NULL), S3ERR_OK);
    assert_int_equal(text_at(&f, "QueueConfiguration/Id").n, 32);
    assert_text(&f, "QueueConfiguration/Queue", "q");
    assert_text(&f, "QueueConfiguration/Event", "s3:ObjectCreated:*");
    assert_text(&f, "QueueConfiguration/Filter/S3Key/FilterRule/Name", "Suffix");
    assert_text(&f, "QueueConfiguration/Filter/S3Key/FilterRule/Value", ".x");
    assert_int_equal(configure(&f, DOC("")), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/bkt?notification", NULL, NULL), S3ERR_OK);
    assert_null(f.xml->child);
    end(&f);
}

/* What waits in the outbox, as "ObjectRemoved:Delete k; ..." */
static const char *outbox(struct fixture *f)
{
    static char out[2048];
    AUTO(arena_fini) struct arena a;
    struct s3_event_row *rows;
    size_t n, at = 0;
    arena_init(&a, 1 << 20);
    assert_int_equal(s3_event_list(f->gw.index, STR("q"), 100, &a, &rows, &n), 0);
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        struct s3_event_record e;
        assert_int_equal(s3_event_decode(rows[i].record, &e), 0);
        assert_true(i == 0 || rows[i].number > rows[i - 1].number);
        at += (size_t)snprintf(out + at, sizeof(out) - at, STR_F " " STR_F "%s%s; ",
                               STR_A(str_from(s3_event_name(e.event), 3)), STR_A(e.key),
                               e.version.p ? " v" : "", e.requester.n ? "" : " (us)");
    }
    return out;
}

static void changes_are_noted_in_their_own_commit(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    have_object(&f, "bkt", "k", 10); /* nobody asked yet */
    assert_int_equal(configure(&f, DOC(QUEUE(EVENT("ObjectCreated:*") EVENT("ObjectRemoved:*")
                                                 EVENT("ObjectTagging:*") EVENT("ObjectAcl:Put")))),
                     S3ERR_OK);
    assert_int_equal(call(&f, "alice", "PUT", "/bkt/c", "x-amz-copy-source: /bkt/k", NULL),
                     S3ERR_OK);
    assert_int_equal(
        call(&f, "alice", "PUT", "/bkt/c?tagging", NULL,
             "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
        S3ERR_OK);
    assert_int_equal(call(&f, "alice", "DELETE", "/bkt/c?tagging", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "PUT", "/bkt/c?acl", "x-amz-acl: private", NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "DELETE", "/bkt/c", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "DELETE", "/bkt/c", NULL, NULL),
                     S3ERR_OK); /* nothing there: nothing told */
    assert_int_equal(
        call(&f, "alice", "PUT", "/bkt/d", "x-amz-copy-source: /bkt/k\nIf-None-Match: *", NULL),
        S3ERR_OK);
    assert_int_equal(
        call(&f, "alice", "PUT", "/bkt/d", "x-amz-copy-source: /bkt/k\nIf-None-Match: *", NULL),
        S3ERR_PRECONDITION_FAILED);
    assert_string_equal(
        outbox(&f),
        "ObjectCreated:Copy c; ObjectTagging:Put c; ObjectTagging:Delete c; ObjectAcl:Put c; "
        "ObjectRemoved:Delete c; ObjectCreated:Copy d; ");
    assert_int_equal(f.q.noticed, 0);
    end(&f);
}

static void versions_and_markers_are_told_apart(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(
        call(&f, "alice", "PUT", "/bkt?versioning", NULL,
             "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        S3ERR_OK);
    have_object(&f, "bkt", "k", 10);
    assert_int_equal(configure(&f, DOC(QUEUE(EVENT("ObjectRemoved:*")))), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "DELETE", "/bkt/k", NULL, NULL), S3ERR_OK);
    char target[64];
    snprintf(target, sizeof(target), "/bkt/k?versionId=" STR_F,
             STR_A(answered(&f, "x-amz-version-id")));
    assert_int_equal(call(&f, "alice", "DELETE", target, NULL, NULL), S3ERR_OK);
    assert_string_equal(outbox(&f),
                        "ObjectRemoved:DeleteMarkerCreated k v; ObjectRemoved:Delete k v; ");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_judged),
        cmocka_unit_test(it_comes_back_with_an_id_and_goes),
        cmocka_unit_test(changes_are_noted_in_their_own_commit),
        cmocka_unit_test(versions_and_markers_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
