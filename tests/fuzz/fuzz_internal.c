/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any frames on the trusted socket: each gets an answer within its ceiling or an error, and the store
 * still works. Input: command u8, body length u16, body, and so on; all on one session.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "storage/disk/io.h"
#include "storage/service/internal_priv.h"

enum { RUNS = 2000 /* then a fresh store: what was put adds up */ };

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static struct sto_store *fresh_store(struct sto_store *old)
{
    sto_store_close(&old);
    static struct sto_io io;
    io = sto_io_os;
    io.fsync = io.fdatasync = no_sync;
    dfs_log_threshold = LOG_ERROR + 1;
    char dir[64];
    (void)snprintf(dir, sizeof(dir), "/dev/shm/fuzzint-%d", (int)getpid());
    (void)nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS); /* there is none at first */
    ASSERT(mkdir(dir, 0700) == 0);
    struct sto_path_options path = {.dir = dir};
    struct sto_store_options o = {.group = "g",
                                  .storage_id = "1",
                                  .paths = &path,
                                  .path_count = 1,
                                  .subdirs = 1,
                                  .segment_size = 1024 * 1024,
                                  .relaxed = true,
                                  .io = &io};
    struct sto_store *s;
    ASSERT(sto_store_open(&o, &s, NULL) == 0);
    return s;
}

static void run_one(struct sto_store *s, struct sto_sessions *sessions,
                    struct sto_session **session, uint8_t cmd, struct str body)
{
    AUTO(buf_free) struct buf out = BUF(STO_INT_ANSWER_MAX);
    struct sto_int_call c = {.store = s,
                             .sessions = sessions,
                             .session = session,
                             .tcp = cmd & 1,
                             .in = rd_of(body),
                             .out = &out,
                             .fd = -1};
    if (body.n > sto_internal_body_max(cmd))
        return;
    int r = sto_internal_call(cmd, &c);
    ASSERT(r <= 0 && out.n <= STO_INT_ANSWER_MAX);
    ASSERT(r < 0 || *session); /* nothing is done for a stranger */
    if (c.fd_owned)
        dfs_close_fd(&c.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sto_store *s;
    static unsigned runs;
    if (runs++ % RUNS == 0)
        s = fresh_store(s);
    struct sto_sessions sessions = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct sto_session *session = NULL;
    struct rd in = rd_of(str_of(data, size));
    for (unsigned i = 0; i < 32 && in.n > 0; i++) {
        uint8_t cmd = rd_u8(&in);
        uint16_t n = rd_u16(&in);
        struct str body = rd_bytes(&in, MIN((size_t)n, in.n));
        run_one(s, &sessions, &session, cmd, body);
    }
    sto_session_leave(&sessions, session);
    ASSERT(!sessions.list);
    return 0;
}
