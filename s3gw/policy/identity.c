/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/identity.h"

enum { RECORD_VERSION = 1 };

struct rd s3_identity_begin(struct str record)
{
    struct rd r = rd_of(record);
    if (record.n > 0 && rd_u8(&r) != RECORD_VERSION)
        r.bad = true;
    return r;
}

bool s3_identity_next(struct rd *all, struct str *ret_name, struct str *ret_policy)
{
    if (all->bad || all->n == 0)
        return false;
    *ret_name = rd_lstr(all);
    *ret_policy = rd_lstr(all);
    return !all->bad;
}

static void add(struct buf *out, struct str name, struct str policy)
{
    buf_lstr(out, name);
    buf_lstr(out, policy);
}

int s3_identity_set(struct str record, struct str name, struct str policy, struct buf *out)
{
    struct rd all = s3_identity_begin(record);
    struct str n, p;
    bool found = false, written = !policy.p;
    unsigned count = 0;
    buf_u8(out, RECORD_VERSION);
    while (s3_identity_next(&all, &n, &p)) {
        int order = str_cmp(n, name);
        found = found || order == 0;
        if (order >= 0 && !written) {
            add(out, name, policy);
            written = true;
            count++;
        }
        if (order != 0) {
            add(out, n, p);
            count++;
        }
    }
    if (!written) {
        add(out, name, policy);
        count++;
    }
    if (all.bad)
        return -EBADMSG;
    if (!policy.p && !found)
        return -ENOENT;
    if (count == 0)
        buf_reset(out);
    return count > S3_IDENTITY_POLICIES_MAX ? -E2BIG : buf_err(out);
}

enum s3_verdict s3_identity_verdict(struct str record, const struct s3_ask *ask)
{
    struct rd all = s3_identity_begin(record);
    struct str name, policy;
    enum s3_verdict verdict = S3_SILENT;
    while (s3_identity_next(&all, &name, &policy)) {
        enum s3_verdict v = s3_policy_verdict(policy, ask);
        if (v == S3_DENY)
            return S3_DENY;
        if (v == S3_ALLOW)
            verdict = S3_ALLOW;
    }
    return all.bad ? S3_DENY : verdict;
}
