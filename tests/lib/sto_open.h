/* SPDX-License-Identifier: Apache-2.0 */
/* sto_open - the engine of a storage with packs of 1 MiB, for tests of what goes between members, or store paths. */
#ifndef TEST_STO_OPEN_H
#define TEST_STO_OPEN_H

#include <stdio.h>
#include <sys/stat.h>

#include "storage/disk/io.h"
#include "storage/trunk/store_priv.h"
#include "tests/lib/test.h"

static inline struct sto_store *test_sto_open_all(const struct sto_io *io,
                                                  const struct sto_path_options *paths, unsigned n,
                                                  const char *id, bool use_trunk)
{
    struct sto_store *s = NULL;
    const struct sto_store_options o = {.group = "group1",
                                        .storage_id = id,
                                        .paths = paths,
                                        .path_count = n,
                                        .reserve_bytes = 1,
                                        .segment_size = 1024 * 1024,
                                        .use_trunk = use_trunk,
                                        .io = io};
    assert_int_equal(sto_store_open(&o, &s, NULL), 0);
    return s;
}

/* @io: NULL is the system's. */
static inline struct sto_store *test_sto_open_on(const struct sto_io *io, const char *dir,
                                                 const char *id, bool use_trunk)
{
    const struct sto_path_options path = {.dir = dir};
    return test_sto_open_all(io, &path, 1, id, use_trunk);
}

/* The same with @n paths, the folders p0, p1 and so on of @dir. */
static inline struct sto_store *test_sto_open_paths(const struct sto_io *io, const char *dir,
                                                    unsigned n)
{
    enum { MOST = 4 };
    char dirs[MOST][512];
    struct sto_path_options paths[MOST] = {0};
    ASSERT(n <= MOST);
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(dirs[i], sizeof(dirs[i]), "%s/p%u", dir, i);
        (void)mkdir(dirs[i], 0755);
        paths[i].dir = dirs[i];
    }
    return test_sto_open_all(io, paths, n, "100001", true);
}

/* No thread of its own changes anything any more, and closed without a checkpoint it leaves what kill -9 would leave now. */
static inline void test_sto_alone(struct sto_store *s)
{
    for (unsigned i = 0; i < s->path_count; i++)
        sto_log_maint_stop(&s->paths[i].log);
}

static inline struct sto_store *test_sto_open(const char *dir, const char *id, bool use_trunk)
{
    return test_sto_open_on(NULL, dir, id, use_trunk);
}

/* Of a file of these bytes; @master: as its slave of prefix "_s", or NULL. */
static inline struct sto_commit test_sto_commit(const char *bytes, size_t n, const char *master,
                                                uint8_t flags)
{
    return (struct sto_commit){.size = n,
                               .crc32 = sto_crc32(0, bytes, n),
                               .flags = flags,
                               .ext = "bin",
                               .master = str_c(master),
                               .prefix = master ? STR("_s") : STR_NULL,
                               .desc = STR("")};
}

#endif
