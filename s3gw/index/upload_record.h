/* SPDX-License-Identifier: Apache-2.0 */
/* upload_record - values of the rows `m` (open upload), `p` (its parts) and `c` (finished). */
#ifndef S3_INDEX_UPLOAD_RECORD_H
#define S3_INDEX_UPLOAD_RECORD_H

#include "s3gw/index/upload.h"

void s3_upload_encode(const struct s3_upload *u, struct buf *out);
/* useq and key are the row's, not the record's. Views into @bytes and @a. 0, -EBADMSG, -ENOMEM. */
int s3_upload_decode(struct str bytes, struct arena *a, struct s3_upload *ret) MUST_CHECK;
/* As listings want it: no headers and sections; strings copied to the arena. */
int s3_upload_decode_listed(struct str bytes, struct arena *a, struct s3_upload *ret) MUST_CHECK;

void s3_upart_encode(const struct s3_upart *p, struct buf *out);
int s3_upart_decode(struct str bytes, struct arena *a,
                    struct s3_upart *ret) MUST_CHECK; /* number is the row's */

struct s3_finished {
    uint64_t bid;
    struct str key;
    uint64_t seq;   /* the version that was made */
    uint64_t check; /* of the upload id */
    int64_t time_ms;
};
void s3_finished_encode(const struct s3_finished *f, struct buf *out);
int s3_finished_decode(struct str bytes, struct s3_finished *ret) MUST_CHECK;

#endif
