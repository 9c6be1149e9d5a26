/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/intake.h"

#include "s3gw/auth/post_form.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/op.h"
#include "s3gw/http/exchange.h"
#include "s3gw/http/pipeline.h"

static enum s3err keep_whole(void *arg, struct str piece)
{
    struct s3_exchange *x = arg;
    buf_adds(&x->whole, piece);
    return buf_err(&x->whole) == 0        ? S3ERR_OK
           : buf_err(&x->whole) == -E2BIG ? s3_pipeline_too_long(&x->req)
                                          : S3ERR_SLOW_DOWN;
}

static enum s3err to_sink(void *arg, struct str piece)
{
    struct s3_exchange *x = arg;
    return x->req.sink->data(&x->req, piece);
}

/* False: there is none; the connection was suspended. */
static bool wait_for_room(struct s3_exchange *x, size_t n)
{
    struct s3_req *q = &x->req;
    for (;;) {
        atomic_store(&x->turn, S3_TURN_HERE);
        if (q->sink->room(q, n))
            return true;
        if (!s3_exchange_reserve(x->http)) {
            s3_exchange_fail(x, S3ERR_SLOW_DOWN);
            return true;
        }
        if (s3_exchange_go_away(x))
            return false;
    }
}

/* One piece. False: there is no room; the connection was suspended, the piece will come again. */
static bool take_piece(struct s3_exchange *x, struct str piece)
{
    struct s3_req *q = &x->req;
    if (x->result == S3ERR_PENDING && q->op->body == S3_BODY_EMPTY)
        s3_exchange_fail(x, s3_errm(q, S3ERR_INVALID_REQUEST, "A copy has no body of its own."));
    if (x->result != S3ERR_PENDING || q->op->body == S3_BODY_NONE) {
        x->drained += piece.n;
        return true;
    }
    if (q->sink && !wait_for_room(x, piece.n))
        return false;
    if (x->result != S3ERR_PENDING)
        return true;
    enum s3err e = s3_body_push(x->body, piece, q->sink ? to_sink : keep_whole, x);
    if (e != S3ERR_OK)
        s3_exchange_fail(x, e);
    else if (q->sink && q->sink->settle)
        q->sink->settle(q);
    return true;
}

/* ---- a form: fields, then the file, which is data ---- */

static enum s3err form_data(void *arg, struct str piece)
{
    struct s3_exchange *x = arg;
    return s3_body_push(x->body, piece, to_sink, x);
}

/* Its fields are known. True: the connection was suspended, a worker judges them. */
static bool judge_form(struct s3_exchange *x)
{
    enum s3err e = s3_post_open(&x->req, x->form);
    if (e == S3ERR_OK)
        e = s3_pipeline_form(&x->req);
    if (e == S3ERR_WOULD_BLOCK)
        return s3_exchange_judge_form(x);
    if (e != S3ERR_OK)
        x->result = e;
    return false;
}

/* Some bytes. What is left of *in, when the connection was suspended, will come again. */
static void take_form(struct s3_exchange *x, struct str *in)
{
    struct s3_req *q = &x->req;
    while (in->n > 0 && x->result == S3ERR_PENDING) {
        if (q->sink && !x->body && !(x->body = s3_body_new(q->plan))) {
            s3_exchange_fail(x, S3ERR_SLOW_DOWN);
            break;
        }
        if (q->sink && !wait_for_room(x, in->n + S3_FORM_HELD_MAX))
            return;
        if (x->result != S3ERR_PENDING)
            break;
        enum s3err e = s3_form_push(x->form, in);
        if (e == S3ERR_PENDING) {
            if (judge_form(x))
                return;
        } else if (e != S3ERR_OK) {
            s3_exchange_fail(x, e);
        } else if (q->sink && q->sink->settle) {
            q->sink->settle(q);
        }
    }
    x->drained += in->n;
    in->n = 0;
}

/* ---- the three steps ---- */

void s3_intake_open(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
    if (q->op->body == S3_BODY_FORM) {
        enum s3err e = s3_form_new(q, &(struct s3_form_out){form_data, x}, &x->form);
        if (e != S3ERR_OK)
            s3_exchange_fail(x, e);
    } else if (q->plan) {
        x->body = s3_body_new(q->plan);
        if (!x->body)
            s3_exchange_fail(x, S3ERR_SLOW_DOWN);
    }
}

void s3_intake_take(struct s3_exchange *x, struct str *in)
{
    if (x->form)
        take_form(x, in);
    else if (take_piece(x, *in))
        in->n = 0;
}

static bool form_complete(struct s3_exchange *x)
{
    enum s3err e = x->form ? s3_form_finish(x->form) : S3ERR_OK;
    if (e != S3ERR_OK)
        s3_exchange_fail(x, e);
    return e == S3ERR_OK;
}

/* Content-MD5 of a document; a sink judges its data by itself. */
static enum s3err check_document(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
    uint8_t md5[16];
    if (q->sink || !q->plan->has_md5)
        return S3ERR_OK;
    s3_md5(x->whole.p ? x->whole.p : "", x->whole.n, md5);
    return s3_body_check_md5(q, q->plan, md5);
}

void s3_intake_finish(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
    if (!form_complete(x) || !x->body)
        return;
    enum s3err e = s3_body_finish(x->body, q);
    if (e == S3ERR_OK)
        e = check_document(x);
    if (e != S3ERR_OK) {
        s3_exchange_fail(x, e);
        return;
    }
    s3_body_checksum(x->body, &q->plan->got);
    if (q->plan->compute_crc64_too)
        s3_body_crc64(x->body, &q->plan->got_crc64);
    q->body = buf_str(&x->whole);
}
