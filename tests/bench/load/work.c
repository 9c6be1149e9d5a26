/* SPDX-License-Identifier: Apache-2.0 */
/* What to ask next, and whether the answer is right. */
#include <stdio.h>

#include "s3gw/core/uri.h"
#include "tests/bench/load/conn.h"

static uint64_t random64(struct load *l)
{
    l->rng ^= l->rng << 13;
    l->rng ^= l->rng >> 7;
    l->rng ^= l->rng << 17;
    return l->rng;
}

int work_init(struct load *l, const struct load_options *o)
{
    *l = (struct load){
        .o = o, .keys = o->keys, .rng = 0x9e3779b97f4a7c15ull, .enc_prefix = BUF(1024)};
    signer_init(&l->signer, o);
    s3_uri_encode(&l->enc_prefix, str_c(o->prefix), true);
    l->scratch = dfs_alloc(SCRATCH_SIZE);
    if (!l->scratch || buf_err(&l->enc_prefix))
        return -ENOMEM;
    if (!work_is_native(o))
        return 0;
    l->ids.cap = o->keys;
    l->ids.id = dfs_zalloc(o->keys * sizeof(l->ids.id[0]));
    if (!l->ids.id)
        return -ENOMEM;
    if (o->work != WORK_NATIVE_GET)
        return 0;
    int r = native_ids_read(l);
    l->keys = l->ids.n;
    return r;
}

void work_fini(struct load *l)
{
    signer_fini(&l->signer);
    buf_free(&l->enc_prefix);
    free(l->ids.id);
    free(l->scratch);
}

/* --- next ------------------------------------------------------------------------------------- */

static enum load_op op_of(struct load *l)
{
    static const enum load_op single[] = {
        [WORK_PUT] = OP_PUT,
        [WORK_GET] = OP_GET,
        [WORK_HEAD] = OP_HEAD,
        [WORK_DELETE] = OP_DELETE,
        [WORK_LIST] = OP_LIST,
        [WORK_COPY] = OP_COPY,
        [WORK_IDLE] = OP_HEAD,
        [WORK_BUCKET] = OP_BUCKET,
        [WORK_NATIVE_PUT] = OP_NATIVE_PUT,
        [WORK_NATIVE_GET] = OP_NATIVE_GET,
        [WORK_MULTIPART] = OP_CREATE,
    };
    if (l->o->work != WORK_MIXED)
        return single[l->o->work];
    unsigned total = 0;
    for (int i = 0; i < OP_COUNT_; i++)
        total += l->o->mix[i];
    if (total == 0)
        return OP_GET;
    unsigned at = (unsigned)(random64(l) % total);
    int op = 0;
    while (at >= l->o->mix[op])
        at -= l->o->mix[op++];
    return (enum load_op)op;
}

/* A create has been answered: parts one after the other, then complete. */
static void plan_upload(struct load *l, struct conn *c)
{
    struct upload *up = &c->up;
    c->rq.key = up->key;
    if (up->next_part > up->parts) {
        c->rq.op = OP_COMPLETE;
        return;
    }
    c->rq.op = OP_PART;
    c->rq.part = up->next_part;
    c->rq.body_at = (up->next_part - 1) * l->o->part_size;
    c->rq.body_n = MIN(l->o->part_size, l->o->size - c->rq.body_at);
}

static void plan(struct load *l, struct conn *c)
{
    const struct load_options *o = l->o;
    struct request *rq = &c->rq;
    bool random = o->random || o->work == WORK_MIXED;
    rq->op = op_of(l);
    rq->key = o->first + (random ? random64(l) : l->next_key++) % l->keys;
    if (rq->op == OP_PUT || rq->op == OP_NATIVE_PUT)
        rq->body_n = o->size;
    if ((rq->op == OP_GET || rq->op == OP_NATIVE_GET) && o->range > 0) {
        rq->range_n = o->range;
        rq->range_at = random64(l) % (o->size - o->range + 1);
    }
    if (rq->op == OP_CREATE)
        c->up.key = rq->key;
}

bool work_next(struct load *l, struct conn *c)
{
    struct request *rq = &c->rq;
    if (l->stopping || (l->o->work == WORK_IDLE && c->ever_answered))
        return false;
    rq->part = rq->body_at = rq->body_n = rq->range_at = rq->range_n = 0;
    if (c->up.going) {
        plan_upload(l, c);
    } else {
        if (l->o->count > 0 && l->measuring && l->started >= l->o->count)
            return false;
        l->started++;
        plan(l, c);
    }
    response_reset(&c->rs);
    if (work_is_native(l->o))
        native_render(l, c);
    else
        request_render(l, c);
    return true;
}

/* --- done ------------------------------------------------------------------------------------- */

static bool begin_upload(struct load *l, struct conn *c)
{
    struct str text = str_of(c->rs.text, c->rs.text_n);
    size_t from = str_find(text, STR("<UploadId>")), to = str_find(text, STR("</UploadId>"));
    AUTO(buf_free) struct buf id = BUF(UPLOAD_ID_MAX - 1);
    if (from == SIZE_MAX || to == SIZE_MAX || to < from)
        return false;
    s3_uri_encode(&id, str_of(text.p + from + 10, to - from - 10), false);
    if (buf_err(&id) || id.n == 0)
        return false;
    memcpy(c->up.id, id.p, id.n);
    c->up.id[id.n] = 0;
    c->up.parts = MAX(1u, (l->o->size + l->o->part_size - 1) / l->o->part_size);
    if (!c->up.etags)
        c->up.etags = dfs_zalloc(c->up.parts * sizeof(c->up.etags[0]));
    c->up.next_part = 1;
    c->up.going = c->up.etags != NULL;
    return c->up.going;
}

static bool keep_part(struct conn *c)
{
    struct str etag = c->rs.etag;
    if (etag.n == 0 || etag.n >= sizeof(c->up.etags[0]))
        return false;
    char *place = c->up.etags[c->up.next_part - 1];
    memcpy(place, etag.p, etag.n);
    place[etag.n] = 0;
    c->up.next_part++;
    return true;
}

static bool is_right(struct load *l, struct conn *c)
{
    const struct response *rs = &c->rs;
    const struct request *rq = &c->rq;
    if (rs->bad)
        return false;
    switch (rq->op) {
    case OP_GET:
        return rs->status == (rq->range_n ? 206 : 200) &&
               rs->got == (rq->range_n ? rq->range_n : l->o->size);
    case OP_NATIVE_GET:
        return rs->status == 200 && rs->got == (rq->range_n ? rq->range_n : l->o->size);
    case OP_DELETE:
        return rs->status == 204;
    case OP_CREATE:
        return rs->status == 200 && begin_upload(l, c);
    case OP_PART:
        return rs->status == 200 && keep_part(c);
    case OP_COPY:
    case OP_COMPLETE: /* an error may follow a 200 */
        return rs->status == 200 &&
               str_find(str_of(rs->text, rs->text_n), STR("<Error>")) == SIZE_MAX;
    default:
        return rs->status == 200;
    }
}

static void note_error(struct load *l, const struct conn *c)
{
    if (l->first_error[0])
        return;
    snprintf(l->first_error, sizeof(l->first_error),
             "%s of key %llu: status %d%s, %llu bytes: %.*s", load_op_name(c->rq.op),
             (unsigned long long)c->rq.key, c->rs.status,
             c->rs.bad ? ", content or framing wrong" : "", (unsigned long long)c->rs.got,
             c->rs.status == 200 ? 0 : (int)c->rs.text_n, c->rs.text);
}

bool work_done(struct load *l, struct conn *c, uint64_t now_ns)
{
    struct op_stats *st = &l->stats[c->rq.op];
    bool right = is_right(l, c);
    c->ever_answered = true;
    if (c->rq.op == OP_COMPLETE)
        c->up.going = false;
    if (right) {
        if (l->measuring) {
            hist_add(&st->latency, now_ns - c->started_ns);
            st->keys += c->rs.keys;
        }
        return true;
    }
    if (l->o->work == WORK_MIXED && c->rs.status == 404 && !c->rs.bad) {
        st->missing += l->measuring;
        return true;
    }
    st->errors++;
    c->up.going = false;
    note_error(l, c);
    return false;
}

void work_broken(struct load *l, struct conn *c, int err)
{
    l->stats[c->rq.op].errors++;
    c->up.going = false;
    if (!l->first_error[0])
        snprintf(l->first_error, sizeof(l->first_error), "%s: connection broke: %s",
                 load_op_name(c->rq.op), err ? strerror(err) : "closed by the server");
}
