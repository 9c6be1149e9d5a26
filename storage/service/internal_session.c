/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/internal_priv.h"

int sto_session_join(struct sto_sessions *all, uint64_t id, struct sto_session **ret)
{
    pthread_mutex_lock(&all->lock);
    struct sto_session *s = all->list;
    while (s && s->id != id)
        s = s->next;
    if (!s && (s = dfs_zalloc(sizeof(*s)))) {
        s->id = id;
        s->next = all->list;
        all->list = s;
    }
    if (s) {
        s->conns++;
        *ret = s;
    }
    pthread_mutex_unlock(&all->lock);
    return s ? 0 : -ENOMEM;
}

void sto_session_leave(struct sto_sessions *all, struct sto_session *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&all->lock);
    ASSERT(s->conns > 0);
    bool last = --s->conns == 0;
    if (last) {
        struct sto_session **at = &all->list;
        while (*at != s)
            at = &(*at)->next;
        *at = s->next;
    }
    pthread_mutex_unlock(&all->lock);
    if (!last)
        return;
    for (size_t i = 0; i < s->count; i++)
        sto_file_free(&s->files[i].file);
    free(s->files);
    free(s);
}

static int add_locked(struct sto_session *s, struct sto_file *file, uint64_t token)
{
    if (s->count == STO_INT_TOKENS)
        return -EMFILE;
    if (s->count == s->cap) {
        size_t cap = MAX(s->cap * 2, (size_t)16);
        struct sto_session_file *p = dfs_realloc(s->files, cap * sizeof(*p));
        if (!p)
            return -ENOMEM;
        s->files = p;
        s->cap = cap;
    }
    s->files[s->count++] = (struct sto_session_file){token, file};
    return 0;
}

int sto_session_put_back(struct sto_sessions *all, struct sto_session *s, struct sto_file *file,
                         uint64_t token)
{
    pthread_mutex_lock(&all->lock);
    int r = add_locked(s, file, token);
    pthread_mutex_unlock(&all->lock);
    if (r < 0)
        sto_file_free(&file);
    return r;
}

int sto_session_add(struct sto_sessions *all, struct sto_session *s, struct sto_file *file,
                    uint64_t *ret_token)
{
    pthread_mutex_lock(&all->lock);
    uint64_t token = ++all->next_token;
    pthread_mutex_unlock(&all->lock);
    int r = sto_session_put_back(all, s, file, token);
    if (r == 0)
        *ret_token = token;
    return r;
}

struct sto_file *sto_session_take(struct sto_sessions *all, struct sto_session *s, uint64_t token)
{
    struct sto_file *f = NULL;
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < s->count; i++)
        if (s->files[i].token == token) {
            f = s->files[i].file;
            s->files[i] = s->files[--s->count];
            break;
        }
    pthread_mutex_unlock(&all->lock);
    return f;
}
