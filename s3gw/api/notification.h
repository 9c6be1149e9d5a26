/* SPDX-License-Identifier: Apache-2.0 */
/* notification - the XML of a notification configuration; its meaning is notify/notification.h's.
 */
#ifndef S3_API_NOTIFICATION_H
#define S3_API_NOTIFICATION_H

#include "s3gw/core/req.h"
#include "s3gw/notify/notification.h"

struct s3_node;

/* <NotificationConfiguration> as rules (arena; views); targets are not looked at. MalformedXML,
 * InvalidArgument, NotImplemented (EventBridge). */
enum s3err s3_notification_parse(struct s3_req *q, const struct s3_node *root,
                                 struct s3_notify_rule **ret, size_t *ret_n);
void s3_notification_encode(const struct s3_notify_rule *rules, size_t n, struct buf *out);
int s3_notification_write(struct str record, struct buf *xml) MUST_CHECK; /* 0, -EBADMSG */

#endif
