/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/settle.h"

#include "s3gw/dfs/dfs.h"
#include "s3gw/index/rows.h"
#include "s3gw/index/upload_record.h"
#include "s3gw/lifecycle/note.h"
#include "s3gw/lifecycle/settled.h"

enum { ARENA_MAX = 64 * 1024 * 1024 };

/* Numbers are microseconds: what was described longer before the last commit has come to an end. */
#define UNDER_WAY_US (S3_UNDER_WAY_MS * UINT64_C(1000))

struct settling {
    struct s3_gw *gw;
    uint64_t since; /* number */
    uint64_t corrected;
    struct str file_id; /* that the statement lies beside; empty: a note */
    struct arena arena; /* of one statement */
};

/* --- versions --- */

struct touch {
    uint64_t bid, seq, number;
    struct str key;
    struct arena *arena;
    struct s3_object now;
};

static int touch(struct s3_tx *tx, void *arg)
{
    struct touch *t = arg;
    return s3_object_touch(tx, t->bid, t->key, t->seq, t->number, t->arena, &t->now);
}

/* As api/commit.c does after a refusal. */
static int say_what_version_is(struct settling *s, const struct s3_bucket *b, struct str key,
                               uint64_t seq)
{
    struct touch t = {.bid = b->bid,
                      .seq = seq,
                      .number = s3_index_number(s->gw->index),
                      .key = key,
                      .arena = &s->arena};
    int r = s3_index_update(s->gw->index, touch, &t);
    s->corrected += r == 0;
    return r < 0 ? r : s3_note_put(s->gw, t.number, b, key, &t.now, 0);
}

static int find_version(struct settling *s, const struct s3_bucket *b, struct str key, uint64_t seq,
                        bool null, struct s3_object *ret)
{
    struct s3_version v = {.null = null, .seq = null ? 0 : seq};
    int r = s3_object_get_version(s->gw->index, b->bid, key, &v, S3_READ_ANY, true, &s->arena, ret);
    return r == 0 && ret->seq != seq ? -ENOENT : r;
}

/* A move takes its number, then writes (api/move.c): did it come to its end? @said: by the statement. */
static bool lies_there(const struct settling *s, const struct s3_object *said,
                       const struct s3_object *now)
{
    struct str there = said->nextents > 0 ? said->extents[0].file_id : s->file_id;
    return now->nextents == 0 || str_eq(now->extents[0].file_id, there);
}

static int settle_put(struct settling *s, const struct s3_desc *d, const struct s3_bucket *b)
{
    struct s3_desc_put p;
    struct s3_object o, now;
    int r = s3_desc_put_decode(d, &p);
    if (r == 0)
        r = s3_object_decode(p.record, &s->arena, &o);
    if (r < 0)
        return r;
    r = find_version(s, b, d->key, o.seq, o.flags & S3_OBJ_NULL_VERSION, &now);
    if (r == -ENOENT) { /* or it has gone since; that was said, and counts more */
        struct s3_desc_change c = {.version = o.seq};
        s->corrected++;
        return s3_note_change(s->gw, S3_DESC_VOID, b, d->key, &c, NULL);
    }
    bool moved =
        r == 0 && d->number > o.seq &&
        (d->number > now.amended || (d->number == now.amended && !lies_there(s, &o, &now)));
    return moved ? say_what_version_is(s, b, d->key, o.seq) : r;
}

static int settle_change(struct settling *s, const struct s3_desc *d, const struct s3_bucket *b)
{
    struct s3_desc_change c;
    struct s3_object now;
    int r = s3_desc_change_decode(d, &c), null = 0;
    if (r < 0)
        return r;
    do
        r = find_version(s, b, d->key, c.version, null, &now);
    while (r == -ENOENT && null++ == 0);
    if (r == 0 && (d->kind == S3_DESC_GONE || now.amended < d->number))
        return say_what_version_is(s, b, d->key, c.version);
    return r == -ENOENT ? 0 : r;
}

/* --- uploads and buckets --- */

static int settle_upload(struct settling *s, const struct s3_desc *d, const struct s3_bucket *b,
                         uint64_t useq, bool said_open)
{
    struct s3_row_key row;
    struct s3_upload u;
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    s3_row_numbered(&row, S3_ROW_UPLOAD, b->bid, d->key, useq);
    int r = s3_index_get(s->gw->index, s3_row_str(&row), S3_READ_ANY, &v);
    if (r < 0 && r != -ENOENT)
        return r;
    if ((r == 0) == said_open)
        return 0;
    s->corrected++;
    if (r == -ENOENT)
        return s3_note_ended(s->gw, b, d->key, useq);
    r = s3_upload_decode(buf_str(&v), &s->arena, &u);
    u.key = d->key;
    u.useq = useq;
    return r < 0 ? r : s3_note_upload(s->gw, b, &u);
}

static int settle_bucket(struct settling *s, const struct s3_desc *d, const struct s3_bucket *b,
                         bool there)
{
    AUTO(buf_free) struct buf record = BUF(S3_INDEX_VALUE_MAX);
    if (there)
        s3_bucket_encode(b, &record);
    bool same = there ? str_eq(buf_str(&record), d->rest) : d->kind == S3_DESC_UNBUCKET;
    if (same || buf_err(&record))
        return buf_err(&record);
    s->corrected++;
    return s3_note_bucket(s->gw, b, !there);
}

/* --- statements --- */

static int settle_in_bucket(struct settling *s, const struct s3_desc *d, const struct s3_bucket *b)
{
    struct s3_desc_part u;
    struct s3_desc_change c;
    int r = 0;
    switch (d->kind) {
    case S3_DESC_PUT:
    case S3_DESC_MOVE:
        return settle_put(s, d, b);
    case S3_DESC_GONE:
    case S3_DESC_AMEND:
        return settle_change(s, d, b);
    case S3_DESC_UPLOAD:
        r = s3_desc_part_decode(d, &u);
        return r < 0 ? r : settle_upload(s, d, b, u.upload, true);
    case S3_DESC_ENDED:
        r = s3_desc_change_decode(d, &c);
        return r < 0 ? r : settle_upload(s, d, b, c.version, false);
    default:
        return 0;
    }
}

static int settle(struct settling *s, const struct s3_scan_entry *e)
{
    struct s3_desc d;
    struct s3_bucket b;
    if (s3_desc_decode(e->description, &d) < 0 || d.version == 1 || d.number < s->since ||
        s3_desc_is_foreign(&d, s->gw->index_id) || !d.bucket.n || d.key.n > S3_OBJECT_KEY_MAX)
        return 0;
    int r = s3_bucket_get(s->gw->index, d.bucket, S3_READ_ANY, &s->arena, &b);
    if (r < 0 && r != -ENOENT)
        return r;
    bool there = r == 0 && b.bid == d.bid;
    if (!there)
        b = (struct s3_bucket){
            .bid = d.bid, .name = d.bucket, .owner_id = d.owner_id, .groups = s->gw->default_group};
    if (d.kind == S3_DESC_BUCKET || d.kind == S3_DESC_UNBUCKET)
        r = settle_bucket(s, &d, &b, there);
    else
        r = there && d.key.n ? settle_in_bucket(s, &d, &b) : 0;
    return r == -EBADMSG ? 0 : r; /* a rebuild says so */
}

static int settle_one(void *arg, const struct s3_scan_entry *e)
{
    struct settling *s = arg;
    arena_init(&s->arena, ARENA_MAX);
    s->file_id = e->file_id;
    int r = settle(s, e);
    arena_fini(&s->arena);
    return r;
}

int s3_settle(struct s3_gw *gw, uint64_t *ret)
{
    uint64_t committed = s3_index_committed(gw->index);
    struct settling s = {.gw = gw,
                         .since = committed > UNDER_WAY_US ? committed - UNDER_WAY_US : 1};
    int r = s3_settled_compare(gw, settle_one, &s);
    *ret = s.corrected;
    return r;
}
