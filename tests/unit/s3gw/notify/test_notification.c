/* SPDX-License-Identifier: Apache-2.0 */
/* Notification rules: names and wildcards, filters, overlaps, the record. */
#include "s3gw/notify/notification.h"
#include "tests/lib/test.h"

static uint64_t bits(const char *const *names)
{
    uint64_t all = 0;
    enum s3_event e;
    for (; *names; names++) {
        assert_int_equal(s3_event_by_name(str_c(*names), &e), 0);
        all |= UINT64_C(1) << e;
    }
    return all;
}

static struct s3_notify_rule rule(const char *name, const char *prefix, const char *suffix)
{
    const char *names[] = {name, NULL};
    return (struct s3_notify_rule){.names = bits(names),
                                   .id = STR("r"),
                                   .target = STR("q"),
                                   .has_prefix = prefix != NULL,
                                   .has_suffix = suffix != NULL,
                                   .prefix = prefix ? str_c(prefix) : STR(""),
                                   .suffix = suffix ? str_c(suffix) : STR("")};
}

static void rules_match_events_and_keys(void **state)
{
    (void)state;
    static const struct {
        const char *name, *prefix, *suffix;
        enum s3_event e;
        const char *key;
        bool yes;
    } rows[] = {
        {"s3:ObjectCreated:*", NULL, NULL, S3_EVENT_CREATED_PUT, "k", true},
        {"s3:ObjectCreated:*", NULL, NULL, S3_EVENT_CREATED_COMPLETE, "k", true},
        {"s3:ObjectCreated:*", NULL, NULL, S3_EVENT_REMOVED_DELETE, "k", false},
        {"s3:ObjectCreated:Put", NULL, NULL, S3_EVENT_CREATED_PUT, "k", true},
        {"s3:ObjectCreated:Put", NULL, NULL, S3_EVENT_CREATED_COPY, "k", false},
        {"s3:ObjectRemoved:*", NULL, NULL, S3_EVENT_REMOVED_MARKER, "k", true},
        {"s3:LifecycleExpiration:*", NULL, NULL, S3_EVENT_EXPIRATION_MARKER, "k", true},
        {"s3:LifecycleExpiration:*", NULL, NULL, S3_EVENT_TRANSITION, "k", false},
        {"s3:ObjectTagging:*", NULL, NULL, S3_EVENT_TAGGING_DELETE, "k", true},
        {"s3:ObjectRestore:*", NULL, NULL, S3_EVENT_CREATED_PUT, "k", false},
        {"s3:ObjectCreated:*", "in/", ".jpg", S3_EVENT_CREATED_PUT, "in/a.jpg", true},
        {"s3:ObjectCreated:*", "in/", ".jpg", S3_EVENT_CREATED_PUT, "in/a.png", false},
        {"s3:ObjectCreated:*", "in/", ".jpg", S3_EVENT_CREATED_PUT, "on/a.jpg", false},
        {"s3:ObjectCreated:*", "abc", "bcd", S3_EVENT_CREATED_PUT, "abcd",
         true}, /* both may share bytes */
        {"s3:ObjectCreated:*", "abcde", NULL, S3_EVENT_CREATED_PUT, "abcd", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_notify_rule r = rule(rows[i].name, rows[i].prefix, rows[i].suffix);
        if (s3_notify_matches(&r, rows[i].e, str_c(rows[i].key)) != rows[i].yes)
            fail_msg("row %zu", i);
    }
}

static void overlaps_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *a[3], *b[3]; /* name, prefix, suffix */
        bool yes;
    } rows[] = {
        {{"s3:ObjectCreated:*", NULL, NULL}, {"s3:ObjectCreated:Put", NULL, NULL}, true},
        {{"s3:ObjectCreated:Put", NULL, NULL}, {"s3:ObjectCreated:Copy", NULL, NULL}, false},
        {{"s3:ObjectCreated:*", "a", NULL}, {"s3:ObjectCreated:*", "b", NULL}, false},
        {{"s3:ObjectCreated:*", "a", NULL}, {"s3:ObjectCreated:*", "ab", NULL}, true},
        {{"s3:ObjectCreated:*", "a", ".x"}, {"s3:ObjectCreated:*", "a", ".y"}, false},
        {{"s3:ObjectCreated:*", "a", ".x"}, {"s3:ObjectCreated:*", NULL, "b.x"}, true},
        {{"s3:ObjectCreated:*", "a", ".x"}, {"s3:ObjectRemoved:*", "a", ".x"}, false},
        {{"s3:ObjectRestore:*", NULL, NULL},
         {"s3:ObjectRestore:Post", NULL, NULL},
         false}, /* never happens */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_notify_rule a = rule(rows[i].a[0], rows[i].a[1], rows[i].a[2]);
        struct s3_notify_rule b = rule(rows[i].b[0], rows[i].b[1], rows[i].b[2]);
        if (s3_notify_overlap(&a, &b) != rows[i].yes || s3_notify_overlap(&b, &a) != rows[i].yes)
            fail_msg("row %zu", i);
    }
}

static void names_are_awss_and_no_others(void **state)
{
    (void)state;
    static const char *const unknown[] = {"",
                                          "*",
                                          "s3:*",
                                          "s3:ObjectCreated",
                                          "ObjectCreated:Put",
                                          "s3:ObjectCreated:put",
                                          "s3:TestEvent"};
    enum s3_event e;
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        assert_int_equal(s3_event_by_name(str_c(unknown[i]), &e), -EINVAL);
    for (unsigned i = 0; i < S3_EVENTS_; i++) {
        assert_int_equal(s3_event_by_name(s3_event_name((enum s3_event)i), &e), 0);
        assert_int_equal(e, i);
    }
}

static void a_record_comes_back_and_every_cut_is_noticed(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf b = BUF(4096);
    struct s3_notify_rule in[2] = {rule("s3:ObjectCreated:*", "p", NULL),
                                   rule("s3:ObjectAcl:Put", NULL, ".s")},
                          out;
    in[1].kind = S3_NOTIFY_FUNCTION;
    struct s3_notify_doc d;
    s3_notify_encode_head(2, &b);
    for (size_t i = 0; i < 2; i++)
        s3_notify_encode_rule(&in[i], &b);
    assert_int_equal(s3_notify_open(buf_str(&b), &d), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(s3_notify_next(&d, &out), 1);
        assert_true(out.kind == in[i].kind && out.names == in[i].names &&
                    out.has_prefix == in[i].has_prefix && out.has_suffix == in[i].has_suffix &&
                    str_eq(out.prefix, in[i].prefix) && str_eq(out.suffix, in[i].suffix) &&
                    str_eq(out.id, STR("r")) && str_eq(out.target, STR("q")));
    }
    assert_int_equal(s3_notify_next(&d, &out), 0);
    for (size_t n = 0; n < b.n; n++) {
        int r = s3_notify_open(str_of(b.p, n), &d);
        while (r >= 0 && (r = s3_notify_next(&d, &out)) > 0)
            ;
        assert_int_equal(r, -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_match_events_and_keys),
        cmocka_unit_test(overlaps_are_found),
        cmocka_unit_test(names_are_awss_and_no_others),
        cmocka_unit_test(a_record_comes_back_and_every_cut_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
