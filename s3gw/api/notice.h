/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice - what a change of an object tells the bucket's notification targets: rows of the outbox,
 * written by the update that makes the change. Costs buckets without a configuration one look at
 * their record, which is in memory.
 *
 * Rule: s3-behaviours 23.  Threads: inside updates.
 */
#ifndef S3_API_NOTICE_H
#define S3_API_NOTICE_H

#include "s3gw/index/object.h"
#include "s3gw/notify/notification.h"

/* @o (with its number and flags) has been created or changed in q->bkt. */
void s3_notice_object(struct s3_tx *tx, struct s3_req *q, enum s3_event e, struct str key,
                      const struct s3_object *o);
/* What a deletion did. By clients, or, when @q names no operation, by the lifecycle. */
void s3_notice_deleted(struct s3_tx *tx, struct s3_req *q, struct str key, bool by_version,
                       const struct s3_deleted *gone);
/* The updates of @q have been committed. */
void s3_notice_committed(struct s3_req *q);

#endif
