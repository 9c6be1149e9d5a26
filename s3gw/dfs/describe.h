/* SPDX-License-Identifier: Apache-2.0 */
/*
 * describe - self-descriptions: what a storage keeps beside the data so that the key index can be
 * rebuilt from the storages alone. Versioned; decode reads all earlier versions.
 *
 *   u8 version (1), u8 kind, u64 order, lstr bucket name, lstr bucket owner id, lstr key,
 *   rest: by kind
 *     order     when it was described: microseconds of the wall clock, at least one more than the
 *               last of this process. Of several descriptions of a key the one with the highest
 *               order counts, on whichever store path it lies.
 *     PUT       object record (index/object.h encoding); what its extents lack of its size is the
 *               very file this description lies beside: all of it, or the last that was appended
 *     DELETE    nothing: the key has no current object any more
 *     PART      u64 upload seq, u32 part number, object record of the part (size, etag, checksum)
 *     BUCKET    bucket record: created, or its configuration changed (key is empty)
 *     UNBUCKET  nothing: the bucket is gone (key is empty)
 */
#ifndef S3_DESCRIBE_H
#define S3_DESCRIBE_H

#include "dfscore/base/buf.h"

enum s3_desc_kind {
    S3_DESC_PUT = 1,
    S3_DESC_DELETE = 2,
    S3_DESC_PART = 3,
    S3_DESC_BUCKET = 4,
    S3_DESC_UNBUCKET = 5
};

struct s3_desc {
    enum s3_desc_kind kind;
    uint64_t order; /* encode: 0 means now */
    struct str bucket;
    struct str owner_id;
    struct str key;
    struct str rest;
};

void s3_desc_encode(const struct s3_desc *d, struct buf *out);
int s3_desc_decode(struct str bytes, struct s3_desc *ret) MUST_CHECK; /* 0 or -EBADMSG; views */

#endif
