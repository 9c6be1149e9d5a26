/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trunk_rpc - 27 to 33, the commands around FastDFS's trunk server.
 *
 * Our servers fill packs of their own and never ask. For others the elected trunk server hands out
 * slots (slots.h). There is no trunk binlog to ship or cut, so 30 and 33 are refused. The trackers'
 * two questions are answered, so that they find a candidate when they elect one.
 *
 * Rule: fastdfs-protocol.md 8.14.
 */
#include "storage/service/op.h"
#include "storage/service/slots.h"

/* 0, or why not: trunk files are off, we are not the trunk server, another group. */
static int may_allocate(struct sto_service *s, const char *group)
{
    if (!s->o.params.use_trunk || !sto_members_is_trunk_server(s->o.members))
        return -EINVAL;
    return sto_check_group(s, group);
}

void sto_handle_trunk_alloc(struct dfs_req *req)
{
    struct sto_service *s = sto_service_of(req);
    struct dfs_trunk_alloc_req m;
    struct dfs_trunk_slot slot;
    AUTO(buf_free) struct buf out = BUF(DFS_TRUNK_SLOT_LEN);
    int r = dfs_trunk_alloc_req_get(req->body, &m);
    if (r == 0)
        r = may_allocate(s, m.group);
    if (r == 0 && m.path_index >= sto_store_path_count(s->o.store))
        r = -EINVAL;
    if (r == 0)
        r = sto_slots_take(s->slots, m.path_index, m.size, &slot);
    if (r == 0)
        dfs_trunk_slot_put(&out, &slot);
    if (r < 0)
        dfs_req_reply(req, r, STR_NULL);
    else
        dfs_req_reply_buf(req, &out);
}

/* 28 and 29; the header's status of 28 says how the write went. */
void sto_handle_trunk_slot(struct dfs_req *req)
{
    struct sto_service *s = sto_service_of(req);
    struct dfs_trunk_slot_req m;
    int r = dfs_trunk_slot_req_get(req->body, &m);
    if (r == 0)
        r = may_allocate(s, m.group);
    if (r == 0 && req->head.cmd == DFS_CMD_TRUNK_CONFIRM)
        r = sto_slots_confirm(s->slots, &m.slot, req->head.status);
    else if (r == 0)
        r = sto_slots_give(s->slots, &m.slot);
    dfs_req_reply(req, r, STR_NULL);
}

static int log_bytes(struct sto_op *op)
{
    struct sto_path_stat st;
    struct dfs_i64 m = {0};
    for (unsigned i = 0; i < sto_store_path_count(op->s->o.store); i++) {
        int r = sto_store_stat(op->s->o.store, i, &st);
        if (r < 0)
            return r;
        m.v += (int64_t)(st.segments * op->s->o.params.trunk_size);
    }
    dfs_i64_put(&op->out, &m);
    return 0;
}

void sto_handle_trunk_size(struct dfs_req *req)
{
    struct sto_op *op = sto_op_new(req, sizeof(*op));
    if (!op)
        return;
    if (!op->s->o.params.use_trunk)
        dfs_req_reply(req, -EINVAL, STR_NULL);
    else
        sto_op_run(op, STO_IO_READ, log_bytes);
}

/* 32: the new trunk server forgets how far others have got. We keep no such marks. */
void sto_handle_trunk_marks(struct dfs_req *req)
{
    dfs_req_reply(req, sto_service_of(req)->o.params.use_trunk ? 0 : -EINVAL, STR_NULL);
}

void sto_handle_trunk_refused(struct dfs_req *req)
{
    dfs_req_reply(req, -EINVAL, STR_NULL);
}
