/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ahead - deletions that came ahead of their files.
 *
 * A deletion can be heard of from one member before the record of the file's making comes by the log of another one, which
 * may not know of the deletion, and never will when its disk is lost or it does not come back. So a deletion that finds
 * nothing is kept here, on the disk too before the mark passes its record, and the file is not taken when it comes. What
 * was deleted here is none of these: its making has come.
 *
 * Of a name that can come again (log.h) what was made before a time is deleted, else whatever has the name.
 *
 * Bounds: the latest 16,384 of a store path. Should there be more, as while a new member reads all there is, the first are
 * forgotten, and it is as in earlier builds.
 *
 * data/.deleted_ahead: slots of 256 bytes, in the place that the number says, written round about. Integers big endian:
 *
 *   off size
 *     0  8  number, from 1, grows by one: slot (number modulo 16,384); 0: free
 *     8  8  Unix milliseconds, what was made before is deleted; 0: of a name that comes once
 *    16  1  length of the name
 *    17  n  name, zeros behind it
 *   252  4  CRC-32C of the 252 bytes before, from 0
 *
 * A slot that is not right is passed over, as one that a power failure left half written.
 *
 * Threads: any. Lock rank: sto_ahead.lock after a file's edit lock and before sto_log.lock; held over I/O, by
 * replication alone.
 */
#ifndef STO_AHEAD_H
#define STO_AHEAD_H

#include <pthread.h>

#include "storage/disk/dir.h"

struct sto_ahead_entry;

struct sto_ahead {
    struct sto_dir *dir; /* outlives it */
    /*
     * Whoever gives a file that has come its name holds it from looking here until then, and whoever keeps a deletion from
     * looking for the file: one of them finds the other.
     */
    pthread_mutex_t lock;
    struct sto_ahead_entry *list; /* by slot; NULL: there never was any */
    uint16_t *heads;              /* of the chains of those that share a hash */
    uint64_t last, saved;         /* numbers: given, on the disk */
    int fd;                       /* -1: no file yet, or not known to be durable */
    _Atomic uint64_t *done;       /* hashes of deletions that took a file here; without the lock */
};

/* What was kept before. Zeroed and then failed, or opened: close() it. */
int sto_ahead_open(struct sto_dir *d, struct sto_ahead *ret) MUST_CHECK;
void sto_ahead_close(struct sto_ahead *a);

/* @name was here and has been deleted, at @at_ms if it can come again. Waits for nobody: clients' deletions pass here. */
void sto_ahead_done(struct sto_ahead *a, struct str name, int64_t at_ms);
/* Lock held. Is @name, made at @made_ms (0: not known), deleted? */
bool sto_ahead_has(const struct sto_ahead *a, struct str name, int64_t made_ms);
/* What has been kept is on the disk when it returns 0. */
int sto_ahead_save(struct sto_ahead *a) MUST_CHECK;

struct sto_store;
/*
 * The deletion of @name has found nothing: keep it. @at_ms as in sto_ahead_done(), @before_ms: what was made before then is
 * deleted. 0, also when nothing need be kept; -EEXIST, -EREMOTE: it has come meanwhile, or has moved.
 */
int sto_deleted_ahead(struct sto_store *s, struct str name, int64_t at_ms,
                      int64_t before_ms) MUST_CHECK;
/* As sto_ahead_has(), which takes precedence where the file gets its name. */
bool sto_is_deleted_ahead(struct sto_store *s, struct str name, int64_t made_ms);

#endif
