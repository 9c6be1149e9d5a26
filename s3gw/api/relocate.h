/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relocate - the bytes of an object written once more: to another group, for storage classes that
 * lie in different ones; or encrypted in another way. Everywhere else a copy names the files of its
 * source.
 *
 *   read piece by piece -> hash -> seal -> new file (256 KiB, a frame and the pool of dfs/ are all
 *   the memory)
 *   the end: the digests the object has must come out; then description, sync, file id
 *
 * Whoever called names the file in the index, or gives it up with s3_relocate_undo().
 *
 * Threads: workers and the lifecycle worker; blocks, about as long as an upload of that size takes.
 */
#ifndef S3_RELOCATE_H
#define S3_RELOCATE_H

#include "s3gw/api/encryption.h"
#include "s3gw/api/reader.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/object.h"

struct s3_relocation {
    struct str groups;            /* where to: the first that has room */
    struct str key;               /* for the file name's extension */
    const struct s3_extent *from; /* what to read, in order, as it is stored ... */
    size_t nfrom;
    struct s3_reader *reader; /* ... or content, through this, */
    uint64_t content;         /* so many bytes of it, ... */
    struct str bytes;         /* ... or these, without both: for objects the gateway makes itself */
    const struct s3_seal *seal; /* encrypt what was read; NULL: store it as it is */
    struct s3_checksum
        *sums[2];    /* of what was read; alg says which, NULL and NONE: nothing. Written,
                                    as md5 is, before describe() is called */
    uint8_t md5[16]; /* not computed when the seal does not want it */
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
