/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "s3gw/dfs/pieces.h"

enum { KEPT_PART = 4 }; /* of the pool: at most one in so many is kept */

void s3_pieces_init(struct s3_pieces *ps, unsigned max)
{
    *ps = (struct s3_pieces){.max = max};
    pthread_mutex_init(&ps->lock, NULL);
}

void s3_pieces_fini(struct s3_pieces *ps)
{
    ASSERT(ps->out == 0 && ps->kept == 0);
    while (ps->free) {
        struct s3_piece *p = ps->free;
        ps->free = p->next;
        free(p);
    }
    pthread_mutex_destroy(&ps->lock);
}

struct s3_piece *s3_piece_take(struct s3_pieces *ps, struct s3_starved *who)
{
    struct s3_piece *p = NULL;
    pthread_mutex_lock(&ps->lock);
    if (ps->free) {
        p = ps->free;
        ps->free = p->next;
    } else if (ps->made < ps->max && (p = dfs_alloc(sizeof(*p))) != NULL) {
        ps->made++;
    }
    if (p) {
        ps->out++;
        p->next = NULL;
        p->n = 0;
    } else if (!who->listed) {
        who->listed = true;
        who->next = ps->starved;
        ps->starved = who;
    }
    pthread_mutex_unlock(&ps->lock);
    return p;
}

void s3_piece_give(struct s3_pieces *ps, struct s3_piece *p)
{
    pthread_mutex_lock(&ps->lock);
    p->next = ps->free;
    ps->free = p;
    ASSERT(ps->out > 0);
    ps->out--;
    while (ps->starved) {
        struct s3_starved *who = ps->starved;
        ps->starved = who->next;
        who->listed = false;
        who->more(who->arg);
    }
    pthread_mutex_unlock(&ps->lock);
}

bool s3_pieces_low(struct s3_pieces *ps)
{
    pthread_mutex_lock(&ps->lock);
    bool low = ps->out > ps->max / 2;
    pthread_mutex_unlock(&ps->lock);
    return low;
}

void s3_pieces_starve_no_more(struct s3_pieces *ps, struct s3_starved *who)
{
    pthread_mutex_lock(&ps->lock);
    for (struct s3_starved **pp = &ps->starved; who->listed && *pp; pp = &(*pp)->next) {
        if (*pp == who) {
            *pp = who->next;
            who->listed = false;
            break;
        }
    }
    pthread_mutex_unlock(&ps->lock);
}

bool s3_pieces_keep(struct s3_pieces *ps)
{
    pthread_mutex_lock(&ps->lock);
    bool may = ps->kept < ps->max / KEPT_PART;
    ps->kept += may;
    pthread_mutex_unlock(&ps->lock);
    return may;
}

void s3_pieces_kept_no_more(struct s3_pieces *ps, unsigned n)
{
    pthread_mutex_lock(&ps->lock);
    ASSERT(ps->kept >= n);
    ps->kept -= n;
    pthread_mutex_unlock(&ps->lock);
}
