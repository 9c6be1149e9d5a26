/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/sse/frames.h"
#include "tests/lib/test.h"

static const uint8_t dek[S3_DEK_BYTES] = "0123456789abcdef0123456789abcde";

static void sizes_go_both_ways(void **state)
{
    (void)state;
    static const uint64_t rows[][2] = {{0, 0},
                                       {1, 24 + 17},
                                       {65535, 24 + 65551},
                                       {65536, 24 + 65552},
                                       {65537, 24 + 65552 + 17},
                                       {131072, 24 + 2 * 65552},
                                       {5368709120, 24 + 5368709120 + 81920 * 16}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t plain = 1;
        assert_int_equal(s3_sealed_size(rows[i][0]), rows[i][1]);
        assert_int_equal(s3_plain_size(rows[i][1], &plain), 0);
        assert_int_equal(plain, rows[i][0]);
    }
    static const uint64_t none[] = {1, 23, 24, 25, 40, 24 + 65553, 24 + 65552 + 16, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        uint64_t plain;
        assert_int_equal(s3_plain_size(none[i], &plain), -EBADMSG);
    }
}

struct sealed {
    uint8_t *bytes;
    size_t n;
};

static int keep(void *arg, struct str s)
{
    struct sealed *f = arg;
    memcpy(f->bytes + f->n, s.p, s.n);
    f->n += s.n;
    return 0;
}

/* @n bytes of a pattern, pushed in pieces of @step. */
static struct sealed seal(size_t n, size_t step, uint32_t part)
{
    struct sealed f = {dfs_alloc((size_t)s3_sealed_size(n) + 1), 0};
    struct s3_sealer *s;
    uint8_t *plain = dfs_alloc(n);
    assert_non_null(f.bytes);
    assert_non_null(plain);
    for (size_t i = 0; i < n; i++)
        plain[i] = (uint8_t)(i * 31 + (i >> 9));
    assert_int_equal(s3_sealer_new(dek, part, &s), 0);
    assert_int_equal(s3_sealer_finish(s, keep, &f), -ENODATA);
    for (size_t at = 0; at < n; at += step)
        assert_int_equal(s3_sealer_push(s, str_of(plain + at, MIN(step, n - at)), keep, &f), 0);
    assert_int_equal(s3_sealer_finish(s, keep, &f), 0);
    s3_sealer_free(&s);
    assert_int_equal(f.n, s3_sealed_size(n));
    free(plain);
    return f;
}

/* 0 when all of it opens and is the pattern. */
static int open_all(struct sealed f, uint32_t part, const uint8_t *key)
{
    uint8_t stream[S3_GCM_KEY];
    struct s3_opener o = {.key = stream};
    uint8_t plain[S3_FRAME_SEALED];
    int r = s3_opener_init(&o, key, part, f.bytes, f.n);
    for (uint64_t k = 0; r == 0 && k < o.frames; k++) {
        size_t n = s3_frame_sealed(&o, k);
        r = s3_opener_frames(&o, k, 1, f.bytes + s3_frame_at(k), plain);
        for (size_t i = 0; r == 0 && i < n - S3_FRAME_TAG; i++) {
            size_t at = (size_t)k * S3_FRAME_PLAIN + i;
            assert_int_equal(plain[i], (uint8_t)(at * 31 + (at >> 9)));
        }
    }
    return r;
}

static void what_is_sealed_opens_however_it_came(void **state)
{
    (void)state;
    static const size_t rows[][2] = {{1, 1},           {100, 7},         {65536, 65536},
                                     {65537, 65537},   {65537, 1000},    {3 * 65536, 65535},
                                     {200000, 200000}, {200000, 1},      {262144, 262144},
                                     {262145, 65536},  {600000, 600000}, {600000, 50000}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sealed f = seal(rows[i][0], rows[i][1], (uint32_t)i);
        assert_int_equal(open_all(f, (uint32_t)i, dek), 0);
        free(f.bytes);
    }
}

static int refuse(void *arg, struct str s)
{
    (void)arg;
    (void)s;
    return -EHOSTUNREACH;
}

/* A storage was lost: at the first frame, a later one, the last. */
static void begun_again_the_same_comes_out(void **state)
{
    (void)state;
    enum { N = 600000, STEP = 70000 };
    static uint8_t plain[N], first[N + 1000], second[N + 1000];
    struct sealed a = {first, 0}, b = {second, 0};
    struct s3_sealer *s;
    for (size_t i = 0; i < N; i++)
        plain[i] = (uint8_t)(i * 31 + (i >> 9));
    assert_int_equal(s3_sealer_new(dek, 3, &s), 0);
    assert_int_equal(s3_sealer_push(s, str_of(plain, N - 1), refuse, NULL), -EHOSTUNREACH);
    s3_sealer_again(s);
    assert_int_equal(s3_sealer_push(s, str_of(plain, N - 10), keep, &a), 0);
    assert_int_equal(s3_sealer_push(s, str_of(plain + N - 10, 10), keep, &a), 0);
    assert_int_equal(s3_sealer_finish(s, refuse, NULL), -EHOSTUNREACH);
    s3_sealer_again(s);
    for (size_t at = 0; at < N; at += STEP)
        assert_int_equal(s3_sealer_push(s, str_of(plain + at, MIN(STEP, N - at)), keep, &b), 0);
    assert_int_equal(s3_sealer_finish(s, keep, &b), 0);
    s3_sealer_free(&s);
    assert_int_equal(b.n, s3_sealed_size(N));
    assert_memory_equal(first, second, a.n);
    assert_int_equal(open_all(b, 3, dek), 0);
}

static void the_same_content_never_looks_the_same(void **state)
{
    (void)state;
    struct sealed a = seal(64, 64, 0), b = seal(64, 64, 0);
    assert_memory_not_equal(a.bytes + 8, b.bytes + 8, a.n - 8);
    assert_memory_not_equal(a.bytes + S3_STREAM_HEADER, b.bytes + S3_STREAM_HEADER, 64);
    free(a.bytes);
    free(b.bytes);
}

/* Every kind of damage to a file of three frames. */
static void what_was_changed_does_not_open(void **state)
{
    (void)state;
    uint8_t other[S3_DEK_BYTES];
    memcpy(other, dek, sizeof(other));
    other[31] ^= 1;
    struct sealed f = seal(2 * S3_FRAME_PLAIN + 5, 4096, 7);
    assert_int_equal(open_all(f, 7, dek), 0);
    assert_int_equal(open_all(f, 7, other), -EBADMSG);
    assert_int_equal(open_all(f, 8, dek), -EBADMSG);
    const size_t places[] = {0, 8, 23, 24, 65559, 65560, 65575, 65576, f.n - 17, f.n - 1};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        f.bytes[places[i]] ^= 0x40;
        assert_int_equal(open_all(f, 7, dek), -EBADMSG);
        f.bytes[places[i]] ^= 0x40;
    }
    /* cut after a whole frame; after two; the rest of the last one */
    assert_int_equal(open_all((struct sealed){f.bytes, 24 + 65552}, 7, dek), -EBADMSG);
    assert_int_equal(open_all((struct sealed){f.bytes, 24 + 2 * 65552}, 7, dek), -EBADMSG);
    assert_int_equal(open_all((struct sealed){f.bytes, f.n - 1}, 7, dek), -EBADMSG);
    /* two frames change places */
    uint8_t *swap = dfs_memdup(f.bytes + 24, S3_FRAME_SEALED);
    memmove(f.bytes + 24, f.bytes + 24 + S3_FRAME_SEALED, S3_FRAME_SEALED);
    memcpy(f.bytes + 24 + S3_FRAME_SEALED, swap, S3_FRAME_SEALED);
    assert_int_equal(open_all(f, 7, dek), -EBADMSG);
    free(swap);
    free(f.bytes);
}

static void a_frame_opens_in_place_and_a_bad_one_gives_nothing(void **state)
{
    (void)state;
    uint8_t stream[S3_GCM_KEY];
    struct s3_opener o = {.key = stream};
    struct sealed f = seal(100, 100, 0);
    assert_int_equal(s3_opener_init(&o, dek, 0, f.bytes, f.n), 0);
    uint8_t bad[116];
    memcpy(bad, f.bytes + 24, sizeof(bad));
    bad[50] ^= 1;
    assert_int_equal(s3_opener_frames(&o, 0, 1, bad, bad), -EBADMSG);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(bad[i], 0);
    assert_int_equal(s3_opener_frames(&o, 0, 1, f.bytes + 24, f.bytes + 24), 0);
    assert_int_equal(f.bytes[24 + 99], (uint8_t)(99 * 31));
    free(f.bytes);
}

static void frames_open_together_up_to_a_bad_one(void **state)
{
    (void)state;
    enum { N = 5 * S3_FRAME_PLAIN + 9 };
    uint8_t stream[S3_GCM_KEY];
    struct s3_opener o = {.key = stream};
    struct sealed f = seal(N, N, 2);
    uint8_t *plain = dfs_alloc(N);
    assert_non_null(plain);
    assert_int_equal(s3_opener_init(&o, dek, 2, f.bytes, f.n), 0);
    assert_int_equal(o.frames, 6);
    assert_int_equal(s3_opener_frames(&o, 0, 6, f.bytes + s3_frame_at(0), plain), 0);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(plain[i], (uint8_t)(i * 31 + (i >> 9)));
    memset(plain, 0x55, N);
    f.bytes[s3_frame_at(3) + 1000] ^= 1; /* the second of three */
    assert_int_equal(s3_opener_frames(&o, 2, 3, f.bytes + s3_frame_at(2), plain), -EBADMSG);
    for (size_t i = 0; i < S3_FRAME_PLAIN; i++) {
        assert_int_equal(plain[S3_FRAME_PLAIN + i], 0);
        assert_int_equal(plain[2 * S3_FRAME_PLAIN + i], 0x55);
    }
    free(plain);
    free(f.bytes);
}

/* What one writes at a time decides how the page cache holds it. */
static int largest(void *arg, struct str s)
{
    size_t *most = arg;
    *most = MAX(*most, s.n);
    return 0;
}

static void frames_are_written_four_at_a_time(void **state)
{
    (void)state;
    static const uint8_t plain[1000];
    size_t most = 0;
    AUTO(s3_sealer_free) struct s3_sealer *s = NULL;
    assert_int_equal(s3_sealer_new(dek, 0, &s), 0);
    for (size_t at = 0; at < 9 * S3_FRAME_PLAIN; at += sizeof(plain))
        assert_int_equal(s3_sealer_push(s, str_of(plain, sizeof(plain)), largest, &most), 0);
    assert_int_equal(most, S3_STREAM_HEADER + 4 * S3_FRAME_SEALED);
}

/* Worked out with Python's cryptography: the format does not drift. */
static void the_format_is_what_the_header_says(void **state)
{
    (void)state;
    static const char hex[] = /* 40 bytes of the pattern as part 3, stream number 00 01 .. 0f */
        "7333677773736531000102030405060708090a0b0c0d0e0fa380f922cb54b25e"
        "3c4d131f98c9e6fc241694aa23fbb85fe098bcb9d043b6f2e24519c8982fe3c8"
        "746e58ac4396780e67b06d244c2884a0";
    uint8_t file[80];
    struct sealed f = {file, sizeof(file)};
    assert_int_equal(str_unhex(str_c(hex), file, sizeof(file)), 0);
    assert_int_equal(open_all(f, 3, dek), 0);
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    struct s3_sealer *s = NULL;
    test_alloc_fail_nth(1);
    assert_int_equal(s3_sealer_new(dek, 0, &s), -ENOMEM);
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_go_both_ways),
        cmocka_unit_test(what_is_sealed_opens_however_it_came),
        cmocka_unit_test(begun_again_the_same_comes_out),
        cmocka_unit_test(the_same_content_never_looks_the_same),
        cmocka_unit_test(what_was_changed_does_not_open),
        cmocka_unit_test(a_frame_opens_in_place_and_a_bad_one_gives_nothing),
        cmocka_unit_test(frames_open_together_up_to_a_bad_one),
        cmocka_unit_test(frames_are_written_four_at_a_time),
        cmocka_unit_test(the_format_is_what_the_header_says),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
