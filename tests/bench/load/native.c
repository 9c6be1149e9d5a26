/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FastDFS side: upload (11) and download (14), straight to one storage server. An answer is a
 * header of 10 bytes (body length, command, status) and its body.
 *
 * Rule: fastdfs-protocol 3, 8.1 and 8.7.
 */
#include <stdio.h>

#include "tests/bench/load/conn.h"

enum { HEADER = 10, GROUP = 16, EXT = 6, UPLOAD = 11, DOWNLOAD = 14 };

static void add_padded(struct buf *out, struct str s, size_t n)
{
    static const char zeros[GROUP];
    s = str_head(s, n);
    buf_adds(out, s);
    buf_add(out, zeros, n - s.n);
}

static void add_header(struct buf *out, uint64_t body_n, uint8_t command)
{
    buf_u64(out, body_n);
    buf_u8(out, command);
    buf_u8(out, 0);
}

void native_render(struct load *l, struct conn *c)
{
    struct request *rq = &c->rq;
    struct buf *out = &rq->head;
    buf_reset(out);
    rq->sent = 0;
    if (rq->op == OP_NATIVE_PUT) {
        add_header(out, 1 + 8 + EXT + rq->body_n, UPLOAD);
        buf_u8(out, 0); /* store path M00 */
        buf_u64(out, rq->body_n);
        add_padded(out, STR("bin"), EXT);
        return;
    }
    struct str name = str_c(l->ids.id[(rq->key - l->o->first) % l->ids.n]);
    add_header(out, 8 + 8 + GROUP + name.n, DOWNLOAD);
    buf_u64(out, rq->range_at);
    buf_u64(out, rq->range_n);
    add_padded(out, str_c(l->o->group), GROUP);
    buf_adds(out, name);
}

/* The name in an answer to an upload, behind the group. */
static void keep_id(struct load *l, const struct response *rs, uint64_t key)
{
    uint64_t at = key - l->o->first;
    if (rs->text_n <= GROUP || rs->text_n - GROUP >= sizeof(l->ids.id[0]) || at >= l->ids.cap)
        return;
    memcpy(l->ids.id[at], rs->text + GROUP, rs->text_n - GROUP);
    l->ids.id[at][rs->text_n - GROUP] = 0;
    l->ids.n = MAX(l->ids.n, at + 1);
}

void native_feed(struct load *l, struct conn *c, const char *p, size_t n)
{
    struct response *rs = &c->rs;
    if (!rs->in_body) {
        size_t take = MIN(n, HEADER - rs->head_n);
        memcpy(rs->head + rs->head_n, p, take);
        rs->head_n += take;
        p += take;
        n -= take;
        if (rs->head_n < HEADER)
            return;
        struct rd rd = rd_of(str_of(rs->head, HEADER));
        rs->left = rd_u64(&rd);
        (void)rd_u8(&rd);
        uint8_t status = rd_u8(&rd);
        rs->status = status == 0 ? 200 : 1000 + status;
        rs->in_body = true;
    }
    size_t take = MIN(n, rs->left);
    rs->bad |= take < n;
    if (c->rq.op == OP_NATIVE_GET && l->o->verify && rs->status == 200 &&
        !payload_check(c->rq.key, l->o->size, c->rq.range_at + rs->got, p, take))
        rs->bad = true;
    size_t keep = MIN(take, sizeof(rs->text) - rs->text_n);
    memcpy(rs->text + rs->text_n, p, keep);
    rs->text_n += keep;
    rs->got += take;
    rs->left -= take;
    rs->done = rs->left == 0;
    if (rs->done && rs->status == 200 && c->rq.op == OP_NATIVE_PUT)
        keep_id(l, rs, c->rq.key);
}

/* --- the list of ids -------------------------------------------------------------------------- */

int native_ids_read(struct load *l)
{
    FILE *f = fopen(l->o->id_file, "re");
    char line[160];
    if (!f)
        return -errno;
    while (l->ids.n < l->ids.cap && fgets(line, sizeof(line), f)) {
        size_t n = strcspn(line, "\n");
        if (n == 0 || n >= sizeof(l->ids.id[0]))
            break;
        memcpy(l->ids.id[l->ids.n], line, n);
        l->ids.id[l->ids.n++][n] = 0;
    }
    fclose(f);
    return l->ids.n > 0 ? 0 : -ENODATA;
}

int native_ids_write(const struct load *l)
{
    FILE *f = fopen(l->o->id_file, "we");
    if (!f)
        return -errno;
    for (size_t i = 0; i < l->ids.n && l->ids.id[i][0]; i++)
        fprintf(f, "%s\n", l->ids.id[i]);
    return fclose(f) == 0 ? 0 : -errno;
}
