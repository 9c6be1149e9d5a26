/* SPDX-License-Identifier: Apache-2.0 */
/* What the settings say, and who we are. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/dirs.h"
#include "dfscore/log/log.h"
#include "storage/app.h"
#include "storage/beat/stage.h"
#include "storage/disk/savefile.h"

enum { DISCOVER_MAX_MS = 1000 }; /* longest pause between two rounds of asking who we are */

/* --- configuration --- */

static int load_trackers(struct sto_app *a, struct buf *err)
{
    for (size_t i = 0; i < a->conf.tracker_server.n; i++) {
        const char *text = a->conf.tracker_server.v[i];
        if (dfs_addr_parse(str_c(text), 22122, &a->trackers[i]) < 0) {
            buf_addf(err, "tracker_server = %s: must be host:port, or inner,outer:port", text);
            return -EINVAL;
        }
    }
    a->ask = (struct sto_trackers){
        .list = a->trackers,
        .n = a->conf.tracker_server.n,
        .net = {.connect_ms = a->conf.connect_timeout_ms, .timeout_ms = a->conf.network_timeout_ms},
        .group = a->conf.group_name,
    };
    return 0;
}

/* Where nobody is named *ret stays NULL: there is no such check then. */
static int load_allow(const char *key, const struct dfs_conf_list *list, struct dfs_allow **ret,
                      struct buf *err)
{
    return list->n > 0 ? dfs_allow_setting(key, list->v, list->n, ret, err) : 0;
}

int sto_app_understand(struct sto_app *a, struct buf *err)
{
    const struct sto_conf *c = &a->conf;
    int r = load_trackers(a, err);
    if (r == 0)
        r = dfs_bind_parse(c->bind_addr, (uint16_t)c->port, &a->listen);
    if (r == 0)
        r = load_allow("allow_hosts", &c->allow_hosts, &a->allow, err);
    if (r == 0)
        r = load_allow("peer_hosts", &c->peer_hosts, &a->peer_hosts, err);
    if (r == 0)
        r = load_allow("native_hosts", &c->native_hosts, &a->native_hosts, err);
    if (r == 0)
        r = dfs_secret_setting(c->cluster_secret_file, &a->secret, err);
    if (r == 0)
        r = dfs_tls_new(&c->tls, dfs_tls_log_failed, &a->tls, err);
    if (a->listen.host[0])
        a->ask.net.bind_ip = c->bind_addr;
    a->ask.net.secret = a->secret;
    if (a->tls && c->tls_mode != DFS_TLS_ACCEPT)
        a->ask.net.tls = a->tls;
    return r;
}

int sto_app_open_base(struct sto_app *a)
{
    char dir[STO_APP_PATH - 64], lock[STO_APP_PATH];
    snprintf(dir, sizeof(dir), "%s/data", a->conf.base_path);
    snprintf(lock, sizeof(lock), "%s/.storaged.lock", dir);
    snprintf(a->identity_path, sizeof(a->identity_path), "%s/.data_init_flag", dir);
    snprintf(a->scrub_path, sizeof(a->scrub_path), "%s/.scrub", dir);
    snprintf(a->drained_path, sizeof(a->drained_path), "%s/.drained_paths", dir);
    snprintf(a->params_path, sizeof(a->params_path), "%s/.cluster_parameters", dir);
    if (a->conf.socket_path[0])
        snprintf(a->socket_path, sizeof(a->socket_path), "%s", a->conf.socket_path);
    else
        snprintf(a->socket_path, sizeof(a->socket_path), "%s/storage.sock", dir);
    int r = dfs_make_dirs(dir, 0755);
    if (r < 0)
        return r;
    a->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (a->lock_fd < 0)
        return -errno;
    return flock(a->lock_fd, LOCK_EX | LOCK_NB) < 0 ? -EBUSY : 0;
}

/* --- who are we --- */

static int load_kept(struct sto_app *a)
{
    AUTO(buf_free) struct buf text = BUF(STO_PARAMS_TEXT_MAX);
    int r = sto_identity_load(a->identity_path, &a->identity);
    if (r == 0)
        r = sto_savefile_read(a->params_path, &text);
    return r == 0 ? sto_params_parse(buf_str(&text), &a->params) : r;
}

/*
 * Trackers are asked first, since the address may have changed. When none answers we go on with what
 * was kept, so that files are served; on the very first start there is nothing to serve: wait.
 */
int sto_app_learn_identity(struct sto_app *a)
{
    sto_params_init(&a->params);
    int kept = load_kept(a);
    if (kept < 0 && kept != -ENOENT)
        return kept;
    for (unsigned failures = 1;; failures++) {
        AUTO(buf_free) struct buf text = BUF(STO_PARAMS_TEXT_MAX);
        int r = sto_tracker_discover(&a->ask, (uint16_t)a->conf.port, a->conf.server_id, &a->params,
                                     &text, &a->identity);
        if (r == 0 && strchr(a->identity.ip, ':') &&
            !(a->params.use_storage_id && a->params.id_in_name)) {
            dfs_log(LOG_ERROR, "storage.address_does_not_fit_names", KV_Z("ip", a->identity.ip),
                    KV_Z("needed",
                         "use_storage_id = true and id_type_in_filename = id in tracker.conf"));
            return -EAFNOSUPPORT;
        }
        if (r == 0 && a->identity.join_time_s == 0)
            a->identity.join_time_s = dfs_now_s();
        if (r == 0)
            r = sto_savefile_write(a->params_path, buf_str(&text));
        if (r == 0)
            return sto_identity_save(a->identity_path, &a->identity);
        if (kept == 0 && a->identity.ip[0]) {
            dfs_log(LOG_WARN, "storage.no_tracker", KV_ERR(r), KV_Z("action", "serving as before"));
            return 0;
        }
        if (failures == 1)
            dfs_log(LOG_WARN, "storage.no_tracker", KV_ERR(r), KV_Z("action", "asking again"));
        usleep((useconds_t)sto_stage_backoff(failures, DISCOVER_MAX_MS, 0) * 1000);
    }
}
