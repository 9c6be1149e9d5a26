/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/baseline.h"

#include "s3gw/core/digest.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/record.h"
#include "s3gw/index/rows.h"
#include "s3gw/index/upload_record.h"
#include "s3gw/lifecycle/note.h"

enum {
    NOTES_A_BATCH = 256,
    BYTES_A_BATCH = 8 * 1024 * 1024,
    ARENA_MAX = 256 * 1024 * 1024,
};

/* --- notes, some at a time --- */

struct batch {
    struct s3_gw *gw;
    struct str groups;
    struct arena arena; /* of the batch */
    struct str notes[NOTES_A_BATCH];
    size_t n, bytes;
    uint64_t all;
};

static int flush(struct batch *b)
{
    int r = s3_dfs_notes(b->gw->dfs, b->groups, b->notes, b->n);
    b->n = b->bytes = 0;
    arena_fini(&b->arena);
    arena_init(&b->arena, ARENA_MAX);
    return r;
}

static int add(struct batch *b, const struct buf *description)
{
    struct str d = buf_err(description) ? STR_NULL : arena_str(&b->arena, buf_str(description));
    if (!d.p)
        return buf_err(description) ? buf_err(description) : -ENOMEM;
    b->notes[b->n++] = d;
    b->bytes += d.n;
    b->all++;
    return b->n == NOTES_A_BATCH || b->bytes >= BYTES_A_BATCH ? flush(b) : 0;
}

/* --- what is there --- */

static int each_row_of(struct batch *b, const struct s3_bucket *bkt, char letter,
                       int (*one)(struct batch *b, const struct s3_bucket *bkt, struct str row,
                                  struct str value))
{
    struct s3_row_key from, until;
    s3_row_number(&from, letter, bkt->bid);
    until = from;
    s3_row_after_prefix(&until);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = s3_iter_new(b->gw->index, s3_row_str(&from), s3_row_str(&until), &it);
    for (; r == 0 && s3_iter_valid(it); s3_iter_next(it))
        r = one(b, bkt, s3_iter_key(it), s3_iter_value(it));
    return r < 0 ? r : s3_iter_err(it);
}

static int detail_of(struct batch *b, struct s3_object *o, struct arena *a)
{
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    s3_row_number(&row, S3_ROW_DETAIL, o->seq);
    int r = s3_index_get(b->gw->index, s3_row_str(&row), S3_READ_ANY, &v);
    struct str bytes = r == 0 ? arena_str(a, buf_str(&v)) : STR_NULL;
    if (!bytes.p)
        return r < 0 ? r : -ENOMEM;
    return s3_object_decode_detail(bytes, a, o);
}

static int version(struct batch *b, const struct s3_bucket *bkt, struct str key, struct str value)
{
    AUTO(arena_fini) struct arena a;
    AUTO(buf_free) struct buf d = BUF(2 * S3_INDEX_VALUE_MAX);
    struct s3_object o;
    bool split;
    arena_init(&a, ARENA_MAX);
    int r = s3_object_decode_head(value, &a, &o, &split);
    if (r == 0 && split)
        r = detail_of(b, &o, &a);
    if (r == 0)
        r = s3_note_describe_put(b->gw, s3_index_number(b->gw->index), bkt, key, &o, 0, &d);
    return r < 0 ? r : add(b, &d);
}

static int current_version(struct batch *b, const struct s3_bucket *bkt, struct str row,
                           struct str value)
{
    return version(b, bkt, str_from(row, 1 + 8), value);
}

static int older_version(struct batch *b, const struct s3_bucket *bkt, struct str row,
                         struct str value)
{
    struct str key;
    uint64_t number;
    return s3_row_numbered_parse(row, &key, &number) ? version(b, bkt, key, value) : -EBADMSG;
}

struct upload_of {
    struct batch *b;
    const struct s3_bucket *bkt;
    const struct s3_upload *u;
};

static int part(void *arg, const struct s3_upart *p)
{
    const struct upload_of *o = arg;
    AUTO(buf_free) struct buf d = BUF(2 * S3_INDEX_VALUE_MAX);
    struct s3_upart described = *p;
    int r = s3_note_describe_part(o->b->gw, o->bkt, o->u->key, o->u->useq, &described, &d);
    return r < 0 ? r : add(o->b, &d);
}

static int upload(struct batch *b, const struct s3_bucket *bkt, struct str row, struct str value)
{
    AUTO(arena_fini) struct arena a;
    AUTO(buf_free) struct buf d = BUF(2 * S3_INDEX_VALUE_MAX);
    struct s3_upload u;
    arena_init(&a, ARENA_MAX);
    int r = s3_upload_decode(value, &a, &u);
    if (r == 0 && !s3_row_numbered_parse(row, &u.key, &u.useq))
        r = -EBADMSG;
    if (r == 0)
        r = s3_note_describe_upload(b->gw, bkt, &u, &d);
    if (r == 0)
        r = add(b, &d);
    struct upload_of of = {b, bkt, &u};
    return r < 0 ? r : s3_upload_each_part(b->gw->index, u.useq, part, &of);
}

static int bucket(void *arg, const struct s3_bucket *bkt)
{
    struct batch *b = arg;
    AUTO(buf_free) struct buf d = BUF(2 * S3_INDEX_VALUE_MAX);
    b->groups = bkt->groups;
    int r = s3_note_describe_bucket(b->gw, bkt, false, &d);
    if (r == 0)
        r = add(b, &d);
    if (r == 0)
        r = each_row_of(b, bkt, S3_ROW_OBJECT, current_version);
    if (r == 0)
        r = each_row_of(b, bkt, S3_ROW_VERSION, older_version);
    if (r == 0)
        r = each_row_of(b, bkt, S3_ROW_UPLOAD, upload);
    return r < 0 ? r : flush(b); /* before the groups change */
}

/* --- once --- */

static const char letter[] = {S3_ROW_BASELINE};
static const struct str done_row = {letter, sizeof(letter)};

enum { DONE_BYTES = 1 + 8 };

static struct str done_with(const struct s3_gw *gw, uint8_t out[1 + 32])
{
    out[0] = 1;
    s3_sha256(gw->note_key, sizeof(gw->note_key), out + 1);
    return str_of(out, DONE_BYTES);
}

static int remember(struct s3_tx *tx, void *arg)
{
    s3_tx_put(tx, done_row, *(struct str *)arg);
    return 0;
}

static int everything(struct s3_gw *gw, uint64_t *ret)
{
    AUTO(buf_free) struct buf d = BUF(4096);
    AUTO(dfs_free_ptr) struct batch *b = dfs_zalloc(sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->gw = gw;
    arena_init(&b->arena, ARENA_MAX);
    int r = s3_bucket_each(gw->index, bucket, b);
    if (r == 0)
        r = s3_note_describe(gw, S3_DESC_BASELINE, s3_index_number(gw->index), NULL, STR_NULL,
                             STR_NULL, &d);
    if (r == 0)
        r = s3_note_write(gw, NULL, &d);
    *ret = b->all;
    arena_fini(&b->arena);
    return r;
}

int s3_baseline(struct s3_gw *gw, int (*users)(const struct s3_gw *gw), uint64_t *ret)
{
    uint8_t text[1 + 32];
    AUTO(buf_free) struct buf v = BUF(64);
    struct str done = done_with(gw, text);
    *ret = 0;
    int r = s3_index_get(gw->index, done_row, S3_READ_ANY, &v);
    bool first = r == -ENOENT;
    if ((r < 0 && !first) || (r == 0 && str_eq(buf_str(&v), done)))
        return r;
    r = users(gw);
    if (r == 0 && first)
        r = everything(gw, ret);
    return r < 0 ? r : s3_index_update(gw->index, remember, &done);
}
