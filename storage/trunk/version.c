/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/version.h"

#include "dfscore/base/clock.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/internal.h"

enum { US = 1000000, NS = 1000, MIXED_NS = 500, WRITERS = 32 };

static int64_t rounded(const struct stat *st)
{
    return st->st_mtim.tv_sec * INT64_C(1000000) + st->st_mtim.tv_nsec / NS;
}

int64_t sto_version_of(const struct stat *st)
{
    int64_t version = rounded(st), rest = st->st_mtim.tv_nsec % NS;
    bool told = (rest == 0 || rest == MIXED_NS) && version > 0 && version <= STO_REC_VERSION_MAX;
    return told ? version : 0;
}

bool sto_version_mixed(const struct stat *st)
{
    return sto_version_of(st) > 0 && st->st_mtim.tv_nsec % NS == MIXED_NS;
}

bool sto_version_of_one(int64_t a, int64_t b)
{
    return a % WRITERS == b % WRITERS;
}

int64_t sto_version_now(void)
{
    return MIN(MAX(dfs_now_us(), INT64_C(1)), STO_CLOCK_MS_MAX * 1000);
}

/* Different ones for up to WRITERS members whose ids, or addresses, are numbered. */
static int64_t number_of(const char *server)
{
    size_t n = strlen(server), digits = 0;
    uint64_t number;
    while (digits < n && server[n - 1 - digits] >= '0' && server[n - 1 - digits] <= '9')
        digits++;
    bool told = str_u64(str_from(str_c(server), n - digits), UINT64_MAX, &number) == 0;
    return (int64_t)((told ? number : dfs_pjw(str_c(server))) % WRITERS);
}

int64_t sto_version_next(const char *server, const struct stat *st)
{
    int64_t there = MIN(rounded(st), STO_REC_VERSION_MAX - 2 * WRITERS), mine = number_of(server);
    int64_t next = MAX(sto_version_now(), there) / WRITERS * WRITERS + mine;
    return next > there ? next : next + WRITERS;
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

int sto_version_set(const struct sto_io *io, int fd, int64_t version, bool mixed)
{
    const struct timespec t = {.tv_sec = version / US,
                               .tv_nsec = version % US * NS + (mixed ? MIXED_NS : 0)};
    const struct timespec both[2] = {t, t};
    return io->futimens(fd, both) == 0 ? 0 : -errno;
}
