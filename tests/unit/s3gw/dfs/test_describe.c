/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/describe.h"

#include "tests/lib/test.h"

/* Bytes as builds have left them in stores: none of these may ever be read otherwise. */
#define NUMBER    "\0\0\0\0\0\0\0\x09"
#define COMMITTED "\0\0\0\0\0\0\0\x08"
#define INDEX     "\0\0\0\0\0\0\0\x07"
#define BID       "\0\0\0\0\0\0\0\x06"
#define NAMES                                                                                      \
    "\x03"                                                                                         \
    "bkt"                                                                                          \
    "\x03"                                                                                         \
    "ann"                                                                                          \
    "\x01"                                                                                         \
    "k"                                                                                            \
    "rest"

static void descriptions_of_all_versions_are_read(void **state)
{
    (void)state;
    static const struct {
        struct str bytes;
        unsigned version;
        uint64_t committed, index, bid;
    } rows[] = {
        {STR("\x01\x01" NUMBER NAMES), 1, 0, 0, 0},
        {STR("\x02\x01" NUMBER COMMITTED BID NAMES), 2, 8, 0, 6},
        {STR("\x03\x01" NUMBER COMMITTED INDEX BID NAMES), 3, 8, 7, 6},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_desc d;
        assert_int_equal(s3_desc_decode(rows[i].bytes, &d), 0);
        assert_int_equal(d.version, rows[i].version);
        assert_int_equal(d.kind, S3_DESC_PUT);
        assert_true(d.number == 9 && d.committed == rows[i].committed && d.index == rows[i].index &&
                    d.bid == rows[i].bid);
        assert_true(str_eq(d.bucket, STR("bkt")) && str_eq(d.owner_id, STR("ann")) &&
                    str_eq(d.key, STR("k")));
        assert_true(str_eq(d.rest, STR("rest")));
    }
}

static void a_version_that_names_no_index_is_not_anothers(void **state)
{
    (void)state;
    struct s3_desc d;
    assert_int_equal(s3_desc_decode(STR("\x02\x01" NUMBER COMMITTED BID NAMES), &d), 0);
    assert_false(s3_desc_is_foreign(&d, 7));
    assert_int_equal(s3_desc_decode(STR("\x03\x01" NUMBER COMMITTED INDEX BID NAMES), &d), 0);
    assert_false(s3_desc_is_foreign(&d, 7));
    assert_true(s3_desc_is_foreign(&d, 8));
}

static void a_move_is_a_put_that_names_the_file_it_replaces(void **state)
{
    (void)state;
    static const struct str head = STR_INIT("\x03\x10" NUMBER COMMITTED INDEX BID "\x03"
                                            "bkt"
                                            "\x03"
                                            "ann"
                                            "\x01"
                                            "k");
    AUTO(buf_free) struct buf b = BUF(1000);
    struct s3_desc d;
    struct s3_desc_put p;
    buf_adds(&b, head);
    assert_int_equal(s3_desc_decode(buf_str(&b), &d), 0);
    assert_int_equal(d.kind, S3_DESC_MOVE);
    assert_int_equal(s3_desc_put_decode(&d, &p), -EBADMSG); /* nothing behind */
    buf_adds(&b, STR("\x0a"
                     "group1/old"
                     "\0\0\0\0\0\0\0\x05"
                     "record"));
    assert_int_equal(s3_desc_decode(buf_str(&b), &d), 0);
    assert_int_equal(s3_desc_put_decode(&d, &p), 0);
    assert_true(str_eq(p.moved, STR("group1/old")) && p.instead == 5 &&
                str_eq(p.record, STR("record")));
    d.kind = S3_DESC_PUT; /* which names none */
    assert_int_equal(s3_desc_put_decode(&d, &p), 0);
    assert_null(p.moved.p);
}

static void what_is_written_is_the_latest_version(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf out = BUF(1000);
    s3_desc_encode(&(struct s3_desc){.kind = S3_DESC_PUT,
                                     .number = 9,
                                     .committed = 8,
                                     .index = 7,
                                     .bid = 6,
                                     .bucket = STR("bkt"),
                                     .owner_id = STR("ann"),
                                     .key = STR("k"),
                                     .rest = STR("rest")},
                   &out);
    assert_true(str_eq(buf_str(&out), STR("\x03\x01" NUMBER COMMITTED INDEX BID NAMES)));
}

static void other_versions_and_kinds_are_refused(void **state)
{
    (void)state;
    struct s3_desc d;
    assert_int_equal(s3_desc_decode(STR("\x04\x01" NUMBER COMMITTED INDEX BID NAMES), &d),
                     -EBADMSG);
    assert_int_equal(s3_desc_decode(STR("\x03\x02" NUMBER COMMITTED INDEX BID NAMES), &d),
                     -EBADMSG);
    assert_int_equal(s3_desc_decode(STR("\x03\x01" NUMBER COMMITTED INDEX), &d), -EBADMSG);
    assert_int_equal(s3_desc_decode(STR(""), &d), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptions_of_all_versions_are_read),
        cmocka_unit_test(a_version_that_names_no_index_is_not_anothers),
        cmocka_unit_test(a_move_is_a_put_that_names_the_file_it_replaces),
        cmocka_unit_test(what_is_written_is_the_latest_version),
        cmocka_unit_test(other_versions_and_kinds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
