/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/sto_open.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/wire/internal.h"
#include "storage/disk/io.h"
#include "storage/sync/arrivals.h"
#include "storage/sync/source.h"

/* A store, and the arrivals of another one's files there. */
struct member {
    char *dir;
    struct sto_store *store;
};

static struct member here, there;
static struct sto_arrivals *arrivals;

static void open_member(struct member *m, const char *ip, bool use_trunk)
{
    m->dir = test_tmpdir();
    m->store = test_sto_open(m->dir, ip, use_trunk);
}

static void close_member(struct member *m)
{
    sto_store_close(&m->store);
    test_tmpdir_free(&m->dir);
}

static int up(void **state)
{
    (void)state;
    open_member(&here, "10.0.0.1", true);
    open_member(&there, "10.0.0.2", true);
    return sto_arrivals_new(here.store, "group1", false, &arrivals);
}

static int down(void **state)
{
    (void)state;
    sto_arrivals_free(&arrivals);
    close_member(&here);
    close_member(&there);
    return 0;
}

/* --- the peer --------------------------------------------------------------------------------------- */

static enum { HONEST, ONE_BY_ONE, GONE, LIES, OLD } peer;
static struct str lie;
static unsigned questions;

/* An earlier build does not know 196, and says so as of any command it does not know. */
static int old_call(uint8_t cmd, const struct str *parts, size_t n, struct buf *rsp)
{
    questions++;
    if (cmd == DFS_INT_SYNC_METAS)
        return -EINVAL;
    assert_int_equal(cmd, DFS_CMD_GET_METADATA);
    assert_int_equal(n, 2);
    assert_true(str_eq(parts[0], str_of("group1\0\0\0\0\0\0\0\0\0\0", 16)));
    buf_reset(rsp);
    return sto_meta_get(there.store, parts[1], rsp);
}

static int call(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts, size_t n,
                struct buf *rsp)
{
    (void)p;
    (void)status;
    if (peer == OLD)
        return old_call(cmd, parts, n, rsp);
    assert_int_equal(cmd, DFS_INT_SYNC_METAS);
    assert_int_equal(n, 1);
    AUTO(buf_free) struct buf out = BUF(STO_METAS_MAX);
    AUTO(buf_free) struct buf question = BUF(64 * 1024);
    const struct sto_source source = {.store = there.store};
    questions++;
    if (peer == GONE)
        return -EPIPE;
    buf_u16(&question, DFS_METAS_TIMED | 1);
    buf_adds(&question, str_from(parts[0], 2));
    int r = 0;
    if (peer == LIES)
        buf_adds(&out, lie);
    else
        r = sto_source_metas(&source, peer == ONE_BY_ONE ? buf_str(&question) : parts[0], &out);
    buf_reset(rsp);
    buf_adds(rsp, buf_str(&out));
    return r < 0 ? r : buf_err(rsp);
}

static const struct sto_line line = {.call = call};

static int settle(void)
{
    questions = 0;
    return sto_arrivals_settle(arrivals, &line, NULL);
}

static int whole_text(struct str old, void *arg, struct buf *out)
{
    (void)old;
    buf_adds(out, str_c(arg));
    return buf_err(out);
}

static void set_meta(struct member *m, const char *name, const char *text)
{
    assert_int_equal(
        sto_meta_change(m->store, str_c(name), whole_text, (char *)(uintptr_t)text, NULL), 0);
}

static void plain_file_there(const char *text, char *name)
{
    struct sto_file *f;
    struct sto_commit c = {
        .size = strlen(text), .crc32 = sto_crc32(0, text, strlen(text)), .ext = "txt"};
    assert_int_equal(sto_file_open(there.store, 0, c.size, STO_NATIVE, &f), 0);
    assert_int_equal(sto_file_write(f, text, c.size, 0), 0);
    assert_int_equal(sto_file_commit(&f, &c, name), 0);
}

/* --- what arrives ------------------------------------------------------------------------------------ */

static void arrive(const char *name, const char *text, uint64_t size)
{
    struct sto_replica_new new = {.name = str_c(name), .size = size, .time_s = 1700000000};
    if (text) {
        assert_int_equal(sto_file_open(here.store, 0, size, STO_NATIVE, &new.file), 0);
        assert_int_equal(sto_file_write(new.file, text, strlen(text), 0), 0);
    }
    assert_int_equal(sto_arrivals_add(arrivals, &new), 0);
    assert_null(new.file);
}

static bool holds(const char *name, const char *text, const char *meta)
{
    struct sto_view v;
    struct sto_info info;
    char got[64] = "";
    AUTO(buf_free) struct buf has = BUF(4096);
    if (sto_open_read(here.store, str_c(name), &v) < 0)
        return false;
    ssize_t n = pread(v.fd, got, sizeof(got) - 1, (off_t)v.offset);
    close(v.fd);
    int r = sto_meta_get(here.store, str_c(name), &has);
    assert_int_equal(r, meta ? 0 : -ENOENT);
    assert_int_equal(sto_info(here.store, str_c(name), false, &info), 0);
    assert_int_equal(info.mtime_s, 1700000000);
    return n == (ssize_t)strlen(text) && strcmp(got, text) == 0 &&
           (!meta || str_eq(buf_str(&has), str_c(meta)));
}

/* --- tests --------------------------------------------------------------------------------------------- */

static void files_get_their_names_and_metadata_together(void **state)
{
    (void)state;
    char name[3][STO_NAME_MAX + 1];
    static const char *const texts[] = {"one", "two", "three"};
    for (size_t i = 0; i < 3; i++)
        plain_file_there(texts[i], name[i]);
    set_meta(&there, name[1], "k\2v");
    assert_false(sto_arrivals_any(arrivals));
    for (size_t i = 0; i < 3; i++)
        arrive(name[i], texts[i], strlen(texts[i]));
    assert_true(sto_arrivals_any(arrivals));
    for (size_t i = 0; i < 3; i++)
        assert_false(holds(name[i], texts[i], NULL));
    peer = HONEST;
    assert_int_equal(settle(), 0);
    assert_int_equal(questions, 1);
    assert_false(sto_arrivals_any(arrivals));
    assert_true(holds(name[0], "one", NULL));
    assert_true(holds(name[1], "two", "k\2v"));
    assert_true(holds(name[2], "three", NULL));
}

static void a_peer_that_answers_less_is_asked_again(void **state)
{
    (void)state;
    char name[2][STO_NAME_MAX + 1];
    plain_file_there("one", name[0]);
    plain_file_there("two", name[1]);
    set_meta(&there, name[0], "a\2b");
    set_meta(&there, name[1], "c\2d");
    arrive(name[0], "one", 3);
    arrive(name[1], "two", 3);
    peer = ONE_BY_ONE;
    assert_int_equal(settle(), 0);
    assert_int_equal(questions, 2);
    assert_true(holds(name[0], "one", "a\2b"));
    assert_true(holds(name[1], "two", "c\2d"));
}

static void an_older_peer_is_asked_about_each_file(void **state)
{
    (void)state;
    char name[4][STO_NAME_MAX + 1];
    static const char *const texts[] = {"one", "two", "three", "four"};
    for (size_t i = 0; i < 4; i++)
        plain_file_there(texts[i], name[i]);
    set_meta(&there, name[0], "a\2b");
    set_meta(&there, name[3], "c\2d");
    peer = OLD;
    arrive(name[0], "one", 3);
    assert_int_equal(settle(), -EOPNOTSUPP);
    assert_false(sto_arrivals_any(arrivals));
    assert_false(holds(name[0], "one", "a\2b"));
    sto_arrivals_free(&arrivals);
    assert_int_equal(sto_arrivals_new(here.store, "group1", true, &arrivals), 0);
    for (size_t i = 0; i < 4; i++)
        arrive(name[i], texts[i], strlen(texts[i]));
    assert_int_equal(settle(), 0);
    assert_int_equal(questions, 4);
    assert_true(holds(name[0], "one", "a\2b"));
    assert_true(holds(name[1], "two", NULL));
    assert_true(holds(name[2], "three", NULL));
    assert_true(holds(name[3], "four", "c\2d"));
}

static void one_that_vanishes_or_lies_leaves_nothing_half(void **state)
{
    (void)state;
    static const struct str lies[] = {
        {"", 0},                     /* no count */
        {"\0\0", 2},                 /* not even the first */
        {"\0\2\0\0\0\0", 6},         /* more than asked for */
        {"\0\1", 2},                 /* without a length */
        {"\0\1\0\0\0\4abc", 9},      /* shorter than it says */
        {"\0\1\xff\xff\xff\xff", 6}, /* much shorter */
    };
    char name[STO_NAME_MAX + 1];
    plain_file_there("text", name);
    for (size_t i = 0; i <= ARRAY_LEN(lies); i++) {
        arrive(name, "text", 4);
        peer = i < ARRAY_LEN(lies) ? LIES : GONE;
        lie = i < ARRAY_LEN(lies) ? lies[i] : STR_NULL;
        assert_int_equal(settle(), peer == LIES ? -EPROTO : -EPIPE);
        assert_false(sto_arrivals_any(arrivals));
        assert_false(holds(name, "text", NULL));
    }
}

static void a_file_of_another_size_holds_nobody_up(void **state)
{
    (void)state;
    char name[2][STO_NAME_MAX + 1];
    plain_file_there("bad", name[0]);
    plain_file_there("good", name[1]);
    arrive(name[0], "b", 3);
    arrive(name[1], "good", 4);
    peer = HONEST;
    assert_int_equal(settle(), 0);
    assert_false(holds(name[0], "bad", NULL));
    assert_true(holds(name[1], "good", NULL));
}

static void meta_file(const char *name, char path[512])
{
    const char *rest = strchr(name, '/'); /* behind M00 */
    snprintf(path, 512, "%s/data%s-m", here.dir, rest);
}

/* Its pack comes right behind; what a newer log has brought meanwhile stays. */
static void metadata_of_packed_files_come_ahead_of_them(void **state)
{
    (void)state;
    char path[512], text[16] = "";
    struct sto_put p = {
        .kind = DFS_PUT_OBJECT, .flags = STO_NATIVE, .ext = "txt", .data = STR("packed")};
    assert_int_equal(sto_put_batch(there.store, 0, &p, 1), 0);
    assert_int_equal(p.result, 0);
    set_meta(&there, p.name, "k\2old");
    peer = HONEST;
    for (int i = 0; i < 2; i++) {
        arrive(p.name, NULL, 0);
        assert_int_equal(settle(), 0);
        meta_file(p.name, path);
        FILE *f = fopen(path, "r+");
        assert_non_null(f);
        assert_int_equal(fread(text, 1, sizeof(text) - 1, f), 5);
        assert_string_equal(text, i == 0 ? "k\2old" : "k\2new");
        rewind(f);
        assert_int_equal(fwrite("k\2new", 1, 5, f), 5);
        assert_int_equal(fclose(f), 0);
        /* A file's own clock may be some milliseconds behind. */
        const struct timespec later[] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = dfs_now_s() + 1}};
        assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
    }
}

static void there_is_a_ceiling(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    unsigned n = 0;
    plain_file_there("x", name);
    for (; !sto_arrivals_full(arrivals); n++)
        arrive(name, NULL, 0);
    assert_in_range(n, 2, DFS_INFO_ITEMS_MAX);
    peer = HONEST;
    assert_int_equal(settle(), 0);
    for (n = 0; !sto_arrivals_full(arrivals); n++)
        arrive(name, "x", 1);
    assert_in_range(n, 2, 64);
    assert_int_equal(settle(), 0);
    char longer[STO_NAME_MAX + 2];
    struct sto_replica_new none = {.name = str_of(longer, sizeof(longer))};
    memset(longer, 'x', sizeof(longer));
    assert_int_equal(sto_arrivals_add(arrivals, &none), -EINVAL);
    assert_false(sto_arrivals_any(arrivals));
    arrive(name, "x", UINT64_C(100) << 20);
    assert_true(sto_arrivals_full(arrivals));
}

/* --- the source's side ------------------------------------------------------------------------------ */

static void wrong_questions_are_refused(void **state)
{
    (void)state;
    static const struct str wrong[] = {{"", 0},     {"\0", 1},           {"\0\0", 2},
                                       {"\0\1", 2}, {"\0\1\0\5M00/", 8}, {"\1\1\0\1x", 5}};
    const struct sto_source source = {.store = there.store};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        AUTO(buf_free) struct buf out = BUF(STO_METAS_MAX);
        assert_int_equal(sto_source_metas(&source, wrong[i], &out), -EINVAL);
    }
    AUTO(buf_free) struct buf out = BUF(STO_METAS_MAX);
    assert_int_equal(sto_source_metas(&source, STR("\0\2\0\1x\0\0"), &out), 0);
    assert_true(str_eq(buf_str(&out), STR("\0\2\0\0\0\0\0\0\0\0"))); /* names of nothing */
}

static void an_answer_ends_before_what_has_no_room(void **state)
{
    (void)state;
    enum { BIG = 600 * 1024 };
    char name[2][STO_NAME_MAX + 1];
    AUTO(dfs_free_ptr) char *text = malloc(BIG + 1);
    memset(text, 'm', BIG);
    text[BIG] = 0;
    const struct sto_source source = {.store = there.store};
    AUTO(buf_free) struct buf question = BUF(1024);
    AUTO(buf_free) struct buf out = BUF(STO_METAS_MAX);
    buf_u16(&question, 2);
    for (size_t i = 0; i < 2; i++) {
        plain_file_there(i ? "one" : "two", name[i]);
        set_meta(&there, name[i], text);
        buf_u16(&question, (uint16_t)strlen(name[i]));
        buf_adds(&question, str_c(name[i]));
    }
    assert_int_equal(sto_source_metas(&source, buf_str(&question), &out), 0);
    struct rd rd = rd_of(buf_str(&out));
    assert_int_equal(rd_u16(&rd), 1);
    assert_int_equal(rd_u32(&rd), BIG);
    assert_int_equal(rd.n, BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_get_their_names_and_metadata_together, up, down),
        cmocka_unit_test_setup_teardown(an_older_peer_is_asked_about_each_file, up, down),
        cmocka_unit_test_setup_teardown(a_peer_that_answers_less_is_asked_again, up, down),
        cmocka_unit_test_setup_teardown(one_that_vanishes_or_lies_leaves_nothing_half, up, down),
        cmocka_unit_test_setup_teardown(a_file_of_another_size_holds_nobody_up, up, down),
        cmocka_unit_test_setup_teardown(metadata_of_packed_files_come_ahead_of_them, up, down),
        cmocka_unit_test_setup_teardown(there_is_a_ceiling, up, down),
        cmocka_unit_test_setup_teardown(wrong_questions_are_refused, up, down),
        cmocka_unit_test_setup_teardown(an_answer_ends_before_what_has_no_room, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
