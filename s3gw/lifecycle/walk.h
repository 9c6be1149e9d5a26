/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk - one page of a bucket's versions or uploads, and what of it the lifecycle says should go
 * now. Reads the index only; whoever calls removes.
 *
 * Every candidate is read again, whole, before it is named: listings know neither tags nor locks.
 *
 * Threads: one owner. May block.
 */
#ifndef S3_LIFECYCLE_WALK_H
#define S3_LIFECYCLE_WALK_H

#include "s3gw/core/storage_class.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/object.h"
#include "s3gw/index/rows.h"

enum s3_expiry_what {
    S3_EXPIRE_CURRENT, /* delete the current object, as DeleteObject does, while it is the one named
                        */
    S3_EXPIRE_VERSION, /* remove that version for good */
    S3_EXPIRE_MARKER,  /* the same, of a delete marker with nothing behind it */
    S3_EXPIRE_UPLOAD,  /* abort */
    S3_EXPIRE_MOVE,    /* not removed: that version gets another storage class */
};

struct s3_expiry {
    enum s3_expiry_what what;
    struct str key;
    uint64_t seq; /* of the object or version; of an upload its number */
    bool null_version;
    struct str storage_class; /* MOVE: the new one */
    int result; /* for the remover: 0; -ESTALE, -ENOENT: it has changed or gone; -EPERM: locked;
                   errno */
};

/* Where in a bucket; zeroed: at its beginning. */
struct s3_life_place {
    char key[S3_OBJECT_KEY_MAX], done[S3_OBJECT_KEY_MAX];
    size_t nkey, ndone; /* done: the last key of which all has been looked at; where to resume */
    uint64_t seq;       /* within key: the last row seen */
    int64_t newer_ms;   /* time of that row: the rows behind it are noncurrent since then */
    uint32_t older;     /* noncurrent rows of key seen so far */
};

/* To the rows behind @key. */
void s3_life_place_set(struct s3_life_place *p, struct str key);

struct s3_life_slice {
    struct s3_index *index;
    const struct s3_bucket *bucket;
    struct str record; /* its document "lifecycle" */
    struct str prefix; /* only keys below it */
    const struct s3_classes *classes;
    int64_t day_ms, now_ms;
    struct arena *arena;
    /* Written: */
    struct s3_expiry *expiries; /* arena; of one key the move before the marker that covers it */
    size_t n;
    size_t rows;   /* looked at */
    size_t locked; /* were due, but a lock keeps them */
    bool more;
};

/* The page behind *p, of at most @max rows; *p moves behind it. 0, or errno and *p as it was. */
int s3_life_walk_objects(struct s3_life_slice *s, struct s3_life_place *p, size_t max) MUST_CHECK;
int s3_life_walk_uploads(struct s3_life_slice *s, struct s3_life_place *p, size_t max) MUST_CHECK;

#endif
