/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/slots.h"

#include <pthread.h>

#include "dfscore/base/clock.h"

enum { FIRST_NUMBER = 0x40000000, NUMBER_MASK = 0x3fffffff };

struct sto_slots {
    unsigned magic;
#define SLOTS_MAGIC 0x51075107u
    uint64_t container, least, align;
    pthread_mutex_t lock;       /* guards what follows */
    uint32_t number;            /* current container; 0: none yet */
    uint64_t used;              /* bytes of it given out */
    struct dfs_trunk_slot *out; /* owned; held and used ones */
    size_t n, cap;
};

int sto_slots_new(uint64_t container, uint64_t least, uint64_t align, struct sto_slots **ret)
{
    struct sto_slots *s = dfs_zalloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->magic = SLOTS_MAGIC;
    s->container = MIN(container, (uint64_t)INT32_MAX);
    s->least = least;
    s->align = align;
    pthread_mutex_init(&s->lock, NULL);
    *ret = s;
    return 0;
}

void sto_slots_free(struct sto_slots **sp)
{
    struct sto_slots *s = TAKE(*sp);
    if (!s)
        return;
    CHECK_OBJ(s, SLOTS_MAGIC);
    pthread_mutex_destroy(&s->lock);
    free(s->out);
    s->magic = 0;
    free(s);
}

/* Lock held. Index, or SIZE_MAX. */
static size_t find(const struct sto_slots *s, const struct dfs_trunk_slot *slot)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->out[i].file_id == slot->file_id && s->out[i].offset == slot->offset &&
            s->out[i].size == slot->size && s->out[i].path_index == slot->path_index)
            return i;
    return SIZE_MAX;
}

static int remember(struct sto_slots *s, const struct dfs_trunk_slot *slot)
{
    if (s->n == STO_SLOTS_MAX)
        return -ENOSPC;
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        void *p = dfs_realloc(s->out, cap * sizeof(*s->out));
        if (!p)
            return -ENOMEM;
        s->out = p;
        s->cap = cap;
    }
    s->out[s->n++] = *slot;
    return 0;
}

int sto_slots_take(struct sto_slots *s, uint8_t path, uint32_t size, struct dfs_trunk_slot *ret)
{
    CHECK_OBJ(s, SLOTS_MAGIC);
    uint64_t need = MAX((uint64_t)size, s->least);
    if (need > s->least && s->align > 0)
        need = (need + s->align - 1) / s->align * s->align;
    if (need > s->container)
        return -EINVAL;
    pthread_mutex_lock(&s->lock);
    if (s->number == 0 || s->used + need > s->container) {
        uint32_t now = FIRST_NUMBER | ((uint32_t)dfs_now_s() & NUMBER_MASK);
        s->number = MAX(now, s->number + 1);
        s->used = 0;
    }
    struct dfs_trunk_slot slot = {.path_index = path,
                                  .file_id = s->number,
                                  .offset = (uint32_t)s->used,
                                  .size = (uint32_t)need};
    int r = remember(s, &slot);
    if (r == 0) {
        s->used += need;
        *ret = slot;
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* 0 or @missing; with @drop it is remembered no more. */
static int look_up(struct sto_slots *s, const struct dfs_trunk_slot *slot, bool drop, int missing)
{
    CHECK_OBJ(s, SLOTS_MAGIC);
    pthread_mutex_lock(&s->lock);
    size_t at = find(s, slot);
    if (at != SIZE_MAX && drop)
        s->out[at] = s->out[--s->n];
    pthread_mutex_unlock(&s->lock);
    return at != SIZE_MAX ? 0 : missing;
}

int sto_slots_confirm(struct sto_slots *s, const struct dfs_trunk_slot *slot, int error)
{
    return look_up(s, slot, error != 0, -ENOENT);
}

int sto_slots_give(struct sto_slots *s, const struct dfs_trunk_slot *slot)
{
    return look_up(s, slot, true, -EEXIST);
}
