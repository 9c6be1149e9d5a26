/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event - something that happened to an object: as it waits in the index, and as the document AWS
 * sends.
 *
 * Record: u8 version (1), u8 event, u8 bits (1 size and ETag, 2 version), i64 time ms, lstr rule
 * id, lstr bucket, lstr bucket owner, lstr key, lstr requester, lstr address, lstr request id, lstr
 * storage class (transitions), then what bits say: varint size, lstr ETag; lstr version id.
 *
 * Rule: Amazon S3 User Guide, "Event message structure"; s3-behaviours 23. eventVersion is 2.1, for
 * tags, ACLs and lifecycle 2.3. Keys are form-encoded ('+' for a blank), '/' stays.
 * Threads: no state.
 */
#ifndef S3_NOTIFY_EVENT_H
#define S3_NOTIFY_EVENT_H

#include "s3gw/notify/notification.h"

enum { S3_EVENT_RECORD_MAX = 16 * 1024, S3_EVENT_DOC_MAX = 64 * 1024 };

struct s3_event_record {
    enum s3_event event;
    int64_t time_ms;
    struct str rule_id, bucket, bucket_owner, key;
    struct str requester, address, request_id; /* absent: the gateway itself */
    struct str storage_class;                  /* of a transition: the new one */
    bool has_object;                           /* size and ETag are known */
    uint64_t size;
    struct str etag;    /* without quotes */
    struct str version; /* absent: the bucket has no versions */
};

void s3_event_encode(const struct s3_event_record *e, struct buf *out);
int s3_event_decode(struct str bytes, struct s3_event_record *ret) MUST_CHECK; /* -EBADMSG; views */

/* {"Records":[{...}]}. @number: of its row, the sequencer: greater for what was committed later. */
void s3_event_document(const struct s3_event_record *e, uint64_t number, struct str region,
                       struct buf *json);
/* What a target gets when a configuration names it: s3:TestEvent. */
void s3_event_test(struct str bucket, struct str request_id, int64_t now_ms, struct buf *json);

#endif
