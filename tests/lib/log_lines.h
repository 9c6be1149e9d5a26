/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_lines - a test waits for what a thread says in the log: its lines go into a pipe instead of standard error.
 *
 * Begin once a program, before there are threads that log. A writer waits when the pipe is full: read now and then
 * where many lines come. Lines that were read are shown on standard error.
 */
#ifndef TEST_LOG_LINES_H
#define TEST_LOG_LINES_H

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "tests/lib/test.h"

enum { LOG_LINES_BYTES = 1024 * 1024, LOG_LINES_PATIENCE_MS = 60000 };

static struct {
    int fd; /* where lines come out */
    size_t n;
    char text[8192]; /* read, and not looked at yet; longer than any line */
} log_lines;

static inline void log_lines_begin(void)
{
    int fds[2];
    char path[64];
    ASSERT(pipe2(fds, O_CLOEXEC) == 0);
    (void)fcntl(fds[0], F_SETPIPE_SZ, LOG_LINES_BYTES);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
    ASSERT(dfs_log_open(path) == 0);
    close(fds[1]);
    log_lines.fd = fds[0];
}

/* True: the first line that is here was of @event. It is taken out, whatever it was of. */
static inline bool log_lines_next_is(const char *event)
{
    char *end = memchr(log_lines.text, '\n', log_lines.n), *name;
    *end = '\0';
    fprintf(stderr, "%s\n", log_lines.text);
    name = strchr(log_lines.text, ' '); /* time, level, event */
    name = name ? strchr(name + 1, ' ') : NULL;
    size_t n = strlen(event);
    bool is = name && strncmp(name + 1, event, n) == 0 && (name[n + 1] == ' ' || !name[n + 1]);
    log_lines.n -= (size_t)(end + 1 - log_lines.text);
    memmove(log_lines.text, end + 1, log_lines.n);
    return is;
}

/* Until a line of @event has come, after those this has returned for. */
static inline void log_lines_until(const char *event)
{
    for (;;) {
        while (memchr(log_lines.text, '\n', log_lines.n))
            if (log_lines_next_is(event))
                return;
        struct pollfd p = {log_lines.fd, POLLIN, 0};
        if (poll(&p, 1, LOG_LINES_PATIENCE_MS) != 1)
            fail_msg("the log never says %s", event);
        ssize_t n =
            read(log_lines.fd, log_lines.text + log_lines.n, sizeof(log_lines.text) - log_lines.n);
        assert_true(n > 0);
        log_lines.n += (size_t)n;
    }
}

#endif
