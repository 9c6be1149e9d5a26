/* SPDX-License-Identifier: Apache-2.0 */
/* Names that are made anew and what is changed in place, after kills and power failures. */
#include <stdlib.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "dfscore/log/log.h"
#include "storage/trunk/replica.h"
#include "tests/lib/crash_world.h"

/* ---- names that can be made anew: of slaves and links, and metadata ---- */

static struct sto_file *file_of(struct world *w, const char *text)
{
    struct sto_file *f = NULL;
    size_t n = strlen(text);
    assert_int_equal(sto_file_open(w->s, 0, n, 0, &f), 0);
    assert_int_equal(sto_write_all(&fake_disk_io, sto_file_fd(f), text, n, 0), 0);
    return f;
}

static void make_slave(struct world *w, const char *master, const char *text, char *name)
{
    struct sto_file *f = file_of(w, text);
    struct sto_commit c = {.size = strlen(text),
                           .ext = "jpg",
                           .desc = STR(""),
                           .master = str_c(master),
                           .prefix = STR("_s")};
    assert_int_equal(sto_file_commit(&f, &c, name), 0);
}

static void make_link(struct world *w, const char *master, const char *target, char *name)
{
    struct sto_link l = {
        .target = str_c(target), .master = str_c(master), .prefix = STR("_l"), .ext = "jpg"};
    assert_int_equal(sto_make_link(w->s, &l, name), 0);
}

static int new_text(struct str old, void *arg, struct buf *out)
{
    (void)old;
    buf_adds(out, str_c(arg));
    return buf_err(out);
}

static void set_meta(struct world *w, const char *name, char *text)
{
    assert_int_equal(sto_meta_change(w->s, str_c(name), new_text, text, NULL), 0);
}

static void delete_one(struct world *w, const char *name)
{
    struct str one = str_c(name);
    int result;
    assert_int_equal(sto_delete_batch(w->s, &one, 1, &result), 0);
    assert_int_equal(result, 0);
}

static void assert_text(struct sto_store *s, const char *name, const char *want)
{
    struct sto_view v;
    char got[16] = "";
    assert_int_equal(sto_open_read(s, str_c(name), &v), 0);
    assert_int_equal(v.size, strlen(want));
    assert_int_equal(pread(v.fd, got, v.size, (off_t)v.offset), v.size);
    close(v.fd);
    assert_string_equal(got, want);
}

static void assert_meta(struct sto_store *s, const char *name, const char *want)
{
    AUTO(buf_free) struct buf got = BUF(64);
    assert_int_equal(sto_meta_get(s, str_c(name), &got), 0);
    assert_true(str_eq(buf_str(&got), str_c(want)));
}

struct names {
    char master[STO_NAME_MAX + 1], plain[STO_NAME_MAX + 1], slave[STO_NAME_MAX + 1];
    char link[STO_NAME_MAX + 1], copy[STO_NAME_MAX + 1];
};

static void make_and_delete(struct world *w, struct names *n)
{
    struct sto_file *f = file_of(w, "master");
    struct sto_commit c = {.size = 6, .ext = "jpg", .desc = STR("")};
    assert_int_equal(sto_file_commit(&f, &c, n->master), 0);
    f = file_of(w, "plain");
    c.size = 5;
    assert_int_equal(sto_file_commit(&f, &c, n->plain), 0);
    make_slave(w, n->master, "old", n->slave);
    make_link(w, n->master, n->plain, n->link);
    make_slave(w, n->plain, "old", n->copy); /* a peer will make it anew */
    set_meta(w, n->master, "old");
    set_meta(w, n->plain, "old");
    delete_one(w, n->slave);
    delete_one(w, n->link);
    delete_one(w, n->copy);
    set_meta(w, n->master, "");
    set_meta(w, n->plain, "");
}

static void make_anew(struct world *w, struct names *n)
{
    make_slave(w, n->master, "new slave", n->slave);
    make_link(w, n->master, n->plain, n->link);
    struct sto_file *f = file_of(w, "copy");
    assert_int_equal(sto_replica_file(w->s, &f, str_c(n->copy), 4, 0), 0);
    set_meta(w, n->master, "new");
    assert_int_equal(sto_replica_meta(w->s, str_c(n->plain), STR("peer's"), INT64_C(1) << 41), 0);
}

static void check_anew(struct sto_store *s, const struct names *n)
{
    assert_text(s, n->slave, "new slave");
    assert_text(s, n->link, "plain");
    assert_text(s, n->copy, "copy");
    assert_meta(s, n->master, "new");
    assert_meta(s, n->plain, "peer's");
}

/* The replay of a deletion must not take what got the name afterwards. */
static void a_name_made_anew_outlives_the_replay_of_its_deletion(void **state)
{
    (void)state;
    for (int restart_between = 0; restart_between < 2; restart_between++) {
        struct world w;
        struct names n;
        begin_world(&w, 1);
        assert_int_equal(open_store(w.dir, &fake_disk_io, &w.s), 0);
        make_and_delete(&w, &n);
        if (restart_between)
            restart(&w);
        make_anew(&w, &n);
        check_anew(w.s, &n);
        for (int again = 0; again < 2; again++) {
            restart(&w); /* like kill -9 */
            check_anew(w.s, &n);
        }
        end_world(&w);
    }
}

/* ---- changes in place ---- */

struct told {
    unsigned ops[256];
    int64_t version; /* of the last edit */
};

static int take_note(const struct sto_entry *e, void *arg)
{
    struct told *told = arg;
    told->ops[(unsigned char)e->op]++;
    if (e->op == 'A' || e->op == 'M' || e->op == 'T')
        told->version = sto_rec_get_versions(e->desc).after;
    return 0;
}

static void append_more(struct world *w, const char *name)
{
    struct sto_edit *e = NULL;
    assert_int_equal(sto_edit_begin(w->s, str_c(name), STO_EDIT_APPEND, 0, 4, NULL, &e), 0);
    assert_int_equal(sto_edit_write(e, "more", 4), 0);
    assert_int_equal(sto_edit_commit(&e), 0);
}

/* The text of the metadata and the content in the image, and what the log there says of either. */
static void look_at_image(const char *image, const char *name, char text[16], char bytes[16],
                          struct told *told)
{
    struct sto_info info;
    struct sto_store *after = NULL;
    struct sto_scan scan = {0};
    struct sto_view v;
    AUTO(buf_free) struct buf meta = BUF(64);
    memset(text, 0, 16);
    memset(bytes, 0, 16);
    memset(told, 0, sizeof(*told));
    assert_int_equal(open_store(image, &fake_disk_io, &after), 0);
    while (!scan.at_end)
        assert_int_equal(
            sto_scan(after, 0, scan.next, STO_SCAN_CHANGES, 100, take_note, told, &scan), 0);
    assert_int_equal(sto_meta_get(after, str_c(name), &meta), 0);
    memcpy(text, meta.p, meta.n);
    assert_int_equal(sto_open_read(after, str_c(name), &v), 0);
    assert_int_equal(pread(v.fd, bytes, 15, 0), v.size);
    close(v.fd);
    assert_int_equal(sto_info(after, str_c(name), false, &info), 0);
    assert_true(info.version > 0);
    assert_true(told->version == 0 || info.version == told->version);
    sto_store_close(&after);
}

/* Members take what the log speaks of: what it does not speak of must not differ from what they took before, and has its
 * version. */
static void crash_at_each_call(unsigned seed, bool kill)
{
    bool crashed = true;
    for (unsigned nth = 1; crashed; nth++) {
        struct world w;
        begin_world(&w, seed * 1000 + nth);
        assert_int_equal(open_store(w.dir, &fake_disk_io, &w.s), 0);
        struct sto_file *f = file_of(&w, "base");
        struct sto_commit c = {.size = 4, .flags = STO_APPENDER, .ext = "jpg", .desc = STR("")};
        char name[STO_NAME_MAX + 1];
        assert_int_equal(sto_file_commit(&f, &c, name), 0);
        set_meta(&w, name, "old"); /* U */
        (kill ? fake_disk_kill_at : fake_disk_crash_at)(nth, w.dir, w.image, nothing_to_keep, NULL);
        set_meta(&w, name, "new");                                    /* C */
        append_more(&w, name);                                        /* A */
        assert_int_equal(sto_truncate(w.s, str_c(name), 1, NULL), 0); /* T */
        crashed = fake_disk_crashed();
        if (crashed) {
            char text[16], bytes[16];
            struct told told;
            look_at_image(w.image, name, text, bytes, &told);
            assert_true(strcmp(text, "old") == 0 || told.ops['C'] == 2); /* the file's own is one */
            assert_true(strcmp(bytes, "base") == 0 || told.ops['A'] == 1);
            assert_true(bytes[0] == 'b' && (strlen(bytes) >= 4 || told.ops['T'] == 1));
        }
        end_world(&w);
    }
}

static void what_a_crash_leaves_in_place_has_a_record(void **state)
{
    (void)state;
    crash_at_each_call(0, true);
    for (unsigned seed = 0; seed < 6; seed++)
        crash_at_each_call(seed, false);
}

/* ---- disks that fail amid an edit ---- */

static struct sto_edit *begin_edit(struct world *w, const char *name, enum sto_edit_op op)
{
    struct sto_edit *e = NULL;
    assert_int_equal(sto_edit_begin(w->s, str_c(name), op, 0, 3, NULL, &e), 0);
    return e;
}

/* All members will have it: who is refused may go by what was there before. */
static void an_edit_that_the_disk_does_not_confirm_is_undone_or_not_refused(void **state)
{
    (void)state;
    struct world w;
    begin_world(&w, 4);
    assert_int_equal(open_store(w.dir, &fake_disk_io, &w.s), 0);
    struct sto_file *f = file_of(&w, "base");
    struct sto_commit c = {.size = 4, .flags = STO_APPENDER, .ext = "jpg", .desc = STR("")};
    char name[STO_NAME_MAX + 1];
    assert_int_equal(sto_file_commit(&f, &c, name), 0);

    struct sto_edit *e = begin_edit(&w, name, STO_EDIT_APPEND);
    assert_int_equal(sto_edit_write(e, "new", 3), 0);
    fake_disk_fail(FAKE_SYNC, 1, 0, ENOSPC);
    assert_int_equal(sto_edit_commit(&e), -ENOSPC);
    assert_text(w.s, name, "base");

    e = begin_edit(&w, name, STO_EDIT_MODIFY);
    assert_int_equal(sto_edit_write(e, "new", 3), 0);
    fake_disk_fail(FAKE_SYNC, 1, 0, ENOSPC);
    assert_int_equal(sto_edit_commit(&e), -EAGAIN);
    assert_text(w.s, name, "newe");

    e = begin_edit(&w, name, STO_EDIT_MODIFY);
    assert_int_equal(sto_edit_write(e, "s", 1), 0);
    fake_disk_fail(FAKE_WRITE, 1, 0, ENOSPC);
    assert_int_equal(sto_edit_write(e, "et", 2), -EAGAIN);
    sto_edit_free(&e);
    assert_text(w.s, name, "sewe");

    fake_disk_fail(FAKE_SYNC, 2, 0, ENOSPC); /* after the record's */
    assert_int_equal(sto_truncate(w.s, str_c(name), 1, NULL), -EAGAIN);
    assert_text(w.s, name, "s");
    end_world(&w);
}

int main(void)
{
    dfs_log_threshold = LOG_ERROR + 1;
    test_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_name_made_anew_outlives_the_replay_of_its_deletion,
                                  fake_disk_tell_seed),
        cmocka_unit_test_teardown(what_a_crash_leaves_in_place_has_a_record, fake_disk_tell_seed),
        cmocka_unit_test_teardown(an_edit_that_the_disk_does_not_confirm_is_undone_or_not_refused,
                                  fake_disk_tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
