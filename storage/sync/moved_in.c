/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/moved_in.h"

#include "dfscore/log/log.h"
#include "storage/disk/io.h"
#include "storage/trunk/kept.h"

enum { META_MAX = 1024 * 1024 };

int sto_moved_in_delete(struct sto_store *s, struct dfs_client *cluster, struct str name)
{
    struct sto_moved to;
    int r = sto_moved_to(s, name, &to);
    if (r == 0 && cluster) {
        int e = dfs_client_delete(cluster, str_c(to.id));
        if (e < 0 && e != -ENOENT)
            dfs_log(LOG_WARN, "storage.moved_file_left", KV_Z("id", to.id), KV_ERR(e));
    }
    return r < 0 ? r : sto_moved_forget(s, name);
}

/* @m says then what they are. That there are none here may be for the peer having moved them while we took the file. */
static int hand_meta_on(struct sto_store *s, struct dfs_client *cluster, struct str name,
                        struct sto_moved_rec *m)
{
    AUTO(buf_free) struct buf meta = BUF(META_MAX);
    int r = sto_meta_get(s, name, &meta);
    if (r < 0 && r != -ENOENT)
        return r;
    struct str text = buf_str(&meta);
    m->meta_crc = sto_crc32(0, text.p, text.n);
    if (text.n == 0)
        return 0;
    return cluster ? dfs_client_set_meta(cluster, m->id, false, text) : -EUCLEAN;
}

int sto_moved_in(struct sto_puller *p, struct sto_store *s, struct dfs_client *cluster,
                 const struct sto_entry *e)
{
    struct sto_moved_rec m;
    uint64_t size;
    int64_t mtime_s;
    int r = sto_puller_info(p, e->name, &size, &mtime_s);
    if (r != -EREMOTE)
        return r;
    r = sto_moved_parse(e->extra, &m);
    if (r == 0)
        r = sto_replica_moved(s, e->name, &m, e->extra);
    if (r == -EUCLEAN) {
        r = hand_meta_on(s, cluster, e->name, &m);
        if (r == 0)
            r = sto_replica_moved(s, e->name, &m, e->extra);
    }
    if (r == -ESTALE) {
        dfs_log(LOG_WARN, "storage.move_undone", KV_STR("name", e->name), KV_STR("was", m.id));
        r = sto_moved_not(s, e->name);
    }
    return r;
}

int sto_kept_in(struct sto_puller *p, struct sto_store *s, const struct sto_entry *e)
{
    char file[STO_NAME_MAX + 1];
    struct sto_moved_rec m;
    uint64_t size;
    int64_t mtime_s;
    if (!sto_kept_parse(e->name, file))
        return -EINVAL;
    int r = sto_puller_info(p, str_c(file), &size, &mtime_s);
    if (e->op == 'D')
        return r == -ENOENT ? sto_kept_forget(s, str_c(file)) : r == -EREMOTE ? 0 : r;
    if (r != -EREMOTE)
        return r; /* it is no more there, or came back: a later record of somebody says so */
    r = sto_moved_parse(e->extra, &m);
    return r < 0 ? r : sto_replica_kept(s, e->name, &m);
}
