/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of server access logs, whole. */
#include "s3gw/notify/logline.h"
#include "s3gw/api/ops.h"
#include "s3gw/core/body.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/uri.h"
#include "s3gw/index/bucket.h"
#include "tests/lib/test.h"

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

#define HEAD "alice-id bkt [01/Jan/2026:03:00:00 +0000] 192.0.2.3 "

static void requests_become_lines(void **state)
{
    (void)state;
    static struct s3_body_plan plan = {.length = 5};
    static const struct {
        const char *method, *target, *header, *value, *user;
        int status;
        enum s3err e;
        uint64_t sent, length;
        const char *line; /* behind the request id */
    } rows[] = {
        {"PUT", "/bkt/a%20b", "user-agent", "aws-cli/2", "bob-id", 200, S3ERR_OK, 0, 0,
         "REST.PUT.OBJECT a%20b \"PUT /bkt/a%20b HTTP/1.1\" 200 - - 5 12 3 \"-\" \"aws-cli/2\" - "
         "ID SigV4 - AuthHeader h - - -"},
        {"GET", "/bkt/k?versionId=null", "referer", "a \"b\"\r\nc", "bob-id", 200, S3ERR_OK, 7, 7,
         "REST.GET.OBJECT k \"GET /bkt/k?versionId=null HTTP/1.1\" 200 - 7 7 12 3 \"a "
         "%22b%22%0D%0Ac\" \"-\" null ID SigV4 - AuthHeader "
         "h - - -"},
        {"GET", "/bkt/k", NULL, NULL, NULL, 403, S3ERR_ACCESS_DENIED, 300, 300,
         "REST.GET.OBJECT k \"GET /bkt/k HTTP/1.1\" 403 AccessDenied 300 - 12 3 \"-\" \"-\" - ID - "
         "- - h - - -"},
        {"GET", "/bkt/k", NULL, NULL, NULL, 304, S3ERR_NOT_MODIFIED, 0, 0,
         "REST.GET.OBJECT k \"GET /bkt/k HTTP/1.1\" 304 - - - 12 3 \"-\" \"-\" - ID - - - h - - -"},
        {"GET", "/bkt?X-Amz-Signature=abc&x=1&Signature=s&x-amz-security-token=t", NULL, NULL,
         "bob-id", 200, S3ERR_OK, 1, 1,
         "REST.GET.BUCKET - \"GET "
         "/bkt?X-Amz-Signature=REDACTED&x=1&Signature=REDACTED&x-amz-security-token=REDACTED "
         "HTTP/1.1\" 200 - 1 - "
         "12 3 \"-\" \"-\" - ID SigV4 - AuthHeader h - - -"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_req q;
        struct s3_gw gw = {0};
        struct s3_bucket b = {.name = STR("bkt"), .owner_id = STR("alice-id")};
        struct s3_pair header = {str_c(rows[i].header), str_c(rows[i].value)};
        AUTO(buf_free) struct buf out = BUF(S3_LOGLINE_MAX);
        char want[2048], id[32];
        s3_req_init(&q);
        q.gw = &gw;
        q.method_name = str_c(rows[i].method);
        q.method = rows[i].method[0] == 'P' ? S3_PUT : S3_GET;
        q.host = STR("h");
        q.peer = STR("192.0.2.3");
        q.now_ms = INT64_C(1767236400000);
        q.headers = &header;
        q.nheaders = rows[i].header != NULL;
        assert_int_equal(s3_uri_parse(&q, str_c(rows[i].target)), S3ERR_OK);
        assert_int_equal(s3_uri_address(&q), S3ERR_OK);
        assert_int_equal(s3_route(&q), S3ERR_OK);
        q.bkt = &b;
        q.plan = &plan;
        q.resp.status = rows[i].status;
        q.resp.body_length = rows[i].length;
        q.who = (struct s3_identity){.user_id = str_c(rows[i].user),
                                     .anonymous = !rows[i].user,
                                     .how = rows[i].user ? S3_AUTH_V4_HEADER : S3_AUTH_NONE};
        s3_logline_format(
            &(struct s3_logline){
                .q = &q, .result = rows[i].e, .sent = rows[i].sent, .total_ms = 12, .turn_ms = 3},
            &out);
        buf_addc(&out, '\0');
        snprintf(id, sizeof(id), "%s", q.request_id);
        const char *behind = strstr(rows[i].line, " ID ");
        snprintf(want, sizeof(want), HEAD "%s %s %.*s %s%s\n", rows[i].user ? rows[i].user : "-",
                 id, (int)(behind - rows[i].line), rows[i].line, id, behind + 3);
        assert_string_equal(out.p, want);
        q.plan = NULL;
        s3_req_fini(&q);
    }
}

static void operations_have_awss_names(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *header, *name;
    } rows[] = {
        {"GET", "/bkt?acl", NULL, "REST.GET.ACL"},
        {"GET", "/bkt?versions", NULL, "REST.GET.BUCKETVERSIONS"},
        {"GET", "/bkt?list-type=2", NULL, "REST.GET.BUCKET"},
        {"PUT", "/bkt?logging", NULL, "REST.PUT.LOGGING_STATUS"},
        {"GET", "/bkt?policy", NULL, "REST.GET.BUCKETPOLICY"},
        {"PUT", "/bkt?object-lock", NULL, "REST.PUT.OBJECT_LOCK_CONFIGURATION"},
        {"GET", "/bkt?publicAccessBlock", NULL, "REST.GET.PUBLIC_ACCESS_BLOCK"},
        {"PUT", "/bkt/k?tagging", NULL, "REST.PUT.OBJECT_TAGGING"},
        {"PUT", "/bkt/k?partNumber=1&uploadId=x", NULL, "REST.PUT.PART"},
        {"PUT", "/bkt/k?partNumber=1&uploadId=x", "x-amz-copy-source", "REST.COPY.PART"},
        {"PUT", "/bkt/k", "x-amz-copy-source", "REST.COPY.OBJECT"},
        {"POST", "/bkt/k?uploads", NULL, "REST.POST.UPLOADS"},
        {"POST", "/bkt/k?uploadId=x", NULL, "REST.POST.UPLOAD"},
        {"POST", "/bkt?delete", NULL, "REST.POST.MULTI_OBJECT_DELETE"},
        {"DELETE", "/bkt/k", NULL, "REST.DELETE.OBJECT"},
        {"HEAD", "/bkt", NULL, "REST.HEAD.BUCKET"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_req q;
        struct s3_gw gw = {0};
        struct s3_bucket b = {.name = STR("bkt"), .owner_id = STR("o")};
        struct s3_pair header = {str_c(rows[i].header), STR("b/x")};
        AUTO(buf_free) struct buf out = BUF(S3_LOGLINE_MAX);
        char want[128];
        s3_req_init(&q);
        q.gw = &gw;
        q.method_name = str_c(rows[i].method);
        for (q.method = S3_GET; !str_eq(str_c(s3_method_name(q.method)), q.method_name);)
            q.method++;
        q.host = STR("h");
        q.headers = &header;
        q.nheaders = rows[i].header != NULL;
        assert_int_equal(s3_uri_parse(&q, str_c(rows[i].target)), S3ERR_OK);
        assert_int_equal(s3_uri_address(&q), S3ERR_OK);
        assert_int_equal(s3_route(&q), S3ERR_OK);
        q.bkt = &b;
        s3_logline_format(&(struct s3_logline){.q = &q}, &out);
        buf_addc(&out, '\0');
        snprintf(want, sizeof(want), " %s ", rows[i].name);
        if (!strstr(out.p, want))
            fail_msg("%s %s: %s", rows[i].method, rows[i].target, out.p);
        s3_req_fini(&q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_become_lines),
        cmocka_unit_test(operations_have_awss_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
