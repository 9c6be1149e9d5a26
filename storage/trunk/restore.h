/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore - a right copy, as another server gave it, in the place of one that is damaged or lost.
 *
 * Plain files are replaced as a whole (replica.h). A record of a pack is written over the damaged one: packs are the
 * same on all servers that have them (mirror.h), so the bytes of another's are right here, and are checked
 * before they are written. What was damaged already cannot get worse by a crash on the way.
 *
 * Deletions go on meanwhile. Whoever restores a file watches its name: a deletion that comes while there is no
 * file to be deleted yet is not lost on the one that comes back.
 *
 * Threads: any; calls block on the disk. Errors: negative errno.
 */
#ifndef STO_RESTORE_H
#define STO_RESTORE_H

#include "storage/trunk/mirror.h"

struct sto_watch {
    struct str name;      /* set by the caller; logical. Valid as long as the watch is on */
    _Atomic bool deleted; /* somebody has begun to delete it since the watch went on */
    struct sto_watch *next;
};
void sto_watch_on(struct sto_store *s, struct sto_watch *w);
void sto_watch_off(struct sto_store *s, struct sto_watch *w);

/* Where a packed file's record is: its log and position. 0; -EINVAL: not packed; -ENOENT: no log has that place. */
int sto_record_of(struct sto_store *s, struct sto_mirrors *m, struct str name, unsigned *path,
                  struct sto_log_info *log, uint64_t *position) MUST_CHECK;

/* Is the pack's header page here and right? 0; -EBADMSG, -ENOENT; other errors of reading. */
int sto_pack_header_ok(struct sto_store *s, unsigned path, const struct sto_log_info *log,
                       uint32_t number) MUST_CHECK;
/* @page: the first STO_PACK_HEAD bytes of the same pack elsewhere. -EBADMSG: they are not. */
int sto_restore_header(struct sto_store *s, unsigned path, const struct sto_log_info *log,
                       uint32_t number, struct str page) MUST_CHECK;

/*
 * @bytes begin with the record at @position, as another server has it. Durable when it returns 0. -EBADMSG: they are
 * not that record, or damaged themselves; -ENOENT: it is a deleted one, there or here.
 */
int sto_restore_record(struct sto_store *s, unsigned path, const struct sto_log_info *log,
                       uint64_t position, struct str bytes) MUST_CHECK;

#endif
