/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync_out - what our own peers ask: which logs are here (190), their bytes (191), news (192), metadata (196).
 *
 * A pull that finds nothing new is parked until there is something or its wait is over, so that a
 * replica is milliseconds behind and an idle group costs a few wake-ups a second. While answers to
 * clients wait for copies (storage/sync/copies.h) a pull leaves at once; else a few milliseconds later,
 * with more in it.
 *
 * Rule: dfscore/wire/internal.h, SYNC_LOGS, SYNC_PULL, SYNC_WAIT, SYNC_METAS.
 */
#include <time.h>

#include "dfscore/base/clock.h"
#include "storage/service/logs.h"
#include "storage/service/op.h"
#include "storage/sync/source.h"

enum { PARK_LOOK_MS = 50, LAZY_MS = 5, PARK_MAX_MS = 10000 };

/* A request that waits for a log to grow. */
struct visitor {
    struct sto_op op;  /* first */
    uint64_t until_ms; /* monotonic: answer then, whatever there is; 0: now */
    bool (*ready)(struct visitor *v);
    void (*leave)(struct visitor *v);
    struct visitor *next; /* while parked */
};

struct pull {
    struct visitor v; /* first */
    struct sto_pull ask;
};

struct await {
    struct visitor v; /* first */
    unsigned count;
    struct sto_pull asks[STO_PATHS_MAX];
};

/* --- the car park ----------------------------------------------------------------------------- */

struct sto_parking {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct visitor *list; /* under lock */
    bool stop;            /* under lock */
};

/* Those that are ready leave the list. Lock held. */
static struct visitor *take_ready(struct sto_parking *pk)
{
    struct visitor *out = NULL, **at = &pk->list;
    while (*at) {
        struct visitor *v = *at;
        if (!pk->stop && dfs_mono_ms() < v->until_ms && !v->ready(v)) {
            at = &v->next;
            continue;
        }
        *at = v->next;
        v->next = out;
        out = v;
    }
    return out;
}

static void leave_all(struct visitor *list)
{
    for (struct visitor *v = list, *next; v; v = next) {
        next = v->next;
        v->until_ms = 0;
        v->leave(v);
    }
}

static void *watch(void *arg)
{
    struct sto_service *s = arg;
    struct sto_parking *pk = s->parking;
    uint64_t seen = 0;
    pthread_mutex_lock(&pk->lock);
    while (!pk->stop || pk->list) {
        if (!pk->list) {
            pthread_cond_wait(&pk->wake, &pk->lock);
            continue;
        }
        struct visitor *leaving = take_ready(pk);
        pthread_mutex_unlock(&pk->lock);
        leave_all(leaving);
        uint64_t now = sto_store_wait(s->o.store, seen, PARK_LOOK_MS);
        if (now != seen && (!s->o.copies || sto_copies_needed(s->o.copies) <= 1)) {
            const struct timespec lazy = {0, LAZY_MS * 1000000};
            nanosleep(&lazy, NULL);
        }
        seen = now;
        pthread_mutex_lock(&pk->lock);
    }
    pthread_mutex_unlock(&pk->lock);
    return NULL;
}

int sto_parking_new(struct sto_service *s, struct sto_parking **ret)
{
    struct sto_parking *pk = dfs_zalloc(sizeof(*pk));
    if (!pk)
        return -ENOMEM;
    pthread_mutex_init(&pk->lock, NULL);
    pthread_cond_init(&pk->wake, NULL);
    *ret = pk; /* the thread looks there */
    int r = -pthread_create(&pk->thread, NULL, watch, s);
    if (r < 0) {
        *ret = NULL;
        free(pk);
    }
    return r;
}

void sto_parking_close(struct sto_parking *pk)
{
    if (!pk)
        return;
    pthread_mutex_lock(&pk->lock);
    bool first = !pk->stop;
    pk->stop = true;
    pthread_mutex_unlock(&pk->lock);
    pthread_cond_signal(&pk->wake);
    if (first)
        pthread_join(pk->thread, NULL);
}

void sto_parking_free(struct sto_parking **pp)
{
    struct sto_parking *pk = TAKE(*pp);
    if (!pk)
        return;
    sto_parking_close(pk);
    pthread_cond_destroy(&pk->wake);
    pthread_mutex_destroy(&pk->lock);
    free(pk);
}

/* False: the car park is closed, or there is no time to wait: answer now. */
static bool park(struct visitor *v)
{
    struct sto_parking *pk = v->op.s->parking;
    struct visitor *leaving = NULL;
    pthread_mutex_lock(&pk->lock);
    bool ok = !pk->stop && dfs_mono_ms() < v->until_ms;
    bool first = !pk->list;
    if (ok) {
        v->next = pk->list;
        pk->list = v;
        leaving = take_ready(pk); /* the log may have grown between our look at it and here */
    }
    pthread_mutex_unlock(&pk->lock);
    if (ok && first)
        pthread_cond_signal(&pk->wake);
    leave_all(leaving);
    return ok;
}

/* --- 191 --------------------------------------------------------------------------------------------- */

static struct sto_source source_of(const struct visitor *v)
{
    const struct sto_service_options *o = &v->op.s->o;
    return (struct sto_source){o->store, o->mirrors, o->followers, o->copies};
}

static void read_log(struct sto_iotask *t)
{
    struct pull *p = (struct pull *)t;
    struct sto_op *op = &p->v.op;
    struct sto_source source = source_of(&p->v);
    bool nothing = false;
    int r = sto_source_pull(&source, &p->ask, &op->out, &nothing);
    if (r < 0 || !nothing || !park(&p->v))
        sto_op_finish(op, r);
}

static void drive_on(struct visitor *v)
{
    v->op.task.run = read_log;
    sto_iopool_push(v->op.s->pool, v->op.path, STO_IO_READ, &v->op.task);
}

static bool log_has_grown(struct visitor *v)
{
    struct sto_source source = source_of(v);
    return sto_source_grown(&source, &((struct pull *)v)->ask);
}

static uint64_t until(const struct sto_patience *patience)
{
    return dfs_mono_ms() + MIN(patience->wait_ms, (uint32_t)PARK_MAX_MS);
}

void sto_handle_pull(struct dfs_req *req)
{
    struct pull *p = sto_op_new(req, sizeof(*p));
    if (!p)
        return;
    struct sto_source source = source_of(&p->v);
    struct sto_patience patience;
    int r = sto_source_hear_pull(&source, req->body, &p->ask, &patience);
    if (r < 0) {
        dfs_req_reply(req, r, STR_NULL);
        return;
    }
    sto_sync_pulls(req->conn);
    p->v.op.out.max = STO_RANGE_MAX + STO_PULL_HEAD;
    p->v.op.path = p->ask.path;
    p->v.until_ms = until(&patience);
    p->v.ready = log_has_grown;
    p->v.leave = drive_on;
    drive_on(&p->v);
}

/* --- 192 --------------------------------------------------------------------------------------------- */

static bool any_has_grown(struct visitor *v)
{
    struct await *a = (struct await *)v;
    struct sto_source source = source_of(v);
    return sto_source_any_grown(&source, a->asks, a->count);
}

static void tell_ends(struct visitor *v)
{
    struct sto_source source = source_of(v);
    sto_source_ends(&source, ((struct await *)v)->count, &v->op.out);
    sto_op_finish(&v->op, buf_err(&v->op.out));
}

void sto_handle_await(struct dfs_req *req)
{
    struct await *a = sto_op_new(req, sizeof(*a));
    if (!a)
        return;
    struct visitor *v = &a->v;
    struct sto_source source = source_of(v);
    struct sto_patience patience;
    int r = sto_source_hear_wait(&source, req->body, a->asks, &a->count, &patience);
    if (r < 0) {
        dfs_req_reply(req, r, STR_NULL);
        return;
    }
    sto_sync_pulls(req->conn);
    v->ready = any_has_grown;
    v->leave = tell_ends;
    v->until_ms = until(&patience);
    if (!park(v))
        tell_ends(v);
}

/* --- 190 --------------------------------------------------------------------------------------------- */

static int list_logs(struct sto_op *op)
{
    return sto_logs_list(op->s->o.mirrors, op->path, &op->out);
}

void sto_handle_logs(struct dfs_req *req)
{
    struct sto_op *op = sto_op_new(req, sizeof(*op));
    if (!op)
        return;
    op->path = (uint8_t)req->body.p[0];
    if (op->path >= sto_store_path_count(op->s->o.store) || !op->s->o.mirrors)
        dfs_req_reply(req, -EINVAL, STR_NULL);
    else
        sto_op_run(op, STO_IO_READ, list_logs);
}

/* --- 196 --------------------------------------------------------------------------------------------- */

static int tell_metas(struct sto_op *op)
{
    const struct sto_source source = {.store = op->s->o.store};
    return sto_source_metas(&source, op->req->body, &op->out);
}

void sto_handle_metas(struct dfs_req *req)
{
    struct sto_op *op = sto_op_new(req, sizeof(*op));
    if (!op)
        return;
    op->out.max = STO_METAS_MAX;
    sto_op_run(op, STO_IO_READ, tell_metas);
}
