/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moved_in - what another member's log says of files that have moved (trunk/moved.h).
 *
 * Threads: the puller's owner. Calls block, bounded by the timeouts.
 */
#ifndef STO_MOVED_IN_H
#define STO_MOVED_IN_H

#include "storage/sync/puller.h"

/*
 * The peer of @p says with @e that it has moved the file. Should that not be so any more, a later record of somebody
 * says what is. It had compared its copy with ours before, so one that is another has been changed since: its content is
 * the right one and is logged again, its metadata are handed on to where the file is now. @cluster may be NULL.
 */
int sto_moved_in(struct sto_puller *p, struct sto_store *s, struct dfs_client *cluster,
                 const struct sto_entry *e) MUST_CHECK;
/*
 * The peer says that a file was deleted of which only the old name is here. The member that deleted it has seen to the
 * file in the other group, unless it had not heard yet that it had moved.
 */
int sto_moved_in_delete(struct sto_store *s, struct dfs_client *cluster,
                        struct str name) MUST_CHECK;

/*
 * The peer of @p has made, or removed, what keeps the old name of a moved file on another store path (trunk/kept.h): so it is
 * here, if it is that way at the peer now.
 */
int sto_kept_in(struct sto_puller *p, struct sto_store *s, const struct sto_entry *e) MUST_CHECK;

#endif
