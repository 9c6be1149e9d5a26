/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/identity.h"

#include "tests/lib/s3_fixture.h"

static struct s3_bucket bucket = {.name = STR_INIT("b"), .owner_id = STR_INIT("alice-id")};

static void compile(struct fixture *f, const char *json, struct buf *record)
{
    const struct s3_policy_scope scope = {f->gw.index, &f->q.arena, STR_NULL};
    const char *detail;
    buf_reset(record);
    assert_int_equal(s3_policy_compile(&scope, str_c(json), record, &detail), 0);
}

static int compiled(struct fixture *f, const char *json)
{
    AUTO(buf_free) struct buf record = BUF(1 << 20);
    const struct s3_policy_scope scope = {f->gw.index, &f->q.arena, STR_NULL};
    const char *detail;
    return s3_policy_compile(&scope, str_c(json), &record, &detail);
}

static void begin(struct fixture *f)
{
    setup(f);
    s3_req_init(&f->q);
    f->used = true;
    f->q.gw = &f->gw;
    become(&f->q, "bob");
}

#define ST(effect, action, resource)                                                               \
    "{\"Statement\":[{\"Effect\":\"" effect "\",\"Action\":\"" action                              \
    "\",\"Resource\":\"" resource "\"}]}"

static void what_a_policy_of_a_user_must_be(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int r;
    } rows[] = {
        {ST("Allow", "s3:*", "*"), 0},
        {ST("Allow", "s3:*", "arn:aws:s3:::*"), 0},
        {ST("Allow", "s3:*", "arn:aws:s3:::any/bucket/*"), 0},
        {ST("Allow", "s3:*", "arn:aws:sqs:::queue"), -EINVAL},
        {ST("Allow", "ec2:*", "*"), -EINVAL},
        {"{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:*\","
         "\"Resource\":"
         "\"*\"}}",
         -EINVAL},
        {"{\"Statement\":{\"Effect\":\"Deny\",\"NotPrincipal\":\"*\",\"Action\":\"s3:*\","
         "\"Resource\":\"*\"}}",
         -EINVAL},
        {"", -EINVAL},
    };
    AUTO(teardown) struct fixture f;
    begin(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(compiled(&f, rows[i].json), rows[i].r);
}

static size_t count(struct str record, char names[64])
{
    struct rd all = s3_identity_begin(record);
    struct str name, policy;
    size_t n = 0;
    names[0] = '\0';
    while (s3_identity_next(&all, &name, &policy)) {
        snprintf(names + strlen(names), 64 - strlen(names), STR_F, STR_A(name));
        n++;
    }
    assert_false(all.bad);
    return n;
}

static void policies_are_kept_by_name(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf a = BUF(4096);
    AUTO(buf_free) struct buf b = BUF(4096);
    char names[64];
    static const char *const order[] = {"m", "a", "z", "m"};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        buf_reset(&b);
        assert_int_equal(s3_identity_set(buf_str(&a), str_c(order[i]), STR("text"), &b), 0);
        buf_reset(&a);
        buf_adds(&a, buf_str(&b));
    }
    assert_int_equal(count(buf_str(&a), names), 3);
    assert_string_equal(names, "amz");
    buf_reset(&b);
    assert_int_equal(s3_identity_set(buf_str(&a), STR("q"), STR_NULL, &b), -ENOENT);
    buf_reset(&b);
    assert_int_equal(s3_identity_set(buf_str(&a), STR("a"), STR_NULL, &b), 0);
    assert_int_equal(count(buf_str(&b), names), 2);
    assert_string_equal(names, "mz");
}

static void the_last_one_taken_away_leaves_nothing(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf a = BUF(4096);
    AUTO(buf_free) struct buf b = BUF(4096);
    assert_int_equal(s3_identity_set(STR_NULL, STR("a"), STR("text"), &a), 0);
    assert_int_equal(s3_identity_set(buf_str(&a), STR("a"), STR_NULL, &b), 0);
    assert_int_equal(b.n, 0);
}

static void there_is_a_ceiling(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf a = BUF(4096);
    AUTO(buf_free) struct buf b = BUF(4096);
    for (int i = 0; i <= S3_IDENTITY_POLICIES_MAX; i++) {
        char name[] = {(char)('a' + i), '\0'};
        buf_reset(&b);
        assert_int_equal(s3_identity_set(buf_str(&a), str_c(name), STR("text"), &b),
                         i < S3_IDENTITY_POLICIES_MAX ? 0 : -E2BIG);
        buf_reset(&a);
        buf_adds(&a, buf_str(&b));
    }
}

static void a_deny_of_one_outdoes_the_others(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    AUTO(buf_free) struct buf one = BUF(1 << 20);
    AUTO(buf_free) struct buf two = BUF(1 << 20);
    AUTO(buf_free) struct buf allow = BUF(1 << 20);
    AUTO(buf_free) struct buf both = BUF(1 << 20);
    compile(&f, ST("Allow", "s3:Get*", "arn:aws:s3:::b/*"), &one);
    compile(&f, ST("Deny", "s3:*", "arn:aws:s3:::b/secret*"), &two);
    assert_int_equal(s3_identity_set(STR_NULL, STR("1"), buf_str(&one), &allow), 0);
    assert_int_equal(s3_identity_set(buf_str(&allow), STR("2"), buf_str(&two), &both), 0);
    struct s3_ask ask = {.q = &f.q, .bkt = &bucket, .key = STR("k"), .action = "s3:GetObject"};
    assert_int_equal(s3_identity_verdict(STR_NULL, &ask), S3_SILENT);
    assert_int_equal(s3_identity_verdict(buf_str(&both), &ask), S3_ALLOW);
    ask.key = STR("secret/1");
    assert_int_equal(s3_identity_verdict(buf_str(&allow), &ask), S3_ALLOW);
    assert_int_equal(s3_identity_verdict(buf_str(&both), &ask), S3_DENY);
    ask.action = "s3:PutObject";
    ask.key = STR("k");
    assert_int_equal(s3_identity_verdict(buf_str(&both), &ask), S3_SILENT);
    for (size_t n = 1; n < both.n; n++) /* torn anywhere: never more than whole */
        assert_int_not_equal(s3_identity_verdict(str_head(buf_str(&both), n), &ask), S3_ALLOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_policy_of_a_user_must_be),
        cmocka_unit_test(policies_are_kept_by_name),
        cmocka_unit_test(the_last_one_taken_away_leaves_nothing),
        cmocka_unit_test(there_is_a_ceiling),
        cmocka_unit_test(a_deny_of_one_outdoes_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
