/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/health.h"

#include "dfscore/log/log.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/tenure.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/index.h"

static void say(struct s3_req *q, int status, struct str text)
{
    q->resp.status = status;
    s3_resp_header(q, "Content-Type", STR("text/plain"));
    s3_resp_header(q, "Cache-Control", STR("no-store"));
    buf_adds(&q->resp.body, text);
    buf_addc(&q->resp.body, '\n');
}

static void say_ready(struct s3_req *q)
{
    if (!s3_tenure_serves(q->gw->tenure)) {
        say(q, 503, STR("standby"));
        return;
    }
    int r = s3_index_health(q->gw->index);
    if (r < 0)
        say(q, 503, arena_printf(&q->arena, "index: %s", dfs_errno_name(r)));
    else if (!s3_dfs_reachable(q->gw->dfs))
        say(q, 503, STR("storage: away"));
    else
        say(q, 200, STR("ready"));
}

bool s3_health_answer(struct s3_req *q)
{
    if ((q->method != S3_GET && q->method != S3_HEAD) || s3_req_header(q, STR("authorization")).p)
        return false;
    if (str_eq(q->raw_path, STR("/health/live")))
        say(q, 200, STR("live"));
    else if (str_eq(q->raw_path, STR("/health/ready")))
        say_ready(q);
    else
        return false;
    return true;
}
