/* SPDX-License-Identifier: Apache-2.0 */
/* A store path as FastDFS 6 leaves it, made from the worked examples of fastdfs-semantics.md 2.8. */
#include "storage/trunk/store.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "dfscore/fileid/fileid.h"
#include "storage/disk/io.h"
#include "storage/trunk/slot.h"
#include "tests/lib/test.h"

#define PLAIN    "M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt"
#define SLAVE    "M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731_150x150.jpg"
#define APPENDER "M00/12/34/CgAABWVT-AiEC83vAAAAAAAAAAAA906.log"
#define TRUNK    "M00/00/0A/ooYBAGVT9bCIFVqgAAAAyO0IYYAAAAADAAAEAAAAAEA441.bin"
#define LINK     "M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731_link.txt"
#define META                                                                                       \
    "width\002"                                                                                    \
    "7"

struct fixture {
    char *dir;
    struct sto_store *s;
};

static void make_dirs(const struct fixture *f, const char *name)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/data", f->dir);
    (void)mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/data/%.2s", f->dir, name + 4);
    (void)mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/data/%.5s", f->dir, name + 4);
    (void)mkdir(path, 0755);
}

static void write_file(const struct fixture *f, const char *name, const char *suffix,
                       struct str data, long at)
{
    char path[300];
    make_dirs(f, name);
    snprintf(path, sizeof(path), "%s/data/%s%s", f->dir, name + 4, suffix);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fseek(out, at, SEEK_SET), 0);
    assert_int_equal(fwrite(data.p, 1, data.n, out), data.n);
    fclose(out);
}

static void make_container(const struct fixture *f)
{
    struct dfs_fileid id;
    uint8_t slot[DFS_TRUNK_HEADER + 200];
    assert_int_equal(dfs_filename_parse(STR(TRUNK), &id), 0);
    struct dfs_fileid_parts parts = {.kind = DFS_FILE_TRUNK,
                                     .created_s = id.created_s,
                                     .size = id.size,
                                     .crc32 = id.crc32,
                                     .trunk = id.trunk};
    memcpy(parts.tail, id.tail.p, DFS_TAIL7);
    sto_slot_encode(&parts, slot);
    for (unsigned i = 0; i < 200; i++)
        slot[DFS_TRUNK_HEADER + i] = (uint8_t)i;
    write_file(f, "M00/00/0A/000012", "", str_of(slot, sizeof(slot)), 4096);
}

static void open_store(struct fixture *f)
{
    const struct sto_path_options path = {.dir = f->dir};
    const struct sto_store_options o = {.group = "group1",
                                        .storage_id = "192.168.1.10",
                                        .paths = &path,
                                        .path_count = 1,
                                        .reserve_bytes = 1,
                                        .use_trunk = true,
                                        .segment_size = 1024 * 1024};
    assert_int_equal(sto_store_open(&o, &f->s, NULL), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->dir = test_tmpdir();
    write_file(f, PLAIN, "", STR("Hello, world!"), 0);
    write_file(f, PLAIN, "-m", STR(META), 0);
    write_file(f, SLAVE, "", STR("small picture"), 0);
    write_file(f, APPENDER, "", STR("grown meanwhile"), 0);
    write_file(f, "M00/12/34/not-a-file-id", "", STR("something else"), 0);
    write_file(f, "M00/sy/nc/binlog.000", "", STR("1700000000 C " PLAIN "\n"), 0);
    char target[300], link[300];
    snprintf(target, sizeof(target), "/data/disk0/data/%s",
             &PLAIN[4]); /* as the path was called there */
    snprintf(link, sizeof(link), "%s/data/%s", f->dir, &LINK[4]);
    assert_int_equal(symlink(target, link), 0);
    make_container(f);
    open_store(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sto_store_close(&f->s);
    test_tmpdir_free(&f->dir);
    free(f);
    return 0;
}

static void holds(struct fixture *f, const char *name, struct str want)
{
    struct sto_view v;
    char got[512];
    assert_int_equal(sto_open_read(f->s, str_c(name), &v), 0);
    assert_int_equal(v.size, want.n);
    assert_int_equal(sto_read_all(&sto_io_os, v.fd, got, want.n, (off_t)v.offset), want.n);
    assert_memory_equal(got, want.p, want.n);
    close(v.fd);
}

static void every_file_is_served_by_its_id(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_free) struct buf meta = BUF(1024);
    char bytes[200];
    for (unsigned i = 0; i < 200; i++)
        bytes[i] = (char)i;
    holds(f, PLAIN, STR("Hello, world!"));
    holds(f, SLAVE, STR("small picture"));
    holds(f, APPENDER, STR("grown meanwhile"));
    holds(f, TRUNK, str_of(bytes, sizeof(bytes)));
    assert_int_equal(sto_verify(f->s, STR(PLAIN)), 0);
    assert_int_equal(sto_verify(f->s, STR(TRUNK)), 0);
    assert_int_equal(sto_meta_get(f->s, STR(PLAIN), &meta), 0);
    assert_true(str_eq(buf_str(&meta), STR(META)));
}

struct seen {
    unsigned plain, slave, appender, meta, link, other;
};

static int look(const struct sto_entry *e, void *arg)
{
    struct seen *s = arg;
    if (str_eq(e->name, STR(PLAIN)))
        s->plain += e->op == 'C' && e->kind == DFS_SCAN_NATIVE;
    else if (str_eq(e->name, STR(SLAVE)))
        s->slave += e->op == 'C';
    else if (str_eq(e->name, STR(APPENDER)))
        s->appender += e->op == 'C';
    else if (str_eq(e->name, STR(PLAIN "-m")))
        s->meta += e->op == 'C';
    else if (str_eq(e->name, STR(LINK)))
        s->link += e->op == 'L' && str_eq(e->extra, STR(PLAIN));
    else
        s->other++;
    return 0;
}

static struct seen log_of(struct fixture *f)
{
    struct seen seen = {0};
    struct sto_scan end;
    assert_int_equal(sto_scan(f->s, 0, 0, STO_SCAN_CHANGES, 1000, look, &seen, &end), 0);
    assert_true(end.at_end);
    return seen;
}

static void each_gets_one_record_once(void **state)
{
    struct fixture *f = *state;
    const struct seen once = {1, 1, 1, 1, 1, 0};
    for (unsigned i = 0; i < 3; i++) {
        struct seen seen = log_of(f);
        assert_memory_equal(&seen, &once, sizeof(once));
        sto_store_close(&f->s);
        open_store(f);
    }
}

static void what_was_found_is_kept(void **state)
{
    struct fixture *f = *state;
    struct sto_adopted found;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(sto_store_adopted(f->s, 0, &found), 0);
        assert_int_equal(found.files, 5); /* plain, metadata, slave, appender, link */
        assert_int_equal(found.containers, 1);
        assert_int_equal(found.skipped, 1);
        sto_store_close(&f->s);
        open_store(f);
    }
    char path[300];
    snprintf(path, sizeof(path), "%s/data/.adopted", f->dir);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs("files=many\n", out);
    fclose(out);
    assert_int_equal(sto_store_adopted(f->s, 0, &found), -EBADMSG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(sto_store_adopted(f->s, 0, &found), -ENOENT);
}

static void a_start_that_was_cut_short_begins_again(void **state)
{
    struct fixture *f = *state;
    char note[300];
    struct stat st;
    snprintf(note, sizeof(note), "%s/data/.adopting", f->dir);
    assert_int_equal(stat(note, &st), -1);
    sto_store_close(&f->s);
    FILE *out = fopen(note, "w");
    assert_non_null(out);
    fclose(out);
    open_store(f);
    assert_int_equal(stat(note, &st), -1);
    struct seen seen = log_of(f);
    assert_int_equal(seen.plain, 2);
    assert_int_equal(seen.other, 0);
    holds(f, PLAIN, STR("Hello, world!"));
}

static void deleting_and_storing_go_on_from_there(void **state)
{
    struct fixture *f = *state;
    const struct str names[] = {STR(PLAIN), STR(TRUNK)};
    int results[2];
    struct sto_view v;
    assert_int_equal(sto_delete_batch(f->s, names, 2, results), 0);
    assert_int_equal(results[0], 0);
    assert_int_equal(sto_open_read(f->s, STR(PLAIN), &v), -ENOENT);
    struct sto_put p = {.kind = DFS_PUT_OBJECT, .ext = "txt", .data = STR("new")};
    assert_int_equal(sto_put_batch(f->s, 0, &p, 1), 0);
    assert_int_equal(p.result, 0);
    holds(f, p.name, STR("new"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_file_is_served_by_its_id, setup, teardown),
        cmocka_unit_test_setup_teardown(each_gets_one_record_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_found_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_start_that_was_cut_short_begins_again, setup, teardown),
        cmocka_unit_test_setup_teardown(deleting_and_storing_go_on_from_there, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
