/* SPDX-License-Identifier: Apache-2.0 */
/* refs_internal - dropping references on behalf of an earlier moment; for trash.c. */
#ifndef S3_INDEX_REFS_INTERNAL_H
#define S3_INDEX_REFS_INTERNAL_H

#include "s3gw/index/refs.h"

int s3_refs_drop_at(struct s3_tx *tx, const struct s3_extent *e, size_t n,
                    int64_t time_ms) MUST_CHECK;

#endif
