/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settle - after a crash: what was described but never committed is said to be as it is.
 *
 * Nobody was told of such a change. A file of its own is an orphan and goes, but a note stays for
 * ever: a rebuild years later would remove what clients have been shown since, or show what never
 * was. So at each start the statements of the last two minutes before the last commit are compared
 * with the index: versions, sections, buckets, uploads. Not compared are parts of open uploads (one
 * that was not acknowledged may appear) and users.
 *
 * Threads: before requests are served, after lifecycle/behind.h has said that the index is this
 * store's; reads what behind.h does.
 */
#ifndef S3_SETTLE_H
#define S3_SETTLE_H

#include "s3gw/core/gw.h"

/* *ret: statements that were corrected. 0; -EHOSTUNREACH and the like: a storage cannot say. */
int s3_settle(struct s3_gw *gw, uint64_t *ret) MUST_CHECK;

#endif
