/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/expire.h"

#include "s3gw/api/commit.h"
#include "s3gw/index/upload.h"

enum { ABORTS_A_COMMIT = 100 }; /* updates must be quick */

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
        e[i].result = r;
}

static void expire_objects(struct s3_req *q, struct s3_expiry *e, size_t n)
{
    struct s3_deletion *d = arena_alloc(&q->arena, MAX(n, (size_t)1) * sizeof(*d));
    if (!d) {
        fail_all(e, n, -ENOMEM);
        return;
    }
    for (size_t i = 0; i < n; i++)
        d[i] = deletion_of(&e[i]);
    s3_commit_deletions(q, d, n);
    for (size_t i = 0; i < n; i++) /* somebody else was first: as if it had changed */
        e[i].result = d[i].result == 0 && !d[i].gone.had ? -ENOENT : d[i].result;
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
        int r = s3_index_update(gw->index, abort_some, &a);
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
    struct s3_req q; /* for its arena: nobody asked, so nobody is answered */
    struct s3_bucket bucket = *b;
    s3_req_init(&q);
    q.gw = gw;
    q.bkt = &bucket;
    q.who.user_id = b->owner_id; /* who owns the markers */
    q.may_block = true;
    expire_objects(&q, e, n);
    s3_req_fini(&q);
}
