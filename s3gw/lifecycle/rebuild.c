/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/rebuild.h"

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/identity.h"
#include "s3gw/index/refs.h"
#include "s3gw/index/upload_record.h"
#include "s3gw/lifecycle/rebuild_rows.h"

enum {
    ENTRIES_A_FRAME = 500,
    FRAME_MAX = 16 * 1024 * 1024,
};

/* --- rows --- */

void s3_rebuild_put_at(struct s3_tx *tx, const struct s3_rebuild_at *at)
{
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(2 * S3_ROW_KEY_MAX);
    s3_rebuild_row(&row, 's');
    buf_u8(&v, (uint8_t)at->step);
    buf_u64(&v, at->highest);
    buf_u8(&v, at->baseline);
    buf_u8(&v, at->newest_done);
    buf_u8(&v, at->null_done);
    buf_adds(&v, s3_row_str(&at->key_head));
    s3_tx_put(tx, s3_row_str(&row), buf_str(&v)); /* short of memory: reads as damaged */
}

/* 0, -ENOENT: none is under way. */
static int get_at(struct s3_gw *gw, struct s3_rebuild_at *at)
{
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(2 * S3_ROW_KEY_MAX);
    s3_rebuild_row(&row, 's');
    int r = s3_index_get(gw->index, s3_row_str(&row), S3_READ_ANY, &v);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&v));
    *at = (struct s3_rebuild_at){.step = rd_u8(&in), .highest = rd_u64(&in)};
    at->baseline = rd_u8(&in) != 0;
    at->newest_done = rd_u8(&in) != 0;
    at->null_done = rd_u8(&in) != 0;
    s3_row_bytes(&at->key_head, rd_bytes(&in, in.n));
    return in.bad || at->step >= S3_STEP_DONE ? -EBADMSG : 0;
}

int s3_rebuild_under_way(struct s3_gw *gw)
{
    struct s3_rebuild_at at;
    int r = get_at(gw, &at);
    return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

static int put_beginning(struct s3_tx *tx, void *arg)
{
    s3_rebuild_put_at(tx, arg);
    return 0;
}

int s3_rebuild_begin(struct s3_gw *gw)
{
    struct s3_rebuild_at at = {.step = S3_STEP_READ};
    return s3_index_update(gw->index, put_beginning, &at);
}

int s3_rebuild_keep(struct s3_tx *tx, const struct s3_row_key *row, struct str value)
{
    if (row->too_long)
        return -EBADMSG;
    AUTO(buf_free) struct buf there = BUF(S3_REBUILD_VALUE_MAX);
    int r = s3_tx_get(tx, s3_row_str(row), &there);
    if (r < 0 && r != -ENOENT)
        return r;
    struct rd before = rd_of(buf_str(&there)), now = rd_of(value);
    if (r == -ENOENT || rd_u64(&before) < rd_u64(&now))
        s3_tx_put(tx, s3_row_str(row), value);
    return 0;
}

void s3_rebuild_version_row(struct s3_row_key *k, uint64_t bid, struct str key, uint64_t version,
                            uint8_t sub)
{
    s3_rebuild_row(k, 'v');
    s3_row_u64(k, bid);
    s3_row_bytes(k, key);
    s3_row_u8(k, 0);
    s3_row_u64(k, ~version);
    s3_row_u8(k, sub);
}

static void position_row(struct s3_row_key *k, const struct s3_log *log)
{
    s3_rebuild_row(k, 'p');
    s3_row_bytes(k, str_c(log->name));
    s3_row_u8(k, 0);
    s3_row_u32(k, log->path);
}

/* --- one statement --- */

struct reading {
    struct s3_rebuild *b;
    const struct s3_log *log;
    uint64_t behind; /* the frame: a position */
    const struct s3_scan_entry *e;
    size_t n;
    struct s3_rebuild_counts before; /* an update may run twice */
    struct s3_rebuild_at at_before;
};

static int keep(struct s3_tx *tx, const struct s3_row_key *row, const struct buf *value)
{
    return buf_err(value) ? buf_err(value) : s3_rebuild_keep(tx, row, buf_str(value));
}

/* That a version has gone says that it was there, so it counts more than that it was not. */
static int state_counts(struct s3_tx *tx, const struct s3_row_key *row, enum s3_rebuild_state now)
{
    AUTO(buf_free) struct buf v = BUF(S3_REBUILD_VALUE_MAX);
    int r = row->too_long ? -EBADMSG : s3_tx_get(tx, s3_row_str(row), &v);
    if (r < 0)
        return r == -ENOENT ? 1 : r;
    struct rd in = rd_of(buf_str(&v));
    (void)rd_u64(&in);
    enum s3_rebuild_state before = rd_u8(&in);
    bool gone = before == S3_STATE_GONE || before == S3_STATE_GONE_NULL;
    if (gone && now == S3_STATE_VOID)
        return 0;
    if (before == S3_STATE_VOID && (now == S3_STATE_GONE || now == S3_STATE_GONE_NULL))
        s3_tx_del(tx, s3_row_str(row));
    return 1;
}

static int keep_state(struct s3_tx *tx, const struct s3_desc *d, uint64_t version,
                      enum s3_rebuild_state state, struct str file_id, struct str record)
{
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(S3_REBUILD_VALUE_MAX);
    s3_rebuild_version_row(&row, d->bid, d->key, version, 0);
    if (state != S3_STATE_PUT) {
        int r = state_counts(tx, &row, state);
        if (r <= 0)
            return r;
    }
    buf_u64(&v, d->number);
    buf_u8(&v, (uint8_t)state);
    buf_lstr(&v, file_id);
    buf_adds(&v, record);
    return keep(tx, &row, &v);
}

/* Where a file is now that was in a drained group. */
static int keep_moved(struct s3_tx *tx, const struct s3_desc *d, struct str old, struct str file_id)
{
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(S3_REBUILD_VALUE_MAX);
    s3_rebuild_row(&row, 'w');
    s3_row_bytes(&row, old);
    buf_u64(&v, d->number);
    buf_adds(&v, file_id);
    return keep(tx, &row, &v);
}

static int keep_put(struct s3_tx *tx, const struct s3_desc *d, struct str file_id, struct arena *a)
{
    struct s3_desc_put p;
    struct s3_object o;
    int r = s3_desc_put_decode(d, &p);
    if (r == 0)
        r = s3_object_decode(p.record, a, &o);
    if (r == 0 && (o.seq == 0 || d->key.n == 0 || d->key.n > S3_OBJECT_KEY_MAX ||
                   (o.size > 0 && o.nextents == 0 && file_id.n == 0)))
        r = -EBADMSG;
    /* Whatever became of the object since, its files stay the FastDFS clients'. */
    for (size_t i = 0; r == 0 && o.flags & S3_OBJ_ADOPTED && i < o.nextents; i++)
        s3_ref_keep(tx, o.extents[i].file_id);
    if (r == 0)
        r = keep_state(tx, d, o.seq, S3_STATE_PUT, file_id, p.record);
    if (r == 0 && p.instead != 0)
        r = keep_state(tx, d, p.instead, S3_STATE_VOID, STR_NULL, STR_NULL);
    if (r == 0 && p.moved.n > 0 && file_id.n > 0)
        r = keep_moved(tx, d, p.moved, file_id);
    return r;
}

static int keep_change(struct s3_tx *tx, const struct s3_desc *d)
{
    struct s3_desc_change c;
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(S3_REBUILD_VALUE_MAX);
    int r = s3_desc_change_decode(d, &c);
    if (r < 0)
        return r;
    switch (d->kind) {
    case S3_DESC_VOID:
        return keep_state(tx, d, c.version, S3_STATE_VOID, STR_NULL, STR_NULL);
    case S3_DESC_GONE:
        return keep_state(tx, d, c.version, c.null ? S3_STATE_GONE_NULL : S3_STATE_GONE, STR_NULL,
                          STR_NULL);
    case S3_DESC_AMEND:
        s3_rebuild_version_row(&row, d->bid, d->key, c.version, (uint8_t)(c.section + 1));
        buf_u64(&v, d->number);
        buf_u8(&v, c.value.p != NULL);
        buf_adds(&v, c.value);
        return keep(tx, &row, &v);
    default: /* ENDED */
        s3_rebuild_row(&row, 'm');
        s3_row_u64(&row, c.version);
        s3_row_u8(&row, 0);
        buf_u64(&v, d->number);
        buf_u8(&v, 0);
        return keep(tx, &row, &v);
    }
}

static int keep_upload(struct s3_tx *tx, const struct s3_desc *d, struct arena *a)
{
    struct s3_desc_part p;
    struct s3_upload u;
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(S3_REBUILD_VALUE_MAX);
    int r = s3_desc_part_decode(d, &p);
    if (r == 0 && (d->key.n == 0 || d->key.n > S3_OBJECT_KEY_MAX))
        r = -EBADMSG;
    if (r == 0)
        r = s3_upload_decode(p.record, a, &u);
    if (r < 0)
        return r;
    s3_rebuild_row(&row, 'm');
    s3_row_u64(&row, p.upload);
    s3_row_u8(&row, 0);
    buf_u64(&v, d->number);
    buf_u8(&v, 1);
    buf_u64(&v, d->bid);
    buf_lstr(&v, d->key);
    buf_adds(&v, p.record);
    return keep(tx, &row, &v);
}

/*
 * Two statements of one number are of one part, which has moved. A file of its own counts more than a list of others'
 * files: it came later.
 */
static int keep_part_row(struct s3_tx *tx, const struct s3_row_key *row, const struct buf *value)
{
    AUTO(buf_free) struct buf there = BUF(S3_REBUILD_VALUE_MAX);
    int r = row->too_long ? -EBADMSG : s3_tx_get(tx, s3_row_str(row), &there);
    if (r < 0 && r != -ENOENT)
        return r;
    struct rd before = rd_of(buf_str(&there)), now = rd_of(buf_str(value));
    if (r == 0 && rd_u64(&before) == rd_u64(&now) && rd_lstr(&before).n == 0 && rd_lstr(&now).n > 0)
        s3_tx_del(tx, s3_row_str(row));
    return keep(tx, row, value);
}

static int keep_part(struct s3_tx *tx, const struct s3_desc *d, struct str file_id, struct arena *a)
{
    struct s3_desc_part part;
    struct s3_upart p;
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(S3_REBUILD_VALUE_MAX);
    int r = s3_desc_part_decode(d, &part);
    if (r == 0)
        r = s3_upart_decode(part.record, a, &p);
    if (r == 0 && p.size > 0 && p.nextents == 0 && file_id.n == 0)
        r = -EBADMSG;
    if (r < 0)
        return r;
    s3_rebuild_row(&row, 'm');
    s3_row_u64(&row, part.upload);
    s3_row_u8(&row, 1);
    s3_row_u32(&row, part.number);
    buf_u64(&v, d->number);
    buf_lstr(&v, p.nextents ? STR_NULL : file_id);
    buf_adds(&v, part.record);
    return keep_part_row(tx, &row, &v);
}

/* BUCKET and UNBUCKET by number, USER, UNUSER, KEY and UNKEY by name. */
static int keep_thing(struct s3_tx *tx, char kind, const struct s3_desc *d, bool there)
{
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(S3_REBUILD_VALUE_MAX);
    s3_rebuild_row(&row, kind);
    if (kind == 'b')
        s3_row_u64(&row, d->bid);
    else
        s3_row_bytes(&row, kind == 'B' ? d->bucket : d->key);
    buf_u64(&v, d->number);
    buf_u8(&v, there);
    buf_adds(&v, d->rest);
    return keep(tx, &row, &v);
}

/* What earlier builds wrote; of use only when no later one has said how everything is. */
static int keep_version_1(struct s3_tx *tx, const struct s3_desc *d, struct str file_id)
{
    if (d->kind == S3_DESC_BUCKET || d->kind == S3_DESC_UNBUCKET)
        return keep_thing(tx, 'B', d, d->kind == S3_DESC_BUCKET);
    if (d->kind == S3_DESC_PART)
        return 0;
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(S3_REBUILD_VALUE_MAX);
    s3_rebuild_row(&row, 'V');
    s3_row_bytes(&row, d->bucket);
    s3_row_u8(&row, 0);
    s3_row_bytes(&row, d->key);
    s3_row_u8(&row, 0);
    s3_row_u64(&row, ~d->number);
    buf_u64(&v, d->number);
    buf_u8(&v, d->kind == S3_DESC_PUT ? S3_STATE_PUT_V1 : S3_STATE_GONE_NULL);
    buf_lstr(&v, file_id);
    buf_adds(&v, d->rest);
    return keep(tx, &row, &v);
}

static int keep_statement(struct reading *p, struct s3_tx *tx, const struct s3_desc *d,
                          struct str file_id, struct arena *a)
{
    if (d->version == 1)
        return keep_version_1(tx, d, file_id);
    switch (d->kind) {
    case S3_DESC_PUT:
    case S3_DESC_MOVE:
        return keep_put(tx, d, file_id, a);
    case S3_DESC_PART:
        return keep_part(tx, d, file_id, a);
    case S3_DESC_BUCKET:
    case S3_DESC_UNBUCKET:
        return keep_thing(tx, 'b', d, d->kind == S3_DESC_BUCKET);
    case S3_DESC_UPLOAD:
        return keep_upload(tx, d, a);
    case S3_DESC_USER:
    case S3_DESC_UNUSER:
        return keep_thing(tx, 'u', d, d->kind == S3_DESC_USER);
    case S3_DESC_KEY:
    case S3_DESC_UNKEY:
        return keep_thing(tx, 'k', d, d->kind == S3_DESC_KEY);
    case S3_DESC_BASELINE:
        p->b->at.baseline = true;
        return 0;
    default:
        return keep_change(tx, d);
    }
}

/* --- the logs --- */

static int keep_frame(struct s3_tx *tx, void *arg)
{
    struct reading *p = arg;
    struct s3_rebuild *b = p->b;
    *b->counts = p->before;
    b->at = p->at_before;
    s3_tx_frees(tx);
    uint64_t identity = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < p->n; i++) {
        AUTO(arena_fini) struct arena a;
        arena_init(&a, S3_REBUILD_ARENA_MAX);
        struct s3_desc d;
        if (p->e[i].kind == DFS_SCAN_NATIVE)
            continue;
        b->counts->entries++;
        r = s3_desc_decode(p->e[i].description, &d);
        if (r == 0 && d.number > b->at.highest) {
            b->at.highest = d.number;
            identity = d.index; /* of whoever spoke last */
        }
        if (r == 0)
            r = keep_statement(p, tx, &d, p->e[i].file_id, &a);
        if (r == -EBADMSG) { /* one description lost is no reason to lose the others */
            dfs_log(LOG_ERROR, "rebuild.unreadable", KV_STR("file", p->e[i].file_id),
                    KV_U64("position", p->e[i].position));
            b->counts->unreadable++;
            r = 0;
        }
    }
    struct s3_row_key row, position = {0};
    position_row(&row, p->log);
    s3_row_u64(&position, p->behind);
    s3_tx_put(tx, s3_row_str(&row), s3_row_str(&position));
    s3_rebuild_put_at(tx, &b->at);
    if (identity)
        s3_index_take_identity(tx, identity);
    return r;
}

static int read_position(struct s3_rebuild *b, const struct s3_log *log, uint64_t *ret)
{
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(64);
    position_row(&row, log);
    *ret = 0;
    int r = s3_index_get(b->gw->index, s3_row_str(&row), S3_READ_ANY, &v);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct rd in = rd_of(buf_str(&v));
    *ret = rd_u64(&in);
    return in.bad ? -EBADMSG : 0;
}

static void say_progress(const struct reading *p)
{
    if (s3_rebuild_line_due(p->b))
        dfs_log(LOG_INFO, "rebuild.reading", KV_Z("log", p->log->name),
                KV_U64("path", p->log->path), KV_U64("position", p->behind),
                KV_U64("end", p->log->end), KV_U64("entries", p->b->counts->entries));
}

static int read_log(struct s3_rebuild *b, const struct s3_log *log)
{
    uint64_t position;
    int r = read_position(b, log, &position);
    for (bool end = false; r == 0 && !end;) {
        AUTO(arena_fini) struct arena a;
        AUTO(buf_free) struct buf frame = BUF(FRAME_MAX);
        arena_init(&a, S3_REBUILD_ARENA_MAX);
        struct s3_scan_entry *e;
        struct reading p = {.b = b, .log = log, .before = *b->counts, .at_before = b->at};
        r = s3_dfs_scan(b->gw->dfs, log, &position, ENTRIES_A_FRAME, true, &frame, &a, &e, &p.n,
                        &end);
        p.e = e;
        p.behind = position;
        if (r == 0)
            r = s3_index_update(b->gw->index, keep_frame, &p);
        say_progress(&p);
        if (r == 0 && s3_rebuild_stops(b))
            r = -EINTR;
    }
    return r;
}

static int read_logs(struct s3_rebuild *b)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, S3_REBUILD_ARENA_MAX);
    struct s3_log *logs;
    size_t n;
    int r = s3_dfs_logs(b->gw->dfs, &a, &logs, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = read_log(b, &logs[i]);
    if (r == 0)
        b->at.step = S3_STEP_BUCKETS;
    return r;
}

int s3_rebuild(struct s3_gw *gw, bool (*stop)(void *arg), void *arg, struct s3_rebuild_counts *ret)
{
    *ret = (struct s3_rebuild_counts){0};
    struct s3_rebuild b = {
        .gw = gw, .counts = ret, .stop = stop, .stop_arg = arg, .said_ms = dfs_mono_ms()};
    int r = get_at(gw, &b.at);
    if (r == -ENOENT)
        r = 0;
    else if (r == 0 && (b.at.step > S3_STEP_READ || b.at.highest > 0))
        dfs_log(LOG_INFO, "rebuild.goes_on", KV_U64("step", b.at.step));
    if (r == 0 && b.at.step == S3_STEP_READ)
        r = read_logs(&b);
    return r < 0 ? r : s3_rebuild_apply(&b);
}
