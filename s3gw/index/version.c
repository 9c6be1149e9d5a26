/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/version.h"

size_t s3_version_id_format(const struct s3_object *o, char out[S3_VERSION_ID_MAX])
{
    if (o->flags & S3_OBJ_NULL_VERSION) {
        memcpy(out, "null", 5);
        return 4;
    }
    return (size_t)snprintf(out, S3_VERSION_ID_MAX, "%016llx", (unsigned long long)o->seq);
}

int s3_version_id_parse(struct str id, bool *null, uint64_t *seq)
{
    *null = str_eq(id, STR("null"));
    *seq = 0;
    if (*null)
        return 0;
    if (id.n != 16 || str_hex64(id, seq) < 0 || *seq == 0)
        return -EINVAL;
    return 0;
}

void s3_resp_version(struct s3_req *q, const char *header, const struct s3_object *o)
{
    char id[S3_VERSION_ID_MAX];
    size_t n = s3_version_id_format(o, id);
    s3_resp_header(q, header, str_of(id, n));
}
