/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_policy - "J" and a policy of a bucket, "I" and one of a user, "R" and a record of one, "A" and
 * the record of all of a user: an accepted policy gives back its text; a record that is not one
 * denies; judging reads nothing outside of it.
 */
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/policy/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct s3_bucket bucket = {.name = STR_INIT("b"), .owner_id = STR_INIT("alice-id")};

static void judge(struct s3_req *q, struct str record)
{
    static const char *const actions[] = {"s3:GetObject", "s3:PutObject", "s3:ListBucket"};
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        struct s3_ask ask = {.q = q, .bkt = &bucket, .key = STR("a/b"), .action = actions[i]};
        if (i == 2)
            ask.key = STR_NULL;
        enum s3_verdict v = s3_policy_verdict(record, &ask);
        ASSERT(v == S3_SILENT || v == S3_ALLOW || v == S3_DENY);
    }
    (void)s3_policy_is_public(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct s3_gw gw = {.region = STR_INIT("us-east-1")};
    static struct s3_req q;
    if (size < 1)
        return 0;
    if (!gw.index) /* it has no users: principals are everybody, or nobody known */
        ASSERT(s3_index_open_mem(&gw.index) == 0);
    struct str rest = str_of(data + 1, size - 1);
    s3_req_init(&q);
    q.gw = &gw;
    q.bkt = &bucket;
    q.now_ms = 1767322800000;
    q.may_block = true;
    q.peer = STR("203.0.113.9");
    q.who = (struct s3_identity){.anonymous = true};
    if (data[0] == 'J' || data[0] == 'I') {
        AUTO(buf_free) struct buf record = BUF(1024 * 1024);
        const struct s3_policy_scope scope = {gw.index, &q.arena,
                                              data[0] == 'J' ? bucket.name : STR_NULL};
        const char *detail;
        if (s3_policy_compile(&scope, rest, &record, &detail) == 0) {
            ASSERT(rest.n <= S3_POLICY_JSON_MAX);
            ASSERT(str_eq(s3_policy_json(buf_str(&record)), rest));
            judge(&q, buf_str(&record));
        }
    } else if (data[0] == 'R') {
        judge(&q, rest);
    } else if (data[0] == 'A') {
        struct s3_ask ask = {.q = &q, .bkt = &bucket, .key = STR("k"), .action = "s3:GetObject"};
        AUTO(buf_free) struct buf less = BUF(1024 * 1024);
        (void)s3_identity_verdict(rest, &ask);
        if (s3_identity_set(rest, STR("p"), STR("x"), &less) == 0)
            ASSERT(s3_identity_verdict(buf_str(&less), &ask) == S3_DENY); /* "x" is damaged */
    }
    s3_req_fini(&q);
    return 0;
}
