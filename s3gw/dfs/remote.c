/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remote - bytes of stored files over TCP, from whichever member of the group gives them.
 *
 * The members are asked in the order of order.h until one has them. When the one that was asked is
 * slow, the next is asked beside it, and the first answer counts: one slow disk does not slow
 * readers down. The other connection is closed, since its answer would come later.
 */
#include <poll.h>
#include <stdatomic.h>

#include "dfscore/base/clock.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "s3gw/dfs/store.h"

enum {
    SIDE_BY_SIDE = 2,
    YOUNG_S = 300, /* a file may be on its way to the other members for so long */
};

/* A request that is out. */
struct attempt {
    struct s3_store *s; /* NULL: none */
    struct s3_store_conn *c;
    uint64_t until_ms;
};

struct reading {
    struct s3_dfs *d;
    struct str id;
    bool moved; /* see s3_read_remote() */
    uint64_t at;
    char *out;
    size_t n;
    s3_dfs_check *check;
    void *check_arg;

    struct s3_group *g;
    uint8_t order[S3_GROUP_MEMBERS_MAX];
    size_t members, next;                  /* of the order */
    size_t missing;                        /* members that said they have no such file */
    uint8_t without[S3_GROUP_MEMBERS_MAX]; /* which: @missing of them */
    int failure;                           /* of the last one that said anything else */
    struct attempt out_now[SIDE_BY_SIDE];
};

/* @won: another one answered first, though it was asked later. */
static void drop(struct attempt *a, bool won)
{
    if (!a->s)
        return;
    if (won)
        atomic_store(&a->s->slow_until_ms, dfs_mono_ms() + a->s->dfs->o.hold_down_ms);
    s3_store_conn_close(a->c); /* its answer is still to come */
    s3_store_lane_give(a->s, a->c);
    a->s = NULL;
}

bool s3_is_damage(int r)
{
    return r == -EBADMSG || r == -EIO || r == -EACCES || r == -EPERM;
}

static void note_failure(struct reading *rd, struct s3_store *s, int r)
{
    if (r == -ENOENT) {
        size_t i = 0;
        while (rd->g->members[i] != s)
            i++;
        rd->without[rd->missing++] = (uint8_t)i;
        return;
    }
    rd->failure = r;
    if (s3_is_damage(r))
        s3_suspect(s, rd->id, false);
}

/* Ask the next member that can be asked. False: there is none. */
static bool ask_next(struct reading *rd, struct attempt *a)
{
    AUTO(buf_free) struct buf ask = BUF(DFS_FILE_ID_MAX + 64);
    buf_u64(&ask, rd->at);
    buf_u32(&ask, (uint32_t)rd->n);
    buf_adds(&ask, rd->id);
    while (rd->next < rd->members) {
        struct s3_store *s = rd->g->members[rd->order[rd->next++]];
        if (s->local && !rd->moved)
            continue; /* read.c has asked it */
        int r = buf_err(&ask) ? buf_err(&ask) : s3_store_lane(s, &a->c);
        if (r == 0) {
            r = s3_store_conn_send(a->c, DFS_INT_FILE_READ, buf_str(&ask));
            if (r == 0) {
                a->s = s;
                a->until_ms = dfs_mono_ms() + rd->d->o.timeout_ms;
                return true;
            }
            s3_store_suspect(s, r);
            s3_store_lane_give(s, a->c);
            r = -EHOSTUNREACH;
        }
        rd->failure = r;
    }
    return false;
}

/* Its answer is coming. */
static int take(struct reading *rd, struct attempt *a)
{
    struct s3_store *s = a->s;
    int r = s3_store_conn_take(a->c, rd->out, rd->n);
    if (a->c->stream.fd < 0) {
        s3_store_suspect(s, r);
        r = -EHOSTUNREACH;
    }
    s3_store_lane_give(s, a->c);
    a->s = NULL;
    if (r == 0 && rd->check)
        r = rd->check(rd->out, rd->check_arg);
    if (r < 0)
        note_failure(rd, s, r);
    return r;
}

/* How long to wait for those that are out, ms; a second one may be asked then. */
static int patience(const struct reading *rd, size_t out, uint64_t now)
{
    uint64_t left = UINT64_MAX;
    for (size_t i = 0; i < SIDE_BY_SIDE; i++)
        if (rd->out_now[i].s)
            left = MIN(left, rd->out_now[i].until_ms > now ? rd->out_now[i].until_ms - now : 0);
    if (out == 1 && rd->next < rd->members && rd->d->o.hedge_ms > 0)
        left = MIN(left, (uint64_t)rd->d->o.hedge_ms);
    return (int)MIN(left, (uint64_t)INT32_MAX);
}

static void give_up_late_ones(struct reading *rd, uint64_t now)
{
    for (size_t i = 0; i < SIDE_BY_SIDE; i++) {
        struct attempt *a = &rd->out_now[i];
        if (!a->s || now < a->until_ms)
            continue;
        s3_store_suspect(a->s, -ETIMEDOUT);
        rd->failure = -EHOSTUNREACH;
        drop(a, false);
    }
}

/* Wait once. 0: the bytes are here; -EAGAIN: go on. */
static int wait_once(struct reading *rd)
{
    struct pollfd p[SIDE_BY_SIDE];
    struct attempt *whose[SIDE_BY_SIDE];
    nfds_t n = 0;
    for (size_t i = 0; i < SIDE_BY_SIDE; i++) {
        if (!rd->out_now[i].s)
            continue;
        whose[n] = &rd->out_now[i];
        p[n++] = (struct pollfd){rd->out_now[i].c->stream.fd, POLLIN, 0};
    }
    int ready = poll(p, n, patience(rd, n, dfs_mono_ms()));
    for (nfds_t i = 0; ready > 0 && i < n; i++)
        if (p[i].revents && take(rd, whose[i]) == 0)
            return 0;
    give_up_late_ones(rd, dfs_mono_ms());
    for (size_t i = 0; ready == 0 && i < SIDE_BY_SIDE; i++)
        if (!rd->out_now[i].s && ask_next(rd, &rd->out_now[i]))
            break;
    return -EAGAIN;
}

static void choose(struct reading *rd)
{
    struct dfs_fileid f;
    struct s3_member m[S3_GROUP_MEMBERS_MAX];
    char source[16] = "";
    bool young = false;
    if (dfs_fileid_parse(rd->id, &f) == 0) {
        dfs_fileid_source_text(&f, source);
        int64_t age = dfs_now_s() - f.created_s;
        young = age < YOUNG_S && age > -YOUNG_S;
    }
    size_t n = s3_group_members(rd->g, source, m);
    rd->members = s3_order_reads(m, n, young, atomic_fetch_add(&rd->g->turn, 1), rd->order);
}

int s3_read_remote(struct s3_dfs *d, struct str file_id, bool moved, uint64_t at, void *out,
                   size_t n, s3_dfs_check *check, void *arg)
{
    struct reading rd = {.d = d,
                         .id = file_id,
                         .moved = moved,
                         .at = at,
                         .out = out,
                         .n = n,
                         .check = check,
                         .check_arg = arg,
                         .g = s3_group_of_file(d, file_id)};
    if (!rd.g)
        return -EHOSTUNREACH;
    choose(&rd);
    int r = -EAGAIN;
    while (r == -EAGAIN && (rd.out_now[0].s || rd.out_now[1].s || ask_next(&rd, &rd.out_now[0])))
        r = wait_once(&rd);
    for (size_t i = 0; i < SIDE_BY_SIDE; i++)
        drop(&rd.out_now[i], r == 0);
    for (size_t i = 0; r == 0 && i < rd.missing; i++)
        s3_suspect(rd.g->members[rd.without[i]], file_id, true);
    if (r != -EAGAIN)
        return r;
    /* Missing only when every one of them says so. */
    return rd.failure < 0 ? rd.failure : rd.missing > 0 ? -ENOENT : -EHOSTUNREACH;
}
