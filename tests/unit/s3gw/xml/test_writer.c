/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "s3gw/xml/error.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

static void escape_is(struct str in, const char *out)
{
    AUTO(buf_free) struct buf b = BUF(4096);
    s3_xml_escape(&b, in);
    assert_int_equal(buf_err(&b), 0);
    assert_true(str_eq(buf_str(&b), str_c(out)));
}

static void what_xml_cannot_hold_becomes_a_reference(void **state)
{
    (void)state;
    escape_is(STR(""), "");
    escape_is(STR("plain"), "plain");
    escape_is(STR("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    escape_is(STR("a\rb\nc\td"), "a&#xD;b&#xA;c&#x9;d");
    escape_is(STR("\x01\x1f\x7f"), "&#x1;&#x1F;&#x7F;");
    escape_is(STR("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"),
              "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
}

static void bytes_that_are_no_text_become_the_replacement_character(void **state)
{
    (void)state;
    escape_is(STR("\xFF"), "\xEF\xBF\xBD");
    escape_is(STR("\xC3\xA9\xC3"), "\xC3\xA9\xEF\xBF\xBD");
    escape_is(STR("a\xE2\x82<"), "a\xEF\xBF\xBD\xEF\xBF\xBD&lt;");
}

static void keys_are_percent_encoded_when_asked(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf b = BUF(4096);
    s3_xml_key(&b, "Key", STR("a/b c+d&\x01\xC3\xA9~"), true);
    s3_xml_key(&b, "Key", STR("a&b"), false);
    assert_true(str_eq(buf_str(&b), STR("<Key>a/b%20c%2Bd%26%01%C3%A9~</Key><Key>a&amp;b</Key>")));
}

static void an_error_names_resource_and_request(void **state)
{
    (void)state;
    struct s3_req q;
    s3_req_init(&q);
    q.path = STR("/b/<k>");
    (void)s3_err(&q, S3ERR_NO_SUCH_KEY, "Key", STR("<k>"));
    AUTO(buf_free) struct buf b = BUF(4096);
    s3_xml_error(&q, S3ERR_NO_SUCH_KEY, &b);
    struct s3_node *root;
    assert_int_equal(s3_xml_parse(buf_str(&b), "Error", &q.arena, &root), 0);
    assert_true(str_eq(s3_node_text(root, "Code"), STR("NoSuchKey")));
    assert_true(str_eq(s3_node_text(root, "Key"), STR("<k>")));
    assert_true(str_eq(s3_node_text(root, "Resource"), STR("/b/<k>")));
    assert_true(str_eq(s3_node_text(root, "RequestId"), str_c(q.request_id)));
    s3_req_fini(&q);
}

static void every_error_has_a_readable_document(void **state)
{
    (void)state;
    struct s3_req q;
    s3_req_init(&q);
    for (enum s3err e = S3ERR_OK + 1; e < S3ERR_COUNT_; e++) {
        AUTO(buf_free) struct buf b = BUF(4096);
        struct s3_node *root;
        s3_xml_error(&q, e, &b);
        assert_int_equal(s3_xml_parse(buf_str(&b), "Error", &q.arena, &root), 0);
        assert_true(str_eq(s3_node_text(root, "Code"), str_c(s3err_info(e)->code)));
        assert_true(s3_node_text(root, "Message").n > 0);
    }
    s3_req_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_xml_cannot_hold_becomes_a_reference),
        cmocka_unit_test(bytes_that_are_no_text_become_the_replacement_character),
        cmocka_unit_test(keys_are_percent_encoded_when_asked),
        cmocka_unit_test(an_error_names_resource_and_request),
        cmocka_unit_test(every_error_has_a_readable_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
