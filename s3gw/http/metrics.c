/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/metrics.h"

#include <pthread.h>

#include "dfscore/metrics/metrics.h"
#include "s3gw/api/ops.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/tenure.h"
#include "s3gw/dfs/dfs.h"

enum s3_metric {
    BEFORE_FIRST = DFS_METRICS_COMMON - 1,
#define METRIC(kind, id, name, label, help) M_##id,
#include "s3gw/http/metrics.def"
#undef METRIC
};

static const struct dfs_metric rows[] = {
#define METRIC(kind, id, name, label, help) {DFS_##kind, name, label, help},
#include "s3gw/http/metrics.def"
#undef METRIC
};

struct s3_metrics {
    struct dfs_metrics *all;
    struct dfs_cell **requests,
        **seconds; /* by place in s3_ops; one more for what routed nowhere */
    struct dfs_cell *failed[S3ERR_COUNT_];
    struct dfs_cell *received, *sent, *connections, *active;
    pthread_mutex_t lock; /* while the counts that others keep are taken over */
    struct dfs_cell *damaged, *missing;
};

static int make_cells(struct s3_metrics *m)
{
    m->requests = dfs_zalloc((s3_nops + 1) * sizeof(struct dfs_cell *));
    m->seconds = dfs_zalloc((s3_nops + 1) * sizeof(struct dfs_cell *));
    if (!m->requests || !m->seconds)
        return -ENOMEM;
    for (size_t i = 0; i <= s3_nops; i++) {
        if (i < s3_nops && !s3_ops[i].handle)
            continue; /* not offered: counted as failed with NotImplemented */
        const char *name = i < s3_nops ? s3_ops[i].name : "none";
        m->requests[i] = dfs_metrics_series(m->all, M_REQUESTS, name);
        m->seconds[i] = dfs_metrics_series(m->all, M_SECONDS, name);
    }
    for (enum s3err e = S3ERR_OK + 1; e < S3ERR_COUNT_; e++)
        m->failed[e] = dfs_metrics_series(m->all, M_FAILED, s3err_info(e)->code);
    m->received = dfs_metrics_series(m->all, M_RECEIVED, NULL);
    m->sent = dfs_metrics_series(m->all, M_SENT, NULL);
    m->connections = dfs_metrics_series(m->all, M_CONNECTIONS, NULL);
    m->active = dfs_metrics_series(m->all, M_ACTIVE, NULL);
    m->damaged = dfs_metrics_series(m->all, M_SUSPECTED, "damaged");
    m->missing = dfs_metrics_series(m->all, M_SUSPECTED, "missing");
    return m->missing ? 0 : -ENOMEM;
}

int s3_metrics_new(struct s3_metrics **ret)
{
    AUTO(s3_metrics_free) struct s3_metrics *m = dfs_zalloc(sizeof(*m));
    if (!m)
        return -ENOMEM;
    pthread_mutex_init(&m->lock, NULL);
    int r = dfs_metrics_new(rows, ARRAY_LEN(rows), &m->all);
    if (r == 0)
        r = make_cells(m);
    if (r < 0)
        return r;
    *ret = TAKE(m);
    return 0;
}

void s3_metrics_free(struct s3_metrics **mp)
{
    struct s3_metrics *m = TAKE(*mp);
    if (!m)
        return;
    dfs_metrics_free(&m->all);
    free(m->requests);
    free(m->seconds);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void s3_metrics_request(struct s3_metrics *m, const struct s3_req *q, enum s3err e,
                        uint64_t received, uint64_t sent, uint64_t took_us)
{
    size_t op = q->op ? (size_t)(q->op - s3_ops) : s3_nops;
    dfs_count(m->requests[op], 1);
    dfs_observe_us(m->seconds[op], took_us);
    dfs_count(m->received, received);
    dfs_count(m->sent, sent);
    if (e > S3ERR_OK && e < S3ERR_COUNT_)
        dfs_count(m->failed[e], 1);
}

void s3_metrics_connections(struct s3_metrics *m, int by)
{
    dfs_gauge_add(m->connections, by);
}

/* A standby has no storages. */
static void take_over(struct s3_metrics *m, const struct s3_gw *gw)
{
    uint64_t damaged = 0, missing = 0;
    pthread_mutex_lock(&m->lock);
    dfs_gauge_add(m->active, s3_tenure_serves(gw->tenure) - (int64_t)dfs_cell_value(m->active));
    if (gw->dfs)
        s3_dfs_suspected(gw->dfs, &damaged, &missing);
    dfs_count(m->damaged, damaged - (uint64_t)dfs_cell_value(m->damaged));
    dfs_count(m->missing, missing - (uint64_t)dfs_cell_value(m->missing));
    pthread_mutex_unlock(&m->lock);
}

bool s3_metrics_answer(struct s3_metrics *m, struct s3_req *q)
{
    if (q->method != S3_GET || !str_eq(q->raw_path, STR("/metrics")) ||
        s3_req_header(q, STR("authorization")).p)
        return false;
    if (!str_starts(q->peer, STR("127.")) && !str_eq(q->peer, STR("::1")))
        return false;
    take_over(m, q->gw);
    dfs_metrics_print(m->all, &q->resp.body);
    s3_resp_header(q, "Content-Type", STR("text/plain; version=0.0.4"));
    return true;
}
