/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bucket - buckets and users in the index.
 *
 * Rows: b name -> bucket record;  B bid -> versioning, name;  u user-id -> user record;  k
 * access-key -> key record. Reads of buckets and keys are cached in this process; changes through
 * here drop the cached entry.
 */
#ifndef S3_INDEX_BUCKET_H
#define S3_INDEX_BUCKET_H

#include "dfscore/base/arena.h"
#include "s3gw/core/limits.h"
#include "s3gw/index/index.h"

struct s3_bucket {
    uint64_t bid; /* never reused */
    struct str name;
    struct str owner_id;
    /* where new objects go, as core/groups.h has it: to the first that has room */
    struct str groups;
    int64_t created_ms;
    struct str versioning; /* absent: never; "Enabled" or "Suspended" */
    /* Named configuration documents ("acl", "policy", "cors", ...), each bytes of its module's
     * encoding. */
    struct s3_pair_doc {
        struct str name, value;
    } * docs;
    size_t ndocs;
};

/* The bytes of a bucket's document, absent when unset. */
struct str s3_bucket_doc(const struct s3_bucket *b, struct str doc);

/* Whole record, versioned: the value of `b` rows, and the body of BUCKET descriptions
 * (dfs/describe.h). decode: views into @bytes and @arena. 0, -EBADMSG, -ENOMEM. */
void s3_bucket_encode(const struct s3_bucket *b, struct buf *out);
int s3_bucket_decode(struct str bytes, struct arena *a, struct s3_bucket *ret) MUST_CHECK;

int s3_bucket_get(struct s3_index *x, struct str name, enum s3_read how, struct arena *a,
                  struct s3_bucket *ret) MUST_CHECK; /* -ENOENT, -EAGAIN (CACHED) */
/* create: bid is from s3_index_number(), before the bucket was described. -EEXIST: there is one;
 * *existing (arena) is filled then. Inside an update. */
int s3_bucket_create(struct s3_tx *tx, const struct s3_bucket *b, struct arena *a,
                     struct s3_bucket *existing) MUST_CHECK;
/* -ENOTEMPTY when an object or version is left; open uploads are aborted (their files go to the
 * outbox). */
int s3_bucket_delete(struct s3_tx *tx, struct str name) MUST_CHECK;
/* Replace the record (docs, versioning); -ENOENT when gone or recreated (bid differs). */
int s3_bucket_update(struct s3_tx *tx, const struct s3_bucket *b) MUST_CHECK;
/* The record as this transaction sees it: to change one document without losing another's change.
 * -ENOENT. */
int s3_bucket_get_tx(struct s3_tx *tx, struct str name, struct arena *a,
                     struct s3_bucket *ret) MUST_CHECK;
/* What a write in that bucket must know; every write of an object asks. -ENODEV: the bucket is
 * gone. */
enum s3_versioning { S3_VERSIONING_NEVER, S3_VERSIONING_ENABLED, S3_VERSIONING_SUSPENDED };
int s3_bucket_versioning_tx(struct s3_tx *tx, uint64_t bid, enum s3_versioning *ret) MUST_CHECK;
/* Call after a create/delete/update committed: readers of this process see it at once. */
void s3_bucket_changed(struct s3_index *x, struct str name);

/* Buckets in name order, those of @owner_id (absent: all), name > @after, with @prefix. */
int s3_bucket_list(struct s3_index *x, struct str owner_id, struct str prefix, struct str after,
                   size_t max, struct arena *a, struct s3_bucket **ret, size_t *ret_n,
                   bool *ret_more) MUST_CHECK;
/* Call @one for every bucket there is, in name order, until it fails; the record is its own only
 * during the call. Not in an update. 0, what @one said, or errno. */
int s3_bucket_each(struct s3_index *x, int (*one)(void *arg, const struct s3_bucket *b),
                   void *arg) MUST_CHECK;

struct s3_user {
    struct str id, display_name, email;
    bool disabled;
    bool root;
    int64_t created_ms;
    struct str policies; /* opaque: policy/identity.h; absent: none */
    struct s3_limits limits;
};
struct s3_access_key {
    struct str access_key, secret, user_id;
    int64_t created_ms;
};

/* Whole records, versioned: values of `u` and `k` rows, bodies of USER and KEY descriptions. decode:
 * views into @bytes and @a. 0, -EBADMSG, -ENOMEM. */
void s3_user_encode(const struct s3_user *u, struct buf *out);
int s3_user_decode(struct str bytes, struct arena *a, struct s3_user *ret) MUST_CHECK;
void s3_key_encode(const struct s3_access_key *k, struct buf *out);
int s3_key_decode(struct str bytes, struct arena *a, struct s3_access_key *ret) MUST_CHECK;

int s3_user_get(struct s3_index *x, struct str id, enum s3_read how, struct arena *a,
                struct s3_user *ret) MUST_CHECK;
int s3_user_by_email(struct s3_index *x, struct str email, struct arena *a,
                     struct s3_user *ret) MUST_CHECK;
int s3_user_put(struct s3_tx *tx, const struct s3_user *u,
                bool must_be_new) MUST_CHECK; /* -EEXIST */
int s3_user_delete(struct s3_tx *tx,
                   struct str id) MUST_CHECK; /* with its keys; -ENOTEMPTY while it owns buckets */
int s3_user_list(struct s3_index *x, struct arena *a, struct s3_user **ret,
                 size_t *ret_n) MUST_CHECK;
/* The key and its user in one cached look-up: what every signed request needs. */
int s3_key_get(struct s3_index *x, struct str access_key, enum s3_read how, struct arena *a,
               struct s3_access_key *ret_key, struct s3_user *ret_user) MUST_CHECK;
int s3_key_put(struct s3_tx *tx, const struct s3_access_key *k) MUST_CHECK; /* -EEXIST */
int s3_key_delete(struct s3_tx *tx, struct str access_key) MUST_CHECK;      /* -ENOENT */
int s3_key_list(struct s3_index *x, struct str user_id, struct arena *a, struct s3_access_key **ret,
                size_t *ret_n) MUST_CHECK;
/* Call after a user or key change committed. */
void s3_users_changed(struct s3_index *x);

#endif
