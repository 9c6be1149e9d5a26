/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/actions.h"

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
        cmocka_unit_test(every_operation_can_be_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
