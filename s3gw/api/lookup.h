/* SPDX-License-Identifier: Apache-2.0 */
/* lookup - the object that a request names by key and versionId, for handlers that are no GET.
 * Rule: s3-behaviours 18. */
#ifndef S3_LOOKUP_H
#define S3_LOOKUP_H

#include "s3gw/index/object.h"

/*
 * May block. @detail: extents and parts too. NoSuchKey, NoSuchVersion, InvalidArgument for a malformed
 * versionId. Sets x-amz-version-id on the answer where the bucket has versions.
 */
enum s3err s3_lookup(struct s3_req *q, bool detail, struct s3_object *ret);

#endif
