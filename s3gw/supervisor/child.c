/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/supervisor/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"

enum {
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 5000,
    STEADY_MS = 60 * 1000, /* alive this long: the next death begins with the short pause again */
};

static const char *const state_names[] = {
    [S3_CHILD_STOPPED] = "stopped",    [S3_CHILD_STARTING] = "starting", [S3_CHILD_READY] = "ready",
    [S3_CHILD_BACKOFF] = "restarting", [S3_CHILD_STOPPING] = "stopping",
};

/* from -> bits of the states that may follow */
static const unsigned allowed_moves[] = {
    [S3_CHILD_STOPPED] = 1u << S3_CHILD_STARTING | 1u << S3_CHILD_BACKOFF,
    [S3_CHILD_STARTING] = 1u << S3_CHILD_READY | 1u << S3_CHILD_BACKOFF | 1u << S3_CHILD_STOPPING,
    [S3_CHILD_READY] = 1u << S3_CHILD_BACKOFF | 1u << S3_CHILD_STOPPING,
    [S3_CHILD_BACKOFF] = 1u << S3_CHILD_STARTING | 1u << S3_CHILD_BACKOFF | 1u << S3_CHILD_STOPPED,
    [S3_CHILD_STOPPING] = 1u << S3_CHILD_STOPPED | 1u << S3_CHILD_STOPPING,
};

static void move(struct s3_child *c, enum s3_child_state to)
{
    int from = atomic_load(&c->state);
    ASSERT(allowed_moves[from] & 1u << to);
    atomic_store(&c->state, (int)to);
    bool alive = to == S3_CHILD_STARTING || to == S3_CHILD_READY || to == S3_CHILD_STOPPING;
    ASSERT(alive == (atomic_load(&c->pid) > 0)); /* the invariant */
}

void s3_child_init(struct s3_child *c, const char *name, const char *program, const char *conf)
{
    *c = (struct s3_child){
        .name = name, .program = program, .conf = conf, .out = -1, .backoff_ms = BACKOFF_FIRST_MS};
}

const char *s3_child_state_name(enum s3_child_state s)
{
    return state_names[s];
}

/* In the new process: only calls that are safe after fork() in a program with threads. */
static _Noreturn void become(const struct s3_child *c, int out, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(127); /* the parent died between fork and prctl */
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(out, STDOUT_FILENO) < 0)
        _exit(127);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        _exit(127);
    if (null > STDERR_FILENO)
        close(null);
    char *argv[] = {(char *)c->program, (char *)c->conf, NULL};
    execv(c->program, argv);
    _exit(126);
}

static void plan_restart(struct s3_child *c)
{
    uint64_t now = dfs_mono_ms();
    if (now - c->started_ms > STEADY_MS)
        c->backoff_ms = BACKOFF_FIRST_MS;
    c->restart_ms = now + c->backoff_ms;
    c->backoff_ms = MIN(c->backoff_ms * 2, (unsigned)BACKOFF_MAX_MS);
    move(c, S3_CHILD_BACKOFF);
}

int s3_child_start(struct s3_child *c)
{
    int pipe_fds[2];
    c->started_ms = dfs_mono_ms();
    c->line_n = 0;
    if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        int r = -errno;
        plan_restart(c);
        return r;
    }
    /* the child writes to a blocking end; only ours may not wait */
    (void)fcntl(pipe_fds[1], F_SETFL, 0);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(c, pipe_fds[1], parent);
    int r = pid < 0 ? -errno : 0;
    close(pipe_fds[1]);
    if (r < 0) {
        close(pipe_fds[0]);
        plan_restart(c);
        return r;
    }
    c->out = pipe_fds[0];
    atomic_store(&c->pid, pid);
    move(c, S3_CHILD_STARTING);
    dfs_log(LOG_INFO, "supervisor.started", KV_Z("child", c->name), KV_I64("pid", pid));
    return 0;
}

static void take_line(struct s3_child *c, struct str line)
{
    uint64_t port;
    if (atomic_load(&c->state) != S3_CHILD_STARTING || !str_starts(line, STR("ready port=")))
        return;
    if (str_u64(str_from(line, sizeof("ready port=") - 1), 65535, &port) < 0)
        return;
    atomic_store(&c->port, (unsigned)port);
    move(c, S3_CHILD_READY);
    dfs_log(LOG_INFO, "supervisor.ready", KV_Z("child", c->name), KV_U64("port", port),
            KV_U64("after_ms", dfs_mono_ms() - c->started_ms));
}

void s3_child_readable(struct s3_child *c)
{
    for (;;) {
        ssize_t n = read(c->out, c->line + c->line_n, sizeof(c->line) - c->line_n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            dfs_close_fd(&c->out); /* it closed its end: waitpid() will tell the rest */
            return;
        }
        c->line_n += (size_t)n;
        struct str rest = str_of(c->line, c->line_n), line, tail;
        while (str_cut(rest, '\n', &line, &tail)) {
            take_line(c, line);
            rest = tail;
        }
        if (rest.n == sizeof(c->line))
            rest.n = 0; /* no line of ours is that long */
        memmove(c->line, rest.p, rest.n);
        c->line_n = rest.n;
    }
}

bool s3_child_reap(struct s3_child *c)
{
    int pid = atomic_load(&c->pid), status;
    if (pid == 0 || waitpid(pid, &status, WNOHANG) != pid)
        return false;
    if (c->out >= 0)
        s3_child_readable(c); /* what it said last */
    dfs_close_fd(&c->out);
    c->exit_status = status;
    atomic_store(&c->pid, 0);
    if (atomic_load(&c->state) == S3_CHILD_STOPPING) {
        move(c, S3_CHILD_STOPPED);
        dfs_log(LOG_INFO, "supervisor.stopped", KV_Z("child", c->name));
        return true;
    }
    plan_restart(c);
    dfs_log(LOG_ERROR, "supervisor.died", KV_Z("child", c->name), KV_I64("pid", pid),
            KV_I64(WIFSIGNALED(status) ? "signal" : "status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)),
            KV_U64("restart_ms", c->restart_ms - dfs_mono_ms()));
    return true;
}

int s3_child_tick(struct s3_child *c)
{
    if (atomic_load(&c->state) != S3_CHILD_BACKOFF)
        return -1;
    uint64_t now = dfs_mono_ms();
    if (now < c->restart_ms)
        return (int)(c->restart_ms - now);
    atomic_fetch_add(&c->restarts, 1);
    int r = s3_child_start(c);
    if (r < 0)
        dfs_log(LOG_ERROR, "supervisor.start_failed", KV_Z("child", c->name), KV_ERR(r));
    return r < 0 ? (int)c->backoff_ms : -1;
}

void s3_child_stop(struct s3_child *c, bool hard)
{
    int pid = atomic_load(&c->pid);
    if (pid > 0) {
        move(c, S3_CHILD_STOPPING);
        kill(pid, hard ? SIGKILL : SIGTERM);
    } else if (atomic_load(&c->state) == S3_CHILD_BACKOFF) {
        move(c, S3_CHILD_STOPPED);
    }
}
