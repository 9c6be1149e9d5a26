/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/actions.h"
#include "s3gw/policy/policy.h"

#include "tests/lib/test.h"

static void patterns_say_what_they_are_done_to(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        unsigned on;
    } rows[] = {
        {"s3:GetObject", S3_ON_OBJECT},
        {"S3:getobject", S3_ON_OBJECT},
        {"s3:ListBucket", S3_ON_BUCKET},
        {"s3:ListAllMyBuckets", S3_ON_SERVICE},
        {"s3:Get*", S3_ON_BUCKET | S3_ON_OBJECT},
        {"s3:GetObjec?", S3_ON_OBJECT},
        {"s3:*Acl", S3_ON_BUCKET | S3_ON_OBJECT},
        {"s3:*", S3_ON_BUCKET | S3_ON_OBJECT | S3_ON_SERVICE},
        {"*", S3_ON_BUCKET | S3_ON_OBJECT | S3_ON_SERVICE},
        {"s3:GetObjects", 0},
        {"s3:Got*", 0},
        {"ec2:*", 0},
        {"s3:", 0},
        {"", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(s3_actions_on(str_c(rows[i].pattern)), rows[i].on);
    char much[300];
    memset(much, '*', sizeof(much));
    assert_int_equal(s3_actions_on(str_of(much, sizeof(much))), 0);
}

static void keys_of_conditions_belong_to_actions(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *key;
        bool know;
    } rows[] = {
        {"s3:ListBucket", "s3:prefix", true},
        {"s3:listbucketversions", "s3:max-keys", true},
        {"s3:ListBucketMultipartUploads", "s3:prefix", false},
        {"s3:GetObject", "s3:prefix", false},
        {"s3:Get*", "s3:prefix", false},
        {"s3:List*", "s3:prefix", true},
        {"s3:*", "s3:prefix", true},
        {"*", "s3:x-amz-acl", true},
        {"s3:PutObject", "s3:x-amz-acl", true},
        {"s3:GetObject", "s3:x-amz-acl", false},
        {"s3:DeleteObject", "s3:if-match", true},
        {"s3:DeleteObject", "s3:if-none-match", false},
        {"s3:GetObject", "s3:existingobjecttag/team", true},
        {"s3:GetObjectRetention", "s3:existingobjecttag/team", false},
        {"s3:PutObject", "s3:existingobjecttag/team", false},
        {"s3:PutObject", "s3:requestobjecttag/team", true},
        {"s3:PutObjectAcl", "s3:requestobjecttag/team", false},
        {"s3:PutObjectTagging", "s3:requestobjecttagkeys", true},
        {"s3:PutObjectRetention", "s3:object-lock-remaining-retention-days", true},
        {"s3:PutObjectLegalHold", "s3:object-lock-mode", false},
        {"s3:GetObjectVersion", "s3:versionid", true},
        {"s3:GetObject", "s3:versionid", false},
        {"s3:CreateBucket", "s3:locationconstraint", true},
        {"s3:ListBucket", "s3:locationconstraint", false},
        {"s3:GetObject", "s3:signatureage", true},
        {"s3:GetObject", "aws:sourceip", true},
        {"s3:PutObjectAnnotation", "s3:x-amz-acl", true}, /* not sure: yes */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (s3_actions_know(str_c(rows[i].pattern), str_c(rows[i].key)) != rows[i].know)
            fail_msg("%s, %s", rows[i].pattern, rows[i].key);
}

/* A misspelt row would apply to nothing. */
static void scopes_name_keys_and_actions_that_there_are(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *names[16];
    } rows[] = {
#define S3_CONDITION_SCOPE(key, ...) {key, {__VA_ARGS__}},
#include "s3gw/policy/condition_scope.def"
#undef S3_CONDITION_SCOPE
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!s3_condition_key_known(str_c(rows[i].key)))
            fail_msg("%s", rows[i].key);
        for (size_t k = 0; rows[i].names[k]; k++) {
            char action[128];
            snprintf(action, sizeof(action), "s3:%s", rows[i].names[k]);
            if (!s3_actions_on(str_c(action)))
                fail_msg("%s: %s", rows[i].key, action);
        }
    }
}

/* What an operation needs can be granted and denied. */
static void every_operation_can_be_named(void **state)
{
    (void)state;
    static const char *const needed[] = {
#define S3OP(name, method, level, sub, header, needs, version_needs, ...) needs, version_needs,
#include "s3gw/api/ops.def"
#undef S3OP
    };
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        if (!needed[i] || strncmp(needed[i], "s3:", 3) != 0)
            continue;
        if (!s3_actions_on(str_c(needed[i])))
            print_error("%s is not in actions.def\n", needed[i]);
        assert_int_not_equal(s3_actions_on(str_c(needed[i])), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_say_what_they_are_done_to),
        cmocka_unit_test(keys_of_conditions_belong_to_actions),
        cmocka_unit_test(scopes_name_keys_and_actions_that_there_are),
        cmocka_unit_test(every_operation_can_be_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
