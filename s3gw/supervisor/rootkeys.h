/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootkeys - access keys: root's, from the environment or generated once, and new ones for users.
 *
 * Rule: issue 2, section 2: S3GW_ROOT_ACCESS_KEY and S3GW_ROOT_SECRET_KEY win; else generated at
 * first start, kept with mode 0600 in the data folder, shown once. No default, ever.
 * Threads: any for generate; load and check on the main thread.
 */
#ifndef S3_ROOTKEYS_H
#define S3_ROOTKEYS_H

#include "s3gw/supervisor/datadir.h"

enum { S3_ACCESS_KEY_MIN = 3, S3_SECRET_KEY_MIN = 8, S3_KEY_TEXT_MAX = 128 };

struct s3_root_keys {
    char access_key[S3_KEY_TEXT_MAX + 1];
    char secret_key[S3_KEY_TEXT_MAX + 1];
    enum { S3_KEYS_FROM_ENVIRONMENT, S3_KEYS_FROM_FILE, S3_KEYS_GENERATED } origin;
};

/*
 * 0, or a negative errno with a line for people in @why (caller's, at least 200 bytes): one of the two
 * variables missing, a value out of range, a damaged file.
 */
int s3_root_keys_load(struct s3_datadir *d, struct s3_root_keys *ret, char *why,
                      size_t why_size) MUST_CHECK;
/* The same from the environment alone, for `s3gw serve`. -ENOENT: neither variable is set. */
int s3_root_keys_from_env(struct s3_root_keys *ret, char *why, size_t why_size) MUST_CHECK;

#endif
