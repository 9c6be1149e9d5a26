/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/walk.h"

#include "s3gw/index/listing.h"
#include "s3gw/index/lock.h"
#include "s3gw/lifecycle/rules.h"

void s3_life_place_set(struct s3_life_place *p, struct str key)
{
    *p = (struct s3_life_place){.nkey = MIN(key.n, sizeof(p->key)),
                                .ndone = MIN(key.n, sizeof(p->done))};
    if (p->nkey) {
        memcpy(p->key, key.p, p->nkey);
        memcpy(p->done, key.p, p->ndone);
    }
}

static struct str key_of(const struct s3_life_place *p)
{
    return str_of(p->key, p->nkey);
}

/* @seq is the row of @key that was looked at last. */
static void move_to(struct s3_life_place *p, struct str key, uint64_t seq)
{
    if (!str_eq(key_of(p), key)) {
        memcpy(p->done, p->key, p->nkey);
        p->ndone = p->nkey;
        p->nkey = MIN(key.n, sizeof(p->key));
        memcpy(p->key, key.p, p->nkey);
        p->older = 0;
    }
    p->seq = seq;
}

/* 1: due now; 0; or errno. */
static int due(const struct s3_life_slice *s, const struct s3_life_thing *t)
{
    struct s3_life_verdict v;
    int r = s3_life_judge(s->record, t, s->day_ms, &v);
    return r > 0 ? v.due_ms <= s->now_ms : r;
}

static int list_page(struct s3_life_slice *s, const struct s3_life_place *p, size_t max,
                     int (*list)(struct s3_index *, const struct s3_list_query *, struct arena *,
                                 struct s3_list_page *),
                     struct s3_list_page *ret)
{
    const struct s3_list_query q = {.bid = s->bucket->bid,
                                    .prefix = s->prefix,
                                    .after = key_of(p),
                                    .after_seq = p->seq,
                                    .max = max};
    int r = list(s->index, &q, s->arena, ret);
    if (r < 0)
        return r;
    s->expiries = arena_alloc(s->arena, MAX(2 * ret->n, (size_t)1) * sizeof(*s->expiries));
    s->n = 0;
    s->rows = ret->n;
    s->locked = 0;
    s->more = ret->truncated;
    return s->expiries ? 0 : -ENOMEM;
}

/* --- objects and versions --- */

/* Is the marker the only row of its key? 1, 0, or errno. */
static int is_alone(struct s3_life_slice *s, struct str key, uint64_t seq)
{
    struct s3_list_page page;
    const struct s3_list_query q = {.bid = s->bucket->bid, .prefix = key, .max = 2};
    int r = s3_list_versions(s->index, &q, s->arena, &page);
    if (r < 0)
        return r;
    return page.n > 0 && str_eq(page.entries[0].key, key) && page.entries[0].object.seq == seq &&
           (page.n == 1 || !str_eq(page.entries[1].key, key));
}

static int read_again(struct s3_life_slice *s, const struct s3_life_thing *t,
                      const struct s3_expiry *e, struct s3_object *ret)
{
    const struct s3_version v = {e->null_version, e->seq};
    int r = t->kind == S3_LIFE_CURRENT
                ? s3_object_get(s->index, s->bucket->bid, e->key, S3_READ_ANY, false, s->arena, ret)
                : s3_object_get_version(s->index, s->bucket->bid, e->key, &v, S3_READ_ANY, false,
                                        s->arena, ret);
    return r == 0 && ret->seq != e->seq ? -ENOENT : r;
}

/* Under versioning nothing current is removed: a marker is put above it. */
static bool is_covered(const struct s3_life_slice *s, const struct s3_life_thing *t,
                       const struct s3_object *o)
{
    return t->kind == S3_LIFE_CURRENT &&
           (str_eq(s->bucket->versioning, STR("Enabled")) ||
            (s->bucket->versioning.p && !(o->flags & S3_OBJ_NULL_VERSION)));
}

/* Does a lock keep what would be removed? */
static bool is_kept(const struct s3_life_slice *s, const struct s3_life_thing *t,
                    const struct s3_object *o)
{
    return !is_covered(s, t, o) && s3_lock_check(o->lock, s->now_ms, false) < 0;
}

/* @t is due if its tags fit: look again, and take it. */
static int take(struct s3_life_slice *s, struct s3_life_thing t, const struct s3_object *listed)
{
    struct s3_expiry e = {.what = t.kind == S3_LIFE_CURRENT       ? S3_EXPIRE_CURRENT
                                  : t.kind == S3_LIFE_LONE_MARKER ? S3_EXPIRE_MARKER
                                                                  : S3_EXPIRE_VERSION,
                          .key = t.key,
                          .seq = listed->seq,
                          .null_version = listed->flags & S3_OBJ_NULL_VERSION};
    struct s3_object o;
    int r = t.kind == S3_LIFE_LONE_MARKER ? is_alone(s, t.key, listed->seq) : 1;
    if (r <= 0)
        return r;
    r = read_again(s, &t, &e, &o);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    t.tags = o.tags;
    t.any_tags = false;
    r = due(s, &t);
    if (r <= 0)
        return r;
    if (is_kept(s, &t, &o))
        s->locked++;
    else
        s->expiries[s->n++] = e;
    return 0;
}

/* 1 and the class it should move to; 0; errno. */
static int should_move(const struct s3_life_slice *s, const struct s3_life_thing *t,
                       const struct s3_object *o, struct str *ret_class)
{
    struct s3_life_move m;
    int r =
        s3_life_transition(s->record, t, o->storage_class, s->classes, s->day_ms, s->now_ms, &m);
    if (r > 0)
        *ret_class = m.storage_class;
    return r;
}

/* It moves if its tags fit: look again, and note it. Locks do not mind. */
static int take_move(struct s3_life_slice *s, struct s3_life_thing t,
                     const struct s3_object *listed)
{
    struct s3_expiry e = {.what = S3_EXPIRE_MOVE,
                          .key = t.key,
                          .seq = listed->seq,
                          .null_version = listed->flags & S3_OBJ_NULL_VERSION};
    struct s3_object o;
    int r = read_again(s, &t, &e, &o);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    t.tags = o.tags;
    t.any_tags = false;
    r = should_move(s, &t, &o, &e.storage_class);
    if (r > 0)
        s->expiries[s->n++] = e;
    return MIN(r, 0);
}

static int look_at(struct s3_life_slice *s, struct s3_life_place *p, const struct s3_list_entry *e,
                   bool maybe_alone)
{
    const struct s3_object *o = &e->object;
    bool marker = o->flags & S3_OBJ_DELETE_MARKER;
    struct s3_life_thing t = {.kind = S3_LIFE_CURRENT,
                              .key = e->key,
                              .any_tags = true,
                              .size = o->size,
                              .since_ms = o->mtime_ms};
    move_to(p, e->key, o->seq);
    if (!e->is_latest) {
        t.kind = S3_LIFE_OLD;
        t.since_ms = p->newer_ms;
        t.newer = p->older++;
    } else if (marker) {
        t.kind = S3_LIFE_LONE_MARKER;
    }
    p->newer_ms = o->mtime_ms;
    if (t.kind == S3_LIFE_LONE_MARKER && !maybe_alone)
        return 0;
    /* Removal goes before a move, a move before the marker that covers it. */
    struct str class;
    int removal = due(s, &t), move = marker ? 0 : should_move(s, &t, o, &class),
        r = MIN(removal, move);
    if (r >= 0 && move > 0 && (removal == 0 || is_covered(s, &t, o)))
        r = take_move(s, t, o);
    return r >= 0 && removal > 0 ? take(s, t, o) : MIN(r, 0);
}

int s3_life_walk_objects(struct s3_life_slice *s, struct s3_life_place *p, size_t max)
{
    struct s3_list_page page;
    struct s3_life_place at = *p;
    int r = list_page(s, p, max, s3_list_versions, &page);
    for (size_t i = 0; r == 0 && i < page.n; i++) {
        bool maybe_alone = i + 1 == page.n || !str_eq(page.entries[i + 1].key, page.entries[i].key);
        r = look_at(s, &at, &page.entries[i], maybe_alone);
    }
    if (r == 0)
        *p = at;
    return r;
}

/* --- uploads --- */

int s3_life_walk_uploads(struct s3_life_slice *s, struct s3_life_place *p, size_t max)
{
    struct s3_list_page page;
    struct s3_life_place at = *p;
    int r = list_page(s, p, max, s3_list_uploads, &page);
    for (size_t i = 0; r == 0 && i < page.n; i++) {
        const struct s3_upload *u = &page.entries[i].upload;
        const struct s3_life_thing t = {
            .kind = S3_LIFE_UPLOAD, .key = u->key, .since_ms = u->started_ms};
        move_to(&at, u->key, u->useq);
        r = due(s, &t);
        if (r > 0) {
            s->expiries[s->n++] =
                (struct s3_expiry){.what = S3_EXPIRE_UPLOAD, .key = u->key, .seq = u->useq};
            r = 0;
        }
    }
    if (r == 0)
        *p = at;
    return r;
}
