/* SPDX-License-Identifier: Apache-2.0 */
/* rocksdb_options - how RocksDB is set up for the index: small at rest, bounded under load. */
#ifndef S3_ROCKSDB_OPTIONS_H
#define S3_ROCKSDB_OPTIONS_H

#include <rocksdb/c.h>

#include "s3gw/index/index.h"

struct s3_rocksdb_options;

int s3_rocksdb_options_new(const struct s3_index_options *o,
                           struct s3_rocksdb_options **ret) MUST_CHECK;
void s3_rocksdb_options_free(struct s3_rocksdb_options **o);
const rocksdb_options_t *s3_rocksdb_options_get(const struct s3_rocksdb_options *o);

#endif
