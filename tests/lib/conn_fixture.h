/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn_fixture - a service on a Unix-domain socket and two loops, talked to with raw bytes and with dfs_peer.
 */
#ifndef TEST_CONN_FIXTURE_H
#define TEST_CONN_FIXTURE_H

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dfscore/net/listener.h"
#include "dfscore/net/peer.h"
#include "dfscore/net/stream.h"
#include "tests/lib/test.h"

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
    pthread_mutex_t lock;
    pthread_cond_t counted;
    unsigned opened, closed, done, aborted, content_bytes; /* under lock */
    unsigned asked; /* likewise: whether the file that is sent is whole */
    bool torn;      /* it is not */
};

static struct fixture *fx;

static void count_up(unsigned *n, unsigned by)
{
    pthread_mutex_lock(&fx->lock);
    *n += by;
    pthread_cond_broadcast(&fx->counted);
    pthread_mutex_unlock(&fx->lock);
}

/* Until *n is at least that. */
static inline void await_count(const unsigned *n, unsigned least)
{
    pthread_mutex_lock(&fx->lock);
    while (*n < least)
        pthread_cond_wait(&fx->counted, &fx->lock);
    pthread_mutex_unlock(&fx->lock);
}

static inline unsigned counted(const unsigned *n)
{
    pthread_mutex_lock(&fx->lock);
    unsigned now = *n;
    pthread_mutex_unlock(&fx->lock);
    return now;
}

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

static void from_elsewhere(struct dfs_req *req)
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
    count_up(&fx->content_bytes, (unsigned)blk->n);
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
    count_up(&fx->aborted, 1);
    dfs_req_drop(req);
}

static void count_done(struct dfs_req *req)
{
    free(req->user);
    count_up(&fx->done, 1);
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
    count_up(&fx->asked, 1);
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
    {LATER, "later", 0, 0, from_elsewhere, NULL, NULL, NULL},
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
    count_up(&fx->opened, 1);
}

static void on_close(struct dfs_conn *c)
{
    (void)c;
    count_up(&fx->closed, 1);
}

static struct dfs_service service = {
    .name = "test",
    .commands = commands,
    .n = ARRAY_LEN(commands),
    .frame_max = INT64_MAX,
    .on_open = on_open,
    .on_close = on_close,
};

enum { PATIENCE_MS = 60000 }; /* with clients that say nothing, or half of something */

static int setup(void **state)
{
    fx = dfs_zalloc(sizeof(*fx));
    pthread_mutex_init(&fx->lock, NULL);
    pthread_cond_init(&fx->counted, NULL);
    fx->dir = test_tmpdir();
    service.stall_ms = PATIENCE_MS; /* our own thread may be the slow one */
    service.first_ms = PATIENCE_MS;
    service.close_on_einval = false;
    service.secret = NULL;
    service.frame_max = INT64_MAX;
    snprintf(fx->addr.host, sizeof(fx->addr.host), "%s/s", fx->dir);
    for (size_t i = 0; i < ARRAY_LEN(fx->loops); i++) {
        assert_int_equal(dfs_loop_new("test", &fx->loops[i]), 0);
        assert_int_equal(dfs_loop_start(fx->loops[i]), 0);
    }
    const struct dfs_listen_opts opts = {
        .addr = fx->addr, .max_conns = 8, .blocks = 6, .block_bytes = 5000};
    assert_int_equal(
        dfs_listener_new(&opts, &service, fx->loops, ARRAY_LEN(fx->loops), &fx->listener), 0);
    *state = fx;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dfs_listener_stop(fx->listener, 5000);
    assert_int_equal(dfs_listener_stats(fx->listener).current, 0);
    dfs_listener_free(&fx->listener);
    assert_int_equal(fx->opened, fx->closed);
    for (size_t i = 0; i < ARRAY_LEN(fx->loops); i++)
        dfs_loop_free(&fx->loops[i]);
    pthread_cond_destroy(&fx->counted);
    pthread_mutex_destroy(&fx->lock);
    test_tmpdir_free(&fx->dir);
    free(fx);
    return 0;
}

static const struct dfs_peer_opts peer_opts = {.connect_ms = 60000, .timeout_ms = 60000};

static inline struct dfs_peer *peer(void)
{
    struct dfs_peer *p = NULL;
    assert_int_equal(dfs_peer_open(&fx->addr, &peer_opts, &p), 0);
    return p;
}

static inline int raw(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    memcpy(sa.sun_path, fx->addr.host, strlen(fx->addr.host));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

static inline void put(int fd, const void *p, size_t n)
{
    assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), n);
}

static inline void put_header(int fd, uint64_t len, uint8_t cmd)
{
    uint8_t head[DFS_HEADER_LEN];
    dfs_header_put(&(struct dfs_header){len, cmd, 0}, head);
    put(fd, head, sizeof(head));
}

/* Status of the next answer, its body in @body; -1 when the connection ends. */
static inline int answer(int fd, char *body, size_t cap, size_t *n)
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

static inline void expect_eof(int fd)
{
    char c;
    assert_true(recv(fd, &c, 1, 0) <= 0);
    close(fd);
}

static inline struct str call(struct dfs_peer *p, uint8_t cmd, struct str body, struct buf *rsp)
{
    assert_int_equal(dfs_peer_call(p, cmd, 0, &body, 1, rsp), 0);
    return buf_str(rsp);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
