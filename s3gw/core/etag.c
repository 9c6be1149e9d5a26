/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/etag.h"

size_t s3_etag_format(const struct s3_etag *e, char out[S3_ETAG_TEXT_MAX])
{
    size_t n = 0;
    out[n++] = '"';
    str_hex(e->md5, sizeof(e->md5), out + n);
    n += 2 * sizeof(e->md5);
    if (e->parts)
        n += (size_t)snprintf(out + n, S3_ETAG_TEXT_MAX - n, "-%u", e->parts);
    out[n++] = '"';
    out[n] = '\0';
    return n;
}

int s3_etag_parse(struct str s, struct s3_etag *ret)
{
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        s = str_of(s.p + 1, s.n - 2);
    struct s3_etag e = {.parts = 0};
    struct str hex, number;
    uint64_t parts = 0;
    if (str_cut(s, '-', &hex, &number)) {
        /* One spelling per value: no leading zeros. */
        if (str_u64(number, UINT32_MAX, &parts) < 0 || parts == 0 || number.p[0] == '0')
            return -EINVAL;
    }
    int r = str_unhex(hex, e.md5, sizeof(e.md5));
    if (r < 0)
        return r;
    e.parts = (uint32_t)parts;
    *ret = e;
    return 0;
}

bool s3_etag_eq(const struct s3_etag *a, const struct s3_etag *b)
{
    return a->parts == b->parts && memcmp(a->md5, b->md5, sizeof(a->md5)) == 0;
}
