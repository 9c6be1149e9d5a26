/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trunk_rpc - 27 to 33, the commands around FastDFS's trunk server.
 *
 * Here every server fills packs of its own, so nobody allocates for others: no server is trunk
 * server in that sense, and 27 to 30 and 33 are refused as by a member that is not. The trackers' two
 * questions are answered, so that a tracker of either kind finds a candidate when it elects one.
 *
 * Rule: fastdfs-protocol.md 8.14.
 */
#include "storage/service/op.h"

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
