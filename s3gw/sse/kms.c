/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/sse/kms.h"

bool s3_key_name_ok(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.' || c == '/'))
            return false;
    }
    return name.n > 0 && name.n <= S3_SSE_NAME_MAX;
}

struct str s3_kms_name_of(struct str id)
{
    static const struct str marks[] = {STR_INIT(":key/"), STR_INIT(":alias/")};
    if (str_starts(id, STR("alias/")))
        return str_from(id, 6);
    for (size_t i = 0; i < ARRAY_LEN(marks) && str_starts(id, STR("arn:")); i++) {
        size_t at = str_find(id, marks[i]);
        if (at != SIZE_MAX)
            return str_from(id, at + marks[i].n);
    }
    return id;
}
