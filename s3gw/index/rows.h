/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows - keys of the index's rows and the pieces records are made of. Private to s3gw/index; the bytes are
 * documented in s3gw/README.md. Threads: no state.
 */
#ifndef S3_INDEX_ROWS_H
#define S3_INDEX_ROWS_H

#include "s3gw/core/checksum.h"
#include "s3gw/index/object.h"
#include "s3gw/index/upload.h"

enum { S3_ROW_KEY_MAX = 1 + 8 + 1024 + 1 + 8 + 8 };

/* Appends the key of a row; errors stick in @k. Views of it are valid until the next change. */
struct str s3_row_object(struct buf *k, uint64_t bid, struct str key);
struct str s3_row_detail(struct buf *k, uint64_t seq);
struct str s3_row_ref(struct buf *k, struct str file_id, uint64_t owner);
struct str s3_row_refs(struct buf *k, struct str file_id); /* prefix of all owners of a file */
struct str s3_row_garbage(struct buf *k, int64_t time_ms, uint64_t seq, struct str file_id);
struct str s3_row_bucket(struct buf *k, struct str name);
struct str s3_row_bid(struct buf *k, uint64_t bid);
struct str s3_row_user(struct buf *k, struct str id);
struct str s3_row_key(struct buf *k, struct str access_key);
struct str s3_row_upload(struct buf *k, uint64_t bid, struct str key, uint64_t useq);
struct str s3_row_part(struct buf *k, uint64_t useq, uint32_t number);
struct str s3_row_finished(struct buf *k, uint64_t useq);
/* A kind letter and a number: where all rows of a bucket, or all parts of an upload, begin. */
struct str s3_row_prefix(struct buf *k, char kind, uint64_t number);
/* The first key behind all that begin with @prefix; empty when there is none. */
struct str s3_row_after(struct buf *k, struct str prefix);

/* Keys of all rows that begin with @prefix, copied to the arena. */
int s3_row_keys(struct s3_tx *tx, struct str prefix, struct arena *a, struct str **ret, size_t *ret_n) MUST_CHECK;

/* Optional text: absent and empty differ. */
void s3_put_opt(struct buf *b, struct str s);
struct str s3_get_opt(struct rd *in);
void s3_put_checksum(struct buf *b, const struct s3_checksum *c);
void s3_get_checksum(struct rd *in, struct s3_checksum *c);
void s3_put_extents(struct buf *b, const struct s3_extent *e, size_t n);
int s3_get_extents(struct rd *in, struct arena *a, struct s3_extent **ret, size_t *ret_n) MUST_CHECK;

/* The object record as a row holds it: big details apart. */
void s3_object_encode_head(const struct s3_object *o, bool detail_apart, struct buf *out);
void s3_object_encode_detail(const struct s3_object *o, struct buf *out);
int s3_object_decode_detail(struct str bytes, struct arena *a, struct s3_object *o) MUST_CHECK;
/* As s3_object_decode; *apart: extents and parts are in the detail row of its seq. */
int s3_object_decode_head(struct str bytes, struct arena *a, struct s3_object *ret, bool *apart) MUST_CHECK;

void s3_upload_encode(const struct s3_upload *u, struct buf *out);
int s3_upload_decode(struct str bytes, struct arena *a, struct s3_upload *ret) MUST_CHECK; /* not key, useq */
void s3_upart_encode(const struct s3_upart *p, struct buf *out);
int s3_upart_decode(struct str bytes, struct arena *a, struct s3_upart *ret) MUST_CHECK;  /* not number */

/* Write the row of an object that is current now, with what it replaces dropped; owners are set already. */
int s3_object_install(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond,
                      struct s3_object *o) MUST_CHECK;
/* 0, or -ENODEV when there is no bucket of that number. */
int s3_bucket_alive(struct s3_tx *tx, uint64_t bid) MUST_CHECK;
/* The current object inside an update, with its detail. */
int s3_object_get_tx(struct s3_tx *tx, uint64_t bid, struct str key, struct arena *a, struct s3_object *ret) MUST_CHECK;

#endif
