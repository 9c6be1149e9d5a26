/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/tracker_sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/wire/header.h"
#include "tests/lib/fake_disk.h"
#include "tests/lib/test.h"
#include "tests/lib/tracker_sim_priv.h"
#include "tracker/service/exchange.h"
#include "tracker/service/peercmd.h"

enum {
    PORT = 22122,
    PULL_MS = 3000,
    LOOK_US = 500000, /* peers.c: whether it is time to ask a peer again */
    TICK_MIN_MS = 20,
    TICK_MAX_MS = 1000,
    SNAPSHOT_US = 15000000,
    IDLE_US = 200000,
    DELETED_KEEP_MS = 86400000,
};

struct tsim tsim;

uint64_t tsim_random(uint64_t below)
{
    tsim.random ^= tsim.random << 13;
    tsim.random ^= tsim.random >> 7;
    tsim.random ^= tsim.random << 17;
    return (tsim.random >> 11) % below;
}

/* Each tracker has a clock of its own; two storages share one. */
unsigned tsim_owner(unsigned host)
{
    return host < TSIM_TRACKERS ? host : TSIM_TRACKERS + host % 3;
}

bool tsim_serves(const struct tsim_tracker *t)
{
    return t->up && !t->stopping && !t->crashed;
}

struct trk_node *tsim_node(unsigned i, unsigned k)
{
    const struct trk_group *g =
        trk_group_find(&tsim.tracker[i].srv->cluster, tsim.storage[k].group);
    return g ? trk_node_find(g, tsim.storage[k].id) : NULL;
}

/* --- its disk ------------------------------------------------------------------------------------------- */

static ssize_t sim_write(int fd, const void *p, size_t n)
{
    struct stat st;
    ASSERT(fstat(fd, &st) == 0);
    const struct iovec iov = {(void *)(uintptr_t)p, n};
    return fake_disk_io.pwritev(fd, &iov, 1, st.st_size);
}

/* A new file's name may be lost with the power, too. */
static int sim_openat(int dir, const char *path, int flags, mode_t mode)
{
    if (!(flags & O_CREAT) || faccessat(dir, path, F_OK, 0) == 0)
        return fake_disk_io.openat(dir, path, flags, mode);
    AUTO(dfs_close_fd) int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    ASSERT(fd >= 0);
    char self[64];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    if (fake_disk_io.linkat(AT_FDCWD, self, dir, path, AT_SYMLINK_FOLLOW) < 0)
        return -1;
    return fake_disk_io.openat(dir, path, flags & ~(O_CREAT | O_TRUNC), mode);
}

static int sim_fdatasync(int fd)
{
    return fake_disk_io.fdatasync(fd);
}

static int sim_fsync(int fd)
{
    return fake_disk_io.fsync(fd);
}

static int sim_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return fake_disk_io.renameat(from_dir, from, to_dir, to);
}

static int sim_unlinkat(int dir, const char *path, int flags)
{
    return fake_disk_io.unlinkat(dir, path, flags);
}

static const struct trk_io sim_io = {sim_openat, sim_write,    sim_fdatasync,
                                     sim_fsync,  sim_renameat, sim_unlinkat};

static void folder_of(const struct tsim_tracker *t, unsigned generation, char out[TSIM_PATH])
{
    (void)snprintf(out, TSIM_PATH, "%s/t%u-%u", tsim.root, t->index, generation);
}

/* --- what it tells others ------------------------------------------------------------------------------- */

void tsim_told(struct tsim_tracker *t, uint64_t term, int vote)
{
    t->told_term = MAX(t->told_term, term);
    if (vote < 0)
        return;
    uint8_t *was = &t->votes[MIN(term, (uint64_t)TSIM_TERMS - 1)];
    if (*was != 0 && *was != vote + 1)
        TSIM_WRONG("tracker %u votes for %u and %d in term %llu", t->index, *was - 1u, vote,
                   (unsigned long long)term);
    *was = (uint8_t)(vote + 1);
}

static void check_first(const struct tsim_tracker *t, const struct tsim_storage *s)
{
    for (unsigned k = 0; k < tsim.o.storages; k++) {
        const struct tsim_storage *o = &tsim.storage[k];
        if (o != s && o->holds && !o->removed && strcmp(o->group, s->group) == 0 &&
            t->knows & 1u << k)
            TSIM_WRONG("tracker %u tells %u that it is the first, and knew of %u", t->index,
                       s->index, k);
    }
}

void tsim_served(struct tsim_tracker *t, unsigned from, uint8_t cmd, struct str body, size_t n)
{
    const struct tsim_storage *s = &tsim.storage[from - TSIM_TRACKERS];
    struct dfs_join_req m;
    struct str tail;
    if (cmd == DFS_CMD_NEED_SYNC_SOURCE && n == 0)
        check_first(t, s);
    /* Perhaps late: it has become complete since it sent this. But it has said so itself. */
    if (cmd == DFS_CMD_JOIN && dfs_join_req_head(body, &m, &tail) == 0 && m.init_flag)
        t->knows &= ~(1u << s->index);
}

/* --- its threads: peers.c, store.c, main.c -------------------------------------------------------------- */

void tsim_wait_stored(struct tsim_tracker *t, struct trk_waiter *w)
{
    trk_store_wait(t->store, w);
    if (t->store_idle)
        fiber_wake(t->store_idle);
}

struct save_wait {
    struct trk_waiter w; /* must be first */
    struct fiber *fiber;
    bool done;
    int r;
};

static void on_saved(struct trk_waiter *w, int r)
{
    struct save_wait *s = (struct save_wait *)w;
    s->done = true;
    s->r = r;
    fiber_wake(s->fiber);
}

static bool wait_saved(struct tsim_tracker *t, uint64_t seq)
{
    if (seq == 0 || seq == TRK_CANNOT_SAVE)
        return seq == 0;
    struct save_wait s = {.w = {NULL, seq, on_saved}, .fiber = fiber_self()};
    tsim_wait_stored(t, &s.w);
    while (!s.done) /* the store's fiber ends last */
        fiber_sleep(IDLE_US);
    return s.r == 0 && tsim_serves(t);
}

static void broadcast(struct tsim_tracker *t, const struct trk_emsg *m)
{
    if (m->kind != TRK_EMSG_ASK)
        tsim_told(t, m->term, m->kind == TRK_EMSG_VOTE ? (int)t->index : -1);
    for (unsigned j = 0; j < tsim.o.trackers; j++) {
        struct tsim_link *l = &t->link[j];
        l->out = *m;
        l->has_out = true;
        if (l->idle)
            fiber_wake(l->idle);
    }
}

static void broadcast_saved(struct tsim_tracker *t, uint64_t wait, bool send,
                            const struct trk_emsg *m)
{
    if (wait_saved(t, wait) && send)
        broadcast(t, m);
}

static unsigned tracker_of(const char *host)
{
    char text[DFS_HOST_MAX];
    for (unsigned i = 0; i < tsim.o.trackers; i++) {
        trk_host_text(tsim.tracker[i].ip, PORT, text);
        if (strcmp(text, host) == 0)
            return i;
    }
    ASSERT(false);
    return 0;
}

static void reach(struct tsim_link *l, const char *host)
{
    if (l->conn && tsim_conn_broken(l->conn))
        tsim_conn_close(&l->conn);
    if (!l->conn)
        l->conn = tsim_conn_new(l->t->index, tracker_of(host));
}

static void send_message(struct tsim_link *l, const struct trk_emsg *m)
{
    struct tsim_tracker *t = l->t;
    char host[DFS_HOST_MAX];
    AUTO(buf_free) struct buf body = BUF(256), rsp = BUF(256);
    if (!trk_exchange_whom(t->srv, l->index, m, host, &body))
        return;
    reach(l, host);
    if (tsim_call(l->conn, TRK_CMD_ELECTION, buf_str(&body), &rsp) < 0 || !tsim_serves(t))
        return;
    struct trk_emsg out;
    uint64_t wait;
    bool send = trk_exchange_answer(t->srv, l->index, host, buf_str(&rsp), &out, &wait);
    broadcast_saved(t, wait, send, &out);
}

static void pull(struct tsim_link *l)
{
    struct tsim_tracker *t = l->t;
    char host[DFS_HOST_MAX];
    AUTO(buf_free) struct buf rsp = BUF(1 << 20);
    if (!trk_exchange_whom(t->srv, l->index, NULL, host, NULL))
        return;
    reach(l, host);
    if (tsim_call(l->conn, TRK_CMD_STATE, STR_NULL, &rsp) == 0 && tsim_serves(t))
        trk_exchange_state(t->srv, l->index, host, buf_str(&rsp));
}

static void link_fiber(void *arg)
{
    struct tsim_link *l = arg;
    struct tsim_tracker *t = l->t;
    uint64_t asked_ms = 0;
    while (tsim_serves(t)) {
        struct trk_emsg m = l->out;
        bool send = l->has_out;
        l->has_out = false;
        if (send)
            send_message(l, &m);
        if (tsim_serves(t) && trk_exchange_due(t->srv, PULL_MS, &asked_ms))
            pull(l);
        l->idle = fiber_self();
        if (!l->has_out && tsim_serves(t))
            fiber_sleep(LOOK_US);
        l->idle = NULL;
    }
    tsim_conn_close(&l->conn);
    t->fibers--;
}

static void clock_fiber(void *arg)
{
    struct tsim_tracker *t = arg;
    while (tsim_serves(t)) {
        struct trk_emsg m;
        trk_lock(t->srv);
        bool send = trk_election_poll(t->srv, &m);
        bool alone = t->srv->me < 0 || t->srv->tracker_count == 1;
        uint64_t wait =
            alone ? (uint64_t)TICK_MAX_MS : trk_election_wait(t->srv->election, dfs_mono_ms());
        uint64_t seq = trk_unlock(t->srv);
        broadcast_saved(t, seq, send, &m);
        if (!tsim_serves(t))
            break;
        wait = MIN(MAX(wait, (uint64_t)TICK_MIN_MS), (uint64_t)TICK_MAX_MS);
        fiber_sleep(wait * 1000 + tsim_random(1000));
    }
    t->fibers--;
}

static void tick_fiber(void *arg)
{
    struct tsim_tracker *t = arg;
    uint64_t due = fibers_now_us() + SNAPSHOT_US;
    while (tsim_serves(t)) {
        trk_server_tick(t->srv);
        if (fibers_now_us() >= due || trk_store_wants_snapshot(t->store)) {
            int r = trk_server_snapshot(t->srv);
            ASSERT(r == 0 || r == -EBUSY);
            due = fibers_now_us() + SNAPSHOT_US;
        }
        for (unsigned k = 0; k < 10 && tsim_serves(t); k++)
            fiber_sleep(100000);
    }
    t->fibers--;
}

/* Ends when nobody waits for it any more. */
static void store_fiber(void *arg)
{
    struct tsim_tracker *t = arg;
    while (tsim_serves(t) || t->fibers > 1) {
        if (!trk_store_step(t->store)) {
            t->store_idle = fiber_self();
            fiber_sleep(IDLE_US);
            t->store_idle = NULL;
        }
        fiber_sleep(1 + tsim_random(tsim.o.sync_us));
    }
    t->fibers--;
}

/* --- up and down ---------------------------------------------------------------------------------------- */

static void open_state(struct tsim_tracker *t)
{
    char dir[TSIM_PATH];
    AUTO(buf_free) struct buf err = BUF(4096);
    folder_of(t, t->generation, dir);
    int r = trk_store_open(dir, &sim_io, &t->srv->cluster, &t->srv->self, &t->store, &err);
    if (r < 0) {
        (void)fprintf(stderr, "seed %llu, tracker %u does not start: " STR_F "\n",
                      (unsigned long long)tsim.o.seed, t->index, STR_A(buf_str(&err)));
        abort();
    }
    t->srv->store = t->store;
    if (t->srv->self.term < t->told_term)
        TSIM_WRONG("tracker %u comes back in term %llu, and was in %llu", t->index,
                   (unsigned long long)t->srv->self.term, (unsigned long long)t->told_term);
    t->fresh = t->fresh && t->srv->cluster.n == 0;
    for (unsigned k = 0; k < tsim.o.storages; k++) {
        const struct trk_node *n = tsim_node(t->index, k);
        if (!n && t->joined & 1u << k)
            TSIM_WRONG("tracker %u has forgotten that %u joined", t->index, k);
        if (!t->fresh && (!n || !trk_status_complete(n->status)))
            t->knows &= ~(1u << k);
    }
}

static void know_trackers(struct tsim_tracker *t)
{
    struct dfs_addr list[TSIM_TRACKERS] = {{.port = PORT}};
    trk_add_own(t->srv, t->ip);
    if (tsim.o.learned) {
        trk_trackers_restore(t->srv);
        return;
    }
    for (unsigned i = 0; i < tsim.o.trackers; i++) {
        list[i].port = PORT;
        (void)snprintf(list[i].host, sizeof(list[i].host), "%s", tsim.tracker[i].ip);
    }
    int r = trk_trackers_fix(t->srv, list, tsim.o.trackers);
    ASSERT(r == 0);
}

static void begin(struct tsim_tracker *t, void (*fn)(void *arg), void *arg)
{
    t->fibers++;
    fiber_begin(t->index, fn, arg);
}

void tsim_tracker_up(unsigned i)
{
    struct tsim_tracker *t = &tsim.tracker[i];
    ASSERT(!t->up && t->fibers == 0);
    unsigned before = fiber_as(i);
    const struct trk_server_opts o = {
        .ipw = DFS_IPW4,
        .use_storage_id = tsim.o.ids,
        .ids_in_names = tsim.o.ids,
        .check_active_ms = TSIM_SILENT_MS,
        .election_ms = TSIM_ELECTION_MS,
        .deleted_keep_ms = DELETED_KEEP_MS,
        .params = STR("use_storage_id=0\n"),
        .ids = &tsim.ids,
        .select = {.store_group = "",
                   .use_trunk = tsim.o.trunk,
                   .use_storage_id = tsim.o.ids,
                   .max_delay_s = 86400,
                   .max_time_s = 300},
    };
    int r = trk_server_new(&o, &t->srv);
    ASSERT(r == 0);
    t->srv->port = PORT;
    t->crashed = t->stopping = false;
    t->session++;
    open_state(t);
    know_trackers(t);
    trk_server_begin(t->srv);
    t->up = true;
    begin(t, clock_fiber, t);
    begin(t, tick_fiber, t);
    begin(t, store_fiber, t);
    for (unsigned j = 0; j < tsim.o.trackers; j++) {
        t->link[j] = (struct tsim_link){.t = t, .index = j};
        if (j != i)
            begin(t, link_fiber, &t->link[j]);
    }
    fiber_as(before);
}

static void take_down(struct tsim_tracker *t)
{
    ASSERT(t->up && !t->stopping);
    t->stopping = true;
    while (t->fibers > 0)
        fiber_sleep(1000);
    t->up = false;
    trk_store_close(&t->store);
    trk_server_free(&t->srv);
}

static void crash(void *arg)
{
    struct tsim_tracker *t = arg;
    t->crashed = true;
}

void tsim_tracker_crash(unsigned i, bool power)
{
    enum { CALLS = 4, PATIENCE_MS = 1000 };
    struct tsim_tracker *t = &tsim.tracker[i];
    char from[TSIM_PATH], to[TSIM_PATH];
    folder_of(t, t->generation, from);
    folder_of(t, t->generation + 1, to);
    unsigned nth = 1 + (unsigned)tsim_random(CALLS);
    (power ? fake_disk_crash_at : fake_disk_kill_at)(nth, from, to, crash, t);
    for (unsigned k = 0; k < PATIENCE_MS && !t->crashed; k++)
        fiber_sleep(1000);
    while (!t->crashed) /* at no call of its own, then */
        (void)fake_disk_io.unlinkat(AT_FDCWD, "/no/such/file", 0);
    take_down(t);
    fake_disk_leave(from);
    t->generation++;
}

void tsim_tracker_lose_disk(unsigned i)
{
    struct tsim_tracker *t = &tsim.tracker[i];
    char dir[TSIM_PATH];
    ASSERT(!t->up);
    folder_of(t, t->generation, dir);
    fake_disk_leave(dir);
    char *gone = dfs_strdup(dir);
    ASSERT(gone);
    test_tmpdir_free(&gone);
    t->disks++;
    t->fresh = true;
    t->told_term = 0;
    memset(t->votes, 0, sizeof(t->votes));
    t->joined = t->removed = t->drained = t->empty = 0;
    /* Another one tells it, whichever it asks. */
    for (unsigned j = 0; j < tsim.o.trackers; j++)
        if (j != i)
            t->knows &= tsim.tracker[j].knows;
    if (tsim.o.trackers == 1)
        t->knows = 0;
}

static void number_storages(void)
{
    AUTO(buf_free) struct buf text = BUF(8192), err = BUF(1024);
    for (unsigned k = 0; k < tsim.o.storages && tsim.o.ids; k++)
        buf_addf(&text, "%s %s %s\n", tsim.storage[k].id, tsim.storage[k].group,
                 tsim.storage[k].ip);
    int r = trk_ids_parse(buf_str(&text), "ids", NULL, &tsim.ids, &err);
    ASSERT(r == 0);
}

void tsim_start(const struct tsim_options *o)
{
    tsim =
        (struct tsim){.o = *o, .random = o->seed * 0x9e3779b97f4a7c15u + 1, .root = test_tmpdir()};
    ASSERT(o->trackers <= TSIM_TRACKERS && o->storages <= TSIM_STORAGES);
    fake_disk_start(o->seed);
    fibers_start();
    for (unsigned i = 0; i < o->trackers; i++) {
        struct tsim_tracker *t = &tsim.tracker[i];
        t->index = i;
        (void)snprintf(t->ip, sizeof(t->ip), "10.0.0.%u", i + 1);
    }
    tsim_storages_start();
    number_storages();
}

static void all_down(void *arg)
{
    (void)arg;
    for (unsigned k = 0; k < tsim.o.storages; k++)
        if (tsim.storage[k].up)
            tsim_storage_down(k);
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        if (tsim.tracker[i].up)
            take_down(&tsim.tracker[i]);
}

void tsim_stop(void)
{
    tsim.over = true;
    fiber_begin(0, all_down, NULL);
    while (fibers_turn())
        ;
    fibers_stop();
    fake_disk_stop();
    trk_ids_fini(&tsim.ids);
    test_tmpdir_free(&tsim.root);
}
