/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync_state - what each member of the group lacks of our logs (193), what is damaged here (195), which store paths
 * are closed (197), and what moves to other groups (199), for people who look; 198 begins that.
 *
 * Counted by reading the log from where the member is, at most SCAN_RECORDS of each path: a member that
 * lacks more is far behind, and how far exactly does not matter.
 *
 * Rule: dfscore/wire/internal.h, SYNC_STATE.
 */
#include "dfscore/base/clock.h"
#include "dfscore/wire/internal.h"
#include "storage/service/logs.h"
#include "storage/service/mover.h"
#include "storage/service/op.h"
#include "storage/sync/scrub.h"

enum { SCAN_RECORDS = 16384 };

struct lack {
    struct dfs_sync_state *state;
    int64_t oldest_s; /* 0: nothing */
};

static int count(const struct sto_entry *e, void *arg)
{
    struct lack *l = arg;
    struct dfs_fileid id;
    l->state->changes++;
    l->state->bytes += (int64_t)(e->next - e->position);
    /* The content of a plain file is not in the log. */
    if (e->op == 'C' && dfs_filename_parse(e->name, &id) == 0 && id.kind != DFS_FILE_TRUNK &&
        id.size_known)
        l->state->bytes += (int64_t)id.size;
    if (l->oldest_s == 0)
        l->oldest_s = e->time_s;
    return 0;
}

static int look_at_path(struct sto_op *op, unsigned path, const struct sto_follower_at *at,
                        struct lack *l)
{
    struct sto_scan end;
    if (at->position >= sto_store_end(op->s->o.store, path))
        return 0;
    int r = sto_scan(op->s->o.store, path, at->position, STO_SCAN_NO_DESC | STO_SCAN_CHANGES,
                     SCAN_RECORDS, count, l, &end);
    if (r == 0 && !end.at_end)
        l->state->more = 1;
    return r;
}

static int state_work(struct sto_op *op)
{
    struct sto_follower_at at[DFS_SERVERS_MAX];
    struct sto_copies *copies = op->s->o.copies;
    size_t n = op->s->o.followers ? sto_followers_list(op->s->o.followers, 0, at) : 0;
    struct dfs_sync_state states[DFS_SERVERS_MAX] = {0};
    struct lack lacks[DFS_SERVERS_MAX] = {0};
    for (unsigned path = 0; path < sto_store_path_count(op->s->o.store) && n > 0; path++) {
        n = MIN(n, sto_followers_list(op->s->o.followers, path, at));
        for (size_t i = 0; i < n; i++) {
            if (path > 0 && strcmp(states[i].id, at[i].id) != 0)
                continue; /* the list has changed under our eyes */
            lacks[i].state = &states[i];
            memcpy(states[i].id, at[i].id, sizeof(states[i].id));
            states[i].status = at[i].status;
            states[i].heard_ms = at[i].heard_ms;
            int r = look_at_path(op, path, &at[i], &lacks[i]);
            if (r < 0)
                return r;
        }
    }
    const struct dfs_sync_state_rsp head = {
        .min = copies ? (uint8_t)sto_copies_min(copies) : 1,
        .needed = copies ? (uint8_t)sto_copies_needed(copies) : 1,
        .count = (uint8_t)n,
    };
    dfs_sync_state_rsp_put(&op->out, &head);
    for (size_t i = 0; i < n; i++) {
        if (lacks[i].oldest_s > 0)
            states[i].seconds = MAX(dfs_now_s() - lacks[i].oldest_s, INT64_C(0));
        dfs_sync_state_put(&op->out, &states[i]);
    }
    return buf_err(&op->out);
}

void sto_handle_sync_state(struct dfs_req *req)
{
    struct sto_op *op = sto_op_new(req, sizeof(*op));
    if (op)
        sto_op_run(op, STO_IO_READ, state_work);
}

/* --- 195, 197: nothing of it waits for a disk --- */

void sto_handle_repair_state(struct dfs_req *req)
{
    AUTO(buf_free) struct buf out = BUF(DFS_REPAIR_STATE_LEN);
    const struct sto_service_options *o = &sto_service_of(req)->o;
    sto_repair_state_put(o->repair, o->scrub, &out);
    dfs_req_reply(req, buf_err(&out), buf_str(&out));
}

void sto_handle_paths(struct dfs_req *req)
{
    AUTO(buf_free) struct buf out = BUF(1 + 255 * 5);
    /* A disk that is tried now has been when the question comes again. */
    sto_store_try(sto_service_of(req)->o.store);
    sto_paths_put(sto_service_of(req)->o.store, &out);
    dfs_req_reply(req, buf_err(&out), buf_str(&out));
}

/* --- 198, 199: the mover --- */

static int path_of(struct str more)
{
    enum { ALL = 255 };
    return more.n == 0 || (uint8_t)more.p[0] == ALL ? STO_MOVE_ALL : (uint8_t)more.p[0];
}

void sto_handle_move(struct dfs_req *req)
{
    struct dfs_move_order order;
    struct str more;
    struct sto_mover *mover = sto_service_of(req)->o.mover;
    int r = mover ? dfs_move_order_head(req->body, &order, &more) : -EOPNOTSUPP;
    if (r == 0)
        r = sto_mover_order(mover, &order, path_of(more), more.n > 1 && more.p[1] == 1);
    dfs_req_reply(req, r, STR_NULL);
}

void sto_handle_move_state(struct dfs_req *req)
{
    AUTO(buf_free) struct buf out = BUF(DFS_MOVE_STATE_LEN);
    struct dfs_move_state state;
    struct dfs_move_left left;
    sto_mover_state(sto_service_of(req)->o.mover, &state, &left);
    if (req->body.n == 0)
        dfs_move_state_put(&out, &state);
    else
        dfs_move_left_put(&out, &left);
    dfs_req_reply(req, buf_err(&out), buf_str(&out));
}
