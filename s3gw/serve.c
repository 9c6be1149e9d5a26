/* SPDX-License-Identifier: Apache-2.0 */
/* serve - the gateway alone, with a configuration file, under a service manager. */
#include <getopt.h>
#include <linux/close_range.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "s3gw/commands.h"
#include "s3gw/gateway.h"
#include "s3gw/standby.h"
#include "s3gw/supervisor/notify.h"
#include "s3gw/supervisor/supervisor.h"

static const char help[] =
    "usage: s3gw serve --config FILE [--rebuild-index]\n"
    "\n"
    "Serves S3 as FILE says (see conf/s3gw.conf). Prints 'ready port=N' on "
    "standard output and tells\n"
    "the service manager when it serves. SIGTERM lets requests end and "
    "stops; SIGHUP opens the log\n"
    "files anew and reads certificates again. Root's keys come from S3GW_ROOT_ACCESS_KEY and "
    "S3GW_ROOT_SECRET_KEY; without them the\n"
    "index keeps the keys it has.\n"
    "\n"
    "  --rebuild-index   make a new key index from what the storages keep "
    "beside the data, then serve;\n"
    "                    the old one is kept aside\n";

static void reload(void *g)
{
    s3gw_gateway_reload(g);
}

static int complain(const struct buf *err)
{
    fprintf(stderr, "s3gw serve: " STR_F "\n", STR_A(buf_str(err)));
    return 1;
}

static const char *config; /* of this run */
static atomic_bool ending; /* a signal has asked for that */
static int parents_end;    /* the signal that tells of it, for whoever was started so */

/*
 * The lease is gone, or the index is to be made anew: nothing that is under way may go on, in no thread. So this program
 * becomes itself once more, with the same process number, in the state that a crash would have left. It ends in that state
 * when it was about to: nobody would ask it again.
 */
static void begin_again(void)
{
    if (atomic_load(&ending))
        _exit(0);
    char *const argv[] = {(char *)(uintptr_t) "s3gw", (char *)(uintptr_t) "serve",
                          (char *)(uintptr_t) "--config", (char *)(uintptr_t)config, NULL};
    s3_notify("STATUS=standby");
    (void)prctl(PR_SET_PDEATHSIG, parents_end); /* each thread has its own, and a new one none */
    (void)syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
    (void)execv("/proc/self/exe", argv);
    dfs_log(LOG_ERROR, "gateway.not_begun_again", KV_ERR(-errno));
    _exit(1); /* a service manager starts it */
}

static void say_ready(const struct s3gw_gateway *g)
{
    printf("ready port=%u\n", (unsigned)s3_http_port(g->http));
    (void)fflush(stdout);
    s3_notify("READY=1");
}

/* Until the lease is ours. 1: then start; 0: a signal asks to stop; negative errno with one line in @err. */
static int stand_by(struct s3gw_gateway *g, struct s3_supervisor *s, struct buf *err)
{
    int r = s3gw_standby_start(g, err);
    if (r < 0)
        return r;
    say_ready(g);
    s3_notify("STATUS=standby");
    if (!s3_supervisor_wait(s, s3_lease_fd(g->lease)))
        return 0;
    r = s3gw_standby_claim(g, err);
    s3_notify("STATUS=taking over");
    return r < 0 ? r : 1;
}

static int serve(struct s3gw_conf *conf, bool rebuild, struct buf *err)
{
    int r = *conf->log_file ? dfs_log_open(conf->log_file) : 0;
    if (r < 0) {
        buf_addf(err, "log_file = %s: %s", conf->log_file, strerror(-r));
        return complain(err);
    }
    dfs_log_threshold = (enum dfs_log_level)conf->log_level;
    (void)prctl(PR_GET_PDEATHSIG, &parents_end);
    (void)prctl(PR_SET_NAME, "s3gw"); /* begun again it would be called "exe" */
    char why[256] = "";
    struct s3_root_keys keys;
    r = s3_root_keys_from_env(&keys, why, sizeof(why));
    if (r < 0 && r != -ENOENT) {
        buf_addf(err, "%s", why);
        return complain(err);
    }
    struct s3_supervisor s;
    struct s3gw_gateway g = {
        .conf = conf, .rebuild = rebuild, .begin_again = begin_again, .supervisor = &s};
    const struct s3_root_keys *root = r == 0 ? &keys : NULL;
    r = s3_supervisor_init(&s);
    if (r < 0) {
        buf_addf(err, "signals: %s", strerror(-r));
        return complain(err);
    }
    s.reload = reload;
    s.reload_arg = &g;
    r = conf->lease_ms ? stand_by(&g, &s, err) : 1;
    bool serves = false;
    if (r > 0) {
        r = s3gw_gateway_start(&g, root, err);
        serves = r == 0;
    }
    if (r < 0 && r != -EINTR) {
        s3gw_gateway_stop(&g);
        return complain(err);
    }
    if (serves && conf->lease_ms)
        s3_notify("STATUS=active");
    else if (serves)
        say_ready(&g);
    s3_supervisor_run(&s);
    atomic_store(&ending, true);
    s3_notify("STOPPING=1");
    s3gw_gateway_stop(&g);
    s3_supervisor_fini(&s);
    return 0;
}

int s3gw_serve(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"rebuild-index", no_argument, NULL, 'r'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    bool rebuild = false;
    int c;
    argv[0] = "s3gw serve";
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h')
            return fputs(help, stdout) < 0;
        if (c == 'c')
            config = optarg;
        else if (c == 'r')
            rebuild = true;
        else
            return 2;
    }
    if (!config || optind < argc) {
        fputs(config ? "s3gw serve: takes no words, only --config FILE\n"
                     : "s3gw serve: --config FILE is needed (see s3gw serve --help)\n",
              stderr);
        return 2;
    }
    AUTO(buf_free) struct buf err = BUF(4096);
    struct s3gw_conf conf;
    int status = 2;
    if (s3gw_conf_load(config, &conf, &err) < 0)
        complain(&err);
    else if (s3gw_conf_check(&conf, &err) < 0)
        fprintf(stderr, "s3gw serve: %s: " STR_F "\n", config, STR_A(buf_str(&err)));
    else
        status = serve(&conf, rebuild, &err);
    s3gw_conf_fini(&conf);
    return status;
}
