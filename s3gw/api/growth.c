/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/growth.h"

#include "dfscore/base/background.h"
#include "dfscore/log/log.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/move.h"
#include "s3gw/dfs/dfs.h"

enum { WAITING_MAX = 16, BUCKET_NAME_MAX = 255, ARENA_MAX = 4 * 1024 * 1024 };

struct s3_growth {
    unsigned magic;
#define GROWTH_MAGIC 0x67726f77u
    struct s3_gw *gw;
    struct dfs_background bg;
    /* Under bg.lock: buckets to look at, the first one under way. A full list drops newcomers. */
    char waiting[WAITING_MAX][BUCKET_NAME_MAX + 1];
    size_t n;
};

/* --- what is known of groups --- */

/* Why that group takes no more files, and will not soon; NULL: it does, or may when it is back. */
static const char *full(const struct s3_gw *gw, struct str group)
{
    struct s3_dfs_group g;
    for (size_t i = 0; s3_dfs_group(gw->dfs, i, &g); i++)
        if (str_eq(str_c(g.name), group))
            return g.low ? "low" : g.drained ? "drained" : NULL;
    return "removed";
}

int s3_growth_judge(const struct s3_gw *gw, struct str groups, char ret[S3_GROUP_NAME_MAX + 1],
                    const char **why)
{
    struct str rest = groups, name;
    struct s3_dfs_group g, best = {.name = ""};
    while (str_split(&rest, ',', &name)) {
        *why = full(gw, name);
        if (!*why)
            return -EALREADY;
    }
    for (size_t i = 0; s3_dfs_group(gw->dfs, i, &g); i++)
        if (g.takes_files && !g.low && !g.of_class && !s3_groups_have(groups, str_c(g.name)) &&
            (!best.name[0] || g.free_mb > best.free_mb))
            best = g;
    if (!best.name[0])
        return -ENOSPC;
    memcpy(ret, best.name, sizeof(best.name));
    return 0;
}

/* --- one bucket --- */

static int extend(struct s3_gw *gw, struct s3_bucket *b)
{
    char more[S3_GROUP_NAME_MAX + 1], groups[S3_GROUPS_TEXT_MAX + 1];
    const char *why = "";
    struct s3_req q;
    int r = s3_growth_judge(gw, b->groups, more, &why);
    if (r == 0)
        r = s3_groups_add(b->groups, str_c(more), groups);
    if (r < 0)
        return r;
    s3_move_request(&q, gw, b);
    r = s3_commit_bucket_groups(&q, b->groups, str_c(groups));
    s3_req_fini(&q);
    if (r == 0)
        dfs_log(LOG_INFO, "s3.bucket_group_added", KV_STR("bucket", b->name), KV_Z("group", more),
                KV_Z("groups", groups), KV_Z("reason", why));
    return r;
}

static void look_at(struct s3_gw *gw, struct str name)
{
    static struct dfs_log_gate gate;
    AUTO(arena_fini) struct arena a;
    struct s3_bucket b;
    arena_init(&a, ARENA_MAX);
    int r = s3_bucket_get(gw->index, name, S3_READ_ANY, &a, &b);
    if (r == 0)
        r = extend(gw, &b);
    bool news = r < 0 && r != -EALREADY && r != -ENOENT && r != -ESTALE;
    if (news && dfs_log_allow(&gate, 1))
        dfs_log(LOG_WARN, "s3.bucket_group_not_added", KV_STR("bucket", name), KV_ERR(r));
}

/* --- the thread --- */

static void *growth_main(void *arg)
{
    struct s3_growth *g = arg;
    pthread_mutex_lock(&g->bg.lock);
    for (;;) {
        while (g->n == 0 && !g->bg.stopping)
            pthread_cond_wait(&g->bg.wake, &g->bg.lock);
        if (g->bg.stopping)
            break;
        pthread_mutex_unlock(&g->bg.lock);
        look_at(g->gw, str_c(g->waiting[0])); /* which nobody else touches */
        pthread_mutex_lock(&g->bg.lock);
        g->n--;
        memmove(g->waiting[0], g->waiting[1], g->n * sizeof(g->waiting[0]));
    }
    pthread_mutex_unlock(&g->bg.lock);
    return NULL;
}

void s3_growth_notice(const struct s3_req *q, struct str groups, struct str file_id)
{
    struct s3_growth *g = q->gw->growth;
    if (!g || s3_groups_hold(groups, file_id) || q->bkt->name.n > BUCKET_NAME_MAX)
        return;
    CHECK_OBJ(g, GROWTH_MAGIC);
    pthread_mutex_lock(&g->bg.lock);
    size_t i = 0;
    while (i < g->n && !str_eq(str_c(g->waiting[i]), q->bkt->name))
        i++;
    if (i == g->n && i < WAITING_MAX) {
        memcpy(g->waiting[i], q->bkt->name.p, q->bkt->name.n);
        g->waiting[i][q->bkt->name.n] = '\0';
        g->n++;
        pthread_cond_signal(&g->bg.wake);
    }
    pthread_mutex_unlock(&g->bg.lock);
}

int s3_growth_start(struct s3_gw *gw, struct s3_growth **ret)
{
    struct s3_growth *g = dfs_zalloc(sizeof(*g));
    if (!g)
        return -ENOMEM;
    g->magic = GROWTH_MAGIC;
    g->gw = gw;
    dfs_background_init(&g->bg);
    int r = dfs_background_start(&g->bg, "s3-growth", growth_main, g);
    if (r < 0) {
        dfs_background_fini(&g->bg);
        free(g);
        return r;
    }
    *ret = g;
    return 0;
}

void s3_growth_stop(struct s3_growth **gp)
{
    struct s3_growth *g = TAKE(*gp);
    if (!g)
        return;
    CHECK_OBJ(g, GROWTH_MAGIC);
    dfs_background_fini(&g->bg);
    g->magic = 0;
    free(g);
}
