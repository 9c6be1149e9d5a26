/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_policy - what a decision costs: policies of one and of a thousand statements, none of which
 * concerns the request until the last one; with a condition each, and without.
 */
#include <stdio.h>
#include <time.h>

#include "s3gw/index/bucket.h"
#include "s3gw/policy/identity.h"

enum { STATEMENTS_A_POLICY = 100, ROUNDS = 20000 };

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add_statements(struct buf *json, unsigned from, unsigned n, bool conditions)
{
    buf_adds(json, STR("{\"Version\":\"2012-10-17\",\"Statement\":["));
    for (unsigned i = from; i < from + n; i++)
        buf_addf(
            json,
            "%s{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b/"
            "home/%u/*\"%s}",
            i > from ? "," : "", i,
            conditions ? ",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}}" : "");
    buf_adds(json, STR("]}"));
}

static void add_policy(struct s3_req *q, struct s3_index *x, unsigned from, unsigned n,
                       bool conditions, struct buf *all)
{
    AUTO(buf_free) struct buf json = BUF(1 << 20), record = BUF(1 << 20), more = BUF(1 << 22);
    const struct s3_policy_scope scope = {x, &q->arena, STR_NULL};
    const char *detail;
    char name[16];
    add_statements(&json, from, n, conditions);
    (void)snprintf(name, sizeof(name), "p%u", from);
    ASSERT(s3_policy_compile(&scope, buf_str(&json), &record, &detail) == 0);
    ASSERT(s3_identity_set(buf_str(all), str_c(name), buf_str(&record), &more) == 0);
    buf_reset(all);
    buf_adds(all, buf_str(&more));
}

static void measure(struct s3_req *q, struct s3_index *x, unsigned statements, bool conditions)
{
    AUTO(buf_free) struct buf all = BUF(1 << 22);
    for (unsigned at = 0; at < statements; at += STATEMENTS_A_POLICY)
        add_policy(q, x, at, MIN(statements - at, (unsigned)STATEMENTS_A_POLICY), conditions, &all);
    static const struct s3_bucket bucket = {.name = STR_INIT("b"), .owner_id = STR_INIT("alice")};
    char key[64];
    (void)snprintf(key, sizeof(key), "home/%u/a.txt", statements - 1);
    const struct s3_ask ask = {.q = q, .bkt = &bucket, .key = str_c(key), .action = "s3:GetObject"};
    double start = cpu_s();
    for (unsigned i = 0; i < ROUNDS; i++)
        ASSERT(s3_identity_verdict(buf_str(&all), &ask) == S3_ALLOW);
    printf("%5u statements, %-17s %8.2f us a decision\n", statements,
           conditions ? "a condition each" : "no conditions", (cpu_s() - start) * 1e6 / ROUNDS);
}

int main(void)
{
    struct s3_index *x = NULL;
    struct s3_req q;
    ASSERT(s3_index_open_mem(&x) == 0);
    s3_req_init(&q);
    q.peer = STR("10.1.2.3");
    q.who.user_id = STR("bob");
    static const unsigned sizes[] = {1, 100, 1000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        for (int conditions = 0; conditions < 2; conditions++)
            measure(&q, x, sizes[i], conditions);
    s3_req_fini(&q);
    s3_index_close(&x);
    return 0;
}
