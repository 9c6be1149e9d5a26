/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crash_world - a store on a disk that fails when it is told to, an image of that disk after a power failure, and a ledger of
 * what was acknowledged.
 */
#ifndef TEST_CRASH_WORLD_H
#define TEST_CRASH_WORLD_H

#include "storage/trunk/store_priv.h"
#include "tests/lib/fake_disk.h"
#include "tests/lib/test.h"

enum { SUBDIRS = 4, OPS = 80, SIZE_MAX_SMALL = 40000 }; /* goes over the end of a 1 MiB pack */

/* What one operation stored, and what became of it. */
struct entry {
    char name[STO_NAME_MAX + 1];
    char desc[24]; /* unique; how the scan finds it */
    uint64_t seed; /* of the content */
    size_t size;
    enum { UNKNOWN, THERE, GONE } state; /* UNKNOWN: not acknowledged, or a delete was not */
    bool seen;
};

struct ledger {
    struct entry e[OPS];
    unsigned count;
};

struct world {
    char *dir, *image;
    struct sto_store *s;
    bool maintaining;
    struct ledger now, crash; /* crash: as it was at the moment of the power failure */
};

static inline int open_store(const char *dir, const struct sto_io *io, struct sto_store **ret)
{
    struct sto_path_options path = {.dir = dir};
    struct sto_store_options o = {
        .group = "group1",
        .storage_id = "100001",
        .paths = &path,
        .path_count = 1,
        .use_trunk = true,
        .subdirs = SUBDIRS,
        .segment_size = 1024 * 1024,
        .io = io,
    };
    int r = sto_store_open(&o, ret, NULL);
    if (r ==
        0) /* the tests do maintenance themselves; now a close is like kill -9, without a checkpoint */
        sto_log_maint_stop(&(*ret)->paths[0].log);
    return r;
}

static inline void restart(struct world *w)
{
    sto_store_close(&w->s);
    if (open_store(w->dir, &fake_disk_io, &w->s) < 0) /* at the one sync that fails in test_crash */
        assert_int_equal(open_store(w->dir, &fake_disk_io, &w->s), 0);
}

static inline void begin_world(struct world *w, uint64_t seed)
{
    *w = (struct world){.dir = test_tmpdir(), .image = test_tmpdir()};
    fake_disk_start(seed);
}

static inline void end_world(struct world *w)
{
    sto_store_close(&w->s);
    fake_disk_stop();
    test_tmpdir_free(&w->dir);
    test_tmpdir_free(&w->image);
}

static inline void nothing_to_keep(void *arg)
{
    (void)arg;
}

#endif
