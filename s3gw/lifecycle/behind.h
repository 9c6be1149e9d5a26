/* SPDX-License-Identifier: Apache-2.0 */
/*
 * behind - is the index older than the store? One from a backup, or a new one where there was one
 * before, lacks what was acknowledged since: serving from it would show old objects, and what it
 * does not name would be deleted as orphans after a day.
 *
 * Every description says how far the index had committed durably when it was written. An index that
 * has committed less now is not that index any more. Not seen is the loss of the changes of the
 * last moment, behind which nothing was described; that is the same as a crash in that moment.
 *
 * Threads: before requests are served; reads what was logged since the search for orphans was last
 * there, at most the last minutes (lifecycle/settled.h), descriptions included.
 */
#ifndef S3_BEHIND_H
#define S3_BEHIND_H

#include "s3gw/core/gw.h"

enum s3_index_state {
    S3_INDEX_CURRENT,
    S3_INDEX_BEHIND, /* it is older, or new where there was one before */
    S3_INDEX_OTHER,  /* another index (index/identity.h) speaks to the same storages */
};

/* Before anything of the store is written to the index. enum s3_index_state; -EHOSTUNREACH and the
 * like: a storage cannot say. */
int s3_index_behind(struct s3_gw *gw) MUST_CHECK;

#endif
