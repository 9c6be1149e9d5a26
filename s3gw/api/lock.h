/* SPDX-License-Identifier: Apache-2.0 */
/* lock - object lock as requests speak of it: headers, documents, the bypass. Rule: s3-behaviours 19. */
#ifndef S3_API_LOCK_H
#define S3_API_LOCK_H

#include "s3gw/core/req.h"

/* x-amz-bypass-governance-retention: true, from a caller who has s3:BypassGovernanceRetention on @key. */
bool s3_may_bypass_governance(struct s3_req *q, struct str key);

#endif
