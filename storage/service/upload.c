/* SPDX-License-Identifier: Apache-2.0 */
/* upload - 11 upload, 23 upload appender, 21 upload slave. Rule: fastdfs-protocol.md 8.1, 8.2. */
#include "storage/service/content.h"
#include "storage/service/forward.h"

enum { PATH_ANY = 255 }; /* the request leaves the store path to us */

struct upload {
    struct sto_content c; /* first */
    uint8_t flags;        /* STO_APPENDER */
    char ext[STO_EXT_MAX + 1];
    size_t master_n; /* bytes of the master's name behind the head; 0: no slave */
    char prefix[DFS_PREFIX_MAX + 1];
    char name[STO_NAME_MAX + 1];
    char content[STO_NAME_MAX + 1]; /* of a slave that is a link: what it links to */
    struct sto_batch batch;         /* of a small file that goes to a pack */
    struct sto_put put;
};

static int refuse(struct dfs_req *req, int r)
{
    dfs_req_reply(req, r, STR_NULL);
    return r;
}

static struct str master_of(const struct upload *u)
{
    if (u->master_n == 0)
        return STR_NULL;
    return str_of(u->c.op.req->body.p + DFS_UPLOAD_SLAVE_REQ_LEN, u->master_n);
}

/* The slave's content has a name of its own; the slave name links to it (semantics 2.7). */
static int link_slave(struct upload *u, struct sto_store *store)
{
    struct sto_link l = {
        .target = str_c(u->name), .master = master_of(u), .prefix = str_c(u->prefix)};
    char name[STO_NAME_MAX + 1];
    memcpy(l.ext, u->ext, sizeof(l.ext));
    int r = sto_make_link(store, &l, name);
    if (r == 0) {
        memcpy(u->content, u->name, sizeof(u->content));
        memcpy(u->name, name, sizeof(u->name));
        return 0;
    }
    struct str target = str_c(u->name);
    int deleted;
    return sto_delete_batch(store, &target, 1, &deleted) < 0 ? -EIO : r;
}

/* Nobody has heard of the name: the file would stay for ever. */
static void forget(struct sto_op *op)
{
    struct upload *u = (struct upload *)op;
    const struct str names[] = {str_c(u->put.name[0] ? u->put.name : u->name), str_c(u->content)};
    int deleted[2];
    (void)!sto_delete_batch(op->s->o.store, names, u->content[0] ? 2 : 1, deleted);
}

static int settle(struct sto_content *c)
{
    struct upload *u = (struct upload *)c;
    struct sto_store *store = c->op.s->o.store;
    int r = sto_content_to_file(c);
    if (r < 0)
        return r;
    bool by_link = u->master_n > 0 && c->op.s->o.params.slave_by_link;
    struct sto_commit commit = {
        .size = c->len,
        .crc32 = c->crc32,
        .flags = u->flags,
        .master = by_link ? STR_NULL : master_of(u),
        .prefix = by_link || u->master_n == 0 ? STR_NULL : str_c(u->prefix),
    };
    memcpy(commit.ext, u->ext, sizeof(commit.ext));
    r = sto_file_commit(&c->file, &commit, u->name);
    if (r == 0 && by_link)
        r = link_slave(u, store);
    if (r == -ENOENT && u->master_n > 0)
        r = sto_forward_missing(&c->op);
    if (r < 0)
        return r;
    sto_op_answer_name(&c->op, u->name);
    sto_op_changed(&c->op);
    return 0;
}

/* On the engine's commit thread. */
static void packed(struct sto_batch *b)
{
    struct upload *u = b->arg;
    if (u->put.result == 0) {
        sto_op_answer_name(&u->c.op, u->put.name);
        sto_op_changed(&u->c.op);
    }
    sto_op_finish(&u->c.op, u->put.result);
}

/* Small files share packs: joined to the batch of this moment, no thread waits. */
static void put_in_pack(struct upload *u)
{
    u->put = (struct sto_put){
        .kind = DFS_PUT_OBJECT,
        .flags = STO_NATIVE,
        .data = str_of(u->c.op.req->body.p + u->c.head, (size_t)u->c.len),
    };
    memcpy(u->put.ext, u->ext, sizeof(u->put.ext));
    u->batch = (struct sto_batch){.puts = &u->put, .count = 1, .done = packed, .arg = u};
    u->c.state = STO_CT_SETTLING;
    int r = sto_put_submit(u->c.op.s->o.store, (int)u->c.op.path, &u->batch);
    if (r < 0)
        dfs_req_reply(u->c.op.req, r, STR_NULL);
}

static int choose_path(struct upload *u, uint8_t wanted)
{
    struct sto_store *store = u->c.op.s->o.store;
    if (wanted != PATH_ANY && wanted >= sto_store_path_count(store))
        return -EINVAL;
    return sto_store_choose(store, wanted == PATH_ANY ? -1 : wanted, u->c.len, &u->c.op.path);
}

static int take_ext(struct upload *u, const char *ext)
{
    if (!dfs_ext_ok(str_c(ext)))
        return -EINVAL;
    memcpy(u->ext, ext, strlen(ext) + 1);
    return 0;
}

static int understand(struct upload *u, struct dfs_req *req)
{
    struct dfs_upload_req m;
    struct str rest;
    int r = dfs_upload_req_head(req->body, &m, &rest);
    if (r < 0 || req->head.len - DFS_UPLOAD_REQ_LEN != m.content_len)
        return -EINVAL;
    if (req->head.cmd == DFS_CMD_UPLOAD_APPENDER)
        u->flags = STO_APPENDER;
    u->c.len = m.content_len;
    u->c.head = DFS_UPLOAD_REQ_LEN;
    u->c.settle = settle;
    u->c.op.undo = forget;
    u->c.op.bytes_stat = STO_STAT_UPLOAD_BYTES;
    u->c.op.bytes = m.content_len;
    r = take_ext(u, m.ext);
    return r < 0 ? r : choose_path(u, m.path_index);
}

void sto_handle_upload(struct dfs_req *req)
{
    bool again = req->user != NULL;
    struct upload *u = sto_content_new(req, sizeof(*u));
    if (!u)
        return;
    int r = again ? 0 : understand(u, req);
    if (r < 0) {
        refuse(req, r);
        return;
    }
    uint32_t slot_max = sto_store_slot_max(u->c.op.s->o.store);
    bool pack = req->head.cmd == DFS_CMD_UPLOAD && slot_max > 0 && u->c.len <= slot_max;
    if (pack && req->body.n == req->head.len)
        put_in_pack(u);
    else
        sto_content_begin(&u->c, pack ? STO_TRUNK_MAX : STO_SMALL);
}

static int master_there(struct sto_content *c)
{
    struct sto_info info;
    int r = sto_info(c->op.s->o.store, c->op.name, false, &info);
    return r == -ENOENT    ? sto_forward_missing(&c->op)
           : r == -EREMOTE ? 0 /* its name counts, wherever it is */
                           : r;
}

static int understand_slave(struct upload *u, struct dfs_req *req, uint64_t *need)
{
    struct dfs_upload_slave_req m;
    struct str rest;
    if (dfs_upload_slave_req_head(req->body, &m, &rest) < 0)
        return -EINVAL;
    /* Subtract: the lengths of a lying peer may add up to anything. */
    uint64_t after = req->head.len - DFS_UPLOAD_SLAVE_REQ_LEN;
    if (m.master_len == 0 || m.master_len > DFS_FILENAME_MAX || m.master_len > after ||
        m.content_len != after - m.master_len || m.prefix[0] == '\0')
        return -EINVAL;
    if (rest.n < m.master_len) {
        *need = m.master_len - rest.n;
        return 0;
    }
    u->master_n = (size_t)m.master_len;
    memcpy(u->prefix, m.prefix, sizeof(u->prefix));
    u->c.len = m.content_len;
    u->c.head = DFS_UPLOAD_SLAVE_REQ_LEN + u->master_n;
    u->c.check = master_there;
    u->c.settle = settle;
    u->c.op.undo = forget;
    u->c.op.bytes_stat = STO_STAT_UPLOAD_BYTES;
    u->c.op.bytes = m.content_len;
    int r = take_ext(u, m.ext);
    return r < 0 ? r : sto_op_name(&u->c.op, master_of(u));
}

void sto_handle_upload_slave(struct dfs_req *req)
{
    struct upload *u = sto_content_new(req, sizeof(*u));
    if (!u)
        return;
    uint64_t need = 0;
    int r = understand_slave(u, req, &need);
    if (r == 0 && need > 0)
        r = dfs_req_more(req, need);
    if (r < 0)
        refuse(req, r);
    else if (need == 0)
        sto_content_begin(&u->c, STO_SMALL);
}
