/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_rocksdb - the embedded engine. Rows are RocksDB's, a batch is one of its indexed write
 * batches, a commit is one write with one sync of its log.
 *
 * When a write or a background job fails, RocksDB takes no more writes; nothing of the failed batch
 * was reported done. Reads go on. The committer closes and opens the database again as soon as that
 * may help: after an I/O error once the disk takes a synced write again, looked for at once and then
 * every second; after a full disk once there is room.
 * What the log holds then counts, so the outcome of the failed batch is whatever a crash would
 * leave.
 *
 * Threads: readers hold the gate shared while they use db; only a reopening takes it alone, by
 * trying: it never makes a reader wait that already holds it.
 */
#include "s3gw/index/engine.h"

#include <fcntl.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/dirs.h"
#include "dfscore/log/log.h"
#include "s3gw/index/cache.h"
#include "s3gw/index/hot.h"
#include "s3gw/index/rocksdb_options.h"

enum {
    FORMAT_VERSION = 1,
    SPACE_CHECK_MS = 100,
    HEAL_RETRY_MS = 1000,
    GATE_TRIES = 2000, /* of a millisecond: readers are quick, iterators are freed soon */
    SPACE_TO_REOPEN = 48 * 1024 * 1024, /* a new log and the memtables of the old ones */
    BLOCK_CACHE_TIER = 1,               /* rocksdb/options.h, ReadTier: kBlockCacheTier */
};

/* Row "\0f": u32 version of what all other rows look like. */
#define FORMAT_ROW STR("\0f")

struct rocks {
    struct s3_index base;
    struct s3_index_options options;
    char *path; /* owned; options.path is a view of it */

    pthread_rwlock_t gate;
    rocksdb_t *db;                /* NULL while a reopening fails; under gate */
    struct s3_rocksdb_options *o; /* what db was opened with; constant */
    rocksdb_readoptions_t *read_any, *read_cached;
    rocksdb_writeoptions_t *write;

    rocksdb_writebatch_wi_t *batch; /* owner: committer */
    bool failed;                    /* db takes no writes; owner: committer */
    int64_t healed_ms;              /* last attempt, monotonic; owner: committer */
    int64_t space_ms;               /* last look at the space left, monotonic; owner: committer */
    bool low;                       /* below the reserve then; owner: committer */
    _Atomic int health;             /* any thread reads */
};

static struct rocks *rocks_of(struct s3_index *x)
{
    CHECK_OBJ(x, S3_INDEX_MAGIC);
    return (struct rocks *)x;
}

/* --- errors --- */

/* RocksDB's C face gives texts only. The words are those of Status::ToString(). */
static int errno_of(const char *text)
{
    struct str s = str_c(text);
    if (str_starts(s, STR("Result incomplete")))
        return -EAGAIN;
    if (str_starts(s, STR("Corruption")))
        return -EBADMSG;
    if (str_find(s, STR("lock")) != SIZE_MAX &&
        (str_find(s, STR("Resource temporarily unavailable")) != SIZE_MAX ||
         str_find(s, STR("lock hold by current process")) != SIZE_MAX))
        return -EBUSY;
    if (str_find(s, STR("No space left")) != SIZE_MAX || str_find(s, STR("NoSpace")) != SIZE_MAX ||
        str_find(s, STR("Disk quota exceeded")) != SIZE_MAX)
        return -ENOSPC;
    return -EIO;
}

/* Frees the text. A damaged row is the disk's fault: -EIO, and a line. */
static int read_error(char *text)
{
    int r = errno_of(text);
    if (r != -EAGAIN) {
        static struct dfs_log_gate gate;
        if (dfs_log_allow(&gate, 1))
            dfs_log(LOG_ERROR, "index.read_failed", KV_Z("text", text));
        r = -EIO;
    }
    rocksdb_free(text);
    return r;
}

/* --- readers --- */

static int rocks_get(struct s3_index *x, struct str key, enum s3_read how, struct buf *value)
{
    struct rocks *k = rocks_of(x);
    pthread_rwlock_rdlock(&k->gate);
    int r = -EIO;
    if (k->db) {
        char *text = NULL;
        rocksdb_pinnableslice_t *found = rocksdb_get_pinned(
            k->db, how == S3_READ_CACHED ? k->read_cached : k->read_any, key.p, key.n, &text);
        if (found) {
            size_t n;
            const char *p = rocksdb_pinnableslice_value(found, &n);
            buf_add(value, p, n);
            rocksdb_pinnableslice_destroy(found);
            r = buf_err(value);
        } else {
            r = text ? read_error(text) : -ENOENT;
        }
    }
    pthread_rwlock_unlock(&k->gate);
    return r;
}

struct rocks_iter {
    struct s3_iter base;
    struct rocks *gated; /* whose gate is held shared; NULL inside an update */
    rocksdb_iterator_t *it;
    rocksdb_readoptions_t *read;
    size_t from_n, until_n;
    char bounds[]; /* from, until */
};

static struct rocks_iter *iter_of(struct s3_iter *it)
{
    return (struct rocks_iter *)it;
}

static struct str iter_key(struct s3_iter *it)
{
    size_t n;
    const char *p = rocksdb_iter_key(iter_of(it)->it, &n);
    return str_of(p, n);
}

static struct str iter_value(struct s3_iter *it)
{
    size_t n;
    const char *p = rocksdb_iter_value(iter_of(it)->it, &n);
    return str_of(p, n);
}

/* Inside an update RocksDB bounds the base only, not what the batch adds: compare. */
static bool iter_valid(struct s3_iter *it)
{
    struct rocks_iter *i = iter_of(it);
    if (!rocksdb_iter_valid(i->it))
        return false;
    return i->gated || i->until_n == 0 ||
           str_cmp(iter_key(it), str_of(i->bounds + i->from_n, i->until_n)) < 0;
}

static void iter_next(struct s3_iter *it)
{
    rocksdb_iter_next(iter_of(it)->it);
}

static void iter_seek(struct s3_iter *it, struct str key)
{
    struct rocks_iter *i = iter_of(it);
    struct str from = str_of(i->bounds, i->from_n);
    if (str_cmp(key, from) < 0)
        key = from;
    rocksdb_iter_seek(i->it, key.p, key.n);
}

static int iter_err(struct s3_iter *it)
{
    char *text = NULL;
    rocksdb_iter_get_error(iter_of(it)->it, &text);
    return text ? read_error(text) : 0;
}

static void iter_free(struct s3_iter *it)
{
    struct rocks_iter *i = iter_of(it);
    rocksdb_iter_destroy(i->it);
    rocksdb_readoptions_destroy(i->read);
    if (i->gated)
        pthread_rwlock_unlock(&i->gated->gate);
    free(i);
}

static const struct s3_iter_ops iter_ops = {
    iter_valid, iter_next, iter_seek, iter_key, iter_value, iter_err, iter_free,
};

/* With the gate held shared, or by the committer. */
static int iter_new(struct rocks *k, bool in_update, struct str from, struct str until,
                    struct s3_iter **ret)
{
    if (!k->db)
        return -EIO;
    struct rocks_iter *i = dfs_zalloc(sizeof(*i) + from.n + until.n);
    if (!i)
        return -ENOMEM;
    i->base.ops = &iter_ops;
    i->gated = in_update ? NULL : k;
    i->from_n = from.n;
    i->until_n = until.n;
    memcpy(i->bounds, from.p, from.n);
    if (until.n)
        memcpy(i->bounds + from.n, until.p, until.n);
    i->read = rocksdb_readoptions_create();
    if (until.n)
        rocksdb_readoptions_set_iterate_upper_bound(i->read, i->bounds + from.n, until.n);
    i->it = rocksdb_create_iterator(k->db, i->read);
    if (in_update) /* takes the base over */
        i->it = rocksdb_writebatch_wi_create_iterator_with_base(k->batch, i->it);
    rocksdb_iter_seek(i->it, from.p, from.n);
    *ret = &i->base;
    return 0;
}

static int rocks_iter(struct s3_index *x, struct str from, struct str until, struct s3_iter **ret)
{
    struct rocks *k = rocks_of(x);
    pthread_rwlock_rdlock(&k->gate);
    int r = iter_new(k, false, from, until, ret);
    if (r < 0)
        pthread_rwlock_unlock(&k->gate);
    return r;
}

static int rocks_health(struct s3_index *x)
{
    return atomic_load(&rocks_of(x)->health);
}

/* --- space --- */

static uint64_t space_left(const struct rocks *k)
{
    struct statvfs v;
    return statvfs(k->path, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : UINT64_MAX;
}

static void set_health(struct rocks *k, int r)
{
    int before = atomic_exchange(&k->health, r);
    if (before == r)
        return;
    if (r == 0)
        dfs_log(LOG_INFO, "index.healthy", KV_STR("path", str_c(k->path)));
    else
        dfs_log(LOG_ERROR, "index.refuses_updates", KV_STR("path", str_c(k->path)), KV_ERR(r));
}

static void judge_space(struct rocks *k)
{
    if (k->options.reserve_bytes == 0)
        return;
    int64_t now = (int64_t)dfs_mono_ms();
    if (k->space_ms != 0 && now - k->space_ms < SPACE_CHECK_MS)
        return;
    k->space_ms = now;
    k->low = space_left(k) < k->options.reserve_bytes;
    if (!k->failed)
        set_health(k, k->low ? -ENOSPC : 0);
}

static bool rocks_low_space(struct s3_index *x)
{
    return rocks_of(x)->low;
}

/* --- opening, and opening again --- */

static int check_format(rocksdb_t *db, rocksdb_readoptions_t *read, rocksdb_writeoptions_t *write)
{
    char *text = NULL;
    size_t n = 0;
    char *value = rocksdb_get(db, read, FORMAT_ROW.p, FORMAT_ROW.n, &n, &text);
    if (text)
        return read_error(text);
    if (!value) {
        static const char version[4] = {0, 0, 0, FORMAT_VERSION};
        rocksdb_put(db, write, FORMAT_ROW.p, FORMAT_ROW.n, version, sizeof(version), &text);
        return text ? read_error(text) : 0;
    }
    struct rd rd = rd_of(str_of(value, n));
    uint32_t version = rd_u32(&rd);
    rocksdb_free(value);
    if (rd.bad ||
        version != FORMAT_VERSION) { /* later releases read all earlier ones; there is none yet */
        dfs_log(LOG_ERROR, "index.unknown_format", KV_U64("version", version),
                KV_U64("known", FORMAT_VERSION));
        return -EBADMSG;
    }
    return 0;
}

static int open_db(struct rocks *k, rocksdb_t **ret)
{
    char *text = NULL;
    rocksdb_t *db = rocksdb_open(s3_rocksdb_options_get(k->o), k->path, &text);
    if (text) {
        int r = errno_of(text);
        dfs_log(LOG_ERROR, "index.open_failed", KV_STR("path", str_c(k->path)), KV_Z("text", text));
        rocksdb_free(text);
        return r;
    }
    int r = check_format(db, k->read_any, k->write);
    if (r < 0) {
        rocksdb_close(db);
        return r;
    }
    *ret = db;
    return 0;
}

static bool gate_alone(struct rocks *k)
{
    for (int i = 0; i < GATE_TRIES; i++) {
        if (pthread_rwlock_trywrlock(&k->gate) == 0)
            return true;
        struct timespec ms = {0, 1000 * 1000};
        nanosleep(&ms, NULL);
    }
    return false;
}

/* Does the index's disk take a write and a sync again? A file without a name, where that is possible. */
static bool disk_works(const struct rocks *k)
{
    AUTO(dfs_close_fd) int fd = open(k->path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EOPNOTSUPP || errno == EISDIR;
    return write(fd, "probe", 5) == 5 && fdatasync(fd) == 0;
}

static void rocks_heal(struct s3_index *x)
{
    struct rocks *k = rocks_of(x);
    judge_space(k);
    if (!k->failed)
        return;
    int64_t now = (int64_t)dfs_mono_ms();
    if (k->healed_ms != 0 && now - k->healed_ms < HEAL_RETRY_MS)
        return;
    if (atomic_load(&k->health) == -ENOSPC &&
        space_left(k) < MAX(k->options.reserve_bytes, (uint64_t)SPACE_TO_REOPEN))
        return; /* still open for readers; opening needs room for its log */
    k->healed_ms = now;
    if (k->db && !disk_works(k))
        return; /* still open for readers */
    if (!gate_alone(k))
        return;
    if (k->db)
        rocksdb_close(TAKE(k->db));
    int r = open_db(k, &k->db);
    s3_cache_clear(x->cache); /* what failed may have happened after all */
    s3_hot_clear(x->hot);
    pthread_rwlock_unlock(&k->gate);
    if (r == 0) {
        k->failed = false;
        k->space_ms = 0;
    }
    set_health(k, r);
    judge_space(k);
}

/* --- batches; all on the committer --- */

static int rocks_begin(struct s3_index *x)
{
    struct rocks *k = rocks_of(x);
    judge_space(k);
    if (k->failed)
        rocks_heal(x);
    int why = atomic_load(&k->health);
    return !k->failed ? 0 : why < 0 ? why : -EIO;
}

static void rocks_mark(struct s3_index *x)
{
    rocksdb_writebatch_wi_set_save_point(rocks_of(x)->batch);
}

static int rocks_rollback(struct s3_index *x)
{
    char *text = NULL;
    rocksdb_writebatch_wi_rollback_to_save_point(rocks_of(x)->batch, &text);
    return text ? read_error(text) : 0;
}

static void rocks_abandon(struct s3_index *x)
{
    rocksdb_writebatch_wi_clear(rocks_of(x)->batch);
}

static int rocks_commit(struct s3_index *x)
{
    struct rocks *k = rocks_of(x);
    char *text = NULL;
    rocksdb_write_writebatch_wi(k->db, k->write, k->batch, &text);
    rocksdb_writebatch_wi_clear(k->batch);
    if (!text)
        return 0;
    int r = errno_of(text) == -ENOSPC ? -ENOSPC : -EIO;
    dfs_log(LOG_ERROR, "index.commit_failed", KV_STR("path", str_c(k->path)), KV_Z("text", text));
    rocksdb_free(text);
    k->failed = true;
    k->healed_ms = 0;
    set_health(k, r);
    return r;
}

static int rocks_tx_get(struct s3_index *x, struct str key, struct buf *value)
{
    struct rocks *k = rocks_of(x);
    char *text = NULL;
    size_t n = 0;
    char *found = rocksdb_writebatch_wi_get_from_batch_and_db(k->batch, k->db, k->read_any, key.p,
                                                              key.n, &n, &text);
    if (text)
        return read_error(text);
    if (!found)
        return -ENOENT;
    buf_add(value, found, n);
    rocksdb_free(found);
    return buf_err(value);
}

static int rocks_tx_put(struct s3_index *x, struct str key, struct str value)
{
    rocksdb_writebatch_wi_put(rocks_of(x)->batch, key.p, key.n, value.n ? value.p : "", value.n);
    return 0;
}

static int rocks_tx_del(struct s3_index *x, struct str key)
{
    rocksdb_writebatch_wi_delete(rocks_of(x)->batch, key.p, key.n);
    return 0;
}

static int rocks_tx_iter(struct s3_index *x, struct str from, struct str until,
                         struct s3_iter **ret)
{
    return iter_new(rocks_of(x), true, from, until, ret);
}

static void rocks_close(struct s3_index *x)
{
    struct rocks *k = rocks_of(x);
    s3_index_fini(x);
    if (k->batch)
        rocksdb_writebatch_wi_destroy(k->batch);
    if (k->db)
        rocksdb_close(k->db);
    if (k->read_any)
        rocksdb_readoptions_destroy(k->read_any);
    if (k->read_cached)
        rocksdb_readoptions_destroy(k->read_cached);
    if (k->write)
        rocksdb_writeoptions_destroy(k->write);
    s3_rocksdb_options_free(&k->o);
    pthread_rwlock_destroy(&k->gate);
    free(k->path);
    free(k);
}

static const struct s3_engine_ops rocks_ops = {
    .get = rocks_get,
    .iter = rocks_iter,
    .health = rocks_health,
    .close = rocks_close,
    .begin = rocks_begin,
    .mark = rocks_mark,
    .rollback = rocks_rollback,
    .commit = rocks_commit,
    .abandon = rocks_abandon,
    .tx_get = rocks_tx_get,
    .tx_put = rocks_tx_put,
    .tx_del = rocks_tx_del,
    .tx_iter = rocks_tx_iter,
    .low_space = rocks_low_space,
    .heal = rocks_heal,
};

static int rocks_open(struct rocks *k, const struct s3_index_options *o)
{
    k->path = str_dup(o->path);
    if (!k->path)
        return -ENOMEM;
    k->options = *o;
    k->options.path = str_c(k->path);
    int r = dfs_make_dir(k->path, 0700);
    if (r == 0)
        r = s3_rocksdb_options_new(o, &k->o);
    if (r < 0)
        return r;
    k->read_any = rocksdb_readoptions_create();
    k->read_cached = rocksdb_readoptions_create();
    rocksdb_readoptions_set_read_tier(k->read_cached, BLOCK_CACHE_TIER);
    k->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(k->write, !o->relaxed);
    k->batch = rocksdb_writebatch_wi_create(0, true);
    r = open_db(k, &k->db);
    return r < 0 ? r : s3_index_start(&k->base);
}

int s3_index_open_rocksdb(const struct s3_index_options *o, struct s3_index **ret)
{
    struct rocks *k = dfs_zalloc(sizeof(*k));
    if (!k)
        return -ENOMEM;
    pthread_rwlock_init(&k->gate, NULL);
    int r = s3_index_init(&k->base, &rocks_ops);
    if (r == 0)
        r = rocks_open(k, o);
    if (r < 0) {
        rocks_close(&k->base);
        return r;
    }
    judge_space(k);
    *ret = &k->base;
    return 0;
}
