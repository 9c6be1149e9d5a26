/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <stdio.h>

#include "tracker/cluster/ids.h"

static int look_up(const char *host, char ip[DFS_IP_MAX])
{
    if (strcmp(host, "st-1.example.org") != 0)
        return -ENOENT;
    snprintf(ip, DFS_IP_MAX, "10.0.0.9");
    return 0;
}

static int parse(const char *text, struct trk_ids *ids, struct buf *err)
{
    buf_reset(err);
    return trk_ids_parse(str_c(text), "ids", look_up, ids, err);
}

static void lines_are_read_as_the_specification_says(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf err = BUF(1024);
    AUTO(trk_ids_fini) struct trk_ids ids = {NULL, 0};
    assert_int_equal(parse("# numbers\n\n100002\tgroup1  10.0.0.2\r\n"
                           "100001 group1 1.2.3.4,10.0.0.1:23001 rw=read\n"
                           "7 group2 [2001:DB8:0::0007]:23002 rw=none\n",
                           &ids, &err),
                     0);
    assert_int_equal(ids.n, 3);
    const struct trk_id *e = trk_ids_find(&ids, "100001");
    assert_non_null(e);
    assert_string_equal(e->ip[0], "10.0.0.1"); /* the inner one first */
    assert_string_equal(e->ip[1], "1.2.3.4");
    assert_int_equal(e->port, 23001);
    assert_int_equal(e->rw_mode, DFS_RW_READ);
    assert_int_equal(trk_ids_find(&ids, "100002")->port, 23000);
    assert_string_equal(trk_ids_find_ip(&ids, "group1", "1.2.3.4", 23001)->id, "100001");
    assert_null(trk_ids_find_ip(&ids, "group2", "1.2.3.4", 23001));
    assert_null(trk_ids_find_ip(&ids, "group1", "1.2.3.4", 1));
    assert_string_equal(trk_ids_find_ip(&ids, NULL, "2001:db8::7", 0)->group, "group2");
    assert_true(trk_ids_any_ipv6(&ids));
    AUTO(buf_free) struct buf line = BUF(256);
    trk_id_line(e, &line);
    trk_id_line(trk_ids_find(&ids, "7"), &line);
    assert_true(str_eq(buf_str(&line), STR("100001 group1 10.0.0.1,1.2.3.4:23001 rw=read\n"
                                           "7 group2 [2001:db8::7]:23002 rw=none\n")));
}

static void a_host_name_is_looked_up_once(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf err = BUF(1024);
    AUTO(trk_ids_fini) struct trk_ids ids = {NULL, 0};
    assert_int_equal(
        parse("1 g 1.2.3.4,st-1.example.org:23001\n2 g st-1.example.org\n", &ids, &err), 0);
    assert_string_equal(trk_ids_find(&ids, "1")->ip[0], "10.0.0.9");
    assert_string_equal(trk_ids_find_ip(&ids, "g", "10.0.0.9", 23000)->id, "2");
    assert_int_equal(trk_ids_parse(STR("1 g st-1.example.org\n"), "ids", NULL, &ids, &err),
                     -EINVAL);
}

static void mistakes_are_named_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int r;
    } rows[] = {
        {"0 g 10.0.0.1\n", -EINVAL},
        {"01 g 10.0.0.1\n", -EINVAL},
        {"16777216 g 10.0.0.1\n", -EINVAL},
        {"1 g-1 10.0.0.1\n", -EINVAL},
        {"1 g\n", -EINVAL},
        {"1 g 10.0.0.1:0\n", -EINVAL},
        {"1 g 10.0.0.1:70000\n", -EINVAL},
        {"1 g 10.0.0\n", -EINVAL},
        {"1 g st-2.example.org\n", -EINVAL},
        {"1 g st-1.example.org\n2 g 10.0.0.9\n", -EEXIST},
        {"1 g 10.0.0.1,10.0.0.2\n", -EINVAL},
        {"1 g 10.0.0.1 rw=maybe\n", -EINVAL},
        {"1 g 10.0.0.1 rw=read more\n", -EINVAL},
        {"1 g [2001:db8::1\n", -EINVAL},
        {"1 g 10.0.0.1\n1 g 10.0.0.2\n", -EEXIST},
        {"1 g 10.0.0.1\n2 h 10.0.0.1\n", -EEXIST},
    };
    AUTO(buf_free) struct buf err = BUF(1024);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct trk_ids ids = {NULL, 0};
        assert_int_equal(parse(rows[i].text, &ids, &err), rows[i].r);
        assert_true(str_starts(buf_str(&err), STR("ids:")));
    }
}

static void two_servers_may_share_an_address_with_two_ports(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf err = BUF(1024);
    AUTO(trk_ids_fini) struct trk_ids ids = {NULL, 0};
    assert_int_equal(parse("1 g 10.0.0.1:23000\n2 g 10.0.0.1:23001", &ids, &err), 0);
    assert_string_equal(trk_ids_find_ip(&ids, "g", "10.0.0.1", 23001)->id, "2");
}

static void parse_once(void)
{
    AUTO(buf_free) struct buf err = BUF(1024);
    AUTO(trk_ids_fini) struct trk_ids ids = {NULL, 0};
    int r = parse("1 g 10.0.0.1\n2 g 10.0.0.2\n3 g 10.0.0.3\n", &ids, &err);
    assert_true(r == 0 || r == -ENOMEM);
}

static void no_memory_is_an_error_not_an_end(void **state)
{
    (void)state;
    TEST_EVERY_ALLOC_FAILS(parse_once());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_as_the_specification_says),
        cmocka_unit_test(a_host_name_is_looked_up_once),
        cmocka_unit_test(mistakes_are_named_with_their_line),
        cmocka_unit_test(two_servers_may_share_an_address_with_two_ports),
        cmocka_unit_test(no_memory_is_an_error_not_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
