/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cursor - the rows of one bucket in the order a listing shows them: by key, then newest version
 * (or oldest upload) first. For versions it merges the `o` and `v` rows of one state of the index.
 *
 * Threads: one owner. May block.
 */
#ifndef S3_INDEX_CURSOR_H
#define S3_INDEX_CURSOR_H

#include "dfscore/base/arena.h"
#include "s3gw/index/index.h"

enum s3_cursor_kind { S3_CURSOR_OBJECTS, S3_CURSOR_VERSIONS, S3_CURSOR_UPLOADS };

struct s3_cursor;

/* Positioned on the first row whose key has @prefix and is >= @from. */
int s3_cursor_new(struct s3_index *x, enum s3_cursor_kind kind, uint64_t bid, struct str prefix,
                  struct str from, struct s3_cursor **ret) MUST_CHECK;
void s3_cursor_free(struct s3_cursor **c);

bool s3_cursor_valid(const struct s3_cursor *c);
int s3_cursor_err(const struct s3_cursor *c); /* check when valid turned false */
/* Views until the next move. */
struct str s3_cursor_key(const struct s3_cursor *c);
struct str s3_cursor_value(const struct s3_cursor *c);
uint64_t s3_cursor_number(const struct s3_cursor *c); /* of v and m rows; 0 for o rows */
void s3_cursor_next(struct s3_cursor *c);
/* To the first row whose key does not begin with @prefix, which the key it stands on does. */
void s3_cursor_skip(struct s3_cursor *c, struct str prefix);

#endif
