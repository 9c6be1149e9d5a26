/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/pipeline.h"

#include "dfscore/base/clock.h"
#include "s3gw/api/cors.h"
#include "s3gw/api/ops.h"
#include "s3gw/api/post_object.h"
#include "s3gw/api/website.h"
#include "s3gw/auth/auth.h"
#include "s3gw/auth/post_form.h"
#include "s3gw/core/body.h"
#include "s3gw/core/form.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/tenure.h"
#include "s3gw/core/uri.h"
#include "s3gw/index/bucket.h"
#include "s3gw/policy/eval.h"
#include "s3gw/policy/quota.h"
#include "s3gw/policy/rate.h"
#include "s3gw/xml/error.h"

static enum s3_read how(const struct s3_req *q)
{
    return q->may_block ? S3_READ_ANY : S3_READ_CACHED;
}

/* Which resource? By path or virtual host. */
static enum s3err address(struct s3_req *q)
{
    enum s3err e = s3_uri_parse(q, q->raw_path);
    return e == S3ERR_OK ? s3_uri_address(q) : e;
}

/* Who asks? */
static enum s3err authenticate(struct s3_req *q)
{
    if (q->method == S3_OPTIONS || q->website) {
        /* preflight of a presigned URL: its signature is for another method; a website asks nobody
         */
        q->who.anonymous = true;
        return S3ERR_OK;
    }
    return s3_auth_verify(q, how(q));
}

/* Not too often? */
static enum s3err within_rate(struct s3_req *q)
{
    const struct s3_limits *l = &q->who.limits;
    if ((!l->requests_s && !l->traffic_s) || !q->gw->rates ||
        s3_rate_admit(q->gw->rates, q->who.user_id, l, dfs_mono_us()))
        return S3ERR_OK;
    return S3ERR_SLOW_DOWN;
}

/* Of which bucket? */
static enum s3err load_bucket(struct s3_req *q)
{
    if (!q->op->wants_bucket)
        return S3ERR_OK;
    struct s3_bucket *b = arena_alloc(&q->arena, sizeof(*b));
    if (!b)
        return S3ERR_SLOW_DOWN;
    int r = s3_bucket_get(q->gw->index, q->bucket, how(q), &q->arena, b);
    if (r == -EAGAIN && !q->may_block)
        return S3ERR_WOULD_BLOCK;
    if (r == -ENOENT)
        return s3_err(q, S3ERR_NO_SUCH_BUCKET, "BucketName", q->bucket);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_BUCKET);
    q->bkt = b;
    return S3ERR_OK;
}

/* May they? Of a form nobody knows yet who they are. */
static enum s3err permitted(struct s3_req *q)
{
    return q->op->body == S3_BODY_FORM ? S3ERR_OK : s3_policy_check(q);
}

/* What the head must say of a form: that it is one, and nothing of who sends it. */
static enum s3err judge_form_head(struct s3_req *q)
{
    struct str boundary;
    enum s3err e = s3_form_boundary(q, &boundary);
    if (e == S3ERR_OK && !q->who.anonymous)
        return s3_err_arg(q, "Only one auth mechanism allowed: a form is signed in its fields.",
                          "Authorization", s3_req_header(q, STR("authorization")));
    return e;
}

enum s3err s3_pipeline_too_long(struct s3_req *q)
{
    return s3_err(q, S3ERR_MAX_MESSAGE_LENGTH_EXCEEDED, "MaxMessageLengthBytes",
                  arena_printf(&q->arena, "%d", S3_BODY_WHOLE_MAX));
}

/* How is the body read? */
static enum s3err plan_body(struct s3_req *q)
{
    if (q->op->body == S3_BODY_NONE || q->op->body == S3_BODY_EMPTY)
        return S3ERR_OK;
    enum s3err is_form = q->op->body == S3_BODY_FORM ? judge_form_head(q) : S3ERR_OK;
    if (is_form != S3ERR_OK)
        return is_form;
    struct s3_body_plan *plan = arena_alloc(&q->arena, sizeof(*plan));
    if (!plan)
        return S3ERR_SLOW_DOWN;
    enum s3err e = s3_auth_body(q, plan);
    if (e == S3ERR_OK)
        e = s3_body_plan(q, plan);
    q->plan = plan;
    if (e == S3ERR_OK && q->op->body == S3_BODY_XML && plan->length != UINT64_MAX &&
        plan->length > S3_BODY_WHOLE_MAX)
        e = s3_pipeline_too_long(q);
    return e;
}

/* Not too much? What has no body says itself, when it knows its size (copies, Complete). */
static enum s3err within_quota(struct s3_req *q)
{
    bool data = q->op->body == S3_BODY_STREAM || q->post;
    if (!data || !q->bkt)
        return S3ERR_OK;
    uint64_t bytes = q->post                         ? q->plan->wire_length /* a little more */
                     : q->plan->length == UINT64_MAX ? 0
                                                     : q->plan->length;
    return s3_quota_check(q, q->bkt, bytes, 1);
}

/* Where does object data go? The handler says, after judging everything the head can decide. */
static enum s3err open_sink(struct s3_req *q)
{
    return q->op->body == S3_BODY_STREAM ? q->op->handle(q) : S3ERR_OK;
}

static enum s3err (*const steps[])(struct s3_req *) = {
    address,      s3_route, /* which operation?   api/ops.def */
    authenticate,           /* who asks?          auth/ */
    within_rate,            /* not too often?     policy/ */
    load_bucket,            /* of which bucket?   index/ */
    permitted,              /* may they?          policy/ */
    plan_body,              /* how is it read?    core/body.h */
    within_quota,           /* not too much?      policy/ */
    open_sink,
};

/* --- the same of a form, whose fields are known now --- */

static enum s3err form_signer(struct s3_req *q)
{
    return s3_post_verify(q, &q->post->fields, how(q), &q->post->limits);
}

static enum s3err plan_file(struct s3_req *q)
{
    q->plan->has_range = true;
    q->plan->range_min = q->post->limits.min;
    q->plan->range_max = q->post->limits.max;
    return s3_body_plan_file(q, q->plan);
}

static enum s3err open_file_sink(struct s3_req *q)
{
    return q->op->handle(q);
}

static enum s3err (*const form_steps[])(struct s3_req *) = {
    s3_post_key,     /* which key?                         api/post_object.h */
    form_signer,     /* who asks?                          auth/post_form.h */
    within_rate,     /* not too often?                     policy/ */
    s3_post_object,  /* with which options?                api/post_object.h */
    s3_policy_check, /* may they?                          policy/ */
    plan_file,       /* which digests?                     core/body.h */
    within_quota,    /* not too much?                      policy/ */
    open_file_sink,
};

enum s3err s3_pipeline_form(struct s3_req *q)
{
    ASSERT(q->post && q->step >= ARRAY_LEN(steps));
    for (; q->step < ARRAY_LEN(steps) + ARRAY_LEN(form_steps); q->step++) {
        enum s3err e = form_steps[q->step - ARRAY_LEN(steps)](q);
        ASSERT(e != S3ERR_PENDING);
        if (e != S3ERR_OK)
            return e;
    }
    return S3ERR_OK;
}

/* A browser hides a refusal that does not say who may see it: the bucket says who. */
static enum s3err refuse(struct s3_req *q, enum s3err e)
{
    if (e == S3ERR_WOULD_BLOCK || s3_cors_ready(q))
        return e;
    s3_resp_reset(q); /* the same question is asked again, on a worker */
    return S3ERR_WOULD_BLOCK;
}

enum s3err s3_pipeline_head(struct s3_req *q)
{
    if (!s3_tenure_serves(q->gw->tenure))
        return S3ERR_SERVICE_UNAVAILABLE; /* there may be no index to look anything up in */
    for (; q->step < ARRAY_LEN(steps); q->step++) {
        enum s3err e = steps[q->step](q);
        ASSERT(e != S3ERR_PENDING);
        if (e != S3ERR_OK)
            return refuse(q, e);
    }
    return S3ERR_OK;
}

enum s3err s3_pipeline_handle(struct s3_req *q)
{
    ASSERT(q->step == ARRAY_LEN(steps) && q->op->handle && q->op->body != S3_BODY_STREAM);
    return q->op->handle(q);
}

void s3_pipeline_fail(struct s3_req *q, enum s3err e)
{
    const struct s3err_info *info = s3err_info(e);
    buf_reset(&q->resp.body);
    q->resp.has_extents = false;
    q->resp.status = info->status;
    if (info->status == 503) /* SDKs try 503 again by themselves; others are told */
        s3_resp_header(q, "Retry-After", STR("1"));
    if (q->website && info->status != 304)
        s3_website_fail(q, e);
    if (q->website || info->status == 304)
        return; /* HEAD says what GET would: RFC 9110, 8.6; answer.c sends no body there */
    s3_resp_header(q, "Content-Type", STR("application/xml"));
    s3_xml_error(q, e, &q->resp.body);
}
