/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/source.h"

#include "dfscore/base/clock.h"
#include "dfscore/wire/internal.h"
#include "dfscore/wire/messages.h"
#include "storage/trunk/replica.h"

/* How far the asker says it is. */
static void note(const struct sto_source *s, const struct sto_patience *p,
                 const struct sto_pull *pull)
{
    sto_followers_note(s->followers, p->asker, pull->path, pull->id, pull->position);
    sto_copies_heard(s->copies, pull->path);
}

static void take_asker(struct rd *r, struct sto_patience *p)
{
    struct str asker = rd_bytes(r, DFS_ID_MAX);
    memset(p->asker, 0, sizeof(p->asker));
    if (!r->bad)
        memcpy(p->asker, asker.p, DFS_ID_MAX);
}

static void take_id(struct rd *r, struct sto_pull *pull)
{
    struct str id = rd_bytes(r, STO_LOG_ID_LEN);
    if (!r->bad)
        memcpy(pull->id, id.p, STO_LOG_ID_LEN);
}

int sto_source_hear_pull(const struct sto_source *s, struct str body, struct sto_pull *pull,
                         struct sto_patience *p)
{
    struct rd r = rd_of(body);
    pull->path = rd_u8(&r);
    take_id(&r, pull);
    pull->position = rd_u64(&r);
    p->wait_ms = rd_u32(&r);
    take_asker(&r, p);
    if (r.bad || !s->mirrors || pull->path >= sto_store_path_count(s->store))
        return -EINVAL;
    note(s, p, pull);
    return 0;
}

int sto_source_hear_wait(const struct sto_source *s, struct str body, struct sto_pull *pulls,
                         unsigned *count, struct sto_patience *p)
{
    struct rd r = rd_of(body);
    p->wait_ms = rd_u32(&r);
    take_asker(&r, p);
    unsigned n = rd_u8(&r);
    for (unsigned i = 0; i < n && !r.bad; i++) {
        pulls[i].path = i;
        take_id(&r, &pulls[i]);
        pulls[i].position = rd_u64(&r);
    }
    if (r.bad || r.n > 0 || !s->mirrors || n > sto_store_path_count(s->store))
        return -EINVAL;
    for (unsigned i = 0; i < n; i++)
        note(s, p, &pulls[i]);
    *count = n;
    return 0;
}

bool sto_source_grown(const struct sto_source *s, const struct sto_pull *pull)
{
    struct sto_log_info log;
    return sto_mirrors_find(s->mirrors, pull->path, pull->id, &log) < 0 || log.end > pull->position;
}

/* Our own log, as far as readers may go. */
static struct sto_log_info own_log(const struct sto_source *s, unsigned path)
{
    struct sto_log_info log;
    (void)sto_mirrors_list(s->mirrors, path, &log, 1);
    return log;
}

bool sto_source_any_grown(const struct sto_source *s, const struct sto_pull *pulls, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct sto_log_info log = own_log(s, i);
        if (log.end > pulls[i].position || memcmp(log.id, pulls[i].id, STO_LOG_ID_LEN) != 0)
            return true;
    }
    return false;
}

int sto_source_pull(const struct sto_source *s, const struct sto_pull *pull, struct buf *out,
                    bool *nothing)
{
    struct sto_range range;
    char head[STO_PULL_HEAD] = {0};
    uint64_t now_s = (uint64_t)dfs_now_s(); /* before the look at the log: what is older is in it */
    buf_reset(out);
    buf_add(out, head, sizeof(head));
    int r = sto_mirrors_read(s->mirrors, pull->path, pull->id, pull->position, out, &range);
    if (r == 0)
        r = buf_err(out);
    if (r < 0)
        return r;
    struct buf at = {out->p, 0, STO_PULL_HEAD, STO_PULL_HEAD, 0};
    buf_u32(&at, range.number);
    buf_u32(&at, range.offset);
    buf_u64(&at, range.next);
    buf_u64(&at, range.end);
    buf_u64(&at, now_s);
    *nothing = range.n == 0;
    return 0;
}

void sto_source_ends(const struct sto_source *s, unsigned count, struct buf *out)
{
    for (unsigned i = 0; i < count; i++)
        buf_u64(out, own_log(s, i).end);
}

enum { ITEM_HEAD = 8 + 4 };

/* 1: there is no room for it. */
static int add_metadata(const struct sto_source *s, struct str name, bool timed, struct buf *out)
{
    AUTO(buf_free) struct buf text = BUF(STO_METAS_MAX - STO_METAS_HEAD);
    int64_t ms = 0;
    int r = sto_meta_tell(s->store, name, &text, &ms);
    if (r < 0 && r != -EREMOTE && r != -EINVAL)
        return r;
    if (text.n > out->max - out->n - ITEM_HEAD)
        return 1;
    if (timed)
        buf_u64(out, (uint64_t)ms);
    buf_u32(out, (uint32_t)text.n);
    buf_adds(out, buf_str(&text));
    return buf_err(out);
}

int sto_source_metas(const struct sto_source *s, struct str body, struct buf *out)
{
    struct rd r = rd_of(body);
    unsigned asked = rd_u16(&r), count = 0;
    bool timed = asked & DFS_METAS_TIMED;
    int more = 0;
    asked &= ~(unsigned)DFS_METAS_TIMED;
    if (r.bad || asked == 0 || asked > DFS_INFO_ITEMS_MAX)
        return -EINVAL;
    buf_u16(out, 0);
    while (count < asked && more == 0) {
        struct str name = rd_bytes(&r, rd_u16(&r));
        more = r.bad                           ? -EINVAL
               : out->max - out->n < ITEM_HEAD ? 1
                                               : add_metadata(s, name, timed, out);
        count += more == 0;
    }
    if (more < 0)
        return more;
    struct buf head = {out->p, 0, 2, 2, 0};
    buf_u16(&head, (uint16_t)count);
    return buf_err(out);
}
