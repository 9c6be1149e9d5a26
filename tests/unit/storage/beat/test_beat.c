/* SPDX-License-Identifier: Apache-2.0 */
/* What a tracker is told of slow disks: by storage/beat on its threads, to one of this build and to others. */
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "storage/beat/beat.h"

enum { PATHS = 2, PLAIN = PATHS * DFS_PATH_USAGE_LEN, BODY_MAX = 64 * 1024, ANSWER_MAX = 128 };

enum manner { KNOWS, REFUSES, HANGS_UP, NAMES_ANOTHER };

/* A tracker, of which one storage is all there is, or that says that there is another one. */
static struct {
    enum manner manner;
    int listener;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t heard;
    unsigned sessions;
    unsigned beats;           /* 83, */
    unsigned plain, told;     /* 84 without and with states, */
    uint8_t states[PATHS];    /* the last ones, */
    unsigned beats_at_report; /* 83 before the last 84 that was answered with 0 */
} tracker;

static _Atomic uint8_t slow; /* of path 1 */

static bool read_all(int fd, void *p, size_t n)
{
    while (n > 0) {
        ssize_t got = read(fd, p, n);
        if (got <= 0)
            return false;
        p = (char *)p + got;
        n -= (size_t)got;
    }
    return true;
}

static bool answer(int fd, uint8_t status, const char *body, size_t n)
{
    uint8_t frame[DFS_HEADER_LEN + ANSWER_MAX] = {
        [7] = (uint8_t)n, [8] = DFS_CMD_RESPONSE, [9] = status};
    memcpy(frame + DFS_HEADER_LEN, body, n);
    return send(fd, frame, DFS_HEADER_LEN + n, MSG_NOSIGNAL) == (ssize_t)(DFS_HEADER_LEN + n);
}

/* 84. False: it hangs up. */
static bool hear_usage(int fd, const uint8_t *body, size_t n)
{
    bool more = n == PLAIN + PATHS, known = n == PLAIN || (more && tracker.manner == KNOWS);
    tracker.plain += n == PLAIN;
    tracker.told += more;
    memset(tracker.states, 0, sizeof(tracker.states));
    if (more)
        memcpy(tracker.states, body + PLAIN, PATHS);
    if (known)
        tracker.beats_at_report = tracker.beats;
    if (more && tracker.manner == HANGS_UP)
        return false;
    return known ? answer(fd, 0, "", 1) : answer(fd, EINVAL, "", 0);
}

static bool name_another(int fd)
{
    AUTO(buf_free) struct buf notice = BUF(ANSWER_MAX);
    struct dfs_brief other = {
        .status = DFS_ST_ACTIVE, .id = "10.0.0.2", .ip = "10.0.0.2", .port = 1};
    buf_u8(&notice, DFS_NOTICE_MEMBERS);
    dfs_brief_put(&notice, &other);
    return buf_err(&notice) == 0 && answer(fd, 0, notice.p, notice.n);
}

static bool hear(int fd, uint8_t cmd, const uint8_t *body, size_t n)
{
    static const char joined[DFS_JOIN_RSP_LEN] = {DFS_ST_ACTIVE};
    switch (cmd) {
    case DFS_CMD_JOIN:
        return answer(fd, 0, joined, sizeof(joined));
    case DFS_CMD_BEAT:
        tracker.beats++;
        return tracker.manner == NAMES_ANOTHER ? name_another(fd) : answer(fd, 0, "", 1);
    case DFS_CMD_DISK_USAGE:
        return hear_usage(fd, body, n);
    case DFS_CMD_PARAMETERS:
        return answer(fd, 0, "use_storage_id=0\n", 17);
    default:
        return cmd != DFS_CMD_QUIT && answer(fd, 0, "", 0);
    }
}

static void serve(int fd)
{
    static uint8_t body[BODY_MAX];
    uint8_t head[DFS_HEADER_LEN];
    bool go_on = true;
    while (go_on && read_all(fd, head, sizeof(head))) {
        size_t n = (size_t)head[5] << 16 | (size_t)head[6] << 8 | head[7];
        if (n > sizeof(body) || !read_all(fd, body, n))
            return;
        pthread_mutex_lock(&tracker.lock);
        go_on = hear(fd, head[8], body, n);
        pthread_cond_broadcast(&tracker.heard);
        pthread_mutex_unlock(&tracker.lock);
    }
}

static void *tracker_main(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(tracker.listener, NULL, NULL)) >= 0; close(fd)) {
        pthread_mutex_lock(&tracker.lock);
        tracker.sessions++;
        pthread_mutex_unlock(&tracker.lock);
        serve(fd);
    }
    return NULL;
}

static uint16_t start_tracker(enum manner manner)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    memset(&tracker, 0, sizeof(tracker));
    tracker.manner = manner;
    tracker.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(tracker.listener, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(tracker.listener, 8), 0);
    assert_int_equal(getsockname(tracker.listener, (struct sockaddr *)&at, &n), 0);
    pthread_mutex_init(&tracker.lock, NULL);
    pthread_cond_init(&tracker.heard, NULL);
    assert_int_equal(pthread_create(&tracker.thread, NULL, tracker_main, NULL), 0);
    return ntohs(at.sin_port);
}

static void stop_tracker(void)
{
    shutdown(tracker.listener, SHUT_RDWR);
    pthread_join(tracker.thread, NULL);
    close(tracker.listener);
}

static void no_stats(void *arg, struct dfs_stat_block *ret)
{
    (void)arg;
    memset(ret, 0, sizeof(*ret));
}

static void usage(void *arg, unsigned path, struct dfs_path_usage *ret)
{
    (void)arg;
    *ret = (struct dfs_path_usage){1000, 500 + path};
}

static uint8_t state_of(void *arg, unsigned path)
{
    (void)arg;
    return path == 1 ? atomic_load(&slow) : 0;
}

/* Waits for that many. */
static void wait_for(const unsigned *what, unsigned n)
{
    pthread_mutex_lock(&tracker.lock);
    while (*what < n)
        pthread_cond_wait(&tracker.heard, &tracker.lock);
    pthread_mutex_unlock(&tracker.lock);
}

static unsigned now(const unsigned *what)
{
    pthread_mutex_lock(&tracker.lock);
    unsigned n = *what;
    pthread_mutex_unlock(&tracker.lock);
    return n;
}

static char folder[256]; /* of the identity, which is not there at first */
static struct sto_members *members;

static void play(enum manner manner, void (*script)(void))
{
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    char identity[sizeof(folder) + 16];
    (void)snprintf(folder, sizeof(folder), "%s/data", dir);
    (void)snprintf(identity, sizeof(identity), "%s/identity", folder);
    struct sto_beat *beat = NULL;
    const struct dfs_addr addr = {.host = "127.0.0.1", .port = start_tracker(manner)};
    assert_int_equal(sto_members_new(&members), 0);
    struct sto_beat_options o = {
        .trackers = {&addr, 1, {.connect_ms = 60000, .timeout_ms = 60000}, "group1"},
        .members = members,
        .identity_path = identity,
        .identity = {.sync_negotiated = true,
                     .complete = true,
                     .alone = true,
                     .ip = "127.0.0.1",
                     .id = "127.0.0.1"},
        .port = 23000,
        .path_count = PATHS,
        .subdirs = 256,
        .beat_ms = 20,
        .report_ms = 3600 * 1000, /* what comes sooner comes for a reason */
        .stats = no_stats,
        .usage = usage,
        .state = state_of,
    };
    sto_params_init(&o.params);
    atomic_store(&slow, 0);
    assert_int_equal(sto_beat_start(&o, &beat), 0);
    wait_for(&tracker.plain, 1);
    script();
    sto_beat_stop(&beat);
    sto_members_free(&members);
    stop_tracker();
}

static void slow_and_quick_again(void)
{
    atomic_store(&slow, DFS_PATH_SLOW);
    wait_for(&tracker.told, 1);
    assert_int_equal(tracker.states[0], 0);
    assert_int_equal(tracker.states[1], DFS_PATH_SLOW);
    atomic_store(&slow, 0);
    wait_for(&tracker.plain, 2);
    assert_int_equal(now(&tracker.told), 1);
    assert_int_equal(now(&tracker.sessions), 1);
}

static void this_build_is_told_at_once(void **state)
{
    (void)state;
    play(KNOWS, slow_and_quick_again);
}

/* It is told once, then the rest; that goes on, from @beats in the last of so many @sessions. */
static void told_once(const unsigned *beats, unsigned sessions)
{
    atomic_store(&slow, DFS_PATH_SLOW);
    wait_for(&tracker.plain, 2);
    assert_int_equal(now(&tracker.told), 1);
    wait_for(&tracker.beats, now(beats) + 3); /* and is not told again and again */
    assert_int_equal(now(&tracker.told), 1);
    assert_int_equal(now(&tracker.sessions), sessions);
}

static void refused_and_told_the_rest(void)
{
    told_once(&tracker.beats, 1);
}

static void an_earlier_one_that_refuses_hears_the_rest(void **state)
{
    (void)state;
    play(REFUSES, refused_and_told_the_rest);
}

static void left_and_not_told_again(void)
{
    told_once(&tracker.beats_at_report, 2); /* the rest in the next one */
}

static void one_that_hangs_up_is_not_told_again(void **state)
{
    (void)state;
    play(HANGS_UP, left_and_not_told_again);
}

static void named_and_kept_when_the_disk_takes_it(void)
{
    struct sto_identity kept = {.alone = true};
    struct sto_member other;
    char path[sizeof(folder) + 16];
    (void)snprintf(path, sizeof(path), "%s/identity", folder);
    wait_for(&tracker.beats, 3);
    assert_int_equal(sto_members_find(members, "10.0.0.2", &other), 0);
    assert_int_equal(mkdir(folder, 0755), 0);
    wait_for(&tracker.beats, now(&tracker.beats) + 3);
    assert_int_equal(sto_identity_load(path, &kept), 0);
    assert_true(kept.complete && !kept.alone);
    assert_int_equal(now(&tracker.sessions), 1);
}

static void who_cannot_keep_that_there_is_another_one_stays_in_the_group(void **state)
{
    (void)state;
    play(NAMES_ANOTHER, named_and_kept_when_the_disk_takes_it);
}

int main(void)
{
    dfs_log_threshold = LOG_ERROR + 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_build_is_told_at_once),
        cmocka_unit_test(an_earlier_one_that_refuses_hears_the_rest),
        cmocka_unit_test(one_that_hangs_up_is_not_told_again),
        cmocka_unit_test(who_cannot_keep_that_there_is_another_one_stays_in_the_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
