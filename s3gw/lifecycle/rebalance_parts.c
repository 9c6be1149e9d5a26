/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/rebalance_parts.h"

#include "s3gw/index/moved.h"
#include "s3gw/index/upload.h"

enum {
    UPLOADS_A_PAGE = 200,
    ARENA_MAX = 96 * 1024 * 1024,
};

int s3_rebalance_page(struct s3_index *x, char letter, uint64_t bid, struct s3_row_key *next,
                      size_t most, int (*fn)(void *arg, struct str row, struct str value),
                      void *arg)
{
    struct s3_row_key until;
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    s3_row_number(&until, letter, bid);
    if (next->n == 0)
        *next = until;
    s3_row_after_prefix(&until);
    int r = s3_iter_new(x, s3_row_str(next), s3_row_str(&until), &it);
    for (size_t n = 0; r == 0 && s3_iter_valid(it) && n < most; s3_iter_next(it), n++)
        r = fn(arg, s3_iter_key(it), s3_iter_value(it));
    if (r == 0)
        r = s3_iter_err(it);
    next->n = 0;
    if (r == 0 && s3_iter_valid(it))
        s3_row_bytes(next, s3_iter_key(it));
    return r;
}

struct walk {
    const char *place;
    int (*fn)(void *arg, struct s3_leaving *part);
    void *arg;
    const struct s3_leaving *upload; /* the one it is at */
};

static int look_at(void *arg, const struct s3_upart *p)
{
    const struct walk *w = arg;
    struct s3_leaving v = *w->upload;
    v.part = p->number;
    v.from = str_c(w->place);
    return s3_lies_in(p->extents, p->nextents, v.from) ? w->fn(w->arg, &v) : 0;
}

struct page {
    struct arena a;
    struct s3_leaving uploads[UPLOADS_A_PAGE];
    size_t n;
};

static int keep_upload(void *arg, struct str row, struct str value)
{
    struct page *p = arg;
    struct s3_leaving *u = &p->uploads[p->n];
    struct str key;
    (void)value;
    if (!s3_row_numbered_parse(row, &key, &u->seq))
        return -EBADMSG;
    u->key = arena_str(&p->a, key);
    p->n++;
    return u->key.p ? 0 : -ENOMEM;
}

int s3_rebalance_parts(struct s3_index *x, const struct s3_bucket *b, const char *place,
                       int (*fn)(void *arg, struct s3_leaving *part), void *arg)
{
    struct walk w = {place, fn, arg, NULL};
    struct s3_row_key next = {0};
    int r = 0;
    for (bool more = true; r == 0 && more;) {
        AUTO(dfs_free_ptr) struct page *p = dfs_zalloc(sizeof(*p));
        if (!p)
            return -ENOMEM;
        arena_init(&p->a, ARENA_MAX);
        r = s3_rebalance_page(x, S3_ROW_UPLOAD, b->bid, &next, UPLOADS_A_PAGE, keep_upload, p);
        for (size_t i = 0; r == 0 && i < p->n; i++) {
            w.upload = &p->uploads[i];
            r = s3_upload_each_part(x, w.upload->seq, look_at, &w);
        }
        more = next.n > 0;
        arena_fini(&p->a);
    }
    return r;
}
