/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slots - allocates slots of trunk containers for servers that do not fill packs of their own.
 *
 * Ours do, so this is for FastDFS's storages only. A slot is never given out twice: containers get
 * numbers that no log uses and that grow with time, and a freed slot is forgotten, not reused.
 *
 * Rule:    fastdfs-protocol.md 8.14, fastdfs-semantics.md 13.3.
 * Threads: any.
 */
#ifndef STO_SLOTS_H
#define STO_SLOTS_H

#include "dfscore/wire/messages.h"

struct sto_slots;

enum { STO_SLOTS_MAX = 65536 }; /* held and used ones that are remembered */

/* @container: bytes of a container; @least: smallest slot; @align: 0 none. */
int sto_slots_new(uint64_t container, uint64_t least, uint64_t align,
                  struct sto_slots **ret) MUST_CHECK;
void sto_slots_free(struct sto_slots **sp);

/* -ENOSPC: too many are out; -EINVAL: larger than a container. */
int sto_slots_take(struct sto_slots *s, uint8_t path, uint32_t size,
                   struct dfs_trunk_slot *ret) MUST_CHECK;
/* After the write: @error 0 keeps it as used, else it is given back. -ENOENT: not one of ours. */
int sto_slots_confirm(struct sto_slots *s, const struct dfs_trunk_slot *slot, int error) MUST_CHECK;
/* -EEXIST: free already. */
int sto_slots_give(struct sto_slots *s, const struct dfs_trunk_slot *slot) MUST_CHECK;

#endif
