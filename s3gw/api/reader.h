/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader - the content of an object, or a window of it, whether its files are encrypted or not.
 *
 * Encrypted: every extent is a whole file of frames (sse/frames.h), the files of the non-empty
 * parts in order. A frame is decrypted and checked before any of its bytes are given out.
 *
 * Threads: one at a time. Frames are read through a buffer of the thread, 256 KiB that live as long
 * as it does.
 */
#ifndef S3_READER_H
#define S3_READER_H

#include "s3gw/index/object.h"
#include "s3gw/sse/frames.h"

struct s3_ahead;
struct s3_dfs;
struct s3_reader;

enum {
    /* Frames that are read in one go at most, and the file's bytes they are: sealed and open they
     * fit into a core's L2 cache. */
    S3_RUN_FRAMES = 4,
    S3_RUN_BYTES = S3_RUN_FRAMES * S3_FRAME_SEALED,
};

/* Bytes [first, first + n) of @o, whose data key is @dek (NULL: not encrypted). In the arena, as
 * @dek and what @o points to must be. 0; -EBADMSG: the record says it is larger than its files;
 * -ENOMEM. */
int s3_reader_new(struct s3_req *q, const struct s3_object *o, const uint8_t *dek, uint64_t first,
                  uint64_t n, struct s3_reader **ret) MUST_CHECK;
/*
 * Bytes [at, at + n) of the window to @out. @wait false: -EAGAIN when disk or peer would be needed.
 * -ERANGE; -EBADMSG: stored bytes are not what was written, of frames at no server; else as s3_dfs_read(). After an error
 * @out is not to be used.
 */
int s3_reader_read(struct s3_reader *rd, struct s3_dfs *d, uint64_t at, void *out, size_t n,
                   bool wait) MUST_CHECK;
/* How many of at most @max bytes from @at on to read in one go, so that it ends with a frame. */
size_t s3_reader_step(struct s3_reader *rd, uint64_t at, size_t max);
/* While a step is opened, the frames of the next one are read by @a, which has room for S3_RUN_BYTES
 * and outlives the reader's use. */
void s3_reader_ahead(struct s3_reader *rd, struct s3_ahead *a);

#endif
