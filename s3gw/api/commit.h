/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit - changes that store no data: note first, then the index.
 *
 * The note (a description without data, s3gw/dfs/describe.h) makes the change part of what the
 * storages alone can tell; only then the index commits. When the commit is refused after the note,
 * a second note says what the key or bucket is now. A crash between the two leaves a change that
 * nobody was told of, which a rebuild may show or not.
 *
 * Threads: workers; everything here blocks.
 */
#ifndef S3_COMMIT_H
#define S3_COMMIT_H

#include "s3gw/core/req.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/object.h"
#include "s3gw/index/upload.h"

/*
 * The description that lies beside the data of an object (its extents are left out when it has
 * none: then it consists of the file the description is for), or of a part. @order as in
 * dfs/describe.h; 0: now. 0 or errno.
 */
int s3_describe_object(const struct s3_bucket *bkt, struct str key, const struct s3_object *o,
                       uint64_t order, struct buf *out) MUST_CHECK;
int s3_describe_part(const struct s3_bucket *bkt, struct str key, uint64_t useq,
                     const struct s3_upart *p, struct buf *out) MUST_CHECK;

/*
 * Note that @key of @bkt becomes @o (NULL: has no object any more), then run the update @fn. 0, the
 * update's errno (conditions: index/object.h), or the note's.
 */
int s3_commit_key(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                  const struct s3_object *o, int (*fn)(struct s3_tx *tx, void *arg),
                  void *arg) MUST_CHECK;

/*
 * Note that @o, so far of @from, is @to's, then run the update @fn. Result as above. Of the two notes
 * the new key's comes first: a rebuild after a crash between them shows the object twice, not never.
 */
int s3_commit_rename(struct s3_req *q, struct str from, struct str to, const struct s3_object *o,
                     int (*fn)(struct s3_tx *tx, void *arg), void *arg) MUST_CHECK;

/* A description that lies beside data has been refused by the index: note what the key is. */
void s3_commit_refused(struct s3_req *q, const struct s3_bucket *bkt, struct str key);

/* The same for a bucket: @now is the record it gets, NULL when it goes (@name). */
int s3_commit_bucket(struct s3_req *q, struct str name, const struct s3_bucket *now,
                     int (*fn)(struct s3_tx *tx, void *arg), void *arg) MUST_CHECK;

/* Store @value (absent: remove) as document @doc of q->bkt. 0 or errno; -ENOENT when the bucket is
 * gone. */
int s3_commit_bucket_doc(struct s3_req *q, struct str doc, struct str value) MUST_CHECK;

/* Switch versioning of q->bkt: "Enabled" or "Suspended". 0 or errno. */
int s3_commit_versioning(struct s3_req *q, struct str status) MUST_CHECK;

/*
 * Many keys lose their current object, or a version of theirs. Each is committed or not by itself.
 *
 * A version removed for good is noted after the commit, by what the key is then: which one comes to
 * the top is known only there.
 */
struct s3_deletion {
    struct str key;
    struct s3_cond cond; /* of the current object */
    bool by_version;
    struct s3_version version; /* when by_version */
    bool bypass_governance;    /* ... and the caller may */
    struct s3_deleted gone;    /* written: what happened */
    int result;                /* written: 0, or errno as of s3_object_delete; -EPERM: locked */
};
void s3_commit_deletions(struct s3_req *q, struct s3_deletion *d, size_t n);

#endif
