/* SPDX-License-Identifier: Apache-2.0 */
/* trunk_fixture - a storage's engine in a temporary folder of its own, and files in it. */
#ifndef TEST_TRUNK_FIXTURE_H
#define TEST_TRUNK_FIXTURE_H

#include <unistd.h>

#include "tests/lib/sto_open.h"

struct fixture {
    char *dir;
    struct sto_store *s;
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->dir = test_tmpdir();
    f->s = test_sto_open(f->dir, "100001", true);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    sto_store_close(&f->s);
    test_tmpdir_free(&f->dir);
    free(f);
    return 0;
}

static inline void reopen(struct fixture *f)
{
    sto_store_close(&f->s);
    f->s = test_sto_open(f->dir, "100001", true);
}

static inline void put(struct fixture *f, struct str desc, struct str data, char *name)
{
    struct sto_put p = {.kind = DFS_PUT_OBJECT, .ext = "txt", .desc = desc, .data = data};
    assert_int_equal(sto_put_batch(f->s, -1, &p, 1), 0);
    assert_int_equal(p.result, 0);
    memcpy(name, p.name, sizeof(p.name));
}

static inline void assert_content(struct fixture *f, const char *name, struct str want)
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

static inline void commit_file(struct fixture *f, struct str desc, struct str data, uint8_t flags,
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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
