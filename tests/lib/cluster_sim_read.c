/* SPDX-License-Identifier: Apache-2.0 */
/* What a client reads: storage/service/download.c, without it. */
#include <unistd.h>

#include "storage/sync/holder.h"
#include "tests/lib/cluster_sim_priv.h"

static void one_by_one(unsigned n, void (*fn)(void *arg, unsigned i), void *arg)
{
    for (unsigned i = 0; i < n; i++)
        fn(arg, i);
}

int sim_look_up(const struct sim_node *n, const char *name, struct buf *out)
{
    struct sto_view v;
    int r = sto_open_read(n->store, str_c(name), &v);
    if (r < 0)
        return r;
    char *to = buf_room(out, v.size + 1); /* also for an empty one */
    ASSERT(to);
    r = pread(v.fd, to, v.size, (off_t)v.offset) == (ssize_t)v.size ? 0 : -EIO;
    close(v.fd);
    buf_used(out, v.size);
    return r;
}

static int read_elsewhere(const struct sto_holder_options *o, struct str name, struct buf *out)
{
    AUTO(buf_free) struct buf body = BUF(SIM_PATH);
    struct dfs_peer *p = NULL;
    uint64_t len = 0;
    const struct dfs_download_req m = {.group = "group1"};
    dfs_download_req_put(&body, &m);
    buf_adds(&body, name);
    const struct sto_holder_question q = {DFS_CMD_DOWNLOAD, 0, buf_str(&body)};
    int r = sto_holder_find(o, name, &q, &p, &len);
    char *to = r == 0 ? buf_room(out, (size_t)len + 1) : NULL;
    if (r == 0 && len > 0)
        r = o->line->read(p, to, (size_t)len);
    if (r == 0)
        buf_used(out, (size_t)len);
    o->line->free(&p);
    return r;
}

int sim_read(struct sim_node *n, const char *name, struct buf *out)
{
    const struct sto_holder_options o = {.store = n->store,
                                         .members = n->members,
                                         .followers = n->followers,
                                         .line = &sim_line,
                                         .net = {.connect_ms = 500, .timeout_ms = 1000},
                                         .answer_ms = 1000,
                                         .copies = sim.o.min_copies,
                                         .at_once = one_by_one,
                                         .all_known = sim_all_known,
                                         .arg = n};
    uint64_t session = n->session;
    unsigned before = fiber_as(n->index);
    n->fibers++;
    int r = sim_look_up(n, name, out);
    if (r == -ENOENT && sto_holder_may_be(&o, str_c(name)))
        r = read_elsewhere(&o, str_c(name), out);
    bool answers = n->session == session && sim_serves(n);
    n->fibers--;
    fiber_as(before);
    return answers ? r : -EPIPE;
}
