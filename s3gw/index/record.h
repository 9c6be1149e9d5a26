/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - pieces that several records are made of, and the object record in the halves it is
 * stored in.
 *
 * Every decoder checks every byte: what does not add up is -EBADMSG. A record begins with its
 * version; a version we do not know is -EBADMSG as well.
 */
#ifndef S3_INDEX_RECORD_H
#define S3_INDEX_RECORD_H

#include "s3gw/index/object.h"

/* Text that is often lower-case hex (canonical ids): packed to half when it is. Absent is kept
 * apart. */
void s3_rec_add_id(struct buf *b, struct str s);
int s3_rec_id(struct rd *r, struct arena *a, struct str *ret) MUST_CHECK;

/* p == NULL is kept apart from empty. */
void s3_rec_add_opt(struct buf *b, struct str s);
struct str s3_rec_opt(struct rd *r);

void s3_rec_add_checksum(struct buf *b, const struct s3_checksum *c);
void s3_rec_checksum(struct rd *r, struct s3_checksum *ret); /* r->bad when out of range */

/* @self: the owner most extents have; 0 on the wire. */
void s3_rec_add_extents(struct buf *b, const struct s3_extent *e, size_t n, uint64_t self);
int s3_rec_extents(struct rd *r, struct arena *a, uint64_t self, struct s3_extent **ret,
                   size_t *ret_n) MUST_CHECK;

/* An object as stored: the head is the row's value; the detail, when it is large, a row of its own.
 */
enum { S3_DETAIL_INLINE_MAX = 1024 };
/* @detail stays empty when all of it is in the head. */
void s3_object_encode_split(const struct s3_object *o, struct buf *head, struct buf *detail);
/* The head again, after a change of its sections; @split as decode_head said. */
void s3_object_encode_head(const struct s3_object *o, bool split, struct buf *head);
/* *ret_split: extents and parts are in the detail row of ret->seq. */
int s3_object_decode_head(struct str head, struct arena *a, struct s3_object *ret,
                          bool *ret_split) MUST_CHECK;
int s3_object_decode_detail(struct str detail, struct arena *a, struct s3_object *o) MUST_CHECK;
/* What a listing shows: no headers, extents, parts, sections; strings copied to the arena. */
int s3_object_decode_listed(struct str head, struct arena *a, struct s3_object *ret) MUST_CHECK;

#endif
