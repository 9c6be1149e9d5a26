/* SPDX-License-Identifier: Apache-2.0 */
/* A service on TCP that is called with TLS and without. */
#include "tests/lib/tls_fixture.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dfscore/net/listener.h"
#include "dfscore/net/peer.h"
#include "dfscore/net/stream.h"
#include "tests/lib/later.h"

enum { ECHO = 1, FILE_CMD = 2, STREAM = 3, MEMBER = 4, DETACH = 5 };

static void echo(struct dfs_req *req)
{
    dfs_req_reply(req, 0, req->body);
}

static void send_file(struct dfs_req *req)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/data", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    req->user = (void *)(intptr_t)fd;
    dfs_req_reply_file(req, fd, 0, BIG, NULL);
}

static void file_done(struct dfs_req *req)
{
    close((int)(intptr_t)req->user);
}

static void more(struct dfs_req *req, struct dfs_block *blk)
{
    uintptr_t at = (uintptr_t)req->user;
    req->user = (void *)(at + 1);
    blk->n = at < 30 ? blk->cap : 0;
    memset(blk->p, 's', blk->n);
    blk->last = at == 30;
    dfs_block_send(blk, 0);
}

static void stream(struct dfs_req *req)
{
    dfs_req_reply_stream(req, DFS_LEN_UNKNOWN, more);
}

static void member_or_not(struct dfs_req *req)
{
    dfs_req_reply(req, 0, dfs_conn_proved(req->conn) ? STR("yes") : STR("no"));
}

static void detach(struct dfs_req *req)
{
    struct dfs_stream s;
    const struct iovec part = {(char *)(uintptr_t) "d", 1};
    ASSERT(dfs_req_detach(req, &s) == 0);
    ASSERT(dfs_stream_send(&s, &part, 1, false) == 1);
    dfs_stream_close(&s);
}

static const struct dfs_command commands[] = {
    {ECHO, "echo", 0, BIG, echo, NULL, NULL, NULL},
    {FILE_CMD, "file", 0, 0, send_file, NULL, NULL, file_done},
    {STREAM, "stream", 0, 0, stream, NULL, NULL, NULL},
    {MEMBER, "member", 0, 0, member_or_not, NULL, NULL, NULL},
    {DETACH, "detach", 0, 0, detach, NULL, NULL, NULL},
};

struct fixture {
    struct dfs_tls *tls, *client;
    struct dfs_secret *secret;
    struct dfs_service service;
    struct dfs_loop *loop;
    struct dfs_listener *listener;
    struct dfs_addr addr;
};

static uint64_t frame_max = BIG; /* of the next service */
static unsigned stall_ms = 60000;

static void up(struct fixture *f, bool tls, bool required, bool secret)
{
    *f = (struct fixture){.tls = member("one", "ca"), .client = member("two", "ca")};
    assert_int_equal(dfs_secret_new(STR("0123456789abcdef"), &f->secret), 0);
    f->service = (struct dfs_service){.name = "test",
                                      .commands = commands,
                                      .n = ARRAY_LEN(commands),
                                      .frame_max = frame_max,
                                      .stall_ms = stall_ms,
                                      .first_ms = 60000,
                                      .tls = tls ? f->tls : NULL,
                                      .tls_required = required,
                                      .secret = secret ? f->secret : NULL};
    memcpy(f->addr.host, "127.0.0.1", 10);
    const struct dfs_listen_opts o = {.addr = f->addr, .max_conns = 8, .block_bytes = 50000};
    assert_int_equal(dfs_loop_new("test", &f->loop), 0);
    assert_int_equal(dfs_listener_new(&o, &f->service, &f->loop, 1, &f->listener), 0);
    f->addr.port = dfs_listener_port(f->listener);
    assert_int_equal(dfs_loop_start(f->loop), 0);
}

static void down(struct fixture *f)
{
    dfs_listener_stop(f->listener, 0);
    dfs_listener_free(&f->listener);
    dfs_loop_free(&f->loop);
    dfs_tls_free(&f->tls);
    dfs_tls_free(&f->client);
    dfs_secret_free(&f->secret);
}

static int open_peer(const struct fixture *f, bool tls, bool secret, struct dfs_peer **p)
{
    const struct dfs_peer_opts o = {.connect_ms = 60000,
                                    .timeout_ms = 60000,
                                    .tls = tls ? f->client : NULL,
                                    .secret = secret ? f->secret : NULL};
    return dfs_peer_open(&f->addr, &o, p);
}

static void make_data(uint8_t *data)
{
    char path[300];
    for (size_t i = 0; i < BIG; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 11);
    snprintf(path, sizeof(path), "%s/data", dir);
    AUTO(dfs_close_fd) int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, data, BIG), BIG);
}

static void read_to_the_end(struct dfs_peer *p)
{
    uint64_t len, got = 0;
    char piece[7000];
    int64_t n;
    assert_int_equal(dfs_peer_send(p, STREAM, 0, NULL, 0, 0), 0);
    assert_int_equal(dfs_peer_answer(p, &len), 0);
    while ((n = dfs_peer_read_some(p, piece, sizeof(piece))) > 0)
        got += (uint64_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(got, 30 * 50000);
}

static void everything_goes_by_tls_as_without(void **state)
{
    (void)state;
    struct fixture f;
    AUTO(dfs_free_ptr) uint8_t *data = dfs_alloc(BIG);
    AUTO(buf_free) struct buf rsp = BUF(BIG);
    make_data(data);
    up(&f, true, true, false);
    for (int tls = 0; tls < 2; tls++) {
        AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
        struct str part = str_of((char *)data, BIG);
        assert_int_equal(open_peer(&f, tls, false, &p), 0);
        assert_int_equal(dfs_peer_call(p, ECHO, 0, &part, 1, &rsp), 0);
        assert_int_equal(rsp.n, BIG);
        assert_memory_equal(rsp.p, data, BIG);
        assert_int_equal(dfs_peer_call(p, FILE_CMD, 0, NULL, 0, &rsp), 0);
        assert_memory_equal(rsp.p, data, BIG);
        char path[300];
        snprintf(path, sizeof(path), "%s/data", dir);
        AUTO(dfs_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
        uint64_t len;
        assert_int_equal(dfs_peer_send(p, ECHO, 0, NULL, 0, BIG - 5), 0);
        assert_int_equal(dfs_peer_send_file(p, fd, 5, BIG - 5), 0);
        assert_int_equal(dfs_peer_answer(p, &len), 0);
        assert_int_equal(len, BIG - 5);
        assert_int_equal(dfs_peer_read(p, rsp.p, len), 0);
        assert_memory_equal(rsp.p, data + 5, BIG - 5);
        assert_int_equal(dfs_peer_call(p, MEMBER, 0, NULL, 0, &rsp), 0);
        assert_true(str_eq(buf_str(&rsp), tls ? STR("yes") : STR("no")));
        read_to_the_end(p);
    }
    down(&f);
}

static void a_stream_can_leave_its_loop(void **state)
{
    (void)state;
    struct fixture f;
    struct dfs_peer *p = NULL;
    struct dfs_stream s;
    uint8_t head[DFS_HEADER_LEN];
    char text[10];
    up(&f, true, true, false);
    assert_int_equal(open_peer(&f, true, false, &p), 0);
    assert_int_equal(dfs_peer_detach(&p, &s), 0);
    assert_int_equal(fcntl(s.fd, F_SETFL, 0), 0);
    dfs_header_put(&(struct dfs_header){0, DETACH, 0}, head);
    assert_int_equal(dfs_stream_send(&s, &(struct iovec){head, sizeof(head)}, 1, false),
                     sizeof(head));
    assert_int_equal(dfs_stream_recv(&s, text, sizeof(text), 0), 1);
    assert_int_equal(dfs_stream_recv(&s, text, sizeof(text), 0), 0);
    dfs_stream_close(&s);
    down(&f);
}

static void who_is_a_member(void **state)
{
    (void)state;
    static const struct {
        bool required, secret;    /* of the service */
        bool by_tls, with_secret; /* of the caller */
        int open;
        const char *member;
    } rows[] = {
        {false, false, false, false, 0, "no"},  {false, false, true, false, 0, "yes"},
        {false, true, false, false, 0, "no"},   {false, true, false, true, 0, "yes"},
        {false, true, true, false, 0, "no"},    {false, true, true, true, 0, "yes"},
        {true, true, false, true, -EACCES, ""}, {true, true, true, false, 0, "no"},
        {true, true, true, true, 0, "yes"},     {true, false, false, false, 0, "no"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
        AUTO(buf_free) struct buf rsp = BUF(10);
        up(&f, true, rows[i].required, rows[i].secret);
        assert_int_equal(open_peer(&f, rows[i].by_tls, rows[i].with_secret, &p), rows[i].open);
        if (p) {
            assert_int_equal(dfs_peer_call(p, MEMBER, 0, NULL, 0, &rsp), 0);
            assert_true(str_eq(buf_str(&rsp), str_c(rows[i].member)));
        }
        dfs_peer_free(&p);
        down(&f);
    }
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(f->addr.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

static bool is_closed(int fd)
{
    char bytes[100];
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        ; /* an alert */
    return n == 0 || errno != EAGAIN;
}

static void a_handshake_has_its_time_and_costs_only_that_connection(void **state)
{
    (void)state;
    struct fixture f;
    AUTO(buf_free) struct buf rsp = BUF(10);
    stall_ms = 2000;
    up(&f, true, true, false);
    stall_ms = 60000;
    int silent = dial(&f), garbage = dial(&f), trickle = dial(&f);
    assert_int_equal(send(silent, "\x16", 1, 0), 1);
    assert_int_equal(send(garbage, "\x16\x03\x01\x00\x05hello", 10, 0), 10);
    for (int i = 0; i < 3; i++) { /* a byte now and then does not prolong it */
        assert_int_equal(send(trickle, &"\x16\x03\x01\x02\x00"[i], 1, MSG_NOSIGNAL), 1);
        later(500, &f.loop, 1);
    }
    assert_true(is_closed(garbage));
    assert_false(is_closed(silent));
    assert_false(is_closed(trickle));
    later(1000, &f.loop, 1); /* far from first_ms */
    assert_true(is_closed(silent));
    assert_true(is_closed(trickle));
    close(garbage);
    close(silent);
    close(trickle);
    AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
    assert_int_equal(open_peer(&f, true, false, &p), 0);
    assert_int_equal(dfs_peer_call(p, ECHO, 0, NULL, 0, &rsp), 0);
    dfs_peer_free(&p);
    down(&f);
}

static void there_is_no_way_back_to_plain(void **state)
{
    (void)state;
    struct fixture f;
    struct dfs_peer *p = NULL;
    up(&f, false, false, false);
    said[0] = '\0';
    assert_int_equal(open_peer(&f, true, false, &p), -ECONNRESET); /* the service has no TLS */
    assert_true(was_said("out: they hang up on TLS"));
    down(&f);
    frame_max = INT64_MAX;
    up(&f, false, false, false);
    frame_max = BIG;
    assert_int_equal(open_peer(&f, true, false, &p), -EPROTO); /* one that answers all the same */
    assert_true(was_said("out: they do not speak TLS"));
    down(&f);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(listen(fd, 1), 0); /* and says nothing */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    f.addr.port = ntohs(sa.sin_port);
    f.client = member("two", "ca");
    const struct dfs_peer_opts o = {.connect_ms = 100, .timeout_ms = 60000, .tls = f.client};
    assert_int_equal(dfs_peer_open(&f.addr, &o, &p), -ETIMEDOUT);
    dfs_tls_free(&f.client);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_goes_by_tls_as_without),
        cmocka_unit_test(a_stream_can_leave_its_loop),
        cmocka_unit_test(who_is_a_member),
        cmocka_unit_test(a_handshake_has_its_time_and_costs_only_that_connection),
        cmocka_unit_test(there_is_no_way_back_to_plain),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
