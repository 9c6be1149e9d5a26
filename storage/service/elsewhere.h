/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elsewhere - answers requests about files that have moved (trunk/moved.h).
 *
 * One that has moved to another store path of our group has another name here: the op gets that, and its work is to be run
 * again, on that path (STO_OP_AGAIN, which the work function returns). What has gone to another group is done there, as a
 * client would, and the client hears the answer. What it changes is acknowledged when enough members of this group know
 * that the file has moved.
 *
 * Each is called after the engine has said -EREMOTE, leaves its answer in op->out, and returns what the other group said.
 * -EREMOTE: the sender is a member that wants to hear just that (DFS_ASK_NO_OTHER_GROUP); -EAGAIN: the other group cannot
 * be asked now, or has not answered a change, or has done it and it is not known here yet. -ENOENT of a file is believed only
 * when the members of the group that may have it have been asked, of metadata, which few files have, only of a group that is
 * in service.
 *
 * A file that has been here before, on its way, is asked for here again meanwhile: so ops wait for another group on threads
 * that are for that alone (sto_op_ask(), whose -EINPROGRESS is passed on), and what gateways ask for on disk threads.
 *
 * Threads: any that work for requests. Blocks, bounded by the timeouts.
 */
#ifndef STO_ELSEWHERE_H
#define STO_ELSEWHERE_H

#include "dfscore/client/client.h"
#include "storage/service/op.h"

int sto_elsewhere_info(struct sto_op *op) MUST_CHECK;
int sto_elsewhere_get_meta(struct sto_op *op) MUST_CHECK;
int sto_elsewhere_set_meta(struct sto_op *op, bool merge, struct str text) MUST_CHECK;
int sto_elsewhere_delete(struct sto_op *op) MUST_CHECK;
int sto_elsewhere_edit(struct sto_op *op, enum sto_edit_op kind, uint64_t offset,
                       const struct dfs_content *content) MUST_CHECK;
int sto_elsewhere_truncate(struct sto_op *op, uint64_t size) MUST_CHECK;
/* The answer is a name in the other group. */
int sto_elsewhere_regenerate(struct sto_op *op) MUST_CHECK;
/* A link to it: in another group -EOPNOTSUPP. */
int sto_elsewhere_link(struct sto_op *op) MUST_CHECK;
/* It has been there since then, not since it moved: as the name @asked tells, or else @created_s. */
int64_t sto_elsewhere_created(struct str asked, int64_t created_s);
/* *fd: an unnamed file with the range, *size bytes of it. @count 0: to the end. */
int sto_elsewhere_content(struct sto_op *op, uint64_t offset, uint64_t count, int *fd,
                          uint64_t *size) MUST_CHECK;

/* ---- for gateways, whose requests are no ops ---- */

/* What @name of @s is called now, if it has moved within our group, and is here. -EREMOTE: it is not. */
int sto_elsewhere_here(struct sto_store *s, struct str name, char now[STO_NAME_MAX + 1]) MUST_CHECK;
/* The same for the file @name of @s. @fd as above. */
int sto_elsewhere_fetch(struct sto_store *s, struct dfs_client *cluster, struct str name,
                        uint64_t offset, uint64_t count, int *fd, uint64_t *size) MUST_CHECK;
/* Size, time, and the metadata text added to @meta. */
int sto_elsewhere_look(struct sto_store *s, struct dfs_client *cluster, struct str name,
                       struct sto_info *info, struct buf *meta) MUST_CHECK;
/* Deletes it there and forgets it here. */
int sto_elsewhere_remove(struct sto_store *s, struct dfs_client *cluster,
                         struct str name) MUST_CHECK;

#endif
