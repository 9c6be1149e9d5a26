/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/forward.h"

#include <unistd.h>

#include "dfscore/base/atonce.h"
#include "dfscore/base/clock.h"
#include "dfscore/net/peer.h"
#include "storage/disk/io.h"
#include "storage/sync/holder.h"

enum {
    ASK_MS = 2000, /* who has it: every member at once, of which one may hang */
    DO_MS =
        10000, /* what a holder that has just answered is to do or send: longest wait for a byte */
    COPY_BYTES = 128 * 1024,
};

void sto_forward_note(struct sto_op *op)
{
    op->from_peer = sto_from_peer(op->req);
}

void sto_forward_command(struct dfs_req *req, enum sto_iokind kind, int (*work)(struct sto_op *op))
{
    struct dfs_group m;
    struct str name;
    struct sto_op *op = sto_op_new(req, sizeof(*op));
    if (!op)
        return;
    int r = dfs_group_head(req->body, &m, &name);
    if (r == 0)
        r = sto_op_group_name(op, m.group, name);
    if (r < 0) {
        dfs_req_reply(req, r, STR_NULL);
        return;
    }
    sto_forward_note(op);
    sto_op_run(op, kind, work);
}

static struct dfs_peer_opts peers_of(const struct sto_service_options *o)
{
    return (struct dfs_peer_opts){.connect_ms = MIN(o->connect_ms, (uint64_t)ASK_MS),
                                  .timeout_ms = MIN(o->stall_ms, (uint64_t)ASK_MS),
                                  .secret = o->secret,
                                  .tls = o->tls_out};
}

static struct sto_holder_options holders_of(struct sto_op *op)
{
    const struct sto_service_options *o = &op->s->o;
    return (struct sto_holder_options){
        .store = o->store,
        .members = o->members,
        .followers = o->followers,
        .line = &sto_line_tcp,
        .net = peers_of(o),
        .answer_ms = MIN(o->stall_ms, (uint64_t)DO_MS),
        .copies = o->copies ? sto_copies_min(o->copies) : 1,
        .at_once = dfs_at_once,
        .all_known = o->all_known,
        .arg = o->all_known_arg,
    };
}

/* The same as the client's. */
static int find_holder(struct sto_op *op, struct dfs_peer **ret, uint64_t *len)
{
    const struct sto_holder_options o = holders_of(op);
    const struct sto_holder_question q = {op->req->head.cmd, op->req->head.status, op->req->body};
    return sto_holder_find(&o, op->name, &q, ret, len);
}

int sto_forward_may(struct sto_op *op, bool damaged)
{
    const struct sto_holder_options o = holders_of(op);
    return op->from_peer || !(damaged || sto_holder_may_be(&o, op->name)) ? -ENOENT : 0;
}

static int read_small(struct dfs_peer *p, uint64_t len, struct buf *out)
{
    if (len > STO_META_BODY_MAX)
        return -EMSGSIZE;
    char *to = buf_room(out, (size_t)len);
    if (!to)
        return buf_err(out);
    int r = dfs_peer_read(p, to, (size_t)len);
    if (r == 0)
        buf_used(out, (size_t)len);
    return r;
}

static int call(struct sto_op *op)
{
    AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
    uint64_t len = 0;
    int r = find_holder(op, &p, &len);
    return r == 0 && len > 0 ? read_small(p, len, &op->out) : r;
}

int sto_forward_call(struct sto_op *op)
{
    int r = sto_forward_may(op, false);
    return r < 0 ? r : sto_op_ask(op, STO_ASKS_MEMBERS, call);
}

static int spool(struct dfs_peer *p, uint64_t len, int fd)
{
    AUTO(dfs_free_ptr) uint8_t *copy = dfs_alloc(COPY_BYTES);
    if (!copy)
        return -ENOMEM;
    for (uint64_t at = 0; at < len;) {
        size_t n = (size_t)MIN(len - at, (uint64_t)COPY_BYTES);
        int r = dfs_peer_read(p, copy, n);
        if (r == 0)
            r = sto_write_all(&sto_io_os, fd, copy, n, (off_t)at);
        if (r < 0)
            return r;
        at += n;
    }
    return 0;
}

int sto_forward_content(struct sto_op *op, int *fd, uint64_t *size)
{
    AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
    AUTO(sto_file_free) struct sto_file *f = NULL;
    ASSERT(op->asking);
    int r = find_holder(op, &p, size);
    if (r == 0)
        r = sto_file_open(op->s->o.store, (int)op->path, *size, STO_NATIVE, &f);
    if (r == 0)
        r = spool(p, *size, sto_file_fd(f));
    if (r < 0)
        return r;
    *fd = dup(sto_file_fd(f)); /* without a name it lives as long as the descriptor */
    return *fd < 0 ? -errno : 0;
}

/* --- changes, which are not passed on ----------------------------------------------------------------- */

static int missing(struct sto_op *op)
{
    const struct sto_holder_options o = holders_of(op);
    return sto_holder_find(&o, op->name, NULL, NULL, NULL) == -ENOENT ? -ENOENT : -EAGAIN;
}

int sto_forward_missing(struct sto_op *op)
{
    int r = sto_forward_may(op, false);
    return r < 0 ? r : sto_op_ask(op, STO_ASKS_MEMBERS, missing);
}

/* --- turns ----------------------------------------------------------------------------------------------- */

static void find_out(void *arg)
{
    const struct sto_service *s = arg;
    if (s->o.copies)
        sto_copies_ask(s->o.copies);
}

static struct sto_turn_options turns_of(struct sto_op *op)
{
    const struct sto_service_options *o = &op->s->o;
    return (struct sto_turn_options){
        .store = o->store,
        .members = o->members,
        .followers = o->followers,
        .line = &sto_line_tcp,
        .net = peers_of(o),
        .silent = op->asking ? find_out : NULL,
        .arg = op->s,
    };
}

/* Another client of this server may have it. */
int sto_forward_turn(struct sto_op *op, struct sto_turn *t)
{
    enum { STEP_MS = 100 };
    const struct sto_turn_options o = turns_of(op);
    const uint64_t until = dfs_mono_ms() + ASK_MS;
    if (sto_turn_leads(&o, op->name, t))
        return 0;
    if (!op->asking)
        return sto_op_ask(op, STO_ASKS_MEMBERS, op->work);
    int r;
    while ((r = sto_turn_take(&o, op->name, t)) == -EBUSY && dfs_mono_ms() < until)
        sto_turn_wait(o.store, STEP_MS);
    return r == -EBUSY ? -EAGAIN : r;
}

int sto_forward_turn_end(struct sto_op *op, struct sto_turn *t, int r)
{
    const struct sto_turn_options o = turns_of(op);
    int ended = r == 0 || t->taken ? sto_turn_end(&o, t) : 0;
    if (r == 0) {
        op->vouch = t->vouch;
        op->copies.vouch = &op->vouch;
    }
    return r < 0 ? r : ended;
}

static int hear_turn(struct sto_op *op)
{
    const struct sto_turn_options o = turns_of(op);
    int r = sto_turn_hear(&o, op->req->body, &op->out);
    return r == -EHOSTDOWN ? sto_op_ask(op, STO_ASKS_MEMBERS, hear_turn) : r;
}

void sto_handle_turn(struct dfs_req *req)
{
    struct sto_op *op = sto_op_new(req, sizeof(*op));
    if (!op)
        return;
    int r = sto_op_name(op, str_from(req->body, STO_TURN_HEAD));
    if (r < 0)
        dfs_req_reply(req, r, STR_NULL);
    else
        sto_op_run(op, STO_IO_READ, hear_turn);
}
