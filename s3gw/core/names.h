/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - what a bucket, a key, a user and a header may be called.
 *
 * Rule: Amazon S3 User Guide, "General purpose bucket naming rules", "Naming Amazon S3 objects";
 *       s3-behaviours 9 and 10.
 */
#ifndef S3_NAMES_H
#define S3_NAMES_H

#include "dfscore/base/str.h"

enum { S3_BUCKET_NAME_MAX = 63, S3_KEY_MAX = 1024, S3_USER_ID_MAX = 128 };

/* 3 to 63 of a-z 0-9 - . with their rules, no IPv4 address, none of AWS's reserved prefixes and
 * suffixes. */
bool s3_name_bucket_ok(struct str name);
/* 1 to 1024 bytes of well-formed UTF-8 without NUL. Nothing else is special: "..", "//", "/" are
 * keys. */
bool s3_name_key_ok(struct str key);
/* 1 to 128 bytes, none of them a control character. */
bool s3_name_user_ok(struct str id);
/* One that is made now: no blanks either, nor U+0080 to U+00A0. Earlier builds took those, and the
 * users stay. */
bool s3_name_new_user_ok(struct str id);
/* Can it stand in a head, which what is stored from a form or a query comes back in? A token: RFC
 * 9110, 5.1; no control characters but tabs. */
bool s3_name_header_ok(struct str name);
bool s3_name_header_value_ok(struct str value);

#endif
