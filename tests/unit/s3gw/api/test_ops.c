/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "s3gw/api/ops.h"

struct row {
    const char *method, *bucket, *key, *query, *header;
    enum s3err e;
    const char *op; /* NULL: none chosen */
};

static void fill(struct s3_req *q, const struct row *r, struct s3_pair *params,
                 struct s3_pair *header)
{
    s3_req_init(q);
    q->method_name = str_c(r->method);
    q->method = S3_OTHER_METHOD;
    for (enum s3_method m = S3_GET; m < S3_OTHER_METHOD; m++)
        if (strcmp(s3_method_name(m), r->method) == 0)
            q->method = m;
    q->bucket = str_c(r->bucket);
    q->key = str_c(r->key);
    q->params = params;
    struct str rest = str_c(r->query), piece;
    while (r->query && str_split(&rest, '&', &piece)) {
        if (!str_cut(piece, '=', &params[q->nparams].name, &params[q->nparams].value))
            params[q->nparams].value = STR_NULL;
        q->nparams++;
    }
    if (r->header) {
        *header = (struct s3_pair){str_c(r->header), STR("/src/key")};
        q->headers = header;
        q->nheaders = 1;
    }
}

static void check_on(const struct row *r, size_t i, enum s3_level level)
{
    struct s3_req q;
    struct s3_pair params[8], header;
    fill(&q, r, params, &header);
    q.website = level == S3_WEBSITE;
    if (level == S3_NATIVE)
        q.native_id = STR("group1/M00/00/00/file");
    enum s3err e = s3_route(&q);
    const char *op = q.op ? q.op->name : NULL;
    bool same = (!op && !r->op) || (op && r->op && strcmp(op, r->op) == 0);
    if (e != r->e || !same)
        print_error("row %zu: %s /%s/%s?%s: %s, %s\n", i, r->method, r->bucket ? r->bucket : "",
                    r->key ? r->key : "", r->query ? r->query : "",
                    e == S3ERR_OK ? "OK" : s3err_info(e)->code, op ? op : "none");
    assert_int_equal(e, r->e);
    assert_true(same);
    s3_req_fini(&q);
}

static void check(const struct row *r, size_t i)
{
    check_on(r, i, S3_OBJECT);
}

#define COPY "x-amz-copy-source"

static void each_request_means_one_operation(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET", NULL, NULL, NULL, NULL, S3ERR_OK, "ListBuckets"},
        {"GET", NULL, NULL, "x-id=ListBuckets&max-buckets=5", NULL, S3ERR_OK, "ListBuckets"},
        {"POST", NULL, NULL, NULL, NULL, S3ERR_NOT_IMPLEMENTED, "QueryApi"},
        {"PUT", NULL, NULL, NULL, NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"BREW", "b", NULL, NULL, NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"BREW", "b", "k", NULL, NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},

        {"GET", "b", NULL, NULL, NULL, S3ERR_OK, "ListObjects"},
        {"GET", "b", NULL, "prefix=a&unknown", NULL, S3ERR_OK, "ListObjects"},
        {"GET", "b", NULL, "list-type=2&prefix=a", NULL, S3ERR_OK, "ListObjectsV2"},
        {"GET", "b", NULL, "list-type=3", NULL, S3ERR_OK, "ListObjects"}, /* which refuses it */
        {"GET", "b", NULL, "versions&prefix=a", NULL, S3ERR_OK, "ListObjectVersions"},
        {"GET", "b", NULL, "uploads=", NULL, S3ERR_OK, "ListMultipartUploads"},
        {"GET", "b", NULL, "location", NULL, S3ERR_OK, "GetBucketLocation"},
        {"GET", "b", NULL, "acl=", NULL, S3ERR_OK, "GetBucketAcl"},
        {"HEAD", "b", NULL, NULL, NULL, S3ERR_OK, "HeadBucket"},
        {"PUT", "b", NULL, NULL, NULL, S3ERR_OK, "CreateBucket"},
        {"DELETE", "b", NULL, NULL, NULL, S3ERR_OK, "DeleteBucket"},
        {"POST", "b", NULL, "delete", NULL, S3ERR_OK, "DeleteObjects"},
        {"PUT", "b", NULL, "replication", NULL, S3ERR_NOT_IMPLEMENTED, "PutBucketReplication"},
        {"DELETE", "b", NULL, "replication", NULL, S3ERR_NOT_IMPLEMENTED,
         "DeleteBucketReplication"},
        {"GET", "b", NULL, "inventory&id=1", NULL, S3ERR_NOT_IMPLEMENTED,
         "GetBucketInventoryConfiguration"},
        {"GET", "b", NULL, "inventory", NULL, S3ERR_NOT_IMPLEMENTED,
         "ListBucketInventoryConfigurations"},
        {"DELETE", "b", NULL, "versions", NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"DELETE", "b", NULL, "acl", NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"HEAD", "b", NULL, "lifecycle", NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"DELETE", "b", NULL, "uploadId=x", NULL, S3ERR_INVALID_REQUEST, NULL},
        {"GET", "b", NULL, "acl&policy", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"PUT", "b", NULL, NULL, COPY, S3ERR_INVALID_ARGUMENT, NULL},
        {"DELETE", "b", NULL, "versionId=x", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"GET", "b", NULL, "versions&versionId=x", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"PUT", "b", NULL, "partNumber=1", NULL, S3ERR_INVALID_ARGUMENT, NULL},

        {"GET", "b", "k", NULL, NULL, S3ERR_OK, "GetObject"},
        {"GET", "b", "k", "versionId=null", NULL, S3ERR_OK, "GetObject"},
        {"GET", "b", "k", "partNumber=2", NULL, S3ERR_OK, "GetObject"},
        {"GET", "b", "k", "response-content-type=a&x-id=GetObject", NULL, S3ERR_OK, "GetObject"},
        {"GET", "b", "k", "torrent", NULL, S3ERR_NOT_IMPLEMENTED, "GetObjectTorrent"},
        {"GET", "b", "k", "attributes", NULL, S3ERR_OK, "GetObjectAttributes"},
        {"GET", "b", "k", "uploads", NULL, S3ERR_INVALID_REQUEST, NULL},
        {"GET", "b", "k", "versions", NULL, S3ERR_INVALID_REQUEST, NULL},
        {"GET", "b", "k", "lifecycle", NULL, S3ERR_INVALID_REQUEST, NULL},
        {"PUT", "b", "k", "policy", NULL, S3ERR_INVALID_REQUEST, NULL},
        {"GET", "b", "k", "versionId=", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"GET", "b", "k", "uploadId=u", NULL, S3ERR_OK, "ListParts"},
        {"GET", "b", "k", NULL, COPY, S3ERR_INVALID_ARGUMENT, NULL},
        {"HEAD", "b", "k", "versionId=abc", NULL, S3ERR_OK, "HeadObject"},
        {"HEAD", "b", "k", "acl", NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"PUT", "b", "k", NULL, NULL, S3ERR_OK, "PutObject"},
        {"PUT", "b", "k", "x-id=PutObject", NULL, S3ERR_OK, "PutObject"},
        {"PUT", "b", "k", NULL, COPY, S3ERR_OK, "CopyObject"},
        {"PUT", "b", "k", NULL, "X-Amz-Copy-Source", S3ERR_OK, "CopyObject"},
        {"PUT", "b", "k", "X-Amz-Signature=s&X-Amz-Copy-Source=%2Fa%2Fb", NULL, S3ERR_OK,
         "CopyObject"},
        {"PUT", "b", "k", NULL, "x-amz-write-offset-bytes", S3ERR_OK, "AppendObject"},
        {"PUT", "b", "k", "versionId=1", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"PUT", "b", "k", "partNumber=1", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"PUT", "b", "k", "uploadId=u", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"PUT", "b", "k", "uploadId=u&partNumber=1", NULL, S3ERR_OK, "UploadPart"},
        {"PUT", "b", "k", "uploadId=u&partNumber=1", COPY, S3ERR_OK, "UploadPartCopy"},
        {"PUT", "b", "k", "tagging", COPY, S3ERR_INVALID_ARGUMENT, NULL},
        {"PUT", "b", "k", "tagging&versionId=null", NULL, S3ERR_OK, "PutObjectTagging"},
        {"PUT", "b", "k", "renameObject", NULL, S3ERR_OK, "RenameObject"},
        {"PUT", "b", "k", "uploads", NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"POST", "b", "k", "uploads", NULL, S3ERR_OK, "CreateMultipartUpload"},
        {"POST", "b", "k", "uploadId=u", NULL, S3ERR_OK, "CompleteMultipartUpload"},
        {"POST", "b", "k", "select&select-type=2", NULL, S3ERR_NOT_IMPLEMENTED,
         "SelectObjectContent"},
        {"POST", "b", "k", NULL, NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"POST", "b", "k", "delete", NULL, S3ERR_INVALID_REQUEST, NULL},
        {"DELETE", "b", "k", NULL, NULL, S3ERR_OK, "DeleteObject"},
        {"DELETE", "b", "k", "uploadId=u", NULL, S3ERR_OK, "AbortMultipartUpload"},
        {"DELETE", "b", "k", "retention", NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"DELETE", "b", "k", "partNumber=1", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"DELETE", "b", "k", "uploadId=u&partNumber=1", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"POST", "b", "k", "uploads&partNumber=1", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"GET", "b", "k", "uploadId=u&partNumber=1", NULL, S3ERR_OK, "ListParts"},
        {"OPTIONS", "b", "k", NULL, NULL, S3ERR_OK, "PreflightObject"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i], i);
}

/* Plain operations: what must never be reached by way of a subresource. */
static bool is_plain(const struct s3_op *op)
{
    return !op->subresource && !op->header;
}

static void no_subresource_falls_through(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "HEAD", "PUT", "POST", "DELETE"};
    for (size_t i = 0; i < s3_nops; i++) {
        if (!s3_ops[i].subresource || strchr(s3_ops[i].subresource, '='))
            continue;
        char name[64];
        struct str head, tail;
        (void)str_cut(str_c(s3_ops[i].subresource), '&', &head, &tail);
        snprintf(name, sizeof(name), STR_F "=x", STR_A(head));
        for (size_t m = 0; m < ARRAY_LEN(methods) * 2; m++) {
            struct row r = {methods[m / 2], "b", m % 2 ? "k" : NULL, name, NULL, S3ERR_OK, NULL};
            struct s3_req q;
            struct s3_pair params[8], header;
            fill(&q, &r, params, &header);
            enum s3err e = s3_route(&q);
            assert_true(e != S3ERR_OK || !is_plain(q.op));
            s3_req_fini(&q);
        }
    }
}

static void every_row_can_be_reached(void **state)
{
    (void)state;
    for (size_t i = 0; i < s3_nops; i++) {
        const struct s3_op *op = &s3_ops[i];
        char query[128] = "";
        bool part =
            op->method == S3_PUT && op->subresource && strcmp(op->subresource, "uploadId") == 0;
        if (op->subresource)
            snprintf(query, sizeof(query), "%s%s", op->subresource, part ? "=u&partNumber=1" : "");
        struct row r = {s3_method_name(op->method),
                        op->level >= S3_BUCKET ? "b" : NULL,
                        op->level == S3_OBJECT ? "k" : NULL,
                        op->subresource ? query : NULL,
                        op->header,
                        op->handle ? S3ERR_OK : S3ERR_NOT_IMPLEMENTED,
                        op->name};
        check_on(&r, i, op->level);
    }
}

static void websites_know_two_methods(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET", "b", NULL, NULL, NULL, S3ERR_OK, "GetWebsite"},
        {"GET", "b", "k", NULL, NULL, S3ERR_OK, "GetWebsite"},
        {"HEAD", "b", "k", NULL, NULL, S3ERR_OK, "HeadWebsite"},
        {"PUT", "b", NULL, NULL, NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"PUT", "b", "k", NULL, NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"POST", "b", NULL, NULL, NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"DELETE", "b", "k", NULL, NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
        {"OPTIONS", "b", "k", NULL, NULL, S3ERR_METHOD_NOT_ALLOWED, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_on(&rows[i], i, S3_WEBSITE);
}

static void a_wrong_method_names_the_right_ones(void **state)
{
    (void)state;
    struct row r = {"POST", "b", NULL, "cors", NULL, S3ERR_METHOD_NOT_ALLOWED, NULL};
    struct s3_req q;
    struct s3_pair params[8], header;
    fill(&q, &r, params, &header);
    assert_int_equal(s3_route(&q), S3ERR_METHOD_NOT_ALLOWED);
    assert_int_equal(q.resp.nheaders, 1);
    assert_true(str_eq(q.resp.headers[0].name, STR("Allow")));
    assert_true(str_eq(q.resp.headers[0].value, STR("GET, PUT, DELETE")));
    assert_true(str_eq(q.resp.extras[0].value, STR("POST")));
    s3_req_fini(&q);
}

static void what_an_operation_does_not_heed_is_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"PUT", "b", "k", NULL, "If-None-Match", S3ERR_OK, "PutObject"},
        {"PUT", "b", "k", NULL, "x-amz-write-offset-bytes", S3ERR_OK, "AppendObject"},
        {"PUT", "b", "k", NULL, "x-amz-meta-if-match-size", S3ERR_OK, "PutObject"},
        {"PUT", "b", "k", NULL, "x-amz-object-lock-mode", S3ERR_OK, "PutObject"},
        {"PUT", "b", "k", NULL, "X-Amz-Object-Lock-Event-Hold", S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", NULL, "x-amz-object-lock-event-hold-duration-days", S3ERR_NOT_IMPLEMENTED,
         NULL},
        {"PUT", "b", "k", NULL, "x-amz-copy-source-if-match", S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", NULL, "x-amz-rename-source", S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", "renameObject", "x-amz-rename-source", S3ERR_OK, "RenameObject"},
        {"PUT", "b", "k", "tagging", "If-Match", S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", "x-amz-copy-source=/b/k&X-Amz-Signature=0&x-amz-write-offset-bytes=1",
         NULL, S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", "x-amz-copy-source=/b/k&X-Amz-Signature=0&x-amz-copy-source-range=1",
         NULL, S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", "x-amz-copy-source=/b/k&X-Amz-Signature=0&x-amz-copy-source-if-match=1",
         NULL, S3ERR_OK, "CopyObject"},
        {"PUT", "b", "k", "x-amz-if-match-size=1", NULL, S3ERR_OK,
         "PutObject"}, /* no option: not signed */
        {"PUT", "b", "k", "uploadId=u&partNumber=1", "If-None-Match", S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", "uploadId=u&partNumber=1", "x-amz-write-offset-bytes",
         S3ERR_NOT_IMPLEMENTED, NULL},
        {"POST", "b", "k", "uploads", "If-None-Match", S3ERR_NOT_IMPLEMENTED, NULL},
        {"POST", "b", "k", "uploadId=u", "If-None-Match", S3ERR_OK, "CompleteMultipartUpload"},
        {"POST", "b", "k", "uploadId=u", "x-amz-mp-object-size", S3ERR_OK,
         "CompleteMultipartUpload"},
        {"POST", "b", "k", "uploads", "x-amz-mp-object-size", S3ERR_NOT_IMPLEMENTED, NULL},
        {"DELETE", "b", "k", "uploadId=u", "x-amz-if-match-initiated-time", S3ERR_NOT_IMPLEMENTED,
         NULL},
        {"DELETE", "b", "k", NULL, "x-amz-if-match-size", S3ERR_NOT_IMPLEMENTED, NULL},
        {"DELETE", "b", "k", NULL, "If-Match", S3ERR_OK, "DeleteObject"},
        {"DELETE", "b", "k", "tagging", "If-Match", S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", NULL, "Content-Range", S3ERR_NOT_IMPLEMENTED, NULL},
        {"POST", "b", NULL, NULL, "content-range", S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", "uploadId=u&partNumber=1", "Content-Range", S3ERR_OK, "UploadPart"},
        {"GET", "b", "k", NULL, "Content-Range", S3ERR_OK, "GetObject"},
        /* names that are none */
        {"PUT", "b", "k", NULL, "x-amz-server-side-encryption-kms-key-id", S3ERR_NOT_IMPLEMENTED,
         NULL},
        {"PUT", "b", "k", NULL, "X-Amz-Server-Side-Encryption-Customer-Key-MD5", S3ERR_OK,
         "PutObject"},
        {"PUT", "b", "k", NULL, "x-amz-object-lock-retention", S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", NULL, "x-amz-grant-all", S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", NULL, "acl", "x-amz-grant-write-acp", S3ERR_OK, "PutBucketAcl"},
        {"PUT", "b", NULL, "acl", "x-amz-grant-", S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", "X-Amz-Signature=0&x-amz-copy-source=/b/k&x-amz-copy-source-version-id=1",
         NULL, S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", "renameObject", "x-amz-rename-source-if-size", S3ERR_NOT_IMPLEMENTED,
         NULL},
        {"PUT", "b", "k", NULL, "If-None-Matches", S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", NULL, "If-Range", S3ERR_OK, "PutObject"}, /* there is no range */
        {"POST", "b", NULL, "delete", "If-Match", S3ERR_NOT_IMPLEMENTED, NULL},
        {"POST", "b", NULL, NULL, "If-None-Match", S3ERR_NOT_IMPLEMENTED, NULL}, /* has fields */
        {"DELETE", "b", NULL, NULL, "If-Unmodified-Since", S3ERR_NOT_IMPLEMENTED, NULL},
        {"GET", "b", NULL, NULL, "If-None-Match", S3ERR_OK, "ListObjects"},
        {"PUT", "b", NULL, NULL, "x-amz-bucket-object-lock-enabled", S3ERR_OK, "CreateBucket"},
        {"POST", "b", "k", "uploads", "x-amz-object-lock-mode", S3ERR_OK, "CreateMultipartUpload"},
        {"POST", "b", "k", "uploadId=u", "x-amz-object-lock-mode", S3ERR_NOT_IMPLEMENTED, NULL},
        {"PUT", "b", "k", "uploadId=u&partNumber=1", "x-amz-object-lock-legal-hold",
         S3ERR_NOT_IMPLEMENTED, NULL},
        {"GET", "b", "k", "tagging", "If-None-Match", S3ERR_OK, "GetObjectTagging"},
        {"POST", "b", "k", "uploads", "x-amz-checksum-type", S3ERR_OK, "CreateMultipartUpload"},
        {"PUT", "b", "k", "uploadId=u&partNumber=1", "x-amz-checksum-type", S3ERR_OK, "UploadPart"},
        {"PUT", "b", "k", "x-amz-copy-source=/b/k&X-Amz-Signature=0", "x-amz-checksum-type",
         S3ERR_NOT_IMPLEMENTED, NULL},
        {"DELETE", "b", "k", NULL, "x-amz-checksum-type", S3ERR_NOT_IMPLEMENTED, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i], i);
}

static void a_header_of_a_write_says_one_thing(void **state)
{
    (void)state;
    static const struct {
        const char *method, *first, *second;
        enum s3err e;
    } rows[] = {
        {"PUT", "x-amz-acl: private", "X-Amz-Acl: public-read", S3ERR_INVALID_REQUEST},
        {"PUT", "x-amz-acl: private", "x-amz-acl: private", S3ERR_OK},
        {"PUT", "x-amz-tagging: a=1", "x-amz-tagging: b=2", S3ERR_INVALID_REQUEST},
        {"PUT", "x-amz-meta-a: 1", "x-amz-meta-a: 2", S3ERR_OK}, /* a list */
        {"PUT", "x-amz-acl: private", "x-amz-storage-class: STANDARD", S3ERR_OK},
        {"PUT", "Via: a", "Via: b", S3ERR_OK},
        {"PUT", "Content-Type: a/b", "content-type: a/c", S3ERR_INVALID_REQUEST},
        {"PUT", "Content-MD5: a", "Content-MD5: b", S3ERR_INVALID_REQUEST},
        {"PUT", "If-None-Match: a", "If-None-Match: b", S3ERR_INVALID_REQUEST},
        {"DELETE", "If-Match: a", "If-Match: b", S3ERR_INVALID_REQUEST},
        {"PUT", "Content-Type: a/b", "Content-Type: a/b", S3ERR_OK},
        {"PUT", "Cache-Control: a", "Cache-Control: b", S3ERR_OK}, /* a list */
        {"GET", "If-None-Match: a", "If-None-Match: b", S3ERR_OK}, /* a cache's, at worst in vain */
        {"PUT", "Via: a", "x-amz-checksum-type: FULL_OBJECT", S3ERR_OK},
        {"PUT", "Via: a", "x-amz-checksum-type: COMPOSITE", S3ERR_INVALID_REQUEST},
        {"GET", "x-amz-object-attributes: ETag", "x-amz-object-attributes: Checksum", S3ERR_OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct row r = {rows[i].method, "b", "k", NULL, NULL, rows[i].e, NULL};
        struct s3_req q;
        struct s3_pair params[8], header, headers[2];
        fill(&q, &r, params, &header);
        const char *texts[] = {rows[i].first, rows[i].second};
        for (size_t k = 0; k < 2; k++) {
            (void)str_cut(str_c(texts[k]), ':', &headers[k].name, &headers[k].value);
            headers[k].value = str_trim(headers[k].value);
        }
        q.headers = headers;
        q.nheaders = 2;
        if (s3_route(&q) != r.e)
            fail_msg("row %zu", i);
        s3_req_fini(&q);
    }
}

static void a_part_cannot_say_how_its_upload_is_encrypted(void **state)
{
    (void)state;
    static const char *const names[] = {"x-amz-server-side-encryption",
                                        "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"};
    static const struct row takers[] = {
        {"POST", "b", "k", "uploads", NULL, S3ERR_OK, "CreateMultipartUpload"},
        {"PUT", "b", "k", NULL, NULL, S3ERR_OK, "PutObject"},
        {"PUT", "b", "k", "uploadId=u&partNumber=1", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"POST", "b", "k", "uploadId=u", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"GET", "b", "k", "uploadId=u", NULL, S3ERR_OK, "ListParts"},
        {"DELETE", "b", "k", "uploadId=u", NULL, S3ERR_OK, "AbortMultipartUpload"},
    };
    for (size_t i = 0; i < ARRAY_LEN(takers) * ARRAY_LEN(names); i++) {
        struct row r = takers[i / ARRAY_LEN(names)];
        r.header = names[i % ARRAY_LEN(names)];
        check(&r, i);
    }
    static const struct row rows[] = {
        {"PUT", "b", "k", "uploadId=u&partNumber=1",
         "x-amz-server-side-encryption-customer-algorithm", S3ERR_OK, "UploadPart"},
        {"PUT", "b", "k", "uploadId=u&partNumber=1", "x-amz-storage-class", S3ERR_OK, "UploadPart"},
        {"PUT", "b", "k",
         "uploadId=u&partNumber=1&X-Amz-Signature=0&x-amz-server-side-encryption=AES256", NULL,
         S3ERR_INVALID_ARGUMENT, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&rows[i], i);
}

static void every_row_that_needs_a_key_or_bucket_says_what_it_needs(void **state)
{
    (void)state;
    for (size_t i = 0; i < s3_nops; i++) {
        const struct s3_op *op = &s3_ops[i];
        bool open = strncmp(op->name, "Preflight", 9) == 0 || strcmp(op->name, "QueryApi") == 0 ||
                    strcmp(op->name, "DeleteObjects") == 0 || op->level == S3_WEBSITE ||
                    op->level == S3_NATIVE;
        assert_true(open || (op->action && strncmp(op->action, "s3", 2) == 0));
        assert_true(op->level == S3_SERVICE || op->level == S3_NATIVE || op->wants_bucket ||
                    strcmp(op->name, "CreateBucket") == 0);
        assert_true(op->method != S3_GET || op->body == S3_BODY_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_means_one_operation),
        cmocka_unit_test(no_subresource_falls_through),
        cmocka_unit_test(every_row_can_be_reached),
        cmocka_unit_test(websites_know_two_methods),
        cmocka_unit_test(a_wrong_method_names_the_right_ones),
        cmocka_unit_test(what_an_operation_does_not_heed_is_refused),
        cmocka_unit_test(a_header_of_a_write_says_one_thing),
        cmocka_unit_test(a_part_cannot_say_how_its_upload_is_encrypted),
        cmocka_unit_test(every_row_that_needs_a_key_or_bucket_says_what_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
