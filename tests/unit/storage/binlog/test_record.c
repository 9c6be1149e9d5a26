/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/binlog/record.h"

#include "dfscore/wire/internal.h"
#include "tests/lib/test.h"

enum { SALT = 0x1234, AT = 4096 };

static struct sto_rec sample(uint8_t kind)
{
    struct sto_rec r = {
        .kind = kind,
        .flags = STO_REC_NATIVE,
        .op = 'C',
        .name_len = 60,
        .extra_len = 3,
        .time_s = 1700000000,
        .data_len = kind == STO_REC_OBJECT ? 100 : 0,
        .desc_len = 77,
        .body_crc = 0xdeadbeef,
        .data_crc = 0xcafef00d,
        .seq = UINT64_C(0x0102030405060708),
        .batch_seq = 9,
        .position = STO_POS(3, AT),
    };
    r.total = (uint32_t)sto_rec_size(&r);
    return r;
}

static void what_is_encoded_is_decoded(void **state)
{
    (void)state;
    for (uint8_t kind = STO_REC_OBJECT; kind < STO_REC_SKIP; kind++) {
        struct sto_rec want = sample(kind), got;
        uint8_t head[STO_REC_HEAD];
        sto_rec_encode(&want, SALT, head);
        memset(&got, 0, sizeof(got));
        assert_int_equal(sto_rec_decode(head, SALT, want.position, want.total, &got), 0);
        assert_int_equal(got.kind, want.kind);
        assert_int_equal(got.op, want.op);
        assert_int_equal(got.flags, want.flags);
        assert_int_equal(got.seq, want.seq);
        assert_int_equal(got.batch_seq, want.batch_seq);
        assert_int_equal(got.total, want.total);
        assert_int_equal(got.time_s, want.time_s);
        assert_int_equal(got.data_len, want.data_len);
        assert_int_equal(got.desc_len, want.desc_len);
        assert_int_equal(got.name_len, want.name_len);
        assert_int_equal(got.extra_len, want.extra_len);
        assert_int_equal(got.body_crc, want.body_crc);
        assert_int_equal(got.data_crc, want.data_crc);
        assert_false(got.dead);
    }
}

/* The format is on people's disks: these bytes may never change. */
static void the_first_format_stays_readable(void **state)
{
    (void)state;
    struct sto_rec r = sample(STO_REC_OBJECT);
    uint8_t head[STO_REC_HEAD];
    sto_rec_encode(&r, SALT, head);
    static const uint8_t want[60] = {
        's', 'R', 'E', 'C', 1, 'L',  1,    1,    1,    2,    3,    4,    5,    6,    7,
        8,   0,   0,   0,   3, 0,    0,    0x10, 0,    0,    0,    0,    0,    0,    0,
        0,   9,   0,   0,   1, 0x80, 0x65, 0x53, 0xf1, 0,    0,    0,    0,    100,  0,
        0,   0,   77,  60,  3, 'C',  0,    0xde, 0xad, 0xbe, 0xef, 0xca, 0xfe, 0xf0, 0x0d,
    };
    assert_memory_equal(head, want, sizeof(want));
    uint32_t crc =
        sto_rec_crc(0, "123456789", 9); /* raw CRC-32C register: no initial or final xor */
    assert_int_equal(sto_rec_crc(sto_rec_crc(0, "1234", 4), "56789", 5), crc);
    assert_int_equal(sto_rec_crc(0xffffffff, "123456789", 9) ^ 0xffffffff, 0xe3069283);
}

static void one_wrong_bit_anywhere_is_noticed_save_in_the_state(void **state)
{
    (void)state;
    struct sto_rec r = sample(STO_REC_OBJECT), got;
    for (unsigned bit = 0; bit < STO_REC_HEAD * 8; bit++) {
        uint8_t head[STO_REC_HEAD];
        sto_rec_encode(&r, SALT, head);
        head[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int result = sto_rec_decode(head, SALT, r.position, r.total, &got);
        if (bit / 8 == STO_REC_STATE_AT)
            assert_int_equal(result, 0);
        else
            assert_int_equal(result, bit / 8 < 4 ? -ENODATA : -EBADMSG);
    }
}

static void another_pack_place_or_room_is_refused(void **state)
{
    (void)state;
    struct sto_rec r = sample(STO_REC_FILE), got;
    uint8_t head[STO_REC_HEAD];
    sto_rec_encode(&r, SALT, head);
    assert_int_equal(sto_rec_decode(head, SALT + 1, r.position, r.total, &got), -EBADMSG);
    assert_int_equal(sto_rec_decode(head, SALT, r.position + 64, r.total, &got), -EBADMSG);
    assert_int_equal(sto_rec_decode(head, SALT, r.position, r.total - 1, &got), -EBADMSG);
    head[STO_REC_STATE_AT] = 'D';
    assert_int_equal(sto_rec_decode(head, SALT, r.position, r.total, &got), 0);
    assert_true(got.dead);
}

static void lengths_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    struct sto_rec bad[5];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        bad[i] = sample(STO_REC_OBJECT);
    bad[0].total += 64;
    bad[1].data_len = UINT32_MAX; /* the sum would wrap in 32 bits */
    bad[2].desc_len = DFS_DESC_MAX + 1;
    bad[3].name_len = STO_REC_NAME_MAX + 1;
    bad[4].kind = STO_REC_NOTE; /* notes have no content */
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint8_t head[STO_REC_HEAD];
        struct sto_rec got;
        sto_rec_encode(&bad[i], SALT, head);
        assert_int_equal(sto_rec_decode(head, SALT, bad[i].position, UINT64_MAX, &got), -EBADMSG);
    }
}

static void a_time_in_extra_is_read_or_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1700000000123", 1700000000123},
        {"1", 1},
        {"4294967295000", 4294967295000},
        {"4294967295001", 4294967295001}, /* later than a clock can be: overtaken */
        {"5394478922776", 5394478922776},
        {"5394478922777", 0},
        {"", 0},
        {"17 ", 0},
        {"-17", 0},
        {"M00/00/00/name", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[STO_REC_MS];
        assert_int_equal(sto_rec_ms(str_c(rows[i].text)), rows[i].ms);
        sto_rec_put_ms(rows[i].ms, text);
        if (rows[i].ms > 0)
            assert_string_equal(text, rows[i].text);
    }
}

static void an_edits_versions_are_read_or_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct sto_rec_versions v;
    } rows[] = {
        {"1700000000123456 1700000000123457", {1700000000123456, 1700000000123457}},
        {"0 1", {0, 1}},
        {"0 5394478922776000", {0, 5394478922776000}},
        {"0 5394478922776001", {0, 0}},
        {"", {0, 0}}, /* of an earlier build */
        {"1", {0, 0}},
        {"1 ", {0, 0}},
        {"1 2 3", {0, 0}},
        {"-1 2", {0, 0}},
        {"2 2", {0, 0}}, /* it would be no later */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[STO_REC_VERSIONS];
        struct sto_rec_versions v = sto_rec_get_versions(str_c(rows[i].text));
        assert_int_equal(v.before, rows[i].v.before);
        assert_int_equal(v.after, rows[i].v.after);
        sto_rec_put_versions(&v, text);
        if (v.after > 0)
            assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(the_first_format_stays_readable),
        cmocka_unit_test(one_wrong_bit_anywhere_is_noticed_save_in_the_state),
        cmocka_unit_test(another_pack_place_or_room_is_refused),
        cmocka_unit_test(lengths_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_time_in_extra_is_read_or_is_none),
        cmocka_unit_test(an_edits_versions_are_read_or_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
