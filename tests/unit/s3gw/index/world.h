/* SPDX-License-Identifier: Apache-2.0 */
/* world - an index in memory with a bucket, and the updates of tests as plain calls. */
#ifndef TEST_INDEX_WORLD_H
#define TEST_INDEX_WORLD_H

#include <stdio.h>

#include "s3gw/index/bucket.h"
#include "s3gw/index/listing.h"
#include "s3gw/index/object.h"
#include "s3gw/index/refs.h"
#include "s3gw/index/restore.h"
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
    const struct s3_amendment *m;
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

/* As callers do: a new number, and again when the index wants it otherwise. */
static inline int described(struct s3_tx *tx, struct call *c, struct s3_object *o,
                            int (*change)(struct s3_tx *tx, struct call *c, struct s3_object *o))
{
    int r = -ERESTART;
    for (int i = 0; r == -ERESTART && i < 3; i++) {
        o->seq = s3_tx_seq(tx);
        o->flags &= ~S3_OBJ_UNSAID;
        r = change(tx, c, o);
    }
    return r;
}

static inline int do_put(struct s3_tx *tx, struct call *c, struct s3_object *o)
{
    return s3_object_put(tx, c->bid, c->key, c->cond, o);
}

static inline int do_copy(struct s3_tx *tx, struct call *c, struct s3_object *o)
{
    return s3_object_copy(tx, c->bid, c->src, c->src_seq, c->bid, c->key, c->cond, o);
}

static inline int do_complete(struct s3_tx *tx, struct call *c, struct s3_object *o)
{
    return s3_upload_complete(tx, c->bid, c->key, c->u->useq, c->numbers, c->n, c->cond, o,
                              &c->gone);
}

/* What goes is found out by the first, refused try. */
static inline int do_delete(struct s3_tx *tx, struct call *c)
{
    struct s3_object o = {.owner_id = STR("marker-owner"), .mtime_ms = s3_tx_now(tx)};
    int r = -ERESTART;
    for (int i = 0; r == -ERESTART && i < 3; i++) {
        if (o.flags & S3_OBJ_DELETE_MARKER)
            o.seq = s3_tx_seq(tx);
        o.flags &= ~S3_OBJ_UNSAID;
        r = s3_object_delete(tx, c->bid, c->key, c->cond, &o, &c->deleted);
    }
    return r;
}

static inline int do_amend(struct s3_tx *tx, struct call *c, enum s3_section what,
                           const struct str *was)
{
    struct s3_amendment m = {c->o->seq, s3_tx_seq(tx), what, *s3_object_section(c->o, what), was};
    return s3_object_amend(tx, c->bid, c->key, &m);
}

static inline struct s3_upart *numbered(struct s3_tx *tx, struct s3_upart *p)
{
    p->seq = s3_tx_seq(tx);
    return p;
}

#define CALL(name, expression)                                                                     \
    static inline int name(struct s3_tx *tx, void *arg)                                            \
    {                                                                                              \
        struct call *c = arg;                                                                      \
        return (expression);                                                                       \
    }
CALL(fn_bucket_create, s3_bucket_create(tx, c->b, &c->w->a, &(struct s3_bucket){0}))
CALL(fn_bucket_update, s3_bucket_update(tx, c->b))
CALL(fn_bucket_delete, s3_bucket_delete(tx, c->key))
CALL(fn_put, described(tx, c, c->o, do_put))
CALL(fn_put_as_it_is, do_put(tx, c, c->o))
CALL(fn_delete, do_delete(tx, c))
CALL(fn_delete_version,
     s3_object_delete_version(tx, c->bid, c->key, &c->version, c->bypass, &c->deleted))
CALL(fn_copy, described(tx, c, c->o, do_copy))
CALL(fn_restore, s3_restore_version(tx, c->bid, c->key, c->o, true))
CALL(fn_amend_as_it_is, s3_object_amend(tx, c->bid, c->key, c->m))
CALL(fn_move, s3_object_move(tx, c->bid, c->key, s3_tx_seq(tx), c->was, c->o))
CALL(fn_touch, s3_object_touch(tx, c->bid, c->key, c->src_seq, c->owner, &c->w->a, c->o))
CALL(fn_amend, do_amend(tx, c, S3_SECTION_TAGS, NULL))
CALL(fn_amend_acl, do_amend(tx, c, S3_SECTION_ACL, NULL))
CALL(fn_amend_lock, do_amend(tx, c, S3_SECTION_LOCK, &c->was))
CALL(fn_upload_create, s3_upload_create(tx, c->bid, c->u))
CALL(fn_put_part, s3_upload_put_part(tx, c->bid, c->key, c->u->useq, numbered(tx, c->part)))
CALL(fn_copy_part, s3_upload_copy_part(tx, c->bid, c->src, c->src_seq, c->bid, c->key, c->u->useq,
                                       numbered(tx, c->part)))
CALL(fn_complete, described(tx, c, c->o, do_complete))
CALL(fn_abort, s3_upload_abort(tx, c->bid, c->key, c->u->useq))
CALL(fn_forget_finished, s3_upload_forget_finished(tx, c->time_ms, c->n))
CALL(fn_ref_orphan, s3_ref_orphan(tx, c->file, 0))
CALL(fn_forget_garbage, (s3_garbage_forget(tx, c->file), 0))

static inline int run(struct world *w, int (*fn)(struct s3_tx *, void *), struct call *c)
{
    c->w = w;
    if (fn == fn_bucket_create)
        c->b->bid = s3_index_number(w->x);
    if (fn == fn_upload_create)
        assert_int_equal(s3_upload_new_id(w->x, c->u), 0);
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
        .name = STR("bucket"), .owner_id = STR("owner"), .groups = STR("group1"), .created_ms = 1};
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
    assert_int_equal(s3_garbage_list(w->x, STR(""), INT64_MAX - 1, 100000, &w->a, g, &n), 0);
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
