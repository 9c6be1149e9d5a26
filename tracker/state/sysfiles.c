/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/state/sysfiles.h"

#define LL(v) ((long long)(v))

static void groups(const struct trk_cluster *c, struct buf *b)
{
    buf_addf(b, "[Global]\n\tgroup_count=%u\n", c->n);
    for (unsigned i = 0; i < c->n; i++) {
        const struct trk_group *g = c->groups[i];
        buf_addf(b, "\n# group: %s\n[Group%03u]\n\tgroup_name=%s\n", g->name, i + 1, g->name);
        buf_addf(b, "\tstorage_port=%lld\n\tstore_path_count=%u\n\tsubdir_count_per_path=%u\n",
                 LL(g->port), g->path_count, g->subdir_count);
        buf_addf(b, "\tcurrent_trunk_file_id=%d\n\ttrunk_server=%s\n\tlast_trunk_server=%s\n",
                 g->trunk_file_id, g->trunk_server, g->last_trunk_server);
    }
}

static void counters(const struct dfs_stat_block *s, struct buf *b)
{
    const struct {
        const char *name;
        int64_t total, ok;
    } rows[] = {
        {"upload_count", s->upload_total, s->upload_ok},
        {"append_count", s->append_total, s->append_ok},
        {"set_meta_count", s->set_meta_total, s->set_meta_ok},
        {"delete_count", s->delete_total, s->delete_ok},
        {"download_count", s->download_total, s->download_ok},
        {"get_meta_count", s->get_meta_total, s->get_meta_ok},
        {"create_link_count", s->create_link_total, s->create_link_ok},
        {"delete_link_count", s->delete_link_total, s->delete_link_ok},
        {"upload_bytes", s->upload_bytes_total, s->upload_bytes_ok},
        {"append_bytes", s->append_bytes_total, s->append_bytes_ok},
        {"download_bytes", s->download_bytes_total, s->download_bytes_ok},
        {"sync_in_bytes", s->sync_in_bytes_total, s->sync_in_bytes_ok},
        {"sync_out_bytes", s->sync_out_bytes_total, s->sync_out_bytes_ok},
        {"file_open_count", s->file_open_total, s->file_open_ok},
        {"file_read_count", s->file_read_total, s->file_read_ok},
        {"file_write_count", s->file_write_total, s->file_write_ok},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        buf_addf(b, "\ttotal_%s=%lld\n\tsuccess_%s=%lld\n", rows[i].name, LL(rows[i].total),
                 rows[i].name, LL(rows[i].ok));
}

static void server(const struct trk_node *n, unsigned number, bool ids, struct buf *b)
{
    buf_addf(b, "# storage: %s:%u\n[Storage%03u]\n", n->ip[0], n->port, number);
    if (ids)
        buf_addf(b, "\tid=%s\n", n->id);
    buf_addf(b, "\tgroup_name=%s\n\tip_addr=%s\n\tstatus=%u\n\tversion=%s\n", n->group->name,
             n->ip[0], n->status, n->version);
    buf_addf(b, "\tjoin_time=%lld\n\tstorage_port=%u\n\tsync_src_server=%s\n", LL(n->join_time),
             n->port, n->sync_source);
    buf_addf(b, "\tsync_until_timestamp=%lld\n\ttotal_mb=%lld\n\tfree_mb=%lld\n", LL(n->sync_until),
             LL(n->total_mb), LL(n->free_mb));
    /* Our log is read from its beginning again: repeating a line does no harm, missing one does. */
    buf_addf(b, "\tchangelog_offset=0\n\tstore_path_count=%u\n\tsubdir_count_per_path=%u\n",
             n->path_count, n->group->subdir_count);
    buf_addf(b, "\tupload_priority=%lld\n", LL(n->upload_priority));
    counters(&n->stat, b);
    buf_addf(b, "\tlast_source_update=%lld\n\tlast_sync_update=%lld\n",
             LL(n->stat.last_source_update), LL(n->stat.last_sync_update));
    buf_addf(b, "\tlast_synced_timestamp=%lld\n\tlast_heart_beat_time=%lld\n\n",
             LL(n->last_synced_s), LL(n->beat_s));
}

/* DELETED and IP_CHANGED records are not in these files (semantics 4.6). */
static void servers(const struct trk_cluster *c, bool ids, struct buf *b)
{
    unsigned count = 0;
    for (unsigned i = 0; i < c->n; i++) {
        const struct trk_group *g = c->groups[i];
        for (unsigned j = 0; j < g->n; j++) {
            if (trk_status_member(g->nodes[j]->status))
                server(g->nodes[j], ++count, ids, b);
        }
    }
    buf_addf(b, "[Global]\n\tstorage_count=%u\n", count);
}

static void positions(const struct trk_cluster *c, struct buf *b)
{
    for (unsigned i = 0; i < c->n; i++) {
        const struct trk_group *g = c->groups[i];
        for (unsigned s = 0; s < g->n; s++) {
            if (!trk_status_member(g->nodes[s]->status))
                continue;
            buf_addf(b, "%s,%s", g->name, g->nodes[s]->id);
            for (unsigned r = 0; r < g->n; r++) {
                if (trk_status_member(g->nodes[r]->status))
                    buf_addf(b, ",%lld", LL(g->nodes[r]->synced_s[g->nodes[s]->slot]));
            }
            buf_addc(b, '\n');
        }
    }
}

void trk_sysfile(const struct trk_cluster *c, int index, bool ids, struct buf *out)
{
    switch (index) {
    case 0:
        groups(c, out);
        break;
    case 1:
        servers(c, ids, out);
        break;
    case 2:
        positions(c, out);
        break;
    default:
        ASSERT(index == 3);
        (void)trk_log_text(c, 0, out->max, out);
    }
}
