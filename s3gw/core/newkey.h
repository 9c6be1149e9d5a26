/* SPDX-License-Identifier: Apache-2.0 */
/*
 * newkey - fresh access keys, shaped like Amazon's so that every client accepts them: 20 upper-case
 * letters and digits, 40 characters of the base64 alphabet. Threads: any.
 */
#ifndef S3_NEWKEY_H
#define S3_NEWKEY_H

#include "dfscore/base/str.h"

enum { S3_NEW_ACCESS_KEY_LEN = 20, S3_NEW_SECRET_KEY_LEN = 40 };

/* Both NUL terminated. 0, or negative errno when the system has no randomness. */
int s3_new_key(char access_key[S3_NEW_ACCESS_KEY_LEN + 1],
               char secret_key[S3_NEW_SECRET_KEY_LEN + 1]) MUST_CHECK;

/* Visible ASCII without blanks. An access key must also be free of "/", which ends it in a scope. */
bool s3_key_text_ok(struct str s);

#endif
