/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/commit_user.h"

#include <pthread.h>

#include "dfscore/log/log.h"
#include "s3gw/core/secretbox.h"
#include "s3gw/lifecycle/note.h"

enum { RECORD_MAX = 1 << 20, ARENA_MAX = 64 * 1024 * 1024 };

static pthread_mutex_t one_at_a_time =
    PTHREAD_MUTEX_INITIALIZER; /* notes follow each other as commits do */

/* --- statements --- */

static int say(const struct s3_gw *gw, enum s3_desc_kind kind, struct str name,
               const struct buf *record)
{
    AUTO(buf_free) struct buf d = BUF(2 * RECORD_MAX);
    int r = record ? buf_err(record) : 0;
    if (r == 0)
        r = s3_note_describe(gw, kind, s3_index_number(gw->index), NULL, name,
                             record ? buf_str(record) : STR_NULL, &d);
    return r < 0 ? r : s3_note_write(gw, NULL, &d);
}

static int say_user(const struct s3_gw *gw, const struct s3_user *u)
{
    AUTO(buf_free) struct buf record = BUF(RECORD_MAX);
    s3_user_encode(u, &record);
    return say(gw, S3_DESC_USER, u->id, &record);
}

static int say_key(const struct s3_gw *gw, const struct s3_access_key *k)
{
    AUTO(buf_free) struct buf record = BUF(RECORD_MAX), sealed = BUF(RECORD_MAX);
    int r = s3_secretbox_seal(gw->note_key, k->access_key, k->secret, &sealed);
    struct s3_access_key as_noted = *k;
    as_noted.secret = buf_str(&sealed);
    s3_key_encode(&as_noted, &record);
    return r < 0 ? r : say(gw, S3_DESC_KEY, k->access_key, &record);
}

static int say_keys_gone(const struct s3_gw *gw, struct str user)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    struct s3_access_key *keys;
    size_t n;
    int r = s3_key_list(gw->index, user, &a, &keys, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = say(gw, S3_DESC_UNKEY, keys[i].access_key, NULL);
    return r;
}

static int note(const struct s3_gw *gw, const struct s3_user_change *c)
{
    int r = c->user ? say_user(gw, c->user) : 0;
    if (r == 0 && c->key)
        r = say_key(gw, c->key);
    if (r == 0 && c->gone_key.p)
        r = say(gw, S3_DESC_UNKEY, c->gone_key, NULL);
    if (r == 0 && c->gone_user.p)
        r = say_keys_gone(gw, c->gone_user);
    if (r == 0 && c->gone_user.p)
        r = say(gw, S3_DESC_UNUSER, c->gone_user, NULL);
    return r;
}

/* --- as they are --- */

static int say_what_key_is(const struct s3_gw *gw, struct str access_key, struct arena *a)
{
    struct s3_access_key k;
    struct s3_user u;
    int r = s3_key_get(gw->index, access_key, S3_READ_ANY, a, &k, &u);
    if (r == 0)
        return u.root ? 0 : say_key(gw, &k);
    return r == -ENOENT ? say(gw, S3_DESC_UNKEY, access_key, NULL) : r;
}

static int say_what_user_is(const struct s3_gw *gw, struct str id, struct arena *a)
{
    struct s3_user u;
    struct s3_access_key *keys;
    size_t n = 0;
    int r = s3_user_get(gw->index, id, S3_READ_ANY, a, &u);
    if (r < 0)
        return r == -ENOENT ? say(gw, S3_DESC_UNUSER, id, NULL) : r;
    if (u.root)
        return 0;
    r = say_user(gw, &u);
    if (r == 0)
        r = s3_key_list(gw->index, id, a, &keys, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = say_key(gw, &keys[i]);
    return r;
}

static void take_back(const struct s3_gw *gw, const struct s3_user_change *c)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    int r = 0;
    if (c->user || c->gone_user.p)
        r = say_what_user_is(gw, c->user ? c->user->id : c->gone_user, &a);
    if (r == 0 && (c->key || c->gone_key.p))
        r = say_what_key_is(gw, c->key ? c->key->access_key : c->gone_key, &a);
    if (r < 0)
        dfs_log(LOG_ERROR, "s3.note_not_taken_back", KV_ERR(r));
}

/* --- the change --- */

static int write(struct s3_tx *tx, void *arg)
{
    struct s3_user_change *c = arg;
    c->key_refused = false;
    int r = c->user ? s3_user_put(tx, c->user, c->must_be_new) : 0;
    if (r == 0 && c->key) {
        r = s3_key_put(tx, c->key);
        c->key_refused = r == -EEXIST;
    }
    if (r == 0 && c->gone_key.p)
        r = s3_key_delete(tx, c->gone_key);
    if (r == 0 && c->gone_user.p)
        r = s3_user_delete(tx, c->gone_user);
    return r;
}

int s3_commit_user(const struct s3_gw *gw, struct s3_user_change *c)
{
    pthread_mutex_lock(&one_at_a_time);
    int r = note(gw, c);
    bool noted = r == 0;
    if (r == 0)
        r = s3_index_update(gw->index, write, c);
    s3_users_changed(gw->index);
    if (r < 0 && noted)
        take_back(gw, c);
    pthread_mutex_unlock(&one_at_a_time);
    return r;
}

int s3_note_all_users(const struct s3_gw *gw)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    struct s3_user *users;
    size_t n = 0;
    pthread_mutex_lock(&one_at_a_time);
    int r = s3_user_list(gw->index, &a, &users, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = say_what_user_is(gw, users[i].id, &a);
    pthread_mutex_unlock(&one_at_a_time);
    return r;
}
