/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read - bytes of stored files, through descriptors that a storage on this machine handed out; what there is
 * none of here comes over the network (remote.c).
 *
 * Descriptors are kept: one per pack (many objects), and the most recently used ones of plain
 * files. A pack's space is given back by punching holes, so what was read from one is believed only
 * when its CRC-32 is the one in the file id; a mismatch asks the storage afresh, which knows what
 * was deleted. A plain file is unlinked whole: an open descriptor goes on giving the right bytes.
 */
#include <isa-l/crc.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "s3gw/dfs/store.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* asm-generic/unistd.h; the C library's headers may be older */
#endif

enum { BUCKETS = 4096, KEY_MAX = 160 };

struct open_file {
    struct open_file *chain;         /* under cache lock, like all below */
    struct open_file *newer, *older; /* in order of use */
    unsigned refs;                   /* readers at work */
    bool listed; /* found by look-ups; when false it goes with the last reader */
    uint64_t hash;
    int fd;        /* constant */
    uint64_t size; /* constant: bytes of a plain file; 0 for packs */
    size_t key_n;
    char key[KEY_MAX];
};

struct s3_read_cache {
    pthread_mutex_t lock;
    struct open_file *table[BUCKETS];
    struct open_file *newest, *oldest;
    unsigned n, max; /* n <= max + readers at work */
};

/* What a file id says about where its bytes are. */
struct place {
    struct str id;
    bool in_pack;
    bool told;     /* size and crc are known */
    bool moved;    /* the storage of this machine may know where to */
    uint64_t at;   /* first byte of content within the descriptor */
    uint64_t size; /* of the content */
    uint32_t crc;
    size_t key_n;
    char key[KEY_MAX];
};

int s3_read_cache_new(unsigned open_files, struct s3_read_cache **ret)
{
    struct s3_read_cache *rc = dfs_zalloc(sizeof(*rc));
    if (!rc)
        return -ENOMEM;
    pthread_mutex_init(&rc->lock, NULL);
    rc->max = MAX(open_files, 16u);
    *ret = rc;
    return 0;
}

static void unlink_file(struct s3_read_cache *rc, struct open_file *f)
{
    if (!f->listed)
        return;
    struct open_file **pp = &rc->table[f->hash % BUCKETS];
    while (*pp != f)
        pp = &(*pp)->chain;
    *pp = f->chain;
    *(f->newer ? &f->newer->older : &rc->newest) = f->older;
    *(f->older ? &f->older->newer : &rc->oldest) = f->newer;
    f->listed = false;
    rc->n--;
}

static void destroy(struct open_file *f)
{
    close(f->fd);
    free(f);
}

void s3_read_cache_free(struct s3_read_cache **rcp)
{
    struct s3_read_cache *rc = TAKE(*rcp);
    if (!rc)
        return;
    while (rc->newest) {
        struct open_file *f = rc->newest;
        ASSERT(f->refs == 0);
        unlink_file(rc, f);
        destroy(f);
    }
    pthread_mutex_destroy(&rc->lock);
    free(rc);
}

static void push_newest(struct s3_read_cache *rc, struct open_file *f)
{
    f->newer = NULL;
    f->older = rc->newest;
    *(rc->newest ? &rc->newest->newer : &rc->oldest) = f;
    rc->newest = f;
}

static struct open_file *file_take(struct s3_read_cache *rc, const struct place *p)
{
    uint64_t h = str_hash(str_of(p->key, p->key_n));
    pthread_mutex_lock(&rc->lock);
    struct open_file *f = rc->table[h % BUCKETS];
    while (f && !(f->hash == h && f->key_n == p->key_n && memcmp(f->key, p->key, p->key_n) == 0))
        f = f->chain;
    if (f) {
        f->refs++;
        if (rc->newest != f) {
            *(f->newer ? &f->newer->older : &rc->newest) = f->older;
            *(f->older ? &f->older->newer : &rc->oldest) = f->newer;
            push_newest(rc, f);
        }
    }
    pthread_mutex_unlock(&rc->lock);
    return f;
}

static void file_give(struct s3_read_cache *rc, struct open_file *f)
{
    pthread_mutex_lock(&rc->lock);
    ASSERT(f->refs > 0);
    bool last = --f->refs == 0 && !f->listed;
    pthread_mutex_unlock(&rc->lock);
    if (last)
        destroy(f);
}

/* It gave wrong bytes: do not hand it out again. */
static void file_forget(struct s3_read_cache *rc, struct open_file *f)
{
    pthread_mutex_lock(&rc->lock);
    unlink_file(rc, f);
    pthread_mutex_unlock(&rc->lock);
    file_give(rc, f);
}

static int place_of(struct str id, struct place *p)
{
    struct dfs_fileid f;
    if (id.n >= KEY_MAX || dfs_fileid_parse(id, &f) < 0)
        return -EINVAL;
    *p = (struct place){.id = id, .told = f.size_known, .size = f.size, .crc = f.crc32};
    if (f.kind != DFS_FILE_TRUNK) {
        p->key_n = id.n;
        memcpy(p->key, id.p, id.n);
        return 0;
    }
    p->in_pack = true;
    p->at = (uint64_t)f.trunk.offset + DFS_TRUNK_HEADER;
    /* "group1/M00/0A/1B/" names the directory of the pack, its number the pack. */
    size_t dir_n = id.n - f.at.base.n;
    memcpy(p->key, id.p, dir_n);
    memcpy(p->key + dir_n, &f.trunk.file_id, sizeof(f.trunk.file_id));
    p->key_n = dir_n + sizeof(f.trunk.file_id);
    return 0;
}

/* A descriptor kept of a deleted plain file would keep its space, too. */
void s3_read_cache_drop(struct s3_read_cache *rc, struct str file_id)
{
    struct place p;
    if (place_of(file_id, &p) < 0 || p.in_pack)
        return;
    struct open_file *f = file_take(rc, &p);
    if (f)
        file_forget(rc, f);
}

void s3_read_cache_drop_plain(struct s3_read_cache *rc)
{
    pthread_mutex_lock(&rc->lock);
    for (struct open_file *f = rc->oldest, *newer; f; f = newer) {
        newer = f->newer;
        if (f->size == 0) /* a pack, or nothing to be wrong in */
            continue;
        unlink_file(rc, f);
        if (f->refs == 0)
            destroy(f);
    }
    pthread_mutex_unlock(&rc->lock);
}

/* Under the lock: make room for one more by closing what was not used for longest. */
static void make_room(struct s3_read_cache *rc)
{
    for (struct open_file *f = rc->oldest; f && rc->n >= rc->max;) {
        struct open_file *next = f->newer;
        if (f->refs == 0) {
            unlink_file(rc, f);
            destroy(f);
        }
        f = next;
    }
}

/* Takes @fd. With one reference for the caller; NULL: no memory. */
static struct open_file *file_add(struct s3_read_cache *rc, const struct place *p, int fd,
                                  uint64_t size)
{
    struct open_file *f = dfs_zalloc(sizeof(*f));
    if (!f) {
        close(fd);
        return NULL;
    }
    f->refs = 1;
    f->listed = true;
    f->fd = fd;
    f->size = size;
    f->key_n = p->key_n;
    memcpy(f->key, p->key, p->key_n);
    f->hash = str_hash(str_of(p->key, p->key_n));
    pthread_mutex_lock(&rc->lock);
    make_room(rc);
    f->chain = rc->table[f->hash % BUCKETS];
    rc->table[f->hash % BUCKETS] = f;
    push_newest(rc, f);
    rc->n++;
    pthread_mutex_unlock(&rc->lock);
    return f;
}

static struct s3_store *local_store(struct s3_dfs *d, struct str id)
{
    struct s3_group *g = s3_group_of_file(d, id);
    size_t n = g ? atomic_load(&g->n) : 0;
    for (size_t i = 0; i < n; i++)
        if (g->members[i]->local)
            return g->members[i];
    return NULL;
}

/* Ask the storage. It must agree with the id on where a packed file is. -EREMOTE: none on this machine, or the file has
 * moved. */
static int file_fetch(struct s3_dfs *d, const struct place *p, struct open_file **ret)
{
    struct s3_store *s = local_store(d, p->id);
    if (!s)
        return -EREMOTE;
    AUTO(buf_free) struct buf got = BUF(64);
    AUTO(dfs_close_fd) int fd = -1;
    int r = s3_store_ask(s, DFS_INT_FILE_GET, p->id, true, &got, &fd);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&got));
    uint64_t at = rd_u64(&in), size = rd_u64(&in);
    if (in.bad || fd < 0 || at != p->at || (p->in_pack && size != p->size))
        return -EPROTO;
    if (p->told && size != p->size)
        return -EBADMSG;
    *ret = file_add(d->reads, p, dfs_take_fd(&fd), p->in_pack ? 0 : size);
    return *ret ? 0 : -ENOMEM;
}

static int file_get(struct s3_dfs *d, const struct place *p, bool wait, struct open_file **ret)
{
    *ret = file_take(d->reads, p);
    if (*ret)
        return 0;
    return wait ? file_fetch(d, p, ret) : -EAGAIN;
}

/* All @n bytes; -EAGAIN when some are not in memory and @wait is false; -ENODATA: the file is
 * shorter. */
static int read_fully(int fd, char *out, size_t n, uint64_t at, bool wait)
{
    while (n > 0) {
        struct iovec v = {out, n};
        ssize_t got = preadv2(fd, &v, 1, (off_t)at, wait ? 0 : RWF_NOWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EOPNOTSUPP ? -EAGAIN : -errno;
        if (got == 0)
            return wait ? -ENODATA : -EAGAIN;
        out += got;
        n -= (size_t)got;
        at += (uint64_t)got;
    }
    return 0;
}

/* Of bytes that are the whole content of a packed file. */
static int right_crc(const void *bytes, void *arg)
{
    const struct place *p = arg;
    return crc32_gzip_refl(0, bytes, p->size) == p->crc ? 0 : -EBADMSG;
}

/* From a descriptor of this machine. Of a packed file always the whole, and checked. */
static int read_near(struct s3_dfs *d, const struct place *p, uint64_t offset, char *out, size_t n,
                     bool wait)
{
    for (int try = 0;; try++) {
        struct open_file *f;
        int r = file_get(d, p, wait, &f);
        if (r < 0)
            return r;
        if (!p->in_pack && (offset > f->size || n > f->size - offset))
            r = -ERANGE;
        else
            r = read_fully(f->fd, out, n, p->at + offset, wait);
        if (r == 0 && p->in_pack)
            r = right_crc(out, (void *)(uintptr_t)p);
        if (r == 0 || r == -EAGAIN || r == -ERANGE) {
            file_give(d->reads, f);
            return r;
        }
        if (!wait) { /* deleted, a stale descriptor, or a bad disk: find out where waiting is
                        allowed */
            file_give(d->reads, f);
            return -EAGAIN;
        }
        file_forget(d->reads, f);
        if (try == 1)
            return r == -ENODATA ? -EIO : r;
    }
}

/* A packed file is read as a whole: only then can it be checked. */
static int packed(struct s3_dfs *d, struct place *p, void *out, bool far, bool wait)
{
    return far ? s3_read_remote(d, p->id, p->moved, 0, out, p->size, right_crc, p)
               : read_near(d, p, 0, out, p->size, wait);
}

static int read_far(struct s3_dfs *d, const struct place *p, uint64_t offset, char *out, size_t n)
{
    int r = 0;
    for (size_t step; r == 0 && n > 0; n -= step, out += step, offset += step) {
        step = MIN(n, (size_t)DFS_PIECE_MAX);
        r = s3_read_remote(d, p->id, p->moved, offset, out, step, NULL, NULL);
    }
    return r;
}

static int read_place(struct s3_dfs *d, struct place *p, uint64_t offset, void *out, size_t n,
                      bool far, bool wait)
{
    if (p->in_pack) {
        if (n == p->size)
            return packed(d, p, out, far, wait);
        AUTO(dfs_free_ptr) char *whole = dfs_alloc(p->size);
        if (!whole)
            return -ENOMEM;
        int r = packed(d, p, whole, far, wait);
        if (r == 0)
            memcpy(out, whole + offset, n);
        return r;
    }
    return far ? read_far(d, p, offset, out, n) : read_near(d, p, offset, out, n, wait);
}

/* The storage of this machine could not give it for the reason @r; @found: another one could. */
static void blame(struct s3_dfs *d, struct str file_id, int r, bool found)
{
    struct s3_store *s = local_store(d, file_id);
    if (s && (s3_is_damage(r) || (found && (r == -ENOENT || r == -ERANGE))))
        s3_suspect(s, file_id, r == -ENOENT);
}

static bool others_have(struct s3_dfs *d, struct str file_id)
{
    struct s3_group *g = s3_group_of_file(d, file_id);
    return g && atomic_load(&g->n) > 1;
}

int s3_dfs_read(struct s3_dfs *d, struct str file_id, uint64_t offset, void *out, size_t n,
                bool wait)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    struct place p;
    int r = place_of(file_id, &p);
    if (r < 0)
        return r;
    if (p.in_pack && (offset > p.size || n > p.size - offset))
        return -ERANGE;
    r = read_place(d, &p, offset, out, n, false, wait);
    if (r == 0)
        return 0;
    if (r != -EREMOTE && !others_have(d, file_id)) {
        blame(d, file_id, r, false);
        return r;
    }
    if (!wait)
        return -EAGAIN;
    static struct dfs_log_gate gate;
    if (r != -EREMOTE && dfs_log_allow(&gate, 1))
        dfs_log(LOG_WARN, "dfs.read_elsewhere", KV_STR("file", file_id), KV_ERR(r));
    p.moved = r == -EREMOTE;
    int far = read_place(d, &p, offset, out, n, true, true);
    if (r != -EREMOTE)
        blame(d, file_id, r, far == 0);
    return far;
}

static int far_size(struct s3_dfs *d, struct str file_id, uint64_t *ret)
{
    struct dfs_fileid f;
    char first;
    int r = dfs_fileid_parse(file_id, &f);
    if (r < 0)
        return r;
    if (!f.size_known)
        return s3_native_size(d, file_id, ret);
    *ret = f.size;
    return f.size == 0 ? 0 : s3_dfs_read(d, file_id, 0, &first, 1, true);
}

int s3_dfs_size(struct s3_dfs *d, struct str file_id, uint64_t *ret)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    struct place p;
    struct open_file *f;
    int r = place_of(file_id, &p);
    if (r < 0)
        return r;
    s3_read_cache_drop(d->reads, file_id);
    r = file_fetch(d, &p, &f);
    if (r == -EREMOTE || (r < 0 && others_have(d, file_id)))
        return far_size(d, file_id, ret);
    if (r < 0)
        return r;
    *ret = p.in_pack ? p.size : f->size;
    file_give(d->reads, f);
    return 0;
}

void s3_dfs_doubt(struct s3_dfs *d, struct str file_id)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    struct s3_group *g = s3_group_of_file(d, file_id);
    s3_read_cache_drop(d->reads, file_id);
    size_t members = g ? atomic_load(&g->n) : 0;
    for (size_t i = 0; i < members; i++)
        if (!atomic_load(&g->members[i]->retired))
            s3_suspect(g->members[i], file_id, false);
}

int s3_dfs_read_on(struct s3_dfs *d, struct s3_dfs_run *run, struct str file_id, uint64_t offset,
                   void *out, size_t n, bool wait)
{
    struct place p;
    int r = s3_dfs_read(d, file_id, offset, out, n, wait);
    if (r < 0)
        return r;
    if (offset == 0)
        *run = (struct s3_dfs_run){.file_id = file_id};
    if (run->n != offset || !str_eq(run->file_id, file_id))
        return 0;
    uint32_t crc = crc32_gzip_refl(run->crc, out, n);
    if (place_of(file_id, &p) == 0 && p.told && offset + n == p.size && crc != p.crc) {
        s3_dfs_doubt(d, file_id); /* which server gave what part of it nobody knows */
        return -EBADMSG;
    }
    run->crc = crc;
    run->n += n;
    return 0;
}

int s3_dfs_read_right(struct s3_dfs *d, struct str file_id, uint64_t offset, void *out, size_t n,
                      s3_dfs_check *check, void *arg)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    ASSERT(n <= DFS_PIECE_MAX);
    if (!others_have(d, file_id))
        return -EBADMSG; /* and nobody is told: who cannot mend its copy would show nothing of it any more */
    struct s3_store *near = local_store(d, file_id);
    int r = s3_read_remote(d, file_id, false, offset, out, n, check, arg);
    if (near) {
        s3_read_cache_drop(d->reads, file_id);
        s3_suspect(near, file_id, false);
    }
    return r;
}

int s3_dfs_still_there(struct s3_dfs *d, struct str file_id, uint64_t size)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    struct place p;
    struct open_file *f;
    char last;
    int r = size > 0 ? place_of(file_id, &p) : 0;
    if (r < 0 || size == 0)
        return r;
    s3_read_cache_drop(d->reads, file_id);
    r = file_fetch(
        d, &p,
        &f); /* the storage's word: a kept descriptor of a pack shows what was deleted, too */
    if (r == -EREMOTE || (r < 0 && others_have(d, file_id)))
        return s3_read_remote(d, p.id, r == -EREMOTE, size - 1, &last, 1, NULL, NULL);
    if (r < 0)
        return r;
    r = size > (p.in_pack ? p.size : f->size) ? -ERANGE : 0;
    file_give(d->reads, f);
    return r;
}

/* Are these bytes in the page cache, or on their way there? -errno: the kernel does not say (before 6.5, or
 * the file is not ours). */
static int is_cached(int fd, uint64_t at, uint64_t n)
{
    const struct {
        uint64_t at, n;
    } range = {at, n};
    struct {
        uint64_t cached, dirty, writeback, evicted, evicted_lately;
    } pages = {0};
    static _Atomic bool unknown;
    if (atomic_load_explicit(&unknown, memory_order_relaxed))
        return -ENOSYS;
    if (syscall(SYS_cachestat, fd, &range, &pages, 0) < 0) {
        atomic_store_explicit(&unknown, errno == ENOSYS, memory_order_relaxed);
        return -errno;
    }
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return pages.cached > (at + n - 1) / page - at / page;
}

/* By samples: reading ahead makes memory resident in long runs. */
static bool samples_are_cached(int fd, uint64_t at, uint64_t n)
{
    enum { STRIDE = 128 * 1024, PROBES_MAX = 1024 };
    uint64_t step = MAX((uint64_t)STRIDE, n / PROBES_MAX);
    char byte;
    for (uint64_t i = 0; i < n; i += step)
        if (read_fully(fd, &byte, 1, at + i, false) < 0)
            return false;
    return true;
}

/* Is all of it in memory? What is on its way there arrives in order: the last byte tells. */
static bool is_warm(int fd, uint64_t at, uint64_t n)
{
    char byte;
    int r = is_cached(fd, at, n);
    if (r < 0)
        r = samples_are_cached(fd, at, n);
    return r > 0 && read_fully(fd, &byte, 1, at + n - 1, false) == 0;
}

int s3_dfs_open(struct s3_dfs *d, struct str file_id, uint64_t offset, uint64_t n, bool wait,
                int *ret_fd, uint64_t *ret_at)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    ASSERT(n > 0);
    struct place p;
    int r = place_of(file_id, &p);
    if (r < 0)
        return r;
    if (p.in_pack)
        return -ENOTSUP;
    struct open_file *f;
    r = file_get(d, &p, wait, &f);
    if (r < 0)
        return r;
    if (offset > f->size || n > f->size - offset)
        r = -ERANGE;
    else if (!wait && !is_warm(f->fd, offset, n))
        r = -EAGAIN;
    else if ((*ret_fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0)) < 0)
        r = -errno;
    file_give(d->reads, f);
    *ret_at = offset;
    return r;
}
