/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch - small objects and notes on their way to one storage.
 *
 * One thread per storage: it takes whatever is queued, sends it as one PUT_BATCH, and while the
 * storage syncs that, the next batch gathers. So the batch grows with the load and a lone writer
 * waits for nobody.
 *
 * What a storage did not take, or did not say whether it took, goes to the queue of another one; when none is left, the
 * trackers are asked for one before it is given up. A second
 * copy does no harm: both carry the same description, and the one no object names is an orphan.
 */
#include <endian.h>
#include <stdatomic.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/status.h"
#include "s3gw/dfs/store.h"

enum {
    ITEM_HEAD_LEN = 1 + 6 + 4 + 4,
    IOV_PER_ITEM = 3,
    SLOW_MS = 1000,  /* a batch that takes longer says that the server is slow, */
    SLOW_HOLDS = 10, /* and others are preferred for so many hold-downs */
};

struct batch {
    struct s3_dfs_put *items[DFS_BATCH_ITEMS_MAX];
    size_t n;
    uint8_t heads[DFS_BATCH_ITEMS_MAX][ITEM_HEAD_LEN];
    struct iovec iov[2 + IOV_PER_ITEM * DFS_BATCH_ITEMS_MAX];
};

static size_t wire_size(const struct s3_dfs_put *p)
{
    return ITEM_HEAD_LEN + p->description.n + p->data.n;
}

/* Wait for items and take as many as one frame holds. False: stopping, and nothing is left. */
static bool gather(struct s3_store *s, struct batch *b)
{
    b->n = 0;
    size_t bytes = 4;
    pthread_mutex_lock(&s->lock);
    while (!s->batch_first && !s->stopping)
        pthread_cond_wait(&s->batch_some, &s->lock);
    while (s->batch_first && b->n < DFS_BATCH_ITEMS_MAX) {
        struct s3_dfs_put *p = s->batch_first;
        bytes += wire_size(p);
        if (bytes > DFS_BATCH_BYTES_MAX)
            break;
        b->items[b->n++] = p;
        s->batch_first = p->next;
    }
    if (!s->batch_first)
        s->batch_last = &s->batch_first;
    pthread_mutex_unlock(&s->lock);
    return b->n > 0;
}

static size_t compose(struct batch *b, uint8_t count[4])
{
    struct iovec *v = b->iov + 1;
    uint32_t n = htobe32((uint32_t)b->n);
    memcpy(count, &n, 4);
    *v++ = (struct iovec){count, 4};
    for (size_t i = 0; i < b->n; i++) {
        const struct s3_dfs_put *p = b->items[i];
        uint8_t *h = b->heads[i];
        uint32_t dn = htobe32((uint32_t)p->description.n), n2 = htobe32((uint32_t)p->data.n);
        h[0] = p->data.p ? DFS_PUT_OBJECT : DFS_PUT_NOTE;
        memcpy(h + 1, p->ext, 6);
        memcpy(h + 7, &dn, 4);
        memcpy(h + 11, &n2, 4);
        *v++ = (struct iovec){h, ITEM_HEAD_LEN};
        if (p->description.n > 0)
            *v++ = (struct iovec){(void *)(uintptr_t)p->description.p, p->description.n};
        if (p->data.n > 0)
            *v++ = (struct iovec){(void *)(uintptr_t)p->data.p, p->data.n};
    }
    return (size_t)(v - b->iov);
}

/*
 * A disk that takes seconds for what others do in milliseconds is left alone for a while, then tried with one batch.
 * Where all are like that, nothing changes: others are only preferred.
 */
static void note_pace(struct s3_store *s, uint64_t took_ms)
{
    static struct dfs_log_gate gate;
    if (took_ms < SLOW_MS || atomic_load(&s->group->n) == 1)
        return;
    atomic_store(&s->slow_until_ms, dfs_mono_ms() + (uint64_t)SLOW_HOLDS * s->dfs->o.hold_down_ms);
    if (dfs_log_allow(&gate, 1))
        dfs_log(LOG_WARN, "dfs.storage_slow", KV_Z("group", s->group->name), KV_Z("id", s->id),
                KV_U64("ms", took_ms));
}

static int send_batch(struct s3_store *s, struct s3_store_conn *c, struct batch *b)
{
    if (c->stream.fd >= 0 && s3_store_conn_stale(c))
        s3_store_conn_close(c);
    if (c->stream.fd < 0) {
        int r = s3_store_connect(s, c);
        if (r < 0)
            return r;
    }
    uint8_t count[4];
    size_t n = compose(b, count);
    uint64_t began_ms = dfs_mono_ms();
    int r = s3_store_conn_call(c, DFS_INT_PUT_BATCH, b->iov, n, NULL);
    note_pace(s, dfs_mono_ms() - began_ms);
    if (c->stream.fd < 0) {
        dfs_log(LOG_WARN, "dfs.batch_failed", KV_Z("group", s->group->name), KV_Z("id", s->id),
                KV_U64("items", b->n), KV_ERR(r));
        s3_store_suspect(s, r);
        return c->sent ? -EIO : -EHOSTUNREACH;
    }
    return r;
}

static void enqueue(struct s3_store *s, struct s3_dfs_put *p)
{
    p->next = NULL;
    pthread_mutex_lock(&s->lock);
    bool was_empty = !s->batch_first;
    *s->batch_last = p;
    s->batch_last = &p->next;
    if (was_empty)
        pthread_cond_signal(&s->batch_some);
    pthread_mutex_unlock(&s->lock);
}

static void settle(struct s3_dfs *d, struct s3_dfs_put *p, int r);

static void trackers_have_spoken(void *put)
{
    struct s3_dfs_put *p = put;
    settle(p->dfs, p, p->failure);
}

/* No server is left: do the trackers know one? True: it waits for their word. */
static bool await_word(struct s3_dfs *d, struct s3_dfs_put *p, int r)
{
    p->dfs = d;
    p->failure = r;
    p->wait = (struct s3_dfs_wait){.go_on = trackers_have_spoken, .arg = p};
    return s3_ask_for_writer(d, &p->tried, r, &p->wait);
}

/* The result to its owner, or the item to a storage it has not been to. From here on it is no longer ours. */
static void settle(struct s3_dfs *d, struct s3_dfs_put *p, int r)
{
    bool another = s3_worth_another(r) && !atomic_load(&d->stopping);
    struct s3_store *next = another ? s3_pick_writer(d, p->groups, &p->tried) : NULL;
    if (next)
        enqueue(next, p);
    else if (!another || !await_word(d, p, r))
        p->done(p, s3_write_failure(r));
}

static void answer(struct s3_store *s, struct s3_store_conn *c, struct batch *b, int r)
{
    struct rd in = rd_of(r == 0 ? buf_str(&c->in) : STR_NULL);
    if (r == 0 && rd_u32(&in) != b->n)
        r = -EPROTO;
    for (size_t i = 0; i < b->n; i++) {
        struct s3_dfs_put *p = b->items[i];
        int result = r;
        if (r == 0) {
            result = dfs_status_errno(rd_u8(&in));
            struct str id = rd_bytes(&in, rd_u16(&in));
            if (in.bad || id.n >= sizeof(p->file_id) || (result == 0 && p->data.p && id.n == 0))
                result = r = -EPROTO;
            else if (id.n > 0)
                memcpy(p->file_id, id.p, id.n);
            p->file_id[result == 0 ? id.n : 0] = '\0';
        }
        settle(s->dfs, p, result);
    }
    if (r == -EPROTO)
        s3_store_conn_close(c);
}

void *s3_store_batch_main(void *store)
{
    struct s3_store *s = store;
    pthread_setname_np(pthread_self(), "dfs-batch");
    struct s3_store_conn c;
    s3_store_conn_init(&c);
    struct batch *b = dfs_alloc(sizeof(*b));
    ASSERT(b); /* at start only */
    while (gather(s, b)) {
        int r = send_batch(s, &c, b);
        answer(s, &c, b, r);
    }
    s3_store_conn_fini(&c);
    free(b);
    return NULL;
}

void s3_dfs_submit(struct s3_dfs *d, struct s3_dfs_put *p)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    p->file_id[0] = '\0';
    p->tried = (struct s3_tried){0};
    if (p->data.n > DFS_PACK_MAX || p->description.n > DFS_DESC_MAX)
        p->done(p, -E2BIG); /* no storage takes it */
    else
        settle(d, p, -EHOSTUNREACH);
}

/* Who waits for the last of some puts. */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t zero;
    size_t left;
    int result; /* the first failure */
};

static void count_down(struct s3_dfs_put *p, int result)
{
    struct waiter *w = p->arg;
    pthread_mutex_lock(&w->lock);
    w->result = w->result < 0 ? w->result : result;
    if (--w->left == 0)
        pthread_cond_signal(&w->zero);
    pthread_mutex_unlock(&w->lock);
}

static int put_and_wait(struct s3_dfs *d, struct s3_dfs_put *puts, size_t n)
{
    struct waiter w = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .zero = PTHREAD_COND_INITIALIZER, .left = n};
    for (size_t i = 0; i < n; i++) {
        puts[i].done = count_down;
        puts[i].arg = &w;
        s3_dfs_submit(d, &puts[i]);
    }
    pthread_mutex_lock(&w.lock);
    while (w.left > 0)
        pthread_cond_wait(&w.zero, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.zero);
    pthread_mutex_destroy(&w.lock);
    return w.result;
}

int s3_dfs_note(struct s3_dfs *d, struct str groups, struct str description)
{
    struct s3_dfs_put p = {.groups = groups, .description = description};
    return put_and_wait(d, &p, 1);
}

int s3_dfs_notes(struct s3_dfs *d, struct str groups, const struct str *descriptions, size_t n)
{
    AUTO(dfs_free_ptr) struct s3_dfs_put *puts = dfs_zalloc(MAX(n, (size_t)1) * sizeof(*puts));
    if (!puts)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        puts[i] = (struct s3_dfs_put){.groups = groups, .description = descriptions[i]};
    return put_and_wait(d, puts, n);
}
