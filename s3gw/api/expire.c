/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/expire.h"

#include "dfscore/log/log.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/move.h"
#include "s3gw/api/notice.h"
#include "s3gw/core/groups.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/upload.h"
#include "s3gw/lifecycle/note.h"

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

static int move_one(struct s3_req *q, const struct s3_expiry *e)
{
    struct s3_move m = {.key = e->key,
                        .seq = e->seq,
                        .null_version = e->null_version,
                        .storage_class = e->storage_class};
    return s3_move_version(q, &m);
}

static void move_objects(struct s3_gw *gw, const struct s3_bucket *b, struct s3_expiry *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (e[i].what != S3_EXPIRE_MOVE)
            continue;
        struct s3_req q;
        struct s3_bucket bucket = *b;
        s3_move_request(&q, gw, &bucket);
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

/* --- leaving a group --- */

int s3_leave(struct s3_gw *gw, const struct s3_bucket *b, struct s3_leaving *v)
{
    struct s3_req q;
    struct s3_bucket bucket = *b;
    struct s3_move m = {.key = v->key,
                        .seq = v->seq,
                        .null_version = v->null_version,
                        .from = v->from,
                        .to = v->to};
    struct s3_part_move p = {
        .key = v->key, .upload = v->seq, .part = v->part, .from = v->from, .to = v->to};
    s3_move_request(&q, gw, &bucket);
    int r = gw->stopping ? -EINTR : v->part ? s3_move_part(&q, &p) : s3_move_version(&q, &m);
    s3_req_fini(&q);
    v->bytes = v->part ? p.bytes : m.bytes;
    return r;
}

int s3_home(struct s3_gw *gw, const struct s3_bucket *b, struct str from, struct str to)
{
    struct s3_req q;
    struct s3_bucket bucket = *b;
    char groups[S3_GROUPS_TEXT_MAX + 1];
    s3_move_request(&q, gw, &bucket);
    int r = s3_groups_replace(b->groups, from, to, groups);
    if (r == 0)
        r = s3_commit_bucket_groups(&q, b->groups, str_c(groups));
    s3_req_fini(&q);
    return r;
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
    s3_move_request(&q, gw, &bucket);
    expire_objects(&q, e, n);
    s3_notice_committed(&q);
    s3_req_fini(&q);
}
