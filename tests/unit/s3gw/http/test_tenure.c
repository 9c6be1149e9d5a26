/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway answers while the lease is not its own: it has no index then, so nothing may be looked up. */
#include "tests/lib/test.h"

#include "s3gw/core/gw.h"
#include "s3gw/core/tenure.h"
#include "s3gw/http/health.h"
#include "s3gw/http/pipeline.h"

static struct s3_tenure tenure;
static struct s3_gw gw = {.tenure = &tenure};

static void ask(struct s3_req *q, const char *path)
{
    s3_req_init(q);
    q->gw = &gw;
    q->method = S3_GET;
    q->method_name = STR("GET");
    q->raw_path = str_c(path);
}

static void a_standby_refuses_all_but_questions_after_its_health(void **state)
{
    (void)state;
    static const char *const paths[] = {"/", "/bucket", "/bucket/key", "/%", "/bucket?acl"};
    struct s3_req q;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        ask(&q, paths[i]);
        assert_false(s3_health_answer(&q));
        assert_int_equal(s3_pipeline_head(&q), S3ERR_SERVICE_UNAVAILABLE);
        s3_pipeline_fail(&q, S3ERR_SERVICE_UNAVAILABLE);
        assert_int_equal(q.resp.status, 503);
        s3_req_fini(&q);
    }
    ask(&q, "/health/live");
    assert_true(s3_health_answer(&q));
    assert_int_equal(q.resp.status, 200);
    s3_req_fini(&q);
    ask(&q, "/health/ready");
    assert_true(s3_health_answer(&q));
    assert_int_equal(q.resp.status, 503);
    assert_true(str_eq(buf_str(&q.resp.body), STR("standby\n")));
    s3_req_fini(&q);
}

static void it_takes_a_lease_and_an_index(void **state)
{
    (void)state;
    assert_true(s3_tenure_serves(NULL) && s3_tenure_holds(NULL)); /* without one, always */
    const struct {
        uint64_t until_ms;
        bool serving, holds, serves;
    } rows[] = {
        {0, false, false, false},           {0, true, false, false},
        {UINT64_MAX, false, true, false},   {UINT64_MAX, true, true, true},
        {s3_boot_ms(), true, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        atomic_store(&tenure.until_ms, rows[i].until_ms);
        atomic_store(&tenure.serving, rows[i].serving);
        assert_int_equal(s3_tenure_holds(&tenure), rows[i].holds);
        assert_int_equal(s3_tenure_serves(&tenure), rows[i].serves);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_standby_refuses_all_but_questions_after_its_health),
        cmocka_unit_test(it_takes_a_lease_and_an_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
