/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/bucketlog.h"

#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/notify/logline.h"
#include "s3gw/notify/serverlog.h"
#include "s3gw/policy/eval.h"

bool s3_bucketlog_wanted(const struct s3_req *q)
{
    return q->bkt && q->op && q->gw->serverlog && s3_bucket_doc(q->bkt, STR("logging")).p;
}

void s3_bucketlog_write(const struct s3_exchange *x, uint64_t took_us)
{
    const struct s3_req *q = &x->req;
    if (!s3_bucketlog_wanted(q))
        return;
    uint64_t from = x->complete_us ? x->complete_us : x->started_us;
    const struct s3_logline l = {
        .q = q,
        .result =
            x->result == S3ERR_PENDING ? S3ERR_INTERNAL_ERROR : x->result, /* the client left */
        .sent = x->sent,
        .total_ms = took_us / 1000,
        .turn_ms = x->answered_us > from ? (x->answered_us - from) / 1000 : 0,
        .tls = q->tls_version,
        .acl_required = s3_policy_by_acl(q)};
    AUTO(buf_free) struct buf line = BUF(S3_LOGLINE_MAX);
    s3_logline_format(&l, &line);
    if (buf_err(&line) == 0)
        s3_serverlog_add(q->gw->serverlog, q->bkt->name, q->now_ms, buf_str(&line));
}
