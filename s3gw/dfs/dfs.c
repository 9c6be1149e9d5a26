/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/dfs.h"

#include <openssl/rand.h>
#include <stdatomic.h>
#include <time.h>

#include "dfscore/base/clock.h"
#include "s3gw/dfs/store.h"

enum {
    COMMIT_THREADS = 6, /* syncs of large files under way at once */
    JOBS_MAX = 1 << 20, /* one per open upload; connections are limited long before */
    CONNECT_MS = 2000,
    TIMEOUT_MS = 10 * 1000,
    HOLD_DOWN_MS = 1000,
};

static int add_local(struct s3_dfs *d, const struct s3_dfs_store *o)
{
    struct dfs_addr addr;
    struct s3_store *s = NULL;
    int r = dfs_addr_parse(o->socket, 0, &addr);
    if (r < 0 || addr.host[0] != '/')
        return -EINVAL;
    struct s3_group *g = s3_group_make(d, o->group);
    if (!g)
        return -EINVAL;
    r = s3_group_add(g, d, &addr, "", &s);
    if (r == 0)
        atomic_store(&s->active, d->o.ntrackers == 0); /* else it is what the trackers say */
    return r;
}

static void default_limits(struct s3_dfs_options *o)
{
    o->connect_ms = o->connect_ms ? o->connect_ms : CONNECT_MS;
    o->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS;
    o->hold_down_ms = o->hold_down_ms ? o->hold_down_ms : HOLD_DOWN_MS;
}

int s3_dfs_new(const struct s3_dfs_options *o, struct s3_dfs **ret)
{
    if (o->nstores + o->ntrackers == 0 || o->nstores > S3_DFS_STORES_MAX || o->upload_buffers == 0)
        return -EINVAL;
    AUTO(s3_dfs_free) struct s3_dfs *d = dfs_zalloc(sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->magic = S3_DFS_MAGIC;
    d->o = *o;
    default_limits(&d->o);
    s3_pieces_init(&d->pieces, o->upload_buffers);
    if (RAND_bytes((unsigned char *)&d->session, sizeof(d->session)) != 1)
        return -EIO;
    int r = s3_pool_new("dfs-hash", o->hash_threads ? o->hash_threads : 2, JOBS_MAX, &d->hash);
    if (r == 0)
        r = s3_pool_new("dfs-commit", COMMIT_THREADS, JOBS_MAX, &d->commit);
    if (r == 0)
        r = s3_read_cache_new(o->open_files, &d->reads);
    if (r == 0)
        r = s3_suspects_new(d, &d->suspects);
    for (size_t i = 0; r == 0 && i < o->nstores; i++)
        r = add_local(d, &o->stores[i]);
    if (r == 0 && o->ntrackers > 0)
        r = s3_view_new(d, &d->view);
    if (r < 0)
        return r;
    d->o.stores = NULL; /* the caller's, from now on */
    d->o.trackers = NULL;
    d->o.known = STR_NULL;
    *ret = TAKE(d);
    return 0;
}

void s3_dfs_free(struct s3_dfs **dp)
{
    struct s3_dfs *d = TAKE(*dp);
    if (!d)
        return;
    CHECK_OBJ(d, S3_DFS_MAGIC);
    atomic_store(&d->stopping, true);
    if (d->view)
        s3_view_stop(d->view);
    s3_suspects_free(&d->suspects);
    s3_pool_free(&d->hash);
    s3_pool_free(&d->commit);
    for (size_t i = 0; i < atomic_load(&d->nstores); i++)
        s3_store_free(&d->stores[i]);
    s3_view_free(&d->view);
    for (size_t i = 0; i < atomic_load(&d->ngroups); i++)
        free(d->groups[i]);
    s3_read_cache_free(&d->reads);
    s3_pieces_fini(&d->pieces);
    d->magic = 0;
    free(d);
}

bool s3_dfs_has_group(const struct s3_dfs *d, struct str group)
{
    const struct s3_group *g = s3_group_named((struct s3_dfs *)(uintptr_t)d, group);
    return g && !s3_group_gone(g);
}

bool s3_dfs_reachable(const struct s3_dfs *d)
{
    size_t n = atomic_load(&d->ngroups);
    for (size_t i = 0; i < n; i++) {
        bool any = s3_group_gone(d->groups[i]);
        size_t members = atomic_load(&d->groups[i]->n);
        for (size_t k = 0; k < members && !any; k++) {
            const struct s3_store *s = d->groups[i]->members[k];
            any = atomic_load(&s->active) && atomic_load(&s->down_since_ms) == 0;
        }
        if (!any)
            return false;
    }
    return n > 0;
}

/* Does one of the group take writes, if the trackers want any there? */
static int group_ready(struct s3_group *g)
{
    struct s3_tried tried = {0};
    struct s3_store *s;
    int r = s3_group_gone(g) || s3_group_drained(g) ? 0 : -EHOSTUNREACH;
    while (r < 0 && (s = s3_group_writer(g, &tried)) != NULL)
        r = s3_store_ask(s, DFS_INT_STAT, STR_NULL, true, NULL, NULL);
    return r;
}

int s3_dfs_ready(struct s3_dfs *d, unsigned timeout_ms)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    uint64_t end = dfs_mono_ms() + timeout_ms;
    for (size_t i = 0;;) {
        bool more = i < atomic_load(&d->ngroups);
        if (!more && i > 0)
            return 0;
        int r = more ? group_ready(d->groups[i]) : -ENOENT;
        if (r == 0)
            i++;
        else if (dfs_mono_ms() >= end)
            return r;
        else
            nanosleep(&(struct timespec){.tv_nsec = 50 * 1000000L}, NULL);
    }
}
