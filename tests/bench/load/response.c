/* SPDX-License-Identifier: Apache-2.0 */
/* Reads just enough of HTTP/1.1 to know where an answer ends; RFC 9112 sections 4, 6 and 7. */
#include "tests/bench/load/conn.h"

void response_reset(struct response *rs)
{
    /* Not the arrays: a reset runs for each request. */
    rs->head_n = rs->text_n = rs->line_n = 0;
    rs->in_body = rs->done = rs->close = rs->bad = false;
    rs->status = 0;
    rs->chunk = CHUNK_NONE;
    rs->left = rs->got = rs->keys = 0;
    rs->etag = STR_NULL;
    rs->key_match = 0;
}

/* --- body ------------------------------------------------------------------------------------- */

/* "<Key>" may be cut anywhere by the network. */
static void count_keys(struct response *rs, const char *p, size_t n)
{
    static const char word[] = "<Key>";
    const char *end = p + n;
    while (p < end) {
        if (rs->key_match == 0) {
            p = memchr(p, '<', (size_t)(end - p));
            if (!p)
                return;
        }
        if (*p == word[rs->key_match]) {
            rs->key_match++;
            p++;
        } else if (rs->key_match == 0) {
            p++;
        } else {
            rs->key_match = 0; /* look at this byte again */
        }
        if (rs->key_match == 5) {
            rs->keys++;
            rs->key_match = 0;
        }
    }
}

static void take_body(struct load *l, struct conn *c, const char *p, size_t n)
{
    struct response *rs = &c->rs;
    size_t keep = MIN(n, sizeof(rs->text) - rs->text_n);
    memcpy(rs->text + rs->text_n, p, keep);
    rs->text_n += keep;
    if (c->rq.op == OP_LIST)
        count_keys(rs, p, n);
    bool object = rs->status == 200 || rs->status == 206;
    if (l->o->verify && object && (c->rq.op == OP_GET || c->rq.op == OP_NATIVE_GET) &&
        !payload_check(c->rq.key, l->o->size, c->rq.range_at + rs->got, p, n))
        rs->bad = true;
    rs->got += n;
}

/* One byte of a size line, of the line end behind data, or of the trailer. */
static void take_chunk_byte(struct response *rs, char ch)
{
    switch (rs->chunk) {
    case CHUNK_SIZE:
        if (ch == '\n') {
            rs->chunk = rs->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
            rs->line_n = 0;
        } else if (str_hexval(ch) >= 0 && rs->line_n < 16) {
            rs->left = rs->left * 16 + (uint64_t)str_hexval(ch);
            rs->line_n++;
        } else {
            rs->line_n = 16; /* extensions, or the CR */
        }
        break;
    case CHUNK_DATA_END:
        if (ch == '\n') {
            rs->chunk = CHUNK_SIZE;
            rs->left = rs->line_n = 0;
        }
        break;
    default: /* the trailer ends with an empty line */
        if (ch == '\n') {
            rs->done = rs->line_n == 0;
            rs->line_n = 0;
        } else if (ch != '\r') {
            rs->line_n++;
        }
        break;
    }
}

static void feed_body(struct load *l, struct conn *c, const char *p, size_t n)
{
    struct response *rs = &c->rs;
    if (rs->chunk == CHUNK_NONE) {
        size_t take = MIN(n, rs->left);
        take_body(l, c, p, take);
        rs->left -= take;
        rs->done = rs->left == 0;
        rs->bad |= take < n; /* nothing was asked for yet that could follow */
        return;
    }
    while (n > 0 && !rs->done) {
        if (rs->chunk != CHUNK_DATA) {
            take_chunk_byte(rs, *p++);
            n--;
            continue;
        }
        size_t take = MIN(n, rs->left);
        take_body(l, c, p, take);
        rs->left -= take;
        p += take;
        n -= take;
        if (rs->left == 0)
            rs->chunk = CHUNK_DATA_END;
    }
}

uint64_t response_droppable(const struct load *l, const struct conn *c)
{
    const struct response *rs = &c->rs;
    bool object = c->rq.op == OP_GET || c->rq.op == OP_NATIVE_GET;
    return rs->in_body && object && !l->o->verify && rs->chunk == CHUNK_NONE ? rs->left : 0;
}

void response_dropped(struct conn *c, uint64_t n)
{
    c->rs.left -= n;
    c->rs.got += n;
    c->rs.done = c->rs.left == 0;
}

/* --- head ------------------------------------------------------------------------------------- */

static void take_header(struct response *rs, struct str line)
{
    struct str name, value;
    uint64_t v;
    if (!str_cut(line, ':', &name, &value))
        return;
    value = str_trim(value);
    if (str_ieq(name, STR("content-length")) && rs->chunk == CHUNK_NONE) {
        if (str_u64(value, UINT64_MAX, &v) == 0)
            rs->left = v;
        else
            rs->bad = true;
    } else if (str_ieq(name, STR("transfer-encoding"))) {
        rs->chunk = CHUNK_SIZE;
        rs->left = 0;
    } else if (str_ieq(name, STR("connection"))) {
        rs->close = str_ieq(value, STR("close"));
    } else if (str_ieq(name, STR("etag"))) {
        rs->etag = value;
    }
}

static void take_head(struct conn *c, size_t head_n)
{
    struct response *rs = &c->rs;
    struct str rest = str_of(rs->head, head_n), line;
    uint64_t status;
    rs->in_body = true;
    if (!str_split(&rest, '\n', &line) || line.n < 12 || !str_starts(line, STR("HTTP/1.")) ||
        str_u64(str_of(line.p + 9, 3), 999, &status) < 0) {
        rs->bad = true;
        return;
    }
    rs->status = (int)status;
    while (str_split(&rest, '\n', &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        take_header(rs, line);
    }
    if (c->rq.op == OP_HEAD || status == 204 || status == 304) {
        rs->chunk = CHUNK_NONE;
        rs->left = 0;
    }
    rs->done = rs->chunk == CHUNK_NONE && rs->left == 0;
}

void response_feed(struct load *l, struct conn *c, const char *p, size_t n)
{
    struct response *rs = &c->rs;
    if (!rs->in_body) {
        size_t before = rs->head_n, room = sizeof(rs->head) - before;
        size_t take = MIN(n, room);
        memcpy(rs->head + before, p, take);
        rs->head_n += take;
        const char *end = memmem(rs->head, rs->head_n, "\r\n\r\n", 4);
        if (!end) {
            rs->bad = rs->head_n == sizeof(rs->head);
            return;
        }
        size_t head_n = (size_t)(end - rs->head) + 4;
        take_head(c, head_n);
        p += head_n - before;
        n -= head_n - before;
        if (n == 0 || rs->bad)
            return;
        if (rs->done) {
            rs->bad = true;
            return;
        }
    }
    feed_body(l, c, p, n);
}
