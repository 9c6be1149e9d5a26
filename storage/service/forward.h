/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward - passes a request about a file that is not here (yet) on to a member that has it, so that
 * nobody is told "no such file" while some member has it. Reads, deletions, metadata; edits of
 * appenders go to the file's source in the first place (command 103), and uploads of slaves to their master's: elsewhere
 * they are to be tried again.
 *
 * Only when it can be elsewhere (sto_holder_may_be()).
 * A question from a peer is not passed on, so questions do not go round.
 *
 * All members in service are asked at once whether they have it, for two seconds at most, and one that has not answered
 * not again for some (sync/followers.h); then one that has it is asked for the rest. So one that hangs holds up few, and
 * those not for long. Nothing of that is done on a thread that disks need (sto_op_ask()); beyond STO_ASKING_MAX of a path a
 * client is told to come again (EAGAIN), not that there is no file.
 *
 * Threads: disk threads.
 */
#ifndef STO_FORWARD_H
#define STO_FORWARD_H

#include "storage/service/op.h"
#include "storage/sync/turn.h"

/* On the loop, before the work: keeps whether the question came from a peer. */
void sto_forward_note(struct sto_op *op);
/*
 * On the loop: a command whose body is "group 16, name" and nothing else. @work runs on the pool of the
 * name's path, and may call what is below.
 */
void sto_forward_command(struct dfs_req *req, enum sto_iokind kind, int (*work)(struct sto_op *op));
/*
 * The same request to the peers. To be returned by work() (sto_op_ask()): 0 and the first answer in op->out; -ENOENT,
 * -EAGAIN: as sto_holder_find().
 */
int sto_forward_call(struct sto_op *op) MUST_CHECK;
/* Is anybody to be asked? 0, -ENOENT. @damaged: it is here, but wrong, so that others are asked though we made it. */
int sto_forward_may(struct sto_op *op, bool damaged) MUST_CHECK;
/*
 * A download, on a thread that may wait (sto_op_ask()), if sto_forward_may(): *fd is an unnamed file with the asked range,
 * *size bytes of it. Errors as above.
 */
int sto_forward_content(struct sto_op *op, int *fd, uint64_t *size) MUST_CHECK;

/* A change that is not passed on, of a file that is not here, returned likewise: -ENOENT as above; -EAGAIN: it will come, or
 * may. */
int sto_forward_missing(struct sto_op *op) MUST_CHECK;
/*
 * Before a change of an appender that is here, or of metadata (sync/turn.h): 0, until sto_forward_turn_end(); -EAGAIN:
 * another member is changing it, or has a later one, which will come, or cannot be asked. Else as sto_info().
 * Where others are to be asked work() is begun anew on a thread that may wait, so that nothing may have been done by then.
 */
int sto_forward_turn(struct sto_op *op, struct sto_turn *t) MUST_CHECK;
/* Of what has come to @r: also of one that was not had. That, or -EAGAIN as sto_turn_end(). */
int sto_forward_turn_end(struct sto_op *op, struct sto_turn *t, int r) MUST_CHECK;

#endif
