/* SPDX-License-Identifier: Apache-2.0 */
/* Children are shell scripts; the supervisor's own loop waits for their events. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "s3gw/supervisor/supervisor.h"

static void write_script(const char *path, const char *body)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fprintf(f, "#!/bin/sh\n%s\n", body) > 0);
    fclose(f);
    assert_int_equal(chmod(path, 0700), 0);
}

static char script[4200];

static int make_script(void **state)
{
    static char *tmp;
    tmp = test_tmpdir();
    *state = &tmp;
    (void)snprintf(script, sizeof(script), "%s/server", tmp);
    dfs_log_threshold = LOG_ERROR + 1;
    return 0;
}

static int remove_script(void **state)
{
    test_tmpdir_free(*state);
    return 0;
}

static void a_child_is_ready_when_it_says_so_and_stops_when_asked(void **state)
{
    (void)state;
    struct s3_supervisor s;
    write_script(script, "echo starting; echo ready port=4711; exec sleep 60");
    assert_int_equal(s3_supervisor_init(&s), 0);
    assert_int_equal(s3_supervisor_add(&s, "server", script, "conf"), 0);
    assert_int_equal(atomic_load(&s.children[0].port), 4711);
    int pid = atomic_load(&s.children[0].pid);
    assert_int_equal(kill(pid, 0), 0);
    s3_supervisor_fini(&s);
    assert_int_equal(kill(pid, 0), -1);
}

static void a_child_that_ends_before_it_is_ready_is_an_error(void **state)
{
    (void)state;
    struct s3_supervisor s;
    write_script(script, "exit 3");
    assert_int_equal(s3_supervisor_init(&s), 0);
    assert_int_equal(s3_supervisor_add(&s, "server", script, "conf"), -ECHILD);
    assert_int_equal(s.n, 0);
    assert_int_equal(WEXITSTATUS(s.children[0].exit_status), 3);
    assert_int_equal(s3_supervisor_add(&s, "server", "/nonexistent/program", "conf"), -ECHILD);
    s3_supervisor_fini(&s);
}

/* The script dies once, when it is told to, comes back, and then asks the supervisor itself to stop. */
static void a_child_that_dies_is_started_again(void **state)
{
    (void)state;
    struct s3_supervisor s;
    char go[sizeof(script) + 3];
    write_script(script, "echo ready port=1\n"
                         "if [ -e \"$0.again\" ]; then kill -TERM $PPID; exec sleep 60; fi\n"
                         "touch \"$0.again\"; read now <\"$0.go\"; kill -KILL $$");
    (void)snprintf(go, sizeof(go), "%s.go", script);
    assert_int_equal(mkfifo(go, 0600), 0);
    assert_int_equal(s3_supervisor_init(&s), 0);
    assert_int_equal(s3_supervisor_add(&s, "server", script, "conf"), 0);
    int fd = open(go, O_WRONLY); /* once the script has come to read it */
    assert_true(fd >= 0);
    close(fd);
    s3_supervisor_run(&s);
    assert_int_equal(atomic_load(&s.children[0].restarts), 1);
    s3_supervisor_fini(&s);
}

static void no_child_outlives_a_killed_supervisor(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    write_script(script, "echo ready port=1; exec sleep 60");
    pid_t supervisor = fork();
    if (supervisor == 0) {
        struct s3_supervisor s;
        if (s3_supervisor_init(&s) < 0 || s3_supervisor_add(&s, "server", script, "conf") < 0)
            _exit(1);
        int pid = atomic_load(&s.children[0].pid);
        if (write(fds[1], &pid, sizeof(pid)) != sizeof(pid))
            _exit(1);
        pause();
        _exit(0);
    }
    int child = 0;
    assert_int_equal(read(fds[0], &child, sizeof(child)), sizeof(child));
    struct pollfd death = {(int)syscall(SYS_pidfd_open, child, 0), POLLIN, 0};
    assert_true(death.fd >= 0);
    assert_int_equal(poll(&death, 1, 0), 0);
    kill(supervisor, SIGKILL);
    assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
    assert_int_equal(poll(&death, 1, 30000), 1);
    close(death.fd);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_child_is_ready_when_it_says_so_and_stops_when_asked,
                                        make_script, remove_script),
        cmocka_unit_test_setup_teardown(a_child_that_ends_before_it_is_ready_is_an_error,
                                        make_script, remove_script),
        cmocka_unit_test_setup_teardown(a_child_that_dies_is_started_again, make_script,
                                        remove_script),
        cmocka_unit_test_setup_teardown(no_child_outlives_a_killed_supervisor, make_script,
                                        remove_script),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
