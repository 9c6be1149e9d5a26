/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload - multipart uploads in progress, and the memory of finished ones.
 *
 * Rows:  m bid key 00 useq        an open upload (sorted by key, then start)
 *        p useq number            its parts (one row each; a re-upload replaces it)
 *        c useq                   finished: bucket number, key, version; kept a day for retries
 * The upload id clients see is useq in hex plus a keyed check value, so that ids cannot be guessed.
 */
#ifndef S3_INDEX_UPLOAD_H
#define S3_INDEX_UPLOAD_H

#include "s3gw/index/object.h"

struct s3_upload {
    uint64_t useq;
    struct str key;
    int64_t started_ms;
    struct str initiator_id;     /* user who created it */
    enum s3_checksum_alg ck_alg; /* S3_CK_NONE: none declared */
    enum s3_checksum_type ck_type;
    struct s3_object proto; /* headers, owner, storage class, tags, acl, ... of the object to be */
    uint64_t check;         /* random, part of the upload id */
};

struct s3_upart {
    uint32_t number;
    uint64_t seq; /* as it was described; 0: by an earlier build */
    uint64_t size;
    int64_t mtime_ms;
    uint8_t md5[16];
    struct s3_checksum checksum; /* client's or computed; alg NONE: none */
    struct s3_checksum crc64; /* always CRC64NVME of the content: to combine; UploadPartCopy too */
    struct s3_extent *extents;
    size_t nextents;
};

void s3_upload_id_format(const struct s3_upload *u, char out[33]); /* 32 hex digits and NUL */
/* -EINVAL: not shaped like one. */
int s3_upload_id_parse(struct str id, uint64_t *ret_useq, uint64_t *ret_check) MUST_CHECK;

/* A new upload's useq and check: before it is described. 0 or -EIO. */
int s3_upload_new_id(struct s3_index *x, struct s3_upload *u) MUST_CHECK;
/* Inside an update. */
int s3_upload_create(struct s3_tx *tx, uint64_t bid, const struct s3_upload *u) MUST_CHECK;
/* -ENOENT when there is no such upload of that key in that bucket. */
int s3_upload_get(struct s3_index *x, uint64_t bid, struct str key, struct str upload_id,
                  enum s3_read how, struct arena *a, struct s3_upload *ret) MUST_CHECK;
/* The same by its number alone. */
int s3_upload_by_number(struct s3_index *x, uint64_t bid, struct str key, uint64_t useq,
                        struct arena *a, struct s3_upload *ret) MUST_CHECK;
/* The part's files get its seq as owner; parts copied by reference are checked like s3_object_copy
 * first. -ERESTART: the part there was described later (object.h). */
int s3_upload_put_part(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq,
                       struct s3_upart *p) MUST_CHECK;
int s3_upload_copy_part(struct s3_tx *tx, uint64_t src_bid, struct str src_key, uint64_t src_seq,
                        uint64_t bid, struct str key, uint64_t useq, struct s3_upart *p) MUST_CHECK;
/*
 * The bytes of part @was are in @to, one new file, from now on; everything else stays, its seq too. -ENOENT: the upload has
 * ended; -ESTALE: that part is not what it was.
 */
int s3_upload_move_part(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq,
                        const struct s3_upart *was, const struct s3_extent *to) MUST_CHECK;
/* Parts with number > @after, ascending, at most @max, and fewer when they consist of very many pieces (one at least);
 * *more when another follows. */
int s3_upload_parts(struct s3_index *x, uint64_t useq, uint32_t after, size_t max, struct arena *a,
                    struct s3_upart **ret, size_t *ret_n, bool *more) MUST_CHECK;
/* Call fn() for each part, ascending; they are read by the page. 0; what fn() returned below 0; errno. */
int s3_upload_each_part(struct s3_index *x, uint64_t useq,
                        int (*fn)(void *arg, const struct s3_upart *p), void *arg) MUST_CHECK;
/*
 * Complete: the upload goes, its listed parts become @o (extents and parts set by the caller from
 * s3_upload_parts; verified here to be unchanged: -EAGAIN, read them again), the others go to the
 * trash, the `c` row is written. Errors as s3_object_put; -ENOENT with *ret_gone when the upload
 * is gone.
 */
int s3_upload_complete(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq,
                       const uint32_t *numbers, size_t n, const struct s3_cond *cond,
                       struct s3_object *o, bool *ret_gone) MUST_CHECK;
int s3_upload_abort(struct s3_tx *tx, uint64_t bid, struct str key,
                    uint64_t useq) MUST_CHECK; /* -ENOENT */
/* A finished upload of this key whose object is still current: 0 and the object; -ENOENT otherwise.
 */
int s3_upload_finished(struct s3_index *x, uint64_t bid, struct str key, struct str upload_id,
                       struct arena *a, struct s3_object *ret) MUST_CHECK;
/* Forget `c` rows finished before @before_ms; at most @max. */
int s3_upload_forget_finished(struct s3_tx *tx, int64_t before_ms, size_t max) MUST_CHECK;

#endif
