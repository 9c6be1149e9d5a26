/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notification - which events of a bucket go where: the configuration as it is kept, and what it
 * says of one event. Pure; its XML is api/bucket_notification.c's.
 *
 * Record (bucket document "notification"): u8 version (1), varint number of rules; per rule: u8
 * kind (enum s3_notify_kind), u8 bits (1 prefix, 2 suffix given), lstr id, lstr target, u64 names
 * asked for (bit n: event n of events.def), lstr prefix, lstr suffix.
 *
 * Rule:    s3-behaviours 23; Amazon S3 User Guide, "Amazon S3 Event Notifications".
 * Threads: no state.
 */
#ifndef S3_NOTIFY_NOTIFICATION_H
#define S3_NOTIFY_NOTIFICATION_H

#include "dfscore/base/buf.h"

enum s3_event {
#define S3EVENT(id, name, covers) S3_EVENT_##id,
#include "s3gw/notify/events.def"
#undef S3EVENT
    S3_EVENTS_
};

enum {
    S3_NOTIFY_RULES_MAX = 100,
    S3_NOTIFY_ID_MAX = 255,
    S3_NOTIFY_TARGET_MAX = 512,
    S3_NOTIFY_DOC_MAX = 1024 * 1024,
};

enum s3_notify_kind { S3_NOTIFY_TOPIC, S3_NOTIFY_QUEUE, S3_NOTIFY_FUNCTION, S3_NOTIFY_KINDS_ };

struct s3_notify_rule {
    enum s3_notify_kind kind;
    bool has_prefix, has_suffix;
    struct str id, target;
    uint64_t names; /* bit n: event n was asked for by name */
    struct str prefix, suffix;
};

/* "s3:ObjectCreated:Put"; an event's own name has no "s3:" in front. */
struct str s3_event_name(enum s3_event e);
int s3_event_by_name(struct str name, enum s3_event *ret) MUST_CHECK; /* -EINVAL */

void s3_notify_encode_head(size_t rules, struct buf *out);
void s3_notify_encode_rule(const struct s3_notify_rule *r, struct buf *out);

/* Reading a record rule by rule, without memory: views into it. */
struct s3_notify_doc {
    struct rd rest;
    uint64_t left;
};
int s3_notify_open(struct str record, struct s3_notify_doc *ret) MUST_CHECK; /* 0, -EBADMSG */
int s3_notify_next(struct s3_notify_doc *d,
                   struct s3_notify_rule *ret) MUST_CHECK; /* 1; 0: the end; -EBADMSG */

bool s3_notify_matches(const struct s3_notify_rule *r, enum s3_event e, struct str key);
/* Could one event of one key go by both? AWS refuses such configurations. */
bool s3_notify_overlap(const struct s3_notify_rule *a, const struct s3_notify_rule *b);

#endif
