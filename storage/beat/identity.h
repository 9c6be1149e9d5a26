/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - who this storage is and how far it has come as a member, kept across restarts.
 *
 *   <base_path>/data/.data_init_flag   key=value lines, FastDFS's keys (semantics 9.2) and ours:
 *       storage_join_time, sync_old_done, sync_src_server, sync_until_timestamp, last_ip_addr,
 *       last_server_port, storage_id, data_complete, data_whole, group_alone
 *
 * Threads: none of its own; the caller serialises.
 */
#ifndef STO_IDENTITY_H
#define STO_IDENTITY_H

#include "dfscore/base/buf.h"
#include "dfscore/wire/messages.h"

struct sto_identity {
    int64_t join_time_s;  /* first start of this storage; 0: never started */
    bool sync_negotiated; /* "sync_old_done": the trackers have said whom to copy from, if any */
    char sync_source[DFS_ID_MAX]; /* storage id; empty: none needed */
    int64_t sync_until_s;         /* operations older than this come from the source */
    char ip[DFS_IP_MAX]; /* own address as file ids and peers use it; empty: not known yet */
    int64_t port;
    char id[DFS_ID_MAX]; /* storage id: a number, or the address without storage ids */
    bool complete;       /* holds all files of its group, as far as it was ever told */
    bool whole;          /* also what those had who were away when it became complete */
    bool alone;          /* nobody else is in the group, as far as it was told last */
};

int sto_identity_load(const char *path,
                      struct sto_identity *ret) MUST_CHECK; /* no file: 0, all empty */
int sto_identity_save(const char *path, const struct sto_identity *id) MUST_CHECK;
/* The text itself; what cannot be read in it is skipped, as other servers' keys are. */
void sto_identity_parse(struct str text, struct sto_identity *ret);

#endif
