/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "dfscore/wire/header.h"
#include "tests/lib/tracker_sim_priv.h"
#include "tracker/service/peercmd.h"

enum {
    CALL_US = 1200000,  /* longest wait for an answer */
    GONE_US = 20000000, /* until a host that cannot be reached counts as gone */
    LOOK_US = 2000,
    CONNECT = 0, /* no command: the connection is made */
};

struct tsim_conn {
    unsigned refs;
    unsigned from, to;
    uint64_t life;    /* of the storage it comes from */
    uint64_t session; /* of the tracker that has accepted it; 0: none yet */
    bool broken, closed;
    struct trk_session s;
};

/* A request and its answer: the caller's and the carrier's. */
struct flight {
    struct trk_waiter w; /* must be first */
    unsigned refs;
    struct tsim_conn *c;
    struct fiber *caller; /* NULL: it has given up */
    struct fiber *carrier;
    uint8_t cmd;
    struct buf body, rsp;
    int r;
    bool done, synced;
};

static const char *ip_of(unsigned host)
{
    if (host < TSIM_TRACKERS)
        return tsim.tracker[host].ip;
    return host < TSIM_ADMIN ? tsim.storage[host - TSIM_TRACKERS].ip : "10.0.9.9";
}

static uint64_t life_of(unsigned host)
{
    return host >= TSIM_TRACKERS && host < TSIM_ADMIN ? tsim.storage[host - TSIM_TRACKERS].life : 0;
}

struct tsim_conn *tsim_conn_new(unsigned from, unsigned to)
{
    struct tsim_conn *c = calloc(1, sizeof(*c));
    ASSERT(c);
    c->refs = 1;
    c->from = from;
    c->to = to;
    c->life = life_of(from);
    (void)snprintf(c->s.peer_ip, sizeof(c->s.peer_ip), "%s", ip_of(from));
    (void)snprintf(c->s.local_ip, sizeof(c->s.local_ip), "%s", ip_of(to));
    c->s.named = c->s.server = true;
    return c;
}

static void conn_put(struct tsim_conn *c)
{
    if (--c->refs == 0)
        free(c);
}

bool tsim_conn_broken(const struct tsim_conn *c)
{
    return c->broken || (c->session && (c->session != tsim.tracker[c->to].session ||
                                        !tsim_serves(&tsim.tracker[c->to])));
}

static bool of_this_session(const struct tsim_conn *c)
{
    const struct tsim_tracker *t = &tsim.tracker[c->to];
    return tsim_serves(t) && c->session == t->session;
}

static void hear_close(void *arg)
{
    struct tsim_conn *c = arg;
    uint64_t since = fibers_now_us();
    fiber_sleep(1 + tsim_random(tsim.o.delay_us));
    while (tsim.cut[c->from][c->to] && fibers_now_us() - since < GONE_US && of_this_session(c))
        fiber_sleep(200000);
    while (c->refs > 1) /* what is under way comes before it */
        fiber_sleep(LOOK_US);
    if (of_this_session(c)) {
        trk_session_close(tsim.tracker[c->to].srv, &c->s);
        c->closed = true;
    }
    conn_put(c);
}

void tsim_conn_close(struct tsim_conn **cp)
{
    struct tsim_conn *c = TAKE(*cp);
    if (!c)
        return;
    c->broken = true;
    fiber_begin(tsim_owner(c->to), hear_close, c);
}

/* --- the tracker's side --------------------------------------------------------------------------------- */

static void on_synced(struct trk_waiter *w, int r)
{
    struct flight *f = (struct flight *)w;
    f->synced = true;
    f->r = tsim_serves(&tsim.tracker[f->c->to]) ? r : -ECONNRESET;
    fiber_wake(f->carrier);
}

/* False: it is not there any more. */
static bool wait_synced(struct flight *f, uint64_t seq)
{
    struct tsim_tracker *t = &tsim.tracker[f->c->to];
    f->w = (struct trk_waiter){NULL, seq, on_synced};
    f->carrier = fiber_self();
    t->fibers++; /* the store's fiber waits for us */
    tsim_wait_stored(t, &f->w);
    while (!f->synced)
        fiber_sleep(LOOK_US * 100);
    t->fibers--;
    return of_this_session(f->c);
}

/* What others hear of an election from an answer. */
static void note_answer(struct flight *f)
{
    struct rd q = rd_of(buf_str(&f->body)), a = rd_of(buf_str(&f->rsp));
    struct trk_emsg asked, said;
    (void)rd_lstr(&q);
    if (trk_emsg_get(&q, &asked) < 0 || trk_emsg_get(&a, &said) < 0 || !said.granted)
        return;
    if (said.kind != TRK_EMSG_ASK)
        tsim_told(&tsim.tracker[f->c->to], said.term,
                  said.kind == TRK_EMSG_VOTE ? (int)f->c->from : -1);
}

static void serve(struct flight *f)
{
    struct tsim_conn *c = f->c;
    struct tsim_tracker *t = &tsim.tracker[c->to];
    uint64_t wait;
    if (c->session == 0) {
        c->session = t->session;
        trk_session_open(t->srv, &c->s);
    }
    if (f->cmd == CONNECT)
        return;
    if (c->closed || !of_this_session(c)) {
        f->r = -ECONNRESET;
        return;
    }
    buf_reset(&f->rsp);
    f->r = trk_dispatch(t->srv, &c->s, f->cmd, 0, buf_str(&f->body), &f->rsp, &wait);
    if (f->r == 0 && c->life)
        tsim_served(t, c->from, f->cmd, buf_str(&f->body), f->rsp.n);
    if (f->r == 0 && wait > 0 && !wait_synced(f, wait))
        f->r = -ECONNRESET;
    if (f->r == 0 && f->cmd == TRK_CMD_ELECTION)
        note_answer(f);
    if (f->r < 0)
        buf_reset(&f->rsp);
}

/* --- the way -------------------------------------------------------------------------------------------- */

static bool travels(unsigned from, unsigned to)
{
    fiber_sleep(1 + tsim_random(tsim.o.delay_us));
    return !tsim.cut[from][to] && tsim_random(1000) >= tsim.o.loss;
}

static void flight_put(struct flight *f)
{
    if (--f->refs > 0)
        return;
    buf_free(&f->body);
    buf_free(&f->rsp);
    conn_put(f->c);
    free(f);
}

static void carry(void *arg)
{
    struct flight *f = arg;
    struct tsim_conn *c = f->c;
    /* What a process has sent before it was killed arrives, but not after what the next one says. */
    if (travels(c->from, c->to) && c->life == life_of(c->from)) {
        if (tsim_serves(&tsim.tracker[c->to]))
            serve(f);
        else
            f->r = -ECONNRESET;
        if (travels(c->to, c->from) && f->caller) {
            f->done = true;
            fiber_wake(f->caller);
        }
    }
    flight_put(f);
}

static int fly(struct tsim_conn *c, uint8_t cmd, struct str body, struct buf *rsp)
{
    if (tsim_conn_broken(c))
        return -ECONNRESET;
    struct flight *f = calloc(1, sizeof(*f));
    ASSERT(f);
    *f = (struct flight){.refs = 2,
                         .c = c,
                         .caller = fiber_self(),
                         .cmd = cmd,
                         .body = BUF(1 << 20),
                         .rsp = BUF(1 << 20)};
    c->refs++;
    buf_adds(&f->body, body);
    fiber_begin(tsim_owner(c->to), carry, f);
    fiber_sleep(CALL_US);
    f->caller = NULL;
    int r = f->done ? f->r : -ETIMEDOUT;
    if (rsp) {
        buf_reset(rsp);
        if (r == 0)
            buf_adds(rsp, buf_str(&f->rsp));
    }
    if (r == -ETIMEDOUT || r == -ECONNRESET)
        c->broken = true;
    flight_put(f);
    return r;
}

/* Which of two connections is the newer one is decided when they are made. */
int tsim_call(struct tsim_conn *c, uint8_t cmd, struct str body, struct buf *rsp)
{
    int r = c->session ? 0 : fly(c, CONNECT, STR_NULL, NULL);
    return r < 0 ? r : fly(c, cmd, body, rsp);
}
