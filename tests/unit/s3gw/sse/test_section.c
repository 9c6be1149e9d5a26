/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/sse/section.h"

#include "s3gw/sse/defaults.h"
#include "s3gw/sse/kms.h"
#include "tests/lib/test.h"

static const struct s3_sse sections[] = {
    {.mode = S3_SSE_C, .wrapped = STR_INIT("w")},
    {.mode = S3_SSE_S3, .wrapped = STR_INIT("wrapped"), .key = STR_INIT("sse-s3")},
    {.mode = S3_SSE_KMS,
     .wrapped = STR_INIT("w"),
     .key = STR_INIT("k"),
     .id = STR_INIT("alias/k"),
     .context = STR_INIT(""),
     .bucket_key = true},
    {.mode = S3_SSE_KMS,
     .wrapped = STR_INIT("w"),
     .key = STR_INIT("k"),
     .id = STR_INIT("k"),
     .context = STR_INIT("{\"a\":\"b\"}")},
};

/* Beside them, because what binds a wrapped key is the same. */
static const struct s3_sse grown[] = {
    {.mode = S3_SSE_C, .wrapped = STR_INIT("w"), .first_whole = true},
    {.mode = S3_SSE_KMS,
     .wrapped = STR_INIT("w"),
     .key = STR_INIT("k"),
     .id = STR_INIT("k"),
     .first_whole = true},
};

static void sections_come_back_and_nothing_shorter_or_longer_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sections) + ARRAY_LEN(grown); i++) {
        const struct s3_sse *want =
            i < ARRAY_LEN(sections) ? &sections[i] : &grown[i - ARRAY_LEN(sections)];
        struct s3_sse got = {0};
        enum s3_sse_mode mode;
        AUTO(buf_free) struct buf b = BUF(4096);
        s3_sse_encode(want, &b);
        assert_int_equal(s3_sse_decode(buf_str(&b), &got), 0);
        assert_int_equal(got.mode, want->mode);
        assert_true(str_eq(got.wrapped, want->wrapped) && str_eq(got.key, want->key));
        assert_true(str_eq(got.id, want->id) && str_eq(got.context, want->context));
        assert_int_equal(got.bucket_key, want->bucket_key);
        assert_int_equal(got.first_whole, want->first_whole);
        assert_int_equal(s3_sse_mode_of(buf_str(&b), &mode), 0);
        assert_int_equal(mode, want->mode);
        for (size_t n = 0; n < b.n; n++)
            assert_int_equal(s3_sse_decode(str_head(buf_str(&b), n), &got), -EBADMSG);
        buf_addc(&b, 'x');
        assert_int_equal(s3_sse_decode(buf_str(&b), &got), -EBADMSG);
    }
    enum s3_sse_mode mode = S3_SSE_KMS;
    assert_int_equal(s3_sse_mode_of(STR_NULL, &mode), 0);
    assert_int_equal(mode, S3_SSE_NONE);
}

static void a_wrapped_key_is_bound_to_what_it_is_for(void **state)
{
    (void)state;
    const uint8_t key[32] = "k1", other[32] = "k2", dek[S3_DEK_BYTES] = "secret";
    uint8_t w1[S3_WRAPPED_BYTES], w2[S3_WRAPPED_BYTES], got[S3_DEK_BYTES] = "";
    struct str wrapped = str_of(w1, sizeof(w1));
    assert_int_equal(s3_key_wrap(key, STR("aad"), dek, w1), 0);
    assert_int_equal(s3_key_wrap(key, STR("aad"), dek, w2), 0);
    assert_memory_not_equal(w1, w2, sizeof(w1));
    assert_int_equal(s3_key_unwrap(key, STR("aad"), wrapped, got), 0);
    assert_memory_equal(got, dek, sizeof(dek));
    assert_int_equal(s3_key_unwrap(other, STR("aad"), wrapped, got), -EKEYREJECTED);
    assert_int_equal(s3_key_unwrap(key, STR("aae"), wrapped, got), -EKEYREJECTED);
    assert_int_equal(s3_key_unwrap(key, STR("aad"), str_head(wrapped, 63), got), -EBADMSG);
    for (size_t i = 0; i < sizeof(w1); i++) {
        w1[i] ^= 1;
        assert_int_equal(s3_key_unwrap(key, STR("aad"), wrapped, got), -EKEYREJECTED);
        w1[i] ^= 1;
    }
}

static void modes_names_and_contexts_differ_in_what_binds(void **state)
{
    (void)state;
    struct buf aad[ARRAY_LEN(sections)];
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        aad[i] = BUF(4096);
        s3_sse_aad(&sections[i], &aad[i]);
        for (size_t k = 0; k < i; k++)
            assert_false(str_eq(buf_str(&aad[i]), buf_str(&aad[k])));
    }
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        buf_free(&aad[i]);
}

static void names_of_key_ids(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"mine", "mine"},
        {"alias/aws/s3", "aws/s3"},
        {"arn:aws:kms:us-east-1:111122223333:key/1234abcd", "1234abcd"},
        {"arn:aws:kms:us-east-1:111122223333:alias/aws/s3", "aws/s3"},
        {"arn:aws:kms:us-east-1:111122223333:grant/x",
         "arn:aws:kms:us-east-1:111122223333:grant/x"},
        {"alias/", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_true(str_eq(s3_kms_name_of(str_c(rows[i][0])), str_c(rows[i][1])));
}

static void defaults_come_back(void **state)
{
    (void)state;
    static const struct s3_sse_defaults rows[] = {
        {.mode = S3_SSE_NONE, .lists_blocked = true, .blocks_sse_c = true},
        {.mode = S3_SSE_S3, .bucket_key = true},
        {.mode = S3_SSE_KMS, .id = STR_INIT("k"), .bucket_key = true, .lists_blocked = true}};
    struct s3_sse_defaults got;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf_free) struct buf b = BUF(4096);
        s3_sse_defaults_encode(&rows[i], &b);
        assert_int_equal(s3_sse_defaults_decode(buf_str(&b), &got), 0);
        assert_int_equal(got.mode, rows[i].mode);
        assert_true(str_eq(got.id, rows[i].id) && got.bucket_key == rows[i].bucket_key);
        assert_true(got.lists_blocked == rows[i].lists_blocked);
        assert_true(got.blocks_sse_c == rows[i].blocks_sse_c);
        for (size_t n = 0; n < b.n; n++)
            assert_int_equal(s3_sse_defaults_decode(str_head(buf_str(&b), n), &got), -EBADMSG);
        b.p[1] = S3_SSE_C;
        assert_int_equal(s3_sse_defaults_decode(buf_str(&b), &got), -EBADMSG);
    }
    assert_int_equal(s3_sse_defaults_decode(s3_sse_defaults_aes256(), &got), 0);
    assert_int_equal(got.mode, S3_SSE_S3);
    assert_int_equal(s3_sse_defaults_decode(STR_NULL, &got), 0);
    assert_int_equal(got.mode, S3_SSE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_come_back_and_nothing_shorter_or_longer_does),
        cmocka_unit_test(a_wrapped_key_is_bound_to_what_it_is_for),
        cmocka_unit_test(modes_names_and_contexts_differ_in_what_binds),
        cmocka_unit_test(names_of_key_ids),
        cmocka_unit_test(defaults_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
