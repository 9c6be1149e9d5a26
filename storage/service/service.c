/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/service.h"

#include "dfscore/log/log.h"
#include "dfscore/net/stream.h"
#include "dfscore/wire/internal.h"
#include "storage/service/internal.h"
#include "storage/service/op.h"
#include "storage/service/slots.h"

/* The counters are handed over as one run of numbers, as they stand in the block. */
_Static_assert(offsetof(struct dfs_stat_block, last_source_update) -
                       offsetof(struct dfs_stat_block, upload_total) ==
                   STO_STAT_PAIRS_ * 2 * sizeof(int64_t),
               "enum sto_stat lists the pairs of the block");

enum {
    BLOCK_BYTES = 256 * 1024,
    BLOCKS_PER_LOOP = 64,
};

uint64_t sto_service_slot_max(const struct sto_params *p)
{
    uint64_t content = p->slot_max > DFS_TRUNK_HEADER ? p->slot_max - DFS_TRUNK_HEADER : 0;
    return MIN(content, (uint64_t)STO_TRUNK_MAX);
}

static int start_loops(struct sto_service *s)
{
    s->loops = dfs_zalloc(s->o.net_threads * sizeof(struct dfs_loop *));
    if (!s->loops)
        return -ENOMEM;
    for (; s->loop_count < s->o.net_threads; s->loop_count++) {
        int r = dfs_loop_new("net", &s->loops[s->loop_count]);
        if (r < 0)
            return r;
    }
    for (unsigned i = 0; i < s->loop_count; i++) {
        int r = dfs_loop_start(s->loops[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int start(struct sto_service *s)
{
    int r = sto_iopool_new(
        &(struct sto_iopool_options){
            .paths = sto_store_path_count(s->o.store),
            .threads = {[STO_IO_READ] = s->o.reader_threads, [STO_IO_WRITE] = s->o.writer_threads},
        },
        &s->pool);
    const struct sto_iopool_options asking = {
        .paths = sto_store_path_count(s->o.store),
        .threads = {[STO_IO_READ] = STO_ASKING_THREADS, [STO_IO_WRITE] = STO_ASKING_THREADS},
    };
    for (unsigned i = STO_ASKS_MEMBERS; r == 0 && i < STO_ASKS; i++)
        r = sto_iopool_new(&asking, &s->askers[i]);
    if (r == 0)
        r = sto_parking_new(s, &s->parking);
    if (r == 0)
        r = sto_slots_new(s->o.params.trunk_size, s->o.params.slot_min, s->o.params.slot_align,
                          &s->slots);
    if (r == 0)
        r = start_loops(s);
    if (r < 0)
        return r;
    s->net = (struct dfs_service){
        .name = "storage",
        .ctx = s,
        .commands = sto_commands,
        .n = sto_command_count,
        .frame_max = INT64_MAX,
        .close_on_einval = true,
        .first_ms = s->o.stall_ms,
        .stall_ms = s->o.stall_ms,
        .admit = sto_command_admit,
        .secret = s->o.secret,
        .tls = s->o.tls,
        .tls_required = s->o.tls_required,
        .on_close = sto_sync_close,
    };
    struct dfs_listen_opts lo = {
        .bound = s->o.bound,
        .addr = s->o.addr,
        .max_conns = s->o.max_connections,
        .allow = s->o.allow,
        .blocks = BLOCKS_PER_LOOP,
        .block_bytes = BLOCK_BYTES,
    };
    return dfs_listener_new(&lo, &s->net, s->loops, s->loop_count, &s->listener);
}

int sto_service_start(const struct sto_service_options *o, struct sto_service **ret)
{
    struct sto_service *s = dfs_zalloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->magic = SERVICE_MAGIC;
    s->o = *o;
    int r = start(s);
    if (r < 0)
        sto_service_stop(&s, 0);
    else
        *ret = s;
    return r;
}

/* A gateway begins its conversation: it gets a thread of its own (internal.h). */
void sto_handle_hello(struct dfs_req *req)
{
    struct sto_internal *internal = sto_service_of(req)->o.internal;
    char hello[DFS_INT_HELLO_LEN];
    struct dfs_stream stream;
    if (!internal) {
        dfs_req_reply(req, -EOPNOTSUPP, STR_NULL);
        return;
    }
    memcpy(hello, req->body.p, sizeof(hello));
    if (dfs_req_detach(req, &stream) == 0)
        sto_internal_adopt(internal, &stream, str_of(hello, sizeof(hello)));
}

uint16_t sto_service_port(const struct sto_service *s)
{
    CHECK_OBJ(s, SERVICE_MAGIC);
    return dfs_listener_port(s->listener);
}

void sto_service_stats(struct sto_service *s, struct dfs_stat_block *ret)
{
    CHECK_OBJ(s, SERVICE_MAGIC);
    struct dfs_listener_stats conns = dfs_listener_stats(s->listener);
    int64_t flat[STO_STAT_PAIRS_ * 2];
    for (size_t i = 0; i < STO_STAT_PAIRS_; i++) {
        flat[2 * i] = atomic_load(&s->stats[i][0]);
        flat[2 * i + 1] = atomic_load(&s->stats[i][1]);
    }
    memset(ret, 0, sizeof(*ret));
    memcpy(&ret->upload_total, flat, sizeof(flat));
    ret->conns_allocated = (int32_t)MIN(s->o.max_connections, (uint32_t)INT32_MAX);
    ret->conns_current = (int32_t)MIN(conns.current, (uint32_t)INT32_MAX);
    ret->conns_max = (int32_t)MIN(conns.max, (uint32_t)INT32_MAX);
    ret->last_source_update = atomic_load(&s->last_source_update_s);
    ret->last_sync_update = atomic_load(&s->last_sync_update_s);
}

void sto_service_stop(struct sto_service **sp, uint64_t grace_ms)
{
    struct sto_service *s = TAKE(*sp);
    if (!s)
        return;
    CHECK_OBJ(s, SERVICE_MAGIC);
    sto_parking_close(s->parking);
    if (s->listener)
        dfs_listener_stop(s->listener, grace_ms);
    for (unsigned i = STO_ASKS_MEMBERS; i < STO_ASKS; i++)
        if (s->askers[i]) /* gives work to the next, and to the disks' pool, as that to it */
            sto_iopool_end(s->askers[i]);
    sto_iopool_free(&s->pool);
    for (unsigned i = STO_ASKS_MEMBERS; i < STO_ASKS; i++)
        sto_iopool_free(&s->askers[i]);
    sto_parking_free(&s->parking);
    sto_slots_free(&s->slots);
    dfs_listener_free(&s->listener);
    for (unsigned i = 0; i < s->loop_count; i++)
        dfs_loop_free(&s->loops[i]);
    free(s->loops);
    s->magic = 0;
    free(s);
}
