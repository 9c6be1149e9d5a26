/* SPDX-License-Identifier: Apache-2.0 */
/* world - an index in memory with a bucket, and the updates of tests as plain calls. */
#ifndef TEST_INDEX_WORLD_H
#define TEST_INDEX_WORLD_H

#include <stdio.h>

#include "s3gw/index/bucket.h"
#include "s3gw/index/listing.h"
#include "s3gw/index/object.h"
#include "s3gw/index/refs.h"
#include "s3gw/index/upload.h"
#include "tests/lib/test.h"

struct world {
    struct s3_index *x;
    struct arena a;
    struct s3_bucket b;
};

/* One update with any of the calls; which fields count depends on fn. */
struct call {
    struct world *w;
    uint64_t bid;
    struct str key;
    const struct s3_cond *cond;
    struct s3_object *o;
    struct s3_bucket *b;
    struct s3_deleted deleted;
    struct s3_version version;
    bool bypass;
    struct str src;
    uint64_t src_seq;
    struct s3_upload *u;
    struct s3_upart *part;
    const uint32_t *numbers;
    size_t n;
    bool gone;
    struct str was;
    struct str file;
    uint64_t owner;
    int64_t time_ms;
};

#define CALL(name, expression)                                                                     \
    static inline int name(struct s3_tx *tx, void *arg)                                            \
    {                                                                                              \
        struct call *c = arg;                                                                      \
        return (expression);                                                                       \
    }
CALL(fn_bucket_create, s3_bucket_create(tx, c->b, &c->w->a, &(struct s3_bucket){0}))
CALL(fn_bucket_update, s3_bucket_update(tx, c->b))
CALL(fn_bucket_delete, s3_bucket_delete(tx, c->key))
CALL(fn_put, s3_object_put(tx, c->bid, c->key, c->cond, c->o))
CALL(fn_delete, s3_object_delete(tx, c->bid, c->key, c->cond, STR("marker-owner"), &c->deleted))
CALL(fn_delete_version,
     s3_object_delete_version(tx, c->bid, c->key, &c->version, c->bypass, &c->deleted))
CALL(fn_copy, s3_object_copy(tx, c->bid, c->src, c->src_seq, c->bid, c->key, c->cond, c->o))
CALL(fn_restore, s3_object_restore(tx, c->bid, c->key, c->o))
CALL(fn_amend, s3_object_amend(tx, c->bid, c->key, c->o, S3_SECTION_TAGS))
CALL(fn_amend_acl, s3_object_amend(tx, c->bid, c->key, c->o, S3_SECTION_ACL))
CALL(fn_amend_lock, s3_object_amend_lock(tx, c->bid, c->key, c->o->seq, c->was, c->o->lock))
CALL(fn_move, s3_object_move(tx, c->bid, c->key, c->o->seq, c->was, c->o))
CALL(fn_upload_create, s3_upload_create(tx, c->bid, c->u))
CALL(fn_put_part, s3_upload_put_part(tx, c->bid, c->key, c->u->useq, c->part))
CALL(fn_copy_part,
     s3_upload_copy_part(tx, c->bid, c->src, c->src_seq, c->bid, c->key, c->u->useq, c->part))
CALL(fn_complete,
     s3_upload_complete(tx, c->bid, c->key, c->u->useq, c->numbers, c->n, c->cond, c->o, &c->gone))
CALL(fn_abort, s3_upload_abort(tx, c->bid, c->key, c->u->useq))
CALL(fn_forget_finished, s3_upload_forget_finished(tx, c->time_ms, c->n))
CALL(fn_ref_orphan, s3_ref_orphan(tx, c->file, 0))
CALL(fn_forget_garbage, (s3_garbage_forget(tx, c->file), 0))

static inline int run(struct world *w, int (*fn)(struct s3_tx *, void *), struct call *c)
{
    c->w = w;
    if (c->bid == 0)
        c->bid = w->b.bid;
    return s3_index_update(w->x, fn, c);
}

static inline void world_open(struct world *w)
{
    *w = (struct world){0};
    arena_init(&w->a, 1 << 30);
    assert_int_equal(s3_index_open_mem(&w->x), 0);
    w->b = (struct s3_bucket){
        .name = STR("bucket"), .owner_id = STR("owner"), .group = STR("group1"), .created_ms = 1};
    assert_int_equal(run(w, fn_bucket_create, &(struct call){.b = &w->b}), 0);
}

static inline void world_close(struct world *w)
{
    s3_index_close(&w->x);
    arena_fini(&w->a);
}

static inline void set_versioning(struct world *w, struct str versioning)
{
    w->b.versioning = versioning;
    assert_int_equal(run(w, fn_bucket_update, &(struct call){.b = &w->b}), 0);
}

/* An object of one new file; arena. */
static inline struct s3_object *object_of(struct world *w, struct str file)
{
    struct s3_object *o = arena_alloc(&w->a, sizeof(*o));
    o->extents = arena_alloc(&w->a, sizeof(*o->extents));
    o->extents[0] = (struct s3_extent){.file_id = arena_str(&w->a, file), .length = 10};
    o->nextents = 1;
    o->size = 10;
    o->mtime_ms = 1000;
    o->owner_id = STR("owner");
    for (size_t i = 0; i < file.n; i++)
        o->etag.md5[i % 16] ^= (uint8_t)file.p[i];
    return o;
}

static inline struct s3_object *put_object(struct world *w, struct str key, struct str file)
{
    struct s3_object *o = object_of(w, file);
    assert_int_equal(run(w, fn_put, &(struct call){.key = key, .o = o}), 0);
    return o;
}

static inline int get_object(struct world *w, struct str key, struct s3_object *ret)
{
    return s3_object_get(w->x, w->b.bid, key, S3_READ_ANY, true, &w->a, ret);
}

/* The one file of the current object is @file; absent: there is no current object. */
static inline void assert_current(struct world *w, struct str key, struct str file)
{
    struct s3_object o;
    int r = get_object(w, key, &o);
    assert_int_equal(r, file.p ? 0 : -ENOENT);
    if (!file.p)
        return;
    assert_int_equal(o.nextents, 1);
    assert_true(str_eq(o.extents[0].file_id, file));
}

/* Files in the outbox, in any order, joined by blanks after sorting; empties nothing. */
static inline size_t garbage(struct world *w, struct s3_garbage **g)
{
    size_t n;
    assert_int_equal(s3_garbage_list(w->x, INT64_MAX - 1, 100000, &w->a, g, &n), 0);
    return n;
}

static inline bool is_garbage(struct world *w, struct str file)
{
    struct s3_garbage *g;
    size_t n = garbage(w, &g), found = 0;
    for (size_t i = 0; i < n; i++)
        found += str_eq(g[i].file_id, file);
    assert_in_range(found, 0, 1);
    return found == 1;
}

/* A file is kept by somebody, or waits in the outbox; never both, never neither. */
static inline void assert_kept(struct world *w, struct str file, bool kept)
{
    assert_int_equal(is_garbage(w, file), !kept); /* first: it empties the trash */
    assert_int_equal(s3_ref_used(w->x, file), kept);
}

static inline size_t count_rows(struct world *w, const char *letter)
{
    char until[2] = {(char)(letter[0] + 1), 0};
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    assert_int_equal(s3_iter_new(w->x, str_c(letter), str_c(until), &it), 0);
    size_t n = 0;
    for (; s3_iter_valid(it); s3_iter_next(it))
        n++;
    return n;
}

#endif
