/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uri - the request target: path, query, which bucket, which key; and AWS's percent-encoding.
 *
 * Rule: s3-behaviours 2 and 3; AWS IAM User Guide, "Create a signed AWS API request", UriEncode.
 * Threads: no state. Allocates from the given arena only.
 */
#ifndef S3_URI_H
#define S3_URI_H

#include "s3gw/core/req.h"

/*
 * Decode each %XX once; with @plus a '+' is a space. A view of @s when there is nothing to decode.
 * 0; -EINVAL for a '%' without two hex digits; -ENOMEM.
 */
int s3_uri_decode(struct arena *a, struct str s, bool plus, struct str *ret) MUST_CHECK;

/* Every byte but A-Z a-z 0-9 - . _ ~ becomes %XX (upper case); '/' stays with @keep_slash. */
void s3_uri_encode(struct buf *out, struct str s, bool keep_slash);

/*
 * Take the target apart as it stood in the request line, query and all: raw_path, raw_query, path,
 * params, and host for the absolute form. @target must live as long as @q. InvalidURI for anything
 * that is not a path, has bad escapes, bad UTF-8 or NUL in the path; SlowDown without memory.
 */
enum s3err s3_uri_parse(struct s3_req *q, struct str target);

/*
 * Bucket and key from the path and the Host header, by gw's domains: fills bucket, key,
 * virtual_host, website; or native_id alone. A website knows no parameters: they are dropped. InvalidBucketName,
 * KeyTooLongError, InvalidURI, InvalidRequest.
 */
enum s3err s3_uri_address(struct s3_req *q);

/*
 * x-amz-copy-source: "/bucket/key" or "bucket/key", encoded, with an optional "?versionId=id". A
 * '+' is a space. Absent *ret_version: none given. 0; -EINVAL when badly formed (bad escape,
 * impossible name); -ENOMEM.
 */
int s3_uri_copy_source(struct arena *a, struct str header, struct str *ret_bucket,
                       struct str *ret_key, struct str *ret_version) MUST_CHECK;

#endif
