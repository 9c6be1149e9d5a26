/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/logs.h"

#include "dfscore/wire/messages.h"

enum {
    SCAN_RECORDS = 65536,             /* log records one scan looks at */
    SCAN_BYTES = 8 * STO_RANGE_BYTES, /* about the same, of another server's log */
};

uint8_t sto_path_flags(struct sto_store *s, unsigned path, uint32_t *ret_incoming)
{
    unsigned closed = sto_store_closed(s, path, ret_incoming) ? DFS_PATH_CLOSED : 0;
    unsigned unfit = sto_store_unfit(s, path) ? DFS_PATH_UNFIT : 0;
    return (uint8_t)(closed | unfit | (sto_store_slow(s, path) ? DFS_PATH_SLOW : 0));
}

void sto_paths_put(struct sto_store *s, struct buf *out)
{
    unsigned count = MIN(sto_store_path_count(s), 255u); /* as STAT */
    buf_u8(out, (uint8_t)count);
    for (unsigned i = 0; i < count; i++) {
        uint32_t incoming;
        buf_u8(out, sto_path_flags(s, i, &incoming));
        buf_u32(out, incoming);
    }
}

int sto_logs_list(struct sto_mirrors *m, unsigned path, struct buf *out)
{
    AUTO(dfs_free_ptr) struct sto_log_info *logs = dfs_alloc(STO_LOGS_MAX * sizeof(*logs));
    if (!logs)
        return -ENOMEM;
    size_t n = sto_mirrors_list(m, path, logs, STO_LOGS_MAX);
    buf_u16(out, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_add(out, logs[i].id, STO_LOG_ID_LEN);
        buf_u8(out, logs[i].high);
        buf_u8(out, logs[i].low);
        buf_u8(out, logs[i].own);
        buf_u64(out, logs[i].end);
        buf_add(out, logs[i].origin, DFS_ID_MAX);
    }
    return buf_err(out);
}

struct filter {
    sto_scan_fn *fn;
    void *arg;
    unsigned flags;
    uint64_t from;
    uint64_t stopped; /* position of the entry that was refused; 0: none */
};

static int pass_on(const struct sto_entry *e, void *arg)
{
    struct filter *f = arg;
    if (e->position < f->from || (e->kind == 0 && !(f->flags & STO_SCAN_CHANGES)))
        return 0;
    struct sto_entry copy = *e;
    if (f->flags & STO_SCAN_NO_DESC)
        copy.desc = STR_NULL;
    int r = f->fn(&copy, f->arg);
    if (r > 0)
        f->stopped = e->position;
    return r;
}

static int scan_mirror(struct sto_mirrors *m, unsigned path, const uint8_t id[STO_LOG_ID_LEN],
                       uint64_t position, struct filter *f, struct sto_scan *ret)
{
    AUTO(buf_free) struct buf bytes = BUF(STO_RANGE_MAX);
    *ret = (struct sto_scan){.next = position};
    for (size_t seen = 0; seen < SCAN_BYTES && !ret->at_end;) {
        struct sto_range range;
        buf_reset(&bytes);
        int r = sto_mirrors_read(m, path, id, ret->next, &bytes, &range);
        if (r < 0)
            return r;
        if (range.n > 0) {
            f->from = ret->next;
            r = sto_mirrors_entries(m, path, id, &range, pass_on, f);
        }
        if (r < 0)
            return r;
        if (f->stopped > 0) {
            ret->next = f->stopped;
            return 0;
        }
        seen += range.n;
        ret->next = MAX(range.next, ret->next);
        ret->at_end = range.n == 0 || ret->next >= range.end;
    }
    return 0;
}

int sto_logs_scan(struct sto_mirrors *m, struct sto_store *s, unsigned path,
                  const uint8_t id[STO_LOG_ID_LEN], uint64_t position, unsigned flags,
                  sto_scan_fn *fn, void *arg, struct sto_scan *ret)
{
    struct sto_log_info log;
    int r = sto_mirrors_find(m, path, id, &log);
    if (r < 0)
        return r;
    if (log.own)
        return sto_scan(s, path, position, flags, SCAN_RECORDS, fn, arg, ret);
    struct filter f = {.fn = fn, .arg = arg, .flags = flags};
    return scan_mirror(m, path, id, position, &f, ret);
}
