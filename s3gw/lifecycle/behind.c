/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/behind.h"

#include "s3gw/dfs/describe.h"
#include "s3gw/index/index.h"
#include "s3gw/lifecycle/settled.h"

struct question {
    const struct s3_gw *gw;
    uint64_t committed;
};

static int judge(void *arg, const struct s3_scan_entry *e)
{
    const struct question *q = arg;
    struct s3_desc d;
    if (s3_desc_decode(e->description, &d) < 0)
        return S3_INDEX_CURRENT;
    if (q->committed > 0 && s3_desc_is_foreign(&d, q->gw->index_id))
        return S3_INDEX_OTHER;
    bool behind = q->committed == 0 || d.committed > q->committed;
    return behind ? S3_INDEX_BEHIND : S3_INDEX_CURRENT;
}

int s3_index_behind(struct s3_gw *gw)
{
    struct question q = {gw, s3_index_committed(gw->index)};
    return s3_settled_compare(gw, judge, &q);
}
