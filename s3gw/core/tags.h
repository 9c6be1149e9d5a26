/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tags - a set of tags: parsed from a header, checked, kept sorted by key, encoded for the index.
 *
 * Record: u8 version (1), then lstr key, lstr value for each tag, sorted by key.
 * Rule:   s3-behaviours 23 (tagging); Amazon S3 User Guide, "Object tagging".
 * Threads: no state.
 */
#ifndef S3_TAGS_H
#define S3_TAGS_H

#include "dfscore/base/arena.h"

enum {
    S3_TAGS_OBJECT_MAX = 10,
    S3_TAGS_BUCKET_MAX = 50,
    S3_TAG_KEY_MAX = 128,
    S3_TAG_VALUE_MAX = 256
};

struct s3_tag {
    struct str key;   /* 1..128 characters */
    struct str value; /* 0..256 characters */
};

struct s3_tags {
    struct s3_tag tag[S3_TAGS_BUCKET_MAX];
    size_t n;
};

enum s3_tag_fault {
    S3_TAGS_OK,
    S3_TAGS_FORM,    /* not form encoding, an empty key, a key twice: InvalidArgument in a header */
    S3_TAGS_INVALID, /* length, character, reserved prefix, a key twice: InvalidTag */
    S3_TAGS_TOO_MANY, /* BadRequest */
    S3_TAGS_NO_MEMORY,
};

/* "a=1&b=two%20words", as x-amz-tagging has it; decoded into the arena, checked, sorted. */
enum s3_tag_fault s3_tags_parse_form(struct str form, size_t max, struct arena *a,
                                     struct s3_tags *ret) MUST_CHECK;
/* Limits and characters of every tag, unique keys; sorts by key. *ret_bad (may be NULL): the
 * culprit. */
enum s3_tag_fault s3_tags_check(struct s3_tags *t, size_t max, struct s3_tag *ret_bad) MUST_CHECK;

void s3_tags_encode(const struct s3_tags *t, struct buf *out);
/* 0, or -EBADMSG; views of @bytes. Absent bytes: no tags. */
int s3_tags_decode(struct str bytes, struct s3_tags *ret) MUST_CHECK;
/* How many; 0 for a damaged or absent record. */
size_t s3_tags_count(struct str bytes);

#endif
