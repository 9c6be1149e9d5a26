/* SPDX-License-Identifier: Apache-2.0 */
/* What belongs to a name: slaves, links, metadata, and whose the file is. */
#include "storage/trunk/store.h"

#include <stdio.h>

#include "dfscore/base/buf.h"
#include "dfscore/fileid/fileid.h"
#include "storage/binlog/record.h"
#include "storage/trunk/replica.h"
#include "tests/lib/trunk_fixture.h"

static int replace_text(struct str old, void *arg, struct buf *out)
{
    (void)old;
    buf_adds(out, *(struct str *)arg);
    return 0;
}

static void metadata_is_set_changed_removed_and_goes_with_its_file(void **state)
{
    struct fixture *f = *state;
    char name[STO_NAME_MAX + 1];
    put(f, STR(""), STR("x"), name);
    AUTO(buf_free) struct buf got = BUF(1024);
    assert_int_equal(sto_meta_get(f->s, str_c(name), &got), -ENOENT);
    struct str text = STR("width\0021024");
    assert_int_equal(sto_meta_change(f->s, str_c(name), replace_text, &text, NULL), 0);
    assert_int_equal(sto_meta_get(f->s, str_c(name), &got), 0);
    assert_true(str_eq(buf_str(&got), text));
    text = STR("");
    assert_int_equal(sto_meta_change(f->s, str_c(name), replace_text, &text, NULL), 0);
    assert_int_equal(sto_meta_get(f->s, str_c(name), &got), -ENOENT);
    text = STR("a\002b");
    assert_int_equal(sto_meta_change(f->s, str_c(name), replace_text, &text, NULL), 0);
    struct str names[] = {str_c(name)};
    int results[1];
    assert_int_equal(sto_delete_batch(f->s, names, 1, results), 0);
    assert_int_equal(results[0], 0);
    assert_int_equal(sto_meta_get(f->s, str_c(name), &got), -ENOENT);
    assert_int_equal(sto_meta_change(f->s, str_c(name), replace_text, &text, NULL), -ENOENT);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(metadata_is_set_changed_removed_and_goes_with_its_file),
        T(a_replica_keeps_no_metadata_of_a_file_that_has_gone),
        T(slaves_and_links_have_their_own_names),
        T(names_that_can_not_be_are_refused),
        T(only_a_gateway_may_change_what_a_gateway_stored),
        T(a_replica_is_whose_its_record_says),
        T(content_that_imitates_a_packed_file_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
