/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/silent.h"

#include <stdio.h>

#include "dfscore/base/clock.h"

void sto_silent_init(struct sto_silent *s)
{
    memset(s, 0, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
}

void sto_silent_fini(struct sto_silent *s)
{
    pthread_mutex_destroy(&s->lock);
}

/* Lock held. Its place, or the one whose silence ends first. */
static size_t place_of(const struct sto_silent *s, const char *id)
{
    size_t first = 0;
    for (size_t i = 0; i < ARRAY_LEN(s->list); i++) {
        if (strcmp(s->list[i].id, id) == 0)
            return i;
        if (s->list[i].until_ms < s->list[first].until_ms)
            first = i;
    }
    return first;
}

void sto_silent_note(struct sto_silent *s, const char *id, int err)
{
    bool silent = err == -ETIMEDOUT;
    pthread_mutex_lock(&s->lock);
    size_t i = place_of(s, id);
    if (silent)
        (void)snprintf(s->list[i].id, sizeof(s->list[i].id), "%s", id);
    if (silent || strcmp(s->list[i].id, id) == 0)
        s->list[i].until_ms = silent ? dfs_mono_ms() + STO_SILENT_MS : 0;
    pthread_mutex_unlock(&s->lock);
}

bool sto_silent_is(struct sto_silent *s, const char *id)
{
    pthread_mutex_lock(&s->lock);
    size_t i = place_of(s, id);
    bool silent = strcmp(s->list[i].id, id) == 0 && dfs_mono_ms() < s->list[i].until_ms;
    pthread_mutex_unlock(&s->lock);
    return silent;
}
