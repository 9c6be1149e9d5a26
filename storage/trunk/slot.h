/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot - FastDFS's 24-byte header before a packed file's content, all of it also in the file's name:
 * type 'F' file, 'L' link, 0 empty; allocated size, file size, CRC-32, time (u32 big endian each); the
 * last seven characters of the name. Rule: fastdfs-semantics.md 13.2. Threads: no state.
 */
#ifndef STO_SLOT_H
#define STO_SLOT_H

#include "dfscore/fileid/fileid.h"

void sto_slot_encode(const struct dfs_fileid_parts *p, uint8_t out[DFS_TRUNK_HEADER]);
/* Does the slot hold the file of this name? Rule: 13.4. @f is a parsed trunk name, not a slave's. */
bool sto_slot_holds(const uint8_t slot[DFS_TRUNK_HEADER], const struct dfs_fileid *f);
/* Does it hold the file, or did it before its type was set to 0? */
bool sto_slot_held(const uint8_t slot[DFS_TRUNK_HEADER], const struct dfs_fileid *f);

#endif
