/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync_in - what a peer that speaks FastDFS's replication sends: 9 its id, 16 create, 17 delete,
 * 18 update, 19 link, 25 append, 35 modify, 37 truncate, 40 rename. (Our own servers pull each
 * other's logs instead, see storage/sync.)
 *
 * Rule: fastdfs-protocol.md 8.11, 8.12. EEXIST means "done already", ENOENT "send me the whole file".
 */
#include "storage/service/content.h"
#include "storage/trunk/replica.h"

#define META_SUFFIX "-m"

/* What is known of a member lives with the connection. */
struct source {
    char id[DFS_ID_MAX + 1]; /* empty: not told */
    bool pulls;
};

/* NULL: no memory. */
static struct source *make_source(struct dfs_conn *c)
{
    void **user = dfs_conn_user(c);
    if (!*user)
        *user = dfs_zalloc(sizeof(struct source));
    return *user;
}

void sto_sync_pulls(struct dfs_conn *c)
{
    struct source *src = make_source(c);
    if (src)
        src->pulls = true;
}

void sto_sync_close(struct dfs_conn *c)
{
    const struct source *src = *dfs_conn_user(c);
    const struct sto_service *s = dfs_conn_ctx(c);
    if (src && src->pulls)
        sto_copies_lost(s->o.copies);
    free(*dfs_conn_user(c));
    *dfs_conn_user(c) = NULL;
}

void sto_handle_report_id(struct dfs_req *req)
{
    struct dfs_server_id m;
    struct source *src = make_source(req->conn);
    int r = src ? dfs_server_id_get(req->body, &m) : -ENOMEM;
    if (r == 0)
        memcpy(src->id, m.id, sizeof(src->id));
    dfs_req_reply(req, r, STR_NULL);
}

/* What 16, 18, 25 and 35 have in common. */
struct incoming {
    struct sto_content c; /* first */
    int64_t ts;
    uint64_t offset; /* of an append or a modify */
    char source[DFS_ID_MAX + 1];
};

static void keep_source(char source[DFS_ID_MAX + 1], const struct dfs_req *req)
{
    const struct source *src = *dfs_conn_user(req->conn);
    if (src)
        memcpy(source, src->id, DFS_ID_MAX + 1);
}

/* The operation is durable here: trackers hear of it with the next report (6.5). */
static void applied(struct sto_op *op, const char *source, int64_t ts)
{
    atomic_store(&op->s->last_sync_update_s, ts);
    if (source[0])
        sto_members_synced(op->s->o.members, source, ts);
}

static int size_of(struct sto_op *op, struct str name, uint64_t *ret)
{
    struct sto_info info;
    int r = sto_info(op->s->o.store, name, false, &info);
    if (r == 0)
        *ret = info.size;
    return r;
}

static int whole_text(struct str old, void *arg, struct buf *out)
{
    (void)old;
    buf_adds(out, *(const struct str *)arg);
    return buf_err(out);
}

/* A metadata file comes as a file of its own, "name-m". */
static int create_meta(struct incoming *in)
{
    struct str name = str_head(in->c.op.name, in->c.op.name.n - (sizeof(META_SUFFIX) - 1));
    if (!in->c.bytes.p)
        return -EINVAL; /* larger than any metadata */
    return sto_meta_change(in->c.op.s->o.store, name, whole_text, &in->c.bytes, NULL);
}

static bool is_packed(struct str name)
{
    struct dfs_fileid id;
    return dfs_filename_parse(name, &id) == 0 && id.kind == DFS_FILE_TRUNK && !id.slave;
}

static int put_file(struct incoming *in)
{
    int r = sto_content_to_file(&in->c);
    if (r < 0)
        return r;
    return sto_replica_file(in->c.op.s->o.store, &in->c.file, in->c.op.name, in->c.len, in->ts);
}

static int create(struct sto_content *c)
{
    struct incoming *in = (struct incoming *)c;
    uint64_t size = 0;
    int r;
    if (str_ends(c->op.name, STR(META_SUFFIX)))
        r = create_meta(in);
    else if (c->op.req->head.cmd == DFS_CMD_SYNC_CREATE &&
             size_of(&c->op, c->op.name, &size) == 0 && size == c->len)
        r = -EEXIST;
    else if (is_packed(c->op.name))
        r = c->bytes.p ? sto_replica_slot(c->op.s->o.store, c->op.name, c->bytes) : -EINVAL;
    else
        r = put_file(in);
    if (r == 0 || r == -EEXIST)
        applied(&c->op, in->source, in->ts);
    return r;
}

/* A collected or streamed change of a range of a file. */
static int edit_range(struct incoming *in, enum sto_edit_op kind)
{
    AUTO(sto_edit_free) struct sto_edit *e = NULL;
    struct sto_content *c = &in->c;
    int r = sto_edit_begin(c->op.s->o.store, c->op.name, kind, in->offset, c->len, NULL, &e);
    if (r == 0)
        r = sto_content_to_edit(c, e);
    return r < 0 ? r : sto_edit_commit(&e);
}

static int append(struct sto_content *c)
{
    struct incoming *in = (struct incoming *)c;
    uint64_t size = 0;
    int r = size_of(&c->op, c->op.name, &size);
    if (r < 0)
        return r;
    if (size == in->offset)
        r = c->len > 0 ? edit_range(in, STO_EDIT_APPEND) : 0;
    else
        r = size >= in->offset && size - in->offset >= c->len ? -EEXIST : -ENOENT;
    if (r == 0 || r == -EEXIST)
        applied(&c->op, in->source, in->ts);
    return r;
}

static int modify(struct sto_content *c)
{
    struct incoming *in = (struct incoming *)c;
    uint64_t size = 0;
    int r = size_of(&c->op, c->op.name, &size);
    if (r == 0 && size < in->offset)
        r = -ENOENT;
    if (r == 0 && c->len > 0)
        r = edit_range(in, STO_EDIT_MODIFY);
    if (r == 0)
        applied(&c->op, in->source, in->ts);
    return r;
}

/* Fixed part, then the name, then the content, which starts a content op. */
static void take(struct dfs_req *req, struct incoming *in, size_t fixed, uint64_t name_len,
                 const char *group, int (*settle)(struct sto_content *c))
{
    uint64_t after = req->head.len - fixed;
    int r = 0;
    if (name_len == 0 || name_len > DFS_FILENAME_MAX || name_len > after ||
        in->c.len != after - name_len)
        r = -EINVAL;
    else if (req->body.n < fixed + name_len) {
        r = dfs_req_more(req, fixed + name_len - req->body.n);
        if (r == 0)
            return;
    } else {
        r = sto_op_group_name(&in->c.op, group, str_of(req->body.p + fixed, (size_t)name_len));
    }
    if (r < 0) {
        dfs_req_reply(req, r, STR_NULL);
        return;
    }
    in->c.head = fixed + (size_t)name_len;
    in->c.settle = settle;
    in->c.op.bytes_stat = STO_STAT_SYNC_IN_BYTES;
    in->c.op.bytes = in->c.len;
    sto_content_begin(&in->c, STO_TRUNK_MAX);
}

/* "I believe you have it": no content follows (8.12). */
static int have_it(struct sto_op *op)
{
    struct incoming *in = (struct incoming *)op;
    applied(op, in->source, in->ts);
    return -EEXIST;
}

static void believed(struct dfs_req *req, struct incoming *in, const struct dfs_sync_create_req *m)
{
    int r = -EINVAL;
    if (m->name_len > 0 && m->name_len <= DFS_FILENAME_MAX &&
        req->head.len == DFS_SYNC_CREATE_REQ_LEN + m->name_len) {
        size_t missing = (size_t)req->head.len - req->body.n;
        r = missing > 0 ? dfs_req_more(req, missing) : 0;
        if (r == 0 && missing > 0)
            return;
        if (r == 0)
            r = sto_op_group_name(&in->c.op, m->group,
                                  str_from(req->body, DFS_SYNC_CREATE_REQ_LEN));
    }
    if (r < 0)
        dfs_req_reply(req, r, STR_NULL);
    else
        sto_op_run(&in->c.op, STO_IO_READ, have_it);
}

void sto_handle_sync_create(struct dfs_req *req)
{
    struct dfs_sync_create_req m;
    struct str rest;
    struct incoming *in = sto_content_new(req, sizeof(*in));
    if (!in)
        return;
    if (dfs_sync_create_req_head(req->body, &m, &rest) < 0) {
        dfs_req_reply(req, -EINVAL, STR_NULL);
        return;
    }
    in->ts = m.ts;
    in->c.len = m.content_len;
    keep_source(in->source, req);
    if (req->head.status != 0)
        believed(req, in, &m);
    else
        take(req, in, DFS_SYNC_CREATE_REQ_LEN, m.name_len, m.group, create);
}

void sto_handle_sync_edit(struct dfs_req *req)
{
    struct dfs_sync_append_req m;
    struct str rest;
    struct incoming *in = sto_content_new(req, sizeof(*in));
    if (!in)
        return;
    if (dfs_sync_append_req_head(req->body, &m, &rest) < 0) {
        dfs_req_reply(req, -EINVAL, STR_NULL);
        return;
    }
    in->ts = m.ts;
    in->offset = m.offset;
    in->c.len = m.content_len;
    keep_source(in->source, req);
    take(req, in, DFS_SYNC_APPEND_REQ_LEN, m.name_len, m.group,
         req->head.cmd == DFS_CMD_SYNC_APPEND ? append : modify);
}

/* --- without content ------------------------------------------------------------------------------ */

struct remote_op {
    struct sto_op op; /* first */
    int64_t ts;
    uint64_t old_size, new_size;
    struct str other; /* link target, or old name */
    char source[DFS_ID_MAX + 1];
};

static int finish(struct sto_op *op, int r)
{
    const struct remote_op *ro = (const struct remote_op *)op;
    if (r == 0 || r == -EEXIST)
        applied(op, ro->source, ro->ts);
    return r;
}

static int clear_text(struct str old, void *arg, struct buf *out)
{
    (void)arg;
    (void)out;
    return old.n > 0 ? 0 : -ENOENT;
}

static int delete_work(struct sto_op *op)
{
    int result = 0, r;
    if (str_ends(op->name, STR(META_SUFFIX)))
        r = sto_meta_change(op->s->o.store, str_head(op->name, op->name.n - 2), clear_text, NULL,
                            NULL);
    else
        r = sto_delete_batch(op->s->o.store, &op->name, 1, &result);
    return finish(op, r < 0 ? r : result);
}

static int truncate_work(struct sto_op *op)
{
    struct remote_op *ro = (struct remote_op *)op;
    uint64_t size = 0;
    int r = size_of(op, op->name, &size);
    if (r == 0 && size != ro->old_size)
        r = -EEXIST;
    if (r == 0)
        r = sto_truncate(op->s->o.store, op->name, ro->new_size, NULL);
    return finish(op, r);
}

static int link_work(struct sto_op *op)
{
    struct remote_op *ro = (struct remote_op *)op;
    return finish(op, sto_replica_link(op->s->o.store, op->name, ro->other));
}

static int rename_work(struct sto_op *op)
{
    struct remote_op *ro = (struct remote_op *)op;
    return finish(op, sto_replica_rename(op->s->o.store, ro->other, op->name));
}

static void start(struct remote_op *ro, int r, int (*work)(struct sto_op *op))
{
    if (r < 0) {
        dfs_req_reply(ro->op.req, r, STR_NULL);
        return;
    }
    keep_source(ro->source, ro->op.req);
    sto_op_run(&ro->op, STO_IO_WRITE, work);
}

void sto_handle_sync_delete(struct dfs_req *req)
{
    struct dfs_sync_delete_req m;
    struct str name;
    struct remote_op *ro = sto_op_new(req, sizeof(*ro));
    if (!ro)
        return;
    int r = dfs_sync_delete_req_head(req->body, &m, &name);
    if (r == 0)
        r = sto_op_group_name(&ro->op, m.group, name);
    ro->ts = m.ts;
    start(ro, r, delete_work);
}

void sto_handle_sync_truncate(struct dfs_req *req)
{
    struct dfs_sync_truncate_req m;
    struct str name;
    struct remote_op *ro = sto_op_new(req, sizeof(*ro));
    if (!ro)
        return;
    int r = dfs_sync_truncate_req_head(req->body, &m, &name);
    if (r == 0 && m.name_len != name.n)
        r = -EINVAL;
    if (r == 0)
        r = sto_op_group_name(&ro->op, m.group, name);
    ro->ts = m.ts;
    ro->old_size = m.old_size;
    ro->new_size = m.new_size;
    start(ro, r, truncate_work);
}

void sto_handle_sync_pair(struct dfs_req *req)
{
    struct dfs_sync_pair_req m;
    struct str names;
    struct remote_op *ro = sto_op_new(req, sizeof(*ro));
    if (!ro)
        return;
    int r = dfs_sync_pair_req_head(req->body, &m, &names);
    if (r == 0 && (m.new_len > names.n || m.old_len != names.n - m.new_len))
        r = -EINVAL;
    if (r == 0) /* both must be well formed; the new name is the one the op works on */
        r = sto_op_name(&ro->op, str_from(names, (size_t)m.new_len));
    if (r == 0)
        r = sto_op_group_name(&ro->op, m.group, str_head(names, (size_t)m.new_len));
    if (r == 0)
        ro->other = str_from(names, (size_t)m.new_len);
    ro->ts = m.ts;
    start(ro, r, req->head.cmd == DFS_CMD_SYNC_LINK ? link_work : rename_work);
}
