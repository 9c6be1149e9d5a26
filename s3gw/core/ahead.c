/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/ahead.h"

#include <time.h>

#include "s3gw/core/pool.h"

enum { FILE_MAX = 160 }; /* bytes of a name; longer ones are not read ahead */

/*
 *   IDLE --begin--> QUEUED --worker--> READING --worker--> READY --take--> IDLE
 *                     \--take--> LATE --worker--> IDLE  \--worker, failed--> IDLE
 *
 * free() makes it ORPHAN where the worker has it, who then frees it.
 */
enum state { IDLE, QUEUED, READING, READY, LATE, ORPHAN };

struct s3_ahead {
    unsigned magic;
#define AHEAD_MAGIC 0x41484541u
    struct s3_aheads *all;
    struct s3_job job;
    _Atomic int state; /* enum state */
    /* What is read; begin()'s while IDLE, constant else. */
    char file[FILE_MAX];
    size_t file_n;
    uint64_t at;
    size_t n;
    unsigned into; /* which half of @bytes */
    size_t most;
    uint8_t bytes[]; /* two times @most: what was taken, and what is read */
};

size_t s3_ahead_memory(size_t most)
{
    return sizeof(struct s3_ahead) + 2 * most;
}

static void destroy(struct s3_ahead *a)
{
    s3_budget_give(&a->all->memory, s3_ahead_memory(a->most));
    a->magic = 0;
    free(a);
}

static bool change(struct s3_ahead *a, int from, int to)
{
    return atomic_compare_exchange_strong(&a->state, &from, to);
}

static void read_on_worker(void *arg)
{
    struct s3_ahead *a = arg;
    struct s3_aheads *all = a->all; /* a is its owner's again as soon as its state says so */
    bool orphan;
    if (change(a, QUEUED, READING)) {
        int r = all->read(all->arg, str_of(a->file, a->file_n), a->at, a->bytes + a->into * a->most,
                          a->n);
        orphan = !change(a, READING, r == 0 ? READY : IDLE);
    } else {
        orphan = !change(a, LATE, IDLE);
    }
    if (orphan)
        destroy(a);
    atomic_fetch_sub(&all->now, 1);
}

int s3_ahead_new(struct s3_aheads *all, size_t most, struct s3_ahead **ret)
{
    if (!s3_budget_take(&all->memory, s3_ahead_memory(most)))
        return -EAGAIN;
    struct s3_ahead *a = dfs_alloc(s3_ahead_memory(most));
    if (!a) {
        s3_budget_give(&all->memory, s3_ahead_memory(most));
        return -ENOMEM;
    }
    *a = (struct s3_ahead){
        .magic = AHEAD_MAGIC, .all = all, .job = {.run = read_on_worker, .arg = a}, .most = most};
    *ret = a;
    return 0;
}

void s3_ahead_free(struct s3_ahead **ap)
{
    struct s3_ahead *a = TAKE(*ap);
    if (!a)
        return;
    CHECK_OBJ(a, AHEAD_MAGIC);
    int was = atomic_exchange(&a->state, ORPHAN);
    if (was == IDLE || was == READY)
        destroy(a);
}

void s3_ahead_begin(struct s3_ahead *a, struct str file, uint64_t at, size_t n)
{
    CHECK_OBJ(a, AHEAD_MAGIC);
    struct s3_aheads *all = a->all;
    (void)change(a, READY, IDLE); /* nobody took it */
    if (atomic_load(&a->state) != IDLE || file.n > FILE_MAX || n > a->most)
        return;
    if (atomic_fetch_add(&all->now, 1) < atomic_load(&all->most)) {
        memcpy(a->file, file.p, file.n);
        a->file_n = file.n;
        a->at = at;
        a->n = n;
        atomic_store(&a->state, QUEUED);
        if (s3_pool_submit_idle(all->pool, &a->job) == 0)
            return;
        atomic_store(&a->state, IDLE);
    }
    atomic_fetch_sub(&all->now, 1);
}

uint8_t *s3_ahead_take(struct s3_ahead *a, struct str file, uint64_t at, size_t n)
{
    CHECK_OBJ(a, AHEAD_MAGIC);
    if (change(a, QUEUED, LATE) || !change(a, READY, IDLE))
        return NULL;
    if (!str_eq(str_of(a->file, a->file_n), file) || a->at != at || a->n != n)
        return NULL;
    uint8_t *bytes = a->bytes + a->into * a->most;
    a->into ^= 1;
    return bytes;
}

void s3_aheads_stop(struct s3_aheads *all)
{
    atomic_store(&all->most, 0);
    while (atomic_load(&all->now) > 0)
        nanosleep(&(struct timespec){.tv_nsec = 2 * 1000000L}, NULL);
}
