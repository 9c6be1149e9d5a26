/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/cache.h"

#include <pthread.h>
#include <xxhash.h>

enum {
    SLOTS = 1024, /* a power of two */
    BYTES_MAX = 4 * 1024 * 1024,
};

struct entry {
    struct entry *next;
    size_t key_n, value_n;
    char bytes[]; /* key, value */
};

struct s3_cache {
    unsigned magic;
#define CACHE_MAGIC 0xcac4e001u
    pthread_mutex_t lock;
    uint64_t generation;
    size_t bytes; /* of all entries; <= BYTES_MAX */
    struct entry *slots[SLOTS];
};

int s3_cache_new(struct s3_cache **ret)
{
    struct s3_cache *c = dfs_zalloc(sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->magic = CACHE_MAGIC;
    pthread_mutex_init(&c->lock, NULL);
    *ret = c;
    return 0;
}

static void drop_all(struct s3_cache *c)
{
    for (size_t i = 0; i < SLOTS && c->bytes > 0; i++)
        while (c->slots[i]) {
            struct entry *e = c->slots[i];
            c->slots[i] = e->next;
            c->bytes -= sizeof(*e) + e->key_n + e->value_n;
            free(e);
        }
}

void s3_cache_free(struct s3_cache **cp)
{
    struct s3_cache *c = TAKE(*cp);
    if (!c)
        return;
    CHECK_OBJ(c, CACHE_MAGIC);
    drop_all(c);
    pthread_mutex_destroy(&c->lock);
    c->magic = 0;
    free(c);
}

void s3_cache_clear(struct s3_cache *c)
{
    CHECK_OBJ(c, CACHE_MAGIC);
    pthread_mutex_lock(&c->lock);
    c->generation++;
    drop_all(c);
    pthread_mutex_unlock(&c->lock);
}

uint64_t s3_cache_generation(struct s3_cache *c)
{
    CHECK_OBJ(c, CACHE_MAGIC);
    pthread_mutex_lock(&c->lock);
    uint64_t generation = c->generation;
    pthread_mutex_unlock(&c->lock);
    return generation;
}

static struct entry **find(struct s3_cache *c, struct str key)
{
    struct entry **e = &c->slots[XXH3_64bits(key.p, key.n) & (SLOTS - 1)];
    while (*e && !str_eq(str_of((*e)->bytes, (*e)->key_n), key))
        e = &(*e)->next;
    return e;
}

int s3_cache_get(struct s3_cache *c, struct str key, struct arena *a, struct str *ret)
{
    CHECK_OBJ(c, CACHE_MAGIC);
    struct str copy = STR_NULL;
    int r = -ENOENT;
    pthread_mutex_lock(&c->lock);
    struct entry *e = *find(c, key);
    if (e) {
        copy = arena_str(a, str_of(e->bytes + e->key_n, e->value_n));
        r = copy.p ? 0 : -ENOMEM;
    }
    pthread_mutex_unlock(&c->lock);
    if (r == 0)
        *ret = copy;
    return r;
}

void s3_cache_put(struct s3_cache *c, uint64_t generation, struct str key, struct str value)
{
    CHECK_OBJ(c, CACHE_MAGIC);
    size_t size = sizeof(struct entry) + key.n + value.n;
    if (size > BYTES_MAX / 4)
        return;
    struct entry *fresh = dfs_alloc(size);
    if (!fresh)
        return;
    fresh->key_n = key.n;
    fresh->value_n = value.n;
    memcpy(fresh->bytes, key.p, key.n);
    if (value.n)
        memcpy(fresh->bytes + key.n, value.p, value.n);
    pthread_mutex_lock(&c->lock);
    if (generation == c->generation) {
        if (size > BYTES_MAX - c->bytes)
            drop_all(c);
        struct entry **e = find(c, key);
        if (!*e) {
            fresh->next = NULL;
            *e = TAKE(fresh);
            c->bytes += size;
        }
    }
    pthread_mutex_unlock(&c->lock);
    free(fresh);
}
