/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/target.h"

#include <endian.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <stdatomic.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "s3gw/dfs/store.h"

enum {
    COMMIT_BYTES_A_MS = 20 * 1000, /* the slowest disk or network that is waited for */
    WRITEBACK_EVERY =
        2 * 1024 * 1024, /* start writing to disk early: the final sync then has less to do */
};

void s3_target_init(struct s3_target *t)
{
    *t = (struct s3_target){.fd = -1};
}

int s3_target_open(struct s3_target *t, struct s3_store *s, uint64_t size)
{
    ASSERT(!t->store);
    AUTO(buf_free) struct buf ask = BUF(16);
    AUTO(buf_free) struct buf got = BUF(64);
    s3_target_init(t);
    buf_u64(&ask, size);
    int r = buf_err(&ask);
    if (r == 0)
        r = s3_store_ask(s, DFS_INT_FILE_OPEN, buf_str(&ask), true, &got, &t->fd);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&got));
    t->token = rd_u64(&in);
    if (in.bad || (t->fd < 0 && s->local)) {
        dfs_close_fd(&t->fd);
        return -EPROTO;
    }
    t->store = s;
    return 0;
}

static int write_all(int fd, const char *p, size_t n, uint64_t at)
{
    while (n > 0) {
        ssize_t w = pwrite(fd, p, n, (off_t)at);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return w < 0 ? -errno : -EIO;
        p += w;
        n -= (size_t)w;
        at += (uint64_t)w;
    }
    return 0;
}

/* To a storage without a descriptor of its file. Sent again it is written to the same place. */
static int write_frame(struct s3_target *t, struct str bytes)
{
    struct s3_store_conn *c;
    int r = s3_store_lane(t->store, &c);
    if (r < 0)
        return r;
    uint8_t head[8 + 8 + 4];
    const uint64_t token = htobe64(t->token), at = htobe64(t->written);
    const uint32_t crc = htobe32(crc32_gzip_refl(0, (const unsigned char *)bytes.p, bytes.n));
    memcpy(head, &token, 8);
    memcpy(head + 8, &at, 8);
    memcpy(head + 16, &crc, 4);
    struct iovec iov[3] = {{NULL, 0}, {head, sizeof(head)}, {(void *)(uintptr_t)bytes.p, bytes.n}};
    r = s3_store_conn_call(c, DFS_INT_FILE_WRITE, iov, ARRAY_LEN(iov), NULL);
    if (c->stream.fd < 0) {
        s3_store_suspect(t->store, r);
        r = -EHOSTUNREACH;
    }
    s3_store_lane_give(t->store, c);
    return r;
}

int s3_target_write(struct s3_target *t, struct str bytes)
{
    t->crc = crc32_gzip_refl(t->crc, (const unsigned char *)bytes.p, bytes.n);
    if (t->fd < 0) {
        int r = write_frame(t, bytes);
        t->written += r == 0 ? bytes.n : 0;
        return r;
    }
    int r = write_all(t->fd, bytes.p, bytes.n, t->written);
    if (r < 0)
        return r;
    t->written += bytes.n;
    if (t->written - t->flushed >= WRITEBACK_EVERY) {
        /* A hint: its result is the sync's business. */
        (void)sync_file_range(t->fd, (off_t)t->flushed, (off_t)(t->written - t->flushed),
                              SYNC_FILE_RANGE_WRITE);
        t->flushed = t->written;
    }
    return 0;
}

void s3_target_leave(struct s3_target *t)
{
    dfs_close_fd(&t->fd);
    t->store = NULL;
}

void s3_target_drop(struct s3_target *t)
{
    AUTO(buf_free) struct buf ask = BUF(16);
    if (t->store && atomic_load(&t->store->down_since_ms) == 0) {
        buf_u64(&ask, t->token);
        int r = buf_err(&ask);
        if (r == 0)
            r = s3_store_ask(t->store, DFS_INT_FILE_ABORT, buf_str(&ask), false, NULL, NULL);
        if (r < 0) /* it goes with the session at the latest */
            dfs_log(LOG_DEBUG, "dfs.abort_failed", KV_ERR(r));
    }
    s3_target_leave(t);
}

/* The sync, and the copies on other servers, take the time the content needs. */
static int commit_far(struct s3_target *t, struct str ask, struct buf *answer)
{
    struct s3_store_conn *c;
    const unsigned usual = t->store->dfs->o.timeout_ms;
    int r = s3_store_lane(t->store, &c);
    if (r < 0)
        return r;
    s3_store_conn_patience(c, usual + t->written / COMMIT_BYTES_A_MS);
    r = s3_store_conn_ask(c, DFS_INT_FILE_COMMIT, ask, NULL);
    if (c->stream.fd >= 0) {
        s3_store_conn_patience(c, usual);
    } else {
        s3_store_suspect(t->store, r);
        r = -EHOSTUNREACH; /* if it has a name nobody will learn it: as good as not stored */
    }
    if (r == 0)
        buf_adds(answer, buf_str(&c->in));
    s3_store_lane_give(t->store, c);
    return r < 0 ? r : buf_err(answer);
}

int s3_target_commit(struct s3_target *t, const char ext[7], struct str description,
                     struct buf *answer)
{
    AUTO(buf_free) struct buf ask = BUF(DFS_DESC_MAX + 64);
    buf_u64(&ask, t->token);
    buf_u64(&ask, t->written);
    buf_u32(&ask, t->crc);
    buf_add(&ask, ext, 6);
    buf_u32(&ask, (uint32_t)description.n);
    buf_adds(&ask, description);
    int r = buf_err(&ask);
    if (r < 0)
        return r;
    return t->store->local
               ? s3_store_ask(t->store, DFS_INT_FILE_COMMIT, buf_str(&ask), false, answer, NULL)
               : commit_far(t, buf_str(&ask), answer);
}
