/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/store.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"

enum {
    RESTART_WAIT_MS =
        3000, /* as long as a storage needs to come back, with the supervisor's first try */
    RETRY_EVERY_MS = 50,
    LOCAL_TIMEOUT_MS = 60 * 1000,
    KEEP_ANSWER = 256 * 1024,
};

int s3_store_new(struct s3_dfs *d, struct s3_group *g, const struct dfs_addr *addr, const char *id,
                 struct s3_store **ret)
{
    AUTO(s3_store_free) struct s3_store *s = dfs_zalloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->dfs = d;
    s->group = g;
    s->addr = *addr;
    s->local = addr->host[0] == '/';
    snprintf(s->id, sizeof(s->id), "%s", id);
    s->known = id[0] != '\0';
    s->reads = s->writes = true;
    pthread_mutex_init(&s->lock, NULL);
    dfs_cond_init(&s->lane_free);
    pthread_cond_init(&s->batch_some, NULL);
    s->batch_last = &s->batch_first;
    for (size_t i = 0; i < S3_LANES_MAX; i++)
        s3_store_conn_init(&s->lanes[i]);
    if (pthread_create(&s->batch_thread, NULL, s3_store_batch_main, s) != 0)
        return -EAGAIN;
    s->batch_running = true;
    *ret = TAKE(s);
    return 0;
}

void s3_store_free(struct s3_store **sp)
{
    struct s3_store *s = TAKE(*sp);
    if (!s)
        return;
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
    free(s);
}

void s3_store_move(struct s3_store *s, const struct dfs_addr *addr)
{
    pthread_mutex_lock(&s->lock);
    bool moved = !dfs_addr_eq(&s->addr, addr);
    s->addr = *addr;
    pthread_mutex_unlock(&s->lock);
    if (moved)
        atomic_store(&s->probe_ms, 0);
}

/* ---- up and down ---- */

static void say_away(struct s3_store *s, int r)
{
    char addr[DFS_ADDR_TEXT];
    pthread_mutex_lock(&s->lock);
    dfs_addr_format(&s->addr, addr);
    pthread_mutex_unlock(&s->lock);
    dfs_log(LOG_WARN, "dfs.storage_away", KV_Z("group", s->group->name), KV_Z("address", addr),
            KV_ERR(r));
}

/* Its machine said so, of a connection that was asked for or of one that broke: whether its program is there (again)
 * is known by asking, without waiting. */
static bool says_no(int r)
{
    return r == -ECONNREFUSED || r == -ENOENT || r == -ECONNRESET || r == -EPIPE;
}

/* True: it answered until now. */
static bool note_down(struct s3_store *s, uint64_t now, int r)
{
    atomic_store(&s->refuses, says_no(r));
    uint64_t up = 0;
    bool first = atomic_compare_exchange_strong(&s->down_since_ms, &up, now);
    atomic_store(&s->probe_ms, now + s->dfs->o.hold_down_ms);
    return first;
}

static void note_up(struct s3_store *s)
{
    if (atomic_exchange(&s->down_since_ms, 0) != 0)
        dfs_log(LOG_INFO, "dfs.storage_back", KV_Z("group", s->group->name), KV_Z("id", s->id));
}

void s3_store_suspect(struct s3_store *s, int r)
{
    if (atomic_load(&s->group->n) > 1 && note_down(s, dfs_mono_ms(), r))
        say_away(s, r);
}

/* True for one caller a hold-down. */
static bool probe_due(struct s3_store *s)
{
    uint64_t now = dfs_mono_ms(), at = atomic_load(&s->probe_ms);
    return atomic_load(&s->down_since_ms) != 0 && now >= at &&
           atomic_compare_exchange_strong(&s->probe_ms, &at, now + s->dfs->o.hold_down_ms);
}

static int dial(struct s3_store *s, struct s3_store_conn *c)
{
    struct s3_store_dial to = {
        .secret = s->dfs->o.secret,
        .tls = s->dfs->o.tls,
        .tenure = s->dfs->o.tenure,
        .session = s->dfs->session,
        .connect_ms = s->dfs->o.connect_ms,
        .timeout_ms = s->local ? LOCAL_TIMEOUT_MS : s->dfs->o.timeout_ms,
        .group = str_c(s->group->name),
        .copies = s->group->copies,
    };
    pthread_mutex_lock(&s->lock);
    to.addr = s->addr;
    pthread_mutex_unlock(&s->lock);
    bool known = atomic_load(&s->known);
    if (known)
        memcpy(to.id, s->id, sizeof(to.id));
    int r = s3_store_conn_open(c, &to);
    if (r < 0 || known)
        return r;
    pthread_mutex_lock(&s->lock); /* a local one has told its name */
    if (!s->known)
        memcpy(s->id, to.id, sizeof(s->id));
    atomic_store(&s->known, true);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static int try_once(struct s3_store *s, struct s3_store_conn *c)
{
    int r = dial(s, c);
    if (r == 0) {
        note_up(s);
        return 0;
    }
    if (note_down(s, dfs_mono_ms(), r))
        say_away(s, r);
    return -EHOSTUNREACH;
}

static int connect_one_of_many(struct s3_store *s, struct s3_store_conn *c)
{
    if (atomic_load(&s->down_since_ms) != 0 && !atomic_load(&s->refuses) && !probe_due(s))
        return -EHOSTUNREACH;
    return try_once(s, c);
}

int s3_store_connect(struct s3_store *s, struct s3_store_conn *c)
{
    if (atomic_load(&s->group->n) > 1)
        return connect_one_of_many(s, c);
    for (;;) {
        int r = dial(s, c);
        uint64_t now = dfs_mono_ms();
        if (r == 0) {
            note_up(s);
            return 0;
        }
        if (note_down(s, now, r))
            say_away(s, r);
        if (now - atomic_load(&s->down_since_ms) >= RESTART_WAIT_MS)
            return -EHOSTUNREACH;
        nanosleep(&(struct timespec){.tv_nsec = RETRY_EVERY_MS * 1000000L}, NULL);
    }
}

/* ---- lanes ---- */

/* A free lane, an open one before a closed one. NULL: none came free in time. */
static struct s3_store_conn *lane_take(struct s3_store *s)
{
    unsigned limit = s->local ? LOCAL_TIMEOUT_MS : s->dfs->o.timeout_ms;
    struct s3_store_conn *found = NULL;
    struct timespec until = {0};
    bool late = false;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        for (size_t i = 0; i < S3_LANES_MAX && !(found && found->stream.fd >= 0); i++)
            if (!s->taken[i] && (!found || s->lanes[i].stream.fd >= 0))
                found = &s->lanes[i];
        if (found || late)
            break;
        if (until.tv_sec == 0)
            until = dfs_mono_after(limit);
        late = pthread_cond_timedwait(&s->lane_free, &s->lock, &until) == ETIMEDOUT;
    }
    if (found)
        s->taken[found - s->lanes] = true;
    pthread_mutex_unlock(&s->lock);
    return found;
}

void s3_store_lane_give(struct s3_store *s, struct s3_store_conn *c)
{
    if (c->in.cap > KEEP_ANSWER)
        buf_free(&c->in);
    pthread_mutex_lock(&s->lock);
    s->taken[c - s->lanes] = false;
    pthread_cond_signal(&s->lane_free);
    pthread_mutex_unlock(&s->lock);
}

int s3_store_lane(struct s3_store *s, struct s3_store_conn **ret)
{
    struct s3_store_conn *c = lane_take(s);
    if (!c)
        return -EHOSTUNREACH;
    if (c->stream.fd >= 0 && !s->local && s3_store_conn_stale(c))
        s3_store_conn_close(c);
    int r = c->stream.fd < 0 ? s3_store_connect(s, c) : 0;
    if (r < 0)
        s3_store_lane_give(s, c);
    else
        *ret = c;
    return r;
}

void s3_store_probe(struct s3_store *s, bool now)
{
    if (!now && !probe_due(s))
        return;
    struct s3_store_conn *c = lane_take(s);
    if (!c)
        return;
    s3_store_conn_close(c); /* one from before it went down proves nothing */
    if (try_once(s, c) == 0) {
        int r = s3_store_conn_ask(c, DFS_INT_STAT, STR_NULL, NULL);
        if (r < 0)
            s3_store_suspect(s, r);
    }
    s3_store_lane_give(s, c);
}

bool s3_store_made(struct s3_store *s, const char *source)
{
    if (!source[0])
        return false;
    pthread_mutex_lock(&s->lock);
    bool made = strcmp(s->id, source) == 0 || strcmp(s->addr.host, source) == 0;
    pthread_mutex_unlock(&s->lock);
    return made;
}

int s3_store_ask(struct s3_store *s, uint8_t cmd, struct str body, bool repeatable,
                 struct buf *answer, int *fd)
{
    struct s3_store_conn *c = NULL;
    int r = 0;
    for (int try = 0; try < 2; try++) {
        r = c ? s3_store_connect(s, c) : s3_store_lane(s, &c);
        if (r < 0)
            break;
        r = s3_store_conn_ask(c, cmd, body, fd);
        if (c->stream.fd >= 0)
            break; /* an answer, of whatever kind */
        bool again = try == 0 && (repeatable || !c->sent) && r != -ETIMEDOUT;
        dfs_log(again ? LOG_DEBUG : LOG_WARN, "dfs.storage_call_failed",
                KV_Z("group", s->group->name), KV_Z("id", s->id), KV_U64("cmd", cmd), KV_ERR(r));
        if (again)
            continue;
        s3_store_suspect(s, r);
        r = c->sent ? -EIO : -EHOSTUNREACH;
        break;
    }
    if (!c)
        return r;
    if (r == 0 && answer)
        buf_adds(answer, buf_str(&c->in));
    s3_store_lane_give(s, c);
    return r == 0 && answer ? buf_err(answer) : r;
}
