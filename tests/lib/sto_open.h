/* SPDX-License-Identifier: Apache-2.0 */
/* sto_open - the engine of a storage with one path and packs of 1 MiB, for tests of what goes between members. */
#ifndef TEST_STO_OPEN_H
#define TEST_STO_OPEN_H

#include "storage/disk/io.h"
#include "storage/trunk/store.h"
#include "tests/lib/test.h"

/* @io: NULL is the system's. */
static inline struct sto_store *test_sto_open_on(const struct sto_io *io, const char *dir,
                                                 const char *id, bool use_trunk)
{
    struct sto_store *s = NULL;
    const struct sto_path_options path = {.dir = dir};
    const struct sto_store_options o = {.group = "group1",
                                        .storage_id = id,
                                        .paths = &path,
                                        .path_count = 1,
                                        .reserve_bytes = 1,
                                        .segment_size = 1024 * 1024,
                                        .use_trunk = use_trunk,
                                        .io = io};
    assert_int_equal(sto_store_open(&o, &s, NULL), 0);
    return s;
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
