/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/client/client.h"

struct dfs_client {
    unsigned magic;
#define CLIENT_MAGIC 0xc11e27dfu
    struct dfs_connpool *pool;
    struct dfs_trackers *trackers;
};

int dfs_client_new(const struct dfs_client_opts *opts, struct dfs_client **ret)
{
    AUTO(dfs_client_free) struct dfs_client *c = dfs_zalloc(sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->magic = CLIENT_MAGIC;
    int r = dfs_connpool_new(&opts->pool, &c->pool);
    if (r < 0)
        return r;
    r = dfs_trackers_new(opts->trackers, opts->n_trackers, c->pool, &c->trackers);
    if (r < 0)
        return r;
    *ret = TAKE(c);
    return 0;
}

void dfs_client_free(struct dfs_client **cp)
{
    struct dfs_client *c = TAKE(*cp);
    if (!c)
        return;
    CHECK_OBJ(c, CLIENT_MAGIC);
    dfs_trackers_free(&c->trackers);
    dfs_connpool_free(&c->pool);
    c->magic = 0;
    free(c);
}

struct dfs_trackers *dfs_client_trackers(struct dfs_client *c)
{
    return c->trackers;
}

struct dfs_connpool *dfs_client_pool(struct dfs_client *c)
{
    return c->pool;
}

static int split_id(struct str id, struct str *group, struct str *filename)
{
    struct dfs_logical l;
    if (!str_cut(id, '/', group, filename) || !dfs_group_ok(*group))
        return -EINVAL;
    return dfs_logical_parse(*filename, &l);
}

int dfs_client_upload(struct dfs_client *c, struct str group, bool appender, struct str ext,
                      const struct dfs_content *content, char id[DFS_FILEID_TEXT])
{
    CHECK_OBJ(c, CLIENT_MAGIC);
    struct dfs_target t;
    struct dfs_peer *p = NULL;
    int r = dfs_query_store(c->trackers, group, &t);
    if (r == 0)
        r = dfs_connpool_get(c->pool, &t.addr, &p);
    if (r == 0)
        r = dfs_storage_upload(p, t.path_index, appender, ext, content, id);
    dfs_connpool_put(c->pool, &p);
    return r;
}

/* What to do with the connection to the right storage, and its arguments. */
struct job {
    int (*run)(struct dfs_peer *p, struct job *j);
    struct str group, filename;
    struct str prefix, ext, text;
    const struct dfs_content *content;
    uint64_t off, count;
    bool merge;
    uint8_t flags;
    int (*sink)(void *arg, struct str piece);
    void *arg;
    uint64_t moved; /* bytes already given to the sink */
    uint64_t len;
    struct buf *out;
    char *id;
    struct dfs_file_info_rsp *info;
};

static int run_on(struct dfs_client *c, const struct dfs_addr *addr, struct job *j, bool *reached)
{
    struct dfs_peer *p = NULL;
    *reached = false;
    int r = dfs_connpool_get(c->pool, addr, &p);
    if (r < 0)
        return r;
    r = j->run(p, j);
    *reached = !dfs_peer_broken(p);
    dfs_connpool_put(c->pool, &p);
    return r;
}

/* A change: on the server that takes changes to this file. */
static int update(struct dfs_client *c, struct str id, struct job *j)
{
    CHECK_OBJ(c, CLIENT_MAGIC);
    struct dfs_target t;
    bool reached;
    int r = split_id(id, &j->group, &j->filename);
    if (r == 0)
        r = dfs_query_update(c->trackers, j->group, j->filename, &t);
    return r < 0 ? r : run_on(c, &t.addr, j, &reached);
}

/* A read: on the server the tracker names, then on the others that have the file. */
static int fetch(struct dfs_client *c, struct str id, struct job *j)
{
    CHECK_OBJ(c, CLIENT_MAGIC);
    struct dfs_target first, all[DFS_SERVERS_MAX];
    size_t n = 0;
    bool reached = false;
    int r = split_id(id, &j->group, &j->filename);
    if (r == 0)
        r = dfs_query_fetch(c->trackers, j->group, j->filename, &first);
    if (r < 0)
        return r;
    r = run_on(c, &first.addr, j, &reached);
    if (r >= 0 || j->moved || (reached && r != -ENOENT && r != -EIO))
        return r;
    if (dfs_query_fetch_all(c->trackers, j->group, j->filename, all, ARRAY_LEN(all), &n) < 0)
        return r;
    for (size_t i = 0; i < n && r < 0 && j->moved == 0; i++)
        if (!dfs_addr_eq(&all[i].addr, &first.addr))
            r = run_on(c, &all[i].addr, j, &reached);
    return r;
}

static int run_slave(struct dfs_peer *p, struct job *j)
{
    return dfs_storage_upload_slave(p, j->filename, j->prefix, j->ext, j->content, j->id);
}

int dfs_client_upload_slave(struct dfs_client *c, struct str master_id, struct str prefix,
                            struct str ext, const struct dfs_content *content,
                            char id[DFS_FILEID_TEXT])
{
    struct job j = {.run = run_slave, .prefix = prefix, .ext = ext, .content = content, .id = id};
    return update(c, master_id, &j);
}

static int count_and_sink(void *arg, struct str piece)
{
    struct job *j = arg;
    j->moved += piece.n;
    return j->sink(j->arg, piece);
}

static int run_download(struct dfs_peer *p, struct job *j)
{
    return dfs_storage_download(p, j->group, j->filename, j->off, j->count, count_and_sink, j,
                                &j->len);
}

static int run_info(struct dfs_peer *p, struct job *j)
{
    return dfs_storage_info(p, j->group, j->filename, j->flags, j->info);
}

int dfs_client_info(struct dfs_client *c, struct str id, uint8_t flags,
                    struct dfs_file_info_rsp *ret)
{
    struct job j = {.run = run_info, .flags = flags, .info = ret};
    return fetch(c, id, &j);
}

int dfs_client_download(struct dfs_client *c, struct str id, uint64_t off, uint64_t count,
                        int (*sink)(void *arg, struct str piece), void *arg, uint64_t *ret_len)
{
    struct job j = {.run = run_download, .off = off, .count = count, .sink = sink, .arg = arg};
    int r = fetch(c, id, &j);
    if (r == -EINVAL && off == 0) {
        struct dfs_file_info_rsp info;
        if (dfs_client_info(c, id, DFS_INFO_NO_CRC, &info) == 0 && info.size == 0)
            r = 0;
    }
    if (r == 0)
        *ret_len = j.len;
    return r;
}

static int run_delete(struct dfs_peer *p, struct job *j)
{
    return dfs_storage_delete(p, j->group, j->filename);
}

int dfs_client_delete(struct dfs_client *c, struct str id)
{
    struct job j = {.run = run_delete};
    return update(c, id, &j);
}

static int run_append(struct dfs_peer *p, struct job *j)
{
    return dfs_storage_append(p, j->filename, j->content);
}

int dfs_client_append(struct dfs_client *c, struct str id, const struct dfs_content *content)
{
    struct job j = {.run = run_append, .content = content};
    return update(c, id, &j);
}

static int run_modify(struct dfs_peer *p, struct job *j)
{
    return dfs_storage_modify(p, j->filename, j->off, j->content);
}

int dfs_client_modify(struct dfs_client *c, struct str id, uint64_t offset,
                      const struct dfs_content *content)
{
    struct job j = {.run = run_modify, .off = offset, .content = content};
    return update(c, id, &j);
}

static int run_truncate(struct dfs_peer *p, struct job *j)
{
    return dfs_storage_truncate(p, j->filename, j->count);
}

int dfs_client_truncate(struct dfs_client *c, struct str id, uint64_t size)
{
    struct job j = {.run = run_truncate, .count = size};
    return update(c, id, &j);
}

static int run_regenerate(struct dfs_peer *p, struct job *j)
{
    return dfs_storage_regenerate(p, j->filename, j->id);
}

int dfs_client_regenerate(struct dfs_client *c, struct str id, char new_id[DFS_FILEID_TEXT])
{
    struct job j = {.run = run_regenerate, .id = new_id};
    return update(c, id, &j);
}

static int run_get_meta(struct dfs_peer *p, struct job *j)
{
    return dfs_storage_get_meta(p, j->group, j->filename, j->out);
}

/* By the update query, as FastDFS's clients do: metadata may be changing (protocol 5.3). While nobody takes changes of the
 * file, as when disks take no writes, they do not: then whoever shows the file shows them, too. */
int dfs_client_get_meta(struct dfs_client *c, struct str id, struct buf *text)
{
    CHECK_OBJ(c, CLIENT_MAGIC);
    struct job j = {.run = run_get_meta, .out = text};
    struct dfs_target t;
    bool reached;
    int r = split_id(id, &j.group, &j.filename);
    if (r == 0)
        r = dfs_query_update(c->trackers, j.group, j.filename, &t);
    if (r == -ENOENT)
        return fetch(c, id, &j);
    return r < 0 ? r : run_on(c, &t.addr, &j, &reached);
}

static int run_set_meta(struct dfs_peer *p, struct job *j)
{
    return dfs_storage_set_meta(p, j->group, j->filename, j->merge, j->text);
}

int dfs_client_set_meta(struct dfs_client *c, struct str id, bool merge, struct str text)
{
    struct job j = {.run = run_set_meta, .merge = merge, .text = text};
    return update(c, id, &j);
}
