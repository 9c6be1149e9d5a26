/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/supervisor/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"

enum { STOP_MS = 30 * 1000 };

int s3_supervisor_init(struct s3_supervisor *s)
{
    *s = (struct s3_supervisor){.magic = S3_SUPERVISOR_MAGIC, .signal_fd = -1};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return -EINVAL;
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signal_fd < 0 ? -errno : 0;
}

static void take_signals(struct s3_supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            s->stop_asked = true;
            continue;
        }
        for (unsigned i = 0; i < s->n; i++) {
            int pid = atomic_load(&s->children[i].pid);
            if (info.ssi_signo == SIGHUP && pid > 0)
                kill(pid, SIGHUP);
            /* several deaths may share one SIGCHLD: ask every child */
            if (info.ssi_signo == SIGCHLD)
                s3_child_reap(&s->children[i]);
        }
        if (info.ssi_signo == SIGHUP && s->reload)
            s->reload(s->reload_arg);
    }
}

/* Wait for one round of events, at most @max_ms (-1: no limit). */
static void wait_once(struct s3_supervisor *s, int max_ms)
{
    struct pollfd fds[1 + S3_CHILDREN_MAX] = {{.fd = s->signal_fd, .events = POLLIN}};
    for (unsigned i = 0; i < s->n; i++) {
        int due = s3_child_tick(&s->children[i]);
        if (due >= 0 && (max_ms < 0 || due < max_ms))
            max_ms = due;
        fds[1 + i] = (struct pollfd){.fd = s->children[i].out, .events = POLLIN};
    }
    if (poll(fds, 1 + s->n, max_ms) <= 0)
        return;
    for (unsigned i = 0; i < s->n; i++) {
        if (fds[1 + i].revents)
            s3_child_readable(&s->children[i]);
    }
    if (fds[0].revents)
        take_signals(s);
}

int s3_supervisor_add(struct s3_supervisor *s, const char *name, const char *program,
                      const char *conf)
{
    CHECK_OBJ(s, S3_SUPERVISOR_MAGIC);
    ASSERT(s->n < S3_CHILDREN_MAX);
    struct s3_child *c = &s->children[s->n];
    s3_child_init(c, name, program, conf);
    int r = s3_child_start(c);
    if (r < 0)
        return r;
    s->n++;
    while (!s->stop_asked && atomic_load(&c->state) == S3_CHILD_STARTING)
        wait_once(s, -1);
    if (s->stop_asked)
        return -EINTR;
    if (atomic_load(&c->state) == S3_CHILD_READY)
        return 0;
    s3_child_stop(c, true); /* it died during its first start: no back-off, the caller decides */
    s->n--;
    return -ECHILD;
}

bool s3_supervisor_wait(struct s3_supervisor *s, int fd)
{
    CHECK_OBJ(s, S3_SUPERVISOR_MAGIC);
    ASSERT(s->n == 0); /* nobody else is looked after meanwhile */
    struct pollfd fds[2] = {{.fd = s->signal_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    while (!s->stop_asked && !fds[1].revents) {
        if (poll(fds, ARRAY_LEN(fds), -1) <= 0)
            continue;
        if (fds[0].revents)
            take_signals(s);
    }
    return !s->stop_asked;
}

bool s3_supervisor_stop_asked(struct s3_supervisor *s)
{
    CHECK_OBJ(s, S3_SUPERVISOR_MAGIC);
    wait_once(s, 0);
    return s->stop_asked;
}

void s3_supervisor_run(struct s3_supervisor *s)
{
    CHECK_OBJ(s, S3_SUPERVISOR_MAGIC);
    while (!s->stop_asked)
        wait_once(s, -1);
}

/* Stop the children, last one first, each with 30 seconds before it is killed. */
static void stop_all(struct s3_supervisor *s)
{
    while (s->n > 0) {
        struct s3_child *c = &s->children[s->n - 1];
        uint64_t deadline = dfs_mono_ms() + STOP_MS;
        s->stop_asked = false; /* from here on, asking again means: now */
        s3_child_stop(c, false);
        while (atomic_load(&c->state) == S3_CHILD_STOPPING) {
            uint64_t now = dfs_mono_ms();
            if (now >= deadline || s->stop_asked) {
                dfs_log(LOG_WARN, "supervisor.killing", KV_Z("child", c->name));
                s3_child_stop(c, true);
                deadline = now + STOP_MS;
                s->stop_asked = false;
            }
            wait_once(s, 100);
        }
        s->n--;
    }
}

void s3_supervisor_fini(struct s3_supervisor *s)
{
    if (s->magic != S3_SUPERVISOR_MAGIC)
        return;
    stop_all(s);
    dfs_close_fd(&s->signal_fd);
    s->magic = 0;
}
