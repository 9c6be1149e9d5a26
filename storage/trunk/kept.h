/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept - old names of moved files (moved.h) that another store path keeps, so that their own one can be taken out.
 *
 * What stays under the name of a moved file lies on the file's own path. When that path is to be emptied, another one
 * of the group keeps the name, too: as a symbolic link with the same text, data/HH/HH/M01@<base> for M01/HH/HH/<base>.
 * It is made by a record of that path's log like the first one's (kind CHANGE, op 'V'), whose name is "M00/HH/HH/M01@<base>"
 * and whose extra is "ID 0 0 0"; so it is on the disk, in the log, at the other members and swept as that one is.
 *
 * It counts only while there is nothing under the name itself: neither the file nor where it went. Of several the one that
 * names the latest file counts. Its path keeps an empty file data/.keeps from then on; without one on any path nobody who
 * looks for a file in vain looks further.
 *
 * Threads, durability, errors: as in store.h.
 */
#ifndef STO_KEPT_H
#define STO_KEPT_H

#include "storage/trunk/moved.h"

/* The name under which @path keeps @name; @name itself on its own path. -EINVAL; -ENAMETOOLONG: such a name would be. */
int sto_kept_name(struct str name, unsigned path, char out[STO_NAME_MAX + 1]) MUST_CHECK;
/* Whose name it is that is kept as @kept. False: @kept is a file's own name. */
bool sto_kept_parse(struct str kept, char out[STO_NAME_MAX + 1]);

/* Where @name is now, as other paths than its own know. 0; -ENOENT; other: none that can be read knows. */
int sto_kept_to(struct sto_store *s, struct str name, struct sto_moved *ret) MUST_CHECK;
/*
 * What lies on @path under @name, which may be a kept one, is a word about a moved file: is it on a path that takes new
 * files, too, or is that another than @path? 0; -ENOENT: no; -EINVAL: there lies no such word; other: it cannot be read.
 */
int sto_kept_elsewhere(struct sto_store *s, unsigned path, struct str name) MUST_CHECK;
/* It is from now on. -EROFS, -ENOSPC: there is no other path; -ENAMETOOLONG. */
int sto_keep_elsewhere(struct sto_store *s, unsigned path, struct str name) MUST_CHECK;

/* Another member keeps @kept, as @id. Should something later be kept here already, that stays; 0. */
int sto_replica_kept(struct sto_store *s, struct str kept,
                     const struct sto_moved_rec *m) MUST_CHECK;
/* No path keeps @name any more; logged. -ENOENT: none did. */
int sto_kept_forget(struct sto_store *s, struct str name) MUST_CHECK;

/* What a path has kept before it was opened. */
struct sto_path;
int sto_kept_open(struct sto_store *s, struct sto_path *p) MUST_CHECK;

#endif
