/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files - 12 delete, 13 set metadata, 15 get metadata, 20 create link, 111 active test, 82 quit.
 * Rule: fastdfs-protocol.md 8.4 to 8.6, 8.8, 2.3.
 */
#include "storage/service/elsewhere.h"
#include "storage/service/forward.h"
#include "storage/service/metatext.h"

void sto_handle_active_test(struct dfs_req *req)
{
    dfs_req_reply(req, 0, STR_NULL);
}

void sto_handle_quit(struct dfs_req *req)
{
    dfs_req_drop(req);
}

/* Done, or there is nothing: then the names it went by lead nowhere. */
static int deleted(struct sto_op *op, int r)
{
    int e = r == 0 || r == -ENOENT ? sto_op_forget_hops(op) : 0;
    return e < 0 ? e : r;
}

static int delete_at_others(struct sto_op *op)
{
    return deleted(op, sto_forward_call(op));
}

static int delete_work(struct sto_op *op)
{
    int result = 0;
    int r = sto_op_may_change(op); /* ENOENT: what arrives from now on has not been asked about */
    if (r == 0)
        r = sto_delete_batch(op->s->o.store, &op->name, 1, &result);
    if (r == 0)
        r = result;
    if (r == -EREMOTE)
        return deleted(op, sto_elsewhere_delete(op));
    if (r == -ENOENT)
        return op->hops ? sto_op_ask(op, STO_ASKS_MEMBERS, delete_at_others) : sto_forward_call(op);
    if (r == 0)
        sto_op_changed(op);
    return deleted(op, r);
}

static int get_meta_work(struct sto_op *op)
{
    struct sto_info info;
    int r = sto_meta_get(op->s->o.store, op->name, &op->out);
    if (r == -EREMOTE)
        return sto_elsewhere_get_meta(op);
    if (r == -ENOENT && sto_info(op->s->o.store, op->name, false, &info) == -ENOENT)
        return sto_forward_call(op);
    return r;
}

void sto_handle_delete(struct dfs_req *req)
{
    sto_forward_command(req, STO_IO_WRITE, delete_work);
}

void sto_handle_get_meta(struct dfs_req *req)
{
    sto_forward_command(req, STO_IO_READ, get_meta_work);
}

struct set_meta {
    struct sto_op op; /* first */
    struct str text;
    bool merge;
};

/* The text that takes the old one's place; under the file's write lock. */
static int new_text(struct str old, void *arg, struct buf *out)
{
    const struct set_meta *m = arg;
    if (m->merge)
        return sto_metatext_merge(old, m->text, out);
    return sto_metatext_sort(m->text, out);
}

static int change_meta(struct sto_op *op, struct set_meta *m)
{
    struct sto_info info;
    if (m->merge && m->text.n == 0)
        return sto_info(op->s->o.store, op->name, false, &info);
    struct sto_turn turn;
    const struct sto_still still = {sto_turn_lasts, &turn};
    int r = sto_forward_turn(op, &turn);
    if (r == -EREMOTE && !m->merge)
        r = 0; /* a link has its own, wherever it leads to */
    if (r == 0)
        r = sto_meta_change(op->s->o.store, op->name, new_text, m, &still);
    return sto_forward_turn_end(op, &turn, r);
}

static int set_meta_work(struct sto_op *op)
{
    struct set_meta *m = (struct set_meta *)op;
    int r = sto_op_may_change(op);
    if (r == 0)
        r = change_meta(op, m);
    if (r == -EREMOTE)
        return sto_elsewhere_set_meta(op, m->merge, m->text);
    if (r == -ENOENT)
        return sto_forward_call(op);
    if (r == 0)
        sto_op_changed(op);
    return r;
}

void sto_handle_set_meta(struct dfs_req *req)
{
    struct dfs_set_meta_req m;
    struct str rest;
    struct set_meta *sm = sto_op_new(req, sizeof(*sm));
    if (!sm)
        return;
    int r = dfs_set_meta_req_head(req->body, &m, &rest);
    /* Subtract: the sum of two lengths from outside may wrap. */
    if (r == 0 && ((m.flag != 'O' && m.flag != 'M') || m.name_len > rest.n ||
                   m.meta_len != rest.n - m.name_len))
        r = -EINVAL;
    if (r == 0)
        r = sto_op_group_name(&sm->op, m.group, str_head(rest, (size_t)m.name_len));
    if (r < 0) {
        dfs_req_reply(req, r, STR_NULL);
        return;
    }
    sm->text = str_from(rest, (size_t)m.name_len);
    sm->merge = m.flag == 'M';
    sto_forward_note(&sm->op);
    sto_op_run(&sm->op, STO_IO_WRITE, set_meta_work);
}

struct make_link {
    struct sto_op op; /* first */
    struct sto_link link;
    char prefix[DFS_PREFIX_MAX + 1];
};

enum { LINK_NAMES_MAX = 256 };

static int link_work(struct sto_op *op)
{
    char name[STO_NAME_MAX + 1];
    struct dfs_logical at;
    struct make_link *l = (struct make_link *)op;
    if (op->hops)
        l->link.target = op->name;
    int r = sto_make_link(op->s->o.store, &l->link, name);
    if (r == -EREMOTE)
        return sto_elsewhere_link(op);
    if (r == 0)
        r = dfs_logical_parse(str_c(name), &at);
    if (r < 0)
        return r;
    sto_op_answer_name(op, name);
    sto_op_changed(op);
    op->copies.path = at.path_index; /* a link with a master is on the master's path */
    return 0;
}

static int understand_link(struct make_link *l, struct str body)
{
    struct dfs_create_link_req m;
    struct str rest;
    if (dfs_create_link_req_head(body, &m, &rest) < 0 || rest.n > LINK_NAMES_MAX ||
        m.master_len > rest.n || m.source_len > rest.n - m.master_len ||
        m.signature_len != rest.n - m.master_len - m.source_len || !dfs_ext_ok(str_c(m.ext)))
        return -EINVAL;
    l->link.target = str_of(rest.p + m.master_len, (size_t)m.source_len);
    memcpy(l->link.ext, m.ext, sizeof(l->link.ext));
    if (m.master_len > 0) {
        l->link.master = str_head(rest, (size_t)m.master_len);
        memcpy(l->prefix, m.prefix, sizeof(l->prefix));
        l->link.prefix = str_c(l->prefix);
        int r = sto_op_name(&l->op, l->link.master);
        if (r < 0)
            return r;
    }
    return sto_op_group_name(&l->op, m.group, l->link.target);
}

void sto_handle_link(struct dfs_req *req)
{
    struct make_link *l = sto_op_new(req, sizeof(*l));
    if (!l)
        return;
    int r = understand_link(l, req->body);
    if (r < 0)
        dfs_req_reply(req, r, STR_NULL);
    else
        sto_op_run(&l->op, STO_IO_WRITE, link_work);
}
