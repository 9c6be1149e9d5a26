/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/move.h"

#include "dfscore/fileid/fileid.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/growth.h"
#include "s3gw/api/notice.h"
#include "s3gw/api/relocate.h"
#include "s3gw/core/groups.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/moved.h"
#include "s3gw/index/refs.h"
#include "s3gw/lifecycle/note.h"

void s3_move_request(struct s3_req *q, struct s3_gw *gw, struct s3_bucket *b)
{
    s3_req_init(q);
    q->gw = gw;
    q->bkt = b;
    q->who.user_id = b->owner_id; /* who owns the markers */
    q->may_block = true;
}

struct moving {
    struct s3_req *q;
    struct s3_move *m;
    struct str was;     /* its class */
    struct s3_object o; /* as it will be */
    struct str groups;  /* where to */
    struct str old;     /* the one file it lies in, when that is to be remembered; else absent */
    bool shared;        /* it goes to a file that is there already */
    struct s3_amendment amendment; /* of the label alone */
    /* ... or of the data's description: taken before what is described, so that a deletion, which comes while the data
     * are written, has a higher one and a rebuild does not bring them back */
    uint64_t number;
};

static bool leaves(const struct moving *v)
{
    return v->m->from.p != NULL;
}

static int look_up(struct moving *v)
{
    struct s3_move *m = v->m;
    const struct s3_version which = {m->null_version, m->seq};
    int r = s3_object_get_version(v->q->gw->index, v->q->bkt->bid, m->key, &which, S3_READ_ANY,
                                  true, &v->q->arena, &v->o);
    if (r < 0 || v->o.seq != m->seq)
        return r < 0 ? r : -ENOENT;
    v->was = v->o.storage_class;
    if (!leaves(v))
        v->o.storage_class = m->storage_class;
    v->groups = s3_class_group(&v->q->gw->classes, v->o.storage_class,
                               leaves(v) ? m->to : v->q->bkt->groups);
    v->amendment = (struct s3_amendment){
        .seq = v->o.seq, .what = S3_SECTION_CLASS, .value = m->storage_class, .was = &v->was};
    return 0;
}

static void notice(struct s3_tx *tx, const struct moving *v)
{
    if (!leaves(v))
        s3_notice_object(tx, v->q, S3_EVENT_TRANSITION, v->m->key, &v->o);
}

/* --- the label alone --- */

static int relabel(struct s3_tx *tx, void *arg)
{
    const struct moving *v = arg;
    int r = s3_object_amend(tx, v->q->bkt->bid, v->m->key, &v->amendment);
    if (r == 0)
        notice(tx, v);
    return r;
}

/* --- the data --- */

/* The file that all of the object is, from its first to its last byte; absent: it is none. */
static struct str only_file(const struct s3_object *o)
{
    struct dfs_fileid f;
    uint64_t at = 0;
    for (size_t i = 0; i < o->nextents; i++) {
        if (!str_eq(o->extents[i].file_id, o->extents[0].file_id) || o->extents[i].offset != at)
            return STR_NULL;
        at += o->extents[i].length;
    }
    bool whole =
        o->nextents > 0 && dfs_fileid_parse(o->extents[0].file_id, &f) == 0 && f.size == at;
    return whole ? o->extents[0].file_id : STR_NULL;
}

static int take_number(struct moving *v)
{
    struct s3_object now;
    return s3_number_again(v->q, v->q->bkt, v->m->key, v->o.seq, &v->number, &now);
}

static int describe(void *arg, struct buf *out)
{
    const struct moving *v = arg;
    struct s3_object o = v->o;
    o.extents = NULL; /* the file the description lies beside */
    o.nextents = 0;
    o.flags &= ~(uint32_t)S3_OBJ_ADOPTED;
    return s3_note_describe_move(v->q->gw, v->number, v->q->bkt, v->m->key, &o, v->old, out);
}

static int commit(struct s3_tx *tx, void *arg)
{
    const struct moving *v = arg;
    int r = v->shared ? s3_ref_used_tx(tx, v->o.extents[0].file_id) : 1;
    if (r <= 0)
        return r < 0 ? r : -EAGAIN; /* whoever it would have shared it with has gone */
    r = s3_object_move(tx, v->q->bkt->bid, v->m->key, v->number, v->was, &v->o);
    if (r == 0 && v->old.p && !v->shared)
        s3_moved_put(tx, v->old, v->o.extents[0].file_id);
    if (r == 0)
        notice(tx, v);
    return r;
}

/* Another object that had the same file has moved before: it goes where that is. 1 when it does, 0. */
static int is_there(struct moving *v, struct str *ret)
{
    struct s3_index *x = v->q->gw->index;
    int r = v->old.p ? s3_moved_get(x, v->old, &v->q->arena, ret) : -ENOENT;
    if (r == 0)
        r = s3_file_in_group(*ret, v->m->from) ? 0 : s3_ref_used(x, *ret);
    return r == -ENOENT ? 0 : r;
}

static int share(struct moving *v, struct str file_id)
{
    struct s3_req *q = v->q;
    int r = s3_object_in_one_file(&v->o, file_id, &q->arena, &v->o.extents, &v->o.nextents);
    v->o.flags &= ~(uint32_t)S3_OBJ_ADOPTED;
    v->shared = true;
    if (r == 0)
        r = take_number(v);
    if (r == 0)
        r = s3_note_put(q->gw, v->number, q->bkt, v->m->key, &v->o, 0);
    if (r < 0)
        return r;
    r = s3_index_update(q->gw->index, commit, v);
    if (r < 0)
        s3_say_what_version_is(q, q->bkt, v->m->key, v->o.seq);
    return r;
}

static bool is_where_it_should(const struct moving *v, struct str file_id)
{
    return leaves(v) ? !s3_file_in_group(file_id, v->m->from) : s3_groups_hold(v->groups, file_id);
}

static int copy(struct moving *v)
{
    struct s3_req *q = v->q;
    struct s3_relocation to = {
        .groups = v->groups,
        .key = v->m->key,
        .from = v->o.extents,
        .nfrom = v->o.nextents,
        .expect = v->o.sse.p
                      ? NULL
                      : &v->o, /* nobody is here to open it; files are checked against their ids */
        .describe = describe,
        .arg = v,
        .may_stop = true};
    int r = take_number(v);
    if (r == 0)
        r = s3_relocate(q->gw, &q->arena, &to);
    if (r < 0)
        return r;
    if (!leaves(v))
        s3_growth_notice(q, v->groups, to.to.file_id);
    r = s3_object_in_one_file(&v->o, to.to.file_id, &q->arena, &v->o.extents, &v->o.nextents);
    if (r == 0 && !is_where_it_should(v, to.to.file_id))
        r = -EHOSTUNREACH; /* written elsewhere: that is no move, the next pass tries again */
    if (r == 0)
        r = s3_index_update(q->gw->index, commit, v);
    if (r < 0) {
        s3_relocate_undo(q->gw, &to);
        s3_say_what_version_is(q, q->bkt, v->m->key, v->o.seq);
    } else {
        v->m->bytes = to.to.length;
    }
    return r;
}

static int leave(struct moving *v)
{
    struct str there;
    if (!s3_lies_in(v->o.extents, v->o.nextents, v->m->from))
        return -ESTALE;
    if (str_eq(v->groups, v->m->from))
        return -EXDEV;
    v->old = only_file(&v->o);
    int r = is_there(v, &there);
    return r < 0 ? r : r > 0 ? share(v, there) : copy(v);
}

int s3_move_version(struct s3_req *q, struct s3_move *m)
{
    struct moving v = {.q = q, .m = m};
    m->bytes = 0;
    int r = look_up(&v);
    if (r < 0)
        return r;
    if (leaves(&v))
        r = leave(&v);
    else if (s3_relocate_needed(q->gw, v.was, v.o.storage_class, q->bkt, v.o.extents, v.o.nextents))
        r = copy(&v);
    else
        r = s3_commit_amendment(q, q->bkt, m->key, &v.amendment, relabel, &v);
    return r == -EAGAIN ? -ESTALE : r;
}
