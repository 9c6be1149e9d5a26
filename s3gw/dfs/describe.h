/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * describe - self-descriptions: what a storage keeps beside the data, and notes, so that the key
 * index can be rebuilt from the storages alone. Versioned; decode reads all earlier versions.
 *
 * Version 3:
 *
 *   u8 3, u8 kind, u64 number, u64 committed, u64 index, u64 bid, lstr bucket name, lstr bucket owner id,
 *   lstr key, rest: by kind
 *
 *     number     from s3_index_number(): unique and rising. Of several statements about one thing
 *                the one with the highest number counts, on whichever store path it lies; the commit
 *                refuses a number that would say otherwise (index/object.h, -ERESTART).
 *     committed  s3_index_committed() at that moment: an index that has committed less is older
 *                than the store
 *     index      which index said it (index/identity.h): what another one said is neither an orphan here nor
 *                something this one has lost
 *     bid        number of the bucket, which tells it from others that had its name before
 *
 *   kind      rest
 *     PUT       u64 instead, object record (index/object.h) whose number is the version's: it is there,
 *               and is this. A new version has the number of its description. An object whose extents
 *               lack something of its size has it in the very file this lies beside: all of it, or what
 *               was appended last. instead, unless 0: a version described before that was not committed
 *               under that number
 *     MOVE      lstr file id, then as PUT: the file it lies beside has the bytes of that one, which was in a group
 *               that was drained (index/moved.h)
 *     GONE      u64 version, u8 null: removed for good. A null version that was there, removed or not,
 *               has replaced all null versions with lower numbers
 *     VOID      u64 version: was described, but never committed
 *     AMEND     u64 version, u8 section (enum s3_section), opt value: that section is this now
 *     PART      u64 upload, u32 part number, part record (index/upload_record.h); extents as PUT's. Twice
 *               under one number: it has moved; of the two the one beside a file counts, or either
 *     UPLOAD    u64 upload, upload record: it is open
 *     ENDED     u64 upload: completed or aborted
 *     BUCKET    bucket record: created, or its configuration changed (no key)
 *     UNBUCKET  nothing: the bucket is gone (no key)
 *     USER      user record (key: the user's id; no bucket)
 *     UNUSER    nothing: the user is gone, and their keys
 *     KEY       key record with its secret sealed (core/secretbox.h) (key: the access key)
 *     UNKEY     nothing: the access key is gone
 *     BASELINE  nothing: every thing there is has been described in version 2 or later; version 1 is history
 *
 * Version 2, written by earlier builds: as version 3, without index.
 *
 * Version 1, written by earlier builds: u8 1, u8 kind, u64 number, lstr bucket name, lstr owner id,
 * lstr key, rest. Numbers are microseconds of the wall clock, as they are now. Kinds: PUT (object record
 * with any number), V1_DELETE (nothing: the key has no current object any more), PART (of no use),
 * BUCKET, UNBUCKET.
 */
/* clang-format on */
#ifndef S3_DESCRIBE_H
#define S3_DESCRIBE_H

#include "dfscore/base/buf.h"

enum s3_desc_kind {
    S3_DESC_PUT = 1,
    S3_DESC_V1_DELETE = 2,
    S3_DESC_PART = 3,
    S3_DESC_BUCKET = 4,
    S3_DESC_UNBUCKET = 5,
    S3_DESC_GONE = 6,
    S3_DESC_VOID = 7,
    S3_DESC_AMEND = 8,
    S3_DESC_UPLOAD = 9,
    S3_DESC_ENDED = 10,
    S3_DESC_USER = 11,
    S3_DESC_UNUSER = 12,
    S3_DESC_KEY = 13,
    S3_DESC_UNKEY = 14,
    S3_DESC_BASELINE = 15,
    S3_DESC_MOVE = 16,
};

struct s3_desc {
    uint8_t version; /* decode: 1 to 3 */
    enum s3_desc_kind kind;
    uint64_t number;
    uint64_t committed; /* 0 in version 1, like bid */
    uint64_t index;     /* 0 in versions 1 and 2: not said */
    uint64_t bid;
    struct str bucket;
    struct str owner_id;
    struct str key;
    struct str rest;
};

void s3_desc_encode(const struct s3_desc *d, struct buf *out);        /* in version 3 */
int s3_desc_decode(struct str bytes, struct s3_desc *ret) MUST_CHECK; /* 0 or -EBADMSG; views */
/* Was it said by another index than @own? */
static inline bool s3_desc_is_foreign(const struct s3_desc *d, uint64_t own)
{
    return d->index != 0 && d->index != own;
}

/* What the rests that are not records of the index say. decode: 0 or -EBADMSG. */
struct s3_desc_put {
    uint64_t instead;
    struct str moved; /* MOVE: the file whose place it takes */
    struct str record;
};
int s3_desc_put_decode(const struct s3_desc *d,
                       struct s3_desc_put *ret) MUST_CHECK; /* both versions */
struct s3_desc_change {                                     /* GONE, VOID, AMEND, ENDED */
    uint64_t version;                                       /* or upload */
    bool null;                                              /* GONE */
    uint8_t section;                                        /* AMEND */
    struct str value;                                       /* AMEND; absent: none */
};
int s3_desc_change_decode(const struct s3_desc *d, struct s3_desc_change *ret) MUST_CHECK;
void s3_desc_change_encode(enum s3_desc_kind kind, const struct s3_desc_change *c,
                           struct buf *rest);
struct s3_desc_part { /* PART, UPLOAD */
    uint64_t upload;
    uint32_t number; /* PART */
    struct str record;
};
int s3_desc_part_decode(const struct s3_desc *d, struct s3_desc_part *ret) MUST_CHECK;

#endif
