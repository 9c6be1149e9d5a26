/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/lock.h"

#include "s3gw/policy/eval.h"

bool s3_may_bypass_governance(struct s3_req *q, struct str key)
{
    return str_ieq(s3_req_option(q, STR("x-amz-bypass-governance-retention")), STR("true")) &&
           s3_policy_allows(q, q->bkt, key, "s3:BypassGovernanceRetention") == S3ERR_OK;
}
