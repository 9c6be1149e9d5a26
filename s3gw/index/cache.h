/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache - encoded bucket and key rows that this process has read lately, so that every request's first two
 * questions cost no look-up in the engine. Also remembers nothing: an absent row is asked for again.
 *
 * A reader that misses remembers the generation, reads, and stores only when no change was told in between;
 * so a row that is stored is never older than the last change told. Threads: any.
 */
#ifndef S3_INDEX_CACHE_H
#define S3_INDEX_CACHE_H

#include "s3gw/index/index.h"

struct s3_cache;

int s3_cache_new(struct s3_cache **ret) MUST_CHECK;
void s3_cache_free(struct s3_cache **c);

/* The row, cached or read; as s3_index_get. */
int s3_cache_get(struct s3_cache *c, struct s3_index *x, struct str key, enum s3_read how, struct buf *value) MUST_CHECK;
/* Forget what was stored for this key; STR_NULL: for all keys. */
void s3_cache_changed(struct s3_cache *c, struct str key);

#endif
