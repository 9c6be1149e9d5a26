/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_checksum_headers - a byte of circumstances, then headers: an accepted plan is consistent;
 * what is kept of Content-Encoding has no aws-chunked; checksums with a part count survive writing
 * and reading.
 */
#include "s3gw/core/body.h"
#include "s3gw/core/op.h"
#include "tests/fuzz/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct s3_op ops[] = {{.name = "PutObject", .body = S3_BODY_STREAM},
                                   {.name = "DeleteObjects", .body = S3_BODY_XML}};

static void check_text(struct str text)
{
    struct s3_checksum c, again;
    uint32_t parts, parts_again;
    char out[S3_CK_TEXT_MAX];
    for (int alg = S3_CK_NONE + 1; alg < S3_CK_COUNT_; alg++) {
        if (s3_checksum_parse_parts((enum s3_checksum_alg)alg, text, &c, &parts) < 0)
            continue;
        size_t n = s3_checksum_text(&c, parts, out);
        ASSERT(s3_checksum_parse_parts(c.alg, str_of(out, n), &again, &parts_again) == 0 &&
               parts_again == parts && s3_checksum_eq(&c, &again));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct s3_req q;
    if (size < 1 || size > 100000)
        return 0;
    s3_req_init(&q);
    q.op = &ops[data[0] & 1];
    struct s3_body_plan p = {.trailer_form = data[0] & 2};
    p.framing = data[0] & 4 ? S3_FRAMING_AWS_CHUNKED : S3_FRAMING_RAW;
    fuzz_headers(&q, str_of(data + 1, size - 1));
    enum s3err e = s3_body_plan(&q, &p);
    ASSERT(e < S3ERR_COUNT_);
    if (e == S3ERR_OK) {
        ASSERT(p.length <= S3_BODY_DATA_MAX ||
               (p.length == UINT64_MAX && q.op->body == S3_BODY_XML));
        ASSERT(p.expect.alg == S3_CK_NONE || (p.expect.alg == p.compute && !p.has_trailer));
        ASSERT(!p.has_trailer || (p.trailer_form && p.compute != S3_CK_NONE));
    }
    struct str kept, token;
    ASSERT(s3_body_content_encoding(&q, &kept) == 0);
    while (str_split(&kept, ',', &token))
        ASSERT(!str_eq(str_trim(token), STR("aws-chunked")));
    check_text(str_of(data + 1, size - 1));
    s3_req_fini(&q);
    return 0;
}
