/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/renamed.h"

#include <fcntl.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "storage/trunk/store_priv.h"

#define RENAMED_FILE "data/.renamed"
enum {
    SLOTS = 4096,
    SLOT = 128,
    CRC_AT = SLOT - 4,
    NAMES_AT = 8 + 1 + 1,
    NAMES_MAX = CRC_AT - NAMES_AT, /* of both; such names have 44 bytes (semantics 2) */
};
#define NUMBER_MAX (UINT64_MAX >> 1) /* they go on from there */

struct sto_renamed_entry {
    uint64_t number; /* 0: free */
    uint8_t from_n, to_n;
    char names[NAMES_MAX];
};

static struct str from_of(const struct sto_renamed_entry *e)
{
    return str_of(e->names, e->from_n);
}

static struct str to_of(const struct sto_renamed_entry *e)
{
    return str_of(e->names + e->from_n, e->to_n);
}

static int make_list(struct sto_renamed *n)
{
    if (!n->list)
        n->list = dfs_zalloc(SLOTS * sizeof(*n->list));
    return n->list ? 0 : -ENOMEM;
}

static void put(struct sto_renamed *n, uint64_t number, struct str from, struct str to)
{
    struct sto_renamed_entry *e = &n->list[number % SLOTS];
    *e = (struct sto_renamed_entry){
        .number = number, .from_n = (uint8_t)from.n, .to_n = (uint8_t)to.n};
    memcpy(e->names, from.p, from.n);
    memcpy(e->names + from.n, to.p, to.n);
}

/* Lock held. */
static const struct sto_renamed_entry *latest(const struct sto_renamed *n, struct str from,
                                              uint64_t after)
{
    const struct sto_renamed_entry *found = NULL;
    for (size_t i = 0; n->list && i < SLOTS; i++) {
        const struct sto_renamed_entry *e = &n->list[i];
        if (e->number > after && (!found || e->number > found->number) && str_eq(from_of(e), from))
            found = e;
    }
    return found;
}

uint64_t sto_renamed_to(struct sto_renamed *n, struct str from, uint64_t after,
                        char to[STO_NAME_MAX + 1])
{
    AUTO(sto_unlock) pthread_mutex_t *m = &n->lock;
    pthread_mutex_lock(m);
    const struct sto_renamed_entry *e = latest(n, from, after);
    if (!e)
        return 0;
    memcpy(to, to_of(e).p, e->to_n);
    to[e->to_n] = '\0';
    return e->number;
}

/* --- on the disk ---------------------------------------------------------------------------------------- */

static void encode(const struct sto_renamed_entry *e, struct buf *out)
{
    buf_u64(out, e->number);
    buf_u8(out, e->from_n);
    buf_u8(out, e->to_n);
    buf_add(out, e->names, sizeof(e->names)); /* zeros behind them */
    buf_u32(out, sto_rec_crc(0, out->p, out->n));
}

/* Names are views of @bytes. False: it is none, or not right. */
static bool decode(struct str bytes, uint64_t *number, struct str *from, struct str *to)
{
    struct rd r = rd_of(bytes), tail = rd_of(str_from(bytes, CRC_AT));
    *number = rd_u64(&r);
    uint8_t from_n = rd_u8(&r), to_n = rd_u8(&r);
    *from = rd_bytes(&r, from_n);
    *to = rd_bytes(&r, to_n);
    return *number > 0 && *number <= NUMBER_MAX && from_n > 0 && to_n > 0 &&
           (unsigned)from_n + to_n <= NAMES_MAX && rd_u32(&tail) == sto_rec_crc(0, bytes.p, CRC_AT);
}

static int load(struct sto_renamed *n)
{
    AUTO(dfs_free_ptr) char *bytes = NULL;
    size_t size = 0;
    int r = sto_dir_get_file(n->dir, RENAMED_FILE, (size_t)SLOTS * SLOT, &bytes, &size);
    if (r == -EFBIG) /* not one of ours, and in their way */
        r = n->dir->io->unlinkat(n->dir->root, RENAMED_FILE, 0) == 0 ? -ENOENT : -errno;
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = make_list(n);
    for (size_t i = 0; r == 0 && i < size / SLOT; i++) {
        uint64_t number;
        struct str from, to;
        if (!decode(str_of(bytes + i * SLOT, SLOT), &number, &from, &to) || number % SLOTS != i)
            continue;
        put(n, number, from, to);
        n->last = MAX(n->last, number);
    }
    n->saved = n->last;
    return r;
}

int sto_renamed_open(struct sto_dir *d, struct sto_renamed *ret)
{
    *ret = (struct sto_renamed){.dir = d};
    pthread_mutex_init(&ret->lock, NULL);
    return load(ret);
}

void sto_renamed_close(struct sto_renamed *n)
{
    if (!n->dir)
        return;
    free(TAKE(n->list));
    pthread_mutex_destroy(&n->lock);
    n->dir = NULL;
}

/*
 * All that is not known to be there; after a failed sync once more, as the kernel may have forgotten it. The folder each
 * time: the file may be a process's before us, which did not get to sync it.
 */
static int save(struct sto_renamed *n)
{
    const struct sto_io *io = n->dir->io;
    AUTO(dfs_close_fd)
    int fd = io->openat(n->dir->root, RENAMED_FILE, O_RDWR | O_CREAT, STO_MODE);
    if (fd < 0)
        return -errno;
    int r = 0;
    uint64_t from = MAX(n->saved, n->last - MIN(n->last, (uint64_t)SLOTS));
    for (uint64_t number = from + 1; r == 0 && number <= n->last; number++) {
        AUTO(buf_free) struct buf b = BUF(SLOT);
        encode(&n->list[number % SLOTS], &b);
        r = buf_err(&b);
        if (r == 0)
            r = sto_write_all(io, fd, b.p, b.n, (off_t)(number % SLOTS * SLOT));
    }
    if (r == 0 && (io->fdatasync(fd) < 0 || io->fsync(n->dir->data) < 0))
        r = -errno;
    if (r == 0)
        n->saved = n->last;
    return r;
}

int sto_renamed_note(struct sto_renamed *n, struct str from, struct str to)
{
    if (from.n == 0 || to.n == 0 || from.n + to.n > NAMES_MAX)
        return 0; /* none that we have made */
    AUTO(sto_unlock) pthread_mutex_t *m = &n->lock;
    pthread_mutex_lock(m);
    const struct sto_renamed_entry *e = latest(n, from, 0);
    if (!e || !str_eq(to_of(e), to)) {
        int r = make_list(n);
        if (r < 0)
            return r;
        put(n, ++n->last, from, to);
    }
    return n->last > n->saved ? save(n) : 0;
}
