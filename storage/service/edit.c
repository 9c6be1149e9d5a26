/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edit - appender files: 24 append, 34 modify, 36 truncate, 38 regenerate name.
 *
 * The engine lets one editor a time at a file. Nobody may hold that place while a client is slow, so
 * the content is complete, in memory or in a temporary file, before the edit begins.
 *
 * Rule: fastdfs-protocol.md 8.3, 8.10.
 */
#include "storage/service/content.h"
#include "storage/service/elsewhere.h"
#include "storage/service/forward.h"

enum { NAME_MIN = 44 };

struct edit {
    struct sto_content c; /* first */
    enum sto_edit_op kind;
    uint64_t offset;
};

/* The same of a file that has moved, whose name tells: EREMOTE. */
static int moved_appender(const struct sto_op *op)
{
    struct dfs_fileid f;
    if (dfs_filename_parse(op->name, &f) < 0)
        return -EINVAL;
    if (f.kind == DFS_FILE_TRUNK && !f.slave)
        return -ENOENT;
    return f.kind == DFS_FILE_APPENDER && !f.slave ? -EREMOTE : -EINVAL;
}

/* EPERM: a gateway's; ENOENT: missing, or the name of a packed file; EINVAL: no appender (8.3). */
static int check_appender(struct sto_op *op)
{
    struct sto_info info;
    if (sto_op_may_change(op) == -EPERM)
        return -EPERM;
    int r = sto_info(op->s->o.store, op->name, false, &info);
    if (r == -EREMOTE)
        return moved_appender(op);
    if (r == -ENOENT)
        return sto_forward_missing(op);
    if (r < 0)
        return r;
    if (info.kind == STO_KIND_PACKED)
        return -ENOENT;
    return info.kind == STO_KIND_APPENDER ? 0 : -EINVAL;
}

/* The same, and nobody else edits it, nor has a later content: EAGAIN. */
static int take_turn(struct sto_op *op, struct sto_turn *t)
{
    t->taken = false;
    int r = check_appender(op);
    return r == 0 ? sto_forward_turn(op, t) : r;
}

static int check(struct sto_content *c)
{
    int r = check_appender(&c->op);
    return r == -EREMOTE ? 0 : r;
}

static int settle_elsewhere(struct edit *e)
{
    struct sto_content *c = &e->c;
    struct dfs_content content =
        c->file ? dfs_content_fd(sto_file_fd(c->file), 0, c->len) : dfs_content_str(c->bytes);
    return c->len == 0 ? 0 : sto_elsewhere_edit(&c->op, e->kind, e->offset, &content);
}

static int settle_here(struct edit *ed, struct sto_turn *turn)
{
    struct sto_content *c = &ed->c;
    AUTO(sto_edit_free) struct sto_edit *e = NULL;
    const struct sto_still still = {sto_turn_lasts, turn};
    int r = sto_edit_begin(c->op.s->o.store, c->op.name, ed->kind, ed->offset, c->len, &still, &e);
    if (r == 0)
        r = sto_content_to_edit(c, e);
    if (r == 0)
        r = sto_edit_commit(&e);
    return r;
}

static int settle(struct sto_content *c)
{
    struct edit *ed = (struct edit *)c;
    struct sto_turn turn;
    int r = take_turn(&c->op, &turn);
    bool some = c->len > 0;
    if (r == 0 && some)
        r = settle_here(ed, &turn);
    r = sto_forward_turn_end(&c->op, &turn, r);
    if (r == -EREMOTE) /* since long, or a moment ago */
        return settle_elsewhere(ed);
    if (r == 0 && some)
        sto_op_changed(&c->op);
    return r;
}

/* The name follows the fixed part, the content follows the name. */
static void edit(struct dfs_req *req, struct edit *e, size_t fixed, uint64_t name_len)
{
    uint64_t after = req->head.len - fixed;
    int r = 0;
    if (name_len < NAME_MIN || name_len > DFS_FILENAME_MAX || name_len > after ||
        e->c.len != after - name_len)
        r = -EINVAL;
    else if (req->body.n < fixed + name_len) {
        r = dfs_req_more(req, fixed + name_len - req->body.n);
        if (r == 0)
            return;
    } else {
        r = sto_op_name(&e->c.op, str_of(req->body.p + fixed, (size_t)name_len));
    }
    if (r < 0) {
        dfs_req_reply(req, r, STR_NULL);
        return;
    }
    e->c.head = fixed + (size_t)name_len;
    e->c.check = check;
    e->c.settle = settle;
    e->c.op.bytes = e->c.len;
    sto_content_begin(&e->c, STO_SMALL);
}

void sto_handle_append(struct dfs_req *req)
{
    struct dfs_append_req m;
    struct str rest;
    struct edit *e = sto_content_new(req, sizeof(*e));
    if (!e)
        return;
    if (dfs_append_req_head(req->body, &m, &rest) < 0) {
        dfs_req_reply(req, -EINVAL, STR_NULL);
        return;
    }
    e->kind = STO_EDIT_APPEND;
    e->c.len = m.content_len;
    e->c.op.bytes_stat = STO_STAT_APPEND_BYTES;
    edit(req, e, DFS_APPEND_REQ_LEN, m.name_len);
}

void sto_handle_modify(struct dfs_req *req)
{
    struct dfs_modify_req m;
    struct str rest;
    struct edit *e = sto_content_new(req, sizeof(*e));
    if (!e)
        return;
    if (dfs_modify_req_head(req->body, &m, &rest) < 0) {
        dfs_req_reply(req, -EINVAL, STR_NULL);
        return;
    }
    e->kind = STO_EDIT_MODIFY;
    e->offset = m.offset;
    e->c.len = m.content_len;
    e->c.op.bytes_stat = STO_STAT_MODIFY_BYTES;
    edit(req, e, DFS_MODIFY_REQ_LEN, m.name_len);
}

struct resize {
    struct sto_op op; /* first */
    uint64_t size;
};

static int truncate_work(struct sto_op *op)
{
    struct sto_turn turn;
    const struct sto_still still = {sto_turn_lasts, &turn};
    int r = take_turn(op, &turn);
    if (r == 0)
        r = sto_truncate(op->s->o.store, op->name, ((struct resize *)op)->size, &still);
    r = sto_forward_turn_end(op, &turn, r);
    if (r == -EREMOTE)
        return sto_elsewhere_truncate(op, ((struct resize *)op)->size);
    if (r == 0)
        sto_op_changed(op);
    return r;
}

void sto_handle_truncate(struct dfs_req *req)
{
    struct dfs_truncate_req m;
    struct str name;
    struct resize *t = sto_op_new(req, sizeof(*t));
    if (!t)
        return;
    int r = dfs_truncate_req_head(req->body, &m, &name);
    if (r == 0 && (m.name_len != name.n || name.n < NAME_MIN))
        r = -EINVAL;
    if (r == 0)
        r = sto_op_name(&t->op, name);
    if (r < 0) {
        dfs_req_reply(req, r, STR_NULL);
        return;
    }
    t->size = m.new_size;
    sto_op_run(&t->op, STO_IO_WRITE, truncate_work);
}

struct regeneration {
    struct sto_op op; /* first */
    char name[STO_NAME_MAX + 1];
};

/* The client knows the old name only. */
static void take_back(struct sto_op *op)
{
    struct regeneration *g = (struct regeneration *)op;
    (void)!sto_regenerate_undo(op->s->o.store, str_c(g->name), op->name);
}

static int regenerate_work(struct sto_op *op)
{
    struct regeneration *g = (struct regeneration *)op;
    struct sto_turn turn;
    const struct sto_still still = {sto_turn_lasts, &turn};
    int r = take_turn(op, &turn);
    if (r == 0)
        r = sto_regenerate(op->s->o.store, op->name, &still, g->name);
    bool made = r == 0;
    r = sto_forward_turn_end(op, &turn, r);
    if (made && r < 0)
        take_back(op);
    if (r == -EREMOTE)
        return sto_elsewhere_regenerate(op);
    if (r < 0)
        return r;
    r = sto_op_forget_hops(op);
    if (r < 0)
        return r;
    if (!op->hops)
        op->undo = take_back;
    sto_op_answer_name(op, g->name);
    sto_op_changed(op);
    return 0;
}

void sto_handle_regenerate(struct dfs_req *req)
{
    struct regeneration *g = sto_op_new(req, sizeof(*g));
    if (!g)
        return;
    int r = sto_op_name(&g->op, req->body);
    if (r < 0)
        dfs_req_reply(req, r, STR_NULL);
    else
        sto_op_run(&g->op, STO_IO_WRITE, regenerate_work);
}
