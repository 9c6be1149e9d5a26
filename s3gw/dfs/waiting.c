/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/waiting.h"

void s3_waiting_init(struct s3_waiting *w)
{
    *w = (struct s3_waiting){.last = &w->first};
}

bool s3_waiting_join(struct s3_waiting *w, struct s3_dfs_wait *k, uint64_t now_ms)
{
    if (w->n == S3_WAITERS_MAX)
        return false;
    k->next = NULL;
    k->question = w->wanted = w->put + 1; /* one under way may have been answered before */
    k->until_ms = now_ms + S3_WAIT_MS;
    *w->last = k;
    w->last = &k->next;
    w->n++;
    return true;
}

bool s3_waiting_wants(const struct s3_waiting *w)
{
    return w->n > 0 && w->wanted > w->put;
}

void s3_waiting_ask(struct s3_waiting *w)
{
    ASSERT(w->answered == w->put);
    w->put++;
}

void s3_waiting_answer(struct s3_waiting *w)
{
    w->answered = w->put;
}

struct s3_dfs_wait *s3_waiting_due(struct s3_waiting *w, uint64_t now_ms)
{
    struct s3_dfs_wait *k = w->first;
    if (!k || (k->question > w->answered && k->until_ms > now_ms))
        return NULL;
    w->first = k->next;
    if (!w->first)
        w->last = &w->first;
    w->n--;
    return k;
}

uint64_t s3_waiting_until(const struct s3_waiting *w)
{
    return w->first ? w->first->until_ms : UINT64_MAX;
}
