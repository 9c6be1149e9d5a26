/* SPDX-License-Identifier: Apache-2.0 */
/* The reading side of a connection: the memory a frame is collected in, and one request through its states. */
#include <sys/socket.h>

#include "dfscore/base/clock.h"
#include "dfscore/net/conn_impl.h"
#include "dfscore/wire/internal.h"

enum {
    KEEP_IN = 16 * 1024,        /* read buffer kept when the service does not say */
    SCRATCH = 16 * 1024,        /* where unwanted bytes go */
    LINGER_BYTES = 1024 * 1024, /* read after the answer, beyond the rest of the body */
};

/* --- the memory a frame is collected in ------------------------------------------------------- */

static size_t keep_bytes(const struct dfs_conn *c)
{
    return c->service->keep_bytes ? c->service->keep_bytes : KEEP_IN;
}

/* Between requests: the unread rest to the front, a large buffer back to the heap. */
static void tidy_input(struct dfs_conn *c)
{
    size_t rest = c->in_n - c->in_pos;
    if (rest)
        memmove(c->in, c->in + c->in_pos, rest);
    c->in_at = c->in_pos = 0;
    c->in_n = rest;
    if (c->in_cap > keep_bytes(c) && rest <= keep_bytes(c)) {
        uint8_t *less = dfs_realloc(c->in, keep_bytes(c));
        if (less) {
            c->in = less;
            c->in_cap = keep_bytes(c);
        }
    }
}

/* Room for a frame of @want bytes, growing with what has arrived, not with what was announced. */
static bool input_room(struct dfs_conn *c, uint64_t want)
{
    if (c->in && c->in_n < c->in_cap)
        return true;
    ASSERT(c->in_at == 0 && want > c->in_n);
    size_t cap = c->in ? c->in_cap * 2 : keep_bytes(c);
    if (c->in && cap > want)
        cap = MAX((size_t)want, c->in_cap + 1);
    uint8_t *more = dfs_realloc(c->in, cap);
    if (!more) {
        conn_die(c);
        return false;
    }
    c->in = more;
    c->in_cap = cap;
    return true;
}

static void wait_for_bytes(struct dfs_conn *c)
{
    c->drained = true;
    c->blocked = c->blocked || dfs_stream_wants_write(&c->stream);
}

/* One recv. True when bytes came. */
static bool receive(struct dfs_conn *c, void *to, size_t n, size_t *got)
{
    if (c->drained)
        return false;
    ssize_t r = dfs_stream_recv(&c->stream, to, n, MSG_DONTWAIT);
    if (r > 0) {
        c->heard = true;
        c->last_us = dfs_mono_us();
        c->drained = (size_t)r < n && !c->stream.link;
        *got = (size_t)r;
        return true;
    }
    if (r == -EAGAIN)
        wait_for_bytes(c);
    else
        conn_die(c);
    return false;
}

static bool fill_input(struct dfs_conn *c, uint64_t want)
{
    size_t got;
    if (!input_room(c, want) || !receive(c, c->in + c->in_n, c->in_cap - c->in_n, &got))
        return false;
    c->in_n += got;
    return true;
}

/* --- one request ---------------------------------------------------------------------------------- */

bool conn_plain_refused(const struct dfs_conn *c)
{
    return c->service->tls_required && !c->stream.link && !c->is_unix;
}

static void auth_nonce(struct dfs_req *req)
{
    uint8_t answer[DFS_AUTH_LEN];
    int r = conn_plain_refused(req->conn) ? -EACCES
                                          : dfs_auth_challenge(&req->conn->auth, req->body, answer);
    dfs_req_reply(req, r, str_of(answer, sizeof(answer)));
}

static void auth_proof(struct dfs_req *req)
{
    struct dfs_conn *c = req->conn;
    uint8_t answer[DFS_AUTH_LEN];
    int r = conn_plain_refused(c) ? -EACCES
                                  : dfs_auth_check(&c->auth, c->service->secret, req->body, answer);
    if (r < 0)
        c->closing = true; /* one attempt */
    dfs_req_reply(req, r, str_of(answer, sizeof(answer)));
}

static const struct dfs_command auth_commands[] = {
    {.cmd = DFS_INT_AUTH_NONCE,
     .name = "AUTH_NONCE",
     .min_len = DFS_AUTH_LEN,
     .max_len = DFS_AUTH_LEN,
     .handle = auth_nonce},
    {.cmd = DFS_INT_AUTH_PROOF,
     .name = "AUTH_PROOF",
     .min_len = DFS_AUTH_LEN,
     .max_len = DFS_AUTH_LEN,
     .handle = auth_proof},
};

static const struct dfs_command *find_row(const struct dfs_command *rows, size_t n, uint8_t cmd)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].cmd == cmd)
            return &rows[i];
    return NULL;
}

static const struct dfs_command *find_command(const struct dfs_service *s, uint8_t cmd)
{
    const struct dfs_command *row = find_row(s->commands, s->n, cmd);
    return row || !s->secret ? row : find_row(auth_commands, ARRAY_LEN(auth_commands), cmd);
}

/* Answer without the service having seen the request. */
static void refuse(struct dfs_conn *c, int r)
{
    c->in_service = true; /* for a moment: the answer is ours */
    c->reading = R_HELD;
    dfs_req_reply(&c->req, r, STR_NULL);
}

/* Commands every server has, unless its table says otherwise. Protocol 2.3. */
static bool built_in(struct dfs_conn *c)
{
    if (c->req.head.cmd == DFS_CMD_QUIT) {
        c->quit = true;
        conn_die(c);
        return true;
    }
    if (c->req.head.cmd == DFS_CMD_ACTIVE_TEST) {
        refuse(c, c->req.head.len ? -EINVAL : 0);
        return true;
    }
    return false;
}

static void begin_request(struct dfs_conn *c)
{
    struct dfs_header h;
    if (dfs_header_get(c->in + c->in_at, &h) < 0 || h.len > c->service->frame_max) {
        conn_die(c);
        return;
    }
    c->req = (struct dfs_req){.conn = c, .head = h};
    c->in_pos = c->in_at + DFS_HEADER_LEN;
    c->unread = h.len;
    c->accepted = c->aborted = c->handed = false;
    const struct dfs_command *row = find_command(c->service, h.cmd);
    c->req.command = row;
    if (!row) {
        if (!built_in(c))
            refuse(c, -EINVAL);
        return;
    }
    if (h.len < row->min_len || h.len > row->max_len) {
        refuse(c, -EINVAL);
        return;
    }
    bool ours = row >= auth_commands && row < auth_commands + ARRAY_LEN(auth_commands);
    int r = c->service->admit && !ours ? c->service->admit(&c->req) : 0;
    if (r < 0) {
        refuse(c, r);
        return;
    }
    c->need = row->content ? row->min_len : h.len;
    c->reading = R_COLLECT;
}

static void hand_over(struct dfs_conn *c)
{
    c->in_pos = c->in_at + DFS_HEADER_LEN + (size_t)c->need;
    c->unread = c->req.head.len - c->need;
    c->req.left = c->unread;
    c->req.body = str_of(c->in + c->in_at + DFS_HEADER_LEN, (size_t)c->need);
    c->reading = c->req.command->content ? R_HELD : R_DONE;
    c->handed = c->in_service = true;
    c->req.command->handle(&c->req);
}

int dfs_req_more(struct dfs_req *req, uint64_t n)
{
    struct dfs_conn *c = req->conn;
    ASSERT(c->in_service && c->reading == R_HELD);
    if (n > c->unread)
        return -EINVAL;
    c->need += n;
    c->reading = R_COLLECT;
    conn_advance(c);
    return 0;
}

void dfs_req_accept(struct dfs_req *req)
{
    struct dfs_conn *c = req->conn;
    ASSERT(c->in_service && c->reading == R_HELD && req->command->content);
    c->accepted = true;
    c->reading = R_CONTENT;
    conn_advance(c);
}

/* True when something moved. */
static bool read_content(struct dfs_conn *c)
{
    if (!c->fill) {
        if (c->blocks_out == BLOCKS_OUT_MAX || c->pool_waiting)
            return false;
        c->fill = pool_take(c);
        if (!c->fill)
            return false;
    }
    struct dfs_block *blk = c->fill;
    size_t room = (size_t)MIN((uint64_t)(blk->cap - blk->n), c->unread);
    size_t here = MIN(c->in_n - c->in_pos, room), got = 0;
    if (here) {
        memcpy(blk->p + blk->n, c->in + c->in_pos, here);
        c->in_pos += here;
        got = here;
    } else if (room && !receive(c, blk->p + blk->n, room, &got)) {
        return false;
    }
    blk->n += got;
    c->unread -= got;
    if (blk->n < blk->cap && c->unread)
        return true;
    blk->last = c->unread == 0;
    c->req.left -= blk->n;
    c->fill = NULL;
    c->blocks_out++;
    if (blk->last)
        c->reading = R_DONE;
    c->req.command->content(&c->req, blk);
    return true;
}

static bool drain(struct dfs_conn *c)
{
    size_t here = (size_t)MIN((uint64_t)(c->in_n - c->in_pos), c->unread), got = 0;
    if (here) {
        c->in_pos += here;
        got = here;
    } else if (c->unread) {
        uint8_t scratch[SCRATCH];
        if (!receive(c, scratch, (size_t)MIN((uint64_t)sizeof(scratch), c->unread), &got))
            return false;
    }
    c->unread -= got;
    if (c->unread == 0)
        c->reading = R_DONE;
    return true;
}

static bool linger(struct dfs_conn *c)
{
    uint8_t scratch[SCRATCH];
    size_t got;
    if (!receive(c, scratch, sizeof(scratch), &got))
        return false;
    c->unread -= MIN((uint64_t)got, c->unread);
    if (c->unread == 0)
        conn_die(c);
    return true;
}

uint64_t conn_handshake_ms(const struct dfs_conn *c)
{
    uint64_t stall = c->service->stall_ms;
    return stall ? MIN(stall, (uint64_t)DFS_TLS_HANDSHAKE_MS) : DFS_TLS_HANDSHAKE_MS;
}

/* Plain or TLS? True when that is known. */
static bool first_byte(struct dfs_conn *c)
{
    uint8_t byte;
    ssize_t r = c->drained ? -EAGAIN : recv(c->stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (r < 0 && (c->drained || errno == EAGAIN)) {
        c->drained = true;
        return false;
    }
    c->heard = true;
    c->last_us = dfs_mono_us();
    if (r <= 0) {
        conn_die(c);
    } else if (byte != DFS_TLS_FIRST_BYTE) {
        c->reading = R_HEAD;
    } else {
        c->reading = R_SHAKE;
        dfs_timer_set(c->timer, conn_handshake_ms(c)); /* it may be set for later */
        c->timer_armed = true;
        if (dfs_stream_tls(&c->stream, c->service->tls, true, &c->peer) < 0)
            conn_die(c);
    }
    return true;
}

static bool shake_hands(struct dfs_conn *c)
{
    if (c->drained || c->blocked)
        return false;
    int r = dfs_stream_shake(&c->stream);
    if (r == 0) {
        c->reading = R_HEAD;
        c->last_us = dfs_mono_us();
        return true;
    }
    if (r == -EAGAIN)
        wait_for_bytes(c);
    else
        conn_die(c);
    return false;
}

bool conn_read(struct dfs_conn *c)
{
    size_t here = c->in_n - c->in_at;
    switch (c->reading) {
    case R_FIRST:
        return first_byte(c);
    case R_SHAKE:
        return shake_hands(c);
    case R_HEAD:
        if (here < DFS_HEADER_LEN)
            return fill_input(c, DFS_HEADER_LEN);
        begin_request(c);
        return true;
    case R_COLLECT:
        if (here < DFS_HEADER_LEN + c->need)
            return fill_input(c, DFS_HEADER_LEN + c->need);
        hand_over(c);
        return true;
    case R_CONTENT:
        return read_content(c);
    case R_DRAIN:
        return drain(c);
    case R_LINGER:
        return linger(c);
    case R_HELD:
    case R_DONE:
        break;
    }
    return false;
}

bool conn_finish(struct dfs_conn *c)
{
    bool closing_early = c->closing && c->reading == R_DRAIN;
    if (c->writing != W_SENT || (c->reading != R_DONE && !closing_early) || c->blocks_out)
        return false;
    if (c->handed && c->req.command->done)
        c->req.command->done(&c->req);
    c->handed = false;
    conn_forget_output(c);
    c->writing = W_NONE;
    if (c->closing) {
        dfs_stream_end(&c->stream);
        c->reading = R_LINGER;
        c->unread += LINGER_BYTES;
        c->last_us = dfs_mono_us();
        return true;
    }
    c->reading = R_HEAD;
    tidy_input(c);
    return true;
}
