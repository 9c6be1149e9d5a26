/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/amend.h"

#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/lookup.h"
#include "s3gw/core/gw.h"

enum { TRIES = 8 };

struct amendment {
    uint64_t bid;
    struct str key;
    struct s3_object *object;
    enum s3_section what;
};

static int amend(struct s3_tx *tx, void *arg)
{
    struct amendment *a = arg;
    return s3_object_amend(tx, a->bid, a->key, a->object, a->what);
}

static bool is_current(struct s3_req *q, const struct s3_object *o)
{
    struct s3_object current;
    if (!s3_req_has_param(q, STR("versionId")))
        return true;
    return s3_object_get(q->gw->index, q->bkt->bid, q->key, S3_READ_ANY, false, &q->arena,
                         &current) == 0 &&
           current.seq == o->seq;
}

enum s3err s3_amend(struct s3_req *q, enum s3_section what, struct str value)
{
    int r = -EAGAIN;
    for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
        struct s3_object o;
        q->resp.nheaders = 0; /* the look-up says which version it is */
        enum s3err e = s3_lookup_said(q, true, &o);
        if (e != S3ERR_OK)
            return e;
        *(what == S3_SECTION_TAGS ? &o.tags : &o.acl) = value;
        struct amendment a = {q->bkt->bid, q->key, &o, what};
        /* A note would make an older version the newest one after a rebuild. */
        r = is_current(q, &o) ? s3_commit_key(q, q->bkt, q->key, &o, amend, &a)
                              : s3_index_update(q->gw->index, amend, &a);
    }
    return s3_commit_error(q, r);
}

enum s3err s3_keep_bucket_doc(struct s3_req *q, struct str doc, struct str value)
{
    int r = s3_commit_bucket_doc(q, doc, value);
    if (r == -ENOENT)
        return s3_err(q, S3ERR_NO_SUCH_BUCKET, "BucketName", q->bucket);
    return s3err_from_errno(r, S3_THING_BUCKET);
}
