/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot - copies of the object rows that are read again and again: HEAD and then GET, a file in many ranges, a page's
 * pictures. A look-up in RocksDB is 3 us, here it is 0.2.
 *
 * Never stale: a row is dropped when an update writes it, before the batch is committed, and until the batch has
 * ended nothing is put in its place. So what is found here is what the engine would say, at a moment of the look-up.
 * A row gets in when it is asked for twice: a walk over all objects leaves nothing behind.
 *
 * Bounded: rows of at most S3_HOT_ROW_MAX bytes, 8,192 of them.
 *
 * Threads: look and put from any; changes and end from the committer; clear with no reader of the engine at work. One
 * mutex a set of four rows, held for a comparison and a copy; leaf.
 */
#ifndef S3_INDEX_HOT_H
#define S3_INDEX_HOT_H

#include "dfscore/base/buf.h"

enum { S3_HOT_ROW_MAX = 1024 };

struct s3_hot;

/* From a look to the put that may follow it. */
struct s3_hot_look {
    uint64_t hash;
    uint64_t changed; /* as the set's, when it was looked at */
    bool put;         /* worth keeping, and no update of the set is under way */
};

int s3_hot_new(struct s3_hot **ret) MUST_CHECK;
void s3_hot_free(struct s3_hot **h);

/* Is a row with this key kept at all? The others need not be looked for. */
bool s3_hot_kind(struct str key);
/* 0 and *value appended to; -ENOENT: read the engine, then s3_hot_put() with *look; -ENOMEM. */
int s3_hot_get(struct s3_hot *h, struct str key, struct buf *value,
               struct s3_hot_look *look) MUST_CHECK;
/* @value is what the engine said after that look. Does nothing when an update has written there since. */
void s3_hot_put(struct s3_hot *h, const struct s3_hot_look *look, struct str key, struct str value);

/* An update of the batch under way writes this row. */
void s3_hot_changes(struct s3_hot *h, struct str key);
/* The batch was committed, or abandoned. */
void s3_hot_end(struct s3_hot *h);
/* The engine's rows may be others than they were: it was opened again. */
void s3_hot_clear(struct s3_hot *h);

#endif
