/* SPDX-License-Identifier: Apache-2.0 */
/* What requests say of encryption, what answers say, which key opens what. */
#include "s3gw/api/encryption.h"

#include "s3gw/api/reader.h"
#include "s3gw/sse/defaults.h"
#include "s3gw/sse/keyring.h"
#include "tests/lib/s3_fixture.h"

#define B   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SSE "x-amz-server-side-encryption"
#define KEY "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
#define CUSTOMER(prefix)                                                                           \
    prefix "-customer-algorithm: AES256\n" prefix "-customer-key: " KEY "\n" prefix                \
           "-customer-key-MD5: "

struct world {
    struct fixture f;
    struct s3_keyring *ring;
    struct s3_bucket bkt;
    struct s3_pair_doc doc;
    char md5[32];
};

static void world_fini(struct world *w)
{
    teardown(&w->f);
    s3_keyring_free(&w->ring);
}

static void world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    setup(&w->f);
    assert_int_equal(s3_keyring_parse(STR("sse-s3=" B " aws/s3=" B " mine=" B), &w->ring), 0);
    w->f.gw.kms = s3_keyring_kms(w->ring);
    w->f.gw.sse_c_over_http = S3_SSE_C_ALWAYS;
    w->bkt = (struct s3_bucket){.name = STR("mine"), .owner_id = STR("alice-id"), .docs = &w->doc};
    uint8_t md5[16];
    s3_md5("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 32, md5);
    w->md5[str_base64(md5, 16, w->md5)] = '\0';
}

/* A request with these headers, "MD5" at the end of a line standing for the right one. */
static struct s3_req *ask(struct world *w, const char *headers)
{
    static char text[4096];
    if (w->f.used)
        s3_req_fini(&w->f.q);
    struct s3_req *q = &w->f.q;
    s3_req_init(q);
    w->f.used = true;
    q->gw = &w->f.gw;
    q->bkt = &w->bkt;
    q->may_block = true;
    q->peer = STR("10.0.0.1");
    become(q, "alice");
    const char *mark = headers ? strstr(headers, "KEY-MD5-HERE") : NULL;
    if (mark)
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(mark - headers), headers, w->md5, mark + 12);
    else
        snprintf(text, sizeof(text), "%s", headers ? headers : "");
    add_request_headers(q, text);
    return q;
}

#define OWN    CUSTOMER(SSE) "KEY-MD5-HERE"
#define SOURCE CUSTOMER("x-amz-copy-source-server-side-encryption") "KEY-MD5-HERE"

static void writes_are_sealed_as_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        enum s3err e;
        enum s3_sse_mode mode;
    } rows[] = {
        {NULL, S3ERR_OK, S3_SSE_NONE},
        {"x-amz-acl: private", S3ERR_OK, S3_SSE_NONE},
        {SSE ": AES256", S3ERR_OK, S3_SSE_S3},
        {SSE ": aws:kms", S3ERR_OK, S3_SSE_KMS},
        {SSE ": aws:kms\n" SSE "-aws-kms-key-id: mine", S3ERR_OK, S3_SSE_KMS},
        {SSE ": aws:kms\n" SSE "-aws-kms-key-id: other", S3ERR_KMS_NOT_FOUND_EXCEPTION,
         S3_SSE_NONE},
        {SSE ": aws:kms\n" SSE "-bucket-key-enabled: TRUE", S3ERR_OK, S3_SSE_KMS},
        {SSE ": AES256\n" SSE "-bucket-key-enabled: false", S3ERR_OK, S3_SSE_S3},
        {SSE ": aws:kms\n" SSE "-context: eyJhIjoiYiJ9", S3ERR_OK, S3_SSE_KMS},
        {SSE ": aws:kms\n" SSE "-context: eyJhIjpbXX0=", S3ERR_INVALID_ARGUMENT, S3_SSE_NONE},
        {SSE ": aws:kms:dsse", S3ERR_NOT_IMPLEMENTED, S3_SSE_NONE},
        {SSE ": aes256", S3ERR_INVALID_ARGUMENT, S3_SSE_NONE},
        {SSE "-context: eyJhIjoiYiJ9", S3ERR_INVALID_ARGUMENT, S3_SSE_NONE},
        {OWN, S3ERR_OK, S3_SSE_C},
        {OWN "\n" SSE ": AES256", S3ERR_INVALID_ARGUMENT, S3_SSE_NONE},
        {CUSTOMER(SSE) "AAAA", S3ERR_INVALID_ARGUMENT, S3_SSE_NONE},
        {SSE "-customer-algorithm: AES256", S3ERR_INVALID_ARGUMENT, S3_SSE_NONE},
        {SSE "-customer-algorithm: DES", S3ERR_INVALID_ENCRYPTION_ALGORITHM_ERROR, S3_SSE_NONE},
    };
    AUTO(world_fini) struct world w;
    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_object o = {0};
        enum s3_sse_mode mode = S3_SSE_KMS;
        struct s3_req *q = ask(&w, rows[i].headers);
        enum s3err e = s3_encryption_from(q, &o);
        if (e != rows[i].e)
            print_error("row %zu: %d\n", i, e);
        assert_int_equal(e, rows[i].e);
        if (e != S3ERR_OK)
            continue;
        assert_int_equal(s3_sse_mode_of(o.sse, &mode), 0);
        assert_int_equal(mode, rows[i].mode);
        assert_int_equal(q->seal != NULL, mode != S3_SSE_NONE);
    }
}

static void customer_keys_travel_where_the_setting_lets_them(void **state)
{
    (void)state;
    static const struct {
        enum s3_sse_c_over_http over;
        bool tls;
        const char *peer;
        bool ok;
    } rows[] = {
        {S3_SSE_C_TLS_ONLY, true, "10.0.0.1", true},
        {S3_SSE_C_TLS_ONLY, false, "127.0.0.1", false},
        {S3_SSE_C_FROM_LOOPBACK, false, "127.8.8.8", true},
        {S3_SSE_C_FROM_LOOPBACK, false, "::1", true},
        {S3_SSE_C_FROM_LOOPBACK, false, "::ffff:127.0.0.1", true},
        {S3_SSE_C_FROM_LOOPBACK, false, "10.0.0.1", false},
        {S3_SSE_C_FROM_LOOPBACK, false, "::12", false},
        {S3_SSE_C_FROM_LOOPBACK, true, "10.0.0.1", true},
        {S3_SSE_C_ALWAYS, false, "10.0.0.1", true},
    };
    AUTO(world_fini) struct world w;
    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_object o = {0};
        struct s3_req *q = ask(&w, OWN);
        w.f.gw.sse_c_over_http = rows[i].over;
        q->tls = rows[i].tls;
        q->peer = str_c(rows[i].peer);
        assert_int_equal(s3_encryption_from(q, &o), rows[i].ok ? S3ERR_OK : S3ERR_INVALID_REQUEST);
    }
}

static struct str sealed_as(struct world *w, const char *headers, uint8_t dek[S3_DEK_BYTES],
                            struct arena *a)
{
    struct s3_object o = {0};
    struct s3_req *q = ask(w, headers);
    assert_int_equal(s3_encryption_from(q, &o), S3ERR_OK);
    memcpy(dek, q->seal->dek, S3_DEK_BYTES);
    return arena_str(a, o.sse);
}

static void what_opens_what(void **state)
{
    (void)state;
    static const struct {
        const char *write, *read;
        enum s3_opening what;
        enum s3err e;
    } rows[] = {
        {SSE ": AES256", NULL, S3_OPEN_OBJECT, S3ERR_OK},
        {SSE ": AES256", OWN, S3_OPEN_OBJECT, S3ERR_INVALID_REQUEST},
        {SSE ": AES256", SSE ": AES256", S3_OPEN_OBJECT, S3ERR_INVALID_ARGUMENT},
        {SSE ": AES256", SSE ": AES256", S3_OPEN_SOURCE, S3ERR_OK}, /* says how to write the copy */
        {SSE ": AES256", SOURCE, S3_OPEN_SOURCE, S3ERR_INVALID_REQUEST},
        {SSE ": aws:kms", NULL, S3_OPEN_UPLOAD, S3ERR_OK},
        {OWN, OWN, S3_OPEN_OBJECT, S3ERR_OK},
        {OWN, NULL, S3_OPEN_OBJECT, S3ERR_INVALID_REQUEST},
        {OWN, SOURCE, S3_OPEN_OBJECT, S3ERR_INVALID_REQUEST},
        {OWN, SOURCE, S3_OPEN_SOURCE, S3ERR_OK},
        {OWN, OWN, S3_OPEN_SOURCE, S3ERR_INVALID_REQUEST},
        {OWN, NULL, S3_OPEN_UPLOAD, S3ERR_INVALID_REQUEST},
        {OWN, OWN, S3_OPEN_UPLOAD, S3ERR_OK},
    };
    AUTO(world_fini) struct world w;
    AUTO(arena_fini) struct arena a;
    world_init(&w);
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t made[S3_DEK_BYTES], *got;
        struct s3_object o = {.sse = sealed_as(&w, rows[i].write, made, &a)};
        enum s3err e = s3_encryption_open(ask(&w, rows[i].read), &o, rows[i].what, true, &got);
        if (e != rows[i].e)
            print_error("row %zu: %d\n", i, e);
        assert_int_equal(e, rows[i].e);
        if (e == S3ERR_OK)
            assert_memory_equal(got, made, sizeof(made));
        else
            assert_null(got);
    }
    struct s3_object plain = {0};
    uint8_t *none;
    assert_int_equal(s3_encryption_open(ask(&w, NULL), &plain, S3_OPEN_OBJECT, true, &none),
                     S3ERR_OK);
    assert_null(none);
    assert_int_equal(s3_encryption_open(ask(&w, OWN), &plain, S3_OPEN_OBJECT, true, &none),
                     S3ERR_INVALID_REQUEST);
}

static void a_buckets_default_is_for_those_who_say_nothing(void **state)
{
    (void)state;
    AUTO(world_fini) struct world w;
    world_init(&w);
    AUTO(buf_free) struct buf record = BUF(1024);
    s3_sse_defaults_encode(
        &(struct s3_sse_defaults){
            .mode = S3_SSE_KMS, .id = STR("alias/mine"), .bucket_key = true, .blocks_sse_c = true},
        &record);
    w.doc = (struct s3_pair_doc){STR("encryption"), buf_str(&record)};
    w.bkt.ndocs = 1;
    struct s3_object o = {0};
    struct s3_sse s;
    assert_int_equal(s3_encryption_from(ask(&w, NULL), &o), S3ERR_OK);
    assert_int_equal(s3_sse_decode(o.sse, &s), 0);
    assert_true(s.mode == S3_SSE_KMS && s.bucket_key && str_eq(s.key, STR("mine")));
    assert_true(str_eq(s.id, STR("alias/mine")));
    assert_int_equal(s3_encryption_from(ask(&w, SSE ": aws:kms"), &o), S3ERR_OK);
    assert_int_equal(s3_sse_decode(o.sse, &s), 0);
    assert_true(s.bucket_key && str_eq(s.key, STR(S3_KEY_OF_KMS)));
    assert_int_equal(s3_encryption_from(ask(&w, SSE ": AES256"), &o), S3ERR_OK);
    assert_int_equal(s3_encryption_from(ask(&w, OWN), &o), S3ERR_ACCESS_DENIED);
    w.f.gw.kms = NULL;
    assert_int_equal(s3_encryption_from(ask(&w, NULL), &o), S3ERR_NOT_IMPLEMENTED);
}

static void a_reader_of_plain_files_gives_windows(void **state)
{
    (void)state;
    AUTO(world_fini) struct world w;
    world_init(&w);
    struct s3_req *q = ask(&w, NULL);
    struct s3_extent e[] = {{STR("group1/M00/00/00/a"), 5, 10, 0},
                            {STR("group1/M00/00/00/b"), 0, 90, 0}};
    struct s3_object o = {.size = 100, .extents = e, .nextents = 2};
    struct s3_reader *rd;
    uint8_t out[100];
    assert_int_equal(s3_reader_new(q, &o, NULL, 3, 90, &rd), 0);
    assert_int_equal(s3_reader_read(rd, NULL, 5, out, 4, true), 0); /* over the seam */
    const uint8_t want[] = {fake_dfs_byte(13), fake_dfs_byte(14), fake_dfs_byte(0),
                            fake_dfs_byte(1)};
    assert_memory_equal(out, want, sizeof(want));
    assert_int_equal(s3_reader_read(rd, NULL, 0, out, 1, true), 0); /* back */
    assert_int_equal(out[0], fake_dfs_byte(8));
    assert_int_equal(s3_reader_read(rd, NULL, 89, out, 2, true), -ERANGE);
    assert_int_equal(s3_reader_step(rd, 80, 100), 10);
    o.size = 101;
    assert_int_equal(s3_reader_new(q, &o, NULL, 0, 1, &rd), -EBADMSG);
}

static void files_that_nobody_sealed_do_not_open(void **state)
{
    (void)state;
    AUTO(world_fini) struct world w;
    world_init(&w);
    struct s3_req *q = ask(&w, NULL);
    struct s3_extent e = {STR("group1/M00/00/00/a"), 0, s3_sealed_size(200000), 0};
    AUTO(buf_free) struct buf sse = BUF(256);
    s3_sse_encode(&(struct s3_sse){.mode = S3_SSE_S3, .wrapped = STR("w"), .key = STR("k")}, &sse);
    struct s3_object o = {.size = 200000, .extents = &e, .nextents = 1, .sse = buf_str(&sse)};
    const uint8_t dek[S3_DEK_BYTES] = "k";
    struct s3_reader *rd;
    uint8_t out[16];
    assert_int_equal(s3_reader_new(q, &o, dek, 0, o.size, &rd), 0);
    assert_int_equal(s3_reader_read(rd, NULL, 70000, out, sizeof(out), true), -EBADMSG);
    assert_int_equal(s3_reader_step(rd, 70000, 1000), 1000);
    assert_int_equal(s3_reader_step(rd, 70000, 100000), 2 * S3_FRAME_PLAIN - 70000);
    assert_int_equal(s3_reader_step(rd, 65536, 131072 + 5), 131072);
    e.length += 1;
    assert_int_equal(s3_reader_new(q, &o, dek, 0, o.size, &rd), -EBADMSG);
    e.length -= 1;
    o.sse = STR("x");
    assert_int_equal(s3_reader_new(q, &o, dek, 0, o.size, &rd), -EBADMSG);
}

/* Neither the data key nor the key of the stream: the memory is another request's next. */
static void a_reader_leaves_no_key_behind(void **state)
{
    (void)state;
    enum { N = 70000 };
    static _Alignas(16) uint8_t memory[32768];
    static uint8_t plain[N], file[N + 100];
    AUTO(world_fini) struct world w;
    world_init(&w);
    struct s3_req *q = &w.f.q;
    s3_req_init(q);
    arena_lend(&q->arena, memory, sizeof(memory));
    uint8_t *dek = s3_req_secret(q), copy[S3_DEK_BYTES] = "a data key, 32 bytes of it ....";
    memcpy(dek, copy, sizeof(copy));
    plain[N - 1] = 7;
    assert_int_equal(s3_seal(dek, 0, str_of(plain, N), file), 0);
    fake_dfs.content = file;

    struct s3_extent e = {STR("group1/M00/00/00/a"), 0, s3_sealed_size(N), 0};
    AUTO(buf_free) struct buf sse = BUF(256);
    s3_sse_encode(&(struct s3_sse){.mode = S3_SSE_S3, .wrapped = STR("w"), .key = STR("k")}, &sse);
    struct s3_object o = {.size = N, .extents = &e, .nextents = 1, .sse = buf_str(&sse)};
    struct s3_reader *rd;
    uint8_t out[10], key[S3_GCM_KEY];
    assert_int_equal(s3_reader_new(q, &o, dek, 0, N, &rd), 0);
    assert_int_equal(s3_reader_read(rd, NULL, N - 10, out, sizeof(out), true), 0);
    assert_memory_equal(out, plain + N - 10, sizeof(out));

    s3_sse_derive(copy, STR("s3gw stream\0"), str_of(file + 8, 16), str_of("\0\0\0", 4), key);
    assert_non_null(memmem(memory, sizeof(memory), key, sizeof(key)));
    assert_non_null(memmem(memory, sizeof(memory), copy, sizeof(copy)));
    s3_req_fini(q);
    fake_dfs.content = NULL;
    assert_null(memmem(memory, sizeof(memory), key, sizeof(key)));
    assert_null(memmem(memory, sizeof(memory), copy, sizeof(copy)));
}

/* The object that a write with these headers makes. */
static struct s3_object written(struct world *w, const char *headers)
{
    static char bytes[2 * S3_SSE_WRAPPED_MAX]; /* the next request has an arena of its own */
    struct s3_object o = {.size = 5};
    assert_int_equal(s3_encryption_from(ask(w, headers), &o), S3ERR_OK);
    assert_true(o.sse.n <= sizeof(bytes));
    if (o.sse.p)
        o.sse = str_of(memcpy(bytes, o.sse.p, o.sse.n), o.sse.n);
    return o;
}

static void an_append_is_sealed_as_the_object_is(void **state)
{
    (void)state;
    static const struct {
        const char *object, *append;
        enum s3err e;
    } rows[] = {
        {NULL, NULL, S3ERR_OK},
        {NULL, SSE ": AES256", S3ERR_ENCRYPTION_TYPE_MISMATCH},
        {NULL, OWN, S3ERR_ENCRYPTION_TYPE_MISMATCH},
        {SSE ": AES256", NULL, S3ERR_OK},
        {SSE ": AES256", SSE ": AES256", S3ERR_OK},
        {SSE ": AES256", SSE ": aws:kms", S3ERR_ENCRYPTION_TYPE_MISMATCH},
        {SSE ": AES256", OWN, S3ERR_ENCRYPTION_TYPE_MISMATCH},
        {SSE ": aws:kms", SSE ": aws:kms\n" SSE "-aws-kms-key-id: aws/s3", S3ERR_OK},
        {SSE ": aws:kms", SSE ": aws:kms\n" SSE "-aws-kms-key-id: mine",
         S3ERR_ENCRYPTION_TYPE_MISMATCH},
        {SSE ": aws:kms", SSE ": aws:kms\n" SSE "-bucket-key-enabled: true",
         S3ERR_ENCRYPTION_TYPE_MISMATCH},
        {SSE ": aws:kms\n" SSE "-context: eyJhIjoiYiJ9",
         SSE ": aws:kms\n" SSE "-context: eyAiYSI6ICJiIiB9", S3ERR_OK}, /* written otherwise */
        {SSE ": aws:kms", SSE ": aws:kms\n" SSE "-context: eyJhIjoiYiJ9",
         S3ERR_ENCRYPTION_TYPE_MISMATCH},
        {OWN, OWN, S3ERR_OK},
        {OWN, NULL, S3ERR_INVALID_REQUEST},
        {OWN, SSE ": AES256", S3ERR_INVALID_REQUEST},
    };
    AUTO(world_fini) struct world w;
    world_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_object base = written(&w, rows[i].object);
        struct s3_req *q = ask(&w, rows[i].append);
        struct s3_seal seal;
        struct str section;
        enum s3err e = s3_encryption_of_append(q, &base, 2, &seal, &section);
        if (e != rows[i].e)
            print_error("row %zu: %d\n", i, e);
        assert_int_equal(e, rows[i].e);
        if (e != S3ERR_OK)
            continue;
        struct s3_sse s = {.first_whole = true};
        assert_int_equal(q->seal != NULL, base.sse.p != NULL);
        assert_true(!section.p == !base.sse.p && (!section.p || s3_sse_decode(section, &s) == 0));
        assert_true(s.first_whole && (!q->seal || q->seal->part == 2));
        base.nparts = 1; /* of an upload: its parts say which they are */
        assert_int_equal(s3_encryption_of_append(q, &base, 8, &seal, &section), S3ERR_OK);
        assert_true(str_eq(section, base.sse));
    }
}

static void another_key_opens_the_same_data(void **state)
{
    (void)state;
    AUTO(world_fini) struct world w;
    world_init(&w);
    struct s3_object o = written(&w, SSE ": AES256");
    struct s3_req *q = ask(&w, NULL);
    struct str arn = STR("arn:aws:kms:us-east-1:000000000000:key/mine"), section;
    uint8_t *before, *after;
    struct s3_sse s;
    assert_int_equal(s3_encryption_open(q, &o, S3_OPEN_OBJECT, true, &before), S3ERR_OK);
    assert_int_equal(s3_encryption_change_key(q, &o, arn, true, &section), S3ERR_OK);
    o.sse = section;
    assert_int_equal(s3_sse_decode(section, &s), 0);
    assert_true(s.mode == S3_SSE_KMS && s.bucket_key && str_eq(s.id, arn) &&
                str_eq(s.key, STR("mine")));
    assert_int_equal(s3_encryption_open(q, &o, S3_OPEN_OBJECT, true, &after), S3ERR_OK);
    assert_memory_equal(before, after, S3_DEK_BYTES);
    assert_int_equal(
        s3_encryption_change_key(q, &o, STR("arn:aws:kms:r:1:key/none"), false, &section),
        S3ERR_KMS_NOT_FOUND_EXCEPTION);
    struct s3_object plain = {0};
    assert_int_equal(s3_encryption_change_key(q, &plain, arn, false, &section),
                     S3ERR_INVALID_REQUEST);
    o = written(&w, OWN);
    assert_int_equal(s3_encryption_change_key(ask(&w, OWN), &o, arn, false, &section),
                     S3ERR_INVALID_REQUEST);
}

/* --- a service across the network --- */

static struct far {
    struct s3_kms kms;
    int answer; /* when it may be waited for */
    unsigned asked;
} far;

static int far_wrap(struct s3_kms *k, struct str key, struct str aad,
                    const uint8_t dek[S3_DEK_BYTES], bool wait, struct buf *wrapped)
{
    struct far *f = (struct far *)k;
    (void)aad;
    (void)dek;
    if (!wait)
        return -EAGAIN;
    f->asked++;
    buf_adds(wrapped, key);
    while (wrapped->n < S3_SSE_WRAPPED_MAX)
        buf_u8(wrapped, 'w');
    return f->answer;
}

static int far_unwrap(struct s3_kms *k, struct str key, struct str aad, struct str wrapped,
                      bool wait, uint8_t dek[S3_DEK_BYTES])
{
    struct far *f = (struct far *)k;
    (void)aad;
    if (!wait)
        return -EAGAIN;
    f->asked++;
    assert_true(wrapped.n == S3_SSE_WRAPPED_MAX && str_starts(wrapped, key));
    memset(dek, 1, S3_DEK_BYTES);
    return f->answer;
}

static void a_service_may_take_its_time_and_fail(void **state)
{
    (void)state;
    static const struct {
        int r;
        enum s3err e;
    } rows[] = {
        {0, S3ERR_OK},
        {-EHOSTUNREACH, S3ERR_SERVICE_UNAVAILABLE},
        {-ENOKEY, S3ERR_KMS_NOT_FOUND_EXCEPTION},
        {-EKEYREVOKED, S3ERR_KMS_DISABLED_EXCEPTION},
        {-EKEYREJECTED, S3ERR_INTERNAL_ERROR},
    };
    AUTO(world_fini) struct world w;
    world_init(&w);
    far = (struct far){.kms = {.wrap = far_wrap, .unwrap = far_unwrap}};
    w.f.gw.kms = &far.kms;
    struct s3_object o = written(&w, SSE ": AES256"), other = {0};
    uint8_t *dek;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        far.answer = rows[i].r;
        assert_int_equal(s3_encryption_from(ask(&w, SSE ": AES256"), &other), rows[i].e);
        struct s3_req *q = ask(&w, NULL);
        q->may_block = false; /* on an HTTP thread: again on a worker */
        unsigned before = far.asked;
        assert_int_equal(s3_encryption_open(q, &o, S3_OPEN_OBJECT, true, &dek), S3ERR_WOULD_BLOCK);
        assert_int_equal(s3_encryption_open(q, &o, S3_OPEN_OBJECT, false, &dek),
                         S3ERR_OK); /* HEAD */
        assert_int_equal(far.asked, before);
        q->may_block = true;
        assert_int_equal(s3_encryption_open(q, &o, S3_OPEN_OBJECT, true, &dek), rows[i].e);
        assert_true(!dek == (rows[i].e != S3ERR_OK));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_are_sealed_as_they_say),
        cmocka_unit_test(customer_keys_travel_where_the_setting_lets_them),
        cmocka_unit_test(what_opens_what),
        cmocka_unit_test(a_buckets_default_is_for_those_who_say_nothing),
        cmocka_unit_test(a_reader_of_plain_files_gives_windows),
        cmocka_unit_test(files_that_nobody_sealed_do_not_open),
        cmocka_unit_test(a_reader_leaves_no_key_behind),
        cmocka_unit_test(an_append_is_sealed_as_the_object_is),
        cmocka_unit_test(another_key_opens_the_same_data),
        cmocka_unit_test(a_service_may_take_its_time_and_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
