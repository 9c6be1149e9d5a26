/* SPDX-License-Identifier: Apache-2.0 */
/* A service on a Unix-domain socket, talked to with raw bytes and with dfs_peer. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/net/listener.h"
#include "dfscore/net/peer.h"
#include "dfscore/net/stream.h"

enum {
    ECHO = 1,
    LATER = 2, /* answered from another thread */
    COUNT = 3, /* content: answers how many bytes came, as 8 digits */
    FILE_CMD = 4,
    STREAM = 5,
    REFUSE = 7,  /* content it does not want */
    ENDLESS = 8, /* stream of unknown length */
    PROVED = 9,  /* "yes" or "no" */
    DETACH = 10, /* the connection leaves the loop; a byte says so */
};

struct fixture {
    char *dir;
    struct dfs_addr addr;
    struct dfs_loop *loops[2];
    struct dfs_listener *listener;
    _Atomic int opened, closed, done, aborted;
    _Atomic uint64_t content_bytes;
    _Atomic int asked; /* whether the file that is sent is whole */
    bool torn;         /* it is not */
};

static struct fixture *fx;

static void echo(struct dfs_req *req)
{
    dfs_req_reply(req, 0, req->body);
}

static void later_done(struct dfs_req *req)
{
    dfs_req_reply(req, 0, STR("later"));
}

static void *later_thread(void *arg)
{
    dfs_req_post(arg, later_done);
    return NULL;
}

static void later(struct dfs_req *req)
{
    pthread_t t;
    ASSERT(pthread_create(&t, NULL, later_thread, req) == 0);
    pthread_detach(t);
}

struct count {
    uint64_t bytes;
    unsigned sum;
};

/* Fixed part: one byte, which says how many more the head has. */
static void count_head(struct dfs_req *req)
{
    size_t more = (uint8_t)req->body.p[0];
    if (req->body.n == 1 && more) {
        if (dfs_req_more(req, more) < 0)
            dfs_req_reply(req, -EINVAL, STR_NULL);
        return;
    }
    req->user = dfs_zalloc(sizeof(struct count));
    dfs_req_accept(req);
}

static void *give_back(void *arg)
{
    dfs_block_put(arg);
    return NULL;
}

static void count_answer(struct dfs_req *req)
{
    struct count *c = req->user;
    char text[64];
    int n = snprintf(text, sizeof(text), "%llu:%u", (unsigned long long)c->bytes, c->sum);
    dfs_req_reply(req, 0, str_of(text, (size_t)n));
}

static void count_content(struct dfs_req *req, struct dfs_block *blk)
{
    struct count *c = req->user;
    for (size_t i = 0; i < blk->n; i++)
        c->sum = c->sum * 31 + blk->p[i];
    c->bytes += blk->n;
    atomic_fetch_add(&fx->content_bytes, blk->n);
    bool last = blk->last;
    if (last) {
        dfs_block_put(blk);
        count_answer(req);
        return;
    }
    pthread_t t; /* as a disk thread would */
    ASSERT(pthread_create(&t, NULL, give_back, blk) == 0);
    pthread_join(t, NULL);
}

static void count_abort(struct dfs_req *req)
{
    atomic_fetch_add(&fx->aborted, 1);
    dfs_req_drop(req);
}

static void count_done(struct dfs_req *req)
{
    free(req->user);
    atomic_fetch_add(&fx->done, 1);
}

static void refuse(struct dfs_req *req)
{
    dfs_req_reply(req, -ENOSPC, STR_NULL);
}

static int data_file(void)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/data", fx->dir);
    return open(path, O_RDWR | O_CREAT, 0600);
}

static bool whole(struct dfs_req *req)
{
    (void)req;
    atomic_fetch_add(&fx->asked, 1);
    return !fx->torn;
}

static void send_file(struct dfs_req *req)
{
    int fd = data_file();
    req->user = (void *)(intptr_t)fd;
    dfs_req_reply_file(req, fd, 10, 3000000, whole);
}

static void file_done(struct dfs_req *req)
{
    close((int)(intptr_t)req->user);
}

static void *fill_block(void *arg)
{
    struct dfs_block *blk = arg;
    blk->n = MIN(blk->cap, (size_t)1000);
    memset(blk->p, 'x', blk->n);
    blk->last = false;
    dfs_block_send(blk, 0);
    return NULL;
}

static void more(struct dfs_req *req, struct dfs_block *blk)
{
    (void)req;
    pthread_t t;
    ASSERT(pthread_create(&t, NULL, fill_block, blk) == 0);
    pthread_detach(t);
}

static void stream(struct dfs_req *req)
{
    dfs_req_reply_stream(req, 5500, more);
}

static void endless_more(struct dfs_req *req, struct dfs_block *blk)
{
    uintptr_t at = (uintptr_t)req->user;
    req->user = (void *)(at + 1);
    blk->n = at < 3 ? 4 : 0;
    memset(blk->p, 'e', blk->n);
    blk->last = at == 3;
    dfs_block_send(blk, 0);
}

static void endless(struct dfs_req *req)
{
    dfs_req_reply_stream(req, DFS_LEN_UNKNOWN, endless_more);
}

static void proved(struct dfs_req *req)
{
    dfs_req_reply(req, 0, dfs_conn_proved(req->conn) ? STR("yes") : STR("no"));
}

static void detach(struct dfs_req *req)
{
    struct dfs_stream s;
    if (dfs_req_detach(req, &s) < 0)
        return;
    ASSERT(send(s.fd, "d", 1, MSG_NOSIGNAL) == 1);
    dfs_stream_close(&s);
}

static const struct dfs_command commands[] = {
    {ECHO, "echo", 0, 1000000, echo, NULL, NULL, NULL},
    {LATER, "later", 0, 0, later, NULL, NULL, NULL},
    {COUNT, "count", 1, INT64_MAX, count_head, count_content, count_abort, count_done},
    {FILE_CMD, "file", 0, 0, send_file, NULL, NULL, file_done},
    {STREAM, "stream", 0, 0, stream, NULL, NULL, NULL},
    {REFUSE, "refuse", 1, INT64_MAX, refuse, count_content, count_abort, NULL},
    {ENDLESS, "endless", 0, 0, endless, NULL, NULL, NULL},
    {PROVED, "proved", 0, 0, proved, NULL, NULL, NULL},
    {DETACH, "detach", 0, 0, detach, NULL, NULL, NULL},
};

static void on_open(struct dfs_conn *c)
{
    ASSERT(*dfs_conn_user(c) == NULL && dfs_conn_is_unix(c));
    atomic_fetch_add(&fx->opened, 1);
}

static void on_close(struct dfs_conn *c)
{
    (void)c;
    atomic_fetch_add(&fx->closed, 1);
}

static struct dfs_service service = {
    .name = "test",
    .commands = commands,
    .n = ARRAY_LEN(commands),
    .frame_max = INT64_MAX,
    .on_open = on_open,
    .on_close = on_close,
};

/* @patience_ms: with clients that say nothing, or half of something. */
static int set_up(void **state, uint64_t patience_ms)
{
    fx = dfs_zalloc(sizeof(*fx));
    service.stall_ms = patience_ms;
    service.first_ms = patience_ms;
    fx->dir = test_tmpdir();
    service.close_on_einval = false;
    service.secret = NULL;
    service.frame_max = INT64_MAX;
    snprintf(fx->addr.host, sizeof(fx->addr.host), "%s/s", fx->dir);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(dfs_loop_new("test", &fx->loops[i]), 0);
        assert_int_equal(dfs_loop_start(fx->loops[i]), 0);
    }
    const struct dfs_listen_opts opts = {
        .addr = fx->addr, .max_conns = 8, .blocks = 6, .block_bytes = 5000};
    assert_int_equal(dfs_listener_new(&opts, &service, fx->loops, 2, &fx->listener), 0);
    *state = fx;
    return 0;
}

static int setup(void **state)
{
    return set_up(state, 60000); /* our own thread may be the slow one */
}

static int setup_impatient(void **state)
{
    return set_up(state, 500);
}

static int teardown(void **state)
{
    (void)state;
    dfs_listener_stop(fx->listener, 5000);
    assert_int_equal(dfs_listener_stats(fx->listener).current, 0);
    dfs_listener_free(&fx->listener);
    assert_int_equal(fx->opened, fx->closed);
    for (size_t i = 0; i < 2; i++)
        dfs_loop_free(&fx->loops[i]);
    test_tmpdir_free(&fx->dir);
    free(fx);
    return 0;
}

static const struct dfs_peer_opts peer_opts = {.connect_ms = 60000, .timeout_ms = 60000};

static struct dfs_peer *peer(void)
{
    struct dfs_peer *p = NULL;
    assert_int_equal(dfs_peer_open(&fx->addr, &peer_opts, &p), 0);
    return p;
}

static int raw(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    memcpy(sa.sun_path, fx->addr.host, strlen(fx->addr.host));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

static void put(int fd, const void *p, size_t n)
{
    assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), n);
}

static void put_header(int fd, uint64_t len, uint8_t cmd)
{
    uint8_t head[DFS_HEADER_LEN];
    dfs_header_put(&(struct dfs_header){len, cmd, 0}, head);
    put(fd, head, sizeof(head));
}

/* Status of the next answer, its body in @body; -1 when the connection ends. */
static int answer(int fd, char *body, size_t cap, size_t *n)
{
    uint8_t head[DFS_HEADER_LEN];
    struct dfs_header h;
    if (recv(fd, head, sizeof(head), MSG_WAITALL) != sizeof(head))
        return -1;
    assert_int_equal(dfs_header_get(head, &h), 0);
    assert_int_equal(h.cmd, DFS_CMD_RESPONSE);
    assert_true(h.len <= cap);
    if (h.len)
        assert_int_equal(recv(fd, body, h.len, MSG_WAITALL), h.len);
    *n = h.len;
    return h.status;
}

static void expect_eof(int fd)
{
    char c;
    assert_true(recv(fd, &c, 1, 0) <= 0);
    close(fd);
}

static struct str call(struct dfs_peer *p, uint8_t cmd, struct str body, struct buf *rsp)
{
    assert_int_equal(dfs_peer_call(p, cmd, 0, &body, 1, rsp), 0);
    return buf_str(rsp);
}

static void answers_come_back_at_once_and_from_other_threads(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf rsp = BUF(2000000);
    AUTO(buf_free) struct buf big = BUF(2000000);
    for (int i = 0; i < 900000; i++)
        buf_addc(&big, (char)i);
    AUTO(dfs_peer_free) struct dfs_peer *p = peer(); /* now: it may be silent for 150 ms */
    assert_true(str_eq(call(p, ECHO, STR("hello"), &rsp), STR("hello")));
    assert_true(str_eq(call(p, ECHO, STR(""), &rsp), STR("")));
    assert_true(str_eq(call(p, ECHO, buf_str(&big), &rsp), buf_str(&big)));
    assert_true(str_eq(call(p, LATER, STR(""), &rsp), STR("later")));
    assert_true(str_eq(call(p, ECHO, STR("again"), &rsp), STR("again")));
}

static void requests_sent_in_one_piece_are_answered_in_order(void **state)
{
    (void)state;
    int fd = raw();
    char bytes[3 * 11 + 10], body[16];
    for (int i = 0; i < 3; i++) {
        uint8_t head[DFS_HEADER_LEN];
        dfs_header_put(&(struct dfs_header){1, ECHO, 0}, head);
        memcpy(bytes + i * 11, head, sizeof(head));
        bytes[i * 11 + 10] = (char)('a' + i);
    }
    put(fd, bytes, 33);
    for (int i = 0; i < 3; i++) {
        size_t n;
        assert_int_equal(answer(fd, body, sizeof(body), &n), 0);
        assert_int_equal(body[0], 'a' + i);
    }
    close(fd);
}

static void half_a_header_then_silence_costs_only_that_connection(void **state)
{
    (void)state;
    int half_header = raw();
    put(half_header, "\0\0\0", 3);
    int half_body = raw();
    put_header(half_body, 1000, ECHO);
    put(half_body, "abc", 3);
    int silent = raw();
    expect_eof(half_header); /* stall_ms later */
    expect_eof(half_body);
    expect_eof(silent); /* first_ms later */
}

static void an_idle_connection_may_stay(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(100);
    call(p, ECHO, STR("x"), &rsp);
    struct pollfd pfd = {dfs_peer_fd(p), POLLIN, 0};
    assert_int_equal(poll(&pfd, 1, 1000),
                     0); /* longer than stall_ms and first_ms: nothing happens */
    call(p, ECHO, STR("y"), &rsp);
}

static void lying_lengths_are_refused_or_cost_nothing(void **state)
{
    (void)state;
    char body[16];
    size_t n;
    int fd = raw();
    put_header(fd, UINT64_MAX, ECHO); /* negative */
    expect_eof(fd);
    fd = raw();
    put_header(fd, UINT64_C(1) << 62, ECHO); /* beyond the row: dropped as it comes */
    assert_int_equal(answer(fd, body, sizeof(body), &n), 22);
    close(fd);
    fd = raw();
    put_header(fd, 0xFFFFFFFF00000001, 111);
    expect_eof(fd);
    service.frame_max = 100;
    fd = raw();
    put_header(fd, 101, ECHO);
    expect_eof(fd);
}

static void unknown_commands_and_active_test(void **state)
{
    (void)state;
    char body[16];
    size_t n;
    int fd = raw();
    put_header(fd, 3, 200);
    put(fd, "xyz", 3);
    assert_int_equal(answer(fd, body, sizeof(body), &n), 22);
    put_header(fd, 0, DFS_CMD_ACTIVE_TEST);
    assert_int_equal(answer(fd, body, sizeof(body), &n), 0);
    put_header(fd, 1, DFS_CMD_ACTIVE_TEST);
    put(fd, "x", 1);
    assert_int_equal(answer(fd, body, sizeof(body), &n), 22);
    put_header(fd, 0, DFS_CMD_QUIT);
    expect_eof(fd);
}

static void storages_close_after_einval(void **state)
{
    (void)state;
    char body[16];
    size_t n;
    service.close_on_einval = true;
    int fd = raw();
    put_header(fd, 0, 200);
    assert_int_equal(answer(fd, body, sizeof(body), &n), 22);
    expect_eof(fd);
}

static void content_arrives_whole_through_few_blocks(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(100);
    AUTO(buf_free) struct buf req = BUF(2000000);
    unsigned sum = 0;
    buf_adds(&req, STR("\3abc"));
    for (unsigned i = 0; i < 123457; i++) {
        buf_addc(&req, (char)(i * 7));
        sum = sum * 31 + (uint8_t)(i * 7);
    }
    char want[64];
    int n = snprintf(want, sizeof(want), "123457:%u", sum);
    assert_true(str_eq(call(p, COUNT, buf_str(&req), &rsp), str_of(want, (size_t)n)));
    assert_true(str_eq(call(p, COUNT, STR("\1x"), &rsp), STR("0:0")));
    assert_true(str_eq(call(p, COUNT, STR("\0x"), &rsp), STR("1:120")));
    assert_int_equal(dfs_peer_call(p, COUNT, 0, &STR("\2x"), 1, &rsp), -EINVAL);
    assert_true(str_eq(call(p, ECHO, STR("still in step"), &rsp), STR("still in step")));
}

static void a_peer_that_vanishes_inside_content_aborts_once(void **state)
{
    (void)state;
    int fd = raw();
    put_header(fd, 100000, COUNT);
    char bytes[6000] = {0};
    put(fd, bytes, sizeof(bytes));
    while (atomic_load(&fx->content_bytes) < 5000)
        sched_yield();
    close(fd);
    while (atomic_load(&fx->closed) < 1)
        sched_yield();
    assert_int_equal(fx->aborted, 1);
    assert_int_equal(fx->done, 1);
}

static void refused_content_is_read_and_the_connection_stays(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(100);
    AUTO(dfs_free_ptr) char *big = dfs_zalloc(300000);
    struct str body = str_of(big, 300000);
    assert_int_equal(dfs_peer_call(p, REFUSE, 0, &body, 1, &rsp), -ENOSPC);
    assert_true(str_eq(call(p, ECHO, STR("on"), &rsp), STR("on")));
}

static void files_and_streams_are_sent_to_the_byte(void **state)
{
    (void)state;
    int fd = data_file();
    AUTO(dfs_free_ptr) char *data = dfs_alloc(3000010);
    for (size_t i = 0; i < 3000010; i++)
        data[i] = (char)(i * 13);
    assert_int_equal(write(fd, data, 3000010), 3000010);
    close(fd);
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(4000000);
    assert_true(str_eq(call(p, FILE_CMD, STR(""), &rsp), str_of(data + 10, 3000000)));
    assert_true(atomic_load(&fx->asked) >= 1); /* again when the socket was full */
    assert_int_equal(call(p, STREAM, STR(""), &rsp).n, 5500);
    assert_true(str_eq(call(p, ECHO, STR("on"), &rsp), STR("on")));
}

static void a_file_shorter_than_announced_cuts_the_connection(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(4000000);
    assert_int_equal(dfs_peer_call(p, FILE_CMD, 0, NULL, 0, &rsp), -ECONNRESET);
    assert_true(dfs_peer_broken(p));
}

static void a_file_that_changed_on_the_way_is_not_answered_whole(void **state)
{
    (void)state;
    int fd = data_file();
    assert_int_equal(ftruncate(fd, 3000010), 0);
    close(fd);
    fx->torn = true;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(4000000);
    assert_int_equal(dfs_peer_call(p, FILE_CMD, 0, NULL, 0, &rsp), -ECONNRESET);
    assert_int_equal(atomic_load(&fx->asked), 1);
    assert_true(rsp.n < 3000000);
}

static void an_answer_of_unknown_length_ends_with_the_connection(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    uint64_t len;
    char got[64];
    assert_int_equal(dfs_peer_send(p, ENDLESS, 0, NULL, 0, 0), 0);
    assert_int_equal(dfs_peer_answer(p, &len), 0);
    assert_true(len == DFS_LEN_UNKNOWN);
    size_t n = 0;
    for (int64_t r; (r = dfs_peer_read_some(p, got + n, sizeof(got) - n)) > 0;)
        n += (size_t)r;
    assert_int_equal(n, 12);
}

static void a_reader_that_does_not_read_is_dropped(void **state)
{
    (void)state;
    int fd = data_file();
    assert_int_equal(ftruncate(fd, 3000010), 0);
    close(fd);
    fd = raw();
    put_header(fd, 0, FILE_CMD);
    while (atomic_load(&fx->closed) < 1) /* stall_ms */
        sched_yield();
    close(fd);
}

static void connections_beyond_the_limit_are_closed(void **state)
{
    (void)state;
    int fds[8];
    for (int i = 0; i < 8; i++) {
        char body[4];
        size_t n;
        fds[i] = raw();
        put_header(fds[i], 0, ECHO);
        assert_int_equal(answer(fds[i], body, sizeof(body), &n), 0);
    }
    expect_eof(raw());
    assert_int_equal(dfs_listener_stats(fx->listener).refused_full, 1);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
}

static void stopping_lets_begun_requests_finish(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(100);
    uint64_t len;
    call(p, ECHO, STR("x"), &rsp);
    assert_int_equal(dfs_peer_send(p, LATER, 0, NULL, 0, 0), 0);
    int fd = dfs_peer_fd(p);
    struct pollfd pfd = {fd, POLLIN, 0};
    assert_int_equal(poll(&pfd, 1, 5000), 1); /* it has begun: the answer is here */
    dfs_listener_stop(fx->listener, 5000);
    assert_int_equal(dfs_peer_answer(p, &len), 0);
    assert_int_equal(access(fx->addr.host, F_OK), -1);
}

static void a_proof_is_refused_by_a_service_without_a_secret(void **state)
{
    (void)state;
    AUTO(dfs_secret_free) struct dfs_secret *secret = NULL;
    assert_int_equal(dfs_secret_new(STR("0123456789abcdef"), &secret), 0);
    struct dfs_peer_opts opts = peer_opts;
    struct dfs_peer *p = NULL;
    opts.secret = secret;
    assert_int_equal(dfs_peer_open(&fx->addr, &opts, &p), -EACCES);
}

static void who_proves_the_secret_is_known_to_the_service(void **state)
{
    (void)state;
    AUTO(dfs_secret_free) struct dfs_secret *right = NULL, *wrong = NULL;
    AUTO(buf_free) struct buf rsp = BUF(100);
    assert_int_equal(dfs_secret_new(STR("0123456789abcdef"), &right), 0);
    assert_int_equal(dfs_secret_new(STR("0123456789abcdeX"), &wrong), 0);
    struct dfs_peer_opts opts = peer_opts;
    struct dfs_peer *p = NULL;
    opts.secret = right;
    service.secret = right; /* before there is a connection whose thread might look */
    assert_int_equal(dfs_peer_open(&fx->addr, &opts, &p), 0);
    assert_true(str_eq(call(p, PROVED, STR(""), &rsp), STR("yes")));
    dfs_peer_free(&p);
    opts.secret = wrong;
    assert_int_equal(dfs_peer_open(&fx->addr, &opts, &p), -EACCES);
    AUTO(dfs_peer_free) struct dfs_peer *stranger = peer();
    assert_true(str_eq(call(stranger, PROVED, STR(""), &rsp), STR("no")));
    dfs_peer_free(&stranger);
    dfs_listener_stop(fx->listener, 5000); /* nobody looks at the secret any more */
}

static void a_failed_proof_ends_the_connection(void **state)
{
    (void)state;
    AUTO(dfs_secret_free) struct dfs_secret *right = NULL;
    assert_int_equal(dfs_secret_new(STR("0123456789abcdef"), &right), 0);
    service.secret = right;
    char bytes[DFS_AUTH_LEN] = {0}, body[100];
    size_t n;
    int fd = raw();
    put_header(fd, sizeof(bytes), 178);
    put(fd, bytes, sizeof(bytes));
    assert_int_equal(answer(fd, body, sizeof(body), &n), 0);
    assert_int_equal(n, DFS_AUTH_LEN);
    put_header(fd, sizeof(bytes), 179);
    put(fd, bytes, sizeof(bytes));
    assert_int_equal(answer(fd, body, sizeof(body), &n), EACCES);
    expect_eof(fd);
    dfs_listener_stop(fx->listener, 5000);
}

static void a_connection_can_leave_its_loop(void **state)
{
    (void)state;
    char c;
    int fd = raw();
    put_header(fd, 0, DETACH);
    assert_int_equal(recv(fd, &c, 1, 0), 1);
    expect_eof(fd); /* its new owner has closed it */
    fd = raw();
    uint8_t two[2 * DFS_HEADER_LEN];
    dfs_header_put(&(struct dfs_header){0, DETACH, 0}, two);
    dfs_header_put(&(struct dfs_header){0, ECHO, 0}, two + DFS_HEADER_LEN);
    put(fd, two, sizeof(two)); /* more than the new owner would see */
    expect_eof(fd);
}

#define T(f)         cmocka_unit_test_setup_teardown(f, setup, teardown)
#define IMPATIENT(f) cmocka_unit_test_setup_teardown(f, setup_impatient, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(answers_come_back_at_once_and_from_other_threads),
        T(requests_sent_in_one_piece_are_answered_in_order),
        IMPATIENT(half_a_header_then_silence_costs_only_that_connection),
        IMPATIENT(an_idle_connection_may_stay),
        T(lying_lengths_are_refused_or_cost_nothing),
        T(unknown_commands_and_active_test),
        T(storages_close_after_einval),
        T(content_arrives_whole_through_few_blocks),
        T(a_peer_that_vanishes_inside_content_aborts_once),
        T(refused_content_is_read_and_the_connection_stays),
        T(files_and_streams_are_sent_to_the_byte),
        T(a_file_shorter_than_announced_cuts_the_connection),
        T(a_file_that_changed_on_the_way_is_not_answered_whole),
        T(an_answer_of_unknown_length_ends_with_the_connection),
        IMPATIENT(a_reader_that_does_not_read_is_dropped),
        T(connections_beyond_the_limit_are_closed),
        T(stopping_lets_begun_requests_finish),
        T(a_proof_is_refused_by_a_service_without_a_secret),
        T(who_proves_the_secret_is_known_to_the_service),
        T(a_failed_proof_ends_the_connection),
        T(a_connection_can_leave_its_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
