/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock - the lock section of an object record: retention and legal hold, and whether they forbid
 * removal.
 *
 *   u8 version (1), u8 mode (0 none, 1 governance, 2 compliance), u8 legal hold, u64 until (Unix
 * ms)
 *
 * Rule: s3-behaviours 19. Pure; any thread.
 */
#ifndef S3_INDEX_LOCK_H
#define S3_INDEX_LOCK_H

#include "dfscore/base/buf.h"

enum s3_lock_mode { S3_LOCK_NONE, S3_LOCK_GOVERNANCE, S3_LOCK_COMPLIANCE };

struct s3_lock {
    enum s3_lock_mode mode;
    int64_t until_ms;
    bool legal_hold;
};

void s3_lock_encode(const struct s3_lock *l, struct buf *out);
/* Absent: no lock. 0 or -EBADMSG. */
int s3_lock_decode(struct str section, struct s3_lock *ret) MUST_CHECK;
/* 0; -EPERM: may not be removed; -EBADMSG: unreadable, so it may not either. */
int s3_lock_check(struct str section, int64_t now_ms, bool bypass_governance) MUST_CHECK;

#endif
