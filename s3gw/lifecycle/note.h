/* SPDX-License-Identifier: Apache-2.0 */
/*
 * note - telling the storages what is about to be committed (dfs/describe.h): descriptions put
 * together, and notes, which are descriptions without data. rebuild.c reads them.
 *
 * Threads: describe any; write blocks.
 */
#ifndef S3_NOTE_H
#define S3_NOTE_H

#include "s3gw/core/gw.h"
#include "s3gw/dfs/describe.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/upload.h"

/* A statement under @number: of @bkt (NULL: of none), of @key (absent: of the bucket itself). 0 or
 * errno; -E2BIG, here and below: no storage takes so long a one. */
int s3_note_describe(const struct s3_gw *gw, enum s3_desc_kind kind, uint64_t number,
                     const struct s3_bucket *bkt, struct str key, struct str rest,
                     struct buf *out) MUST_CHECK;
/* PUT: version @o is there, and is this. A new one: @number is o->seq. */
int s3_note_describe_put(const struct s3_gw *gw, uint64_t number, const struct s3_bucket *bkt,
                         struct str key, const struct s3_object *o, uint64_t instead,
                         struct buf *out) MUST_CHECK;
/* The same beside a file that takes the place of @old; absent: of none to be remembered, a PUT then. */
int s3_note_describe_move(const struct s3_gw *gw, uint64_t number, const struct s3_bucket *bkt,
                          struct str key, const struct s3_object *o, struct str old,
                          struct buf *out) MUST_CHECK;
/* GONE, VOID, AMEND, ENDED; under a number of its own, *ret_number unless NULL. */
int s3_note_describe_change(const struct s3_gw *gw, enum s3_desc_kind kind,
                            const struct s3_bucket *bkt, struct str key,
                            const struct s3_desc_change *c, uint64_t *ret_number,
                            struct buf *out) MUST_CHECK;
/* PART of upload @useq, whose seq is set here. */
int s3_note_describe_part(const struct s3_gw *gw, const struct s3_bucket *bkt, struct str key,
                          uint64_t useq, struct s3_upart *p, struct buf *out) MUST_CHECK;
/* The same part under the number it has: it lies in another file. Both statements are right as long as both files are
 * there, and none of a part that was uploaded later is outdone. */
int s3_note_describe_part_again(const struct s3_gw *gw, const struct s3_bucket *bkt, struct str key,
                                uint64_t useq, const struct s3_upart *p,
                                struct buf *out) MUST_CHECK;
int s3_note_describe_upload(const struct s3_gw *gw, const struct s3_bucket *bkt,
                            const struct s3_upload *u, struct buf *out) MUST_CHECK;
/* BUCKET, or UNBUCKET when @gone. */
int s3_note_describe_bucket(const struct s3_gw *gw, const struct s3_bucket *bkt, bool gone,
                            struct buf *out) MUST_CHECK;

/* The same, logged durably in the bucket's groups (of none: the default group). 0 or errno. */
int s3_note_write(const struct s3_gw *gw, const struct s3_bucket *bkt,
                  const struct buf *d) MUST_CHECK;
int s3_note_put(const struct s3_gw *gw, uint64_t number, const struct s3_bucket *bkt,
                struct str key, const struct s3_object *o, uint64_t instead) MUST_CHECK;
int s3_note_change(const struct s3_gw *gw, enum s3_desc_kind kind, const struct s3_bucket *bkt,
                   struct str key, const struct s3_desc_change *c, uint64_t *ret_number) MUST_CHECK;
int s3_note_part(const struct s3_gw *gw, const struct s3_bucket *bkt, struct str key, uint64_t useq,
                 struct s3_upart *p) MUST_CHECK;
int s3_note_upload(const struct s3_gw *gw, const struct s3_bucket *bkt,
                   const struct s3_upload *u) MUST_CHECK;
int s3_note_ended(const struct s3_gw *gw, const struct s3_bucket *bkt, struct str key,
                  uint64_t useq) MUST_CHECK;
int s3_note_bucket(const struct s3_gw *gw, const struct s3_bucket *bkt, bool gone) MUST_CHECK;

#endif
