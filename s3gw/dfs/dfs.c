/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/dfs.h"

#include <openssl/rand.h>
#include <stdatomic.h>
#include <time.h>

#include "dfscore/base/clock.h"
#include "s3gw/dfs/store.h"

enum {
    COMMIT_THREADS = 6, /* syncs of large files under way at once */
    JOBS_MAX = 1 << 20, /* one per open upload; connections are limited long before */
    SPACE_PATHS_MAX = 256,
};

int s3_dfs_new(const struct s3_dfs_options *o, struct s3_dfs **ret)
{
    if (o->nstores == 0 || o->nstores > S3_DFS_STORES_MAX || o->upload_buffers == 0)
        return -EINVAL;
    AUTO(s3_dfs_free) struct s3_dfs *d = dfs_zalloc(sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->magic = S3_DFS_MAGIC;
    pthread_mutex_init(&d->pieces_lock, NULL);
    d->pieces_max = o->upload_buffers;
    if (RAND_bytes((unsigned char *)&d->session, sizeof(d->session)) != 1)
        return -EIO;
    int r = s3_pool_new("dfs-hash", o->hash_threads ? o->hash_threads : 2, JOBS_MAX, &d->hash);
    if (r == 0)
        r = s3_pool_new("dfs-commit", COMMIT_THREADS, JOBS_MAX, &d->commit);
    if (r == 0)
        r = s3_read_cache_new(o->open_files, &d->reads);
    for (size_t i = 0; r == 0 && i < o->nstores; i++) {
        r = s3_store_init(&d->stores[i], d, &o->stores[i]);
        d->nstores++;
    }
    if (r < 0)
        return r;
    *ret = TAKE(d);
    return 0;
}

void s3_dfs_free(struct s3_dfs **dp)
{
    struct s3_dfs *d = TAKE(*dp);
    if (!d)
        return;
    CHECK_OBJ(d, S3_DFS_MAGIC);
    s3_pool_free(&d->hash);
    s3_pool_free(&d->commit);
    for (size_t i = 0; i < d->nstores; i++)
        s3_store_fini(&d->stores[i]);
    s3_read_cache_free(&d->reads);
    ASSERT(d->pieces_out == 0);
    while (d->pieces) {
        struct s3_piece *p = d->pieces;
        d->pieces = p->next;
        free(p);
    }
    pthread_mutex_destroy(&d->pieces_lock);
    d->magic = 0;
    free(d);
}

bool s3_dfs_has_group(const struct s3_dfs *d, struct str group)
{
    return s3_store_of_group((struct s3_dfs *)(uintptr_t)d, group) != NULL;
}

struct str s3_dfs_group(const struct s3_dfs *d, size_t store)
{
    return store < d->nstores ? str_c(d->stores[store].group) : STR_NULL;
}

bool s3_dfs_reachable(const struct s3_dfs *d)
{
    for (size_t i = 0; i < d->nstores; i++)
        if (atomic_load(&d->stores[i].down_since_ms) != 0)
            return false;
    return true;
}

int s3_dfs_ready(struct s3_dfs *d, unsigned timeout_ms)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    uint64_t end = dfs_mono_ms() + timeout_ms;
    for (size_t i = 0; i < d->nstores; i++) {
        for (;;) {
            int r = s3_store_ask(&d->stores[i], DFS_INT_STAT, STR_NULL, true, NULL, NULL);
            if (r == 0)
                break;
            if (dfs_mono_ms() >= end)
                return r;
            nanosleep(&(struct timespec){.tv_nsec = 50 * 1000000L}, NULL);
        }
    }
    return 0;
}

/* One DELETE_BATCH; how many of its first files are gone goes to *done. */
static int delete_some(struct s3_store *s, const struct str *ids, size_t n, size_t *done)
{
    AUTO(buf_free) struct buf ask = BUF(DFS_BATCH_ITEMS_MAX * (DFS_FILE_ID_MAX + 2) + 4);
    AUTO(buf_free) struct buf got = BUF(DFS_BATCH_ITEMS_MAX + 4);
    *done = 0;
    buf_u32(&ask, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_u16(&ask, (uint16_t)ids[i].n);
        buf_adds(&ask, ids[i]);
    }
    int r = buf_err(&ask);
    if (r == 0)
        r = s3_store_ask(s, DFS_INT_DELETE_BATCH, buf_str(&ask), true, &got, NULL);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&got));
    if (rd_u32(&in) != n)
        return -EPROTO;
    for (size_t i = 0; i < n; i++) {
        int result = -(int)rd_u8(&in);
        if (in.bad)
            return -EPROTO;
        if (result < 0 && result != -ENOENT)
            return result;
        ++*done;
    }
    return 0;
}

int s3_dfs_delete(struct s3_dfs *d, const struct str *file_ids, size_t n, size_t *ret_done)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    int r = 0;
    *ret_done = 0;
    while (r == 0 && *ret_done < n) {
        struct s3_store *s = s3_store_of_file(d, file_ids[*ret_done]);
        if (!s)
            return -EHOSTUNREACH;
        size_t run = 0, done;
        while (*ret_done + run < n && run < DFS_BATCH_ITEMS_MAX &&
               s3_store_of_file(d, file_ids[*ret_done + run]) == s)
            run++;
        r = delete_some(s, file_ids + *ret_done, run, &done);
        for (size_t i = 0; i < done; i++)
            s3_read_cache_drop(d->reads, file_ids[*ret_done + i]);
        *ret_done += done;
    }
    return r;
}

int s3_dfs_scan(struct s3_dfs *d, struct s3_scan_cursor *at, size_t max, bool descriptions,
                struct buf *frame, struct arena *a, struct s3_scan_entry **ret, size_t *ret_n,
                bool *end)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    if (at->store >= d->nstores)
        return -ENOENT;
    AUTO(buf_free) struct buf ask = BUF(32);
    buf_u8(&ask, (uint8_t)at->path);
    buf_u64(&ask, at->position);
    buf_u32(&ask, (uint32_t)max);
    buf_u8(&ask, descriptions ? 0 : 1);
    buf_reset(frame);
    int r = buf_err(&ask);
    if (r == 0)
        r = s3_store_ask(&d->stores[at->store], DFS_INT_SCAN, buf_str(&ask), true, frame, NULL);
    if (r < 0)
        return r == -EINVAL ? -ENOENT : r;
    struct rd in = rd_of(buf_str(frame));
    uint64_t next = rd_u64(&in);
    *end = rd_u8(&in) != 0;
    size_t n = rd_u32(&in);
    if (in.bad || n > in.n)
        return -EPROTO;
    struct s3_scan_entry *e = arena_alloc(a, (n + 1) * sizeof(*e));
    if (!e)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        e[i].kind = rd_u8(&in);
        e[i].position = rd_u64(&in);
        e[i].time_s = rd_u32(&in);
        e[i].file_id = rd_bytes(&in, rd_u16(&in));
        e[i].description = rd_bytes(&in, rd_u32(&in));
    }
    if (in.bad)
        return -EPROTO;
    at->position = next;
    *ret = e;
    *ret_n = n;
    return 0;
}

struct path_stat {
    uint64_t total, free, log_end;
};

static int stat_paths(struct s3_store *s, struct path_stat *paths, unsigned *n)
{
    AUTO(buf_free) struct buf got = BUF(16 * 1024);
    int r = s3_store_ask(s, DFS_INT_STAT, STR_NULL, true, &got, NULL);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&got));
    *n = rd_u8(&in);
    for (unsigned i = 0; i < *n; i++) {
        paths[i].total = rd_u64(&in);
        paths[i].free = rd_u64(&in);
        paths[i].log_end = rd_u64(&in);
    }
    return in.bad ? -EPROTO : 0;
}

int s3_dfs_log_end(struct s3_dfs *d, size_t store, unsigned path, uint64_t *ret)
{
    struct path_stat paths[SPACE_PATHS_MAX];
    unsigned n;
    if (store >= d->nstores)
        return -ENOENT;
    int r = stat_paths(&d->stores[store], paths, &n);
    if (r == 0 && path >= n)
        r = -ENOENT;
    if (r == 0)
        *ret = paths[path].log_end;
    return r;
}

int s3_dfs_space(struct s3_dfs *d, struct str group, struct s3_dfs_space *ret)
{
    struct path_stat paths[SPACE_PATHS_MAX];
    unsigned n;
    struct s3_store *s = s3_store_of_group(d, group);
    if (!s)
        return -ENOENT;
    int r = stat_paths(s, paths, &n);
    if (r < 0)
        return r;
    *ret = (struct s3_dfs_space){0};
    for (unsigned i = 0; i < n; i++) {
        ret->total += paths[i].total;
        ret->free += paths[i].free;
    }
    return 0;
}
