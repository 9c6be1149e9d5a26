/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_encryption - UpdateObjectEncryption: another key wraps the data key of an object. One section of
 * the record changes; data, ETag and times stay. Copies of what it was before the change, under the old
 * key, stay in the storages' logs until those are written anew.
 *
 * Rule: Amazon S3 API Reference, UpdateObjectEncryption.
 */
#include "s3gw/api/object_encryption.h"

#include "s3gw/api/answer.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/encryption.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lookup.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/lock.h"
#include "s3gw/xml/reader.h"

enum { TRIES = 8 };

/* "arn:aws...:kms:...:key/NAME": neither bare ids nor aliases. */
static bool is_key_arn(struct str id)
{
    size_t kms = str_find(id, STR(":kms:")), key = str_find(id, STR(":key/"));
    return str_starts(id, STR("arn:aws")) && kms != SIZE_MAX && key != SIZE_MAX && kms < key;
}

enum s3err s3_object_encryption_parse(struct s3_req *q, const struct s3_node *root,
                                      struct s3_key_change *ret)
{
    const struct s3_node *kms = s3_node_child(root, "SSE-KMS");
    if (!kms || s3_node_child(root, "SSE-S3"))
        return s3_errm(
            q, S3ERR_INVALID_REQUEST,
            "Requests that modify an object encryption configuration require a valid new "
            "encryption type. Valid values are SSEKMS.");
    struct str bits = str_trim(s3_node_text(kms, "BucketKeyEnabled"));
    ret->id = str_trim(s3_node_text(kms, "KMSKeyArn"));
    ret->bucket_key = str_eq(bits, STR("true"));
    if (!is_key_arn(ret->id))
        return s3_errm(
            q, S3ERR_INVALID_REQUEST,
            "Requests that modify an object's encryption type to SSE-KMS require a valid "
            "AWS KMS key Amazon Resource Name (ARN).");
    if (bits.p && !ret->bucket_key && !str_eq(bits, STR("false")))
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The BucketKeyEnabled value isn't valid. Valid values are true or false.");
    return S3ERR_OK;
}

static enum s3err asked_for(struct s3_req *q, struct s3_key_change *ret)
{
    struct s3_node *root;
    if (q->who.how == S3_AUTH_V2_HEADER || q->who.how == S3_AUTH_V2_QUERY)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Requests that modify an object encryption configuration require AWS "
                       "Signature Version 4.");
    enum s3err e = s3_need_digest(q);
    if (e == S3ERR_OK)
        e = s3_document(q, "ObjectEncryption", &root);
    return e == S3ERR_OK ? s3_object_encryption_parse(q, root, ret) : e;
}

struct change {
    uint64_t bid;
    struct str key;
    struct s3_object o; /* as read */
    struct s3_amendment m;
};

static int commit(struct s3_tx *tx, void *arg)
{
    const struct change *c = arg;
    int r = s3_lock_check(c->o.lock, s3_tx_now(tx), false);
    return r < 0 ? r : s3_object_amend(tx, c->bid, c->key, &c->m);
}

static enum s3err try_once(struct s3_req *q, const struct s3_key_change *a, int *ret_r)
{
    struct change c = {.bid = q->bkt->bid, .key = q->key};
    struct str section;
    q->resp.nheaders = 0; /* the look-up says which version it is */
    enum s3err e = s3_lookup_said(q, true, &c.o);
    if (e == S3ERR_OK)
        e = s3_encryption_change_key(q, &c.o, a->id, a->bucket_key, &section);
    if (e != S3ERR_OK)
        return e;
    c.m = (struct s3_amendment){
        .seq = c.o.seq, .what = S3_SECTION_SSE, .value = section, .was = &c.o.sse};
    *ret_r = s3_lock_check(c.o.lock, q->now_ms, false); /* before a note is written */
    if (*ret_r == 0)
        *ret_r = s3_commit_amendment(q, q->bkt, c.key, &c.m, commit, &c);
    return S3ERR_OK;
}

enum s3err s3_h_update_object_encryption(struct s3_req *q)
{
    struct s3_key_change a;
    enum s3err e = asked_for(q, &a);
    int r = -EAGAIN;
    for (int i = 0; e == S3ERR_OK && r == -EAGAIN && i < TRIES; i++)
        e = try_once(q, &a, &r);
    return e == S3ERR_OK ? s3_commit_error(q, r) : e;
}
