/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/followers.h"

#include <pthread.h>

#include "dfscore/base/clock.h"

struct follower_at {
    uint64_t position; /* 0: not heard yet */
    bool unfit;        /* see sto_followers_unfit() */
};

struct follower {
    char id[DFS_ID_MAX + 1]; /* empty: free */
    struct follower_at *at;  /* owned; by store path */
    uint64_t heard_ms;       /* monotonic; 0: not yet */
    uint64_t progress_ms;    /* the same; see struct sto_standing */
    uint64_t asked_name,
        asked_offset;   /* the furthest piece of a file since the last step; name's hash */
    uint64_t silent_ms; /* the same; see sto_followers_asked() */
    bool gone;          /* see sto_followers_gone() */
};

struct sto_followers {
    unsigned magic;
#define FOLLOWERS_MAGIC 0xf0110f01u
    struct sto_store *store;
    struct sto_mirrors *mirrors;
    struct sto_members *members;
    unsigned paths;
    pthread_mutex_t lock; /* guards list; leaf */
    struct follower list[DFS_SERVERS_MAX];
};

int sto_followers_new(struct sto_store *s, struct sto_mirrors *m, struct sto_members *members,
                      struct sto_followers **ret)
{
    struct sto_followers *f = dfs_zalloc(sizeof(*f));
    if (!f)
        return -ENOMEM;
    f->magic = FOLLOWERS_MAGIC;
    f->store = s;
    f->mirrors = m;
    f->members = members;
    f->paths = sto_store_path_count(s);
    pthread_mutex_init(&f->lock, NULL);
    for (unsigned i = 0; i < f->paths; i++)
        sto_retain(s, i, 0); /* until the trackers have said who is there */
    *ret = f;
    return 0;
}

void sto_followers_free(struct sto_followers **fp)
{
    struct sto_followers *f = TAKE(*fp);
    if (!f)
        return;
    CHECK_OBJ(f, FOLLOWERS_MAGIC);
    for (size_t i = 0; i < ARRAY_LEN(f->list); i++)
        free(f->list[i].at);
    pthread_mutex_destroy(&f->lock);
    f->magic = 0;
    free(f);
}

/* Lock held. Those whom the trackers do not name any more: there are as many places as they name at most. */
static void forget_gone(struct sto_followers *f, const struct sto_member *peers, size_t n)
{
    for (struct follower *at = f->list; at < f->list + ARRAY_LEN(f->list); at++) {
        size_t i = 0;
        while (i < n && strcmp(at->id, peers[i].id) != 0)
            i++;
        if (at->id[0] && i == n) {
            free(at->at);
            *at = (struct follower){.at = NULL};
        }
    }
}

/* Lock held. With @make a free place is taken; NULL: there is none, or no memory. */
static struct follower *find(struct sto_followers *f, const char *id, bool make)
{
    struct follower *place = NULL;
    for (size_t i = 0; i < ARRAY_LEN(f->list); i++) {
        if (strcmp(f->list[i].id, id) == 0)
            return &f->list[i];
        if (!place && !f->list[i].id[0])
            place = &f->list[i];
    }
    if (!make || !place)
        return NULL;
    place->at = dfs_zalloc(f->paths * sizeof(*place->at));
    if (!place->at)
        return NULL;
    memcpy(place->id, id, strnlen(id, DFS_ID_MAX));
    return place;
}

void sto_followers_note(struct sto_followers *f, const char *id, unsigned path,
                        const uint8_t log[STO_LOG_ID_LEN], uint64_t position)
{
    struct sto_log_info info;
    struct sto_member member;
    if (!f || !id[0] || path >= f->paths || sto_members_find(f->members, id, &member) < 0 ||
        sto_mirrors_find(f->mirrors, path, log, &info) < 0 || !info.own)
        return;
    pthread_mutex_lock(&f->lock);
    struct follower *at = find(f, id, true);
    if (at) {
        struct follower_at *on = &at->at[path];
        if (position > on->position) {
            at->progress_ms = dfs_mono_ms();
            at->asked_offset = 0;
        }
        if (position > on->position || position >= info.end)
            on->unfit = false;
        on->position = position;
        at->heard_ms = dfs_mono_ms();
        at->gone = false;
    }
    pthread_mutex_unlock(&f->lock);
}

unsigned sto_followers_standing(struct sto_followers *f, unsigned path, struct sto_standing *ret)
{
    CHECK_OBJ(f, FOLLOWERS_MAGIC);
    ASSERT(path < f->paths);
    struct sto_member peers[DFS_SERVERS_MAX];
    size_t n = sto_members_peers(f->members, peers);
    unsigned count = 0;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < n; i++) {
        const struct follower *at = find(f, peers[i].id, false);
        if (peers[i].status == DFS_ST_ACTIVE && !(at && (at->gone || at->at[path].unfit)))
            ret[count++] = at ? (struct sto_standing){at->at[path].position, at->progress_ms}
                              : (struct sto_standing){0, 0};
    }
    pthread_mutex_unlock(&f->lock);
    return count;
}

/* One that cannot take a file asks for the same pieces over and over, and gets no further. */
static void got_on(struct follower *at, uint64_t name, uint64_t offset)
{
    if (at->asked_name == name && offset <= at->asked_offset)
        return;
    at->asked_name = name;
    at->asked_offset = offset;
    at->progress_ms = dfs_mono_ms();
}

void sto_followers_progress(struct sto_followers *f, const char *ip, struct str name,
                            uint64_t offset)
{
    struct sto_member peers[DFS_SERVERS_MAX];
    size_t n = sto_members_peers(f->members, peers);
    uint64_t hash = str_hash(name);
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < n; i++) {
        struct follower *at = strcmp(peers[i].ip, ip) == 0 ? find(f, peers[i].id, false) : NULL;
        if (at)
            got_on(at, hash, offset);
    }
    pthread_mutex_unlock(&f->lock);
}

size_t sto_followers_list(struct sto_followers *f, unsigned path, struct sto_follower_at *ret)
{
    CHECK_OBJ(f, FOLLOWERS_MAGIC);
    ASSERT(path < f->paths);
    struct sto_member peers[DFS_SERVERS_MAX];
    size_t n = sto_members_peers(f->members, peers);
    uint64_t now = dfs_mono_ms();
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < n; i++) {
        const struct follower *at = find(f, peers[i].id, false);
        ret[i] = (struct sto_follower_at){.status = peers[i].status, .heard_ms = -1};
        memcpy(ret[i].id, peers[i].id, sizeof(ret[i].id));
        if (!at || !at->heard_ms)
            continue;
        ret[i].position = at->at[path].position;
        ret[i].heard_ms = (int64_t)(now - at->heard_ms);
    }
    pthread_mutex_unlock(&f->lock);
    return n;
}

/* Takes the lock. NULL: there is no such member, or no memory. */
static struct follower *lock_member(struct sto_followers *f, const char *id)
{
    CHECK_OBJ(f, FOLLOWERS_MAGIC);
    struct sto_member member;
    bool known = id[0] && sto_members_find(f->members, id, &member) == 0;
    pthread_mutex_lock(&f->lock);
    return known ? find(f, id, true) : NULL;
}

void sto_followers_gone(struct sto_followers *f, const char *id)
{
    struct follower *at = lock_member(f, id);
    if (at)
        at->gone = true;
    pthread_mutex_unlock(&f->lock);
}

bool sto_followers_is_gone(struct sto_followers *f, const char *id)
{
    CHECK_OBJ(f, FOLLOWERS_MAGIC);
    pthread_mutex_lock(&f->lock);
    const struct follower *at = find(f, id, false);
    bool gone = at && at->gone;
    pthread_mutex_unlock(&f->lock);
    return gone;
}

bool sto_followers_heard_since(struct sto_followers *f, const char *id, uint64_t ms)
{
    CHECK_OBJ(f, FOLLOWERS_MAGIC);
    pthread_mutex_lock(&f->lock);
    const struct follower *at = find(f, id, false);
    bool heard = at && at->heard_ms > 0 && at->heard_ms >= ms;
    pthread_mutex_unlock(&f->lock);
    return heard;
}

void sto_followers_asked(struct sto_followers *f, const char *id, int err)
{
    if (!f)
        return;
    struct follower *at = lock_member(f, id);
    if (at)
        at->silent_ms = err == -ETIMEDOUT ? dfs_mono_ms() : 0;
    pthread_mutex_unlock(&f->lock);
}

uint64_t sto_followers_silent_since(struct sto_followers *f, const char *id)
{
    if (!f)
        return 0;
    CHECK_OBJ(f, FOLLOWERS_MAGIC);
    pthread_mutex_lock(&f->lock);
    const struct follower *at = find(f, id, false);
    uint64_t since = at && at->silent_ms > 0 && dfs_mono_ms() - at->silent_ms < STO_SILENT_MS
                         ? at->silent_ms
                         : 0;
    pthread_mutex_unlock(&f->lock);
    return since;
}

void sto_followers_unfit(struct sto_followers *f, const char *id, unsigned path)
{
    struct follower *at = lock_member(f, id);
    if (at && path < f->paths)
        at->at[path].unfit = true;
    pthread_mutex_unlock(&f->lock);
}

void sto_followers_retain(struct sto_followers *f)
{
    CHECK_OBJ(f, FOLLOWERS_MAGIC);
    struct sto_member peers[DFS_SERVERS_MAX];
    struct sto_member self;
    size_t n = sto_members_peers(f->members, peers);
    sto_members_get_self(f->members, &self);
    if (self.status == DFS_ST_NONE)
        return; /* no list has come yet */
    pthread_mutex_lock(&f->lock);
    forget_gone(f, peers, n);
    pthread_mutex_unlock(&f->lock);
    for (unsigned path = 0; path < f->paths; path++) {
        uint64_t least = UINT64_MAX;
        pthread_mutex_lock(&f->lock);
        for (size_t i = 0; i < n; i++) {
            if (dfs_server_left(peers[i].status))
                continue;
            const struct follower *at = find(f, peers[i].id, false);
            least = MIN(least, at ? at->at[path].position : 0);
        }
        pthread_mutex_unlock(&f->lock);
        sto_retain(f->store, path, least);
    }
}
