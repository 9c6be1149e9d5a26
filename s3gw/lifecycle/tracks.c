/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/tracks.h"

#include "s3gw/index/refs.h"

static const struct s3_track *find(const struct s3_tracks *t, const struct s3_log *log)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->v[i].log.path == log->path && strcmp(t->v[i].log.name, log->name) == 0)
            return &t->v[i];
    return NULL;
}

int s3_tracks_aim(struct s3_tracks *t, struct s3_index *x, const struct s3_log *logs, size_t n)
{
    AUTO(dfs_free_ptr) struct s3_track *v = dfs_zalloc(MAX(n, (size_t)1) * sizeof(*v));
    if (!v)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct s3_track *known = find(t, &logs[i]);
        v[i] = (struct s3_track){.log = logs[i], .at = known ? known->at : 0, .until = logs[i].end};
        int r = known ? 0 : s3_scan_position_get(x, str_c(logs[i].name), logs[i].path, &v[i].at);
        if (r < 0 && r != -ENOENT) /* that one: from the beginning */
            return r;
    }
    free(t->v);
    *t = (struct s3_tracks){.v = TAKE(v), .n = n};
    return 0;
}

void s3_tracks_fini(struct s3_tracks *t)
{
    free(TAKE(t->v));
    t->n = 0;
}
