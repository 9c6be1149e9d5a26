/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/listing.h"

#include "s3gw/index/cursor.h"
#include "s3gw/index/record.h"
#include "s3gw/index/rows.h"
#include "s3gw/index/upload_record.h"

enum { ENTRIES_AT_FIRST = 64 };

struct walk {
    const struct s3_list_query *q;
    enum s3_cursor_kind kind;
    struct s3_cursor *c;
    struct arena *a;
    struct s3_list_entry *entries;
    size_t n, cap;
    struct str last_key; /* versions: of the entry before, to know the newest */
};

/* --- entries --- */

static struct s3_list_entry *add_entry(struct walk *w)
{
    if (w->n == w->cap) {
        size_t cap = MIN(MAX(w->cap * 4, (size_t)ENTRIES_AT_FIRST), w->q->max);
        struct s3_list_entry *e = arena_alloc(w->a, cap * sizeof(*e));
        if (!e)
            return NULL;
        if (w->n)
            memcpy(e, w->entries, w->n * sizeof(*e));
        w->entries = e;
        w->cap = cap;
    }
    return &w->entries[w->n++];
}

static int add_prefix(struct walk *w, struct str prefix)
{
    struct s3_list_entry *e = add_entry(w);
    if (!e)
        return -ENOMEM;
    e->is_prefix = true;
    e->key = arena_str(w->a, prefix);
    return e->key.p ? 0 : -ENOMEM;
}

static int fill(struct walk *w, struct s3_list_entry *e)
{
    e->key = arena_str(w->a, s3_cursor_key(w->c));
    if (!e->key.p)
        return -ENOMEM;
    if (w->kind == S3_CURSOR_UPLOADS) {
        int r = s3_upload_decode_listed(s3_cursor_value(w->c), w->a, &e->upload);
        e->upload.useq = s3_cursor_number(w->c);
        e->upload.key = e->key;
        return r;
    }
    e->is_latest = !w->last_key.p || !str_eq(w->last_key, e->key);
    w->last_key = e->key;
    return s3_object_decode_listed(s3_cursor_value(w->c), w->a, &e->object);
}

static int add_row(struct walk *w)
{
    struct s3_list_entry *e = add_entry(w);
    return e ? fill(w, e) : -ENOMEM;
}

/* --- where to begin --- */

/* The common prefix a key belongs to; absent when it stands for itself. */
static struct str common_prefix(const struct s3_list_query *q, struct str key)
{
    if (q->delimiter.n == 0 || !str_starts(key, q->prefix))
        return STR_NULL;
    size_t at = str_find(str_from(key, q->prefix.n), q->delimiter);
    return at == SIZE_MAX ? STR_NULL : str_head(key, q->prefix.n + at + q->delimiter.n);
}

/* Number of the row the cursor stands on: of versions the current one's is in its record. */
static int row_number(struct walk *w, uint64_t *ret)
{
    *ret = s3_cursor_number(w->c);
    if (*ret != 0)
        return 0;
    struct s3_object o;
    int r = s3_object_decode_listed(s3_cursor_value(w->c), w->a, &o);
    if (r == 0)
        *ret = o.seq;
    return r;
}

/* Past the rows of key `after` up to and with number `after_seq`. */
static int skip_listed(struct walk *w)
{
    const struct s3_list_query *q = w->q;
    while (s3_cursor_valid(w->c) && str_cmp(s3_cursor_key(w->c), q->after) <= 0) {
        if (q->after_seq != 0 && str_eq(s3_cursor_key(w->c), q->after)) {
            uint64_t number;
            int r = row_number(w, &number);
            if (r < 0)
                return r;
            bool behind =
                w->kind == S3_CURSOR_VERSIONS ? number < q->after_seq : number > q->after_seq;
            if (behind)
                return 0;
            w->last_key = q->after; /* the newest was on the page before */
        }
        s3_cursor_next(w->c);
    }
    return 0;
}

static int begin(struct walk *w, struct s3_index *x)
{
    const struct s3_list_query *q = w->q;
    int r = s3_cursor_new(x, w->kind, q->bid, q->prefix, q->after, &w->c);
    if (r < 0 || q->after.n == 0)
        return r;
    if (str_eq(common_prefix(q, q->after), q->after)) /* listed whole by the page before */
        s3_cursor_skip(w->c, q->after);
    return skip_listed(w);
}

/* --- the walk --- */

static int step(struct walk *w)
{
    struct str prefix = common_prefix(w->q, s3_cursor_key(w->c));
    if (!prefix.p) {
        int r = add_row(w);
        if (r == 0)
            s3_cursor_next(w->c);
        return r;
    }
    int r = add_prefix(w, prefix);
    if (r == 0)
        s3_cursor_skip(w->c, w->entries[w->n - 1].key);
    return r;
}

static int list(struct s3_index *x, enum s3_cursor_kind kind, const struct s3_list_query *q,
                struct arena *a, struct s3_list_page *ret)
{
    *ret = (struct s3_list_page){0};
    if (q->max == 0 || q->prefix.n > S3_OBJECT_KEY_MAX)
        return 0;
    struct walk w = {.q = q, .kind = kind, .a = a};
    int r = begin(&w, x);
    while (r == 0 && w.n < q->max && s3_cursor_valid(w.c))
        r = step(&w);
    bool more = r == 0 && s3_cursor_valid(w.c);
    if (r == 0 && !more)
        r = s3_cursor_err(w.c);
    s3_cursor_free(&w.c);
    if (r < 0)
        return r;
    *ret = (struct s3_list_page){w.entries, w.n, more};
    return 0;
}

int s3_list_objects(struct s3_index *x, const struct s3_list_query *q, struct arena *a,
                    struct s3_list_page *ret)
{
    return list(x, S3_CURSOR_OBJECTS, q, a, ret);
}

int s3_list_versions(struct s3_index *x, const struct s3_list_query *q, struct arena *a,
                     struct s3_list_page *ret)
{
    return list(x, S3_CURSOR_VERSIONS, q, a, ret);
}

int s3_list_uploads(struct s3_index *x, const struct s3_list_query *q, struct arena *a,
                    struct s3_list_page *ret)
{
    return list(x, S3_CURSOR_UPLOADS, q, a, ret);
}
