/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/commit.h"

#include <pthread.h>

#include "dfscore/log/log.h"
#include "s3gw/core/groups.h"
#include "s3gw/core/gw.h"
#include "s3gw/lifecycle/note.h"

/* --- taking a note back --- */

static void not_taken_back(int r)
{
    static struct dfs_log_gate gate;
    if (r < 0 && dfs_log_allow(&gate, 1))
        dfs_log(LOG_ERROR, "s3.note_not_taken_back", KV_ERR(r));
}

void s3_say_void(struct s3_req *q, const struct s3_bucket *bkt, struct str key, uint64_t version)
{
    struct s3_desc_change c = {.version = version};
    not_taken_back(s3_note_change(q->gw, S3_DESC_VOID, bkt, key, &c, NULL));
}

struct touch {
    uint64_t bid, seq, number;
    struct str key;
    struct arena *arena; /* the request's; its worker waits for the update */
    struct s3_object now;
};

static int touch(struct s3_tx *tx, void *arg)
{
    struct touch *t = arg;
    return s3_object_touch(tx, t->bid, t->key, t->seq, t->number, t->arena, &t->now);
}

int s3_number_again(struct s3_req *q, const struct s3_bucket *bkt, struct str key, uint64_t version,
                    uint64_t *number, struct s3_object *now)
{
    struct touch t = {.bid = bkt->bid,
                      .seq = version,
                      .number = s3_index_number(q->gw->index),
                      .key = key,
                      .arena = &q->arena};
    int r = s3_index_update(q->gw->index, touch, &t);
    *number = t.number;
    *now = t.now;
    return r;
}

void s3_say_what_version_is(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                            uint64_t version)
{
    uint64_t number;
    struct s3_object now;
    int r = s3_number_again(q, bkt, key, version, &number, &now);
    if (r == 0)
        r = s3_note_put(q->gw, number, bkt, key, &now, 0);
    if (r != -ENOENT && r != -ENODEV) /* not there any more: then nothing is said of it */
        not_taken_back(r);
}

static void say_what_bucket_is(struct s3_req *q, const struct s3_bucket *noted)
{
    struct s3_bucket now;
    int r = s3_bucket_get(q->gw->index, noted->name, S3_READ_ANY, &q->arena, &now);
    bool there = r == 0 && now.bid == noted->bid;
    if (r == 0 || r == -ENOENT)
        r = s3_note_bucket(q->gw, there ? &now : noted, !there);
    not_taken_back(r);
}

/* --- one change --- */

uint32_t s3_new_version_flags(const struct s3_bucket *bkt)
{
    return str_eq(bkt->versioning, STR("Enabled")) ? 0 : S3_OBJ_NULL_VERSION;
}

static int note_version(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                        struct s3_object *o, uint64_t before)
{
    o->seq = s3_index_number(q->gw->index);
    o->flags &= ~S3_OBJ_UNSAID;
    return s3_note_put(q->gw, o->seq, bkt, key, o, before);
}

void s3_number_version(struct s3_req *q, const struct s3_bucket *bkt, struct s3_object *o)
{
    o->flags = s3_new_version_flags(bkt);
    o->seq = s3_index_number(q->gw->index);
}

int s3_commit_described(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                        struct s3_object *o, int (*fn)(struct s3_tx *tx, void *arg), void *arg)
{
    uint64_t noted = o->seq;
    int r = s3_index_update(q->gw->index, fn, arg);
    for (int i = 0; r == -ERESTART && i < S3_COMMIT_TRIES; i++) {
        r = note_version(q, bkt, key, o, noted);
        if (r < 0)
            break;
        noted = o->seq;
        r = s3_index_update(q->gw->index, fn, arg);
    }
    if (r < 0)
        s3_say_void(q, bkt, key, noted);
    return r == -ERESTART ? -EAGAIN : r;
}

int s3_commit_version(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                      struct s3_object *o, int (*fn)(struct s3_tx *tx, void *arg), void *arg)
{
    o->flags = s3_new_version_flags(bkt);
    int r = note_version(q, bkt, key, o, 0);
    return r < 0 ? r : s3_commit_described(q, bkt, key, o, fn, arg);
}

int s3_commit_rename(struct s3_req *q, struct str from, uint64_t from_seq, struct str to,
                     struct s3_object *o, int (*fn)(struct s3_tx *tx, void *arg), void *arg)
{
    struct s3_desc_change gone = {.version = from_seq, .null = true};
    int r = -ERESTART;
    uint64_t noted = 0;
    for (int i = 0; r == -ERESTART && i < S3_COMMIT_TRIES; i++) {
        r = note_version(q, q->bkt, to, o, noted);
        if (r < 0)
            break;
        noted = o->seq;
        r = s3_note_change(q->gw, S3_DESC_GONE, q->bkt, from, &gone, NULL);
        if (r == 0)
            r = s3_index_update(q->gw->index, fn, arg);
    }
    if (r < 0 && noted) {
        s3_say_void(q, q->bkt, to, noted);
        s3_say_what_version_is(q, q->bkt, from, from_seq);
    }
    return r == -ERESTART ? -EAGAIN : r;
}

int s3_commit_amendment(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                        struct s3_amendment *m, int (*fn)(struct s3_tx *tx, void *arg), void *arg)
{
    int r = -ERESTART;
    for (int i = 0; r == -ERESTART && i < S3_COMMIT_TRIES; i++) {
        struct s3_desc_change c = {
            .version = m->seq, .section = (uint8_t)m->what, .value = m->value};
        r = s3_note_change(q->gw, S3_DESC_AMEND, bkt, key, &c, &m->number);
        if (r < 0)
            return r;
        r = s3_index_update(q->gw->index, fn, arg);
    }
    if (r < 0)
        s3_say_what_version_is(q, bkt, key, m->seq);
    return r == -ERESTART ? -EAGAIN : r;
}

/* Changes of a bucket are rare: one at a time, so that notes follow each other as commits do. The lock is held while
 * storages are written to, so it is that of a few names, and a group that hangs holds up its own. */
#define FREE PTHREAD_MUTEX_INITIALIZER
static pthread_mutex_t one_at_a_time[] = {FREE, FREE, FREE, FREE, FREE, FREE, FREE, FREE,
                                          FREE, FREE, FREE, FREE, FREE, FREE, FREE, FREE};
#undef FREE

static pthread_mutex_t *turn_of(struct str bucket)
{
    return &one_at_a_time[str_hash(bucket) % ARRAY_LEN(one_at_a_time)];
}

static int commit_bucket(struct s3_req *q, const struct s3_bucket *now,
                         int (*fn)(struct s3_tx *tx, void *arg), void *arg)
{
    const struct s3_bucket *noted = now ? now : q->bkt;
    int r = s3_note_bucket(q->gw, noted, !now);
    if (r < 0)
        return r;
    r = s3_index_update(q->gw->index, fn, arg);
    s3_bucket_changed(q->gw->index, noted->name);
    if (r < 0)
        say_what_bucket_is(q, noted);
    return r;
}

int s3_commit_bucket(struct s3_req *q, const struct s3_bucket *now,
                     int (*fn)(struct s3_tx *tx, void *arg), void *arg)
{
    pthread_mutex_t *turn = turn_of(now ? now->name : q->bkt->name);
    pthread_mutex_lock(turn);
    int r = commit_bucket(q, now, fn, arg);
    pthread_mutex_unlock(turn);
    return r;
}

/* --- documents of a bucket --- */

struct doc_change {
    struct str name; /* of the bucket */
    uint64_t bid;
    struct str doc;   /* absent: the value is the state of versioning */
    struct str value; /* absent: remove */
    struct str groups,
        was; /* not absent: nothing but that changes, if it is @was (absent: anything) now */
    s3_bucket_may may; /* NULL: always */
    struct arena *arena;
};

static int with_doc(const struct doc_change *c, struct s3_bucket *b)
{
    if (c->may && !c->may(b, c->value))
        return -ECANCELED;
    if (c->groups.p) {
        if (c->was.p && !str_eq(b->groups, c->was))
            return -ESTALE;
        b->groups = c->groups;
        return s3_groups_ok(c->groups) ? 0 : -EINVAL; /* no reader would take the record */
    }
    if (!c->doc.p) {
        b->versioning = c->value;
        return 0;
    }
    struct s3_pair_doc *docs = arena_alloc(c->arena, (b->ndocs + 1) * sizeof(*docs));
    if (!docs)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < b->ndocs; i++)
        if (!str_eq(b->docs[i].name, c->doc))
            docs[n++] = b->docs[i];
    if (c->value.p) {
        docs[n].name = c->doc;
        docs[n++].value = c->value;
    }
    b->docs = docs;
    b->ndocs = n;
    return 0;
}

static int change_doc(struct s3_tx *tx, void *arg)
{
    const struct doc_change *c = arg;
    struct s3_bucket now;
    int r = s3_bucket_get_tx(tx, c->name, c->arena, &now);
    if (r == 0 && now.bid != c->bid)
        r = -ENOENT;
    if (r == 0)
        r = with_doc(c, &now);
    return r < 0 ? r : s3_bucket_update(tx, &now);
}

static int commit_change(struct s3_req *q, struct doc_change *c)
{
    struct s3_bucket now;
    c->name = q->bkt->name;
    c->bid = q->bkt->bid;
    c->arena = &q->arena;
    pthread_mutex_t *turn = turn_of(c->name);
    pthread_mutex_lock(turn);
    int r = s3_bucket_get(q->gw->index, c->name, S3_READ_ANY, &q->arena, &now);
    if (r == 0 && now.bid != c->bid)
        r = -ENOENT;
    if (r == 0)
        r = with_doc(c, &now);
    if (r == 0)
        r = commit_bucket(q, &now, change_doc, c);
    pthread_mutex_unlock(turn);
    return r;
}

int s3_commit_bucket_doc(struct s3_req *q, struct str doc, struct str value)
{
    return s3_commit_bucket_doc_if(q, doc, value, NULL);
}

int s3_commit_bucket_doc_if(struct s3_req *q, struct str doc, struct str value, s3_bucket_may may)
{
    return commit_change(q, &(struct doc_change){.doc = doc, .value = value, .may = may});
}

int s3_commit_versioning(struct s3_req *q, struct str status, s3_bucket_may may)
{
    return s3_commit_bucket_doc_if(q, STR_NULL, status, may);
}

int s3_commit_bucket_groups(struct s3_req *q, struct str was, struct str groups)
{
    return commit_change(q, &(struct doc_change){.groups = groups, .was = was});
}
