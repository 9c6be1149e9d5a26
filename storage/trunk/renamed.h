/* SPDX-License-Identifier: Apache-2.0 */
/*
 * renamed - what has become of the names of appenders that are normal files by now.
 *
 * Metadata that a client has set under the old name, at a member that did not know the new one, may be heard of when the old
 * name has gone here: by a log whose writer has lost it meanwhile, or that comes late. They are the file's, so they belong
 * under the new name, and whoever asks for them under the old one is told those of the new one. The rename's record says both
 * names, but may be anywhere in any log by then.
 *
 * Bounds: the latest 4,096 of a store path. What is older is forgotten, and it is as in earlier builds: metadata that are
 * heard of so late stay where nobody looks.
 *
 * data/.renamed: slots of 128 bytes, in the place that the number says, written round about. Integers big endian:
 *
 *   off size
 *     0  8  number, from 1, grows by one: slot (number modulo 4,096); 0: free
 *     8  1  length of the old name
 *     9  1  length of the new one
 *    10  n  both, zeros behind them
 *   124  4  CRC-32C of the 124 bytes before, from 0
 *
 * A slot that is not right is passed over, as one that a power failure left half written: the rename's record is behind the
 * checkpoint, or the mark, then, and is done again.
 *
 * Threads: any. Lock rank: sto_renamed.lock after a file's edit lock and sto_log.upkeep, before sto_log.lock; held over I/O.
 */
#ifndef STO_RENAMED_H
#define STO_RENAMED_H

#include <pthread.h>

#include "storage/disk/dir.h"
#include "storage/trunk/store.h"

struct sto_renamed_entry;

struct sto_renamed {
    struct sto_dir *dir; /* outlives it */
    pthread_mutex_t lock;
    struct sto_renamed_entry *list; /* by slot; NULL: there never was any */
    uint64_t last, saved;           /* numbers: given, on the disk */
};

/* What was kept before. Opened, or failed, or zeroed and never opened: close() it. */
int sto_renamed_open(struct sto_dir *d, struct sto_renamed *ret) MUST_CHECK;
void sto_renamed_close(struct sto_renamed *n);

/*
 * What had the name @from has the name @to now. sto_renamed_to() says so from then on, whatever is returned; 0: also after a
 * power failure.
 */
int sto_renamed_note(struct sto_renamed *n, struct str from, struct str to) MUST_CHECK;

/*
 * The name that what had the name @from got last. @after: by a rename noted later than that one, 0: by any. The number of
 * the rename, or 0: none is known.
 */
uint64_t sto_renamed_to(struct sto_renamed *n, struct str from, uint64_t after,
                        char to[STO_NAME_MAX + 1]);

#endif
