/* SPDX-License-Identifier: Apache-2.0 */
/* The lifecycle document: what is accepted and refused, what comes back, and what it says of one thing. */
#include "tests/lib/test.h"

#include "s3gw/core/gw.h"
#include "s3gw/core/httpdate.h"
#include "s3gw/lifecycle/rules.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

/* Handlers of streams; none runs here. */
void s3_req_done(struct s3_req *q, enum s3err e)
{
    (void)q, (void)e;
    fail();
}

void s3_req_more(struct s3_req *q)
{
    (void)q;
    fail();
}

#define DOC(rules)   "<LifecycleConfiguration>" rules "</LifecycleConfiguration>"
#define RULE(inside) "<Rule><ID>r</ID><Status>Enabled</Status>" inside "</Rule>"
#define ALL          "<Filter/>"
#define DAYS(n)      "<Expiration><Days>" n "</Days></Expiration>"
#define MOVE(n, class)                                                                             \
    "<Transition><Days>" n "</Days><StorageClass>" class "</StorageClass></Transition>"
#define OLD_MOVE(n, class)                                                                         \
    "<NoncurrentVersionTransition><NoncurrentDays>" n                                              \
    "</NoncurrentDays><StorageClass>" class "</StorageClass></NoncurrentVersionTransition>"

static enum s3err parse(struct s3_req *q, const char *xml, struct buf *record)
{
    static struct s3_gw gw;
    struct s3_node *root;
    gw.classes = s3_classes_default;
    q->gw = &gw;
    buf_reset(record);
    if (s3_xml_parse(str_c(xml), "LifecycleConfiguration", &q->arena, &root) < 0)
        return S3ERR_MALFORMED_XML; /* as s3_document() */
    return s3_life_parse(q, root, S3_LIFE_ALL_128K, record);
}

static int64_t at(const char *iso)
{
    int64_t ms;
    assert_int_equal(s3_isodate_parse(str_c(iso), &ms), 0);
    return ms;
}

static void documents_are_accepted_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *xml;
        enum s3err e;
    } rows[] = {
        {DOC(RULE(ALL DAYS("1"))), S3ERR_OK},
        {DOC("<Rule><Prefix>a/</Prefix><Status>Enabled</Status>" DAYS("30") "</Rule>"), S3ERR_OK},
        {DOC(RULE(DAYS("1"))), S3ERR_OK}, /* neither Prefix nor Filter: everything */
        {DOC(RULE("<Filter><Prefix>a</Prefix></Filter>" DAYS("1"))), S3ERR_OK},
        {DOC(RULE("<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>" DAYS("1"))), S3ERR_OK},
        {DOC(RULE("<Filter><And><Prefix>a</Prefix><ObjectSizeGreaterThan>5</"
                  "ObjectSizeGreaterThan></And></Filter>" DAYS("1"))),
         S3ERR_OK},
        {DOC(RULE("<Filter><And><Tag><Key>k</Key><Value>v</Value></Tag><Tag><Key>l</Key><Value/></"
                  "Tag></And></Filter>" DAYS("1"))),
         S3ERR_OK},
        {DOC(RULE(ALL "<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>")), S3ERR_OK},
        {DOC(RULE(ALL "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></"
                      "Expiration>")),
         S3ERR_OK},
        {DOC(RULE(ALL "<NoncurrentVersionExpiration><NoncurrentDays>3</"
                      "NoncurrentDays><NewerNoncurrentVersions>100"
                      "</NewerNoncurrentVersions></NoncurrentVersionExpiration>")),
         S3ERR_OK},
        {DOC(RULE(ALL "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>"
                      "</AbortIncompleteMultipartUpload>")),
         S3ERR_OK},
        /* rules */
        {DOC(""), S3ERR_MALFORMED_XML},
        {DOC("<Thing/>"), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL)), S3ERR_INVALID_REQUEST},
        {DOC(RULE(ALL DAYS("1")) RULE(ALL DAYS("2"))), S3ERR_INVALID_ARGUMENT}, /* the same ID */
        {DOC("<Rule><ID>r</ID><Filter/>" DAYS("1") "</Rule>"), S3ERR_MALFORMED_XML},
        {DOC("<Rule><Status>enabled</Status><Filter/>" DAYS("1") "</Rule>"), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL DAYS("1") "<Unknown/>")), S3ERR_MALFORMED_XML},
        /* filters */
        {DOC(RULE("<Prefix>a</Prefix>" ALL DAYS("1"))), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL ALL DAYS("1"))), S3ERR_MALFORMED_XML},
        {DOC(RULE("<Filter><Prefix>a</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></Filter>" DAYS(
             "1"))),
         S3ERR_MALFORMED_XML},
        {DOC(RULE("<Filter><And><Prefix>a</Prefix></And></Filter>" DAYS("1"))),
         S3ERR_MALFORMED_XML},
        {DOC(RULE("<Filter><And/></Filter>" DAYS("1"))), S3ERR_MALFORMED_XML},
        {DOC(RULE("<Filter><Suffix>a</Suffix></Filter>" DAYS("1"))), S3ERR_MALFORMED_XML},
        {DOC(RULE("<Filter><Tag><Key>k</Key></Tag></Filter>" DAYS("1"))), S3ERR_MALFORMED_XML},
        {DOC(RULE("<Filter><Tag><Key></Key><Value>v</Value></Tag></Filter>" DAYS("1"))),
         S3ERR_INVALID_TAG},
        {DOC(RULE("<Filter><And><Tag><Key>k</Key><Value>v</Value></Tag><Tag><Key>k</Key><Value>w</"
                  "Value></Tag></And>"
                  "</Filter>" DAYS("1"))),
         S3ERR_INVALID_REQUEST},
        {DOC(RULE("<Filter><ObjectSizeLessThan>-1</ObjectSizeLessThan></Filter>" DAYS("1"))),
         S3ERR_MALFORMED_XML},
        {DOC(RULE(
             "<Filter><And><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>5"
             "</ObjectSizeLessThan></And></Filter>" DAYS("1"))),
         S3ERR_INVALID_REQUEST},
        /* expiration */
        {DOC(RULE(ALL DAYS("0"))), S3ERR_INVALID_ARGUMENT},
        {DOC(RULE(ALL DAYS("-3"))), S3ERR_INVALID_ARGUMENT},
        {DOC(RULE(ALL DAYS("x"))), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL DAYS("99999999999"))), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL "<Expiration/>")), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL "<Expiration><Days>1</Days><Date>2030-01-01T00:00:00Z</Date></Expiration>")),
         S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL "<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</"
                      "ExpiredObjectDeleteMarker></Expiration>")),
         S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL "<Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>")),
         S3ERR_INVALID_ARGUMENT},
        {DOC(RULE(ALL "<Expiration><Date>soon</Date></Expiration>")), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL "<Expiration><ExpiredObjectDeleteMarker>yes</ExpiredObjectDeleteMarker></"
                      "Expiration>")),
         S3ERR_MALFORMED_XML},
        {DOC(RULE("<Filter><Tag><Key>k</Key><Value>v</Value></Tag></"
                  "Filter><Expiration><ExpiredObjectDeleteMarker>true"
                  "</ExpiredObjectDeleteMarker></Expiration>")),
         S3ERR_INVALID_REQUEST},
        /* noncurrent, uploads */
        {DOC(RULE(ALL "<NoncurrentVersionExpiration/>")), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL "<NoncurrentVersionExpiration><NoncurrentDays>0</NoncurrentDays></"
                      "NoncurrentVersionExpiration>")),
         S3ERR_INVALID_ARGUMENT},
        {DOC(RULE(ALL "<NoncurrentVersionExpiration><NoncurrentDays>1</"
                      "NoncurrentDays><NewerNoncurrentVersions>101"
                      "</NewerNoncurrentVersions></NoncurrentVersionExpiration>")),
         S3ERR_INVALID_ARGUMENT},
        {DOC(RULE(ALL "<AbortIncompleteMultipartUpload><DaysAfterInitiation>0</DaysAfterInitiation>"
                      "</AbortIncompleteMultipartUpload>")),
         S3ERR_INVALID_ARGUMENT},
        {DOC(RULE("<Filter><Tag><Key>k</Key><Value>v</Value></Tag></"
                  "Filter><AbortIncompleteMultipartUpload>"
                  "<DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>")),
         S3ERR_INVALID_REQUEST},
        {DOC(RULE("<Filter><ObjectSizeLessThan>9</ObjectSizeLessThan></"
                  "Filter><AbortIncompleteMultipartUpload>"
                  "<DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>")),
         S3ERR_INVALID_REQUEST},
        /* transitions */
        {DOC(RULE(ALL MOVE("30", "STANDARD_IA"))), S3ERR_OK},
        {DOC(RULE(ALL MOVE("0", "GLACIER_IR"))), S3ERR_OK},
        {DOC(RULE(ALL "<Transition><Date>2030-01-01T00:00:00Z</Date><StorageClass>GLACIER_IR</"
                      "StorageClass></Transition>")),
         S3ERR_OK},
        {DOC(RULE(ALL DAYS("90") MOVE("30", "STANDARD_IA") MOVE("60", "GLACIER_IR")
                      OLD_MOVE("3", "GLACIER_IR"))),
         S3ERR_OK},
        {DOC(RULE(ALL MOVE("60", "GLACIER_IR") MOVE("30", "STANDARD_IA"))),
         S3ERR_OK}, /* the order of days counts */
        {DOC(RULE(ALL "<NoncurrentVersionTransition><NoncurrentDays>3</"
                      "NoncurrentDays><NewerNoncurrentVersions>2"
                      "</NewerNoncurrentVersions><StorageClass>GLACIER_IR</StorageClass></"
                      "NoncurrentVersionTransition>")),
         S3ERR_OK},
        {DOC(RULE(
             "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>" MOVE("0", "GLACIER_IR"))),
         S3ERR_OK},
        {DOC(RULE(ALL MOVE("29", "STANDARD_IA"))), S3ERR_INVALID_ARGUMENT},
        {DOC(RULE(ALL OLD_MOVE("29", "ONEZONE_IA"))), S3ERR_INVALID_ARGUMENT},
        {DOC(RULE(ALL MOVE("-1", "GLACIER_IR"))), S3ERR_INVALID_ARGUMENT},
        {DOC(RULE(ALL MOVE("x", "GLACIER_IR"))), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL MOVE("30", "CELLAR"))), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL MOVE("30", "STANDARD"))), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL MOVE("30", "REDUCED_REDUNDANCY"))), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL MOVE("30", "DEEP_ARCHIVE"))),
         S3ERR_INVALID_STORAGE_CLASS}, /* AWS's, not offered */
        {DOC(RULE(ALL "<Transition><Days>30</Days></Transition>")), S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL "<Transition><StorageClass>GLACIER_IR</StorageClass></Transition>")),
         S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL "<Transition><Days>1</Days><Date>2030-01-01T00:00:00Z</"
                      "Date><StorageClass>GLACIER_IR</StorageClass>"
                      "</Transition>")),
         S3ERR_MALFORMED_XML},
        {DOC(RULE(ALL "<Transition><Date>2030-01-01T07:00:00Z</Date><StorageClass>GLACIER_IR</"
                      "StorageClass></Transition>")),
         S3ERR_INVALID_ARGUMENT},
        {DOC(RULE(ALL "<NoncurrentVersionTransition><NoncurrentDays>3</"
                      "NoncurrentDays><NewerNoncurrentVersions>101"
                      "</NewerNoncurrentVersions><StorageClass>GLACIER_IR</StorageClass></"
                      "NoncurrentVersionTransition>")),
         S3ERR_INVALID_ARGUMENT},
        {DOC(RULE(ALL MOVE("30", "GLACIER_IR") MOVE("40", "GLACIER_IR"))),
         S3ERR_INVALID_REQUEST}, /* twice */
        {DOC(RULE(ALL MOVE("60", "STANDARD_IA") MOVE("60", "GLACIER_IR"))), S3ERR_INVALID_ARGUMENT},
        {DOC(RULE(ALL MOVE("40", "GLACIER_IR") MOVE("60", "STANDARD_IA"))),
         S3ERR_INVALID_ARGUMENT}, /* up */
        {DOC(RULE(ALL MOVE(
             "60",
             "STANDARD_IA") "<Transition><Date>2030-01-01T00:00:00Z</Date><StorageClass>GLACIER_IR"
                            "</StorageClass></Transition>")),
         S3ERR_INVALID_REQUEST}, /* days and date */
        {DOC(RULE(ALL "<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>" MOVE(
             "60", "GLACIER_IR"))),
         S3ERR_INVALID_REQUEST},
        {DOC(RULE(ALL DAYS("60") MOVE("60", "GLACIER_IR"))),
         S3ERR_INVALID_ARGUMENT}, /* gone before it moves */
        {DOC(RULE(ALL "<NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays></"
                      "NoncurrentVersionExpiration>" OLD_MOVE("3", "GLACIER_IR"))),
         S3ERR_INVALID_ARGUMENT},
        {DOC(RULE(ALL DAYS("0") MOVE("1", "GLACIER_IR"))), S3ERR_INVALID_ARGUMENT},
    };
    AUTO(buf_free) struct buf record = BUF(S3_LIFE_DOC_MAX);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_req q;
        s3_req_init(&q);
        enum s3err e = parse(&q, rows[i].xml, &record);
        if (e != rows[i].e)
            fail_msg("%s\ngave %s, not %s", rows[i].xml, s3err_info(e)->code,
                     s3err_info(rows[i].e)->code);
        s3_req_fini(&q);
    }
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf xml = BUF(8 << 20);
    AUTO(buf_free) struct buf record = BUF(S3_LIFE_DOC_MAX);
    for (int n = 1000; n <= 1001; n++) {
        struct s3_req q;
        s3_req_init(&q);
        buf_reset(&xml);
        buf_addf(&xml, "<LifecycleConfiguration>");
        for (int i = 0; i < n; i++)
            buf_addf(&xml, "<Rule><ID>%d</ID><Status>Enabled</Status><Filter/>" DAYS("1") "</Rule>",
                     i);
        buf_addf(&xml, "</LifecycleConfiguration>");
        buf_addc(&xml, '\0');
        assert_int_equal(parse(&q, xml.p, &record), n > 1000 ? S3ERR_INVALID_REQUEST : S3ERR_OK);
        s3_req_fini(&q);
    }
    for (int n = 255; n <= 256; n++) {
        struct s3_req q;
        s3_req_init(&q);
        buf_reset(&xml);
        buf_addf(&xml,
                 DOC("<Rule><ID>%0*d</ID><Status>Enabled</Status><Filter/>" DAYS("1") "</Rule>"), n,
                 0);
        buf_addc(&xml, '\0');
        assert_int_equal(parse(&q, xml.p, &record), n > 255 ? S3ERR_INVALID_ARGUMENT : S3ERR_OK);
        s3_req_fini(&q);
    }
}

static void a_document_comes_back_as_it_was_given(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "<Rule><ID>a</ID><Filter></Filter><Status>Enabled</Status><Expiration><Days>1</Days></"
        "Expiration></Rule>",
        "<Rule><ID>b</ID><Prefix>logs/</Prefix><Status>Disabled</"
        "Status><Expiration><Date>2030-01-01T00:00:00.000Z</Date>"
        "</Expiration></Rule>",
        "<Rule><ID>c &amp; "
        "d</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><Expiration>"
        "<ExpiredObjectDeleteMarker>false</ExpiredObjectDeleteMarker></Expiration></Rule>",
        "<Rule><ID>e</ID><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></"
        "Tag><Tag><Key>l</Key><Value>"
        "</Value></Tag><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan><ObjectSizeLessThan>20</"
        "ObjectSizeLessThan></And>"
        "</Filter><Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>3</"
        "NoncurrentDays>"
        "<NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>",
        "<Rule><ID>f</ID><Status>Enabled</"
        "Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>7"
        "</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>",
        "<Rule><ID>g</ID><Filter></Filter><Status>Enabled</Status><Expiration><Days>90</Days></"
        "Expiration><Transition>"
        "<Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition><Transition><Days>60</"
        "Days><StorageClass>"
        "GLACIER_IR</StorageClass></Transition><NoncurrentVersionTransition><NoncurrentDays>0</"
        "NoncurrentDays>"
        "<NewerNoncurrentVersions>3</NewerNoncurrentVersions><StorageClass>GLACIER_IR</"
        "StorageClass>"
        "</NoncurrentVersionTransition></Rule>",
        "<Rule><ID>h</ID><Filter></Filter><Status>Enabled</"
        "Status><Transition><Date>2030-01-01T00:00:00.000Z</Date>"
        "<StorageClass>GLACIER_IR</StorageClass></Transition></Rule>",
    };
    AUTO(buf_free) struct buf xml = BUF(1 << 16);
    AUTO(buf_free) struct buf record = BUF(S3_LIFE_DOC_MAX);
    AUTO(buf_free) struct buf back = BUF(1 << 16);
    struct s3_req q;
    s3_req_init(&q);
    buf_addf(&xml, "<LifecycleConfiguration>");
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        buf_adds(&xml, str_c(rules[i]));
    buf_addf(&xml, "</LifecycleConfiguration>");
    buf_addc(&xml, '\0');
    assert_int_equal(parse(&q, xml.p, &record), S3ERR_OK);
    buf_addf(&back, "<LifecycleConfiguration>");
    assert_int_equal(s3_life_write(buf_str(&record), &back), 0);
    buf_addf(&back, "</LifecycleConfiguration>");
    buf_addc(&back, '\0');
    assert_string_equal(back.p, xml.p);
    for (size_t n = 0; n < record.n; n++) { /* every cut is noticed */
        struct s3_life_verdict v;
        const struct s3_life_thing t = {.kind = S3_LIFE_CURRENT, .key = STR("k")};
        assert_int_equal(s3_life_judge(str_of(record.p, n), &t, 0, &v), -EBADMSG);
    }
    s3_req_fini(&q);
}

static void a_rule_without_an_id_gets_one(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf record = BUF(S3_LIFE_DOC_MAX);
    struct s3_req q;
    struct s3_life_doc d;
    struct s3_life_rule a, b;
    s3_req_init(&q);
    assert_int_equal(
        parse(&q,
              DOC("<Rule><Status>Enabled</Status><Filter/>" DAYS(
                  "1") "</Rule>"
                       "<Rule><ID/><Status>Enabled</Status><Filter/>" DAYS("1") "</Rule>"),
              &record),
        S3ERR_OK);
    assert_int_equal(s3_life_open(buf_str(&record), &d), 0);
    assert_int_equal(s3_life_next(&d, &a), 1);
    assert_int_equal(s3_life_next(&d, &b), 1);
    assert_int_equal(s3_life_next(&d, &b), 0);
    assert_true(a.id.n > 0 && b.id.n > 0 && !str_eq(a.id, b.id));
    s3_req_fini(&q);
}

static void days_end_at_the_next_midnight(void **state)
{
    (void)state;
    static const struct {
        const char *since;
        uint32_t days;
        const char *due;
    } rows[] = {
        {"2014-01-15T10:30:00Z", 3, "2014-01-19T00:00:00Z"}, /* AWS's own example */
        {"2014-01-15T23:59:59.999Z", 1, "2014-01-17T00:00:00Z"},
        {"2014-01-15T00:00:00Z", 1, "2014-01-17T00:00:00Z"},
        {"2014-12-31T12:00:00Z", 1, "2015-01-02T00:00:00Z"},
        {"1969-12-30T12:00:00Z", 1, "1970-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(s3_life_due(at(rows[i].since), rows[i].days, 0), at(rows[i].due));
    assert_int_equal(s3_life_due(10500, 2, 1000), 13000); /* a shortened day */
}

#define TAGGED "\x01\x01k\x01v\x01l\x00"

static void a_thing_is_due_or_not(void **state)
{
    (void)state;
#define D1 "2020-01-01T12:00:00Z" /* when everything below began */
#define MARKER_RULE                                                                                \
    "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
#define OLD_RULE(days, newer)                                                                      \
    "<NoncurrentVersionExpiration><NoncurrentDays>" days "</NoncurrentDays>" newer                 \
    "</NoncurrentVersionExpiration>"
#define NEWER(n) "<NewerNoncurrentVersions>" n "</NewerNoncurrentVersions>"
#define ABORT                                                                                      \
    "<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></"               \
    "AbortIncompleteMultipartUpload>"
#define TAG(k, v) "<Tag><Key>" k "</Key><Value>" v "</Value></Tag>"
    static const struct {
        const char *rules;
        struct s3_life_thing t;
        const char *due; /* NULL: never */
    } rows[] = {
        {RULE(ALL DAYS("1")), {.kind = S3_LIFE_CURRENT}, "2020-01-03T00:00:00Z"},
        {"<Rule><Status>Disabled</Status>" ALL DAYS("1") "</Rule>",
         {.kind = S3_LIFE_CURRENT},
         NULL},
        {RULE("<Prefix>a/</Prefix>" DAYS("1")),
         {.kind = S3_LIFE_CURRENT, .key = STR_INIT("a/b")},
         "2020-01-03T00:00:00Z"},
        {RULE("<Prefix>a/</Prefix>" DAYS("1")),
         {.kind = S3_LIFE_CURRENT, .key = STR_INIT("a")},
         NULL},
        {RULE(ALL "<Expiration><Date>2020-02-01T00:00:00Z</Date></Expiration>"),
         {.kind = S3_LIFE_CURRENT},
         "2020-02-01T00:00:00Z"},
        /* the earliest of several */
        {RULE(ALL DAYS("9")) "<Rule><ID>s</ID><Status>Enabled</Status>" ALL DAYS("2") "</Rule>",
         {.kind = S3_LIFE_CURRENT},
         "2020-01-04T00:00:00Z"},
        /* sizes are strict */
        {RULE("<Filter><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan></Filter>" DAYS("1")),
         {.kind = S3_LIFE_CURRENT, .size = 10},
         NULL},
        {RULE("<Filter><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan></Filter>" DAYS("1")),
         {.kind = S3_LIFE_CURRENT, .size = 11},
         "2020-01-03T00:00:00Z"},
        {RULE("<Filter><ObjectSizeLessThan>10</ObjectSizeLessThan></Filter>" DAYS("1")),
         {.kind = S3_LIFE_CURRENT, .size = 10},
         NULL},
        {RULE("<Filter><ObjectSizeLessThan>10</ObjectSizeLessThan></Filter>" DAYS("1")),
         {.kind = S3_LIFE_CURRENT, .size = 9},
         "2020-01-03T00:00:00Z"},
        /* tags: all of them, key and value */
        {RULE("<Filter>" TAG("k", "v") "</Filter>" DAYS("1")), {.kind = S3_LIFE_CURRENT}, NULL},
        {RULE("<Filter>" TAG("k", "v") "</Filter>" DAYS("1")),
         {.kind = S3_LIFE_CURRENT, .any_tags = true},
         "2020-01-03T00:00:00Z"},
        {RULE("<Filter>" TAG("k", "v") "</Filter>" DAYS("1")),
         {.kind = S3_LIFE_CURRENT, .tags = STR_INIT(TAGGED)},
         "2020-01-03T00:00:00Z"},
        {RULE("<Filter>" TAG("k", "w") "</Filter>" DAYS("1")),
         {.kind = S3_LIFE_CURRENT, .tags = STR_INIT(TAGGED)},
         NULL},
        {RULE("<Filter><And>" TAG("k", "v") TAG("l", "") "</And></Filter>" DAYS("1")),
         {.kind = S3_LIFE_CURRENT, .tags = STR_INIT(TAGGED)},
         "2020-01-03T00:00:00Z"},
        {RULE("<Filter><And>" TAG("k", "v") TAG("m", "") "</And></Filter>" DAYS("1")),
         {.kind = S3_LIFE_CURRENT, .tags = STR_INIT(TAGGED)},
         NULL},
        /* markers with nothing behind them: at once, or by age; tags never fit them */
        {RULE(ALL MARKER_RULE), {.kind = S3_LIFE_LONE_MARKER}, D1},
        {RULE(ALL DAYS("1")), {.kind = S3_LIFE_LONE_MARKER}, "2020-01-03T00:00:00Z"},
        {RULE(ALL MARKER_RULE), {.kind = S3_LIFE_CURRENT}, NULL},
        {RULE("<Filter>" TAG("k", "v") "</Filter>" DAYS("1")),
         {.kind = S3_LIFE_LONE_MARKER, .any_tags = true},
         NULL},
        {RULE(ALL "<Expiration><ExpiredObjectDeleteMarker>false</ExpiredObjectDeleteMarker></"
                  "Expiration>"),
         {.kind = S3_LIFE_LONE_MARKER},
         NULL},
        /* noncurrent versions: after their days, and only beyond the number to keep */
        {RULE(ALL OLD_RULE("3", "")), {.kind = S3_LIFE_OLD}, "2020-01-05T00:00:00Z"},
        {RULE(ALL OLD_RULE("3", NEWER("2"))), {.kind = S3_LIFE_OLD, .newer = 1}, NULL},
        {RULE(ALL OLD_RULE("3", NEWER("2"))),
         {.kind = S3_LIFE_OLD, .newer = 2},
         "2020-01-05T00:00:00Z"},
        {RULE(ALL OLD_RULE("3", "")), {.kind = S3_LIFE_CURRENT}, NULL},
        {RULE(ALL DAYS("1")), {.kind = S3_LIFE_OLD}, NULL},
        /* uploads */
        {RULE(ALL ABORT), {.kind = S3_LIFE_UPLOAD}, "2020-01-04T00:00:00Z"},
        {RULE("<Filter><Prefix>x</Prefix></Filter>" ABORT),
         {.kind = S3_LIFE_UPLOAD, .key = STR_INIT("y")},
         NULL},
        {RULE(ALL ABORT), {.kind = S3_LIFE_CURRENT}, NULL},
    };
    AUTO(buf_free) struct buf record = BUF(S3_LIFE_DOC_MAX);
    AUTO(buf_free) struct buf xml = BUF(1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_req q;
        struct s3_life_verdict v = {0};
        struct s3_life_thing t = rows[i].t;
        s3_req_init(&q);
        buf_reset(&xml);
        buf_addf(&xml, DOC("%s"), rows[i].rules);
        buf_addc(&xml, '\0');
        if (parse(&q, xml.p, &record) != S3ERR_OK)
            fail_msg("row %zu is no document: %s", i, xml.p);
        t.since_ms = at(D1);
        int r = s3_life_judge(buf_str(&record), &t, 0, &v);
        if (r != (rows[i].due != NULL) || (r && v.due_ms != at(rows[i].due)))
            fail_msg("row %zu: %d, due %lld", i, r, (long long)v.due_ms);
        s3_req_fini(&q);
    }
}

static void the_scope_is_what_enabled_rules_share(void **state)
{
    (void)state;
    static const struct {
        const char *xml, *prefix;
        bool objects, uploads;
    } rows[] = {
        {DOC(RULE("<Prefix>logs/a</Prefix>" DAYS(
             "1")) "<Rule><Prefix>logs/b</Prefix><Status>Enabled</Status>" ABORT "</Rule>"),
         "logs/", true, true},
        {DOC(RULE("<Prefix>logs/a</Prefix>" DAYS(
             "1")) "<Rule><Prefix>b</Prefix><Status>Disabled</Status>" ABORT "</Rule>"),
         "logs/a", true, false},
        {DOC(RULE(ABORT)), "", false, true},
        {DOC("<Rule><Prefix>b</Prefix><Status>Disabled</Status>" ABORT "</Rule>"), "", false,
         false},
    };
    AUTO(buf_free) struct buf record = BUF(S3_LIFE_DOC_MAX);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_req q;
        struct s3_life_scope s;
        s3_req_init(&q);
        assert_int_equal(parse(&q, rows[i].xml, &record), S3ERR_OK);
        assert_int_equal(s3_life_scope(buf_str(&record), &s), 0);
        assert_true(str_eq(s.prefix.p ? s.prefix : STR(""), str_c(rows[i].prefix)));
        assert_int_equal(s.objects, rows[i].objects);
        assert_int_equal(s.uploads, rows[i].uploads);
        s3_req_fini(&q);
    }
}

static void a_thing_moves_or_not(void **state)
{
    (void)state;
#define WATERFALL MOVE("30", "STANDARD_IA") MOVE("60", "GLACIER_IR")
    static const struct {
        const char *rules;
        enum s3_life_kind kind;
        const char *now_class;
        uint64_t size;
        uint32_t newer;
        unsigned after; /* days since it was made */
        const char *to; /* NULL: stays */
    } rows[] = {
        {RULE(ALL WATERFALL), S3_LIFE_CURRENT, NULL, 1 << 20, 0, 29, NULL},
        {RULE(ALL WATERFALL), S3_LIFE_CURRENT, NULL, 1 << 20, 0, 31, "STANDARD_IA"},
        {RULE(ALL WATERFALL), S3_LIFE_CURRENT, NULL, 1 << 20, 0, 61,
         "GLACIER_IR"}, /* straight to the lowest */
        {RULE(ALL WATERFALL), S3_LIFE_CURRENT, "REDUCED_REDUNDANCY", 1 << 20, 0, 31, "STANDARD_IA"},
        {RULE(ALL WATERFALL), S3_LIFE_CURRENT, "STANDARD_IA", 1 << 20, 0, 31, NULL}, /* is there */
        {RULE(ALL WATERFALL), S3_LIFE_CURRENT, "STANDARD_IA", 1 << 20, 0, 61, "GLACIER_IR"},
        {RULE(ALL WATERFALL), S3_LIFE_CURRENT, "GLACIER_IR", 1 << 20, 0, 99, NULL},
        {RULE(ALL WATERFALL), S3_LIFE_CURRENT, "ONEZONE_IA", 1 << 20, 0, 31, NULL}, /* never up */
        {RULE(ALL WATERFALL), S3_LIFE_CURRENT, "DEEP_ARCHIVE", 1 << 20, 0, 99,
         NULL}, /* no class of ours */
        {RULE(ALL WATERFALL), S3_LIFE_CURRENT, NULL, (128 << 10) - 1, 0, 99, NULL},
        {RULE(ALL WATERFALL), S3_LIFE_CURRENT, NULL, 128 << 10, 0, 99, "GLACIER_IR"},
        {RULE("<Filter><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan></Filter>" WATERFALL),
         S3_LIFE_CURRENT, NULL, 10, 0, 99, "GLACIER_IR"},
        {RULE(ALL WATERFALL), S3_LIFE_OLD, NULL, 1 << 20, 0, 99, NULL},
        {RULE(ALL WATERFALL), S3_LIFE_LONE_MARKER, NULL, 0, 0, 99, NULL},
        {RULE(ALL OLD_MOVE("1", "GLACIER_IR")), S3_LIFE_OLD, NULL, 1 << 20, 0, 3, "GLACIER_IR"},
        {RULE(ALL OLD_MOVE("1", "GLACIER_IR")), S3_LIFE_CURRENT, NULL, 1 << 20, 0, 3, NULL},
        {RULE(ALL "<NoncurrentVersionTransition><NoncurrentDays>0</"
                  "NoncurrentDays><NewerNoncurrentVersions>2"
                  "</NewerNoncurrentVersions><StorageClass>GLACIER_IR</StorageClass></"
                  "NoncurrentVersionTransition>"),
         S3_LIFE_OLD, NULL, 1 << 20, 1, 99, NULL},
        {RULE(ALL "<NoncurrentVersionTransition><NoncurrentDays>0</"
                  "NoncurrentDays><NewerNoncurrentVersions>2"
                  "</NewerNoncurrentVersions><StorageClass>GLACIER_IR</StorageClass></"
                  "NoncurrentVersionTransition>"),
         S3_LIFE_OLD, NULL, 1 << 20, 2, 99, "GLACIER_IR"},
        {RULE("<Filter><Prefix>other/</Prefix></Filter>" WATERFALL), S3_LIFE_CURRENT, NULL, 1 << 20,
         0, 99, NULL},
        {"<Rule><ID>r</ID><Status>Disabled</Status>" ALL WATERFALL "</Rule>", S3_LIFE_CURRENT, NULL,
         1 << 20, 0, 99, NULL},
        {RULE(ALL "<Transition><Date>2020-01-05T00:00:00Z</Date><StorageClass>GLACIER_IR</"
                  "StorageClass></Transition>"),
         S3_LIFE_CURRENT, NULL, 1 << 20, 0, 5, "GLACIER_IR"},
        {RULE(ALL "<Transition><Date>2020-01-05T00:00:00Z</Date><StorageClass>GLACIER_IR</"
                  "StorageClass></Transition>"),
         S3_LIFE_CURRENT, NULL, 1 << 20, 0, 2, NULL},
    };
    AUTO(buf_free) struct buf record = BUF(S3_LIFE_DOC_MAX);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_req q;
        struct s3_life_move m;
        char xml[2048];
        s3_req_init(&q);
        snprintf(xml, sizeof(xml), DOC("%s"), rows[i].rules);
        assert_int_equal(parse(&q, xml, &record), S3ERR_OK);
        const struct s3_life_thing t = {.kind = rows[i].kind,
                                        .key = STR("k"),
                                        .size = rows[i].size,
                                        .newer = rows[i].newer,
                                        .since_ms = at("2020-01-01T12:00:00Z")};
        int r =
            s3_life_transition(buf_str(&record), &t, str_c(rows[i].now_class), &s3_classes_default,
                               0, t.since_ms + rows[i].after * S3_LIFE_DAY_MS, &m);
        if (r != (rows[i].to != NULL) || (r > 0 && !str_eq(m.storage_class, str_c(rows[i].to))))
            fail_msg("row %zu gave %d", i, r);
        s3_req_fini(&q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_accepted_or_refused),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(a_document_comes_back_as_it_was_given),
        cmocka_unit_test(a_rule_without_an_id_gets_one),
        cmocka_unit_test(days_end_at_the_next_midnight),
        cmocka_unit_test(a_thing_is_due_or_not),
        cmocka_unit_test(a_thing_moves_or_not),
        cmocka_unit_test(the_scope_is_what_enabled_rules_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
