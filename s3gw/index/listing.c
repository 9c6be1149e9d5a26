/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/listing.h"

#include "s3gw/index/rows.h"

/*
 * Rows of one bucket and kind, kind letter and bucket number in front (HEAD bytes), then the key, and for
 * uploads a zero byte and the sequence number (TAIL bytes).
 */
enum { HEAD = 9, TAIL = 9 };

struct walk {
    const struct s3_list_query *q;
    struct arena *a;
    struct s3_list_page *page;
    struct s3_iter *it;
    size_t tail;                 /* bytes behind the key in a row's key */
    char kind;
    struct buf k;                /* row keys to seek to */
    int (*fill)(struct walk *w, struct s3_list_entry *e);
};

static struct str key_of(struct walk *w)
{
    struct str row = s3_iter_key(w->it);
    return str_of(row.p + HEAD, row.n - HEAD - w->tail);
}

/* The common prefix that stands for @key: prefix, and all up to and with the next delimiter. Or absent. */
static struct str common_prefix(const struct s3_list_query *q, struct str key)
{
    if (q->delimiter.n == 0)
        return STR_NULL;
    size_t at = str_find(str_from(key, q->prefix.n), q->delimiter);
    return at == SIZE_MAX ? STR_NULL : str_head(key, q->prefix.n + at + q->delimiter.n);
}

/* To the first row whose key begins with something greater than @prefix and all below it. */
static void seek_behind(struct walk *w, struct str prefix)
{
    AUTO(buf_free) struct buf after = BUF(S3_ROW_KEY_MAX);
    s3_row_prefix(&w->k, w->kind, w->q->bid);
    buf_adds(&w->k, prefix);
    struct str to = s3_row_after(&after, buf_str(&w->k));
    s3_iter_seek(w->it, to);
}

static void seek_row(struct walk *w, struct str key, struct str rest)
{
    s3_row_prefix(&w->k, w->kind, w->q->bid);
    buf_adds(&w->k, key);
    buf_adds(&w->k, rest);
    s3_iter_seek(w->it, buf_str(&w->k));
}

/* To the first entry behind the marker. */
static void start(struct walk *w)
{
    const struct s3_list_query *q = w->q;
    if (q->after.n == 0 || str_cmp(q->after, q->prefix) < 0) {
        seek_row(w, q->prefix.p ? q->prefix : STR(""), STR(""));
        return;
    }
    /* A marker that is a common prefix stands for all below it. */
    if (str_starts(q->after, q->prefix) && str_eq(common_prefix(q, q->after), q->after)) {
        seek_behind(w, q->after);
        return;
    }
    seek_row(w, q->after, STR("\0"));
    if (w->kind == 'o')
        return;
    /* Uploads of the very key: those that began later, or none. */
    while (s3_iter_valid(w->it) && str_eq(key_of(w), q->after)) {
        struct rd seq = rd_of(str_from(s3_iter_key(w->it), s3_iter_key(w->it).n - 8));
        if (q->after_seq != 0 && rd_u64(&seq) > q->after_seq)
            break;
        s3_iter_next(w->it);
    }
}

static int add_entry(struct walk *w, struct str prefix)
{
    struct s3_list_entry *e = &w->page->entries[w->page->n];
    *e = (struct s3_list_entry){.is_prefix = prefix.p != NULL};
    e->key = arena_str(w->a, prefix.p ? prefix : key_of(w));
    int r = !e->key.p ? -ENOMEM : e->is_prefix ? 0 : w->fill(w, e);
    w->page->n += r == 0;
    return r;
}

static int walk(struct walk *w)
{
    const struct s3_list_query *q = w->q;
    for (start(w); s3_iter_valid(w->it);) {
        if (w->page->n == q->max) {
            w->page->truncated = q->max > 0;
            break;
        }
        struct str prefix = common_prefix(q, key_of(w));
        int r = add_entry(w, prefix);
        if (r < 0)
            return r;
        if (prefix.p)
            seek_behind(w, w->page->entries[w->page->n - 1].key);
        else
            s3_iter_next(w->it);
    }
    return s3_iter_err(w->it);
}

static int list(struct s3_index *x, struct walk *w)
{
    AUTO(buf_free) struct buf from = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf until = BUF(S3_ROW_KEY_MAX);
    const struct s3_list_query *q = w->q;
    s3_row_prefix(&from, w->kind, q->bid);
    buf_adds(&from, q->prefix);
    s3_row_after(&until, buf_str(&from));
    *w->page = (struct s3_list_page){0};
    w->page->entries = arena_alloc(w->a, (q->max + 1) * sizeof(*w->page->entries));
    if (!w->page->entries)
        return -ENOMEM;
    int r = buf_err(&from) ? buf_err(&from) : s3_iter_new(x, buf_str(&from), buf_str(&until), &w->it);
    if (r < 0)
        return r;
    w->k = BUF(S3_ROW_KEY_MAX);
    r = walk(w);
    if (r == 0)
        r = buf_err(&w->k);
    buf_free(&w->k);
    s3_iter_free(&w->it);
    return r;
}

static int fill_object(struct walk *w, struct s3_list_entry *e)
{
    bool apart;
    struct str bytes = arena_str(w->a, s3_iter_value(w->it));
    e->is_latest = true;
    return bytes.p ? s3_object_decode_head(bytes, w->a, &e->object, &apart) : -ENOMEM;
}

static int fill_upload(struct walk *w, struct s3_list_entry *e)
{
    struct str row = s3_iter_key(w->it), bytes = arena_str(w->a, s3_iter_value(w->it));
    struct rd seq = rd_of(str_from(row, row.n - 8));
    int r = bytes.p ? s3_upload_decode(bytes, w->a, &e->upload) : -ENOMEM;
    e->upload.useq = rd_u64(&seq);
    e->upload.key = e->key;
    return r;
}

int s3_list_objects(struct s3_index *x, const struct s3_list_query *q, struct arena *a, struct s3_list_page *ret)
{
    struct walk w = {.q = q, .a = a, .page = ret, .kind = 'o', .fill = fill_object};
    return list(x, &w);
}

int s3_list_versions(struct s3_index *x, const struct s3_list_query *q, struct arena *a, struct s3_list_page *ret)
{
    return s3_list_objects(x, q, a, ret);
}

int s3_list_uploads(struct s3_index *x, const struct s3_list_query *q, struct arena *a, struct s3_list_page *ret)
{
    struct walk w = {.q = q, .a = a, .page = ret, .kind = 'm', .tail = TAIL, .fill = fill_upload};
    return list(x, &w);
}
