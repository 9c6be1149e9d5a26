/* SPDX-License-Identifier: Apache-2.0 */
/* upload_id - the upload and part number that the query names. Rule: s3-behaviours 16. */
#ifndef S3_API_UPLOAD_ID_H
#define S3_API_UPLOAD_ID_H

#include "s3gw/index/upload.h"

enum { S3_PART_NUMBER_MAX = 10000 };

/* The open upload of this bucket and key named by ?uploadId. NoSuchUpload with UploadId. May block.
 */
enum s3err s3_upload_named(struct s3_req *q, struct s3_upload *ret);
enum s3err s3_no_such_upload(struct s3_req *q);
/* ?partNumber, 1 to 10000; InvalidArgument. */
enum s3err s3_upload_part_number(struct s3_req *q, uint32_t *ret);

#endif
