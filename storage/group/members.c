/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/group/members.h"

#include <pthread.h>
#include <stdatomic.h>

#include "dfscore/base/clock.h"

struct sto_members {
    unsigned magic;
#define MEMBERS_MAGIC 0x3e3be450u
    pthread_mutex_t lock;
    pthread_cond_t changed; /* monotonic clock */
    uint64_t version;
    uint64_t started_ms;       /* monotonic; constant */
    uint64_t joins, joined_ms; /* when it grew last */
    uint64_t lease_ms;         /* see sto_members_lease() */
    uint64_t
        beat_ms[DFS_TRACKERS_MAX]; /* monotonic, of the last beat; 0: none on this connection */
    bool beaten;                   /* ever */
    uint64_t lapses;
    bool lapsed;
    bool were_alone; /* constant */
    atomic_bool whole;
    struct sto_member self;                  /* status as the leader says; constant otherwise */
    struct sto_member list[DFS_SERVERS_MAX]; /* ourselves included when the leader lists us */
    size_t n;
    char trunk_server[DFS_ID_MAX + 1];
};

bool sto_in_service(uint8_t status)
{
    return status == DFS_ST_ONLINE || status == DFS_ST_ACTIVE;
}

int sto_members_new(struct sto_members **ret)
{
    struct sto_members *m = dfs_zalloc(sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->magic = MEMBERS_MAGIC;
    m->self.status = DFS_ST_NONE;
    m->started_ms = dfs_mono_ms();
    m->joins = 1;
    m->joined_ms = m->started_ms;
    pthread_mutex_init(&m->lock, NULL);
    dfs_cond_init(&m->changed);
    *ret = m;
    return 0;
}

void sto_members_free(struct sto_members **mp)
{
    struct sto_members *m = TAKE(*mp);
    if (!m)
        return;
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    m->magic = 0;
    free(m);
}

static void set_text(char *field, size_t cap, const char *text)
{
    size_t n = strnlen(text, cap - 1);
    memcpy(field, text, n);
    memset(field + n, 0, cap - n);
}

void sto_members_self(struct sto_members *m, const char *id, const char *ip, uint16_t port)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    set_text(m->self.id, sizeof(m->self.id), id);
    set_text(m->self.ip, sizeof(m->self.ip), ip);
    m->self.port = port;
    pthread_mutex_unlock(&m->lock);
}

void sto_members_set_whole(struct sto_members *m, bool whole)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    atomic_store(&m->whole, whole);
}

bool sto_members_whole(struct sto_members *m)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    return atomic_load(&m->whole);
}

void sto_members_were_alone(struct sto_members *m)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    m->were_alone = true;
}

void sto_members_get_self(struct sto_members *m, struct sto_member *ret)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    *ret = m->self;
    pthread_mutex_unlock(&m->lock);
}

/* With the lock held. */
static struct sto_member *find(struct sto_members *m, const char *id)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->list[i].id, id) == 0)
            return &m->list[i];
    return NULL;
}

static void bump(struct sto_members *m)
{
    m->version++;
    pthread_cond_broadcast(&m->changed);
}

static void join(struct sto_members *m)
{
    m->joins++;
    m->joined_ms = dfs_mono_ms();
}

/* As the trackers tell it. */
static bool same(const struct sto_member *a, const struct sto_member *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->ip, b->ip) == 0 && a->port == b->port &&
           a->status == b->status;
}

/* With the lock held. */
static void replace(struct sto_members *m, const struct dfs_brief *list, size_t n)
{
    struct sto_member next[DFS_SERVERS_MAX];
    size_t count = MIN(n, ARRAY_LEN(next));
    memset(next, 0, sizeof(next));
    bool changed = count != m->n;
    for (size_t i = 0; i < count; i++) {
        const struct sto_member *old = find(m, list[i].id);
        set_text(next[i].id, sizeof(next[i].id), list[i].id);
        set_text(next[i].ip, sizeof(next[i].ip), list[i].ip);
        next[i].port = list[i].port > 0 && list[i].port <= UINT16_MAX ? (uint16_t)list[i].port : 0;
        next[i].status = list[i].status;
        next[i].synced_s = old ? old->synced_s : 0;
        next[i].joins = old ? old->joins : 0;
        if (strcmp(next[i].id, m->self.id) == 0)
            m->self.status = list[i].status;
        changed = changed || !same(&next[i], &m->list[i]);
    }
    if (changed) {
        memcpy(m->list, next, sizeof(next));
        m->n = count;
        bump(m);
    }
}

void sto_members_update(struct sto_members *m, const struct dfs_brief *list, size_t n)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    replace(m, list, n);
    pthread_mutex_unlock(&m->lock);
}

void sto_members_hearsay(struct sto_members *m, const struct dfs_brief *list, size_t n)
{
    struct dfs_brief all[DFS_SERVERS_MAX];
    size_t count = 0;
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n; i++) {
        all[count] = (struct dfs_brief){.status = m->list[i].status, .port = m->list[i].port};
        memcpy(all[count].id, m->list[i].id, sizeof(all[count].id));
        memcpy(all[count++].ip, m->list[i].ip, sizeof(all[0].ip));
    }
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        while (at < count && strcmp(all[at].id, list[i].id) != 0)
            at++;
        if (strcmp(list[i].id, m->self.id) == 0 || at == ARRAY_LEN(all))
            continue;
        all[at] = list[i];
        count = MAX(count, at + 1);
    }
    if (m->self.status == DFS_ST_NONE) /* not told */
        replace(m, all, count);
    pthread_mutex_unlock(&m->lock);
}

size_t sto_members_peers(struct sto_members *m, struct sto_member *out)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    size_t n = 0;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->list[i].id, m->self.id) != 0)
            out[n++] = m->list[i];
    pthread_mutex_unlock(&m->lock);
    return n;
}

int sto_members_find(struct sto_members *m, const char *id, struct sto_member *ret)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    const struct sto_member *found = strcmp(m->self.id, id) == 0 ? &m->self : find(m, id);
    if (found)
        *ret = *found;
    pthread_mutex_unlock(&m->lock);
    return found ? 0 : -ENOENT;
}

bool sto_members_has_ip(struct sto_members *m, const char *ip)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    bool yes = false;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n && !yes; i++)
        yes = strcmp(m->list[i].id, m->self.id) != 0 && strcmp(m->list[i].ip, ip) == 0;
    pthread_mutex_unlock(&m->lock);
    return yes;
}

void sto_members_set_trunk_server(struct sto_members *m, const char *id)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    set_text(m->trunk_server, sizeof(m->trunk_server), id);
    pthread_mutex_unlock(&m->lock);
}

bool sto_members_is_trunk_server(struct sto_members *m)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    bool yes = m->trunk_server[0] && strcmp(m->trunk_server, m->self.id) == 0;
    pthread_mutex_unlock(&m->lock);
    return yes;
}

void sto_members_synced(struct sto_members *m, const char *id, int64_t ts)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    struct sto_member *peer = find(m, id);
    if (peer && ts > peer->synced_s)
        peer->synced_s = ts;
    pthread_mutex_unlock(&m->lock);
}

/* With the lock held. */
static bool taken_for_alive(const struct sto_members *m)
{
    uint64_t now = dfs_mono_ms();
    bool yes = m->lease_ms == 0;
    for (size_t i = 0; i < ARRAY_LEN(m->beat_ms); i++)
        yes = yes || (m->beat_ms[i] > 0 && now - m->beat_ms[i] <= m->lease_ms);
    return yes;
}

static void notice_lapse(struct sto_members *m)
{
    if (m->lapsed || taken_for_alive(m))
        return;
    m->lapsed = true;
    m->lapses++;
}

void sto_members_lease(struct sto_members *m, uint64_t ms)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    m->lease_ms = ms;
    notice_lapse(m);
    pthread_mutex_unlock(&m->lock);
}

void sto_members_beaten(struct sto_members *m, unsigned nr, uint64_t ms)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    ASSERT(nr < ARRAY_LEN(m->beat_ms));
    pthread_mutex_lock(&m->lock);
    notice_lapse(m);
    bool first = !m->beaten; /* just joined */
    m->beaten = true;
    m->beat_ms[nr] = MAX(m->beat_ms[nr], ms);
    if (m->lapsed && taken_for_alive(m)) {
        m->lapsed = false;
        if (!first)
            join(m); /* to be caught up with again */
        bump(m);
    }
    pthread_mutex_unlock(&m->lock);
}

void sto_members_unheard(struct sto_members *m, unsigned nr)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    ASSERT(nr < ARRAY_LEN(m->beat_ms));
    pthread_mutex_lock(&m->lock);
    notice_lapse(m);
    m->beat_ms[nr] = 0;
    notice_lapse(m);
    pthread_mutex_unlock(&m->lock);
}

struct sto_vouch sto_members_vouch(struct sto_members *m, uint64_t alone_ms)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    notice_lapse(m);
    struct sto_vouch h = {.lapses = m->lapses, .until_ms = m->lapsed ? alone_ms : UINT64_MAX};
    pthread_mutex_unlock(&m->lock);
    return h;
}

bool sto_members_vouched(struct sto_members *m, const struct sto_vouch *h)
{
    struct sto_vouch now = sto_members_vouch(m, 0);
    return now.lapses == h->lapses && dfs_mono_ms() <= h->until_ms;
}

void sto_members_joined(struct sto_members *m)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    join(m);
    bump(m);
    pthread_mutex_unlock(&m->lock);
}

uint64_t sto_members_joins(struct sto_members *m)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    uint64_t joins = m->joins;
    pthread_mutex_unlock(&m->lock);
    return joins;
}

void sto_members_caught_up(struct sto_members *m, const char *id, uint64_t joins)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    struct sto_member *peer = find(m, id);
    if (peer)
        peer->joins = joins;
    pthread_mutex_unlock(&m->lock);
}

bool sto_members_told(struct sto_members *m)
{
    struct sto_member self;
    sto_members_get_self(m, &self);
    return self.status != DFS_ST_NONE;
}

bool sto_members_unknown(struct sto_members *m)
{
    return !m->were_alone && !sto_members_told(m);
}

bool sto_members_awaited(const struct sto_members *m, const struct sto_member *peer)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    return peer->joins == 0 && !dfs_server_left(peer->status) &&
           dfs_mono_ms() - m->started_ms < STO_AWAITED_MS;
}

bool sto_members_keeps_up(struct sto_members *m, const struct sto_member *peer)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    notice_lapse(m);
    bool yes =
        !m->lapsed && peer->joins == m->joins && dfs_mono_ms() - m->joined_ms >= STO_AWAITED_MS;
    pthread_mutex_unlock(&m->lock);
    return yes;
}

bool sto_members_up_to_date(struct sto_members *m)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    notice_lapse(m);
    bool yes = !m->lapsed;
    for (size_t i = 0; i < m->n && yes; i++) {
        const struct sto_member *peer = &m->list[i];
        yes = strcmp(peer->id, m->self.id) == 0 || peer->joins == m->joins ||
              (!sto_in_service(peer->status) && !sto_members_awaited(m, peer));
    }
    pthread_mutex_unlock(&m->lock);
    return yes;
}

uint64_t sto_members_version(struct sto_members *m)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    uint64_t v = m->version;
    pthread_mutex_unlock(&m->lock);
    return v;
}

uint64_t sto_members_wait(struct sto_members *m, uint64_t seen, uint64_t ms)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    const struct timespec until = dfs_mono_after(ms);
    pthread_mutex_lock(&m->lock);
    while (m->version == seen && pthread_cond_timedwait(&m->changed, &m->lock, &until) == 0)
        ;
    uint64_t v = m->version;
    pthread_mutex_unlock(&m->lock);
    return v;
}

void sto_members_wake(struct sto_members *m)
{
    CHECK_OBJ(m, MEMBERS_MAGIC);
    pthread_mutex_lock(&m->lock);
    bump(m);
    pthread_mutex_unlock(&m->lock);
}
