/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move - a version of an object gets another storage class, or leaves a group or store path that is drained. Its number,
 * times, ETag, tags, ACL and lock stay as they are; only where its bytes lie changes.
 *
 *   the index has the number of what is to be described (commit.h) -> data written once more (relocate.h), the
 *   description beside it -> one update of the index: the record names the new file, the old one goes to the outbox, or
 *   is remembered (index/moved.h) -> the reclaimer
 *
 * A crash before the update leaves a file that nothing names, and a description that the next start takes back
 * (lifecycle/settle.h); readers see the old file until the update, the new one after it.
 *
 * A part of an open upload is described anew under the number it has, so that whatever a client uploads meanwhile is
 * the later one, and Complete, which looks whether its parts are still those, takes it where it is by then.
 *
 * Threads: a background thread's; blocks.
 */
#ifndef S3_MOVE_H
#define S3_MOVE_H

#include "s3gw/core/req.h"
#include "s3gw/index/bucket.h"

struct s3_move {
    struct str key;
    uint64_t seq; /* of the version */
    bool null_version;
    struct str storage_class; /* the new one; its group is where the data go */
    /* or, with @from: the class stays; data in that group, or on that store path ("group1/M01"), go
     * to @to, or to the group of the class, if it has its own */
    struct str from, to;
    uint64_t bytes; /* written: how many were copied */
};

struct s3_part_move { /* a part of an open upload leaves @from, as a version does */
    struct str key;
    uint64_t upload; /* its number */
    uint32_t part;
    struct str from, to;
    uint64_t bytes; /* written: how many were copied */
};

/* A request of nobody, for its arena. s3_req_fini() ends it. */
void s3_move_request(struct s3_req *q, struct s3_gw *gw, struct s3_bucket *b);
/* 0; -ESTALE, -ENOENT: the version has changed or gone; -EXDEV: its class lies in the drained group; errno. */
int s3_move_version(struct s3_req *q, struct s3_move *m) MUST_CHECK;
/* The same; -EOPNOTSUPP: an earlier build has stored it. */
int s3_move_part(struct s3_req *q, struct s3_part_move *m) MUST_CHECK;

#endif
