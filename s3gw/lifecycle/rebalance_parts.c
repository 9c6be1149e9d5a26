/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/rebalance_parts.h"

#include "s3gw/index/rows.h"
#include "s3gw/index/upload.h"

enum {
    UPLOADS_A_PAGE = 200,
    PARTS_A_PAGE = 500,
    ARENA_MAX = 96 * 1024 * 1024,
};

struct walk {
    struct s3_index *x;
    const char *place;
    int (*fn)(void *arg, struct s3_leaving *part);
    void *arg;
};

static bool lies_there(const struct s3_upart *p, const char *place)
{
    size_t n = strlen(place);
    for (size_t i = 0; i < p->nextents; i++) {
        struct str f = p->extents[i].file_id;
        if (str_starts(f, str_of(place, n)) && f.n > n && f.p[n] == '/')
            return true;
    }
    return false;
}

static int parts_of(const struct walk *w, struct str key, uint64_t upload)
{
    uint32_t after = 0;
    int r = 0;
    for (bool more = true; r == 0 && more;) {
        AUTO(arena_fini) struct arena a;
        struct s3_upart *p;
        size_t n = 0;
        arena_init(&a, ARENA_MAX);
        r = s3_upload_parts(w->x, upload, after, PARTS_A_PAGE, &a, &p, &n, &more);
        for (size_t i = 0; r == 0 && i < n; i++) {
            struct s3_leaving v = {
                .key = key, .seq = upload, .part = p[i].number, .from = str_c(w->place)};
            after = p[i].number;
            if (lies_there(&p[i], w->place))
                r = w->fn(w->arg, &v);
        }
    }
    return r;
}

/* Rows of uploads, copied: an iterator does not outlive what fn() does. */
struct page {
    struct arena a;
    struct s3_leaving uploads[UPLOADS_A_PAGE];
    size_t n;
    struct s3_row_key next; /* n == 0: that was all */
};

static int read_page(struct s3_index *x, uint64_t bid, struct page *p)
{
    struct s3_row_key until;
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    s3_row_number(&until, S3_ROW_UPLOAD, bid);
    if (p->next.n == 0)
        p->next = until;
    s3_row_after_prefix(&until);
    int r = s3_iter_new(x, s3_row_str(&p->next), s3_row_str(&until), &it);
    for (; r == 0 && s3_iter_valid(it) && p->n < UPLOADS_A_PAGE; s3_iter_next(it)) {
        struct s3_leaving *u = &p->uploads[p->n];
        struct str key;
        if (!s3_row_numbered_parse(s3_iter_key(it), &key, &u->seq))
            return -EBADMSG;
        u->key = arena_str(&p->a, key);
        r = u->key.p ? 0 : -ENOMEM;
        p->n++;
    }
    if (r == 0)
        r = s3_iter_err(it);
    p->next.n = 0;
    if (r == 0 && s3_iter_valid(it))
        s3_row_bytes(&p->next, s3_iter_key(it));
    return r;
}

int s3_rebalance_parts(struct s3_index *x, const struct s3_bucket *b, const char *place,
                       int (*fn)(void *arg, struct s3_leaving *part), void *arg)
{
    const struct walk w = {x, place, fn, arg};
    struct s3_row_key next = {0};
    int r = 0;
    for (bool more = true; r == 0 && more;) {
        AUTO(dfs_free_ptr) struct page *p = dfs_zalloc(sizeof(*p));
        if (!p)
            return -ENOMEM;
        arena_init(&p->a, ARENA_MAX);
        p->next = next;
        r = read_page(x, b->bid, p);
        for (size_t i = 0; r == 0 && i < p->n; i++)
            r = parts_of(&w, p->uploads[i].key, p->uploads[i].seq);
        next = p->next;
        more = next.n > 0;
        arena_fini(&p->a);
    }
    return r;
}
