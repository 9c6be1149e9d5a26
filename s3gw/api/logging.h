/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logging - server access logs: where those of a bucket go, and taking them there.
 *
 * Record (bucket document "logging"): u8 version (1), u8 format (enum s3_log_format), lstr target
 * bucket, lstr prefix, lstr ACL record of TargetGrants (empty: none).
 *
 * Who may deliver: a policy of the target bucket that lets the service logging.s3.amazonaws.com
 * s3:PutObject (conditions on aws:SourceArn and aws:SourceAccount hold for the source bucket and
 * its owner), or its ACL, when it grants the log-delivery group WRITE and READ_ACP. Judged when the
 * configuration is put, and again at each delivery.
 *
 * Rule: Amazon S3 API Reference, PutBucketLogging; Amazon S3 User Guide, "Enabling Amazon S3 server
 * access logging"; s3-behaviours 23.
 */
#ifndef S3_API_LOGGING_H
#define S3_API_LOGGING_H

#include "s3gw/core/gw.h"
#include "s3gw/core/req.h"
#include "s3gw/index/bucket.h"

/* Values are stored: append only. Keys: prefix and time; or prefix, account, region, bucket, day,
 * time, the day being that of the requests or that of the delivery. */
enum s3_log_format { S3_LOG_SIMPLE, S3_LOG_BY_EVENT, S3_LOG_BY_DELIVERY, S3_LOG_FORMATS_ };

struct s3_logging {
    enum s3_log_format format;
    struct str target, prefix;
    struct str acl; /* of the log objects; empty: private */
};

void s3_logging_encode(const struct s3_logging *l, struct buf *out);
int s3_logging_decode(struct str record, struct s3_logging *ret) MUST_CHECK; /* -EBADMSG; views */

struct s3_node;
/* <LoggingEnabled> to a configuration, views into the request's arena; the target is not looked at.
 * MalformedXML, InvalidArgument, what grants can be. */
enum s3err s3_logging_parse(struct s3_req *q, const struct s3_node *enabled,
                            struct s3_logging *ret);
/* ... and back. 0, -EBADMSG. */
int s3_logging_write(struct s3_req *q, const struct s3_logging *l, struct buf *xml) MUST_CHECK;

/* May the log-delivery service put @key into @target for logs of @source? Blocks. OK or
 * AccessDenied. */
enum s3err s3_logging_permitted(struct s3_gw *gw, const struct s3_bucket *source,
                                const struct s3_bucket *target, struct str key);

/* For struct s3_serverlog_options; @gw is the argument. */
int s3_logging_deliver(void *gw, struct str bucket, int64_t day_ms, struct str lines);

#endif
