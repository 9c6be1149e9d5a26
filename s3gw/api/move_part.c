/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/move.h"

#include "s3gw/api/relocate.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/moved.h"
#include "s3gw/index/upload.h"
#include "s3gw/lifecycle/note.h"

struct moving {
    struct s3_req *q;
    const struct s3_part_move *m;
    struct s3_upload upload;
    struct s3_upart was;
    struct s3_relocation to;
};

static int look_up(struct moving *v)
{
    struct s3_req *q = v->q;
    struct s3_upart *p;
    size_t n;
    bool more;
    int r = s3_upload_by_number(q->gw->index, q->bkt->bid, v->m->key, v->m->upload, &q->arena,
                                &v->upload);
    if (r == 0)
        r = s3_upload_parts(q->gw->index, v->m->upload, v->m->part - 1, 1, &q->arena, &p, &n,
                            &more);
    if (r < 0)
        return r;
    if (n == 0 || p->number != v->m->part || !s3_lies_in(p->extents, p->nextents, v->m->from))
        return -ESTALE;
    v->was = *p;
    return p->seq > 0 ? 0 : -EOPNOTSUPP;
}

static int describe(void *arg, struct buf *out)
{
    const struct moving *v = arg;
    struct s3_upart p = v->was;
    p.extents = NULL; /* the file the description lies beside */
    p.nextents = 0;
    return s3_note_describe_part_again(v->q->gw, v->q->bkt, v->m->key, v->m->upload, &p, out);
}

static int commit(struct s3_tx *tx, void *arg)
{
    const struct moving *v = arg;
    return s3_upload_move_part(tx, v->q->bkt->bid, v->m->key, v->m->upload, &v->was, &v->to.to);
}

static int copy(struct moving *v, struct str group)
{
    struct s3_req *q = v->q;
    struct s3_object expect = {.size = v->was.size, .checksum = v->was.crc64};
    memcpy(expect.etag.md5, v->was.md5, sizeof(expect.etag.md5));
    v->to = (struct s3_relocation){
        .groups = group,
        .key = v->m->key,
        .from = v->was.extents,
        .nfrom = v->was.nextents,
        .expect = v->upload.proto.sse.p ? NULL : &expect, /* as with versions (move.c) */
        .describe = describe,
        .arg = v,
        .may_stop = true};
    int r = s3_relocate(q->gw, &q->arena, &v->to);
    if (r < 0)
        return r;
    if (s3_file_in_group(v->to.to.file_id, v->m->from))
        r = -EHOSTUNREACH; /* that is no move, the next pass tries again */
    if (r == 0)
        r = s3_index_update(q->gw->index, commit, v);
    if (r < 0)
        s3_relocate_undo(q->gw, &v->to);
    return r;
}

int s3_move_part(struct s3_req *q, struct s3_part_move *m)
{
    struct moving v = {.q = q, .m = m};
    m->bytes = 0;
    int r = look_up(&v);
    if (r < 0)
        return r;
    struct str group = s3_class_group(&q->gw->classes, v.upload.proto.storage_class, m->to);
    if (str_eq(group, m->from))
        return -EXDEV;
    r = copy(&v, group);
    if (r == 0)
        m->bytes = v.to.to.length;
    return r;
}
