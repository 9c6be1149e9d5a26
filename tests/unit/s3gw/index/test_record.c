/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/record.h"

#include "s3gw/index/bucket.h"
#include "s3gw/index/upload_record.h"
#include "tests/lib/test.h"

#define OWNER   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FILE_ID "group1/M00/00/00/wKgBaGcEPB2AQ5YpAAAAEAAAAAAAAAAAABAAAAAAABc1234567.txt"

static const struct s3_checksum crc64 = {.alg = S3_CK_CRC64NVME, .n = 8, .value = "12345678"};

/* As aws-cli would make it. */
static struct s3_object ordinary(struct s3_extent *e, struct s3_pair *h)
{
    *e = (struct s3_extent){.file_id = STR(FILE_ID), .length = 4096, .owner = 123456};
    *h = (struct s3_pair){STR("content-type"), STR("text/plain")};
    return (struct s3_object){.flags = S3_OBJ_NULL_VERSION,
                              .seq = 123456,
                              .size = 4096,
                              .mtime_ms = 1764000000000,
                              .etag = {.md5 = "0123456789abcde"},
                              .checksum = crc64,
                              .owner_id = STR(OWNER),
                              .headers = h,
                              .nheaders = 1,
                              .extents = e,
                              .nextents = 1};
}

/* With everything there is. */
static struct s3_object full(struct s3_extent *e, struct s3_pair *h, struct s3_part *p)
{
    struct s3_object o = ordinary(e, h);
    e[0].length = 1;
    e[1] = (struct s3_extent){.file_id = STR(FILE_ID), .offset = 7, .length = 4000, .owner = 99};
    e[2] = (struct s3_extent){
        .file_id = STR("other"), .offset = UINT64_MAX - 95, .length = 95, .owner = 0};
    h[1] = (struct s3_pair){STR("x-amz-meta-\xc3\xa4"), STR("")};
    p[0] = (struct s3_part){.number = 1, .size = 1, .checksum = crc64};
    p[1] = (struct s3_part){.number = 10000, .size = 4095};
    o.nextents = 3;
    o.nheaders = 2;
    o.parts = p;
    o.nparts = 2;
    o.etag.parts = 2;
    o.storage_class = STR("STANDARD_IA");
    o.upload_id = STR("0123456789abcdef0123456789abcdef");
    o.tags = STR("tags");
    o.acl = STR("");
    o.lock = STR("\0lock");
    o.sse = STR("sse");
    return o;
}

static void assert_str(struct str a, struct str b)
{
    assert_int_equal(!a.p, !b.p);
    assert_true(str_eq(a, b));
}

static void assert_same_head(const struct s3_object *a, const struct s3_object *b)
{
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->mtime_ms, b->mtime_ms);
    assert_memory_equal(&a->etag, &b->etag, sizeof(a->etag));
    assert_memory_equal(&a->checksum, &b->checksum, sizeof(a->checksum));
    assert_str(a->owner_id, b->owner_id);
    assert_str(a->storage_class, b->storage_class);
}

static void assert_same(const struct s3_object *a, const struct s3_object *b)
{
    assert_same_head(a, b);
    assert_str(a->upload_id, b->upload_id);
    assert_str(a->tags, b->tags);
    assert_str(a->acl, b->acl);
    assert_str(a->lock, b->lock);
    assert_str(a->sse, b->sse);
    assert_int_equal(a->nheaders, b->nheaders);
    for (size_t i = 0; i < a->nheaders; i++) {
        assert_str(a->headers[i].name, b->headers[i].name);
        assert_str(a->headers[i].value, b->headers[i].value);
    }
    assert_int_equal(a->nextents, b->nextents);
    for (size_t i = 0; i < a->nextents; i++) {
        assert_str(a->extents[i].file_id, b->extents[i].file_id);
        assert_int_equal(a->extents[i].offset, b->extents[i].offset);
        assert_int_equal(a->extents[i].length, b->extents[i].length);
        assert_int_equal(a->extents[i].owner, b->extents[i].owner);
    }
    assert_int_equal(a->nparts, b->nparts);
    for (size_t i = 0; i < a->nparts; i++) {
        assert_int_equal(a->parts[i].number, b->parts[i].number);
        assert_int_equal(a->parts[i].size, b->parts[i].size);
        assert_memory_equal(&a->parts[i].checksum, &b->parts[i].checksum, sizeof(crc64));
    }
}

static void objects_come_back_as_they_were(void **state)
{
    (void)state;
    struct s3_extent e[3];
    struct s3_pair h[2];
    struct s3_part p[2];
    const struct s3_object objects[] = {{0}, ordinary(e, h), full(e, h, p)};
    for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
        struct s3_object o = i == 1 ? ordinary(e, h) : i == 2 ? full(e, h, p) : objects[0], back;
        AUTO(arena_fini) struct arena a;
        arena_init(&a, 1 << 20);
        AUTO(buf_free) struct buf b = BUF(1 << 20);
        s3_object_encode(&o, &b);
        assert_int_equal(buf_err(&b), 0);
        assert_int_equal(s3_object_decode(buf_str(&b), &a, &back), 0);
        assert_same(&o, &back);
        assert_int_equal(s3_object_decode_listed(buf_str(&b), &a, &back), 0);
        assert_same_head(&o, &back);
        assert_int_equal(back.nextents + back.nheaders, 0);
    }
}

static void what_is_listed_does_not_point_into_the_row(void **state)
{
    (void)state;
    struct s3_extent e[3];
    struct s3_pair h[2];
    struct s3_part p[2];
    static const struct str owners[] = {STR_INIT(OWNER), STR_INIT("alice")};
    for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
        struct s3_object o = full(e, h, p), back;
        o.owner_id = owners[i];
        AUTO(arena_fini) struct arena a;
        arena_init(&a, 1 << 20);
        struct buf b = BUF(1 << 20);
        s3_object_encode(&o, &b);
        assert_int_equal(s3_object_decode_listed(buf_str(&b), &a, &back), 0);
        memset(b.p, 0xEE, b.n);
        assert_str(back.owner_id, owners[i]);
        assert_str(back.storage_class, o.storage_class);
        buf_free(&b);
    }
}

static void an_ordinary_row_is_small(void **state)
{
    (void)state;
    struct s3_extent e;
    struct s3_pair h;
    struct s3_object o = ordinary(&e, &h);
    AUTO(buf_free) struct buf head = BUF(4096), detail = BUF(4096);
    s3_object_encode_split(&o, &head, &detail);
    assert_int_equal(detail.n, 0);
    assert_in_range(head.n, 100, 200);
}

static void golden_bytes_of_version_1(void **state)
{
    (void)state;
    struct s3_extent e = {.file_id = STR("f"), .offset = 1, .length = 300, .owner = 5};
    struct s3_pair h = {STR("content-type"), STR("a/b")};
    struct s3_object o = {.flags = S3_OBJ_NULL_VERSION,
                          .seq = 5,
                          .size = 300,
                          .mtime_ms = 1000,
                          .etag = {.md5 = "ABCDEFGHIJKLMNO"},
                          .owner_id = STR("me"),
                          .headers = &h,
                          .nheaders = 1,
                          .extents = &e,
                          .nextents = 1,
                          .tags = STR("T")};
    static const char golden[] = "\x01\x4a\x05\xac\x02\xe8\x07"
                                 "ABCDEFGHIJKLMNO\0"
                                 "\0"
                                 "\0"
                                 "\x01\x02me"
                                 "\x01\x01\x03"
                                 "a/b"
                                 "\x01T"
                                 "\x01\x01"
                                 "f"
                                 "\x01\xac\x02"
                                 "\0";
    AUTO(buf_free) struct buf b = BUF(4096);
    s3_object_encode(&o, &b);
    assert_int_equal(b.n, sizeof(golden) - 1);
    assert_memory_equal(b.p, golden, b.n);
}

static void big_manifests_are_split(void **state)
{
    (void)state;
    enum { N = 200 };
    static struct s3_extent e[N];
    static struct s3_part p[N];
    struct s3_pair h;
    struct s3_object o = ordinary(e, &h), back;
    for (size_t i = 0; i < N; i++) {
        e[i] = (struct s3_extent){.file_id = STR(FILE_ID), .offset = i, .length = 1, .owner = i};
        p[i] = (struct s3_part){.number = (uint32_t)i + 1, .size = 1};
    }
    o.nextents = o.nparts = N;
    o.parts = p;
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 1 << 20);
    AUTO(buf_free) struct buf head = BUF(1 << 20), detail = BUF(1 << 20);
    s3_object_encode_split(&o, &head, &detail);
    assert_true(detail.n > 0 && head.n < 200);
    bool split;
    assert_int_equal(s3_object_decode_head(buf_str(&head), &a, &back, &split), 0);
    assert_true(split && back.nextents == 0);
    assert_int_equal(s3_object_decode(buf_str(&head), &a, &back),
                     -EBADMSG); /* half a record is none */
    assert_int_equal(s3_object_decode_head(buf_str(&head), &a, &back, &split), 0);
    assert_int_equal(s3_object_decode_detail(buf_str(&detail), &a, &back), 0);
    assert_same(&o, &back);
}

/* --- damage --- */

typedef int (*decode_fn)(struct str bytes, struct arena *a);

static int decode_object(struct str bytes, struct arena *a)
{
    struct s3_object o;
    return s3_object_decode(bytes, a, &o);
}

static int decode_bucket(struct str bytes, struct arena *a)
{
    struct s3_bucket b;
    return s3_bucket_decode(bytes, a, &b);
}

static int decode_upload(struct str bytes, struct arena *a)
{
    struct s3_upload u;
    return s3_upload_decode(bytes, a, &u);
}

static int decode_part(struct str bytes, struct arena *a)
{
    struct s3_upart p;
    return s3_upart_decode(bytes, a, &p);
}

static int decode_finished(struct str bytes, struct arena *a)
{
    (void)a;
    struct s3_finished f;
    return s3_finished_decode(bytes, &f);
}

static void encode_any(size_t i, struct buf *b)
{
    struct s3_extent e[3];
    struct s3_pair h[2];
    struct s3_part p[2];
    struct s3_object o = full(e, h, p);
    struct s3_pair_doc doc = {STR("policy"), STR("{}")};
    struct s3_bucket bucket = {.bid = 1,
                               .name = STR("b"),
                               .owner_id = STR(OWNER),
                               .groups = STR("g"),
                               .versioning = STR("Enabled"),
                               .docs = &doc,
                               .ndocs = 1};
    struct s3_upload u = {
        .started_ms = 4, .initiator_id = STR("me"), .ck_alg = S3_CK_SHA1, .proto = o};
    struct s3_upart part = {
        .size = 3, .checksum = crc64, .crc64 = crc64, .extents = e, .nextents = 3};
    struct s3_finished f = {.bid = 1, .key = STR("k"), .seq = 2, .time_ms = 3};
    switch (i) {
    case 0:
        s3_object_encode(&o, b);
        break;
    case 1:
        s3_bucket_encode(&bucket, b);
        break;
    case 2:
        s3_upload_encode(&u, b);
        break;
    case 3:
        s3_upart_encode(&part, b);
        break;
    default:
        s3_finished_encode(&f, b);
    }
}

static const decode_fn decoders[] = {decode_object, decode_bucket, decode_upload, decode_part,
                                     decode_finished};

static void cut_lengthened_and_newer_records_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(decoders); i++) {
        AUTO(buf_free) struct buf b = BUF(1 << 16);
        encode_any(i, &b);
        for (size_t n = 0; n <= b.n + 1; n++) {
            AUTO(arena_fini) struct arena a;
            arena_init(&a, 1 << 20);
            char *copy = dfs_zalloc(n + 1); /* exactly n: the sanitizer sees a step beyond */
            assert_non_null(copy);
            memcpy(copy, b.p, MIN(n, b.n));
            assert_int_equal(decoders[i](str_of(copy, n), &a), n == b.n ? 0 : -EBADMSG);
            free(copy);
        }
        AUTO(arena_fini) struct arena a;
        arena_init(&a, 1 << 20);
        b.p[0]++;
        assert_int_equal(decoders[i](buf_str(&b), &a), -EBADMSG);
    }
}

/* Version 2, written only when it must be: an earlier build reads all buckets of one group. */
static void a_bucket_of_several_groups_is_version_2(void **state)
{
    (void)state;
    static const char one[] = "\x01\0\0\0\0\0\0\0\x07\x01"
                              "b\x01\x01o\x06group1\x05\0\0",
                      two[] = "\x02\0\0\0\0\0\0\0\x07\x01"
                              "b\x01\x01o\x0dgroup1,group2\x05\0\0";
    static const struct {
        const char *groups;
        struct str bytes;
    } rows[] = {{"group1", {one, sizeof(one) - 1}}, {"group1,group2", {two, sizeof(two) - 1}}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(arena_fini) struct arena a;
        AUTO(buf_free) struct buf b = BUF(1 << 10);
        struct s3_bucket back, bucket = {.bid = 7,
                                         .name = STR("b"),
                                         .owner_id = STR("o"),
                                         .groups = str_c(rows[i].groups),
                                         .created_ms = 5};
        arena_init(&a, 1 << 16);
        s3_bucket_encode(&bucket, &b);
        assert_true(str_eq(buf_str(&b), rows[i].bytes));
        assert_int_equal(s3_bucket_decode(rows[i].bytes, &a, &back), 0);
        assert_true(str_eq(back.groups, bucket.groups) && back.created_ms == 5);
        b.p[0] ^= 3; /* the other version: a list in 1, a single name in 2 */
        assert_int_equal(s3_bucket_decode(buf_str(&b), &a, &back), -EBADMSG);
        b.p[0] ^= 3;
        b.p[b.n - 4] = ','; /* the last letter of the list */
        assert_int_equal(s3_bucket_decode(buf_str(&b), &a, &back), -EBADMSG);
    }
}

static void any_changed_byte_is_survived(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(decoders); i++) {
        AUTO(buf_free) struct buf b = BUF(1 << 16);
        encode_any(i, &b);
        for (size_t at = 0; at < b.n; at++) {
            for (int bit = 0; bit < 8; bit++) {
                AUTO(arena_fini) struct arena a;
                arena_init(&a, 1 << 20);
                b.p[at] ^= (char)(1 << bit);
                int r = decoders[i](buf_str(&b), &a);
                assert_true(r == 0 || r == -EBADMSG || r == -ENOMEM);
                b.p[at] ^= (char)(1 << bit);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_come_back_as_they_were),
        cmocka_unit_test(what_is_listed_does_not_point_into_the_row),
        cmocka_unit_test(an_ordinary_row_is_small),
        cmocka_unit_test(golden_bytes_of_version_1),
        cmocka_unit_test(big_manifests_are_split),
        cmocka_unit_test(cut_lengthened_and_newer_records_are_refused),
        cmocka_unit_test(a_bucket_of_several_groups_is_version_2),
        cmocka_unit_test(any_changed_byte_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
