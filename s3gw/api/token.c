/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/token.h"

#include "s3gw/core/names.h"
#include "s3gw/xml/writer.h"

enum { PLAIN_MAX = 1 + S3_KEY_MAX, VERSION = '1' };

void s3_token_element(struct buf *b, const char *element, struct str after)
{
    char plain[PLAIN_MAX], text[(PLAIN_MAX + 2) / 3 * 4];
    ASSERT(after.n < PLAIN_MAX);
    plain[0] = VERSION;
    memcpy(plain + 1, after.p, after.n);
    size_t n = str_base64(plain, after.n + 1, text);
    s3_xml_text(b, element, str_of(text, n));
}

int s3_token_decode(struct arena *a, struct str token, struct str *ret_after)
{
    char plain[PLAIN_MAX];
    size_t n;
    if (str_unbase64(token, plain, sizeof(plain), &n) < 0 || n < 2 || plain[0] != VERSION)
        return -EINVAL;
    struct str after = arena_str(a, str_of(plain + 1, n - 1));
    if (!after.p)
        return -ENOMEM;
    *ret_after = after;
    return 0;
}
