/* SPDX-License-Identifier: Apache-2.0 */
/* The sender on the memory index, with a small server of our own: order, retries, what stays. */
#include "s3gw/notify/sender.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "s3gw/index/events.h"
#include "s3gw/notify/event.h"
#include "tests/lib/test.h"

/* Answers every request with the next of @statuses, the last one for ever; keeps sequencers of what
 * it took. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int fd;
    unsigned port;
    const int *statuses;
    unsigned requests, taken;
    char sequence[64][17];
} server = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void serve_one(int fd)
{
    char buffer[8192];
    size_t n = 0;
    for (;;) {
        ssize_t got = read(fd, buffer + n, sizeof(buffer) - 1 - n);
        if (got <= 0)
            return;
        n += (size_t)got;
        buffer[n] = '\0';
        const char *body = strstr(buffer, "\r\n\r\n"),
                   *length = strcasestr(buffer, "content-length:");
        if (!body || !length || strlen(body + 4) < strtoul(length + 15, NULL, 10))
            continue;
        pthread_mutex_lock(&server.lock);
        int status = *server.statuses;
        if (server.statuses[1])
            server.statuses++;
        const char *s = strstr(body, "\"sequencer\":\"");
        if (status == 200 && s && server.taken < 64)
            snprintf(server.sequence[server.taken++], 17, "%.16s", s + 13);
        server.requests++;
        pthread_cond_broadcast(&server.changed);
        pthread_mutex_unlock(&server.lock);
        dprintf(fd, "HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
        return;
    }
}

static void *server_main(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(server.fd, NULL, NULL)) >= 0;) {
        serve_one(fd);
        close(fd);
    }
    return NULL;
}

static void start_server(pthread_t *t)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(a);
    server.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(server.fd, 8), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&a, &n), 0);
    server.port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(t, NULL, server_main, NULL), 0);
}

static int put_events(struct s3_tx *tx, void *arg)
{
    const char *target = arg;
    for (int i = 0; i < 5; i++) {
        AUTO(buf_free) struct buf b = BUF(4096);
        const struct s3_event_record e = {
            .event = S3_EVENT_CREATED_PUT, .bucket = STR("b"), .key = STR("k")};
        s3_event_encode(&e, &b);
        s3_event_put(tx, str_c(target), buf_str(&b));
    }
    return 0;
}

static void have(struct s3_index *x, const char *target)
{
    assert_int_equal(s3_index_update(x, put_events, (void *)(uintptr_t)target), 0);
}

static size_t left(struct s3_index *x, const char *target)
{
    AUTO(arena_fini) struct arena a;
    struct s3_event_row *rows;
    size_t n;
    arena_init(&a, 1 << 20);
    assert_int_equal(s3_event_list(x, str_c(target), 100, &a, &rows, &n), 0);
    return n;
}

static void await_taken(unsigned n)
{
    pthread_mutex_lock(&server.lock);
    while (server.taken < n)
        pthread_cond_wait(&server.changed, &server.lock);
    pthread_mutex_unlock(&server.lock);
}

static void events_arrive_in_order_after_failures_and_go(void **state)
{
    (void)state;
    static const int statuses[] = {200, 500, 404, 200, 0};
    struct s3_index *x;
    struct s3_sender *s;
    pthread_t t;
    char url[64];
    server.statuses = statuses;
    start_server(&t);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/x", server.port);
    assert_int_equal(s3_index_open_mem(&x), 0);
    have(x, "one");
    have(x, "two"); /* of an earlier configuration: nobody takes them, nobody loses them */
    const struct s3_sender_target targets[] = {{STR("away"), STR("http://127.0.0.1:1/")},
                                               {STR("one"), str_c(url)}};
    const struct s3_sender_options o = {.index = x,
                                        .region = STR("r"),
                                        .targets = targets,
                                        .ntargets = 2,
                                        .backlog = 12,
                                        .timeout_ms = 60000,
                                        .retry_ms = 1};
    assert_int_equal(s3_sender_start(&o, &s), 0);
    await_taken(5);
    for (unsigned i = 1; i < 5; i++)
        assert_true(strcmp(server.sequence[i - 1], server.sequence[i]) < 0);
    have(x, "away");
    s3_sender_wake(s, 5);
    struct s3_sender_counts c;
    do
        s3_sender_counts(s, &c);
    while (c.failures < 3); /* two answers that were none, and a target that is away */
    assert_true(s3_sender_knows(s, STR("one")) && !s3_sender_knows(s, STR("two")));
    assert_int_equal(s3_sender_test(s, STR("one"), STR("{}")), 0);
    assert_int_equal(s3_sender_test(s, STR("away"), STR("{}")), -EHOSTUNREACH);
    assert_int_equal(s3_sender_test(s, STR("two"), STR("{}")), -ENOENT);
    s3_sender_stop(&s);
    assert_null(s);
    assert_int_equal(left(x, "one"), 0);
    assert_int_equal(left(x, "two"), 5);
    assert_int_equal(left(x, "away"), 5);
    s3_index_close(&x);
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(t, NULL);
    close(server.fd);
}

static void the_backlog_has_a_ceiling(void **state)
{
    (void)state;
    struct s3_index *x;
    struct s3_sender *s;
    assert_int_equal(s3_index_open_mem(&x), 0);
    have(x, "away");
    const struct s3_sender_target targets[] = {{STR("away"), STR("http://127.0.0.1:1/")}};
    struct s3_sender_options o = {.index = x,
                                  .region = STR("r"),
                                  .targets = targets,
                                  .ntargets = 1,
                                  .backlog = 6,
                                  .timeout_ms = 60000,
                                  .retry_ms = 100000};
    assert_int_equal(s3_sender_start(&o, &s), 0);
    struct s3_sender_counts c;
    s3_sender_counts(s, &c);
    assert_int_equal(c.pending, 5); /* found at the start */
    assert_true(s3_sender_room(s));
    s3_sender_wake(s, 1);
    assert_false(s3_sender_room(s));
    s3_sender_counts(s, &c);
    assert_int_equal(c.dropped, 1);
    s3_sender_stop(&s);
    s3_index_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_arrive_in_order_after_failures_and_go),
        cmocka_unit_test(the_backlog_has_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
