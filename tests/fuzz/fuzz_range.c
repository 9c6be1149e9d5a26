/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_range - an accepted range lies inside the object; an accepted copy range is an accepted
 * range. */
#include "s3gw/core/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t object_size;
    if (size < sizeof(object_size))
        return 0;
    memcpy(&object_size, data, sizeof(object_size));
    struct str header = str_of(data + sizeof(object_size), size - sizeof(object_size));
    struct s3_range r, c;
    char text[S3_CONTENT_RANGE_MAX];
    bool ok = s3_range_parse(header, object_size, &r) == 0;
    if (ok) {
        ASSERT(r.first <= r.last && r.last < object_size);
        ASSERT(s3_range_content(&r, object_size, text) < sizeof(text));
    }
    if (s3_range_parse_copy(header, object_size, &c) == 0)
        ASSERT(ok && c.first == r.first && c.last == r.last);
    return 0;
}
