/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/cluster_row.h"

#include "s3gw/index/rows.h"

int s3_cluster_row_get(struct s3_index *x, struct buf *out)
{
    struct s3_row_key row;
    s3_row_start(&row, S3_ROW_CLUSTER);
    return s3_index_get(x, s3_row_str(&row), S3_READ_ANY, out);
}

static int put(struct s3_tx *tx, void *arg)
{
    struct s3_row_key row;
    s3_row_start(&row, S3_ROW_CLUSTER);
    s3_tx_put(tx, s3_row_str(&row), *(const struct str *)arg);
    return 0;
}

int s3_cluster_row_put(struct s3_index *x, struct str text)
{
    return s3_index_update(x, put, &text);
}
