/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suspect - what a reader found wrong at one server and right at another is told to the first, which repairs its copy.
 *
 * Requests only leave a note: one thread tells. What finds no room among the notes is told by the next reader.
 *
 * The same thread asks the storages of this machine once a second what they know to be damaged. When that changes, the
 * descriptors that are kept of plain files are given up: of some of them there are others now, or must not be.
 */
#include <stdatomic.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/messages.h"
#include "s3gw/dfs/store.h"

enum { NOTES = 64, ASK_MS = 1000 };

struct note {
    struct s3_store *s;
    bool missing;
    size_t n;
    char id[DFS_FILE_ID_MAX];
};

struct s3_suspects {
    struct s3_dfs *d;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards all below; leaf */
    pthread_cond_t wake;  /* monotonic clock */
    bool stop;
    struct note notes[NOTES]; /* a ring */
    size_t first, n;
    uint64_t told[2]; /* damaged, missing */
};

static bool is_noted(const struct s3_suspects *t, const struct s3_store *s, struct str id)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct note *k = &t->notes[(t->first + i) % NOTES];
        if (k->s == s && str_eq(str_of(k->id, k->n), id))
            return true;
    }
    return false;
}

void s3_suspect(struct s3_store *s, struct str file_id, bool missing)
{
    struct s3_suspects *t = s->dfs->suspects;
    if (!t || file_id.n > DFS_FILE_ID_MAX)
        return;
    pthread_mutex_lock(&t->lock);
    if (t->n < NOTES && !is_noted(t, s, file_id)) {
        struct note *k = &t->notes[(t->first + t->n++) % NOTES];
        *k = (struct note){.s = s, .missing = missing, .n = file_id.n};
        memcpy(k->id, file_id.p, file_id.n);
        t->told[missing]++;
        pthread_cond_signal(&t->wake);
    }
    pthread_mutex_unlock(&t->lock);
}

static void tell(const struct note *k)
{
    AUTO(buf_free) struct buf ask = BUF(DFS_FILE_ID_MAX + 1);
    struct str id = str_of(k->id, k->n);
    buf_u8(&ask, k->missing);
    buf_adds(&ask, id);
    int r = buf_err(&ask)
                ? buf_err(&ask)
                : s3_store_ask(k->s, DFS_INT_FILE_SUSPECT, buf_str(&ask), true, NULL, NULL);
    dfs_log(r < 0 ? LOG_WARN : LOG_INFO, "dfs.copy_suspected", KV_STR("file", id),
            KV_Z("server", k->s->id), KV_Z("found", k->missing ? "missing" : "damaged"), KV_ERR(r));
}

static void ask_one(struct s3_store *s)
{
    AUTO(buf_free) struct buf got = BUF(DFS_REPAIR_STATE_LEN);
    struct dfs_repair_state m;
    if (atomic_load(&s->down_since_ms) != 0 ||
        s3_store_ask(s, DFS_INT_REPAIR_STATE, STR_NULL, true, &got, NULL) < 0 ||
        dfs_repair_state_get(buf_str(&got), &m) < 0)
        return;
    atomic_store(&s->damaged, (uint64_t)m.damaged);
    if (atomic_exchange(&s->repair_changes, m.changes) != m.changes)
        s3_read_cache_drop_plain(s->dfs->reads);
}

static void ask_local_ones(struct s3_dfs *d)
{
    size_t n = atomic_load(&d->nstores);
    for (size_t i = 0; i < n; i++)
        if (d->stores[i]->local && !atomic_load(&d->stores[i]->retired))
            ask_one(d->stores[i]);
}

/* Lock held; it is given back meanwhile. */
static void tell_first(struct s3_suspects *t)
{
    struct note k =
        t->notes[t->first]; /* it stays until it is told, so that it is not noted again */
    pthread_mutex_unlock(&t->lock);
    tell(&k);
    pthread_mutex_lock(&t->lock);
    t->first = (t->first + 1) % NOTES;
    t->n--;
}

static void *tell_main(void *arg)
{
    struct s3_suspects *t = arg;
    pthread_setname_np(pthread_self(), "dfs-suspect");
    struct timespec next = dfs_mono_after(ASK_MS);
    pthread_mutex_lock(&t->lock);
    while (!t->stop) {
        if (t->n > 0) {
            tell_first(t);
        } else if (pthread_cond_timedwait(&t->wake, &t->lock, &next) == ETIMEDOUT) {
            pthread_mutex_unlock(&t->lock);
            ask_local_ones(t->d);
            next = dfs_mono_after(ASK_MS);
            pthread_mutex_lock(&t->lock);
        }
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

int s3_suspects_new(struct s3_dfs *d, struct s3_suspects **ret)
{
    AUTO(s3_suspects_free) struct s3_suspects *t = dfs_zalloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->d = d;
    pthread_mutex_init(&t->lock, NULL);
    dfs_cond_init(&t->wake);
    t->started = pthread_create(&t->thread, NULL, tell_main, t) == 0;
    if (!t->started)
        return -EAGAIN;
    *ret = TAKE(t);
    return 0;
}

void s3_suspects_free(struct s3_suspects **tp)
{
    struct s3_suspects *t = TAKE(*tp);
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    if (t->started)
        pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void s3_dfs_suspected(struct s3_dfs *d, uint64_t *damaged, uint64_t *missing)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    struct s3_suspects *t = d->suspects;
    pthread_mutex_lock(&t->lock);
    *damaged = t->told[0];
    *missing = t->told[1];
    pthread_mutex_unlock(&t->lock);
}
