/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dfs_storaged - the storage server. Reads the settings, opens what they name (app_setup.c), wires the parts
 * (app_parts.c).
 *
 *   1  configuration, log, lock of base_path
 *   2  who are we? From a tracker, or as kept from last time when no tracker answers
 *   3  engine, gateway socket, network, beat, replication
 *   4  signals until SIGTERM; then everything in the opposite order
 *
 * Exit codes: 0 stopped by a signal, 1 cannot run, 2 usage or configuration.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "dfscore/base/std.h"
#include "dfscore/base/version.h"
#include "dfscore/log/log.h"
#include "storage/app.h"

enum { EXIT_USAGE = 2 };

static void set_log(const struct sto_conf *c)
{
    dfs_log_threshold = dfs_log_level_of(c->log_level);
    int r = c->log_file[0] ? dfs_log_open(c->log_file) : 0;
    if (r < 0)
        dfs_log(LOG_ERROR, "log.open_failed", KV_Z("file", c->log_file), KV_ERR(r));
}

static void reload(struct sto_app *a)
{
    AUTO(buf_free) struct buf err = BUF(4096);
    AUTO(sto_conf_fini) struct sto_conf next = {0};
    int r = sto_conf_load(a->conf_path, &next, &err);
    if (r < 0) {
        dfs_log(LOG_ERROR, "storage.reload_failed", KV_STR("error", buf_str(&err)), KV_ERR(r));
        dfs_tls_renew(a->tls);
        return;
    }
    set_log(&next);
    dfs_tls_renew(a->tls);
    dfs_log(LOG_INFO, "storage.reloaded");
}

static void on_signal(void *arg, int signo)
{
    struct sto_app *a = arg;
    if (signo == SIGHUP)
        reload(a);
    else
        dfs_loop_stop(a->loop);
}

static int serve(struct sto_app *a)
{
    int r = dfs_loop_new("main", &a->loop);
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < ARRAY_LEN(signals) && r == 0; i++)
        r = dfs_loop_on_signal(a->loop, signals[i], on_signal, a);
    if (r < 0)
        return sto_app_say("event loop", r);
    int status = sto_app_start(a);
    if (status == 0) {
        dfs_log(LOG_INFO, "storage.started", KV_Z("ip", a->identity.ip), KV_Z("id", a->identity.id),
                KV_U64("port", sto_service_port(a->service)),
                KV_IF(a->tls, KV_I64("certificate_days", dfs_tls_days_left(a->tls))),
                KV_Z("durability", a->conf.durability == STO_DURABILITY_SYNC ? "sync" : "relaxed"));
        r = dfs_loop_run(a->loop);
        status = r < 0 ? sto_app_say("event loop", r) : EXIT_SUCCESS;
        dfs_log(LOG_INFO, "storage.stopping");
    }
    sto_app_stop(a);
    return status;
}

static int run(struct sto_app *a)
{
    AUTO(buf_free) struct buf err = BUF(4096);
    int r = sto_conf_load(a->conf_path, &a->conf, &err);
    if (r < 0) {
        if (err.n > 0)
            fprintf(stderr, "dfs_storaged: " STR_F "\n", STR_A(buf_str(&err)));
        else
            sto_app_say(a->conf_path, r);
        return EXIT_USAGE;
    }
    set_log(&a->conf);
    r = sto_app_understand(a, &err);
    if (r < 0) {
        if (err.n > 0)
            fprintf(stderr, "dfs_storaged: %s: " STR_F "\n", a->conf_path, STR_A(buf_str(&err)));
        else
            sto_app_say(a->conf_path, r);
        return EXIT_USAGE;
    }
    r = sto_app_open_base(a);
    if (r == -EBUSY) {
        fprintf(stderr, "dfs_storaged: base_path = %s: another storage server is running on it\n",
                a->conf.base_path);
        return EXIT_FAILURE;
    }
    if (r < 0)
        return sto_app_say(a->conf.base_path, r);
    r = dfs_bound_make(&a->listen, &a->bound); /* what comes may wait for a tracker */
    if (r < 0)
        return sto_app_say_listen(a, r);
    r = sto_app_learn_identity(a);
    return r < 0 ? sto_app_say(a->identity_path, r) : serve(a);
}

static void print_help(void)
{
    puts("usage: dfs_storaged CONF\n"
         "       dfs_storaged --help | --version | --print-config\n"
         "\n"
         "Runs a storage server in the foreground. Prints \"ready port=N\" once it has joined a\n"
         "tracker. SIGTERM finishes requests and stops, SIGHUP applies log settings again\n"
         "and reads the certificate anew.");
}

static int print_config(void)
{
    AUTO(buf_free) struct buf out = BUF(1024 * 1024);
    sto_conf_print(&out);
    if (buf_err(&out))
        return EXIT_FAILURE;
    fwrite(out.p, 1, out.n, stdout);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    dfs_std_open();
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return print_help(), EXIT_SUCCESS;
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return printf("dfs_storaged %s\n", dfs_version()), EXIT_SUCCESS;
    if (argc == 2 && strcmp(argv[1], "--print-config") == 0)
        return print_config();
    if (argc != 2 || argv[1][0] == '-') {
        if (argc < 2)
            fputs("dfs_storaged: CONF is needed (see dfs_storaged --help)\n", stderr);
        else
            fprintf(stderr, "dfs_storaged: what is '%s'? (see dfs_storaged --help)\n",
                    argv[argc - 1]);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    struct sto_app a = {.conf_path = argv[1], .lock_fd = -1, .bound = {.fd = {-1, -1}}};
    int status = run(&a);
    dfs_loop_free(&a.loop);
    dfs_bound_close(&a.bound);
    dfs_allow_free(&a.allow);
    dfs_allow_free(&a.peer_hosts);
    dfs_allow_free(&a.native_hosts);
    dfs_secret_free(&a.secret);
    dfs_tls_free(&a.tls);
    dfs_close_fd(&a.lock_fd);
    sto_conf_fini(&a.conf);
    return status;
}
