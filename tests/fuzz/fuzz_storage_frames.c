/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_storage_frames - whatever bytes arrive at a storage's port, from a peer of the group at that:
 * the server goes on, each answer is a well-formed frame, and an error carries no body.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "storage/service/service.h"
#include "tests/lib/test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWER_MS = 30, ANSWERS_MAX = 1 << 20 };

static char *dir;
static struct dfs_allow *peers;
static struct sto_store *store;
static struct sto_members *members;
static struct sto_mirrors *mirrors;
static struct sto_service *service;

static void must(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(-r));
    abort();
}

/* At the end of the process: a target has no other end. */
static void stop_server(void)
{
    sto_service_stop(&service, 0);
    sto_mirrors_close(&mirrors);
    sto_members_free(&members);
    sto_store_close(&store);
    dfs_allow_free(&peers);
    test_tmpdir_free(&dir);
}

static void start_server(void)
{
    char *any = (char *)(uintptr_t) "127.0.0.0/8";
    struct str bad;
    dfs_log_threshold = LOG_ERROR;
    dir = test_tmpdir();
    const struct sto_path_options path = {.dir = dir};
    const struct sto_store_options so = {.group = "group1",
                                         .storage_id = "10.0.0.1",
                                         .paths = &path,
                                         .path_count = 1,
                                         .segment_size = 1 << 20,
                                         .slot_max = 4096,
                                         .use_trunk = true,
                                         .relaxed = true};
    must(sto_store_open(&so, &store, NULL), "store");
    must(sto_members_new(&members), "members");
    must(sto_mirrors_open(store, "10.0.0.1", &mirrors), "mirrors");
    must(dfs_allow_new(&any, 1, &peers, &bad), "peers");
    struct sto_service_options o = {.addr = {.host = "127.0.0.1"},
                                    .peers = peers,
                                    .store = store,
                                    .members = members,
                                    .mirrors = mirrors,
                                    .max_connections = 64,
                                    .net_threads = 1,
                                    .reader_threads = 1,
                                    .writer_threads = 1,
                                    .stall_ms = 1000};
    sto_params_init(&o.params);
    o.params.use_trunk = true;
    must(sto_service_start(&o, &service), "service");
    ASSERT(atexit(stop_server) == 0);
}

static int connect_to_it(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(sto_service_port(service))};
    const struct linger at_once = {1, 0};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        must(-errno, "connect");
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    return fd;
}

static size_t read_answers(int fd, uint8_t *to, size_t cap)
{
    size_t n = 0;
    struct pollfd p = {fd, POLLIN, 0};
    while (n < cap && poll(&p, 1, ANSWER_MS) > 0) {
        ssize_t r = recv(fd, to + n, cap - n, 0);
        if (r <= 0)
            break;
        n += (size_t)r;
    }
    return n;
}

/* Frames as far as they have arrived. */
static void check_answers(const uint8_t *p, size_t n)
{
    while (n >= DFS_HEADER_LEN) {
        struct dfs_header h;
        ASSERT(dfs_header_get(p, &h) == 0);
        ASSERT(h.cmd == 100);
        ASSERT(h.status == 0 || h.len == 0);
        if (h.len > n - DFS_HEADER_LEN)
            return;
        p += DFS_HEADER_LEN + h.len;
        n -= DFS_HEADER_LEN + (size_t)h.len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t answers[ANSWERS_MAX];
    if (!service)
        start_server();
    AUTO(dfs_close_fd) int fd = connect_to_it();
    /* A quit at the end: a server that is still in step closes at once, and we need not wait. */
    static const uint8_t quit[DFS_HEADER_LEN] = {[8] = DFS_CMD_QUIT};
    (void)!send(fd, data, size, MSG_NOSIGNAL);
    (void)!send(fd, quit, sizeof(quit), MSG_NOSIGNAL);
    check_answers(answers, read_answers(fd, answers, sizeof(answers)));
    return 0;
}
