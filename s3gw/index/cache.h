/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache - copies of the few rows that every request reads: buckets, access keys with their users.
 *
 * Read mostly, small, never authoritative: an update that changes such rows empties it when it has
 * been committed, before anybody is told. A reader that filled an entry from older rows is noticed
 * by its generation: take one, read the rows, put with it.
 *
 * Threads: any. One mutex, held for a look-up and a copy; leaf, nothing is called under it.
 */
#ifndef S3_INDEX_CACHE_H
#define S3_INDEX_CACHE_H

#include "dfscore/base/arena.h"

struct s3_cache;

int s3_cache_new(struct s3_cache **ret) MUST_CHECK;
void s3_cache_free(struct s3_cache **c);
void s3_cache_clear(struct s3_cache *c);
uint64_t s3_cache_generation(struct s3_cache *c);
/* 0 and a copy in the arena; -ENOENT; -ENOMEM. */
int s3_cache_get(struct s3_cache *c, struct str key, struct arena *a, struct str *ret) MUST_CHECK;
/* Does nothing when the cache was cleared since @generation, or there is no memory. */
void s3_cache_put(struct s3_cache *c, uint64_t generation, struct str key, struct str value);

#endif
