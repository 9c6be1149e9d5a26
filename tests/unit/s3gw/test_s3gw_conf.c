/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <stdio.h>
#include <unistd.h>

#include "s3gw/s3gw_conf.h"

static void the_sample_file_is_what_the_rows_say(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf printed = BUF(1 << 20);
    dfs_conf_print(s3gw_conf_rows, s3gw_conf_n, &printed);
    FILE *f = fopen("conf/s3gw.conf", "r"); /* tests run at the top of the tree */
    assert_non_null(f);
    AUTO(dfs_free_ptr) char *text = dfs_zalloc(1 << 20);
    size_t n = fread(text, 1, 1 << 20, f);
    fclose(f);
    if (!str_eq(str_of(text, n), buf_str(&printed)))
        fail_msg("conf/s3gw.conf differs: renew it with  build/s3gw print-config >conf/s3gw.conf");
}

static void defaults_are_sound(void **state)
{
    (void)state;
    struct s3gw_conf c;
    AUTO(buf_free) struct buf err = BUF(1024);
    assert_int_equal(s3gw_conf_default(&c, &err), 0);
    assert_int_equal(s3gw_conf_check(&c, &err), 0);
    assert_string_equal(c.host, "127.0.0.1");
    assert_int_equal(c.port, 9000);
    assert_int_equal(c.durability, S3GW_SYNC);
    s3gw_conf_fini(&c);
}

static void settings_that_do_not_fit_together_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"listen = nowhere:", "listen = nowhere:"},
        {"listen = /a/path", "listen = /a/path"},
        {"listen = 127.0.0.1:99999", "listen = "},
        {"tls_cert = /etc/passwd", "tls_cert and tls_key"},
        {"tls_cert = /nonexistent\ntls_key = /nonexistent", "tls_cert = /nonexistent"},
        {"tls_cert = /etc/passwd\ntls_key = /etc/passwd", "tls_cert = /etc/passwd: no certificate"},
        {"region = us east", "region = us east"},
        {"default_group = group1,group2", "default_group = group1,group2"},
        {"domain = s3.example.org\ndomain = bad_name", "domain = bad_name"},
        {"domain = .", "domain = .: '.' stands between"},
        {"domain = example.org.", "domain = example.org.: '.' stands between"},
        {"website_domain = web..org", "website_domain = web..org: '.' stands between"},
        {"storage = group1", "storage = group1"},
        {"storage = group1=relative", "storage = group1=relative"},
        {"storage = group1=/a\nstorage = group1 = /b", "has one already"},
        {"storage = group1=/a\nmin_copies = group1", "min_copies = group1: must be"},
        {"storage = group1=/a\nmin_copies = group1=1", "min_copies = group1=1"},
        {"storage = group1=/a\nmin_copies = group1=33", "min_copies = group1=33"},
        {"storage = group1=/a\nmin_copies = a/b=2", "min_copies = a/b=2"},
        {"storage = group1=/a\nmin_copies = group1=2\nmin_copies = group1 = 3", "each group once"},
        {"tracker_server = 10.0.0.1:22122", "cluster_secret_file"},
        {"cluster_tls_cert = /x\ncluster_tls_key = /x\ncluster_tls_ca = /x",
         "cluster_tls_cert = /x: without tracker_server"},
        {"listen = 10.0.0.1,1.2.3.4:9000", "listen = 10.0.0.1,1.2.3.4:9000"},
        {"tracker_server = 10.0.0.1,10.0.0.2:22122", "tracker_server = 10.0.0.1,10.0.0.2:22122"},
        {"gateway_lease = 10s", "gateway_lease needs tracker_server"},
        {"gateway_lease = 100ms\ntracker_server = 10.0.0.1\ncluster_secret_file = /x",
         "gateway_lease: 0, or at least 500 ms"},
        {"tracker_server = /a/socket\ncluster_secret_file = /x", "tracker_server = /a/socket"},
        {"notification_target = http://h/", "notification_target = http://h/: must be"},
        {"notification_target = =http://h/", "notification_target = =http://h/: must be"},
        {"notification_target = X=ftp://h/", "notification_target = X=ftp://h/: must be"},
        {"notification_target = X=http://", "notification_target = X=http://: must be"},
        {"notification_target = A=http://h/\nnotification_target = B = https:///path",
         "notification_target = B = https:///path: must be"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3gw_conf c = {0};
        AUTO(buf_free) struct buf err = BUF(4096);
        assert_int_equal(
            dfs_conf_parse(str_c(rows[i].text), "t", s3gw_conf_rows, s3gw_conf_n, NULL, &c, &err),
            0);
        assert_true(s3gw_conf_check(&c, &err) < 0);
        if (str_find(buf_str(&err), str_c(rows[i].says)) == SIZE_MAX)
            fail_msg("'%s' gave: " STR_F, rows[i].text, STR_A(buf_str(&err)));
        s3gw_conf_fini(&c);
    }
}

static void addresses_of_all_kinds_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *listen, *host;
        unsigned port;
    } rows[] = {
        {"0.0.0.0:80", "0.0.0.0", 80},
        {"[::1]:9001", "::1", 9001},
        {"127.0.0.1:0", "127.0.0.1", 0},
        {"localhost:8080", "localhost", 8080},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3gw_conf c;
        AUTO(buf_free) struct buf err = BUF(1024);
        assert_int_equal(s3gw_conf_default(&c, &err), 0);
        assert_int_equal(s3gw_conf_set(&c.listen, str_c(rows[i].listen)), 0);
        if (s3gw_conf_check(&c, &err) < 0)
            fail_msg(STR_F, STR_A(buf_str(&err)));
        assert_string_equal(c.host, rows[i].host);
        assert_int_equal(c.port, rows[i].port);
        s3gw_conf_fini(&c);
    }
}

static void lists_grow_and_strings_are_replaced_without_memory_too(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf err = BUF(1024);
    struct s3gw_conf c;
    assert_int_equal(s3gw_conf_default(&c, &err), 0);
    TEST_EVERY_ALLOC_FAILS({
        int r = s3gw_conf_set(&c.region, STR("eu-1"));
        int r2 = s3gw_conf_add(&c.domains, STR("d"));
        assert_true((r == 0 || r == -ENOMEM) && (r2 == 0 || r2 == -ENOMEM));
    });
    assert_string_equal(c.region, "eu-1");
    s3gw_conf_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_file_is_what_the_rows_say),
        cmocka_unit_test(defaults_are_sound),
        cmocka_unit_test(settings_that_do_not_fit_together_are_named),
        cmocka_unit_test(addresses_of_all_kinds_are_taken_apart),
        cmocka_unit_test(lists_grow_and_strings_are_replaced_without_memory_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
