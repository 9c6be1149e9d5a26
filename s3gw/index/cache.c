/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/cache.h"

#include <pthread.h>

enum { SLOTS = 1024, ROW_MAX = 64 * 1024 }; /* at most 64 MiB, in practice a few hundred KiB */

struct slot {
    char *bytes; /* key, then value; owned; NULL: free */
    size_t key_n, value_n;
};

struct s3_cache {
    pthread_rwlock_t lock;
    uint64_t generation; /* under lock: changes told so far */
    struct slot slots[SLOTS]; /* under lock: direct mapped */
};

int s3_cache_new(struct s3_cache **ret)
{
    struct s3_cache *c = dfs_zalloc(sizeof(*c));
    if (!c)
        return -ENOMEM;
    pthread_rwlock_init(&c->lock, NULL);
    *ret = c;
    return 0;
}

static void forget(struct slot *s)
{
    free(s->bytes);
    *s = (struct slot){0};
}

void s3_cache_free(struct s3_cache **cp)
{
    struct s3_cache *c = TAKE(*cp);
    if (!c)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        forget(&c->slots[i]);
    pthread_rwlock_destroy(&c->lock);
    free(c);
}

static struct slot *slot_of(struct s3_cache *c, struct str key)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (uint8_t)key.p[i]) * 0x100000001b3u;
    return &c->slots[(h ^ h >> 32) % SLOTS];
}

static bool holds(const struct slot *s, struct str key)
{
    return s->bytes && str_eq(str_of(s->bytes, s->key_n), key);
}

static void store(struct s3_cache *c, struct str key, struct str value, uint64_t generation)
{
    if (value.n > ROW_MAX)
        return;
    char *bytes = dfs_alloc(key.n + value.n);
    if (!bytes)
        return; /* only a cache */
    memcpy(bytes, key.p, key.n);
    memcpy(bytes + key.n, value.p, value.n);
    pthread_rwlock_wrlock(&c->lock);
    if (c->generation == generation) {
        struct slot *s = slot_of(c, key);
        forget(s);
        *s = (struct slot){TAKE(bytes), key.n, value.n};
    }
    pthread_rwlock_unlock(&c->lock);
    free(bytes);
}

int s3_cache_get(struct s3_cache *c, struct s3_index *x, struct str key, enum s3_read how, struct buf *value)
{
    pthread_rwlock_rdlock(&c->lock);
    uint64_t generation = c->generation;
    const struct slot *s = slot_of(c, key);
    bool hit = holds(s, key);
    if (hit)
        buf_add(value, s->bytes + s->key_n, s->value_n);
    pthread_rwlock_unlock(&c->lock);
    if (hit)
        return buf_err(value);
    int r = s3_index_get(x, key, how, value);
    if (r == 0 && value->n > 0)
        store(c, key, buf_str(value), generation);
    return r;
}

void s3_cache_changed(struct s3_cache *c, struct str key)
{
    pthread_rwlock_wrlock(&c->lock);
    c->generation++;
    for (size_t i = 0; !key.p && i < SLOTS; i++)
        forget(&c->slots[i]);
    if (key.p && holds(slot_of(c, key), key))
        forget(slot_of(c, key));
    pthread_rwlock_unlock(&c->lock);
}
