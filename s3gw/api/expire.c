/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/expire.h"

#include "dfscore/log/log.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/notice.h"
#include "s3gw/api/relocate.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/upload.h"
#include "s3gw/lifecycle/note.h"

enum { ABORTS_A_COMMIT = 100 }; /* updates must be quick */

/* A request for its arena: nobody asked, so nobody is answered. */
static void background(struct s3_req *q, struct s3_gw *gw, struct s3_bucket *b)
{
    s3_req_init(q);
    q->gw = gw;
    q->bkt = b;
    q->who.user_id = b->owner_id; /* who owns the markers */
    q->may_block = true;
}

/* --- objects and versions --- */

static struct s3_deletion deletion_of(const struct s3_expiry *e)
{
    struct s3_deletion d = {.key = e->key};
    if (e->what == S3_EXPIRE_CURRENT) {
        d.cond.if_seq = e->seq;
        return d;
    }
    d.by_version = true;
    d.version = (struct s3_version){e->null_version, e->seq};
    return d;
}

static void fail_all(struct s3_expiry *e, size_t n, int r)
{
    for (size_t i = 0; i < n; i++)
        if (e[i].what != S3_EXPIRE_MOVE)
            e[i].result = r;
}

static void expire_objects(struct s3_req *q, struct s3_expiry *e, size_t n)
{
    struct s3_deletion *d = arena_alloc(&q->arena, MAX(n, (size_t)1) * sizeof(*d));
    if (!d) {
        fail_all(e, n, -ENOMEM);
        return;
    }
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (e[i].what != S3_EXPIRE_MOVE)
            d[m++] = deletion_of(&e[i]);
    s3_commit_deletions(q, d, m);
    m = 0;
    for (size_t i = 0; i < n; i++) {
        if (e[i].what == S3_EXPIRE_MOVE)
            continue;
        /* somebody else was first: as if it had changed */
        e[i].result = d[m].result == 0 && !d[m].gone.had ? -ENOENT : d[m].result;
        m++;
    }
}

/* --- moving to another storage class --- */

struct move {
    struct s3_req *q;
    struct s3_expiry *e;
    struct str was;
    struct s3_object o; /* as it will be */
    struct s3_amendment amendment; /* of the label alone */
    uint64_t number;               /* ... or of the data's description */
};

static int move_look_up(struct move *m)
{
    const struct s3_bucket *b = m->q->bkt;
    const struct s3_version v = {m->e->null_version, m->e->seq};
    int r = s3_object_get_version(m->q->gw->index, b->bid, m->e->key, &v, S3_READ_ANY, true,
                                  &m->q->arena, &m->o);
    if (r < 0 || m->o.seq != m->e->seq)
        return r < 0 ? r : -ENOENT;
    m->was = m->o.storage_class;
    m->o.storage_class = m->e->storage_class;
    m->amendment = (struct s3_amendment){
        .seq = m->o.seq, .what = S3_SECTION_CLASS, .value = m->e->storage_class, .was = &m->was};
    return 0;
}

static int relabel(struct s3_tx *tx, void *arg)
{
    const struct move *m = arg;
    int r = s3_object_amend(tx, m->q->bkt->bid, m->e->key, &m->amendment);
    if (r == 0)
        s3_notice_object(tx, m->q, S3_EVENT_TRANSITION, m->e->key, &m->o);
    return r;
}

static int describe_move(void *arg, struct buf *out)
{
    struct move *m = arg;
    struct s3_object o = m->o;
    o.extents = NULL; /* the file the description lies beside */
    o.nextents = 0;
    o.flags &= ~(uint32_t)S3_OBJ_ADOPTED;
    m->number = s3_index_number(m->q->gw->index);
    return s3_note_describe_put(m->q->gw, m->number, m->q->bkt, m->e->key, &o, 0, out);
}

static int commit_move(struct s3_tx *tx, void *arg)
{
    const struct move *m = arg;
    int r = s3_object_move(tx, m->q->bkt->bid, m->e->key, m->number, m->was, &m->o);
    if (r == 0)
        s3_notice_object(tx, m->q, S3_EVENT_TRANSITION, m->e->key, &m->o);
    return r;
}

static int move_data(struct move *m)
{
    struct s3_req *q = m->q;
    struct s3_relocation to = {
        .group = s3_class_group(&q->gw->classes, m->o.storage_class, q->bkt->group),
        .key = m->e->key,
        .from = m->o.extents,
        .nfrom = m->o.nextents,
        .expect = m->o.sse.p ? NULL : &m->o, /* nobody is here to open it; its frames are checked when read */
        .describe = describe_move,
        .arg = m,
        .may_stop = true};
    int r = s3_relocate(q->gw, &q->arena, &to);
    if (r < 0)
        return r;
    r = s3_object_in_one_file(&m->o, to.to.file_id, &q->arena, &m->o.extents, &m->o.nextents);
    if (r == 0 && !s3_file_in_group(to.to.file_id, to.group))
        r = -EHOSTUNREACH; /* written elsewhere: that is no move, the next pass tries again */
    if (r == 0)
        r = s3_index_update(q->gw->index, commit_move, m);
    if (r < 0) {
        s3_relocate_undo(q->gw, &to);
        s3_say_what_version_is(q, q->bkt, m->e->key, m->o.seq);
    }
    return r;
}

static int move_one(struct s3_req *q, struct s3_expiry *e)
{
    struct move m = {.q = q, .e = e};
    int r = move_look_up(&m);
    if (r < 0)
        return r;
    if (s3_relocate_needed(q->gw, m.was, m.o.storage_class, q->bkt, m.o.extents, m.o.nextents))
        r = move_data(&m);
    else
        r = s3_commit_amendment(q, q->bkt, e->key, &m.amendment, relabel, &m);
    return r == -EAGAIN ? -ESTALE : r;
}

static void move_objects(struct s3_gw *gw, const struct s3_bucket *b, struct s3_expiry *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (e[i].what != S3_EXPIRE_MOVE)
            continue;
        struct s3_req q;
        struct s3_bucket bucket = *b;
        background(&q, gw, &bucket);
        e[i].result = gw->stopping ? -EINTR : move_one(&q, &e[i]);
        s3_notice_committed(&q);
        static struct dfs_log_gate gate;
        if (e[i].result < 0 && e[i].result != -ESTALE && e[i].result != -ENOENT &&
            e[i].result != -EINTR && dfs_log_allow(&gate, 1))
            dfs_log(LOG_WARN, "lifecycle.move_failed", KV_STR("bucket", b->name),
                    KV_STR("class", e[i].storage_class), KV_ERR(e[i].result));
        s3_req_fini(&q);
    }
}

/* --- uploads --- */

struct abortion {
    uint64_t bid;
    struct s3_expiry *e;
    size_t n;
};

static int abort_some(struct s3_tx *tx, void *arg)
{
    const struct abortion *a = arg;
    s3_tx_frees(tx);
    for (size_t i = 0; i < a->n; i++) {
        a->e[i].result = s3_upload_abort(tx, a->bid, a->e[i].key, a->e[i].seq);
        if (a->e[i].result < 0 && a->e[i].result != -ENOENT)
            return a->e[i].result;
    }
    return 0;
}

static void expire_uploads(struct s3_gw *gw, const struct s3_bucket *b, struct s3_expiry *e,
                           size_t n)
{
    for (size_t i = 0; i < n; i += ABORTS_A_COMMIT) {
        struct abortion a = {b->bid, e + i, MIN(n - i, (size_t)ABORTS_A_COMMIT)};
        int r = 0;
        for (size_t k = 0; r == 0 && k < a.n; k++)
            r = s3_note_ended(gw, b, a.e[k].key, a.e[k].seq);
        if (r == 0)
            r = s3_index_update(gw->index, abort_some, &a);
        if (r < 0)
            fail_all(a.e, a.n, r);
    }
}

void s3_expire(struct s3_gw *gw, const struct s3_bucket *b, struct s3_expiry *e, size_t n)
{
    if (n > 0 && e[0].what == S3_EXPIRE_UPLOAD) { /* a slice is of one kind */
        expire_uploads(gw, b, e, n);
        return;
    }
    move_objects(gw, b, e, n); /* before markers cover them */
    struct s3_req q;
    struct s3_bucket bucket = *b;
    background(&q, gw, &bucket);
    expire_objects(&q, e, n);
    s3_notice_committed(&q);
    s3_req_fini(&q);
}
