/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/forward.h"

#include <unistd.h>

#include "dfscore/base/atonce.h"
#include "dfscore/base/clock.h"
#include "dfscore/client/storage_client.h"
#include "dfscore/net/peer.h"
#include "dfscore/wire/internal.h"
#include "storage/disk/io.h"
#include "storage/sync/line.h"
#include "storage/sync/source.h"
#include "storage/trunk/replica.h"
#include "storage/trunk/version.h"

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

static bool may_be_elsewhere(struct sto_op *op)
{
    struct sto_member self;
    struct dfs_fileid f;
    sto_members_get_self(op->s->o.members, &self);
    return self.status != DFS_ST_ACTIVE ||
           (dfs_filename_parse(op->name, &f) == 0 &&
            !sto_turn_home(op->name, sto_store_server(op->s->o.store)));
}

struct question {
    uint8_t cmd, status;
    struct str body;
};

static struct question same_question(const struct sto_op *op)
{
    return (struct question){op->req->head.cmd, op->req->head.status, op->req->body};
}

static int reach(struct sto_op *op, const struct sto_member *m, uint64_t ms, struct dfs_peer **ret)
{
    struct dfs_addr addr = {.port = m->port};
    struct sto_member self;
    sto_members_get_self(op->s->o.members, &self);
    (void)snprintf(addr.host, sizeof(addr.host), "%s", m->ip);
    const struct dfs_peer_opts net = {
        .connect_ms = MIN(op->s->o.connect_ms, (uint64_t)ASK_MS),
        .timeout_ms = MIN(op->s->o.stall_ms, ms),
        .bind_ip = self.ip,
        .secret = op->s->o.secret,
        .tls = op->s->o.tls_out,
    };
    return dfs_peer_open(&addr, &net, ret);
}

static int ask(struct sto_op *op, const struct sto_member *m, const struct question *q, uint64_t ms,
               struct dfs_peer **ret, uint64_t *len)
{
    AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
    int r = reach(op, m, ms, &p);
    if (r == 0)
        r = dfs_peer_send(p, q->cmd, q->status, &q->body, 1, 0);
    if (r == 0)
        r = dfs_peer_answer(p, len);
    if (r == 0)
        *ret = TAKE(p);
    return r;
}

/* What others know of the file, as members are told it; @body is what the question is made of. */
static int info_question(const struct sto_op *op, struct buf *body, struct question *q)
{
    struct dfs_group g;
    ASSERT(dfs_text_set(g.group, sizeof(g.group), str_c(sto_store_group(op->s->o.store))) == 0);
    dfs_group_put(body, &g);
    buf_adds(body, op->name);
    *q = (struct question){DFS_CMD_FILE_INFO,
                           DFS_INFO_NO_CRC | DFS_INFO_SILENT | DFS_ASK_NO_OTHER_GROUP,
                           buf_str(body)};
    return buf_err(body);
}

/* --- all members at once ---------------------------------------------------------------------------------- */

/* What one member says: 0 or negative errno; *ret as @at likes. */
typedef int asking_fn(struct sto_op *op, const struct sto_member *m, int64_t *ret);

struct asked {
    struct sto_op *op;
    asking_fn *fn;
    size_t n;
    struct {
        struct sto_member member;
        int result; /* -ENOTCONN: it is not in service; -ETIMEDOUT: also that it was silent just before */
        int64_t said;
    } list[DFS_SERVERS_MAX];
};

static void ask_one(void *arg, unsigned i)
{
    struct asked *a = arg;
    struct sto_followers *followers = a->op->s->o.followers;
    const struct sto_member *m = &a->list[i].member;
    if (!sto_in_service(m->status)) {
        a->list[i].result = -ENOTCONN;
    } else if (sto_followers_silent_since(followers, m->id) > 0) {
        a->list[i].result = -ETIMEDOUT;
    } else {
        a->list[i].result = a->fn(a->op, m, &a->list[i].said);
        sto_followers_asked(followers, m->id, a->list[i].result);
    }
}

static void ask_all(struct asked *a, struct sto_op *op, asking_fn *fn)
{
    struct sto_member peers[DFS_SERVERS_MAX];
    *a = (struct asked){.op = op, .fn = fn, .n = sto_members_peers(op->s->o.members, peers)};
    for (size_t i = 0; i < a->n; i++)
        a->list[i].member = peers[i];
    dfs_at_once((unsigned)a->n, ask_one, a);
}

static int version_at(struct sto_op *op, const struct sto_member *m, int64_t *ret);

/*
 * Does any other member have it? It is asked for @q, if given: an open connection with the answer of the first that has it.
 * -ENOENT: who took it does not have it, or nobody does that is in service; -EAGAIN: some of these do not answer, or who took
 * it is away, or is back and not complete, which may have it all the same.
 */
static int find_holder(struct sto_op *op, const struct question *q, struct dfs_peer **ret,
                       uint64_t *len)
{
    struct asked a;
    bool silent = !sto_members_told(op->s->o.members), told = false;
    ask_all(&a, op, version_at);
    for (size_t i = 0; i < a.n; i++) {
        const struct sto_member *m = &a.list[i].member;
        int e = a.list[i].result;
        bool in_service = e != -ENOTCONN, answers = in_service && e != -ETIMEDOUT;
        if (answers && e != -ENOENT)
            e = q ? ask(op, m, q, DO_MS, ret, len) : e;
        if (answers && (e == 0 || e == -EINVAL || e == -EPERM))
            return e; /* it has the file; the range is no range of it; a gateway's file stays as it is */
        if (e == -ENOENT)
            told = told || sto_turn_home(op->name, m->id);
        else
            silent = silent || in_service ||
                     (!dfs_server_left(m->status) && sto_turn_home(op->name, m->id));
    }
    return silent && !told ? -EAGAIN : -ENOENT;
}

int sto_forward_may(struct sto_op *op, bool damaged)
{
    return op->from_peer || !(damaged || may_be_elsewhere(op)) ? -ENOENT : 0;
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
    const struct question q = same_question(op);
    int r = find_holder(op, &q, &p, &len);
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
    const struct question q = same_question(op);
    ASSERT(op->asking);
    int r = find_holder(op, &q, &p, size);
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
    return find_holder(op, NULL, NULL, NULL) == -ENOENT ? -ENOENT : -EAGAIN;
}

int sto_forward_missing(struct sto_op *op)
{
    int r = sto_forward_may(op, false);
    return r < 0 ? r : sto_op_ask(op, STO_ASKS_MEMBERS, missing);
}

static int version_at(struct sto_op *op, const struct sto_member *m, int64_t *ret)
{
    AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
    AUTO(buf_free) struct buf body = BUF(512), answer = BUF(512);
    struct dfs_file_info_rsp info;
    struct question q;
    uint64_t len = 0;
    int r = info_question(op, &body, &q);
    if (r == 0)
        r = ask(op, m, &q, ASK_MS, &p, &len);
    if (r == 0)
        r = read_small(p, len, &answer);
    if (r == 0)
        r = dfs_file_info_rsp_get(buf_str(&answer), &info);
    if (r == 0)
        *ret = sto_version_told(&info);
    return r;
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
        .net = {.connect_ms = MIN(o->connect_ms, (uint64_t)ASK_MS),
                .timeout_ms = MIN(o->stall_ms, (uint64_t)ASK_MS),
                .secret = o->secret,
                .tls = o->tls_out},
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
