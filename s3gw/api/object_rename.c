/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RenameObject: the row of an object gets another key and a new number, everything else of it stays:
 * data, ETag, times, tags, ACL. As in directory buckets, where there are no versions, and within a
 * bucket.
 *
 * A client token is kept with the renamed object, in the place where a completed upload has its id:
 * the same request again finds its work done there, whatever has become of the source.
 *
 * Rule: S3 API Reference, RenameObject; S3 User Guide, "Renaming objects in directory buckets".
 */
#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/notice.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/names.h"
#include "s3gw/core/precond.h"
#include "s3gw/core/uri.h"
#include "s3gw/index/bucket.h"
#include "s3gw/policy/eval.h"

enum { TOKEN_MAX = 64, TRIES = 10 };

struct rename {
    struct s3_req *q;
    struct str from;
    struct s3_cond cond; /* of the destination */
    struct str token;    /* absent: none; 32 hex digits of the client's, 32 of the source */
    uint64_t seq;        /* of the source */
    struct s3_object o;  /* as it will be */
};

static enum s3err bad_source(struct s3_req *q, struct str header)
{
    return s3_err_arg(q, "The rename source must be a key of this bucket, percent-encoded.",
                      "x-amz-rename-source", str_head(header, 2048));
}

/* "/bucket/key", "bucket/key", or the key alone. */
static enum s3err source_of(struct s3_req *q, struct str *ret)
{
    struct str header = s3_req_option(q, STR("x-amz-rename-source")), path;
    int r = s3_uri_decode(&q->arena, header, false, &path);
    if (r == -ENOMEM)
        return s3err_from_errno(r, S3_THING_OTHER);
    if (r < 0 || path.n == 0)
        return bad_source(q, header);
    bool rooted = path.p[0] == '/';
    struct str tail = rooted ? str_from(path, 1) : path;
    bool named = str_starts(tail, q->bucket) && tail.n > q->bucket.n && tail.p[q->bucket.n] == '/';
    if (named)
        tail = str_from(tail, q->bucket.n + 1);
    if ((rooted && !named) || !s3_name_key_ok(tail))
        return bad_source(q, header);
    if (str_ends(tail, STR("/")) || str_ends(q->key, STR("/")))
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Keys that end with a slash can neither be renamed nor be renamed to.");
    if (str_eq(tail, q->key))
        return s3_errm(q, S3ERR_INVALID_REQUEST, "An object cannot be renamed to its own key.");
    *ret = tail;
    return S3ERR_OK;
}

static enum s3err token_of(struct s3_req *q, struct rename *m)
{
    struct str token = s3_req_option(q, STR("x-amz-client-token"));
    if (!token.p)
        return S3ERR_OK;
    bool ok = token.n > 0 && token.n <= TOKEN_MAX;
    for (size_t i = 0; ok && i < token.n; i++)
        ok = token.p[i] >= 33 && token.p[i] <= 126;
    if (!ok)
        return s3_err_arg(q, "A client token is 1 to 64 visible ASCII characters.",
                          "x-amz-client-token", str_head(token, 256));
    uint8_t sha[32];
    char hex[64];
    s3_sha256(token.p, token.n, sha);
    str_hex(sha, 16, hex);
    s3_sha256(m->from.p, m->from.n, sha);
    str_hex(sha, 16, hex + 32);
    m->token = arena_str(&q->arena, str_of(hex, sizeof(hex)));
    return m->token.p ? S3ERR_OK : s3err_from_errno(-ENOMEM, S3_THING_OTHER);
}

/* Was it this very request that made the destination what it is? */
static enum s3err done_before(struct s3_req *q, const struct rename *m, bool *ret)
{
    struct s3_object there;
    *ret = false;
    if (!m->token.p)
        return S3ERR_OK;
    int r = s3_object_get(q->gw->index, q->bkt->bid, q->key, S3_READ_ANY, false, &q->arena, &there);
    if (r < 0)
        return r == -ENOENT ? S3ERR_OK : s3err_from_errno(r, S3_THING_KEY);
    if (!str_eq(str_head(there.upload_id, 32), str_head(m->token, 32)))
        return S3ERR_OK;
    *ret = str_eq(there.upload_id, m->token);
    return *ret ? S3ERR_OK : S3ERR_IDEMPOTENCY_PARAMETER_MISMATCH;
}

static int move(struct s3_tx *tx, void *arg)
{
    struct rename *m = arg;
    s3_tx_frees(tx);
    int r = s3_object_rename(tx, m->q->bkt->bid, m->from, m->seq, m->q->key, &m->cond, &m->o);
    if (r == 0) { /* S3 Express has no events: told as a copy and a deletion */
        s3_notice_object(tx, m->q, S3_EVENT_CREATED_COPY, m->q->key, &m->o);
        s3_notice_deleted(tx, m->q, m->from, false, &(struct s3_deleted){.had = true});
    }
    return r;
}

/* By the object that is to be renamed, NULL when there is none. */
static enum s3err permitted(struct s3_req *q, struct str from, const struct s3_object *o)
{
    static const char *const actions[] = {"s3:GetObject", "s3:DeleteObject"};
    const struct s3_policy_target t = {.bkt = q->bkt, .key = from};
    enum s3err e = S3ERR_OK;
    for (size_t i = 0; e == S3ERR_OK && i < ARRAY_LEN(actions); i++)
        e = s3_policy_allows_of(q, &t, o, actions[i]);
    return e;
}

static enum s3err try_once(struct s3_req *q, struct rename *m, int *ret_r)
{
    struct s3_object o;
    *ret_r = 0;
    int r = s3_object_get(q->gw->index, q->bkt->bid, m->from, S3_READ_ANY, true, &q->arena, &o);
    enum s3err e = r == 0 || r == -ENOENT ? permitted(q, m->from, r == 0 ? &o : NULL)
                                          : s3err_from_errno(r, S3_THING_KEY);
    if (e == S3ERR_OK && r == -ENOENT)
        e = s3_err(q, S3ERR_NO_SUCH_KEY, "Key", m->from);
    if (e != S3ERR_OK)
        return e;
    e = s3_precond_rename_source(q, &o.etag, o.mtime_ms);
    if (e != S3ERR_OK)
        return e;
    m->seq = o.seq;
    m->o = o;
    if (m->token.p)
        m->o.upload_id = m->token;
    *ret_r = s3_commit_rename(q, m->from, m->seq, q->key, &m->o, move, m);
    return S3ERR_OK;
}

enum s3err s3_h_rename_object(struct s3_req *q)
{
    struct rename m = {.q = q};
    bool done = false;
    if (q->bkt->versioning.p)
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED,
                       "Renaming is not offered in a bucket that has versioning.");
    enum s3err e = source_of(q, &m.from);
    if (e == S3ERR_OK)
        e = token_of(q, &m);
    if (e == S3ERR_OK)
        e = s3_cond_of_write(q, &m.cond);
    if (e == S3ERR_OK)
        e = done_before(q, &m, &done);
    if (e != S3ERR_OK || done)
        return e;
    for (int i = 0; i < TRIES; i++) {
        int r;
        e = try_once(q, &m, &r);
        if (e != S3ERR_OK || r != -EAGAIN)
            return e == S3ERR_OK ? s3_commit_error(q, r) : e;
    }
    return S3ERR_OPERATION_ABORTED; /* somebody keeps replacing the source */
}
