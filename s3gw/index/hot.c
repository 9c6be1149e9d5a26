/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/hot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <xxhash.h>

#include "s3gw/index/rows.h"

enum {
    SETS = 2048, /* a power of two */
    WAYS = 4,
};

struct entry {
    uint64_t hash;
    size_t key_n, value_n;
    char bytes[]; /* key, value */
};

struct set {
    pthread_mutex_t lock;
    uint64_t changed;         /* the last batch that wrote one of its rows */
    uint64_t missed;          /* hash of the last row that was not found */
    struct entry *rows[WAYS]; /* newest first */
};

struct s3_hot {
    unsigned magic;
#define HOT_MAGIC 0x407c0de1u
    uint64_t batch;         /* the one under way; owner: the committer */
    _Atomic uint64_t ended; /* all batches up to this one have */
    struct set sets[SETS];
};

int s3_hot_new(struct s3_hot **ret)
{
    struct s3_hot *h = dfs_zalloc(sizeof(*h));
    if (!h)
        return -ENOMEM;
    h->magic = HOT_MAGIC;
    h->batch = 1;
    for (size_t i = 0; i < SETS; i++)
        pthread_mutex_init(&h->sets[i].lock, NULL);
    *ret = h;
    return 0;
}

static void drop_rows(struct set *s)
{
    for (size_t i = 0; i < WAYS; i++)
        free(TAKE(s->rows[i]));
}

void s3_hot_free(struct s3_hot **hp)
{
    struct s3_hot *h = TAKE(*hp);
    if (!h)
        return;
    CHECK_OBJ(h, HOT_MAGIC);
    for (size_t i = 0; i < SETS; i++) {
        drop_rows(&h->sets[i]);
        pthread_mutex_destroy(&h->sets[i].lock);
    }
    h->magic = 0;
    free(h);
}

bool s3_hot_kind(struct str key)
{
    return key.p[0] == S3_ROW_OBJECT;
}

static struct set *set_of(struct s3_hot *h, uint64_t hash)
{
    return &h->sets[hash & (SETS - 1)];
}

static struct entry **find(struct set *s, uint64_t hash, struct str key)
{
    for (size_t i = 0; i < WAYS && s->rows[i]; i++)
        if (s->rows[i]->hash == hash && str_eq(str_of(s->rows[i]->bytes, s->rows[i]->key_n), key))
            return &s->rows[i];
    return NULL;
}

int s3_hot_get(struct s3_hot *h, struct str key, struct buf *value, struct s3_hot_look *look)
{
    CHECK_OBJ(h, HOT_MAGIC);
    uint64_t hash = XXH3_64bits(key.p, key.n);
    struct set *s = set_of(h, hash);
    int r = -ENOENT;
    pthread_mutex_lock(&s->lock);
    struct entry **e = find(s, hash, key);
    if (e) {
        buf_add(value, (*e)->bytes + (*e)->key_n, (*e)->value_n);
        r = buf_err(value);
    } else {
        *look = (struct s3_hot_look){hash, s->changed,
                                     s->missed == hash && s->changed <= atomic_load(&h->ended)};
        s->missed = hash;
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

void s3_hot_put(struct s3_hot *h, const struct s3_hot_look *look, struct str key, struct str value)
{
    CHECK_OBJ(h, HOT_MAGIC);
    if (!look->put || key.n + value.n > S3_HOT_ROW_MAX)
        return;
    struct entry *fresh = dfs_alloc(sizeof(*fresh) + key.n + value.n);
    if (!fresh)
        return;
    *fresh = (struct entry){look->hash, key.n, value.n};
    memcpy(fresh->bytes, key.p, key.n);
    if (value.n)
        memcpy(fresh->bytes + key.n, value.p, value.n);
    struct set *s = set_of(h, look->hash);
    pthread_mutex_lock(&s->lock);
    if (s->changed == look->changed && !find(s, look->hash, key)) {
        struct entry *oldest = s->rows[WAYS - 1];
        memmove(&s->rows[1], &s->rows[0], (WAYS - 1) * sizeof(s->rows[0]));
        s->rows[0] = fresh;
        fresh = oldest;
    }
    pthread_mutex_unlock(&s->lock);
    free(fresh);
}

void s3_hot_changes(struct s3_hot *h, struct str key)
{
    CHECK_OBJ(h, HOT_MAGIC);
    uint64_t hash = XXH3_64bits(key.p, key.n);
    struct set *s = set_of(h, hash);
    pthread_mutex_lock(&s->lock);
    s->changed = h->batch;
    struct entry **e = find(s, hash, key);
    struct entry *gone = e ? *e : NULL;
    if (e) {
        size_t behind = WAYS - 1 - (size_t)(e - s->rows);
        memmove(e, e + 1, behind * sizeof(*e));
        s->rows[WAYS - 1] = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    free(gone);
}

void s3_hot_end(struct s3_hot *h)
{
    CHECK_OBJ(h, HOT_MAGIC);
    atomic_store(&h->ended, h->batch++);
}

void s3_hot_clear(struct s3_hot *h)
{
    CHECK_OBJ(h, HOT_MAGIC);
    for (size_t i = 0; i < SETS; i++) {
        struct set *s = &h->sets[i];
        pthread_mutex_lock(&s->lock);
        drop_rows(s);
        s->changed = h->batch; /* what was read before is not put */
        pthread_mutex_unlock(&s->lock);
    }
    s3_hot_end(h);
}
