/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app - the storage server as one piece: what its settings say, who it is, and the parts it is made of.
 *
 * Errors are said on standard error, naming the file, the key and the value.
 *
 * Threads: the main one only.
 */
#ifndef STO_APP_H
#define STO_APP_H

#include "storage/beat/beat.h"
#include "storage/service/service.h"
#include "storage/storage_conf.h"
#include "storage/sync/sync.h"

struct sto_drained;
struct sto_scrub;

enum { STO_APP_PATH = 4096 };

struct sto_app {
    const char *conf_path;
    struct sto_conf conf;
    int lock_fd;
    struct dfs_bound bound; /* until start_service() */
    struct dfs_addr listen, trackers[DFS_TRACKERS_MAX];
    struct sto_trackers ask;
    struct dfs_allow *allow, *peer_hosts, *native_hosts;
    struct dfs_secret *secret; /* NULL: none */
    struct dfs_tls *tls;       /* NULL: none */
    struct sto_identity identity;
    struct sto_params params;
    struct dfs_loop *loop; /* main thread: signals */
    struct sto_store *store;
    struct sto_internal *internal;
    struct sto_members *members;
    struct sto_mirrors *mirrors;
    struct sto_followers *followers;
    struct sto_copies *copies;
    struct sto_repair *repair;
    struct sto_scrub *scrub;
    struct dfs_client *cluster; /* for files in other groups */
    struct sto_mover *mover;
    struct sto_service *service;
    struct sto_beat *beat;
    struct sto_drained *drained;
    struct sto_sync *sync;
    char identity_path[STO_APP_PATH], params_path[STO_APP_PATH], socket_path[STO_APP_PATH],
        scrub_path[STO_APP_PATH], drained_path[STO_APP_PATH];
};

/* --- app_setup.c --- */

/* What a->conf says, understood: addresses, networks, the secret, certificates. 0 or errno, @err saying why. */
int sto_app_understand(struct sto_app *a, struct buf *err) MUST_CHECK;
/* Make and lock base_path. 0; -EBUSY: another server runs on it; or errno. */
int sto_app_open_base(struct sto_app *a) MUST_CHECK;
/* From a tracker, or as kept from last time. At the very first start it waits until a tracker answers. 0 or errno. */
int sto_app_learn_identity(struct sto_app *a) MUST_CHECK;

/* --- app_parts.c --- */

/* From the engine to replication. 0, or the exit code, said. What has started is stopped by sto_app_stop(). */
int sto_app_start(struct sto_app *a) MUST_CHECK;
void sto_app_stop(struct sto_app *a);
/* "@what: why" on standard error. The exit code. */
int sto_app_say(const char *what, int r);
int sto_app_say_listen(const struct sto_app *a, int r);

#endif
