/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/turns.h"

#include "dfscore/base/clock.h"
#include "storage/trunk/store_priv.h"

void sto_turns_init(struct sto_turns *t)
{
    pthread_mutex_init(&t->lock, NULL);
    dfs_cond_init(&t->over);
}

void sto_turns_fini(struct sto_turns *t)
{
    pthread_cond_destroy(&t->over);
    pthread_mutex_destroy(&t->lock);
}

/* ---- the list; its lock is held ---- */

static struct sto_turn_given *find(struct sto_turns *t, struct str name, const char *by)
{
    for (unsigned i = 0; i < t->n; i++)
        if (str_eq(name, str_c(t->list[i].name)) && strcmp(t->list[i].id.by, by) == 0)
            return &t->list[i];
    return NULL;
}

static void drop(struct sto_turns *t, struct sto_turn_given *g)
{
    *g = t->list[t->n - 1];
    t->n--;
    pthread_cond_broadcast(&t->over);
}

static int add(struct sto_turns *t, struct str name, const struct sto_turn_id *id,
               struct sto_turn_given **ret)
{
    if (t->n == STO_TURNS_MOST)
        return -ENOSPC;
    struct sto_turn_given *g = &t->list[t->n++];
    *g = (struct sto_turn_given){.id = *id, .until_ms = dfs_mono_ms() + STO_TURN_MS};
    memcpy(g->name, name.p, name.n);
    *ret = g;
    return 0;
}

static bool is_own(const struct sto_store *s, const struct sto_turn_given *g)
{
    return strcmp(g->id.by, s->server) == 0;
}

/* It may have been forgotten. */
static bool is_loose(const struct sto_store *s, const struct sto_turn_given *g,
                     const struct sto_turn_away *away)
{
    uint64_t now = dfs_mono_ms();
    bool may_go = now + STO_TURN_MS >= g->until_ms + STO_TURN_HELD_MS;
    return !is_own(s, g) && (now >= g->until_ms || (may_go && away->is(away->arg, g->id.by)));
}

/* Has another member the turn, and has not forgotten it, than ours and @by? */
static bool is_given(struct sto_store *s, struct str name, const struct sto_turn_away *away,
                     const char *by)
{
    struct sto_turns *t = &s->turns;
    for (unsigned i = 0; i < t->n; i++) {
        const struct sto_turn_given *g = &t->list[i];
        if (str_eq(name, str_c(g->name)) && !is_own(s, g) && strcmp(g->id.by, by) != 0 &&
            !is_loose(s, g, away))
            return true;
    }
    return false;
}

/* ---- what is here ---- */

/* With the lock of @name. */
static int look(struct sto_store *s, struct str name, struct sto_latest *ret)
{
    struct dfs_logical at;
    struct sto_path *p;
    struct sto_info info = {.version = 0};
    int r = sto_locate(s, name, &at, &p);
    int64_t meta_ms = r < 0 ? r : sto_meta_ms(p, &at, name);
    if (meta_ms < 0)
        return (int)meta_ms;
    ret->found = sto_info(s, name, false, &info);
    ret->version = info.version;
    ret->meta_ms = meta_ms;
    return 0;
}

int sto_turn_look(struct sto_store *s, struct str name, struct sto_latest *ret)
{
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, name);
    pthread_mutex_lock(m);
    return look(s, name, ret);
}

/* ---- a client of ours ---- */

int sto_turn_begin(struct sto_store *s, struct str name, const struct sto_turn_away *away,
                   struct sto_turn_id *id)
{
    struct sto_turns *t = &s->turns;
    struct sto_turn_given *g = NULL;
    struct dfs_logical at;
    struct sto_path *p;
    int r = name.n > STO_NAME_MAX ? -EINVAL : sto_locate(s, name, &at, &p);
    if (r < 0)
        return r;
    *id = (struct sto_turn_id){.token = sto_random(s->io), .from = sto_store_end(s, at.path_index)};
    memcpy(id->by, s->server, sizeof(id->by));
    pthread_mutex_lock(&t->lock);
    if (find(t, name, s->server))
        r = -EBUSY;
    else
        r = is_given(s, name, away, "") ? -EAGAIN : add(t, name, id, &g);
    if (r == 0)
        g->asking = true;
    pthread_mutex_unlock(&t->lock);
    return r;
}

int sto_turn_keep(struct sto_store *s, struct str name, const struct sto_turn_away *away,
                  const struct sto_turn_id *id, struct sto_latest *ret)
{
    struct sto_turns *t = &s->turns;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, name);
    pthread_mutex_lock(m);
    pthread_mutex_lock(&t->lock);
    struct sto_turn_given *g = find(t, name, s->server);
    bool ours = g && g->id.token == id->token && !is_given(s, name, away, "");
    if (ours)
        g->asking = false;
    pthread_mutex_unlock(&t->lock);
    return ours ? look(s, name, ret) : -EAGAIN;
}

void sto_turn_won(struct sto_store *s, struct str name)
{
    struct sto_turns *t = &s->turns;
    pthread_mutex_lock(&t->lock);
    for (unsigned i = t->n; i-- > 0;)
        if (str_eq(name, str_c(t->list[i].name)) && !is_own(s, &t->list[i]))
            drop(t, &t->list[i]);
    pthread_mutex_unlock(&t->lock);
}

/* ---- other members ---- */

/*
 * To a member whose last turn is not over here. Where its log has grown since, it may have made its edit, and the record is
 * to come; else it was given the turn in vain, and has not come to give it back, or the question was late.
 */
static int give_again(struct sto_turn_given *g, const struct sto_turn_id *id, bool loose)
{
    if (id->from < g->id.from && !loose)
        return -EAGAIN;
    if (id->from > g->id.from) {
        g->had = true;
        g->had_from = g->id.from;
    }
    g->id = *id;
    g->until_ms = dfs_mono_ms() + STO_TURN_MS;
    return 0;
}

static int give(struct sto_store *s, struct str name, const struct sto_turn_away *away,
                const struct sto_turn_id *id)
{
    struct sto_turn_given *own = find(&s->turns, name, s->server),
                          *last = find(&s->turns, name, id->by);
    if ((own && !own->asking) || is_given(s, name, away, id->by))
        return -EAGAIN;
    return last ? give_again(last, id, is_loose(s, last, away)) : add(&s->turns, name, id, &last);
}

int sto_turn_give(struct sto_store *s, struct str name, const struct sto_turn_away *away,
                  const struct sto_turn_id *id, struct sto_latest *ret)
{
    if (name.n > STO_NAME_MAX || strcmp(id->by, s->server) == 0)
        return -EINVAL;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, name); /* an edit may be under way */
    pthread_mutex_lock(m);
    int r = look(s, name, ret);
    if (r == 0 && ret->found == -EREMOTE)
        r = -EAGAIN; /* what it did would be in the old file alone */
    if (r < 0)
        return r;
    pthread_mutex_lock(&s->turns.lock);
    r = give(s, name, away, id);
    pthread_mutex_unlock(&s->turns.lock);
    return r;
}

void sto_turn_back(struct sto_store *s, struct str name, const struct sto_turn_id *id)
{
    pthread_mutex_lock(&s->turns.lock);
    struct sto_turn_given *g = find(&s->turns, name, id->by);
    bool its = g && g->id.token == id->token;
    if (its && g->had) {
        g->id.token = 0;
        g->id.from = g->had_from;
        g->had = false;
    } else if (its) {
        drop(&s->turns, g);
    }
    pthread_mutex_unlock(&s->turns.lock);
}

void sto_turn_over(struct sto_store *s, struct str name, const char *by, uint64_t position)
{
    if (atomic_load(&s->turns.n) == 0)
        return;
    pthread_mutex_lock(&s->turns.lock);
    struct sto_turn_given *g = find(&s->turns, name, by);
    if (g && position >= g->id.from)
        drop(&s->turns, g);
    else if (g && g->had && position >= g->had_from)
        g->had = false;
    pthread_mutex_unlock(&s->turns.lock);
}

/* ---- all of them ---- */

int sto_turn_check(struct sto_store *s, struct str name)
{
    struct sto_turns *t = &s->turns;
    bool given = false;
    if (atomic_load(&t->n) == 0)
        return 0;
    pthread_mutex_lock(&t->lock);
    for (unsigned i = 0; i < t->n && !given; i++)
        given = str_eq(name, str_c(t->list[i].name)) && !is_own(s, &t->list[i]);
    pthread_mutex_unlock(&t->lock);
    return given ? -EAGAIN : 0;
}

void sto_turn_wait(struct sto_store *s, uint64_t ms)
{
    const struct timespec until = dfs_mono_after(ms);
    pthread_mutex_lock(&s->turns.lock);
    (void)pthread_cond_timedwait(&s->turns.over, &s->turns.lock, &until);
    pthread_mutex_unlock(&s->turns.lock);
}

bool sto_turns_forget(struct sto_store *s, const struct sto_turn_away *away)
{
    struct sto_turns *t = &s->turns;
    bool any = false;
    pthread_mutex_lock(&t->lock);
    for (unsigned i = t->n; i-- > 0;)
        if (is_loose(s, &t->list[i], away)) {
            drop(t, &t->list[i]);
            any = true;
        }
    pthread_mutex_unlock(&t->lock);
    return any;
}
