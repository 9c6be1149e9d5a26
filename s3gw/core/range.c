/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/range.h"

#include <inttypes.h>

/* Digits only; what exceeds 64 bits is "very far". */
static bool far_number(struct str s, uint64_t *ret)
{
    int r = str_u64(s, UINT64_MAX, ret);
    if (r == -ERANGE)
        *ret = UINT64_MAX;
    return r != -EINVAL;
}

static int suffix(struct str digits, uint64_t size, struct s3_range *ret)
{
    uint64_t n;
    if (!far_number(digits, &n))
        return -EINVAL;
    if (n == 0)
        return -ERANGE;
    if (size == 0)
        return -EINVAL; /* the last bytes of nothing are nothing: 200. Differs: 416 at some servers
                         */
    *ret = (struct s3_range){n < size ? size - n : 0, size - 1};
    return 0;
}

int s3_range_parse(struct str header, uint64_t size, struct s3_range *ret)
{
    struct str a, b;
    uint64_t first, last = UINT64_MAX;
    if (!str_istarts(header, STR("bytes=")) || !str_cut(str_from(header, 6), '-', &a, &b))
        return -EINVAL;
    if (!a.n)
        return suffix(b, size, ret);
    if (!far_number(a, &first) || (b.n && !far_number(b, &last)) || first > last)
        return -EINVAL;
    if (first >= size)
        return -ERANGE;
    *ret = (struct s3_range){first, MIN(last, size - 1)};
    return 0;
}

int s3_range_parse_copy(struct str header, uint64_t size, struct s3_range *ret)
{
    struct str a, b;
    uint64_t first, last;
    if (!str_starts(header, STR("bytes=")) || !str_cut(str_from(header, 6), '-', &a, &b) ||
        str_u64(a, INT64_MAX, &first) < 0 || str_u64(b, INT64_MAX, &last) < 0 || first > last)
        return -EINVAL;
    if (last >= size)
        return -ERANGE;
    *ret = (struct s3_range){first, last};
    return 0;
}

size_t s3_range_content(const struct s3_range *r, uint64_t size, char out[S3_CONTENT_RANGE_MAX])
{
    int n = r ? snprintf(out, S3_CONTENT_RANGE_MAX, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
                         r->first, r->last, size)
              : snprintf(out, S3_CONTENT_RANGE_MAX, "bytes */%" PRIu64, size);
    ASSERT(n > 0 && n < S3_CONTENT_RANGE_MAX);
    return (size_t)n;
}
