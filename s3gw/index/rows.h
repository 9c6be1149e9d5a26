/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows - keys of the index's rows. A letter, then the parts; integers big endian, so that they
 * sort. s3gw/README.md lists them all.
 */
#ifndef S3_INDEX_ROWS_H
#define S3_INDEX_ROWS_H

#include "dfscore/base/str.h"

enum {
    S3_ROW_OBJECT = 'o',
    S3_ROW_VERSION = 'v',
    S3_ROW_NULL_VERSION = 'n',
    S3_ROW_DETAIL = 'd',
    S3_ROW_FILE = 'f',
    S3_ROW_GARBAGE = 'g',
    S3_ROW_TRASH = 't',
    S3_ROW_BUCKET = 'b',
    S3_ROW_BUCKET_ID = 'B',
    S3_ROW_USER = 'u',
    S3_ROW_ACCESS_KEY = 'k',
    S3_ROW_UPLOAD = 'm',
    S3_ROW_PART = 'p',
    S3_ROW_FINISHED = 'c',
    S3_ROW_SCAN = 's',
    S3_ROW_SETTLED = 'S',  /* lifecycle/settled.c */
    S3_ROW_REBUILD = 'r',  /* lifecycle/rebuild.c, while it runs */
    S3_ROW_IDENTITY = 'i', /* identity.h */
    S3_ROW_BUCKET_USAGE = 'q',
    S3_ROW_USER_USAGE = 'Q',
    S3_ROW_BASELINE = 'x', /* lifecycle/baseline.h: all has been described, under which key */
    S3_ROW_EVENT = 'e',
    S3_ROW_LIFECYCLE = 'l', /* lifecycle/worker.c: how far it is */
    S3_ROW_REBALANCE = 'y', /* lifecycle/rebalance.c: likewise */
    S3_ROW_MOVED = 'w',     /* moved.h */
    S3_ROW_MOVED_FROM = 'W',
    S3_ROW_CLUSTER = 'C', /* cluster_row.h */
};

enum { S3_ROW_KEY_MAX = 1200, S3_OBJECT_KEY_MAX = 1024 };

/* A key being put together. What does not fit is cut off, and too_long says so: such a row does not
 * exist. */
struct s3_row_key {
    size_t n;
    bool too_long;
    char p[S3_ROW_KEY_MAX];
};

static inline struct str s3_row_str(const struct s3_row_key *k)
{
    return (struct str){k->p, k->n};
}
void s3_row_start(struct s3_row_key *k, char letter);
void s3_row_u8(struct s3_row_key *k, uint8_t v);
void s3_row_u32(struct s3_row_key *k, uint32_t v);
void s3_row_u64(struct s3_row_key *k, uint64_t v);
void s3_row_bytes(struct s3_row_key *k, struct str s);
/* The first key that is greater than every key with the prefix @k; n == 0 when there is none. */
void s3_row_after_prefix(struct s3_row_key *k);

void s3_row_number(struct s3_row_key *k, char letter, uint64_t number); /* d, t, c, B, p, q */
void s3_row_name(struct s3_row_key *k, char letter, struct str name);   /* b, u, k, Q */
void s3_row_object(struct s3_row_key *k, char letter, uint64_t bid, struct str key); /* o, n */
/* v and m: bid, key, 00, number (of versions the complement). Keys hold no NUL, so they sort by key
 * first. */
void s3_row_numbered(struct s3_row_key *k, char letter, uint64_t bid, struct str key,
                     uint64_t number);
/* The same back; false when the row is not shaped so. */
bool s3_row_numbered_parse(struct str row, struct str *key, uint64_t *number);

#endif
