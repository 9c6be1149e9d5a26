/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relocate - the bytes of an object written once more, to another group: for storage classes that
 * lie in different ones. Everywhere else a copy names the files of its source.
 *
 *   read piece by piece -> hash -> new file (256 KiB and the pool of dfs/ are all the memory)
 *   the end: the digests the object has must come out; then description, sync, file id
 *
 * Whoever called names the file in the index, or gives it up with s3_relocate_undo().
 *
 * Threads: workers and the lifecycle worker; blocks, about as long as an upload of that size takes.
 */
#ifndef S3_RELOCATE_H
#define S3_RELOCATE_H

#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/object.h"

struct s3_relocation {
    struct str group;             /* where to */
    struct str key;               /* for the file name's extension */
    const struct s3_extent *from; /* what to read, in order */
    size_t nfrom;
    struct str bytes; /* ... or these, when nfrom is 0: for objects the gateway makes itself */
    const struct s3_object *expect; /* ETag, parts, checksum the bytes must have; NULL: no check */
    int (*describe)(void *arg, struct buf *out); /* what is kept beside the file */
    void *arg;
    bool may_stop;       /* give up with -EINTR when the gateway stops */
    struct s3_extent to; /* written: the new file, whole; owner 0; the id in the arena */
};

/* Must an object of class @from be written anew to have class @to in @bkt? Only when the classes
 * lie in different groups, and it is not there yet. */
bool s3_relocate_needed(const struct s3_gw *gw, struct str from, struct str to,
                        const struct s3_bucket *bkt, const struct s3_extent *e, size_t n);

/* 0; -EBADMSG: the bytes are not what they should be; -EHOSTUNREACH, -ENOSPC, -ENOENT, ... */
int s3_relocate(struct s3_gw *gw, struct arena *a, struct s3_relocation *m) MUST_CHECK;
/* The index has refused it: to the outbox. */
void s3_relocate_undo(struct s3_gw *gw, const struct s3_relocation *m);

#endif
