/* SPDX-License-Identifier: Apache-2.0 */
/*
 * version - version ids as clients see them: the commit sequence number in 16 hex digits, which is
 * never reused, or the literal null. Opaque to clients.
 */
#ifndef S3_VERSION_H
#define S3_VERSION_H

#include "s3gw/index/object.h"

enum { S3_VERSION_ID_MAX = 17 };

/* NUL terminated; returns the length. */
size_t s3_version_id_format(const struct s3_object *o, char out[S3_VERSION_ID_MAX]);
/* 0 and *null or *seq; -EINVAL: not shaped like one. */
int s3_version_id_parse(struct str id, bool *null, uint64_t *seq) MUST_CHECK;
void s3_resp_version(struct s3_req *q, const char *header, const struct s3_object *o);

#endif
