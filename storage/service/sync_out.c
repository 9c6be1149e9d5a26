/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync_out - what our own peers ask: which logs are here (190), and their bytes (191).
 *
 * A pull that finds nothing new is parked until there is something or its wait is over, so that a
 * replica is milliseconds behind and an idle group costs a few wake-ups a second.
 *
 * Rule: dfscore/wire/internal.h, SYNC_LOGS and SYNC_PULL.
 */
#include <time.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "storage/service/op.h"

enum { PARK_LOOK_MS = 5, PARK_MAX_MS = 10000, PULL_HEAD = 32 };

struct pull {
    struct sto_op op; /* first */
    uint8_t id[STO_LOG_ID_LEN];
    uint64_t position;
    uint64_t until_ms;   /* monotonic: answer then, whatever there is */
    char asker[17];
    struct pull *next;   /* while parked */
};

/* --- the car park ----------------------------------------------------------------------------- */

struct sto_parking {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct pull *list; /* under lock */
    bool stop;         /* under lock */
};

static void read_log(struct sto_iotask *t);

static void drive_on(struct pull *p)
{
    p->op.task.run = read_log;
    sto_iopool_push(p->op.s->pool, p->op.path, STO_IO_READ, &p->op.task);
}

static bool ready(struct pull *p)
{
    struct sto_log_info log;
    return dfs_mono_ms() >= p->until_ms ||
           sto_mirrors_find(p->op.s->o.mirrors, p->op.path, p->id, &log) < 0 ||
           log.end > p->position;
}

static void *watch(void *arg)
{
    struct sto_parking *pk = arg;
    pthread_mutex_lock(&pk->lock);
    while (!pk->stop || pk->list) {
        if (!pk->list) {
            pthread_cond_wait(&pk->wake, &pk->lock);
            continue;
        }
        struct pull **at = &pk->list;
        while (*at) {
            struct pull *p = *at;
            if (!pk->stop && !ready(p)) {
                at = &p->next;
                continue;
            }
            *at = p->next;
            p->until_ms = 0;
            drive_on(p);
        }
        pthread_mutex_unlock(&pk->lock);
        const struct timespec look = {0, PARK_LOOK_MS * 1000000};
        nanosleep(&look, NULL);
        pthread_mutex_lock(&pk->lock);
    }
    pthread_mutex_unlock(&pk->lock);
    return NULL;
}

int sto_parking_new(struct sto_parking **ret)
{
    struct sto_parking *pk = dfs_zalloc(sizeof(*pk));
    if (!pk)
        return -ENOMEM;
    pthread_mutex_init(&pk->lock, NULL);
    pthread_cond_init(&pk->wake, NULL);
    int r = -pthread_create(&pk->thread, NULL, watch, pk);
    if (r < 0)
        free(pk);
    else
        *ret = pk;
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

static bool park(struct pull *p)
{
    struct sto_parking *pk = p->op.s->parking;
    pthread_mutex_lock(&pk->lock);
    bool ok = !pk->stop;
    if (ok) {
        p->next = pk->list;
        pk->list = p;
    }
    pthread_mutex_unlock(&pk->lock);
    if (ok)
        pthread_cond_signal(&pk->wake);
    return ok;
}

/* --- 191 --------------------------------------------------------------------------------------------- */

static void read_log(struct sto_iotask *t)
{
    struct pull *p = (struct pull *)t;
    struct buf *out = &p->op.out;
    struct sto_range range;
    char head[PULL_HEAD] = {0};
    uint64_t now_s = (uint64_t)dfs_now_s(); /* before the look at the log: what is older is in it */
    buf_reset(out);
    buf_add(out, head, sizeof(head));
    int r = sto_mirrors_read(p->op.s->o.mirrors, p->op.path, p->id, p->position, out, &range);
    if (r == 0 && range.n == 0 && dfs_mono_ms() < p->until_ms && park(p))
        return;
    if (r == 0 && !buf_err(out)) {
        struct buf at = {out->p, 0, PULL_HEAD, PULL_HEAD, 0};
        buf_u32(&at, range.number);
        buf_u32(&at, range.offset);
        buf_u64(&at, range.next);
        buf_u64(&at, range.end);
        buf_u64(&at, now_s);
    }
    sto_op_finish(&p->op, r < 0 ? r : buf_err(out));
}

void sto_handle_pull(struct dfs_req *req)
{
    struct pull *p = sto_op_new(req, sizeof(*p));
    if (!p)
        return;
    struct rd r = rd_of(req->body);
    uint8_t path = rd_u8(&r);
    struct str id = rd_bytes(&r, STO_LOG_ID_LEN);
    p->position = rd_u64(&r);
    uint32_t wait_ms = rd_u32(&r);
    struct str asker = rd_bytes(&r, DFS_ID_MAX);
    if (r.bad || path >= sto_store_path_count(p->op.s->o.store) || !p->op.s->o.mirrors) {
        dfs_req_reply(req, -EINVAL, STR_NULL);
        return;
    }
    memcpy(p->id, id.p, sizeof(p->id));
    memcpy(p->asker, asker.p, DFS_ID_MAX);
    p->op.out.max = STO_RANGE_MAX + PULL_HEAD;
    p->op.path = path;
    p->until_ms = dfs_mono_ms() + MIN(wait_ms, (uint32_t)PARK_MAX_MS);
    sto_followers_note(p->op.s->o.followers, p->asker, path, p->id, p->position);
    drive_on(p);
}

/* --- 190 --------------------------------------------------------------------------------------------- */

static int list_logs(struct sto_op *op)
{
    AUTO(dfs_free_ptr) struct sto_log_info *logs = dfs_alloc(STO_LOGS_MAX * sizeof(*logs));
    if (!logs)
        return -ENOMEM;
    size_t n = sto_mirrors_list(op->s->o.mirrors, op->path, logs, STO_LOGS_MAX);
    buf_u16(&op->out, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_add(&op->out, logs[i].id, STO_LOG_ID_LEN);
        buf_u8(&op->out, logs[i].high);
        buf_u8(&op->out, logs[i].low);
        buf_u8(&op->out, logs[i].own);
        buf_u64(&op->out, logs[i].end);
        buf_add(&op->out, logs[i].origin, DFS_ID_MAX);
    }
    return buf_err(&op->out);
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
