/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy - policies of buckets and users: JSON in, a compact record kept beside it, and the record's
 * verdict.
 *
 * Record (document "policy"): u8 version (1), lstr the JSON as it came, u8 with variables, u8
 * public, then statements, each u32 length and u8 flags (S3_ST_*), list principals, list actions
 * (lower case), list resources (after "arn:aws:s3:::"), varint conditions, each: u8 operator, u8
 * quantifier, u8 if-exists, lstr key (lower case), list values. A list is a varint count and lstr
 * items. It is judged in place: no parsing of JSON, no memory.
 *
 * Rule: s3-behaviours 21; IAM User Guide, "IAM JSON policy elements", "Policy evaluation logic".
 */
#ifndef S3_POLICY_POLICY_H
#define S3_POLICY_POLICY_H

#include "s3gw/core/req.h"
#include "s3gw/index/object.h"

struct s3_bucket;
struct s3_index;

enum { S3_POLICY_JSON_MAX = 20 * 1024 };

/* Ids of service principals; no user's id holds a ':'. */
#define S3_SERVICE_PREFIX  "service:"
#define S3_SERVICE_LOGGING S3_SERVICE_PREFIX "logging.s3.amazonaws.com"

enum s3_verdict { S3_SILENT, S3_ALLOW, S3_DENY };

/* What is asked. */
struct s3_ask {
    struct s3_req *q;
    const struct s3_bucket *bkt;    /* NULL: none is concerned, or q->bucket is to be created */
    struct str key;                 /* absent: the bucket itself */
    struct str version;             /* its id as it was given; absent: the current object */
    struct str if_match;            /* of one of many objects; absent: the request's header */
    const char *action;             /* "s3:GetObject" */
    const struct s3_object *object; /* the present object, NULL: none or not known */
    bool began_it; /* the caller began the upload that is to be listed or aborted */
};

/* What a policy may speak of. */
struct s3_policy_scope {
    struct s3_index *index; /* where principals are looked up; may block */
    struct arena *arena;
    struct str bucket; /* absent: carried by a user, so no principals, and any bucket */
};
/* Compile @json. 0; -EINVAL and what is wrong with it, a literal, in *detail; another errno. */
int s3_policy_compile(const struct s3_policy_scope *scope, struct str json, struct buf *record,
                      const char **detail) MUST_CHECK;
/* What the policy says; an empty record is silent, a damaged one denies. */
enum s3_verdict s3_policy_verdict(struct str record, const struct s3_ask *ask);
/* Does it allow anything to everybody, without a condition that pins the caller? */
bool s3_policy_is_public(struct str record);
/* The text to give back; absent when there is none. */
struct str s3_policy_json(struct str record);

/* --- for the parts of this module --- */

enum { S3_ST_ALLOW = 1, S3_ST_NOT_PRINCIPAL = 2, S3_ST_NOT_ACTION = 4, S3_ST_NOT_RESOURCE = 8 };
enum { S3_CO_ANY_OF_ONE, S3_CO_FOR_ALL, S3_CO_FOR_ANY }; /* quantifier */

/* Operator by name without prefix and suffix ("StringLike"); 0 or -EINVAL. */
int s3_condition_operator(struct str name, uint8_t *ret) MUST_CHECK;
/* Can a value be compared by that operator? What is no number, date, address or truth value never
 * is, so a Deny that was mistyped would say nothing. */
bool s3_condition_value_ok(uint8_t op, struct str value);
/* Is it a key that can be asked for? Lower case. */
bool s3_condition_key_known(struct str key);
/* Would this condition pin the caller down, so that the statement is not public? Of its values each
 * must. */
bool s3_condition_pins_caller(struct str key, struct str value);
/* ... by this operator? Not one that asks for another value, or for none. */
bool s3_condition_can_pin(uint8_t op, uint8_t quantifier, bool if_exists);
/* Does the condition hold? Reads its values from @values: a list as above; consumes it. */
bool s3_condition_holds(uint8_t op, uint8_t quantifier, bool if_exists, struct str key,
                        struct rd *values, const struct s3_ask *ask, bool variables);
/* '*' and '?' match anything, '/' too. With @variables "${aws:username}" and its like are replaced.
 */
bool s3_glob(struct str pattern, struct str text, const struct s3_ask *ask, bool variables);

#endif
