/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_fixture - a storage's engine behind its trusted socket, and a gateway's dfs in front of it,
 * in one process and one temporary folder: everything between a request and the disk, without HTTP.
 */
#ifndef TEST_STORE_FIXTURE_H
#define TEST_STORE_FIXTURE_H

#include <stdio.h>
#include <sys/stat.h>

#include "s3gw/dfs/dfs.h"
#include "storage/service/internal.h"
#include "storage/trunk/store.h"
#include "tests/lib/test.h"

struct store_fixture {
    char *dir;
    char path[100], socket[100];
    struct sto_store *store;
    struct sto_internal *server;
    struct s3_dfs *dfs;
};

static inline void store_up(struct store_fixture *f)
{
    const struct sto_path_options p = {.dir = f->path};
    const struct sto_store_options o = {.group = "group1",
                                        .storage_id = "127.0.0.1",
                                        .paths = &p,
                                        .path_count = 1,
                                        .subdirs = 4,
                                        .reserve_bytes = 1,
                                        .segment_size = 1 << 20,
                                        .relaxed = true};
    unsigned bad;
    assert_int_equal(sto_store_open(&o, &f->store, &bad), 0);
    const struct sto_internal_options i = {.socket_path = f->socket, .store = f->store};
    assert_int_equal(sto_internal_start(&i, &f->server), 0);
}

static inline void store_down(struct store_fixture *f)
{
    sto_internal_stop(&f->server);
    sto_store_close(&f->store);
}

static inline void fixture_start(struct store_fixture *f)
{
    *f = (struct store_fixture){.dir = test_tmpdir()};
    snprintf(f->path, sizeof(f->path), "%s/p", f->dir);
    snprintf(f->socket, sizeof(f->socket), "%s/s", f->dir);
    assert_int_equal(mkdir(f->path, 0700), 0);
    store_up(f);
    const struct s3_dfs_store s = {.group = STR("group1"), .socket = str_c(f->socket)};
    const struct s3_dfs_options o = {
        .stores = &s, .nstores = 1, .upload_buffers = 16, .open_files = 16};
    assert_int_equal(s3_dfs_new(&o, &f->dfs), 0);
    assert_int_equal(s3_dfs_ready(f->dfs, 5000), 0);
}

static inline void fixture_stop(struct store_fixture *f)
{
    s3_dfs_free(&f->dfs);
    if (f->server)
        store_down(f);
    test_tmpdir_free(&f->dir);
}

#endif
