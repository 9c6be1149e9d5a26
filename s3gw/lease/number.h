/* SPDX-License-Identifier: Apache-2.0 */
/*
 * number - under which number this gateway holds the lease: the file INDEX.lease, beside the key index it stands for.
 *
 *   8 bytes "S3LEASE1", number u64, number of the file's inode u64; big endian
 *
 * A copy of the file, on another machine or from a backup, has another inode and counts as none: the index beside it is not
 * the one that the number was given to.
 *
 * Threads: any.
 */
#ifndef S3_LEASE_NUMBER_H
#define S3_LEASE_NUMBER_H

#include "dfscore/base/str.h"

/* 0; -ENOENT: none, or a copy; -EBADMSG: it is something else. */
int s3_lease_number_get(const char *index_path, uint64_t *ret) MUST_CHECK;
/* Durably. 0 or errno. */
int s3_lease_number_put(const char *index_path, uint64_t number) MUST_CHECK;
/* At random, never 0. */
uint64_t s3_lease_number_new(void);

#endif
