/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "s3gw/notify/webhook.h"

static void a_url_has_a_scheme_of_ours_and_a_host(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool ok;
    } rows[] = {
        {"http://h", true},
        {"https://h.example.org:8443/a/b?c=d&e=f", true},
        {"http://127.0.0.1:9/", true},
        {"http://[::1]:9/one", true},
        {"http://h?a=b", true},
        {"https://user:secret@h/", true},
        {"http://", false},
        {"https://", false},
        {"http:///", false},
        {"http:///path", false},
        {"http://:80/", false},
        {"http://?a=b", false},
        {"http://#f", false},
        {"http://user@/", false},
        {"http://h:99999/", false},
        {"http://h:port/", false},
        {"http://[::1/", false},
        {"http://a b/", false},
        {"http://h/a b", false},
        {"http:/h/", false},
        {"ftp://h/", false},
        {"h", false},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (s3_webhook_url_ok(str_c(rows[i].url)) != rows[i].ok)
            fail_msg("%s: %s", rows[i].url, rows[i].ok ? "refused" : "taken");
}

static void without_memory_no_url_is_good(void **state)
{
    (void)state;
    TEST_EVERY_ALLOC_FAILS({ (void)s3_webhook_url_ok(STR("http://h/")); });
    assert_true(s3_webhook_url_ok(STR("http://h/")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_has_a_scheme_of_ours_and_a_host),
        cmocka_unit_test(without_memory_no_url_is_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
