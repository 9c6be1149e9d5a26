/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - the lifecycle configuration of a bucket: read, checked, kept, written, and what it says
 * of one object, version or upload. Pure.
 *
 * Record (bucket document "lifecycle"): u8 version (1), u8 minimum (enum s3_life_minimum), varint
 * number of rules; per rule: u16 bits (enum s3_life_bit), lstr id, and in this order what the bits
 * name: lstr prefix, u8 number of tags and lstr key, lstr value of each, varint greater, varint
 * less, varint expiration days, u64 expiration date, varint noncurrent days, varint newer versions,
 * varint abort days, u8 number of transitions and of each: u8 bits (enum s3_life_move_bit), lstr
 * class, varint days or u64 date, varint newer versions if given.
 *
 * Rule: s3-behaviours 20; Amazon S3 API Reference, PutBucketLifecycleConfiguration; Amazon S3 User
 * Guide, "Lifecycle configuration elements", "Understanding object expiration".
 * Threads: no state; any.
 */
#ifndef S3_LIFECYCLE_RULES_H
#define S3_LIFECYCLE_RULES_H

#include "s3gw/core/req.h"
#include "s3gw/core/tags.h"

struct s3_node;
struct s3_classes;

enum {
    S3_LIFE_RULES_MAX = 1000,
    S3_LIFE_ID_MAX = 255,
    S3_LIFE_MOVES_MAX = 16,     /* transitions of a rule */
    S3_LIFE_SMALL = 128 * 1024, /* bytes: below, transitions leave an object alone by default */
    S3_LIFE_DOC_MAX = 4 * 1024 * 1024, /* bytes of a record */
};
#define S3_LIFE_DAY_MS INT64_C(86400000)

enum s3_life_bit {
    S3_LIFE_ENABLED = 1u << 0,
    S3_LIFE_OLD_PREFIX = 1u << 1, /* <Prefix> of the rule itself, not of a <Filter> */
    S3_LIFE_FILTER = 1u << 2,     /* there was a <Filter> */
    S3_LIFE_AND = 1u << 3,        /* ... with <And> */
    S3_LIFE_PREFIX = 1u << 4,
    S3_LIFE_TAGS = 1u << 5,
    S3_LIFE_GREATER = 1u << 6,
    S3_LIFE_LESS = 1u << 7,
    S3_LIFE_DAYS = 1u << 8,
    S3_LIFE_DATE = 1u << 9,
    S3_LIFE_MARKER = 1u << 10,      /* <ExpiredObjectDeleteMarker> was given */
    S3_LIFE_MARKER_TRUE = 1u << 11, /* ... and is true */
    S3_LIFE_NONCURRENT = 1u << 12,  /* NoncurrentDays */
    S3_LIFE_NEWER = 1u << 13,
    S3_LIFE_ABORT = 1u << 14,
    S3_LIFE_MOVES = 1u << 15, /* transitions */
};

enum s3_life_move_bit {
    S3_LIFE_MOVE_DATE = 1u << 0,       /* by date, not by days */
    S3_LIFE_MOVE_NONCURRENT = 1u << 1, /* <NoncurrentVersionTransition> */
    S3_LIFE_MOVE_NEWER = 1u << 2,      /* NewerNoncurrentVersions was given */
};
struct s3_life_move { /* a transition */
    unsigned bits;
    struct str storage_class;
    uint32_t days;   /* >= 0 */
    int64_t date_ms; /* a midnight, UTC */
    uint32_t newer;  /* 1..100 */
};

struct s3_life_rule {
    unsigned bits;
    struct str id;
    struct str prefix;
    struct s3_tag tag[S3_TAGS_OBJECT_MAX]; /* all must be there */
    size_t ntags;
    uint64_t greater, less;   /* bytes, both strict */
    uint32_t days;            /* > 0 */
    int64_t date_ms;          /* a midnight, UTC */
    uint32_t noncurrent_days; /* > 0 */
    uint32_t newer;           /* 1..100 */
    uint32_t abort_days;      /* > 0 */
    struct s3_life_move move[S3_LIFE_MOVES_MAX];
    size_t nmoves;
};

/* Which objects under S3_LIFE_SMALL transitions leave alone, unless a filter speaks of sizes. */
enum s3_life_minimum { S3_LIFE_ALL_128K, S3_LIFE_VARIES, S3_LIFE_MINIMUMS_ };
struct str s3_life_minimum_name(enum s3_life_minimum m);
int s3_life_minimum_parse(struct str s, enum s3_life_minimum *ret) MUST_CHECK; /* -EINVAL */

/*
 * The record of <LifecycleConfiguration>, appended to @out; rules without an ID get one.
 * MalformedXML, InvalidArgument, InvalidRequest, InvalidTag, InvalidStorageClass with the reason.
 */
enum s3err s3_life_parse(struct s3_req *q, const struct s3_node *root, enum s3_life_minimum minimum,
                         struct buf *out);

/* Reading a record, rule by rule, without memory: views into it. */
struct s3_life_doc {
    struct rd rest;
    uint64_t left; /* rules */
    enum s3_life_minimum minimum;
};
int s3_life_open(struct str record, struct s3_life_doc *ret) MUST_CHECK; /* 0, -EBADMSG */
int s3_life_next(struct s3_life_doc *d,
                 struct s3_life_rule *ret) MUST_CHECK; /* 1; 0: the end; -EBADMSG */

int s3_life_write(struct str record,
                  struct buf *xml) MUST_CHECK; /* the rules as elements; 0, -EBADMSG */

/* What is judged. */
enum s3_life_kind {
    S3_LIFE_CURRENT,     /* since_ms: its last modification */
    S3_LIFE_LONE_MARKER, /* a delete marker with no versions behind it; since_ms: its own time */
    S3_LIFE_OLD,         /* a noncurrent version or marker; since_ms: when its successor was made */
    S3_LIFE_UPLOAD,      /* since_ms: when it was begun */
};
struct s3_life_thing {
    enum s3_life_kind kind;
    struct str key;
    struct str tags; /* record of core/tags.h; absent: none */
    bool any_tags;   /* the tags are not known yet: filters on them fit */
    uint64_t size;
    int64_t since_ms;
    uint32_t newer; /* OLD: how many noncurrent versions of the key are newer than this one */
};

struct s3_life_verdict {
    int64_t due_ms;     /* from then on it may go */
    struct str rule_id; /* of the rule that is due first; view into the record */
};

/*
 * When does it go? @day_ms: length of a day, 0: a real one; other lengths have their midnights at
 * whole multiples of it since 1970. 1 and *ret; 0: no enabled rule speaks of it; -EBADMSG:
 * unreadable record.
 */
int s3_life_judge(struct str record, const struct s3_life_thing *t, int64_t day_ms,
                  struct s3_life_verdict *ret) MUST_CHECK;

/*
 * To which storage class should it have moved by now, which is of class @now (absent: STANDARD)? The
 * lowest in the order of @c that is due; nothing moves up. 1 and the rule and class (views); 0;
 * -EBADMSG.
 */
int s3_life_transition(struct str record, const struct s3_life_thing *t, struct str now,
                       const struct s3_classes *c, int64_t day_ms, int64_t now_ms,
                       struct s3_life_move *ret) MUST_CHECK;

/* What a walk over the bucket can save: the longest prefix all enabled rules share, and which kinds
 * of things they speak of. 0, -EBADMSG. */
struct s3_life_scope {
    struct str prefix;
    bool objects, uploads;
};
int s3_life_scope(struct str record, struct s3_life_scope *ret) MUST_CHECK;

/* The first midnight after @since_ms plus @days. */
int64_t s3_life_due(int64_t since_ms, uint32_t days, int64_t day_ms);

/* For the parser: one rule as the record has it. */
void s3_life_encode_rule(const struct s3_life_rule *r, struct buf *out);
void s3_life_encode_head(size_t rules, enum s3_life_minimum minimum, struct buf *out);

#endif
