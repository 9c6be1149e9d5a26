/* SPDX-License-Identifier: Apache-2.0 */
/* moved_fixture - files that move elsewhere, and what is to be seen of them. */
#ifndef TEST_MOVED_FIXTURE_H
#define TEST_MOVED_FIXTURE_H

#include <stdio.h>

#include "dfscore/fileid/fileid.h"
#include "storage/binlog/record.h"
#include "storage/trunk/moved.h"
#include "tests/lib/sto_open.h"

/* As a storage of @group would name it at @created_s on M00. */
static inline void id_of(const char *group, int64_t created_s, char out[DFS_FILE_ID_MAX + 1])
{
    const struct dfs_fileid_parts parts = {
        .kind = DFS_FILE_NORMAL, .created_s = created_s, .size = 13, .tail = "abc.bin"};
    char name[DFS_FILENAME_TRUNK];
    size_t n = dfs_filename_build(&parts, name);
    (void)snprintf(out, DFS_FILE_ID_MAX + 1, "%s/%.*s", group, (int)n, name);
}

/* To a pack of @path. name: STO_NAME_MAX + 1. */
static inline void put_packed(struct sto_store *s, int path, struct str data, char *name)
{
    struct sto_put p = {
        .kind = DFS_PUT_OBJECT, .flags = STO_NATIVE, .ext = "txt", .desc = STR(""), .data = data};
    assert_int_equal(sto_put_batch(s, path, &p, 1), 0);
    assert_int_equal(p.result, 0);
    memcpy(name, p.name, sizeof(p.name));
}

/* A file of its own on @path; @master as in test_sto_commit(). */
static inline void put_plain(struct sto_store *s, int path, struct str data, const char *master,
                             uint8_t flags, char *name)
{
    struct sto_file *file = NULL;
    const struct sto_commit c = test_sto_commit(data.p, data.n, master, flags);
    assert_int_equal(sto_file_open(s, path, data.n, STO_NATIVE, &file), 0);
    assert_int_equal(sto_file_write(file, data.p, data.n, 0), 0);
    assert_int_equal(sto_file_commit(&file, &c, name), 0);
}

static inline int move(struct sto_store *s, const char *name, const char *id)
{
    int r;
    do { /* left for later, as the clock may have it */
        struct sto_move mv;
        r = sto_move_begin(s, str_c(name), &mv);
        if (r == 0)
            r = sto_move_commit(s, &mv, str_c(id));
        sto_move_end(s, &mv);
    } while (r == -EAGAIN);
    return r;
}

static inline void assert_moved(struct sto_store *s, const char *name, const char *id)
{
    struct sto_view v;
    struct sto_info i;
    struct sto_moved to;
    AUTO(buf_free) struct buf meta = BUF(1024);
    assert_int_equal(sto_open_read(s, str_c(name), &v), -EREMOTE);
    assert_int_equal(sto_info(s, str_c(name), true, &i), -EREMOTE);
    assert_int_equal(sto_meta_get(s, str_c(name), &meta), -EREMOTE);
    assert_int_equal(sto_client_may_change(s, str_c(name)), 0);
    assert_int_equal(sto_moved_to(s, str_c(name), &to), 0);
    assert_string_equal(to.id, id);
    assert_false(to.by_link);
    int result = 0;
    struct str n = str_c(name);
    assert_int_equal(sto_delete_batch(s, &n, 1, &result), 0);
    assert_int_equal(result, -EREMOTE);
}

static inline void assert_gone(struct sto_store *s, const char *name)
{
    struct sto_view v;
    struct sto_moved to;
    assert_int_equal(sto_open_read(s, str_c(name), &v), -ENOENT);
    assert_int_equal(sto_moved_to(s, str_c(name), &to), -ENOENT);
}

static inline int add_op(const struct sto_entry *e, void *arg)
{
    char *text = arg;
    size_t n = strlen(text);
    ASSERT(n < 63);
    text[n] = e->op ? e->op : '-';
    text[n + 1] = '\0';
    return 0;
}

/* The log of @path tells these records, by their letters. */
static inline void assert_told(struct sto_store *s, unsigned path, const char *want)
{
    char got[64] = "";
    struct sto_scan at;
    assert_int_equal(sto_scan(s, path, 0, 0, 1000, add_op, got, &at), 0);
    assert_string_equal(got, want);
}

/* A checkpoint, and a sweep of all that is of no more use. */
static inline void sweep_path(struct sto_store *s, unsigned path)
{
    struct sto_log *log = &s->paths[path].log;
    test_sto_alone(s); /* of two sweeps at a time one may find a pack gone */
    assert_int_equal(sto_log_checkpoint(log), 0);
    sto_retain(s, path, UINT64_MAX);
    assert_int_equal(sto_log_sweep(log, 1), 0);
}

#endif
