/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/store.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"

enum {
    RESTART_WAIT_MS =
        3000, /* as long as a storage needs to come back, with the supervisor's first try */
    RETRY_EVERY_MS = 50,
};

struct s3_store *s3_store_of_group(struct s3_dfs *d, struct str group)
{
    for (size_t i = 0; i < d->nstores; i++)
        if (str_eq(group, str_c(d->stores[i].group)))
            return &d->stores[i];
    return NULL;
}

struct s3_store *s3_store_of_file(struct s3_dfs *d, struct str file_id)
{
    struct str group, rest;
    return str_cut(file_id, '/', &group, &rest) ? s3_store_of_group(d, group) : NULL;
}

int s3_store_init(struct s3_store *s, struct s3_dfs *d, const struct s3_dfs_store *o)
{
    s->dfs = d;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->lane_free, NULL);
    pthread_cond_init(&s->batch_some, NULL);
    s->batch_last = &s->batch_first;
    for (size_t i = 0; i < S3_LANES_MAX; i++)
        s3_store_conn_init(&s->lanes[i]);
    s->group = str_dup(o->group);
    s->socket = str_dup(o->socket);
    if (!s->group || !s->socket)
        return -ENOMEM;
    if (pthread_create(&s->batch_thread, NULL, s3_store_batch_main, s) != 0)
        return -EAGAIN;
    s->batch_running = true;
    return 0;
}

void s3_store_fini(struct s3_store *s)
{
    if (s->batch_running) {
        pthread_mutex_lock(&s->lock);
        s->stopping = true;
        pthread_cond_signal(&s->batch_some);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->batch_thread, NULL);
    }
    for (size_t i = 0; i < S3_LANES_MAX; i++) {
        ASSERT(!s->taken[i]);
        s3_store_conn_fini(&s->lanes[i]);
    }
    pthread_cond_destroy(&s->batch_some);
    pthread_cond_destroy(&s->lane_free);
    pthread_mutex_destroy(&s->lock);
    free(s->group);
    free(s->socket);
}

int s3_store_connect(struct s3_store *s, struct s3_store_conn *c)
{
    for (;;) {
        int r = s3_store_conn_open(c, s->socket, s->dfs->session);
        uint64_t down = atomic_load(&s->down_since_ms);
        if (r == 0) {
            if (down != 0)
                dfs_log(LOG_INFO, "dfs.storage_back", KV_Z("group", s->group));
            atomic_store(&s->down_since_ms, 0);
            return 0;
        }
        uint64_t now = dfs_mono_ms();
        if (down == 0) {
            dfs_log(LOG_WARN, "dfs.storage_away", KV_Z("group", s->group),
                    KV_Z("socket", s->socket), KV_ERR(r));
            atomic_store(&s->down_since_ms, now);
        } else if (now - down >= RESTART_WAIT_MS) {
            return -EHOSTUNREACH;
        }
        nanosleep(&(struct timespec){.tv_nsec = RETRY_EVERY_MS * 1000000L}, NULL);
    }
}

static struct s3_store_conn *lane_take(struct s3_store *s)
{
    pthread_mutex_lock(&s->lock);
    for (;;) {
        struct s3_store_conn *closed = NULL;
        for (size_t i = 0; i < S3_LANES_MAX; i++) {
            if (s->taken[i])
                continue;
            closed = &s->lanes[i];
            if (closed->fd >= 0)
                break; /* an open one is better */
        }
        if (closed) {
            s->taken[closed - s->lanes] = true;
            pthread_mutex_unlock(&s->lock);
            return closed;
        }
        pthread_cond_wait(&s->lane_free, &s->lock);
    }
}

static void lane_give(struct s3_store *s, struct s3_store_conn *c)
{
    pthread_mutex_lock(&s->lock);
    s->taken[c - s->lanes] = false;
    pthread_cond_signal(&s->lane_free);
    pthread_mutex_unlock(&s->lock);
}

int s3_store_ask(struct s3_store *s, uint8_t cmd, struct str body, bool repeatable,
                 struct buf *answer, int *fd)
{
    struct s3_store_conn *c = lane_take(s);
    int r = 0;
    for (int try = 0; try < 2; try++) {
        if (c->fd < 0)
            r = s3_store_connect(s, c);
        if (r < 0)
            break;
        r = s3_store_conn_ask(c, cmd, body, fd);
        if (c->fd >= 0)
            break; /* an answer, of whatever kind */
        bool again = try == 0 && (repeatable || !c->sent) && r != -ETIMEDOUT;
        dfs_log(again ? LOG_DEBUG : LOG_WARN, "dfs.storage_call_failed", KV_Z("group", s->group),
                KV_U64("cmd", cmd), KV_ERR(r));
        r = again ? 0 : c->sent ? -EIO : -EHOSTUNREACH;
        if (!again)
            break;
    }
    if (r == 0 && answer)
        buf_adds(answer, buf_str(&c->in));
    if (c->in.cap > 256 * 1024)
        buf_free(&c->in);
    lane_give(s, c);
    return r == 0 && answer ? buf_err(answer) : r;
}
