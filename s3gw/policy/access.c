/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/access.h"

#include "s3gw/index/bucket.h"
#include "s3gw/policy/acl.h"

static const struct str ownership_names[] = {
    [S3_OBJECT_WRITER] = STR_INIT("ObjectWriter"),
    [S3_BUCKET_OWNER_PREFERRED] = STR_INIT("BucketOwnerPreferred"),
    [S3_BUCKET_OWNER_ENFORCED] = STR_INIT("BucketOwnerEnforced")};

int s3_ownership_by_name(struct str name, enum s3_ownership *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(ownership_names); i++)
        if (str_eq(name, ownership_names[i])) {
            *ret = (enum s3_ownership)i;
            return 0;
        }
    return -EINVAL;
}

struct str s3_ownership_name(enum s3_ownership o)
{
    return ownership_names[o];
}

enum s3_ownership s3_ownership_of(const struct s3_bucket *b)
{
    enum s3_ownership o = S3_OBJECT_WRITER;
    return s3_ownership_by_name(s3_bucket_doc(b, STR("ownership")), &o) == 0 ? o : S3_OBJECT_WRITER;
}

unsigned s3_pab_of(const struct s3_bucket *b)
{
    struct str doc = s3_bucket_doc(b, STR("pab"));
    return doc.n == 1 ? (unsigned char)doc.p[0] : 0;
}

bool s3_requester_pays(const struct s3_bucket *b)
{
    return str_eq(s3_bucket_doc(b, STR("payer")), STR("Requester"));
}

enum s3err s3_access_judge_acl(const struct s3_bucket *b, const struct s3_acl *acl)
{
    if (s3_ownership_of(b) == S3_BUCKET_OWNER_ENFORCED && !s3_acl_is_private(acl, b->owner_id))
        return S3ERR_ACCESS_CONTROL_LIST_NOT_SUPPORTED;
    if (s3_pab_of(b) & S3_PAB_BLOCK_ACLS && s3_acl_is_public(acl))
        return S3ERR_ACCESS_DENIED;
    return S3ERR_OK;
}
