/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3gw/core/checksum.h"
#include "s3gw/core/crc64nvme.h"
#include "s3gw/core/digest.h"

static struct s3_checksum sum(enum s3_checksum_alg alg, const void *p, size_t n)
{
    struct s3_hash h;
    struct s3_checksum c;
    assert_int_equal(s3_hash_init(&h, alg), 0);
    s3_hash_update(&h, p, n / 3); /* in two pieces: state must carry over */
    s3_hash_update(&h, (const uint8_t *)p + n / 3, n - n / 3);
    s3_hash_final(&h, &c);
    s3_hash_fini(&h);
    s3_hash_fini(&h);
    return c;
}

static const struct {
    enum s3_checksum_alg alg;
    const char *of_digits; /* hex of the digest of "123456789"; published check values */
    const char *of_nothing;
} known[] = {
    {S3_CK_CRC32, "cbf43926", "00000000"},
    {S3_CK_CRC32C, "e3069283", "00000000"},
    {S3_CK_CRC64NVME, "ae8b14860a799888", "0000000000000000"},
    {S3_CK_SHA1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
     "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    {S3_CK_SHA256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {S3_CK_MD5, "25f9e794323b453885f5181f1b624d0b", "d41d8cd98f00b204e9800998ecf8427e"},
    {S3_CK_XXHASH64, "8cb841db40e6ae83", "ef46db3751d8e999"},
    {S3_CK_XXHASH3, NULL, "2d06800538d394c2"},
    {S3_CK_XXHASH128, NULL, "99aa06d3014798d86001c324468d497f"},
    {S3_CK_SHA512,
     "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a"
     "d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
     NULL},
};

static void digests_are_the_published_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        const char *want[] = {known[i].of_digits, known[i].of_nothing};
        for (int j = 0; j < 2; j++) {
            if (!want[j])
                continue;
            struct s3_checksum c = sum(known[i].alg, "123456789", j ? 0 : 9);
            char hex[2 * S3_CK_MAX + 1] = {0};
            str_hex(c.value, c.n, hex);
            assert_int_equal(c.n, s3_checksum_info(known[i].alg)->n);
            assert_string_equal(hex, want[j]);
        }
    }
}

static void no_algorithm_is_a_digest_too(void **state)
{
    (void)state;
    struct s3_checksum c = sum(S3_CK_NONE, "x", 1);
    assert_int_equal(c.alg, S3_CK_NONE);
    assert_int_equal(c.n, 0);
}

/* Bit by bit, straight from the definition. */
static uint64_t slow_crc64(const uint8_t *p, size_t n)
{
    uint64_t c = UINT64_MAX;
    while (n--) {
        c ^= *p++;
        for (int i = 0; i < 8; i++)
            c = (c >> 1) ^ (c & 1 ? S3_CRC64NVME_POLY : 0);
    }
    return ~c;
}

static void folding_tables_and_definition_agree_at_every_length(void **state)
{
    (void)state;
    static uint8_t data[1100];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 131 + (i >> 3));
    for (size_t n = 0; n + 1 < sizeof(data); n += n < 300 ? 1 : 37) {
        uint64_t want = slow_crc64(data + 1, n); /* unaligned */
        assert_true(s3_crc64nvme(0, data + 1, n) == want);
        assert_true(s3_crc64nvme_portable(0, data + 1, n) == want);
        uint64_t first = s3_crc64nvme(0, data + 1, n / 2);
        assert_true(s3_crc64nvme(first, data + 1 + n / 2, n - n / 2) == want);
    }
}

static const enum s3_checksum_alg crcs[] = {S3_CK_CRC32, S3_CK_CRC32C, S3_CK_CRC64NVME};

static uint64_t number(const struct s3_checksum *c)
{
    uint64_t v = 0;
    for (size_t i = 0; i < c->n; i++)
        v = v << 8 | c->value[i];
    return v;
}

static void crcs_of_parts_combine_to_the_crc_of_the_whole(void **state)
{
    (void)state;
    static uint8_t data[5000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * i >> 3);
    static const size_t cuts[] = {0, 1, 8, 63, 4096, 4999, 5000};
    for (size_t a = 0; a < ARRAY_LEN(crcs); a++) {
        struct s3_checksum whole = sum(crcs[a], data, sizeof(data));
        for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
            struct s3_checksum_join j;
            struct s3_checksum got;
            struct s3_checksum head = sum(crcs[a], data, cuts[i]);
            struct s3_checksum tail = sum(crcs[a], data + cuts[i], sizeof(data) - cuts[i]);
            assert_int_equal(s3_checksum_join_init(&j, crcs[a], S3_CK_FULL_OBJECT), 0);
            assert_int_equal(s3_checksum_join_add(&j, &head, cuts[i]), 0);
            assert_int_equal(s3_checksum_join_add(&j, &tail, sizeof(data) - cuts[i]), 0);
            s3_checksum_join_final(&j, &got);
            s3_checksum_join_fini(&j);
            assert_true(s3_checksum_eq(&got, &whole));
            assert_int_equal(got.type, S3_CK_FULL_OBJECT);
        }
    }
}

static void combining_lengths_beyond_32_bits_is_associative(void **state)
{
    (void)state;
    for (size_t a = 0; a < ARRAY_LEN(crcs); a++) {
        struct s3_checksum x = sum(crcs[a], "x", 1), y = sum(crcs[a], "yy", 2),
                           z = sum(crcs[a], "zzz", 3);
        uint64_t ny = 5368709120u, nz = 7;
        uint64_t left = s3_crc_combine(crcs[a], s3_crc_combine(crcs[a], number(&x), number(&y), ny),
                                       number(&z), nz);
        uint64_t right = s3_crc_combine(
            crcs[a], number(&x), s3_crc_combine(crcs[a], number(&y), number(&z), nz), ny + nz);
        assert_true(left == right);
    }
}

static void a_composite_is_the_digest_of_the_digests(void **state)
{
    (void)state;
    struct s3_checksum_join j;
    struct s3_checksum a = sum(S3_CK_SHA256, "a", 1), b = sum(S3_CK_SHA256, "b", 1), got;
    uint8_t both[64];
    memcpy(both, a.value, 32);
    memcpy(both + 32, b.value, 32);
    assert_int_equal(s3_checksum_join_init(&j, S3_CK_SHA256, S3_CK_COMPOSITE), 0);
    assert_int_equal(s3_checksum_join_add(&j, &a, 1), 0);
    assert_int_equal(s3_checksum_join_add(&j, &b, 1), 0);
    s3_checksum_join_final(&j, &got);
    s3_checksum_join_fini(&j);
    struct s3_checksum want = sum(S3_CK_SHA256, both, 64);
    assert_true(s3_checksum_eq(&got, &want));
    char text[S3_CK_TEXT_MAX];
    size_t n = s3_checksum_text(&got, 2, text);
    assert_int_equal(n, 46);
    assert_string_equal(text + 44, "-2");
}

static void types_that_an_algorithm_lacks_are_refused(void **state)
{
    (void)state;
    struct s3_checksum_join j;
    assert_int_equal(s3_checksum_join_init(&j, S3_CK_SHA256, S3_CK_FULL_OBJECT), -EINVAL);
    assert_int_equal(s3_checksum_join_init(&j, S3_CK_CRC64NVME, S3_CK_COMPOSITE), -EINVAL);
    assert_int_equal(s3_checksum_join_init(&j, S3_CK_CRC32, S3_CK_FULL_OBJECT), 0);
    struct s3_checksum c = sum(S3_CK_CRC32C, "a", 1);
    assert_int_equal(s3_checksum_join_add(&j, &c, 1), -EINVAL);
    assert_int_equal(s3_checksum_default_type(S3_CK_CRC32), S3_CK_COMPOSITE);
    assert_int_equal(s3_checksum_default_type(S3_CK_CRC64NVME), S3_CK_FULL_OBJECT);
}

static void names_are_found_in_any_case(void **state)
{
    (void)state;
    enum s3_checksum_alg a = S3_CK_NONE;
    assert_int_equal(s3_checksum_by_name(STR("crc64nvme"), &a), 0);
    assert_int_equal(a, S3_CK_CRC64NVME);
    assert_int_equal(s3_checksum_by_name(STR("CRC33"), &a), -EINVAL);
    assert_int_equal(s3_checksum_by_name(STR(""), &a), -EINVAL);
    assert_int_equal(s3_checksum_by_header(STR("X-Amz-Checksum-SHA256"), &a), 0);
    assert_int_equal(a, S3_CK_SHA256);
    assert_int_equal(s3_checksum_by_header(STR("x-amz-checksum-mode"), &a), -EINVAL);
    assert_int_equal(s3_checksum_by_header(STR("x-amz-checksum-"), &a), -EINVAL);
    enum s3_checksum_type t;
    assert_int_equal(s3_checksum_type_by_name(STR("composite"), &t), 0);
    assert_int_equal(t, S3_CK_COMPOSITE);
    assert_int_equal(s3_checksum_type_by_name(STR("PART"), &t), -EINVAL);
}

static void values_are_base64_of_the_right_length(void **state)
{
    (void)state;
    struct s3_checksum c;
    uint32_t parts = 9;
    assert_int_equal(s3_checksum_parse(S3_CK_CRC32, STR("y/Q5Jg=="), &c), 0);
    assert_true(number(&c) == 0xCBF43926);
    static const struct str bad[] = {
        STR_INIT(""),         STR_INIT("y/Q5Jg"),    STR_INIT("y/Q5Jg==="), STR_INIT("y/Q5JgAA"),
        STR_INIT("y/Q5*g=="), STR_INIT(" y/Q5Jg=="), STR_INIT("y/Q5Jg==-2")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(s3_checksum_parse(S3_CK_CRC32, bad[i], &c), -EINVAL);
    assert_int_equal(s3_checksum_parse_parts(S3_CK_CRC32, STR("y/Q5Jg==-12"), &c, &parts), 0);
    assert_int_equal(parts, 12);
    assert_int_equal(c.type, S3_CK_COMPOSITE);
    assert_int_equal(s3_checksum_parse_parts(S3_CK_CRC32, STR("y/Q5Jg=="), &c, &parts), 0);
    assert_int_equal(parts, 0);
    assert_int_equal(c.type, S3_CK_FULL_OBJECT);
    assert_int_equal(s3_checksum_parse_parts(S3_CK_CRC32, STR("y/Q5Jg==-0"), &c, &parts), -EINVAL);
    assert_int_equal(s3_checksum_parse_parts(S3_CK_CRC32, STR("y/Q5Jg==-"), &c, &parts), -EINVAL);
    assert_int_equal(
        s3_checksum_parse_parts(S3_CK_CRC32, STR("y/Q5Jg==-99999999999999999999"), &c, &parts),
        -EINVAL);
}

static void one_shot_sha256_matches(void **state)
{
    (void)state;
    uint8_t out[32];
    char hex[65] = {0};
    s3_sha256("", 0, out);
    str_hex(out, 32, hex);
    assert_string_equal(hex, s3_sha256_empty_hex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_the_published_ones),
        cmocka_unit_test(no_algorithm_is_a_digest_too),
        cmocka_unit_test(folding_tables_and_definition_agree_at_every_length),
        cmocka_unit_test(crcs_of_parts_combine_to_the_crc_of_the_whole),
        cmocka_unit_test(combining_lengths_beyond_32_bits_is_associative),
        cmocka_unit_test(a_composite_is_the_digest_of_the_digests),
        cmocka_unit_test(types_that_an_algorithm_lacks_are_refused),
        cmocka_unit_test(names_are_found_in_any_case),
        cmocka_unit_test(values_are_base64_of_the_right_length),
        cmocka_unit_test(one_shot_sha256_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
