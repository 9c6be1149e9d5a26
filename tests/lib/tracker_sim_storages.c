/* SPDX-License-Identifier: Apache-2.0 */
/* Rule: storage/beat/beat.c, session() and what it calls; storage/main.c for who is complete when. */
#include <errno.h>
#include <stdio.h>

#include "dfscore/base/clock.h"
#include "dfscore/wire/header.h"
#include "storage/beat/notice.h"
#include "tests/lib/tracker_sim_priv.h"

enum { BEAT_US = 1500000, NEGOTIATE_US = 1000000, AWAY_US = 3000000, PORT = 23000 };

/* One of its threads: what it says to tracker @to. */
struct link {
    struct tsim_storage *s;
    unsigned to;
    uint64_t life;
    struct tsim_conn *conn;
    struct buf rsp;
};

static bool alive(const struct link *l)
{
    return l->s->up && l->s->life == l->life;
}

static int call(struct link *l, uint8_t cmd, struct str body)
{
    int r = tsim_call(l->conn, cmd, body, &l->rsp);
    return alive(l) ? r : -ECANCELED;
}

static void set_holds(struct tsim_storage *s, bool holds)
{
    s->holds = holds;
    s->empty_us = holds ? 0 : fibers_now_us();
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        tsim.tracker[i].empty &= ~(1u << s->index);
}

/* --- joining -------------------------------------------------------------------------------------------- */

static int join(struct link *l)
{
    struct tsim_storage *s = l->s;
    struct tsim_tracker *t = &tsim.tracker[l->to];
    struct dfs_join_req m = {
        .port = PORT,
        .path_count = 1,
        .subdir_count = 256,
        .upload_priority = 10,
        .join_time = s->join_s,
        .up_time = s->up_s,
        .version = DFS_PROTOCOL_VERSION,
        .init_flag = !s->negotiated,
        .status = s->complete     ? DFS_ST_ACTIVE
                  : s->negotiated ? DFS_ST_WAIT_SYNC
                                  : UINT8_MAX,
        .tracker_count = tsim.o.trackers,
    };
    bool empty = !s->negotiated;
    unsigned disks = t->disks;
    (void)snprintf(m.group, sizeof(m.group), "%s", s->group);
    (void)snprintf(m.tracker_ip, sizeof(m.tracker_ip), "%s", t->ip);
    AUTO(buf_free) struct buf body = BUF(8192);
    dfs_join_req_put(&body, &m);
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        buf_addf(&body, "%s:22122\n", tsim.tracker[i].ip);
    int r = call(l, DFS_CMD_JOIN, buf_str(&body));
    if (r < 0 || t->disks != disks)
        return r;
    t->joined |= 1u << s->index;
    if (empty && !s->holds && !s->negotiated)
        t->empty |= 1u << s->index;
    return 0;
}

/* 59 */
static int hide_incomplete(struct link *l)
{
    struct tsim_storage *s = l->s;
    if (s->complete || !s->negotiated)
        return 0;
    struct tsim_tracker *t = &tsim.tracker[l->to];
    unsigned disks = t->disks;
    struct dfs_change_status_req m = {.status = DFS_ST_WAIT_SYNC};
    AUTO(buf_free) struct buf body = BUF(64);
    dfs_change_status_req_put(&body, &m);
    int r = call(l, DFS_CMD_CHANGE_STATUS, buf_str(&body));
    if (r == 0 && t->disks == disks && !s->holds && !s->complete)
        t->empty |= 1u << s->index;
    return r;
}

/* 87. -EAGAIN: nobody can be named yet. */
static int need_source(struct link *l)
{
    struct tsim_storage *s = l->s;
    struct dfs_sync_record rec = {.until = 0};
    int r = call(l, DFS_CMD_NEED_SYNC_SOURCE, STR_NULL);
    if (r == -ENOENT)
        return -EAGAIN;
    if (r == 0 && l->rsp.n > 0)
        r = dfs_sync_record_get(buf_str(&l->rsp), &rec);
    if (r < 0)
        return r;
    r = dfs_text_set(s->source, sizeof(s->source), str_c(rec.source_id));
    if (r < 0)
        return r;
    s->until_s = rec.until;
    s->negotiated = true;
    s->complete = rec.source_id[0] == '\0';
    /* Two that come at once, to trackers that do not hear each other, may both be the first: they replicate. */
    if (s->complete)
        set_holds(s, true);
    return 0;
}

static bool source_is_gone(const struct tsim_storage *s)
{
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        if (s->words[i] != TSIM_UNKNOWN && s->words[i] != TSIM_AWAY)
            return false;
    return true;
}

/* 88. -EAGAIN: this tracker does not know the source. */
static int notify_source(struct link *l)
{
    struct tsim_storage *s = l->s;
    if (!s->complete && !s->source[0])
        return 0;
    struct dfs_sync_record rec = {.until = s->complete ? 0 : s->until_s};
    AUTO(buf_free) struct buf body = BUF(256);
    bool complete = s->complete;
    if (!complete)
        memcpy(rec.source_id, s->source, sizeof(s->source));
    dfs_sync_record_put(&body, &rec);
    int r = call(l, DFS_CMD_NOTIFY_SYNC_SOURCE, buf_str(&body));
    if (r == 0)
        s->words[l->to] = TSIM_KNOWN;
    if (r != -ENOENT || complete)
        return r == -ENOENT ? 0 : r;
    s->words[l->to] = TSIM_UNKNOWN;
    if (source_is_gone(s))
        s->negotiated = false;
    return -EAGAIN;
}

static int negotiate(struct link *l)
{
    struct tsim_storage *s = l->s;
    while (s->negotiating && alive(l))
        fiber_sleep(5000);
    if (!alive(l))
        return -ECANCELED;
    s->negotiating = true;
    int r = s->negotiated ? 0 : need_source(l);
    if (r == 0)
        r = notify_source(l);
    if (alive(l))
        s->negotiating = false;
    return r;
}

/* --- beating -------------------------------------------------------------------------------------------- */

static int hear_notice(struct link *l)
{
    struct sto_notice n;
    int r = sto_notice_parse(buf_str(&l->rsp), &n);
    if (r < 0) {
        TSIM_WRONG("storage %u does not understand tracker %u", l->s->index, l->to);
        return r;
    }
    if (n.has_trunk_server)
        l->s->is_trunk = strcmp(n.trunk_server.id, l->s->id) == 0;
    return 0;
}

static int report_trunk(struct link *l)
{
    AUTO(buf_free) struct buf body = BUF(64);
    l->s->trunk_id += tsim.calm ? 0 : (int32_t)tsim_random(3);
    buf_u32(&body, (uint32_t)l->s->trunk_id);
    int r = call(l, DFS_CMD_TRUNK_ID_REPORT, buf_str(&body));
    return r == -EINVAL ? 0 : r; /* this one has not heard of it yet */
}

static int beat_once(struct link *l, bool usage)
{
    AUTO(buf_free) struct buf body = BUF(64);
    int r = 0;
    if (usage) {
        dfs_path_usage_put(&body, &(struct dfs_path_usage){2000, 1000});
        r = call(l, DFS_CMD_DISK_USAGE, buf_str(&body));
        if (r == 0)
            r = hear_notice(l);
    }
    if (r == 0)
        r = call(l, DFS_CMD_BEAT, STR_NULL);
    if (r == 0)
        r = hear_notice(l);
    if (r == 0)
        r = call(l, DFS_CMD_CHANGE_LOG, STR_NULL);
    return r == 0 && l->s->is_trunk ? report_trunk(l) : r;
}

/* False: it is to join again. */
static bool pause_us(struct link *l, uint64_t us, unsigned seen)
{
    for (uint64_t slept = 0; slept < us && alive(l) && l->s->rejoin == seen; slept += 500000)
        fiber_sleep(MIN(us - slept, UINT64_C(500000)) + tsim_random(1000));
    return alive(l) && l->s->rejoin == seen;
}

static void session(struct link *l)
{
    unsigned seen = l->s->rejoin;
    int r = join(l);
    if (r == 0)
        r = hide_incomplete(l);
    while (r == 0 && (r = negotiate(l)) == -EAGAIN) {
        r = beat_once(l, true);
        if (r == 0 && !pause_us(l, NEGOTIATE_US, seen))
            return;
    }
    for (bool first = true; r == 0; first = false) {
        r = beat_once(l, first || tsim_random(10) == 0);
        if (!pause_us(l, BEAT_US / 2 + tsim_random(BEAT_US), seen))
            return;
    }
}

static void link_fiber(void *arg)
{
    struct link *l = arg;
    while (alive(l)) {
        unsigned seen = l->s->rejoin;
        l->conn = tsim_conn_new(TSIM_TRACKERS + l->s->index, l->to);
        l->s->words[l->to] = TSIM_UNHEARD;
        session(l);
        if (alive(l) && l->s->rejoin == seen)
            l->s->words[l->to] = TSIM_AWAY;
        tsim_conn_close(&l->conn);
        if (alive(l) && l->s->rejoin == seen)
            fiber_sleep(200000 + tsim_random(AWAY_US));
    }
    l->s->fibers--;
    buf_free(&l->rsp);
    free(l);
}

/* --- filling -------------------------------------------------------------------------------------------- */

/* Complete is who has caught up with all members in service, whichever was named as its source. */
static bool can_copy(const struct tsim_storage *s)
{
    for (unsigned k = 0; k < tsim.o.storages; k++) {
        const struct tsim_storage *o = &tsim.storage[k];
        if (o != s && o->up && o->holds && strcmp(o->group, s->group) == 0)
            return true;
    }
    return false;
}

static void fill_fiber(void *arg)
{
    struct link *l = arg; /* of no tracker */
    struct tsim_storage *s = l->s;
    while (alive(l)) {
        fiber_sleep(500000 + tsim_random(3000000));
        if (!alive(l) || s->complete || !s->negotiated || s->negotiating || !can_copy(s))
            continue;
        set_holds(s, true);
        s->complete = true;
        s->rejoin++;
    }
    s->fibers--;
    free(l);
}

/* --- up and down ---------------------------------------------------------------------------------------- */

static void begin(struct tsim_storage *s, void (*fn)(void *arg), unsigned to)
{
    struct link *l = calloc(1, sizeof(*l));
    ASSERT(l);
    *l = (struct link){.s = s, .to = to, .life = s->life, .rsp = BUF(1 << 20)};
    s->fibers++;
    fiber_begin(tsim_owner(TSIM_TRACKERS + s->index), fn, l);
}

void tsim_storage_up(unsigned k)
{
    struct tsim_storage *s = &tsim.storage[k];
    ASSERT(!s->up);
    unsigned before = fiber_as(tsim_owner(TSIM_TRACKERS + k));
    s->up = true;
    s->life++;
    s->up_s = dfs_now_s();
    if (!s->join_s)
        s->join_s = s->up_s;
    s->negotiating = s->is_trunk = false;
    memset(s->words, 0, sizeof(s->words));
    fiber_as(before);
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        begin(s, link_fiber, i);
    begin(s, fill_fiber, 0);
}

void tsim_storage_down(unsigned k)
{
    tsim.storage[k].up = false;
}

void tsim_storage_lose(unsigned k, bool part)
{
    struct tsim_storage *s = &tsim.storage[k];
    ASSERT(!s->up);
    set_holds(s, false);
    s->complete = false;
    memset(s->source, 0, sizeof(s->source));
    if (part)
        return;
    s->negotiated = false;
    s->trunk_id = 0;
    s->join_s = 0;
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        tsim.tracker[i].knows &= ~(1u << k);
}

void tsim_storages_start(void)
{
    for (unsigned k = 0; k < tsim.o.storages; k++) {
        struct tsim_storage *s = &tsim.storage[k];
        s->index = k;
        (void)snprintf(s->ip, sizeof(s->ip), "10.0.1.%u", k + 1);
        (void)snprintf(s->group, sizeof(s->group), "group%u", 1 + k % 2);
        if (tsim.o.ids)
            (void)snprintf(s->id, sizeof(s->id), "%u", 100001 + k);
        else
            (void)snprintf(s->id, sizeof(s->id), "10.0.1.%u", (k + 1) % 10);
    }
}
