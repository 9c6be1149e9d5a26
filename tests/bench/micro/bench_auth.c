/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_auth - CPU time of verifying one ordinary signed request, and of reading bodies. One
 * thread. Prints one line each: what, microseconds an operation or MB/s.
 */
#include <stdio.h>
#include <time.h>

#include "s3gw/auth/auth.h"
#include "s3gw/core/crc64nvme.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/op.h"
#include "s3gw/core/uri.h"
#include "s3gw/index/bucket.h"

/* Stands in for the index's cached look-up. */
int s3_key_get(struct s3_index *x, struct str access_key, enum s3_read how, struct arena *a,
               struct s3_access_key *ret_key, struct s3_user *ret_user)
{
    (void)x;
    (void)how;
    (void)a;
    *ret_key = (struct s3_access_key){.access_key = access_key,
                                      .secret = STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")};
    *ret_user = (struct s3_user){.id = STR("alice")};
    return 0;
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct s3_gw gw;
static const struct s3_op get_object = {.name = "GetObject", .body = S3_BODY_NONE};

#define H(name, value)                                                                             \
    {                                                                                              \
        STR_INIT(name), STR_INIT(value)                                                            \
    }
static struct s3_pair by_header[] = {
    H("Host", "examplebucket.s3.amazonaws.com"),
    H("Accept-Encoding", "identity"),
    H("User-Agent", "aws-cli/2.15 md/Botocore#1.34 ua/2.0 os/linux md/arch#x86_64"),
    H("Range", "bytes=0-9"),
    H("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    H("x-amz-date", "20130524T000000Z"),
    H("Authorization",
      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
      "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
      "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
};
#define PRESIGNED                                                                                  \
    "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524"  \
    "%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"             \
    "&X-Amz-SignedHeaders=host&X-Amz-Signature="                                                   \
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"

/* Head to verdict: init, parse, address, verify, fini. */
static void verify(const char *what, const char *target, size_t nheaders, bool only_parse)
{
    enum { ROUNDS = 200000 };
    static struct s3_req q;
    double start = cpu_us();
    for (int i = 0; i < ROUNDS; i++) {
        s3_req_init(&q);
        q.gw = &gw;
        q.op = &get_object;
        q.method_name = STR("GET");
        q.now_ms = 1369353600000;
        q.headers = by_header;
        q.nheaders = nheaders;
        q.host = s3_req_header(&q, STR("host"));
        ASSERT(s3_uri_parse(&q, str_c(target)) == S3ERR_OK && s3_uri_address(&q) == S3ERR_OK);
        ASSERT(only_parse || s3_auth_verify(&q, S3_READ_CACHED) == S3ERR_OK);
        s3_req_fini(&q);
    }
    printf("%-42s %8.2f us\n", what, (cpu_us() - start) / ROUNDS);
}

static enum s3err drop(void *arg, struct str piece)
{
    *(size_t *)arg += piece.n;
    return S3ERR_OK;
}

static bool any_chunk(void *arg, const uint8_t sha256[32], struct str signature)
{
    (void)arg;
    return sha256 && signature.n == 64;
}

static char wire[65536 + 87 + 2 + 86 + 2];

static void body(const char *what, struct s3_body_plan p, struct str in, int rounds)
{
    size_t total = 0;
    double start = cpu_us();
    for (int i = 0; i < rounds; i++) {
        AUTO(s3_body_free) struct s3_body *b = s3_body_new(&p);
        ASSERT(b && s3_body_push(b, in, drop, &total) == S3ERR_OK);
        (void)s3_body_finish(b, NULL);
    }
    double us = cpu_us() - start;
    printf("%-42s %8.2f us a body, %8.0f MB/s\n", what, us / rounds, (double)total / us);
}

static void bodies(void)
{
    size_t n = (size_t)snprintf(wire, sizeof(wire), "10000;chunk-signature=%064d\r\n", 1);
    memset(wire + n, 'a', 65536);
    n += 65536;
    n += (size_t)snprintf(wire + n, sizeof(wire) - n, "\r\n0;chunk-signature=%064d\r\n", 2);
    struct s3_body_plan raw = {.length = 4096, .compute = S3_CK_CRC64NVME};
    body("raw 4 KiB, CRC64NVME", raw, str_of(wire, 4096), 500000);
    raw.length = 65536;
    body("raw 64 KiB, CRC64NVME", raw, str_of(wire, 65536), 100000);
    struct s3_body_plan chunked = {
        .framing = S3_FRAMING_AWS_CHUNKED, .length = 65536, .compute = S3_CK_CRC32};
    body("unsigned chunk of 64 KiB, CRC32", chunked, str_of(wire, n), 100000);
    chunked.signed_chunks = true;
    chunked.verify = (struct s3_chunk_verifier){any_chunk, any_chunk, NULL};
    body("signed chunk of 64 KiB, SHA-256 + CRC32", chunked, str_of(wire, n), 5000);
}

static void crcs(void)
{
    static uint8_t data[1 << 20];
    double start = cpu_us();
    uint64_t crc = 0;
    for (int i = 0; i < 2000; i++)
        crc = s3_crc64nvme(crc, data, sizeof(data));
    double fast = cpu_us() - start;
    for (int i = 0; i < 200; i++)
        crc = s3_crc64nvme_portable(crc, data, sizeof(data));
    double slow = cpu_us() - start - fast;
    printf("%-42s %8.0f MB/s, portable %.0f (%llx)\n", "CRC64NVME, 1 MiB",
           2000.0 * sizeof(data) / fast, 200.0 * sizeof(data) / slow, (unsigned long long)crc);
    start = cpu_us();
    for (int i = 0; i < 10000; i++)
        crc = s3_crc_combine(S3_CK_CRC64NVME, crc, crc, (uint64_t)5 << 30);
    printf("%-42s %8.2f us\n", "combine with a part of 5 GiB", (cpu_us() - start) / 10000);
}

int main(void)
{
    static struct str domain = STR_INIT("s3.amazonaws.com");
    gw = (struct s3_gw){.region = STR("us-east-1"), .domains = &domain, .ndomains = 1};
    verify("parse and address only", "/test.txt", ARRAY_LEN(by_header), true);
    verify("signed GET, head to verdict", "/test.txt", ARRAY_LEN(by_header), false);
    verify("presigned GET, head to verdict", PRESIGNED, 3, false);
    bodies();
    crcs();
    return 0;
}
