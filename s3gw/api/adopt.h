/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt - files that FastDFS's clients stored become keys of a bucket, where they lie.
 *
 * An adopted object is a record with one extent, the whole file, and S3_OBJ_ADOPTED. It is noted on the
 * storages like any change without data, so a rebuild brings it back. The file stays its client's: deleting
 * or replacing the key leaves it (index/refs.h, s3_ref_keep); when the client deletes it, or cuts an
 * appender, the key is NoSuchKey to readers, though still listed. Copies, and moves to another class, copy data.
 *
 *   key       prefix + the file id without its group
 *   ETag      MD5 of file id and u64 size, then "-1": FastDFS keeps no MD5, and reading every file for one
 *             would take as long as copying it. With "-" no client takes it for an MD5 of the content
 *   checksum  CRC32, FULL_OBJECT, where the name has it: not of appenders and slaves
 *   headers   Content-Type by extension; metadata as x-amz-meta-, of this moment, as far as S3 can say it
 *   time      the file's
 *
 * A file that was adopted once is known from then on, also when its key has gone: a second run makes keys of
 * new files only. (Of empty files a rebuild forgets that.)
 *
 * Threads: admin socket's; blocks.
 */
#ifndef S3_ADOPT_H
#define S3_ADOPT_H

#include "s3gw/core/req.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/object.h"

struct s3_adopt {
    struct str group;
    struct str prefix;
    bool dry_run;   /* count, change nothing */
    bool appenders; /* too, as they are now */
};

struct s3_adopt_at { /* how far it is; zeroed: the beginning */
    char log[64];    /* s3_log.name; empty: before the first */
    unsigned path;
    uint64_t position;
    bool done;
};

struct s3_adopt_counts { /* of one slice */
    uint64_t files;      /* of FastDFS's clients, that were looked at */
    uint64_t adopted, bytes;
    uint64_t known;             /* adopted by an earlier run */
    uint64_t appenders;         /* left out */
    uint64_t taken;             /* another object has that key, or no key can be that long */
    uint64_t gone;              /* while it was looked at */
    uint64_t metadata_left_out; /* entries that are no headers, or more than 2 KiB together */
};

/*
 * The next slice: at most 256 files. @q as for a change of q->bkt. 0 and *at moved on; -ENOENT: no such group,
 * -ENODEV: the bucket has gone, -EDQUOT: its quota; else errno, and the slice may be asked for again.
 */
int s3_adopt_slice(struct s3_req *q, const struct s3_adopt *ask, struct s3_adopt_at *at,
                   struct s3_adopt_counts *ret) MUST_CHECK;

/* Metadata in FastDFS's text as headers of an object; into @o, which has room. Counts what was left out. Pure. */
enum { S3_ADOPT_HEADERS_MAX = 1 + 64 };
int s3_adopt_headers(struct str ext, struct str metadata, struct arena *a, struct s3_object *o,
                     uint64_t *left_out) MUST_CHECK;

#endif
