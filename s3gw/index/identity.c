/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/identity.h"

#include <openssl/rand.h>

#include "s3gw/index/rows.h"

static void row_of(struct s3_row_key *row)
{
    s3_row_start(row, S3_ROW_IDENTITY);
}

static int read_row(struct s3_index *x, uint64_t *ret)
{
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(64);
    row_of(&row);
    int r = s3_index_get(x, s3_row_str(&row), S3_READ_ANY, &v);
    struct rd in = rd_of(buf_str(&v));
    if (r == 0)
        *ret = rd_u64(&in);
    return r == 0 && (in.bad || *ret == 0) ? -EBADMSG : r;
}

void s3_index_take_identity(struct s3_tx *tx, uint64_t id)
{
    struct s3_row_key row, value = {0};
    row_of(&row);
    s3_row_u64(&value, id);
    s3_tx_put(tx, s3_row_str(&row), s3_row_str(&value));
}

static int make(struct s3_tx *tx, void *arg)
{
    uint64_t id;
    (void)arg;
    if (RAND_bytes((unsigned char *)&id, sizeof(id)) != 1)
        return -EIO;
    s3_index_take_identity(tx, id | 1);
    return 0;
}

int s3_index_identity(struct s3_index *x, uint64_t *ret)
{
    int r = read_row(x, ret);
    if (r == -ENOENT)
        r = s3_index_update(x, make, NULL);
    return r < 0 ? r : read_row(x, ret);
}
