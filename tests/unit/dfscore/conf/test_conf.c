/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <stdio.h>

#include "dfscore/conf/conf.h"

struct sample {
    char *base;
    int64_t port;
    bool flag;
    uint64_t size, timeout_ms;
    struct dfs_conf_space reserve;
    int64_t at;
    int mode;
    struct dfs_conf_list hosts, paths, readonly;
    char *log;
};

static const struct dfs_conf_row rows[] = {
    CONF_STR(struct sample, base, "base_path", NULL, 1, 20, CONF_RESTART, "Where data live."),
    CONF_INT(struct sample, port, "port", "22122", 0, 65535, NULL, CONF_RESTART, "Port."),
    CONF_BOOL(struct sample, flag, "flag", "false", CONF_RELOAD, "A switch."),
    CONF_SIZE(struct sample, size, "size", "256KB", 1024, 1 << 30, "B", CONF_RESTART, "A size."),
    CONF_DURATION(struct sample, timeout_ms, "timeout", "30", 1000, 86400000, "s", CONF_RELOAD,
                  "A time.\nTwo lines."),
    CONF_SPACE(struct sample, reserve, "reserved", "20%", "MB", CONF_RELOAD, "Room."),
    CONF_DAYTIME(struct sample, at, "at", "02:00", CONF_RELOAD, "When."),
    CONF_ENUM(struct sample, mode, "mode", "auto", "auto|IPv4|IPv6", CONF_RESTART, "Which."),
    CONF_LIST(struct sample, hosts, "host", 0, 3, CONF_RESTART, "Hosts."),
    CONF_LIST(struct sample, paths, "path#", 0, 256, CONF_RESTART, "Paths."),
    CONF_LIST(struct sample, readonly, "path#_ro", 0, 256, CONF_RESTART, "Read-only."),
    CONF_STR(struct sample, log, "log.file", "", 0, 99, CONF_RELOAD, "Log file."),
};

static char last_error[8192];

static int parse(const char *text, struct sample *s)
{
    AUTO(buf_free) struct buf err = BUF(8000);
    memset(s, 0, sizeof(*s));
    int r = dfs_conf_parse(str_c(text), "f.conf", rows, ARRAY_LEN(rows), NULL, s, &err);
    snprintf(last_error, sizeof(last_error), STR_F, STR_A(buf_str(&err)));
    return r;
}

static void defaults_fill_what_the_file_leaves_out(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(parse("base_path = /x\n", &s), 0);
    assert_string_equal(s.base, "/x");
    assert_int_equal(s.port, 22122);
    assert_int_equal(s.size, 256 * 1024);
    assert_int_equal(s.timeout_ms, 30000);
    assert_int_equal(s.reserve.percent_x100, 2000);
    assert_int_equal(s.at, 7200);
    assert_int_equal(s.mode, 0);
    assert_int_equal(s.hosts.n, 0);
    assert_string_equal(s.log, "");
    dfs_conf_fini(rows, ARRAY_LEN(rows), &s);
    dfs_conf_fini(rows, ARRAY_LEN(rows), &s);
}

static void every_type_is_read(void **state)
{
    (void)state;
    struct sample s;
    assert_int_equal(
        parse("# comment\n  base_path =  /a b = c  \r\nport=7\nflag = YES\n"
              "size = 4 mb\ntimeout = 1500ms\nreserved = 4GB\nat = 23:59:58\nmode = ipv6\n"
              "host = a\nhost = b\npath0 = /p0\npath2 = /p2\npath1_ro = true\n"
              "[log]\nfile = x\n[]\n",
              &s),
        0);
    assert_string_equal(s.base, "/a b = c");
    assert_int_equal(s.port, 7);
    assert_true(s.flag);
    assert_int_equal(s.size, 4 << 20);
    assert_int_equal(s.timeout_ms, 1500);
    assert_true(s.reserve.bytes == UINT64_C(4) << 30 && s.reserve.percent_x100 == 0);
    assert_int_equal(s.at, 86398);
    assert_int_equal(s.mode, 2);
    assert_int_equal(s.hosts.n, 2);
    assert_string_equal(s.hosts.v[1], "b");
    assert_int_equal(s.paths.n, 3);
    assert_null(s.paths.v[1]);
    assert_string_equal(s.paths.v[2], "/p2");
    assert_int_equal(s.readonly.n, 2);
    assert_string_equal(s.log, "x");
    dfs_conf_fini(rows, ARRAY_LEN(rows), &s);
}

static void a_mistake_is_one_line_with_place_and_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *line, *error;
    } mistakes[] = {
        {"port = 99999", "f.conf:2: port = 99999: must be a number from 0 to 65535"},
        {"port = 1x", "f.conf:2: port = 1x: must be a number from 0 to 65535"},
        {"port =", "f.conf:2: port = : must be a number from 0 to 65535"},
        {"flag = maybe", "f.conf:2: flag = maybe: must be true or false"},
        {"size = 1", "f.conf:2: size = 1: must be a size from 1KB to 1GB"},
        {"size = 4X", "f.conf:2: size = 4X: must be a size from 1KB to 1GB"},
        {"size = 99999999999999999999",
         "f.conf:2: size = 99999999999999999999: must be a size from 1KB to 1GB"},
        {"timeout = 2d", "f.conf:2: timeout = 2d: must be a time from 1s to 1d"},
        {"reserved = 100%", "f.conf:2: reserved = 100%: must be a size such as 4GB, or more than "
                            "0% and less than 100%"},
        {"reserved = 0%",
         "f.conf:2: reserved = 0%: must be a size such as 4GB, or more than 0% and less than 100%"},
        {"at = 24:00", "f.conf:2: at = 24:00: must be a time of day from 00:00 to 23:59"},
        {"mode = x", "f.conf:2: mode = x: must be one of auto|IPv4|IPv6"},
        {"base_path = 123456789012345678901",
         "f.conf:2: base_path = 123456789012345678901: must be text of 1 to 20 bytes"},
        {"host = a\nhost = b\nhost = c\nhost = d", "f.conf:5: host = d: must be 0 to 3 values"},
        {"colour = red", "f.conf:2: colour: no such setting"},
        {"path256 = x", "f.conf:2: path256: no such setting"},
        {"path01 = x", "f.conf:2: path01: no such setting"},
        {"base_path = /y", "f.conf:2: base_path: is set already, above"},
        {"no sign", "f.conf:2: no sign: must be key = value"},
        {"a\x1b[2J", "f.conf:2: not a line of text: must be key = value"},
        {"colour = \x7f", "f.conf:2: not a line of text: must be key = value"},
        {"#include x.conf", "f.conf:2: #include x.conf: directives are not supported"},
    };
    for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
        char text[300];
        struct sample s;
        snprintf(text, sizeof(text), "base_path = /x\n%s\n", mistakes[i].line);
        assert_int_equal(parse(text, &s), -EINVAL);
        assert_string_equal(last_error, mistakes[i].error);
        assert_null(s.base);
    }
    struct sample s;
    assert_int_equal(parse("port = 1\n", &s), -EINVAL);
    assert_string_equal(last_error, "f.conf: base_path is missing: must be text of 1 to 20 bytes");
}

static unsigned unknown_line;

static void note_unknown(const char *file, unsigned line, struct str key, bool meaningless)
{
    assert_string_equal(file, "f.conf");
    if (meaningless) {
        assert_true(str_eq(key, STR("http.port")) || str_eq(key, STR("shape")));
        return;
    }
    assert_true(str_eq(key, STR("colour")));
    unknown_line = line;
}

static void unknown_keys_can_be_tolerated(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf err = BUF(1000);
    static const char *const meaningless[] = {"shape", "http.*"};
    struct dfs_conf_opts opts = {meaningless, ARRAY_LEN(meaningless), note_unknown};
    struct sample s = {0};
    const struct str text =
        STR("base_path=/x\nport = 1\ncolour = red\nport = 7\nhttp.port = 1\nshape=");
    assert_int_equal(dfs_conf_parse(text, "f.conf", rows, ARRAY_LEN(rows), &opts, &s, &err), 0);
    assert_int_equal(unknown_line, 3);
    assert_int_equal(s.port, 7); /* and so is a key that is given twice */
    dfs_conf_fini(rows, ARRAY_LEN(rows), &s);
    opts.unknown = NULL; /* then only those that are known to mean nothing are */
    assert_int_equal(dfs_conf_parse(STR("base_path=/x\nport=1\nshape=\nport=2"), "f.conf", rows,
                                    ARRAY_LEN(rows), &opts, &s, &err),
                     0);
    dfs_conf_fini(rows, ARRAY_LEN(rows), &s);
    assert_int_equal(dfs_conf_parse(text, "f.conf", rows, ARRAY_LEN(rows), &opts, &s, &err),
                     -EINVAL);
    assert_true(str_eq(buf_str(&err), STR("f.conf:3: colour: no such setting")));
}

static void put(const char *dir, const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int load(const char *dir, struct sample *s)
{
    AUTO(buf_free) struct buf err = BUF(8000);
    char path[400];
    snprintf(path, sizeof(path), "%s/main.conf", dir);
    memset(s, 0, sizeof(*s));
    int r = dfs_conf_load(path, rows, ARRAY_LEN(rows), NULL, s, &err);
    snprintf(last_error, sizeof(last_error), STR_F, STR_A(buf_str(&err)));
    return r;
}

static void a_file_may_include_others(void **state)
{
    (void)state;
    struct sample s;
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    put(dir, "main.conf", "base_path = /x\n[log]\n  #include more.conf \nport = 7\nhost = c\n");
    put(dir, "more.conf", "host = a\n#include\tlast.conf\nhost = b\n[log]\n");
    put(dir, "last.conf", "[log]\nfile = z\n");
    assert_int_equal(load(dir, &s), 0);
    assert_string_equal(s.log, "z");
    assert_int_equal(s.port, 7); /* no section goes on behind it */
    assert_int_equal(s.hosts.n, 3);
    assert_string_equal(s.hosts.v[2], "c");
    dfs_conf_fini(rows, ARRAY_LEN(rows), &s);

    static const struct {
        const char *more, *says;
    } mistakes[] = {
        {"host = a\nport = x\n", "/more.conf:2: port = x: must be"},
        {"\n#include none.conf\n", "/more.conf:2: #include none.conf: No such file"},
        {"#include more.conf\n", "/more.conf:1: #include more.conf: more than 16 files"},
        {"#include http://x/y\n", "/more.conf:1: #include http://x/y: must be a file"},
    };
    for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
        put(dir, "more.conf", mistakes[i].more);
        assert_true(load(dir, &s) < 0);
        assert_non_null(strstr(last_error, mistakes[i].says));
        assert_null(s.base);
    }
}

static void a_printed_sample_reads_back_as_the_defaults(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf out = BUF(10000);
    AUTO(buf_free) struct buf err = BUF(1000);
    struct sample s = {0};
    buf_adds(&out, STR("base_path = /y\n"));
    dfs_conf_print(rows, ARRAY_LEN(rows), &out);
    assert_int_equal(dfs_conf_parse(buf_str(&out), "sample", rows, ARRAY_LEN(rows), NULL, &s, &err),
                     0);
    assert_int_equal(s.timeout_ms, 30000);
    assert_int_equal(s.port, 22122);
    assert_true(str_find(buf_str(&out), STR("# a time from 1s to 1d; a bare number is in s")) !=
                SIZE_MAX);
    assert_true(str_find(buf_str(&out), STR("[log]\n")) != SIZE_MAX);
    dfs_conf_fini(rows, ARRAY_LEN(rows), &s);
}

static void parse_once(void)
{
    AUTO(buf_free) struct buf err = BUF(1000);
    struct sample s = {0};
    int r = dfs_conf_parse(STR("base_path=/x\nhost=a\nhost=b\nlog.file=z\n"), "f.conf", rows,
                           ARRAY_LEN(rows), NULL, &s, &err);
    assert_true(r == 0 || r == -ENOMEM);
    if (r == 0)
        dfs_conf_fini(rows, ARRAY_LEN(rows), &s);
    assert_null(s.base);
}

static void no_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    TEST_EVERY_ALLOC_FAILS(parse_once());
}

static void a_reload_changes_only_what_it_may(void **state)
{
    (void)state;
    struct sample s, next;
    assert_int_equal(parse("base_path = /x\nhost = a\nlog.file = old\n", &s), 0);
    assert_int_equal(parse("base_path = /y\nport = 1\nflag = on\nsize = 1MB\ntimeout = 5\n"
                           "reserved = 7MB\nat = 03:00\nmode = IPv6\nhost = b\nhost = c\n"
                           "log.file = new\n",
                           &next),
                     0);
    const char *base = s.base;
    dfs_conf_reload(rows, ARRAY_LEN(rows), &s, &next);
    assert_string_equal(next.log, "old"); /* as long as somebody may use it */
    dfs_conf_fini(rows, ARRAY_LEN(rows), &next);
    assert_ptr_equal(s.base, base);
    assert_string_equal(s.base, "/x");
    assert_int_equal(s.port, 22122);
    assert_int_equal(s.size, 256 * 1024);
    assert_int_equal(s.mode, 0);
    assert_int_equal(s.hosts.n, 1);
    assert_string_equal(s.hosts.v[0], "a");
    assert_true(s.flag);
    assert_int_equal(s.timeout_ms, 5000);
    assert_int_equal(s.reserve.percent_x100, 0);
    assert_int_equal(s.reserve.bytes, 7 << 20);
    assert_int_equal(s.at, 3 * 3600);
    assert_string_equal(s.log, "new");
    dfs_conf_fini(rows, ARRAY_LEN(rows), &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_what_the_file_leaves_out),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(a_mistake_is_one_line_with_place_and_remedy),
        cmocka_unit_test(unknown_keys_can_be_tolerated),
        cmocka_unit_test(a_file_may_include_others),
        cmocka_unit_test(a_printed_sample_reads_back_as_the_defaults),
        cmocka_unit_test(no_memory_leaves_nothing_behind),
        cmocka_unit_test(a_reload_changes_only_what_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
