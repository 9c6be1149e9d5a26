/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit - changes that store no data: note first, then the index.
 *
 * The note (a description without data, dfs/describe.h) makes the change part of what the storages
 * alone can tell; only then the index commits. When the index says that the change is not what was
 * noted (-ERESTART, index/object.h), it is noted again under a new number; when it refuses, a further
 * note says how it is instead. A crash between note and commit leaves a change that nobody was told
 * of; the next start takes it back (lifecycle/settle.h).
 *
 * Threads: workers; everything here blocks.
 */
#ifndef S3_COMMIT_H
#define S3_COMMIT_H

#include "s3gw/core/req.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/object.h"

enum { S3_COMMIT_TRIES = 32 }; /* under new numbers, before it is 503 */

/* What the bucket as we know it makes of a new version: S3_OBJ_NULL_VERSION or nothing. */
uint32_t s3_new_version_flags(const struct s3_bucket *bkt);

/*
 * Note that @key of @bkt gets the new version @o, then run the update @fn, which puts it. Its number
 * and flags are set here. 0, the update's errno (conditions: index/object.h), or the note's.
 */
int s3_commit_version(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                      struct s3_object *o, int (*fn)(struct s3_tx *tx, void *arg),
                      void *arg) MUST_CHECK;

/* Number and flags of a new version, before it is described beside new data. */
void s3_number_version(struct s3_req *q, const struct s3_bucket *bkt, struct s3_object *o);
/* The same for a version that has been described beside new data, with number and flags. */
int s3_commit_described(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                        struct s3_object *o, int (*fn)(struct s3_tx *tx, void *arg),
                        void *arg) MUST_CHECK;

/*
 * Note that @o, so far number @from_seq of @from, is @to's, then run the update @fn. Its new number is set
 * here. Of the two notes the new key's comes first: a rebuild after a crash between them shows the
 * object twice, not never.
 */
int s3_commit_rename(struct s3_req *q, struct str from, uint64_t from_seq, struct str to,
                     struct s3_object *o, int (*fn)(struct s3_tx *tx, void *arg),
                     void *arg) MUST_CHECK;

/* Note that a section of a version changes, then run @fn, which amends it by @m; its number is set
 * here. */
int s3_commit_amendment(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                        struct s3_amendment *m, int (*fn)(struct s3_tx *tx, void *arg),
                        void *arg) MUST_CHECK;

/* The same for a bucket: @now is the record it gets, NULL when q->bkt goes. */
int s3_commit_bucket(struct s3_req *q, const struct s3_bucket *now,
                     int (*fn)(struct s3_tx *tx, void *arg), void *arg) MUST_CHECK;

/* Store @value (absent: remove) as document @doc of q->bkt. 0 or errno; -ENOENT when the bucket is
 * gone. */
int s3_commit_bucket_doc(struct s3_req *q, struct str doc, struct str value) MUST_CHECK;

/* May a bucket that is @now get @value? Asked at the commit, inside the transaction: what was judged before is another
 * request's to change meanwhile. */
typedef bool (*s3_bucket_may)(const struct s3_bucket *now, struct str value);
/* The same where it depends: -ECANCELED when it may not. */
int s3_commit_bucket_doc_if(struct s3_req *q, struct str doc, struct str value,
                            s3_bucket_may may) MUST_CHECK;

/* New objects and notes of q->bkt go to @groups from now on, which were @was (absent: whatever they were). 0 or errno;
 * -ENOENT when the bucket is gone; -ESTALE: they are not @was. */
int s3_commit_bucket_groups(struct s3_req *q, struct str was, struct str groups) MUST_CHECK;

/* Switch versioning of q->bkt: "Enabled" or "Suspended". 0 or errno, as above. */
int s3_commit_versioning(struct s3_req *q, struct str status, s3_bucket_may may) MUST_CHECK;

/* Many keys lose their current object, or a version of theirs. Each is committed or not by itself. */
struct s3_deletion {
    struct str key;
    struct s3_cond cond; /* of the current object */
    bool by_version;
    struct s3_version version; /* when by_version */
    bool bypass_governance;    /* ... and the caller may */
    struct s3_deleted gone;    /* written: what happened */
    int result;                /* written: 0, or errno as of s3_object_delete; -EPERM: locked */
    struct s3_object what;     /* commit_deletions.c's own: what was noted */
    bool noted;
};
void s3_commit_deletions(struct s3_req *q, struct s3_deletion *d, size_t n);

/*
 * *number: for a statement that a version, which is there, is this now; *now: what it is, arena. A change that was noted
 * before and comes to the index later is noted again, so that it has the higher number. -ENOENT: it has gone.
 */
int s3_number_again(struct s3_req *q, const struct s3_bucket *bkt, struct str key, uint64_t version,
                    uint64_t *number, struct s3_object *now) MUST_CHECK;

/* For commit_deletions.c: notes of how it is instead, after a change was noted and refused. */
void s3_say_void(struct s3_req *q, const struct s3_bucket *bkt, struct str key, uint64_t version);
void s3_say_what_version_is(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                            uint64_t version);

#endif
