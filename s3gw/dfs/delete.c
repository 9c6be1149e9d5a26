/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delete - removal of stored files.
 *
 * A member passes a deletion on to the others, so one of them is enough; but a file may not have
 * reached it yet, and then "no such file" is not the last word: the server that made the file is
 * asked first, and others' word counts only when all of them say the same.
 */
#include <stdatomic.h>

#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/status.h"
#include "s3gw/dfs/store.h"

/* One file of a group on its way out. */
struct removal {
    struct str id;
    uint8_t order[S3_GROUP_MEMBERS_MAX];
    uint8_t n, next;
    uint8_t members; /* that could have it */
    uint8_t absent;  /* members that said they have no such file */
    bool gone;
    int error; /* of the last one that failed */
};

static void plan(const struct s3_group *g, struct removal *v, struct str id)
{
    struct s3_member m[S3_GROUP_MEMBERS_MAX];
    struct dfs_fileid f;
    char source[16] = "";
    *v = (struct removal){.id = id};
    if (dfs_fileid_parse(id, &f) == 0)
        dfs_fileid_source_text(&f, source);
    size_t n = s3_group_members(g, source, m);
    v->n = (uint8_t)s3_order_deletes(m, n, 0, v->order);
    for (size_t i = 0; i < n; i++)
        v->members += !m[i].retired;
}

/* What @s answered about one file. */
static void judge(struct removal *v, struct s3_store *s, int r)
{
    struct dfs_fileid f;
    char source[16] = "";
    v->next++;
    if (r != -ENOENT) {
        v->gone = r == 0;
        v->error = r;
        return;
    }
    v->absent++;
    if (dfs_fileid_parse(v->id, &f) == 0)
        dfs_fileid_source_text(&f, source);
    v->gone = s3_store_made(s, source) || v->absent == v->members;
}

/* Ask @s about those whose turn it is there, in one frame. */
static void ask(struct s3_group *g, size_t member, struct removal *v, size_t n)
{
    AUTO(buf_free) struct buf body = BUF(DFS_BATCH_ITEMS_MAX * (DFS_FILE_ID_MAX + 2) + 4);
    AUTO(buf_free) struct buf got = BUF(DFS_BATCH_ITEMS_MAX + 4);
    struct removal *mine[DFS_BATCH_ITEMS_MAX];
    struct s3_store *s = g->members[member];
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (!v[i].gone && v[i].next < v[i].n && v[i].order[v[i].next] == member)
            mine[count++] = &v[i];
    if (count == 0)
        return;
    buf_u32(&body, count);
    for (size_t i = 0; i < count; i++) {
        buf_u16(&body, (uint16_t)mine[i]->id.n);
        buf_adds(&body, mine[i]->id);
    }
    int r = buf_err(&body);
    if (r == 0)
        r = s3_store_ask(s, DFS_INT_DELETE_BATCH, buf_str(&body), true, &got, NULL);
    struct rd in = rd_of(buf_str(&got));
    if (r == 0 && rd_u32(&in) != count)
        r = -EPROTO;
    for (size_t i = 0; i < count; i++) {
        int result = r < 0 ? r : dfs_status_errno(rd_u8(&in));
        judge(mine[i], s, in.bad ? -EPROTO : result);
    }
}

/* Up to a frame of files of one group; gone[] are false. 0, or the errno of the last one that failed. */
static int delete_some(struct s3_group *g, const struct str *ids, size_t n, bool *gone)
{
    AUTO(dfs_free_ptr) struct removal *v = dfs_alloc(n * sizeof(*v));
    if (!v)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        plan(g, &v[i], ids[i]);
    bool with_servers = s3_group_gone(g); /* they took them along */
    size_t members = with_servers ? 0 : atomic_load(&g->n);
    for (size_t round = 0; round < members; round++)
        for (size_t k = 0; k < members; k++)
            ask(g, k, v, n);
    int r = 0;
    for (size_t i = 0; i < n; i++) {
        gone[i] = with_servers || v[i].gone;
        if (!gone[i])
            r = v[i].error < 0 ? v[i].error : -EHOSTUNREACH;
    }
    return r;
}

int s3_dfs_delete(struct s3_dfs *d, const struct str *file_ids, size_t n, bool *ret_gone)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    int failed = 0;
    for (size_t i = 0, run; i < n; i += run) {
        const struct str *ids = file_ids + i;
        bool *gone = ret_gone + i;
        struct s3_group *g = s3_group_of_file(d, ids[0]);
        for (run = 0; i + run < n && run < DFS_BATCH_ITEMS_MAX; run++) {
            if (s3_group_of_file(d, ids[run]) != g)
                break;
            gone[run] = false;
        }
        int r = g ? delete_some(g, ids, run, gone) : -EHOSTUNREACH;
        failed = r < 0 ? r : failed;
        for (size_t k = 0; k < run; k++)
            if (gone[k])
                s3_read_cache_drop(d->reads, ids[k]);
    }
    return failed;
}
