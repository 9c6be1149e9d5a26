/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/ahead.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "storage/trunk/store_priv.h"

#define AHEAD_FILE "data/.deleted_ahead"
enum {
    SLOTS = 16384,
    SLOT = 256,
    CRC_AT = SLOT - 4,
    HEADS = 4096,
    DONE = 16384, /* a deletion is heard again soon, by the logs of those who say it again */
    NONE = UINT16_MAX,
};
#define NUMBER_MAX (UINT64_MAX >> 1) /* they go on from there */

struct sto_ahead_entry {
    uint64_t number; /* 0: free */
    int64_t before_ms;
    uint16_t next; /* of its chain */
    uint8_t n;
    char name[STO_NAME_MAX];
};

/* --- in memory ---------------------------------------------------------------------------------------- */

static uint16_t *head_of(const struct sto_ahead *a, struct str name)
{
    return &a->heads[dfs_pjw(name) % HEADS];
}

static struct str name_of(const struct sto_ahead_entry *e)
{
    return str_of(e->name, e->n);
}

static int make_list(struct sto_ahead *a)
{
    if (a->list)
        return 0;
    a->list = dfs_zalloc(SLOTS * sizeof(*a->list));
    a->heads = dfs_alloc(HEADS * sizeof(*a->heads));
    for (size_t i = 0; a->heads && i < HEADS; i++)
        a->heads[i] = NONE;
    if (a->list && a->heads)
        return 0;
    free(TAKE(a->list));
    free(TAKE(a->heads));
    return -ENOMEM;
}

static void put(struct sto_ahead *a, uint64_t number, struct str name, int64_t before_ms)
{
    uint16_t slot = (uint16_t)(number % SLOTS);
    struct sto_ahead_entry *e = &a->list[slot];
    if (e->number > 0) { /* the oldest gives way */
        uint16_t *at = head_of(a, name_of(e));
        while (*at != slot)
            at = &a->list[*at].next;
        *at = e->next;
    }
    *e = (struct sto_ahead_entry){
        .number = number, .before_ms = before_ms, .n = (uint8_t)name.n, .next = *head_of(a, name)};
    memcpy(e->name, name.p, name.n);
    *head_of(a, name) = slot;
}

bool sto_ahead_has(const struct sto_ahead *a, struct str name, int64_t made_ms)
{
    if (!a->list)
        return false;
    for (uint16_t i = *head_of(a, name); i != NONE; i = a->list[i].next) {
        const struct sto_ahead_entry *e = &a->list[i];
        bool deleted = e->before_ms == 0 || (made_ms > 0 && made_ms < e->before_ms);
        if (deleted && str_eq(name_of(e), name))
            return true;
    }
    return false;
}

static uint64_t hash_of(struct str name, int64_t at_ms)
{
    return str_hash(name) ^ (uint64_t)at_ms;
}

void sto_ahead_done(struct sto_ahead *a, struct str name, int64_t at_ms)
{
    uint64_t h = hash_of(name, at_ms);
    atomic_store(&a->done[h % DONE], h);
}

/* --- on the disk ---------------------------------------------------------------------------------------- */

static void encode(const struct sto_ahead_entry *e, struct buf *out)
{
    static const uint8_t zeros[SLOT];
    size_t from = out->n;
    buf_u64(out, e->number);
    buf_u64(out, (uint64_t)e->before_ms);
    buf_u8(out, e->n);
    buf_adds(out, name_of(e));
    buf_add(out, zeros, CRC_AT - (out->n - from));
    buf_u32(out, sto_rec_crc(0, out->p + from, out->n - from));
}

/* Whose name is a view of @bytes. False: it is none, or not right. */
static bool decode(struct str bytes, uint64_t *number, int64_t *before_ms, struct str *name)
{
    struct rd r = rd_of(bytes), tail = rd_of(str_from(bytes, CRC_AT));
    *number = rd_u64(&r);
    *before_ms = (int64_t)rd_u64(&r);
    uint8_t n = rd_u8(&r);
    *name = rd_bytes(&r, n);
    return *number > 0 && *number <= NUMBER_MAX && *before_ms >= 0 && n > 0 && n <= STO_NAME_MAX &&
           rd_u32(&tail) == sto_rec_crc(0, bytes.p, CRC_AT);
}

static int load(struct sto_ahead *a)
{
    AUTO(dfs_free_ptr) char *bytes = NULL;
    size_t n = 0;
    int r = sto_dir_get_file(a->dir, AHEAD_FILE, (size_t)SLOTS * SLOT, &bytes, &n);
    if (r == -EFBIG) /* not one of ours, and in their way */
        r = a->dir->io->unlinkat(a->dir->root, AHEAD_FILE, 0) == 0 ? -ENOENT : -errno;
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = make_list(a);
    for (size_t i = 0; r == 0 && i < n / SLOT; i++) {
        uint64_t number;
        int64_t before_ms;
        struct str name;
        if (!decode(str_of(bytes + i * SLOT, SLOT), &number, &before_ms, &name) ||
            number % SLOTS != i)
            continue;
        put(a, number, name, before_ms);
        a->last = MAX(a->last, number);
    }
    a->saved = a->last;
    return r;
}

int sto_ahead_open(struct sto_dir *d, struct sto_ahead *ret)
{
    *ret = (struct sto_ahead){.dir = d, .fd = -1};
    pthread_mutex_init(&ret->lock, NULL);
    ret->done = dfs_zalloc(DONE * sizeof(*ret->done));
    return ret->done ? load(ret) : -ENOMEM;
}

void sto_ahead_close(struct sto_ahead *a)
{
    dfs_close_fd(&a->fd);
    free(TAKE(a->list));
    free(TAKE(a->heads));
    free(TAKE(a->done));
    pthread_mutex_destroy(&a->lock);
}

static int open_file(struct sto_ahead *a)
{
    const struct sto_io *io = a->dir->io;
    if (a->fd >= 0)
        return 0;
    AUTO(dfs_close_fd)
    int fd = io->openat(a->dir->root, AHEAD_FILE, O_RDWR | O_CREAT, STO_MODE);
    if (fd < 0 || io->fsync(a->dir->data) < 0) /* then once more */
        return -errno;
    a->fd = dfs_take_fd(&fd);
    return 0;
}

/* All that has no place on the disk yet: after a failed sync once more, as the kernel may have forgotten it. */
static int save(struct sto_ahead *a)
{
    int r = a->last > a->saved ? open_file(a) : 0;
    uint64_t from = MAX(a->saved, a->last - MIN(a->last, (uint64_t)SLOTS));
    for (uint64_t number = from + 1; r == 0 && number <= a->last; number++) {
        AUTO(buf_free) struct buf b = BUF(SLOT);
        encode(&a->list[number % SLOTS], &b);
        r = buf_err(&b);
        if (r == 0)
            r = sto_write_all(a->dir->io, a->fd, b.p, b.n, (off_t)(number % SLOTS * SLOT));
    }
    if (r == 0 && a->last > a->saved && a->dir->io->fdatasync(a->fd) < 0)
        r = -errno;
    if (r == 0)
        a->saved = a->last;
    return r;
}

int sto_ahead_save(struct sto_ahead *a)
{
    AUTO(sto_unlock) pthread_mutex_t *m = &a->lock;
    pthread_mutex_lock(m);
    return save(a);
}

/* --- of a store ------------------------------------------------------------------------------------------ */

int sto_deleted_ahead(struct sto_store *s, struct str name, int64_t at_ms, int64_t before_ms)
{
    struct dfs_logical at;
    struct sto_path *p;
    bool again = sto_log_comes_again(name);
    int r = sto_locate(s, name, &at, &p);
    if (r < 0 || name.n > STO_NAME_MAX)
        return -EINVAL;
    struct sto_ahead *a = &p->ahead;
    uint64_t h = hash_of(name, again ? at_ms : 0);
    AUTO(sto_unlock) pthread_mutex_t *m = &a->lock;
    pthread_mutex_lock(m);
    r = sto_file_exists(s, name);
    if (r != -ENOENT)
        return r == 0 ? -EEXIST : r;
    if (atomic_load(&a->done[h % DONE]) == h || sto_ahead_has(a, name, again ? before_ms - 1 : 0))
        return 0;
    r = make_list(a);
    if (r == 0)
        put(a, ++a->last, name, again ? before_ms : 0);
    return r;
}

bool sto_is_deleted_ahead(struct sto_store *s, struct str name, int64_t made_ms)
{
    struct dfs_logical at;
    struct sto_path *p;
    if (sto_locate(s, name, &at, &p) < 0)
        return false;
    AUTO(sto_unlock) pthread_mutex_t *m = &p->ahead.lock;
    pthread_mutex_lock(m);
    return sto_ahead_has(&p->ahead, name, made_ms);
}
