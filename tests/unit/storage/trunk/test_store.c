/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/store.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "dfscore/base/clock.h"
#include "dfscore/fileid/fileid.h"
#include "storage/binlog/record.h"
#include "storage/disk/io.h"
#include "storage/trunk/replica.h"
#include "tests/lib/test.h"

struct fixture {
    char *dir;
    struct sto_store *s;
};

static int open_store(struct fixture *f)
{
    struct sto_path_options path = {.dir = f->dir};
    struct sto_store_options o = {
        .group = "group1",
        .storage_id = "100001",
        .paths = &path,
        .path_count = 1,
        .use_trunk = true,
        .segment_size = 1024 * 1024,
    };
    return sto_store_open(&o, &f->s, NULL);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->dir = test_tmpdir();
    assert_int_equal(open_store(f), 0);
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

static void reopen(struct fixture *f)
{
    sto_store_close(&f->s);
    assert_int_equal(open_store(f), 0);
}

static void put(struct fixture *f, struct str desc, struct str data, char *name)
{
    struct sto_put p = {.kind = DFS_PUT_OBJECT, .ext = "txt", .desc = desc, .data = data};
    assert_int_equal(sto_put_batch(f->s, -1, &p, 1), 0);
    assert_int_equal(p.result, 0);
    memcpy(name, p.name, sizeof(p.name));
}

static void assert_content(struct fixture *f, const char *name, struct str want)
{
    struct sto_view v;
    assert_int_equal(sto_open_read(f->s, str_c(name), &v), 0);
    assert_int_equal(v.size, want.n);
    char *got = malloc(want.n + 1);
    assert_int_equal(sto_read_all(&sto_io_os, v.fd, got, want.n, (off_t)v.offset), want.n);
    assert_memory_equal(got, want.p, want.n);
    free(got);
    close(v.fd);
    assert_int_equal(sto_verify(f->s, str_c(name)), 0);
}

static void commit_file(struct fixture *f, struct str desc, struct str data, uint8_t flags,
                        char *name)
{
    struct sto_file *file = NULL;
    assert_int_equal(sto_file_open(f->s, -1, data.n, flags & STO_NATIVE, &file), 0);
    assert_int_equal(write(sto_file_fd(file), data.p, data.n), data.n);
    struct sto_commit c = {.size = data.n,
                           .crc32 = sto_crc32(0, data.p, data.n),
                           .flags = flags & STO_APPENDER,
                           .ext = "bin",
                           .desc = desc};
    assert_int_equal(sto_file_commit(&file, &c, name), 0);
    assert_null(file);
}

struct seen {
    unsigned count;
    uint64_t last;
    char text[4096]; /* kind, op, description of each entry */
};

static int note_entry(const struct sto_entry *e, void *arg)
{
    struct seen *s = arg;
    assert_true(e->position > s->last && e->next > e->position);
    s->last = e->position;
    s->count++;
    size_t n = strlen(s->text);
    (void)snprintf(s->text + n, sizeof(s->text) - n, "%u%c" STR_F " ", e->kind, e->op ? e->op : '-',
                   STR_A(e->desc));
    return 0;
}

static void assert_scan(struct fixture *f, unsigned flags, const char *want)
{
    struct seen seen = {0};
    struct sto_scan r = {0};
    while (!r.at_end)
        assert_int_equal(sto_scan(f->s, 0, r.next, flags, 3, note_entry, &seen, &r), 0);
    assert_string_equal(seen.text, want);
}

static void a_small_object_reads_back_also_after_a_restart(void **state)
{
    struct fixture *f = *state;
    char name[STO_NAME_MAX + 1], empty[STO_NAME_MAX + 1];
    put(f, STR("who I am"), STR("hello, pack"), name);
    put(f, STR("d"), STR(""), empty);
    assert_int_equal(strlen(name), 60);
    assert_content(f, name, STR("hello, pack"));
    reopen(f);
    assert_content(f, name, STR("hello, pack"));
    assert_content(f, empty, STR(""));
    struct sto_info i;
    assert_int_equal(sto_info(f->s, str_c(name), true, &i), 0);
    assert_int_equal(i.size, 11);
    assert_int_equal(i.kind, STO_KIND_PACKED);
    assert_int_equal(i.crc32, sto_crc32(0, "hello, pack", 11));
}

static void scan_tells_what_lives_in_order_and_forgets_the_deleted(void **state)
{
    struct fixture *f = *state;
    char a[STO_NAME_MAX + 1], b[STO_NAME_MAX + 1], c[STO_NAME_MAX + 1];
    put(f, STR("a"), STR("1"), a);
    struct sto_put note = {.kind = DFS_PUT_NOTE, .desc = STR("note")};
    assert_int_equal(sto_put_batch(f->s, 0, &note, 1), 0);
    assert_int_equal(note.result, 0);
    assert_string_equal(note.name, "");
    commit_file(f, STR("b"), STR("22"), 0, b);
    commit_file(f, STR("c"), STR("333"), STO_NATIVE, c);
    assert_scan(f, 0, "1Ca 2-note 1Cb 3Cc ");
    assert_scan(f, STO_SCAN_NO_DESC, "1C 2- 1C 3C ");
    struct str names[] = {str_c(a), str_c(b), str_c(a)};
    int results[3];
    assert_int_equal(sto_delete_batch(f->s, names, 2, results), 0);
    assert_int_equal(results[0], 0);
    assert_int_equal(results[1], 0);
    assert_scan(f, 0, "2-note 3Cc ");
    reopen(f);
    assert_scan(f, 0, "2-note 3Cc ");
    assert_scan(f, STO_SCAN_CHANGES, "2-note 3Cc 0D 0D ");
    assert_int_equal(sto_delete_batch(f->s, names, 3, results), 0);
    assert_int_equal(results[0], -ENOENT);
    assert_int_equal(results[1], -ENOENT);
    struct sto_view v;
    assert_int_equal(sto_open_read(f->s, str_c(a), &v), -ENOENT);
    assert_int_equal(sto_open_read(f->s, str_c(b), &v), -ENOENT);
}

static void a_file_of_the_wrong_size_gets_no_name(void **state)
{
    struct fixture *f = *state;
    struct sto_file *file = NULL;
    assert_int_equal(sto_file_open(f->s, 0, 10, 0, &file), 0);
    assert_int_equal(write(sto_file_fd(file), "12345", 5), 5);
    struct sto_commit c = {.size = 10, .desc = STR("")};
    char name[STO_NAME_MAX + 1];
    assert_int_equal(sto_file_commit(&file, &c, name), -EBADMSG);
    assert_null(file);
    assert_scan(f, 0, "");
}

static void a_second_process_is_refused(void **state)
{
    struct fixture *f = *state;
    struct sto_store *mine = f->s;
    f->s = NULL;
    assert_int_equal(open_store(f), -EBUSY);
    f->s = mine;
}

static void appender_append(struct fixture *f, const char *name, struct str data)
{
    struct sto_edit *e = NULL;
    assert_int_equal(sto_edit_begin(f->s, str_c(name), STO_EDIT_APPEND, 0, data.n, &e), 0);
    assert_int_equal(sto_edit_write(e, data.p, data.n), 0);
    assert_int_equal(sto_edit_commit(&e), 0);
}

static void an_appender_is_edited_cut_and_made_normal(void **state)
{
    struct fixture *f = *state;
    char name[STO_NAME_MAX + 1], normal[STO_NAME_MAX + 1];
    commit_file(f, STR(""), STR("12345"), STO_NATIVE | STO_APPENDER, name);
    appender_append(f, name, STR("678"));
    assert_content(f, name, STR("12345678"));
    struct sto_edit *e = NULL;
    assert_int_equal(sto_edit_begin(f->s, str_c(name), STO_EDIT_MODIFY, 9, 1, &e), -EINVAL);
    assert_int_equal(sto_edit_begin(f->s, str_c(name), STO_EDIT_MODIFY, 1, 2, &e), 0);
    assert_int_equal(sto_edit_write(e, "xyz", 3), -EINVAL);
    assert_int_equal(sto_edit_write(e, "xy", 2), 0);
    assert_int_equal(sto_edit_commit(&e), 0);
    assert_content(f, name, STR("1xy45678"));
    assert_int_equal(sto_edit_begin(f->s, str_c(name), STO_EDIT_APPEND, 0, 4, &e), 0);
    assert_int_equal(sto_edit_write(e, "zz", 2), 0);
    sto_edit_free(&e); /* a client that went away */
    assert_content(f, name, STR("1xy45678"));
    assert_int_equal(sto_truncate(f->s, str_c(name), 3), 0);
    assert_content(f, name, STR("1xy"));
    assert_int_equal(sto_regenerate(f->s, str_c(name), normal), 0);
    assert_content(f, normal, STR("1xy"));
    struct sto_view v;
    assert_int_equal(sto_open_read(f->s, str_c(name), &v), -ENOENT);
    assert_int_equal(sto_truncate(f->s, str_c(normal), 1), -EINVAL);
}

static int replace_text(struct str old, void *arg, struct buf *out)
{
    (void)old;
    buf_adds(out, *(struct str *)arg);
    return 0;
}

/* A member that lost its marks takes the pack anew, with the file's deletion in it, before it comes to
 * the records of the metadata and of the deletion. */
static void a_replica_keeps_no_metadata_of_a_file_that_has_gone(void **state)
{
    struct fixture *f = *state;
    char name[STO_NAME_MAX + 1], path[4300];
    put(f, STR(""), STR("x"), name);
    struct str names[] = {str_c(name)};
    int results[1];
    assert_int_equal(sto_delete_batch(f->s, names, 1, results), 0);
    struct dfs_logical at;
    char local[DFS_LOCAL_PATH_MAX];
    assert_int_equal(dfs_logical_parse(str_c(name), &at), 0);
    dfs_logical_path(&at, "-m", local);
    (void)snprintf(path, sizeof(path), "%s/%s", f->dir, local);
    assert_int_equal(sto_replica_meta(f->s, str_c(name), STR("text"), 1700000000000), 0);
    assert_int_equal(access(path, F_OK), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sto_replica_delete(f->s, str_c(name), 0, false, false), -ENOENT);
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void metadata_is_set_changed_removed_and_goes_with_its_file(void **state)
{
    struct fixture *f = *state;
    char name[STO_NAME_MAX + 1];
    put(f, STR(""), STR("x"), name);
    AUTO(buf_free) struct buf got = BUF(1024);
    assert_int_equal(sto_meta_get(f->s, str_c(name), &got), -ENOENT);
    struct str text = STR("width\0021024");
    assert_int_equal(sto_meta_change(f->s, str_c(name), replace_text, &text), 0);
    assert_int_equal(sto_meta_get(f->s, str_c(name), &got), 0);
    assert_true(str_eq(buf_str(&got), text));
    text = STR("");
    assert_int_equal(sto_meta_change(f->s, str_c(name), replace_text, &text), 0);
    assert_int_equal(sto_meta_get(f->s, str_c(name), &got), -ENOENT);
    text = STR("a\002b");
    assert_int_equal(sto_meta_change(f->s, str_c(name), replace_text, &text), 0);
    struct str names[] = {str_c(name)};
    int results[1];
    assert_int_equal(sto_delete_batch(f->s, names, 1, results), 0);
    assert_int_equal(results[0], 0);
    assert_int_equal(sto_meta_get(f->s, str_c(name), &got), -ENOENT);
    assert_int_equal(sto_meta_change(f->s, str_c(name), replace_text, &text), -ENOENT);
}

static void slaves_and_links_have_their_own_names(void **state)
{
    struct fixture *f = *state;
    char master[STO_NAME_MAX + 1], name[STO_NAME_MAX + 1], link[STO_NAME_MAX + 1];
    put(f, STR(""), STR("master"), master);
    for (int again = 0; again < 2; again++) {
        struct sto_file *file = NULL;
        assert_int_equal(sto_file_open(f->s, 0, 5, STO_NATIVE, &file), 0);
        assert_int_equal(write(sto_file_fd(file), "slave", 5), 5);
        struct sto_commit c = {.size = 5,
                               .ext = "jpg",
                               .desc = STR(""),
                               .master = str_c(master),
                               .prefix = STR("_150")};
        assert_int_equal(sto_file_commit(&file, &c, name), again ? -EEXIST : 0);
    }
    assert_content(f, name, STR("slave"));
    struct sto_link l = {.target = str_c(name), .ext = "jpg"};
    assert_int_equal(sto_make_link(f->s, &l, link), 0);
    struct sto_view v;
    assert_int_equal(sto_open_read(f->s, str_c(link), &v), 0);
    assert_int_equal(v.size, 5);
    close(v.fd);
    struct str names[] = {str_c(link)};
    int results[1];
    assert_int_equal(sto_delete_batch(f->s, names, 1, results), 0);
    assert_int_equal(results[0], 0);
    assert_content(f, name, STR("slave"));
    l.target = str_c(master);
    assert_int_equal(sto_make_link(f->s, &l, link), 0);
    assert_content(f, link, STR("master"));
}

static void only_a_gateway_may_change_what_a_gateway_stored(void **state)
{
    struct fixture *f = *state;
    enum { PACKED, PLAIN, NATIVE_PACKED, NATIVE_PLAIN, APPENDER, LINK, COPY, N };
    static const int may[N] = {-EPERM, -EPERM};
    char names[N][STO_NAME_MAX + 1];
    put(f, STR("a"), STR("1"), names[PACKED]);
    commit_file(f, STR("b"), STR("22"), 0, names[PLAIN]);
    struct sto_put p = {
        .kind = DFS_PUT_OBJECT, .flags = STO_NATIVE, .desc = STR(""), .data = STR("3")};
    assert_int_equal(sto_put_batch(f->s, -1, &p, 1), 0);
    memcpy(names[NATIVE_PACKED], p.name, sizeof(p.name));
    commit_file(f, STR(""), STR("44"), STO_NATIVE, names[NATIVE_PLAIN]);
    commit_file(f, STR(""), STR("55"), STO_NATIVE | STO_APPENDER, names[APPENDER]);
    struct sto_link l = {.target = str_c(names[PLAIN])};
    assert_int_equal(sto_make_link(f->s, &l, names[LINK]), 0);
    l.target = str_c(names[PACKED]);
    assert_int_equal(sto_make_link(f->s, &l, names[COPY]), 0);
    for (int again = 0; again < 2; again++) {
        for (unsigned i = 0; i < N; i++)
            assert_int_equal(sto_client_may_change(f->s, str_c(names[i])), may[i]);
        reopen(f);
    }
    struct str all[N];
    int results[N];
    for (unsigned i = 0; i < N; i++)
        all[i] = str_c(names[i]);
    assert_int_equal(sto_delete_batch(f->s, all + LINK, 2, results), 0);
    assert_content(f, names[PLAIN], STR("22"));
    assert_content(f, names[PACKED], STR("1"));
    assert_int_equal(sto_delete_batch(f->s, all, LINK, results),
                     0); /* a gateway's own, and replication's */
    for (unsigned i = 0; i < N; i++) {
        assert_true(i >= LINK || results[i] == 0);
        assert_int_equal(sto_client_may_change(f->s, all[i]), -ENOENT);
    }
    assert_int_equal(sto_client_may_change(f->s, STR("M00/00/00/..")), -EINVAL);
}

static void a_replica_is_whose_its_record_says(void **state)
{
    struct fixture *f = *state;
    char name[STO_NAME_MAX + 1], link[STO_NAME_MAX + 1];
    commit_file(f, STR(""), STR("22"), STO_NATIVE, name);
    struct sto_link l = {.target = str_c(name)};
    assert_int_equal(sto_make_link(f->s, &l, link), 0);
    assert_int_equal(sto_replica_owner(f->s, str_c(link), 0), 0);
    assert_int_equal(sto_client_may_change(f->s, str_c(name)), 0);
    assert_int_equal(sto_replica_owner(f->s, str_c(name), 0), 0);
    assert_int_equal(sto_client_may_change(f->s, str_c(name)), -EPERM);
    assert_int_equal(sto_replica_owner(f->s, str_c(name), 0), 0);
    assert_int_equal(sto_replica_owner(f->s, str_c(name), STO_NATIVE), 0);
    assert_int_equal(sto_client_may_change(f->s, str_c(name)), 0);
    for (unsigned i = 0; i < 2; i++) { /* as a puller makes them */
        struct sto_file *file = NULL;
        uint8_t flags = i ? STO_NATIVE : 0;
        assert_int_equal(sto_file_open(f->s, 0, 2, flags, &file), 0);
        assert_int_equal(write(sto_file_fd(file), "22", 2), 2);
        assert_int_equal(sto_replica_file(f->s, &file, str_c(name), 2, 1700000000), 0);
        assert_int_equal(sto_client_may_change(f->s, str_c(name)), flags ? 0 : -EPERM);
    }
}

/* An object may hold anything, so also what looks like a file in a pack. */
static void content_that_imitates_a_packed_file_is_none(void **state)
{
    struct fixture *f = *state;
    char outer[STO_NAME_MAX + 1], inner[STO_NAME_MAX + 1];
    struct sto_put p = {
        .kind = DFS_PUT_OBJECT, .flags = STO_NATIVE, .desc = STR(""), .data = STR("prey")};
    assert_int_equal(sto_put_batch(f->s, -1, &p, 1), 0);
    struct sto_view v;
    assert_int_equal(sto_open_read(f->s, str_c(p.name), &v), 0);
    enum { HEADS = STO_REC_HEAD + DFS_TRUNK_HEADER, AWAY = 4 * STO_REC_ALIGN };
    char bytes[AWAY + HEADS + 4] = "";
    assert_int_equal(
        pread(v.fd, bytes + AWAY - DFS_TRUNK_HEADER, HEADS + 4, (off_t)v.offset - HEADS),
        HEADS + 4);
    close(v.fd);
    put(f, STR(""), str_of(bytes, sizeof(bytes)), outer);
    struct dfs_fileid id;
    assert_int_equal(dfs_filename_parse(str_c(p.name), &id), 0);
    struct dfs_fileid_parts parts = {
        .high = id.at.high,
        .low = id.at.low,
        .kind = DFS_FILE_TRUNK,
        .created_s = id.created_s,
        .size = id.size,
        .crc32 = id.crc32,
        .trunk = id.trunk,
    };
    memcpy(parts.source, id.source, sizeof(parts.source));
    memcpy(parts.tail, id.tail.p, DFS_TAIL7);
    assert_int_equal(sto_open_read(f->s, str_c(outer), &v), 0);
    close(v.fd);
    parts.trunk.offset = (uint32_t)v.offset + AWAY - DFS_TRUNK_HEADER + STO_REC_HEAD;
    inner[dfs_filename_build(&parts, inner)] = '\0';
    assert_int_equal(sto_open_read(f->s, str_c(inner), &v), 0);
    close(v.fd);
    assert_int_equal(sto_client_may_change(f->s, str_c(p.name)), 0);
    assert_int_equal(sto_client_may_change(f->s, str_c(inner)), -ENOENT);
}

static void names_that_can_not_be_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "",
        "M00",
        "M00/00/00/..",
        "M01/00/00/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt",
        "M00/0/0/x",
        "../../etc/passwd",
        "M00/00/00/a/b",
    };
    struct sto_view v;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(sto_open_read(f->s, str_c(bad[i]), &v), -EINVAL);
    char name[STO_NAME_MAX + 1];
    put(f, STR(""), STR("x"), name);
    char pack[32];
    (void)snprintf(pack, sizeof(pack), "%.10s000001", name);
    assert_int_equal(sto_open_read(f->s, str_c(pack), &v), -ENOENT);
    struct str names[] = {str_c(pack)};
    int results[1];
    assert_int_equal(sto_delete_batch(f->s, names, 1, results), 0);
    assert_int_equal(results[0], -ENOENT);
    assert_content(f, name, STR("x"));
}

static void large_objects_go_over_pack_ends(void **state)
{
    struct fixture *f = *state;
    enum { N = 12 };
    size_t n = DFS_PACK_MAX;
    char *data = malloc(n);
    char names[N][STO_NAME_MAX + 1];
    for (unsigned i = 0; i < N; i++) { /* three times a pack's size */
        memset(data, 'a' + (int)i, n);
        put(f, STR("d"), str_of(data, n), names[i]);
    }
    reopen(f);
    for (unsigned i = 0; i < N; i++) {
        memset(data, 'a' + (int)i, n);
        assert_content(f, names[i], str_of(data, n));
    }
    free(data);
    char *desc = malloc(DFS_DESC_MAX); /* larger than a pack */
    memset(desc, 'd', DFS_DESC_MAX);
    struct sto_put note = {.kind = DFS_PUT_NOTE, .desc = str_of(desc, DFS_DESC_MAX)};
    assert_int_equal(sto_put_batch(f->s, 0, &note, 1), 0);
    assert_int_equal(note.result, 0);
    reopen(f);
    struct seen seen = {0};
    struct sto_scan r = {0};
    assert_int_equal(sto_scan(f->s, 0, 0, STO_SCAN_NO_DESC, 100, note_entry, &seen, &r), 0);
    assert_int_equal(seen.count, N + 1);
    free(desc);
}

static int64_t wall_s;

static int64_t wall_ms(void)
{
    return wall_s * 1000;
}

static uint64_t mono_us(void)
{
    return 1000;
}

static int in_order(const struct sto_entry *e, void *arg)
{
    uint64_t *next = arg, number;
    assert_int_equal(str_u64(e->desc, UINT32_MAX, &number), 0);
    assert_int_equal(number, *next);
    (*next)++;
    return 0;
}

/* Names carry the time, the order of the log does not come from it. */
static unsigned path_of(const char *name)
{
    struct dfs_logical at;
    assert_int_equal(dfs_logical_parse(str_c(name), &at), 0);
    return at.path_index;
}

/* Another store than the fixture's, in folders below it; the last path is read-only. */
static struct sto_store *with_three_paths(struct fixture *f)
{
    char dirs[3][256];
    struct sto_path_options paths[3];
    struct sto_store *s;
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(dirs[i], sizeof(dirs[i]), "%s/p%u", f->dir, i);
        assert_int_equal(mkdir(dirs[i], 0700), 0);
        paths[i] = (struct sto_path_options){.dir = dirs[i], .read_only = i == 2};
    }
    struct sto_store_options o = {.group = "group1",
                                  .storage_id = "100001",
                                  .paths = paths,
                                  .path_count = 3,
                                  .use_trunk = true,
                                  .segment_size = 1024 * 1024};
    assert_int_equal(sto_store_open(&o, &s, NULL), 0);
    return s;
}

static uint32_t incoming_at(struct sto_store *s, unsigned path, bool closed)
{
    uint32_t n;
    assert_int_equal(sto_store_closed(s, path, &n), closed);
    return n;
}

static void a_drained_path_takes_only_what_belongs_there(void **state)
{
    struct fixture f = *(struct fixture *)*state;
    struct sto_file *early = NULL, *replica = NULL, *none = NULL;
    struct sto_put p = {.kind = DFS_PUT_OBJECT, .ext = "txt", .data = STR("x")};
    struct sto_put note = {.kind = DFS_PUT_NOTE, .desc = STR("gone")};
    unsigned at;
    char name[STO_NAME_MAX + 1];
    f.s = with_three_paths(&f);
    assert_int_equal(incoming_at(f.s, 2, true), 0);
    do { /* begun before it is closed: counted until it ends */
        sto_file_free(&early);
        assert_int_equal(sto_file_open(f.s, -1, 10, 0, &early), 0);
    } while (sto_file_path(early) != 1);
    assert_int_equal(incoming_at(f.s, 1, false), 1);
    sto_store_drain(f.s, 1, true);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(sto_put_batch(f.s, -1, &p, 1), 0);
        assert_int_equal(p.result, 0);
        assert_int_equal(path_of(p.name), 0);
        assert_int_equal(sto_store_choose(f.s, i % 3, 10, &at), 0);
        assert_int_equal(at, 0);
        commit_file(&f, STR("d"), STR("whole"), 0, name);
        assert_int_equal(path_of(name), 0);
    }
    assert_int_equal(incoming_at(f.s, 1, true), 1);
    assert_int_equal(write(sto_file_fd(early), "0123456789", 10), 10);
    struct sto_commit c = {.size = 10, .crc32 = sto_crc32(0, "0123456789", 10), .ext = "bin"};
    assert_int_equal(sto_file_commit(&early, &c, name), 0);
    assert_int_equal(path_of(name), 1);
    /* a replica, a slave: their names say where they lie, on a read-only path too */
    for (int path = 1; path < 3; path++) {
        assert_int_equal(sto_file_open(f.s, path, 10, STO_NATIVE, &replica), 0);
        assert_int_equal(sto_file_path(replica), path);
        sto_file_free(&replica);
    }
    /* when all are closed nothing is taken */
    sto_store_drain(f.s, 0, true);
    assert_int_equal(sto_store_choose(f.s, -1, 10, &at), -EROFS);
    assert_int_equal(sto_file_open(f.s, -1, 10, 0, &none), -EROFS);
    assert_int_equal(sto_put_batch(f.s, -1, &p, 1), 0);
    assert_int_equal(p.result, -EROFS);
    assert_int_equal(sto_put_batch(f.s, -1, &note, 1), 0);
    assert_int_equal(note.result, -EROFS);
    sto_store_drain(f.s, 1, false);
    assert_int_equal(sto_put_batch(f.s, -1, &p, 1), 0);
    assert_int_equal(path_of(p.name), 1);
    assert_int_equal(
        incoming_at(f.s, 0, true) + incoming_at(f.s, 1, false) + incoming_at(f.s, 2, true), 0);
    sto_store_close(&f.s);
}

static void a_clock_that_jumps_changes_no_order_and_makes_no_name_twice(void **state)
{
    struct fixture *f = *state;
    enum { HOUR = 3600, EACH = 20, JUMPS = 6, ALL = EACH * JUMPS };
    static const int64_t jumps[JUMPS] = {0, -HOUR, 0, HOUR, -HOUR, 0};
    static const struct dfs_clock_hook hook = {wall_ms, mono_us};
    static char names[ALL][STO_NAME_MAX + 1];
    dfs_clock_hook = &hook;
    for (unsigned i = 0; i < ALL; i++) {
        wall_s = 1700000000 + jumps[i / EACH];
        if (i % EACH == EACH / 2)
            reopen(f);
        char desc[16];
        (void)snprintf(desc, sizeof(desc), "%u", i);
        if (i % 3 == 0)
            commit_file(f, str_c(desc), str_c(desc), 0, names[i]);
        else
            put(f, str_c(desc), str_c(desc), names[i]);
    }
    dfs_clock_hook = NULL;
    reopen(f);
    for (unsigned i = 0; i < ALL; i++) {
        char desc[16];
        (void)snprintf(desc, sizeof(desc), "%u", i);
        assert_content(f, names[i], str_c(desc));
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(names[i], names[j]);
    }
    uint64_t next = 0;
    struct sto_scan r = {0};
    while (!r.at_end)
        assert_int_equal(sto_scan(f->s, 0, r.next, 0, 50, in_order, &next, &r), 0);
    assert_int_equal(next, ALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_small_object_reads_back_also_after_a_restart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(scan_tells_what_lives_in_order_and_forgets_the_deleted,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_of_the_wrong_size_gets_no_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_process_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(an_appender_is_edited_cut_and_made_normal, setup, teardown),
        cmocka_unit_test_setup_teardown(metadata_is_set_changed_removed_and_goes_with_its_file,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_replica_keeps_no_metadata_of_a_file_that_has_gone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(slaves_and_links_have_their_own_names, setup, teardown),
        cmocka_unit_test_setup_teardown(only_a_gateway_may_change_what_a_gateway_stored, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_replica_is_whose_its_record_says, setup, teardown),
        cmocka_unit_test_setup_teardown(content_that_imitates_a_packed_file_is_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(names_that_can_not_be_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_jumps_changes_no_order_and_makes_no_name_twice,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_drained_path_takes_only_what_belongs_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(large_objects_go_over_pack_ends, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
