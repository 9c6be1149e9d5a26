/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/op.h"

#include <arpa/inet.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "storage/trunk/moved.h"

enum { ANSWER_MAX = 16 * 1024 * 1024 };

struct sto_service *sto_service_of(const struct dfs_req *req)
{
    struct sto_service *s = dfs_conn_ctx(req->conn);
    CHECK_OBJ(s, SERVICE_MAGIC);
    return s;
}

void *sto_op_new(struct dfs_req *req, size_t size)
{
    ASSERT(!req->user && size >= sizeof(struct sto_op));
    struct sto_op *op = dfs_zalloc(size);
    if (!op) {
        dfs_req_reply(req, -ENOMEM, STR_NULL);
        return NULL;
    }
    op->req = req;
    op->s = sto_service_of(req);
    op->bytes_stat = STO_STAT_NONE;
    op->out = BUF(ANSWER_MAX);
    req->user = op;
    return op;
}

static void answer_on_loop(struct dfs_req *req)
{
    struct sto_op *op = req->user;
    if (op->answer)
        op->answer(op);
    else if (op->result < 0)
        dfs_req_reply(req, op->result, STR_NULL);
    else
        dfs_req_reply_buf(req, &op->out);
}

static void undo_on_disk_thread(struct sto_iotask *t)
{
    struct sto_op *op = (struct sto_op *)t;
    op->undo(op);
    dfs_req_post(op->req, answer_on_loop);
}

static void copied(struct sto_copies_wait *w, int result)
{
    struct sto_op *op = (struct sto_op *)((char *)w - offsetof(struct sto_op, copies));
    if (result == 0 && op->hops && w->path != op->hops->path) {
        w->path = op->hops->path; /* that the file has moved must be known to as many */
        sto_copies_begin(op->s->o.copies, w);
        return;
    }
    op->result = result;
    if (result < 0 && op->undo) {
        op->task.run = undo_on_disk_thread;
        sto_iopool_push(op->s->pool, op->path, STO_IO_WRITE, &op->task);
    } else {
        dfs_req_post(op->req, answer_on_loop);
    }
}

void sto_op_finish(struct sto_op *op, int result)
{
    if (result == STO_OP_AGAIN) {
        op->asking = STO_ASKS_NOBODY;
        sto_op_run(op, op->kind, op->first);
        return;
    }
    op->result = result;
    if (result < 0)
        sto_store_suspect(op->s->o.store, (int)op->path, result);
    if (result == 0 && op->changed && op->s->o.copies) {
        op->copies.done = copied;
        sto_copies_begin(op->s->o.copies, &op->copies);
    } else {
        dfs_req_post(op->req, answer_on_loop);
    }
}

static void run_on_asking_thread(struct sto_iotask *t);

static void push_to_askers(struct sto_op *op)
{
    op->task.run = run_on_asking_thread;
    sto_iopool_push(op->s->askers[op->asking], op->path, op->kind, &op->task);
}

static void run_on_asking_thread(struct sto_iotask *t)
{
    struct sto_op *op = (struct sto_op *)t;
    enum sto_asks whom = op->asking;
    _Atomic unsigned *asking = &op->s->asking[whom][op->path];
    int r = op->work(op);
    atomic_fetch_sub(asking, 1);
    if (r == -EINPROGRESS && op->asking > whom)
        push_to_askers(op);
    else
        sto_op_finish(op, r);
}

int sto_op_ask(struct sto_op *op, enum sto_asks whom, int (*work)(struct sto_op *op))
{
    if (op->asking >= whom)
        return work(op);
    _Atomic unsigned *asking = &op->s->asking[whom][op->path];
    unsigned max = op->from_peer ? STO_ASKING_THREADS : STO_ASKING_MAX;
    if (atomic_fetch_add(asking, 1) >= max) {
        atomic_fetch_sub(asking, 1);
        return -EAGAIN;
    }
    op->asking = whom;
    op->work = work;
    return -EINPROGRESS;
}

void sto_op_worked(struct sto_op *op, int r)
{
    if (r == -EINPROGRESS && op->asking)
        push_to_askers(op);
    else
        sto_op_finish(op, r);
}

static void run_on_disk_thread(struct sto_iotask *t)
{
    struct sto_op *op = (struct sto_op *)t;
    sto_op_worked(op, op->work(op));
}

void sto_op_run(struct sto_op *op, enum sto_iokind kind, int (*work)(struct sto_op *op))
{
    op->work = op->first = work;
    op->kind = kind;
    op->task.run = run_on_disk_thread;
    sto_iopool_push(op->s->pool, op->path, kind, &op->task);
}

static void count(struct sto_service *s, enum sto_stat stat, int64_t n, bool ok)
{
    if (stat == STO_STAT_NONE)
        return;
    atomic_fetch_add(&s->stats[stat][0], n);
    if (ok)
        atomic_fetch_add(&s->stats[stat][1], n);
}

void sto_op_done(struct dfs_req *req)
{
    struct sto_service *s = sto_service_of(req);
    struct sto_op *op = req->user;
    count(s, sto_command_stat(req->command->cmd), 1, req->result == 0);
    if (!op)
        return;
    count(s, op->bytes_stat, (int64_t)op->bytes, req->result == 0);
    atomic_fetch_sub(&s->collected, op->collected);
    if (op->fini)
        op->fini(op);
    buf_free(&op->out);
    free(op->hops);
    free(op);
    req->user = NULL;
}

bool sto_op_collect(struct sto_op *op, uint64_t n)
{
    uint64_t now = atomic_load(&op->s->collected);
    do {
        if (n > STO_COLLECTED_MAX - now)
            return false;
    } while (!atomic_compare_exchange_weak(&op->s->collected, &now, now + n));
    op->collected += n;
    return true;
}

int sto_op_name(struct sto_op *op, struct str name)
{
    struct dfs_logical at;
    /* protocol 2.4: over 127 bytes is EINVAL in every command; 8: longer than 10 bytes. */
    if (name.n <= 10 || name.n > DFS_FILENAME_MAX || dfs_logical_parse(name, &at) < 0 ||
        at.path_index >= sto_store_path_count(op->s->o.store))
        return -EINVAL;
    op->name = name;
    op->path = at.path_index;
    return 0;
}

int sto_op_rename(struct sto_op *op, struct str name)
{
    if (!op->hops) {
        op->hops = dfs_zalloc(sizeof(*op->hops));
        if (!op->hops)
            return -ENOMEM;
        op->hops->asked = op->name;
        op->hops->path = op->path;
    }
    struct sto_hops *h = op->hops;
    if (h->n == STO_HOPS_MAX || name.n > STO_NAME_MAX)
        return -EAGAIN;
    char *to = h->names[h->n++];
    memcpy(to, name.p, name.n);
    to[name.n] = '\0';
    return sto_op_name(op, str_c(to)) < 0 ? -EAGAIN : STO_OP_AGAIN;
}

int sto_op_forget_hops(struct sto_op *op)
{
    const struct sto_hops *h = op->hops;
    int ret = 0;
    for (unsigned i = 0; h && i < h->n; i++) {
        int r = sto_moved_forget(op->s->o.store, i == 0 ? h->asked : str_c(h->names[i - 1]));
        ret = r < 0 && r != -ENOENT ? -EAGAIN : ret;
    }
    return ret;
}

int sto_check_group(const struct sto_service *s, const char *group)
{
    return strcmp(group, sto_store_group(s->o.store)) == 0 ? 0 : -EINVAL;
}

int sto_op_group_name(struct sto_op *op, const char *group, struct str name)
{
    int r = sto_check_group(op->s, group);
    return r < 0 ? r : sto_op_name(op, name);
}

int sto_op_may_change(struct sto_op *op)
{
    int r = sto_client_may_change(op->s->o.store, op->name);
    return r == -EPERM && op->s->o.may_remove_s3 ? 0 : r;
}

void sto_op_changed(struct sto_op *op)
{
    atomic_store(&op->s->last_source_update_s, dfs_now_s());
    op->changed = true;
    op->copies.path = op->path;
}

void sto_op_answer_name(struct sto_op *op, const char *name)
{
    struct dfs_group g;
    int r = dfs_text_set(g.group, sizeof(g.group), str_c(sto_store_group(op->s->o.store)));
    ASSERT(r == 0);
    dfs_group_put(&op->out, &g);
    buf_adds(&op->out, str_c(name));
}

/* dfs_allow wants a socket address; the peer's text is numeric, so nothing is looked up. */
static bool allowed(const struct dfs_allow *a, const char *ip)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
        return dfs_allow_match(a, (const struct sockaddr *)&v4);
    return inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1 &&
           dfs_allow_match(a, (const struct sockaddr *)&v6);
}

bool sto_from_peer(const struct dfs_req *req)
{
    struct sto_service *s = sto_service_of(req);
    const struct dfs_addr *peer = dfs_conn_peer(req->conn);
    if (s->o.secret || s->o.tls_required || dfs_conn_proved(req->conn))
        return dfs_conn_proved(req->conn);
    return sto_members_has_ip(s->o.members, peer->host) ||
           (s->o.peers && allowed(s->o.peers, peer->host));
}

bool sto_native_host(const struct dfs_req *req)
{
    const struct dfs_allow *hosts = sto_service_of(req)->o.native_hosts;
    return !hosts || allowed(hosts, dfs_conn_peer(req->conn)->host);
}
