/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "dfscore/net/addr.h"

static void addresses_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint16_t dflt;
        int r;
        const char *host;
        uint16_t port;
        const char *again;
    } rows[] = {
        {"10.0.0.1:22122", 0, 0, "10.0.0.1", 22122, "10.0.0.1:22122"},
        {"10.0.0.1", 80, 0, "10.0.0.1", 80, "10.0.0.1:80"},
        {"10.0.0.1", 0, -EINVAL, NULL, 0, NULL},
        {"[fe80::1]:9", 0, 0, "fe80::1", 9, "[fe80::1]:9"},
        {"[fe80::1]", 9, 0, "fe80::1", 9, "[fe80::1]:9"},
        {"fe80::1", 9, 0, "fe80::1", 9, "[fe80::1]:9"},
        {"10.0.0.1,1.2.3.4:5", 0, 0, "10.0.0.1", 5, "10.0.0.1,1.2.3.4:5"},
        {"1.2.3.4, 10.0.0.1:5", 0, -EINVAL, NULL, 0, NULL}, /* no blanks in an address */
        {"1.2.3.4,10.0.0.1", 5, 0, "10.0.0.1", 5, "10.0.0.1,1.2.3.4:5"}, /* the inner one first */
        {"[10.0.0.1,2001:DB8::1]:5", 0, 0, "10.0.0.1", 5, "[10.0.0.1,2001:db8::1]:5"},
        {"10.0.0.1,2001:db8::1", 5, 0, "10.0.0.1", 5, "[10.0.0.1,2001:db8::1]:5"},
        {"10.0.0.1,192.168.0.1:5", 0, 0, "10.0.0.1", 5, "10.0.0.1,192.168.0.1:5"},
        {"10.0.0.1,10.0.0.2:5", 0, -EINVAL, NULL, 0, NULL}, /* of one kind */
        {"10.0.0.1,host:5", 0, -EINVAL, NULL, 0, NULL},
        {"10.0.0.1,:5", 0, -EINVAL, NULL, 0, NULL},
        {",10.0.0.1:5", 0, -EINVAL, NULL, 0, NULL},
        {"10.0.0.1,1.2.3.4,192.168.0.1:5", 0, -EINVAL, NULL, 0, NULL},
        {"[::]:1", 0, 0, "::", 1, "[::]:1"},
        {"::1", 0, -EINVAL, NULL, 0, NULL},
        {"[::1]:", 1, -EINVAL, NULL, 0, NULL},
        {"[::1]:65536", 1, -EINVAL, NULL, 0, NULL},
        {"[]:1", 1, -EINVAL, NULL, 0, NULL},
        {"[2001:0DB8:0:0::00Ab]:1", 0, 0, "2001:db8::ab", 1, "[2001:db8::ab]:1"},
        {"[2001:db8:1:2:3:4:5:6]:65535", 0, 0, "2001:db8:1:2:3:4:5:6", 65535,
         "[2001:db8:1:2:3:4:5:6]:65535"},
        {"[::ffff:10.0.0.1]:5", 0, 0, "10.0.0.1", 5, "10.0.0.1:5"},
        {"[fe80::1%eth0]:5", 0, 0, "fe80::1%eth0", 5, "[fe80::1%eth0]:5"},
        {"[10.0.0.1]:5", 0, 0, "10.0.0.1", 5, "10.0.0.1:5"},
        {"::1:22122", 9, 0, "::1:22122", 9,
         "[::1:22122]:9"}, /* without brackets it is all address */
        {"host.example:1", 0, 0, "host.example", 1, "host.example:1"},
        {"/run/a.sock", 5, 0, "/run/a.sock", 0, "/run/a.sock"},
        {"", 1, -EINVAL, NULL, 0, NULL},
        {":1", 1, -EINVAL, NULL, 0, NULL},
        {"a:", 1, -EINVAL, NULL, 0, NULL},
        {"a:65536", 1, -EINVAL, NULL, 0, NULL},
        {"a b:1", 1, -EINVAL, NULL, 0, NULL},
        {"[::1]x", 1, -EINVAL, NULL, 0, NULL},
        {"[::1", 1, -EINVAL, NULL, 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dfs_addr a;
        char text[DFS_ADDR_TEXT];
        assert_int_equal(dfs_addr_parse(str_c(rows[i].text), rows[i].dflt, &a), rows[i].r);
        if (rows[i].r < 0)
            continue;
        assert_string_equal(a.host, rows[i].host);
        assert_int_equal(a.port, rows[i].port);
        dfs_addr_format(&a, text);
        assert_string_equal(text, rows[i].again);
    }
}

static void local_addresses_are_one_or_two(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int r;
        const char *host, *alt;
        bool loopback;
    } rows[] = {
        {"127.0.0.1", 0, "127.0.0.1", "", true},
        {"", 0, "", "", false},
        {"0.0.0.0", 0, "", "", false},
        {"::", 0, "", "", false},
        {"10.0.0.1, 2001:DB8::1", 0, "10.0.0.1", "2001:db8::1", false},
        {"127.0.0.1,::1", 0, "127.0.0.1", "::1", true},
        {"127.0.0.1,10.0.0.1", 0, "127.0.0.1", "10.0.0.1", false},
        {"10.0.0.1,", -EINVAL, NULL, NULL, false},
        {"10.0.0.1,name", -EINVAL, NULL, NULL, false},
        {"10.0.0.1,10.0.0.2,10.0.0.3", -EINVAL, NULL, NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dfs_addr a;
        assert_int_equal(dfs_bind_parse(rows[i].text, 7, &a), rows[i].r);
        assert_int_equal(dfs_bind_is_loopback(rows[i].text), rows[i].loopback);
        if (rows[i].r < 0)
            continue;
        assert_string_equal(a.host, rows[i].host);
        assert_string_equal(a.alt, rows[i].alt);
        assert_int_equal(a.port, 7);
    }
}

static void a_call_comes_from_the_address_of_its_network(void **state)
{
    (void)state;
    static const struct {
        const char *local, *remote, *from; /* NULL: none */
    } rows[] = {
        {"10.0.0.1,1.2.3.4", "10.9.9.9", "10.0.0.1"},
        {"10.0.0.1,1.2.3.4", "8.8.8.8", "1.2.3.4"},
        {"1.2.3.4,10.0.0.1", "10.9.9.9", "10.0.0.1"},
        {"10.0.0.1,1.2.3.4", "192.168.0.1", "10.0.0.1"}, /* of neither kind: the first */
        {"10.0.0.1,2001:db8::1", "2001:db8::2", "2001:db8::1"},
        {"10.0.0.1,2001:db8::1", "8.8.8.8", "10.0.0.1"},
        {"10.0.0.1,1.2.3.4", "::1", NULL},
        {"10.0.0.1", "10.0.0.2", "10.0.0.1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char from[DFS_IP_TEXT] = "";
        assert_int_equal(dfs_source_for(rows[i].local, rows[i].remote, from), rows[i].from != NULL);
        assert_string_equal(from, rows[i].from ? rows[i].from : "");
    }
}

static void kinds_of_addresses(void **state)
{
    (void)state;
    assert_int_equal(dfs_ip_kind("10.255.0.1"), DFS_IP_PRIVATE10);
    assert_int_equal(dfs_ip_kind("172.16.0.1"), DFS_IP_PRIVATE172);
    assert_int_equal(dfs_ip_kind("172.31.255.255"), DFS_IP_PRIVATE172);
    assert_int_equal(dfs_ip_kind("172.32.0.1"), DFS_IP_OUTER);
    assert_int_equal(dfs_ip_kind("192.168.7.7"), DFS_IP_PRIVATE192);
    assert_int_equal(dfs_ip_kind("127.0.0.1"), DFS_IP_OUTER);
    assert_int_equal(dfs_ip_kind("fd00::1"), DFS_IP_OUTER);
}

static bool allowed(const struct dfs_allow *a, const char *ip)
{
    struct sockaddr_storage sa = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&sa;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&sa;
    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        sa.ss_family = AF_INET;
    } else {
        sa.ss_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, ip, &v6->sin6_addr), 1);
    }
    return dfs_allow_match(a, (struct sockaddr *)&sa);
}

static void allow_hosts_takes_addresses_networks_and_patterns(void **state)
{
    (void)state;
    char *items[] = {(char[]){"10.0.0.1, 192.168.0.0/20"}, (char[]){"172.16.3.[1-15,20]"},
                     (char[]){"2001:db8::/33"}};
    struct dfs_allow *a = NULL;
    struct str bad;
    assert_int_equal(dfs_allow_new(items, 3, &a, &bad), 0);
    static const char *const yes[] = {"10.0.0.1",       "192.168.15.255", "172.16.3.1",
                                      "172.16.3.15",    "172.16.3.20",    "2001:db8:7fff::1",
                                      "::ffff:10.0.0.1"};
    static const char *const no[] = {"10.0.0.2",   "192.168.16.0",     "172.16.3.16",
                                     "172.16.3.0", "2001:db8:8000::1", "127.0.0.1",
                                     "::1"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        assert_true(allowed(a, yes[i]));
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        assert_false(allowed(a, no[i]));
    dfs_allow_free(&a);
}

static void the_setting_names_what_is_wrong(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf err = BUF(500);
    AUTO(dfs_allow_free) struct dfs_allow *a = NULL;
    char *items[] = {(char[]){"10.0.0.1, 10.0.0.300"}};
    assert_int_equal(dfs_allow_setting("allow_hosts", items, 1, &a, &err), -EINVAL);
    assert_true(
        str_eq(buf_str(&err), STR("allow_hosts = 10.0.0.300: must be addresses or networks")));
}

static void an_empty_list_is_loopback_and_a_star_is_everybody(void **state)
{
    (void)state;
    struct dfs_allow *a = NULL;
    struct str bad;
    assert_int_equal(dfs_allow_new(NULL, 0, &a, &bad), 0);
    assert_true(allowed(a, "127.8.8.8") && allowed(a, "::1"));
    assert_false(allowed(a, "10.0.0.1"));
    dfs_allow_free(&a);
    char *star[] = {(char[]){"10.0.0.1,*"}};
    assert_int_equal(dfs_allow_new(star, 1, &a, &bad), 0);
    assert_true(allowed(a, "8.8.8.8"));
    const struct sockaddr un = {.sa_family = AF_UNIX};
    assert_true(dfs_allow_match(a, &un));
    dfs_allow_free(&a);
}

static void a_bad_item_is_named(void **state)
{
    (void)state;
    static const char *const items[] = {"10.0.0.1/33",   "10.0.0.[5-1]", "10.0.0.[1",
                                        "10.0.0.[1][2]", "x/8",          ""};
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        char *one[] = {(char *)(uintptr_t)items[i]};
        struct dfs_allow *a = NULL;
        struct str bad = STR_NULL;
        assert_int_equal(dfs_allow_new(one, 1, &a, &bad), -EINVAL);
        assert_null(a);
        assert_non_null(bad.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written),
        cmocka_unit_test(kinds_of_addresses),
        cmocka_unit_test(local_addresses_are_one_or_two),
        cmocka_unit_test(a_call_comes_from_the_address_of_its_network),
        cmocka_unit_test(allow_hosts_takes_addresses_networks_and_patterns),
        cmocka_unit_test(the_setting_names_what_is_wrong),
        cmocka_unit_test(an_empty_list_is_loopback_and_a_star_is_everybody),
        cmocka_unit_test(a_bad_item_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
