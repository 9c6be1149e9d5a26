/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/slot.h"

enum { SIZE_AT = 1, TAIL_AT = 17 };

static void numbers(uint32_t slot_size, uint64_t size, uint32_t crc, int64_t time_s, uint8_t *out)
{
    const uint32_t v[4] = {slot_size, (uint32_t)size, crc, (uint32_t)time_s};
    for (unsigned i = 0; i < 4; i++)
        for (unsigned j = 0; j < 4; j++)
            out[4 * i + j] = (uint8_t)(v[i] >> (24 - 8 * j));
}

void sto_slot_encode(const struct dfs_fileid_parts *p, uint8_t out[DFS_TRUNK_HEADER])
{
    out[0] = 'F';
    numbers(p->trunk.slot_size, p->size, p->crc32, p->created_s, out + SIZE_AT);
    memcpy(out + TAIL_AT, p->tail, DFS_TAIL7);
}

bool sto_slot_held(const uint8_t slot[DFS_TRUNK_HEADER], const struct dfs_fileid *f)
{
    uint8_t want[DFS_TRUNK_HEADER] = {0};
    numbers(f->trunk.slot_size, f->size, f->crc32, f->created_s, want + SIZE_AT);
    return f->tail.n == DFS_TAIL7 &&
           memcmp(slot + SIZE_AT, want + SIZE_AT, TAIL_AT - SIZE_AT) == 0 &&
           memcmp(slot + TAIL_AT, f->tail.p, DFS_TAIL7) == 0;
}

bool sto_slot_holds(const uint8_t slot[DFS_TRUNK_HEADER], const struct dfs_fileid *f)
{
    return (slot[0] == 'F' || slot[0] == 'L') && sto_slot_held(slot, f);
}
