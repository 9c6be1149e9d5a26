/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of content: a pool per loop with a ceiling, and connections that wait in line for one. */
#include "dfscore/net/conn_impl.h"

struct dfs_pool {
    struct dfs_loop *loop;
    size_t max, made;        /* blocks */
    size_t bytes;            /* of each */
    struct dfs_block **idle; /* max places */
    size_t n_idle;
    struct dfs_conn *first, *last; /* in line */
    struct dfs_job job; /* serves the line; not from inside pool_give, which may be deep in it */
    bool posted;
};

static void serve_line(struct dfs_job *job)
{
    struct dfs_pool *p = (struct dfs_pool *)((char *)job - offsetof(struct dfs_pool, job));
    p->posted = false;
    for (size_t i = p->n_idle; i > 0 && p->first; i--) {
        struct dfs_conn *c = p->first;
        pool_forget(c);
        conn_advance(c);
    }
}

int dfs_pool_new(struct dfs_loop *l, size_t blocks, size_t bytes, struct dfs_pool **ret)
{
    struct dfs_pool *p = dfs_zalloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    *p = (struct dfs_pool){.loop = l, .max = blocks, .bytes = bytes, .job.fn = serve_line};
    p->idle = dfs_zalloc(blocks * sizeof(*p->idle));
    if (!p->idle) {
        free(p);
        return -ENOMEM;
    }
    *ret = p;
    return 0;
}

void dfs_pool_free(struct dfs_pool **pp)
{
    struct dfs_pool *p = TAKE(*pp);
    if (!p)
        return;
    ASSERT(p->n_idle == p->made && !p->first);
    for (size_t i = 0; i < p->n_idle; i++) {
        free(p->idle[i]->p);
        free(p->idle[i]);
    }
    free(p->idle);
    free(p);
}

static struct dfs_block *make(struct dfs_pool *p)
{
    struct dfs_block *blk = dfs_zalloc(sizeof(*blk));
    if (!blk)
        return NULL;
    blk->p = dfs_alloc(p->bytes);
    blk->cap = p->bytes;
    if (!blk->p) {
        free(blk);
        return NULL;
    }
    p->made++;
    return blk;
}

static void stand_in_line(struct dfs_conn *c)
{
    struct dfs_pool *p = c->pool;
    if (c->pool_waiting)
        return;
    c->pool_waiting = true;
    c->pool_next = NULL;
    if (p->last)
        p->last->pool_next = c;
    else
        p->first = c;
    p->last = c;
}

struct dfs_block *pool_take(struct dfs_conn *c)
{
    struct dfs_pool *p = c->pool;
    struct dfs_block *blk = NULL;
    if (p->n_idle)
        blk = p->idle[--p->n_idle];
    else if (p->made < p->max)
        blk = make(p);
    if (!blk) {
        if (p->made == 0)
            conn_die(c); /* no memory and nothing that could come back */
        else
            stand_in_line(c);
        return NULL;
    }
    pool_forget(c);
    blk->n = 0;
    blk->last = blk->outgoing = false;
    blk->user = NULL;
    blk->err = 0;
    blk->req = &c->req;
    return blk;
}

void pool_forget(struct dfs_conn *c)
{
    struct dfs_pool *p = c->pool;
    if (!c->pool_waiting)
        return;
    struct dfs_conn *before = NULL;
    for (struct dfs_conn *at = p->first; at != c; at = at->pool_next)
        before = at;
    if (before)
        before->pool_next = c->pool_next;
    else
        p->first = c->pool_next;
    if (p->last == c)
        p->last = before;
    c->pool_waiting = false;
}

void pool_give(struct dfs_pool *p, struct dfs_block *blk)
{
    blk->req = NULL;
    p->idle[p->n_idle++] = blk;
    if (p->first && !p->posted) {
        p->posted = true;
        dfs_loop_post(p->loop, &p->job);
    }
}

static void came_back(struct dfs_job *job)
{
    struct dfs_block *blk = (struct dfs_block *)((char *)job - offsetof(struct dfs_block, job));
    struct dfs_conn *c = blk->req->conn;
    ASSERT(c->blocks_out > 0);
    c->blocks_out--;
    if (blk->err < 0 || c->dead || !blk->outgoing) {
        int err = blk->err;
        pool_give(c->pool, blk);
        if (err < 0)
            conn_die(c);
    } else {
        ASSERT(c->queued < STREAM_QUEUE);
        c->stream_ends = c->stream_ends || blk->last;
        c->queue[c->queued++] = blk;
    }
    conn_advance(c);
}

static void go_back(struct dfs_block *blk)
{
    struct dfs_loop *l = blk->req->conn->loop;
    blk->job.fn = came_back;
    if (dfs_loop_here(l))
        came_back(&blk->job);
    else
        dfs_loop_post(l, &blk->job);
}

void dfs_block_put(struct dfs_block *blk)
{
    blk->err = 0;
    go_back(blk);
}

void dfs_block_send(struct dfs_block *blk, int r)
{
    ASSERT(r < 0 || blk->n <= blk->cap);
    blk->err = r < 0 ? r : 0;
    go_back(blk);
}
