/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/version.h"

#include "dfscore/base/clock.h"
#include "dfscore/wire/internal.h"

enum { US = 1000000, NS = 1000, STRIDE = 1000 };

static int64_t rounded(const struct stat *st)
{
    return st->st_mtim.tv_sec * INT64_C(1000000) + st->st_mtim.tv_nsec / NS;
}

int64_t sto_version_of(const struct stat *st)
{
    int64_t version = rounded(st);
    bool told = st->st_mtim.tv_nsec % NS == 0 && version > 0 && version <= STO_REC_VERSION_MAX;
    return told ? version : 0;
}

int64_t sto_version_now(void)
{
    return MIN(MAX(dfs_now_us(), INT64_C(1)), STO_CLOCK_MS_MAX * 1000);
}

/* Behind the clock, two members that edit at once would choose the same one, were it always the next. */
int64_t sto_version_next(const struct sto_io *io, const struct stat *st)
{
    int64_t now = sto_version_now(), there = MIN(rounded(st), STO_REC_VERSION_MAX - STRIDE);
    return now > there ? now : there + 1 + (int64_t)(sto_random(io) % STRIDE);
}

int64_t sto_version_untold(const struct stat *st, int64_t time_s)
{
    return MAX(time_s * US, MIN(rounded(st), STO_REC_VERSION_MAX - 1) + 1);
}

int64_t sto_version_told(const struct dfs_file_info_rsp *m)
{
    bool told = m->crc32 >= DFS_INFO_US && m->crc32 < DFS_INFO_US + US && m->created_s >= 0;
    int64_t version =
        told ? MIN(m->created_s, STO_REC_VERSION_MAX / US) * US + m->crc32 - DFS_INFO_US : 0;
    return MIN(version, STO_REC_VERSION_MAX);
}

int sto_version_set(const struct sto_io *io, int fd, int64_t version)
{
    const struct timespec t = {.tv_sec = version / US, .tv_nsec = version % US * NS};
    const struct timespec both[2] = {t, t};
    return io->futimens(fd, both) == 0 ? 0 : -errno;
}
