/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/checkpoint.h"

#include "tests/lib/test.h"

static struct sto_seg segs[] = {{.number = 3, .end = 4096, .dead = 64}, {.number = 9, .end = 8192}};

static void encode(struct buf *b)
{
    struct sto_checkpoint c = {
        .log_id = "0123456789abcde", .replay = 77, .next_seq = 5, .segs = segs, .count = 2};
    sto_checkpoint_encode(&c, b);
    assert_int_equal(buf_err(b), 0);
}

static void what_is_encoded_is_decoded(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf b = BUF(1024);
    encode(&b);
    struct sto_checkpoint c;
    assert_int_equal(sto_checkpoint_decode(buf_str(&b), &c), 0);
    assert_memory_equal(c.log_id, "0123456789abcde", 16);
    assert_int_equal(c.replay, 77);
    assert_int_equal(c.next_seq, 5);
    assert_int_equal(c.count, 2);
    assert_int_equal(c.segs[0].dead, 64);
    assert_int_equal(c.segs[1].number, 9);
    assert_int_equal(c.segs[1].end, 8192);
    free(c.segs);
}

static void any_damage_and_any_length_is_noticed(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf b = BUF(1024);
    encode(&b);
    struct sto_checkpoint c;
    for (size_t n = 0; n < b.n; n++) {
        assert_int_equal(sto_checkpoint_decode(str_of(b.p, n), &c), -EBADMSG);
        b.p[n] ^= 1;
        assert_int_equal(sto_checkpoint_decode(buf_str(&b), &c), -EBADMSG);
        b.p[n] ^= 1;
    }
}

static void packs_out_of_order_are_refused(void **state)
{
    (void)state;
    struct sto_seg twice[] = {{.number = 3}, {.number = 3}};
    struct sto_checkpoint c = {.segs = twice, .count = 2};
    AUTO(buf_free) struct buf b = BUF(1024);
    sto_checkpoint_encode(&c, &b);
    assert_int_equal(sto_checkpoint_decode(buf_str(&b), &c), -EBADMSG);
}

static void an_identity_survives_and_damage_is_noticed(void **state)
{
    (void)state;
    struct sto_logid want = {.log_id = "0123456789abcde", .high = 0xab, .low = 0xcd}, got;
    AUTO(buf_free) struct buf b = BUF(64);
    sto_logid_encode(&want, &b);
    assert_int_equal(b.n, STO_LOGID_LEN);
    assert_int_equal(sto_logid_decode(buf_str(&b), &got), 0);
    assert_int_equal(got.high, 0xab);
    assert_int_equal(got.low, 0xcd);
    for (size_t i = 0; i < b.n; i++) {
        b.p[i] ^= 0x40;
        assert_int_equal(sto_logid_decode(buf_str(&b), &got), -EBADMSG);
        b.p[i] ^= 0x40;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(any_damage_and_any_length_is_noticed),
        cmocka_unit_test(packs_out_of_order_are_refused),
        cmocka_unit_test(an_identity_survives_and_damage_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
