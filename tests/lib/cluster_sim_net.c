/* SPDX-License-Identifier: Apache-2.0 */
/* The network: storage/sync/line.h between members, and what a member answers (storage/service, without it). */
#include <unistd.h>

#include "dfscore/wire/internal.h"
#include "storage/service/logs.h"
#include "storage/sync/holder.h"
#include "tests/lib/cluster_sim_priv.h"

enum { LOOK_US = 3000, LOOK_LATE_US = 40000, OUT_MAX = STO_RANGE_MAX + STO_PULL_HEAD };

/* A connection; struct dfs_peer to those who use it. */
struct wire {
    struct sim_node *from, *to;
    uint64_t from_session, to_session;
    uint64_t timeout_ms;
    bool broken;
    struct fiber *asleep; /* its owner, in a call; NULL */
    int status;           /* of the answer */
    struct buf out;       /* its body, and how much of it has been read */
    size_t read;
};

static struct wire *wire_of(const struct dfs_peer *p)
{
    return (struct wire *)(uintptr_t)p;
}

static bool alive(const struct wire *w)
{
    return !w->broken && w->from->session == w->from_session && sim_serves(w->from) &&
           w->to->session == w->to_session && sim_serves(w->to);
}

static void doze(struct wire *w, uint64_t us)
{
    w->asleep = fiber_self();
    fiber_sleep(us);
    w->asleep = NULL;
}

static int lose(struct wire *w, int err)
{
    w->broken = true;
    return err;
}

/* A message goes its way. */
static int travel(struct wire *w, unsigned from, unsigned to)
{
    doze(w, 1 + sim_random(sim.o.delay_us));
    if (alive(w) && (sim_is_cut(from, to) || sim_random(1000) < sim.o.loss))
        doze(w, w->timeout_ms * 1000);
    else if (alive(w))
        return 0;
    return lose(w, w->from->stopping ? -EPIPE : -ETIMEDOUT);
}

/* --- what a member answers -------------------------------------------------------------------------------- */

static struct sto_source source_of(const struct sim_node *n)
{
    return (struct sto_source){n->store, n->mirrors, n->followers, n->copies};
}

/* storage/service/sync_out.c, with a pull that is parked looking now and then. */
static int serve_pull(struct wire *w, struct str body)
{
    struct sto_source s = source_of(w->to);
    struct sto_pull pull;
    struct sto_patience p;
    int r = sto_source_hear_pull(&s, body, &pull, &p);
    uint64_t until = fibers_now_us() + (uint64_t)p.wait_ms * 1000;
    bool nothing = false;
    while (r == 0) {
        r = sto_source_pull(&s, &pull, &w->out, &nothing);
        if (r < 0 || !nothing || fibers_now_us() >= until)
            break;
        while (alive(w) && fibers_now_us() < until && !sto_source_grown(&s, &pull))
            doze(w, 1 + sim_random(sim_random(2) ? LOOK_US : LOOK_LATE_US));
        r = alive(w) ? 0 : lose(w, -EPIPE);
    }
    return r;
}

static int serve_wait(struct wire *w, struct str body)
{
    struct sto_source s = source_of(w->to);
    struct sto_pull pulls[STO_PATHS_MAX];
    struct sto_patience p;
    unsigned count = 0;
    int r = sto_source_hear_wait(&s, body, pulls, &count, &p);
    uint64_t until = fibers_now_us() + (uint64_t)p.wait_ms * 1000;
    while (r == 0 && alive(w) && fibers_now_us() < until && !sto_source_any_grown(&s, pulls, count))
        doze(w, 1 + sim_random(sim_random(2) ? LOOK_US : LOOK_LATE_US));
    if (r == 0 && !alive(w))
        return lose(w, -EPIPE);
    if (r == 0)
        sto_source_ends(&s, count, &w->out);
    return r;
}

/* 14. Rule: storage/service/download.c. A member asks for what is there itself. */
static int serve_download(struct wire *w, struct str body)
{
    struct dfs_download_req m;
    struct str name;
    struct sto_view v;
    int r = dfs_download_req_head(body, &m, &name);
    if (r == 0)
        r = sto_open_read(w->to->store, name, &v);
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = v.fd;
    if (m.offset > v.size || (m.offset == v.size && v.size > 0))
        return -EINVAL;
    uint64_t left = v.size - m.offset;
    size_t n = (size_t)(m.count == 0 || m.count > left ? left : m.count);
    if (n == 0)
        return 0;
    char *to = buf_room(&w->out, n);
    if (!to || pread(fd, to, n, (off_t)(v.offset + m.offset)) != (ssize_t)n)
        return -EIO;
    buf_used(&w->out, n);
    return 0;
}

/* 22. Rule: storage/service/download.c. */
static int serve_info(struct wire *w, uint8_t status, struct str body)
{
    struct dfs_group g;
    struct str name;
    struct sto_info info;
    int r = dfs_group_head(body, &g, &name);
    sim_let_change_end(w->to); /* it may have the lock */
    if (r == 0 && !alive(w))
        r = lose(w, -EPIPE);
    if (r == 0)
        r = sto_info_settled(w->to->store, name, &info);
    if (r == -ENOENT && status & DFS_ASK_WHO_HAS)
        r = sto_holder_absent(w->to->members);
    if (r < 0)
        return r;
    bool earlier = sim.o.earlier & 1u << w->to->index;
    struct dfs_file_info_rsp m = {.size = (int64_t)info.size,
                                  .created_s = info.mtime_s,
                                  .crc32 = earlier            ? 0
                                           : info.version > 0 ? DFS_INFO_US + info.version % 1000000
                                                              : DFS_INFO_MS + info.mtime_ms % 1000};
    dfs_file_info_rsp_put(&w->out, DFS_IPW4, &m);
    return 0;
}

static int serve_meta(struct wire *w, struct str body)
{
    struct dfs_group g;
    struct str name;
    int r = dfs_group_head(body, &g, &name);
    return r < 0 ? r : sto_meta_get(w->to->store, name, &w->out);
}

static int serve_turn(struct wire *w, struct str body)
{
    sim_let_change_end(w->to); /* it may have the lock */
    struct sto_turn_options o = sim_turns(w->to);
    return alive(w) ? sto_turn_hear(&o, body, &w->out) : lose(w, -EPIPE);
}

static bool knows(const struct wire *w, uint8_t cmd)
{
    return (cmd != DFS_INT_SYNC_METAS && cmd != DFS_INT_SYNC_TURN) ||
           !(sim.o.earlier & 1u << w->to->index);
}

static int serve(struct wire *w, uint8_t cmd, uint8_t status, struct str body)
{
    if (!knows(w, cmd))
        return -EINVAL;
    switch (cmd) {
    case DFS_INT_SYNC_LOGS:
        return sto_logs_list(w->to->mirrors, (uint8_t)body.p[0], &w->out);
    case DFS_INT_SYNC_PULL:
        return serve_pull(w, body);
    case DFS_INT_SYNC_WAIT:
        return serve_wait(w, body);
    case DFS_INT_SYNC_METAS: {
        struct sto_source s = source_of(w->to);
        return sto_source_metas(&s, body, &w->out);
    }
    case DFS_INT_SYNC_TURN:
        return serve_turn(w, body);
    case DFS_CMD_DOWNLOAD:
        return serve_download(w, body);
    case DFS_CMD_FILE_INFO:
        return serve_info(w, status, body);
    case DFS_CMD_GET_METADATA:
        return serve_meta(w, body);
    default:
        return -EOPNOTSUPP;
    }
}

/*
 * What a member is asked, with a fiber of its own: who asks may not wait so long, and it is answered all the same, or was to
 * be answered when it stood still.
 */
struct question {
    struct wire at;     /* the server's end */
    struct wire *asker; /* NULL: it has given up */
    uint8_t cmd, status;
    struct buf body;
    int answer;
    bool done;
};

static void free_question(struct question *q)
{
    buf_free(&q->body);
    buf_free(&q->at.out);
    free(q);
}

static void answer(void *arg)
{
    struct question *q = arg;
    q->answer =
        alive(&q->at) ? serve(&q->at, q->cmd, q->status, buf_str(&q->body)) : lose(&q->at, -EPIPE);
    q->done = true;
    if (!q->asker)
        free_question(q);
    else if (q->asker->asleep)
        fiber_wake(q->asker->asleep);
}

static int serve_apart(struct wire *w, uint8_t cmd, uint8_t status, struct str body)
{
    struct question *q = calloc(1, sizeof(*q));
    ASSERT(q);
    *q =
        (struct question){.at = *w, .asker = w, .cmd = cmd, .status = status, .body = BUF(OUT_MAX)};
    q->at.asleep = NULL;
    q->at.out = BUF(OUT_MAX);
    buf_adds(&q->body, body);
    uint64_t until = fibers_now_us() + w->timeout_ms * 1000;
    fiber_begin(w->to->index, answer, q);
    while (!q->done && alive(w) && fibers_now_us() < until)
        doze(w, until - fibers_now_us());
    if (!q->done) {
        q->asker = NULL;
        q->at.broken = true;
        return lose(w, alive(w) ? -ETIMEDOUT : -EPIPE);
    }
    int r = q->answer;
    w->broken = w->broken || q->at.broken;
    buf_adds(&w->out, buf_str(&q->at.out));
    free_question(q);
    return r;
}

/* --- the line ----------------------------------------------------------------------------------------------- */

/* Both say who they are; one that stands still does not. */
static int meet(struct wire *w)
{
    enum { STEP_US = 1000 };
    uint64_t until = fibers_now_us() + w->timeout_ms * 1000;
    while (alive(w) && w->to->still && fibers_now_us() < until)
        doze(w, STEP_US);
    return alive(w) && !w->to->still ? 0 : lose(w, -ETIMEDOUT);
}

static int line_open(const struct dfs_addr *addr, const struct dfs_peer_opts *opts,
                     struct dfs_peer **ret)
{
    struct wire *w = calloc(1, sizeof(*w));
    ASSERT(w);
    w->from = &sim.node[fiber_as(0)];
    fiber_as(w->from->index);
    w->to = sim_node(addr->port - 1000u);
    w->from_session = w->from->session;
    w->to_session = w->to->session;
    w->timeout_ms = opts->connect_ms;
    w->out = BUF(OUT_MAX);
    int r = sim_serves(w->to) ? travel(w, w->from->index, w->to->index) : -ECONNREFUSED;
    if (r == 0)
        r = meet(w);
    if (r == 0)
        r = travel(w, w->to->index, w->from->index);
    sim_let_change_end(w->from);
    w->timeout_ms = opts->timeout_ms;
    if (r < 0)
        free(w);
    else
        *ret = (struct dfs_peer *)w;
    return r;
}

static void line_free(struct dfs_peer **pp)
{
    struct wire *w = wire_of(TAKE(*pp));
    if (!w)
        return;
    buf_free(&w->out);
    free(w);
}

static bool line_broken(const struct dfs_peer *p)
{
    return wire_of(p)->broken;
}

static void line_timeout(struct dfs_peer *p, uint64_t timeout_ms)
{
    wire_of(p)->timeout_ms = timeout_ms;
}

static int exchange(struct wire *w, uint8_t cmd, uint8_t status, const struct str *parts, size_t n)
{
    AUTO(buf_free) struct buf body = BUF(OUT_MAX);
    for (size_t i = 0; i < n; i++)
        buf_adds(&body, parts[i]);
    buf_reset(&w->out);
    w->read = 0;
    if (!alive(w))
        return lose(w, -EPIPE);
    int r = travel(w, w->from->index, w->to->index);
    if (r < 0)
        return r;
    struct muted *muted = &sim.muted[w->to->index];
    if (cmd == muted->cmd) {
        muted->times++;
        return lose(w, -EPIPE);
    }
    int result;
    if (sim.o.trackers > 0) {
        result = serve_apart(w, cmd, status, buf_str(&body));
    } else {
        unsigned before = fiber_as(w->to->index);
        result = serve(w, cmd, status, buf_str(&body));
        fiber_as(before);
    }
    if (w->broken)
        return result == -ETIMEDOUT ? result : -EPIPE;
    r = alive(w) ? travel(w, w->to->index, w->from->index) : lose(w, -EPIPE);
    if (!knows(w, cmd))
        w->broken = true; /* a server does not read the rest of what it does not know */
    return r < 0 ? r : result;
}

static int ask(struct wire *w, uint8_t cmd, uint8_t status, const struct str *parts, size_t n)
{
    int r = exchange(w, cmd, status, parts, n);
    sim_let_change_end(w->from); /* its caller goes on to its own disk */
    return r;
}

static int line_send(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts,
                     size_t n, uint64_t more)
{
    ASSERT(more == 0);
    struct wire *w = wire_of(p);
    w->status = ask(w, cmd, status, parts, n);
    return w->broken ? w->status : 0;
}

static int line_answer(struct dfs_peer *p, uint64_t *ret_len)
{
    struct wire *w = wire_of(p);
    if (w->broken)
        return -EPIPE;
    if (w->status == 0)
        *ret_len = w->out.n;
    return w->status;
}

static int line_read(struct dfs_peer *p, void *to, size_t n)
{
    struct wire *w = wire_of(p);
    if (sim_random(4) == 0) { /* a long answer takes a while */
        doze(w, 1 + sim_random(sim.o.delay_us));
        sim_let_change_end(w->from);
    }
    if (!alive(w) || sim_random(2000) < sim.o.loss)
        return lose(w, -EPIPE);
    ASSERT(n <= w->out.n - w->read);
    memcpy(to, w->out.p + w->read, n);
    w->read += n;
    return 0;
}

static int line_call(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts,
                     size_t n, struct buf *rsp)
{
    struct wire *w = wire_of(p);
    int r = ask(w, cmd, status, parts, n);
    if (r < 0)
        return r;
    buf_reset(rsp);
    buf_adds(rsp, buf_str(&w->out));
    return buf_err(rsp);
}

static void line_cut(struct dfs_peer *p)
{
    struct wire *w = wire_of(p);
    w->broken = true;
    if (w->asleep)
        fiber_wake(w->asleep);
}

const struct sto_line sim_line = {
    .open = line_open,
    .free = line_free,
    .broken = line_broken,
    .timeout = line_timeout,
    .send = line_send,
    .answer = line_answer,
    .read = line_read,
    .call = line_call,
    .cut = line_cut,
};
