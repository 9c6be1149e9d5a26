/* SPDX-License-Identifier: Apache-2.0 */
/* native_file - what a FastDFS file's name says of it as an object. Pure. */
#ifndef S3_NATIVE_FILE_H
#define S3_NATIVE_FILE_H

#include "dfscore/base/str.h"

/* Media type by extension (mime.def). Static string. */
struct str s3_native_type(struct str ext);
/* The content never changes under a name and size: MD5 of the id and u64 size make the ETag. */
void s3_native_etag(struct str file_id, uint64_t size, uint8_t md5[16]);

#endif
