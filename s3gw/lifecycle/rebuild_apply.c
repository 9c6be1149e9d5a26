/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each step walks one kind of rows from front to back: some are taken, what they say is written,
 * they are deleted, all in one update. So a step goes on at its first row that is left.
 */
#include "dfscore/log/log.h"
#include "s3gw/core/secretbox.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/moved.h"
#include "s3gw/index/restore.h"
#include "s3gw/index/upload_record.h"
#include "s3gw/index/usage.h"
#include "s3gw/lifecycle/rebuild_rows.h"
#include "s3gw/sse/frames.h"

/* Of their values, too: manifests of many parts are long, and take some times more when they have been read. */
enum { ROWS_A_COMMIT = 500, BYTES_A_COMMIT = 1024 * 1024, SECRET_MAX = 8192 };

struct row {
    struct str key, value;
    bool files_gone; /* of a manifest of version 1 */
};

struct taking {
    struct s3_rebuild *b;
    struct row *rows;
    size_t n;
    bool end; /* of this kind */
    int (*apply)(struct taking *t, struct s3_tx *tx, struct arena *a);
    size_t applied;                  /* written by apply: rows at the front that were used up */
    struct s3_rebuild_counts before; /* an update may run twice */
    struct s3_rebuild_at at_before;
};

/* --- rows in, rows out --- */

static bool same_version(struct str x, struct str y)
{
    return x.n == y.n && memcmp(x.p, y.p, x.n - 1) == 0;
}

/* Is it enough, before the row of @key? A version is not cut from its sections. */
static bool enough(const struct taking *t, char kind, size_t bytes, struct str key)
{
    return t->n == ROWS_A_COMMIT ||
           (bytes >= BYTES_A_COMMIT &&
            !(kind == 'v' && t->n > 0 && same_version(t->rows[t->n - 1].key, key)));
}

/* Some rows of that kind at or behind @from. */
static int take_rows(struct taking *t, char kind, const struct s3_row_key *from, struct arena *a)
{
    struct s3_row_key first, until;
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    size_t bytes = 0;
    s3_rebuild_row(&first, kind);
    until = first;
    s3_row_after_prefix(&until);
    t->rows = arena_alloc(a, ROWS_A_COMMIT * sizeof(*t->rows));
    int r = t->rows ? s3_iter_new(t->b->gw->index, s3_row_str(from->n ? from : &first),
                                  s3_row_str(&until), &it)
                    : -ENOMEM;
    for (; r == 0 && s3_iter_valid(it) && !enough(t, kind, bytes, s3_iter_key(it));
         s3_iter_next(it)) {
        struct row *row = &t->rows[t->n++];
        bytes += s3_iter_value(it).n;
        *row = (struct row){arena_str(a, s3_iter_key(it)), arena_str(a, s3_iter_value(it)), false};
        r = row->key.p && row->value.p ? 0 : -ENOMEM;
    }
    if (r == 0)
        r = s3_iter_err(it);
    t->end = r == 0 && !s3_iter_valid(it);
    return r;
}

static int apply_rows(struct s3_tx *tx, void *arg)
{
    struct taking *t = arg;
    struct s3_rebuild *b = t->b;
    AUTO(arena_fini) struct arena a;
    arena_init(&a, S3_REBUILD_ARENA_MAX);
    *b->counts = t->before;
    b->at = t->at_before;
    t->applied = 0;
    s3_tx_frees(tx);
    s3_tx_raise(tx, b->at.highest);
    int r = t->apply(t, tx, &a);
    for (size_t i = 0; r == 0 && i < t->applied; i++)
        s3_tx_del(tx, t->rows[i].key);
    s3_rebuild_put_at(tx, &b->at);
    return r;
}

/* All rows of a kind, some at a time. @look (may be NULL) reads storages, which an update must not.
 */
static int walk(struct s3_rebuild *b, char kind, int (*look)(struct taking *t, struct arena *a),
                int (*apply)(struct taking *t, struct s3_tx *tx, struct arena *a))
{
    struct s3_row_key from = {0};
    for (bool end = false; !end;) {
        AUTO(arena_fini) struct arena a;
        arena_init(&a, S3_REBUILD_ARENA_MAX);
        struct taking t = {.b = b, .apply = apply, .before = *b->counts, .at_before = b->at};
        int r = take_rows(&t, kind, &from, &a);
        if (r == 0 && look)
            r = look(&t, &a);
        if (r == 0)
            r = s3_index_update(b->gw->index, apply_rows, &t);
        if (r < 0)
            return r;
        ASSERT(t.end || t.applied > 0);
        if (s3_rebuild_line_due(b))
            dfs_log(LOG_INFO, "rebuild.writing", KV_U64("buckets", b->counts->buckets),
                    KV_U64("versions", b->counts->versions), KV_U64("uploads", b->counts->uploads));
        if (s3_rebuild_stops(b))
            return -EINTR;
        end = t.end && t.applied == t.n;
        if (t.applied > 0) { /* behind what was deleted: walking over that again costs time */
            from.n = 0;
            s3_row_bytes(&from, t.rows[t.applied - 1].key);
        }
    }
    return 0;
}

/* What cannot be understood is logged and left out: the rest is worth having. */
static int left_out(struct s3_rebuild *b, const struct row *row, int r)
{
    if (r != -EBADMSG)
        return r;
    dfs_log(LOG_ERROR, "rebuild.unreadable_row", KV_STR("row", str_head(row->key, 64)));
    b->counts->unreadable++;
    return 0;
}

/* --- things: u64 number, u8 there, record --- */

static bool thing_there(const struct row *row, uint64_t *number, struct str *record)
{
    struct rd in = rd_of(row->value);
    *number = rd_u64(&in);
    bool there = rd_u8(&in) != 0;
    *record = rd_bytes(&in, in.n);
    return there && !in.bad;
}

static int bucket(struct s3_rebuild *b, struct s3_tx *tx, const struct row *row, struct arena *a)
{
    struct s3_bucket bkt;
    struct str record;
    uint64_t number;
    if (!thing_there(row, &number, &record))
        return 0;
    struct rd key = rd_of(str_from(row->key, 2));
    int r = s3_bucket_decode(record, a, &bkt);
    if (r == 0 && (bkt.bid == 0 || bkt.bid != rd_u64(&key)))
        r = -EBADMSG;
    if (r == 0)
        r = s3_restore_bucket(tx, &bkt);
    b->counts->buckets += r == 0;
    return r == -EEXIST ? 0 : r; /* it lost a race for its name, and that was not noted any more */
}

static int bucket_of_version_1(struct s3_rebuild *b, struct s3_tx *tx, const struct row *row,
                               struct arena *a)
{
    struct s3_bucket bkt, there;
    struct str record;
    uint64_t number;
    if (b->at.baseline || !thing_there(row, &number, &record))
        return 0;
    int r = s3_bucket_get_tx(tx, str_from(row->key, 2), a, &there);
    if (r != -ENOENT)
        return r;
    r = s3_bucket_decode(record, a, &bkt);
    if (r < 0)
        return r;
    bkt.bid = bkt.bid ? bkt.bid : number;
    b->counts->buckets++;
    return s3_restore_bucket(tx, &bkt);
}

static int user(struct s3_rebuild *b, struct s3_tx *tx, const struct row *row, struct arena *a)
{
    struct s3_user u;
    struct str record;
    uint64_t number;
    if (!thing_there(row, &number, &record))
        return 0;
    int r = s3_user_decode(record, a, &u);
    if (r == 0)
        r = s3_user_put(tx, &u, false);
    b->counts->users += r == 0;
    return r == -EINVAL ? -EBADMSG : r;
}

static int access_key(struct s3_rebuild *b, struct s3_tx *tx, const struct row *row,
                      struct arena *a)
{
    struct s3_access_key k;
    struct str record;
    uint64_t number;
    AUTO(buf_free) struct buf secret = BUF(SECRET_MAX);
    if (!thing_there(row, &number, &record))
        return 0;
    int r = s3_key_decode(record, a, &k);
    if (r < 0)
        return r;
    if (s3_secretbox_open(b->gw->note_key, k.access_key, k.secret, &secret) < 0) {
        dfs_log(LOG_ERROR, "rebuild.key_lost", KV_STR("access_key", k.access_key),
                KV_STR("user", k.user_id));
        b->counts->keys_lost++;
        return 0;
    }
    k.secret = buf_str(&secret);
    r = s3_key_put(tx, &k);
    b->counts->keys += r == 0;
    return r == -EINVAL ? -EBADMSG : r == -EEXIST ? 0 : r;
}

/* --- rows of version 1 --- */

static int version_1(struct s3_rebuild *b, struct s3_tx *tx, const struct row *row, struct arena *a)
{
    struct str name, key;
    struct s3_bucket bkt;
    struct s3_object o = {0};
    if (b->at.baseline || row->key.n < 2 + 9 ||
        !str_cut(str_head(str_from(row->key, 2), row->key.n - 2 - 9), '\0', &name, &key) ||
        key.n == 0 || key.n > S3_OBJECT_KEY_MAX)
        return b->at.baseline ? 0 : -EBADMSG;
    int r = s3_bucket_get_tx(tx, name, a, &bkt);
    if (r < 0)
        return r == -ENOENT ? 0 : r; /* deleted later: so were its objects */
    struct rd in = rd_of(row->value);
    uint64_t number = rd_u64(&in);
    uint8_t state = rd_u8(&in);
    struct str file_id = rd_lstr(&in);
    if (state == S3_STATE_PUT_V1) {
        r = s3_object_decode(rd_bytes(&in, in.n), a, &o);
    } else if (bkt.versioning.p) {
        o.flags = S3_OBJ_DELETE_MARKER;
        o.owner_id = bkt.owner_id;
        o.mtime_ms = (int64_t)(number / 1000);
        state = S3_STATE_PUT;
    }
    if (r < 0 || in.bad)
        return r < 0 ? r : -EBADMSG;
    o.seq = number;
    o.flags &= S3_OBJ_DELETE_MARKER;
    o.flags |= str_eq(bkt.versioning, STR("Enabled")) ? 0 : S3_OBJ_NULL_VERSION;
    AUTO(buf_free) struct buf v = BUF(S3_REBUILD_VALUE_MAX);
    buf_u64(&v, number);
    buf_u8(&v, state);
    buf_lstr(&v, file_id);
    if (state != S3_STATE_GONE_NULL)
        s3_object_encode(&o, &v);
    struct s3_row_key to;
    s3_rebuild_version_row(&to, bkt.bid, key, number, 0);
    return buf_err(&v) ? buf_err(&v) : s3_rebuild_keep(tx, &to, buf_str(&v));
}

static int each_row(struct taking *t, struct s3_tx *tx, struct arena *a,
                    int (*one)(struct s3_rebuild *b, struct s3_tx *tx, const struct row *row,
                               struct arena *a))
{
    int r = 0;
    for (; r == 0 && t->applied < t->n; t->applied++)
        r = left_out(t->b, &t->rows[t->applied], one(t->b, tx, &t->rows[t->applied], a));
    return r;
}

#define EACH_ROW(name, one)                                                                        \
    static int name(struct taking *t, struct s3_tx *tx, struct arena *a)                           \
    {                                                                                              \
        return each_row(t, tx, a, one);                                                            \
    }
EACH_ROW(buckets, bucket)
EACH_ROW(buckets_of_version_1, bucket_of_version_1)
EACH_ROW(objects_of_version_1, version_1)
EACH_ROW(users, user)
EACH_ROW(access_keys, access_key)

/* --- versions, the newest of a key first --- */

struct version {
    uint64_t bid, number; /* of the statement */
    struct str key;
    uint8_t state; /* 0: only sections are known */
    struct str file_id;
    struct s3_object o;
};

enum { VERSION_TAIL = 1 + 8 + 1 };

static int read_version(const struct row *row, struct arena *a, struct version *v)
{
    *v = (struct version){0};
    if (row->key.n <= 2 + 8 + VERSION_TAIL)
        return -EBADMSG;
    struct rd key = rd_of(str_from(row->key, 2)), in = rd_of(row->value);
    v->bid = rd_u64(&key);
    v->key = rd_bytes(&key, key.n - VERSION_TAIL);
    if (row->key.p[row->key.n - 1] != 0)
        return 0; /* a section without its version */
    v->number = rd_u64(&in);
    v->state = rd_u8(&in);
    v->file_id = rd_lstr(&in);
    bool put = v->state == S3_STATE_PUT || v->state == S3_STATE_PUT_V1;
    if (in.bad)
        return -EBADMSG;
    return put ? s3_object_decode(rd_bytes(&in, in.n), a, &v->o) : 0;
}

/* A section that changed after the record was described. */
static int read_section(const struct row *row, struct version *v)
{
    struct rd in = rd_of(row->value);
    uint64_t number = rd_u64(&in);
    bool there = rd_u8(&in) != 0;
    unsigned section = (uint8_t)row->key.p[row->key.n - 1] - 1u;
    if (in.bad || section >= S3_SECTION_COUNT_)
        return -EBADMSG;
    v->o.amended = MAX(v->o.amended, number);
    if (number > v->number)
        *s3_object_section(&v->o, section) = there ? rd_bytes(&in, in.n) : STR_NULL;
    return 0;
}

/* An upload that became an object has ended, whether that was noted or not. */
static void end_upload(struct s3_tx *tx, const struct s3_object *o)
{
    uint64_t useq, check;
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(64);
    if (!o->upload_id.p || s3_upload_id_parse(o->upload_id, &useq, &check) < 0)
        return;
    s3_rebuild_row(&row, 'm');
    s3_row_u64(&row, useq);
    s3_row_u8(&row, 0);
    buf_u64(&v, UINT64_MAX);
    buf_u8(&v, 0);
    s3_tx_put(tx, s3_row_str(&row), buf_str(&v));
}

/*
 * Without extents, all of the object is in the file the description lies beside; else what they lack
 * of the size is, which is how objects grow. Extents of encrypted ones count what is stored.
 */
static int add_own_file(struct s3_object *o, struct str file_id, struct arena *a)
{
    uint64_t left = o->size;
    for (size_t i = 0; i < o->nextents; i++) {
        uint64_t content = o->extents[i].length;
        int r = o->sse.p ? s3_plain_size(content, &content) : 0;
        if (r < 0 || content > left)
            return -EBADMSG;
        left -= content;
    }
    if (left == 0)
        return 0;
    if (file_id.n == 0)
        return -EBADMSG;
    if (o->nextents == 0)
        return s3_object_in_one_file(o, file_id, a, &o->extents, &o->nextents);
    struct s3_extent *all = arena_alloc(a, (o->nextents + 1) * sizeof(*all));
    if (!all)
        return -ENOMEM;
    memcpy(all, o->extents, o->nextents * sizeof(*all));
    all[o->nextents++] =
        (struct s3_extent){.file_id = file_id, .length = o->sse.p ? s3_sealed_size(left) : left};
    o->extents = all;
    return 0;
}

static int restore_version(struct s3_rebuild *b, struct s3_tx *tx, struct version *v, bool gone,
                           struct arena *a)
{
    struct s3_rebuild_at *at = &b->at;
    bool put = v->state == S3_STATE_PUT || v->state == S3_STATE_PUT_V1;
    bool null = v->state == S3_STATE_GONE_NULL || (put && v->o.flags & S3_OBJ_NULL_VERSION);
    bool replaced = null && at->null_done;
    at->null_done |= null;
    if (!put || replaced || gone)
        return 0;
    int r = s3_restore_has_bucket(tx, v->bid);
    if (r <= 0)
        return r; /* deleted: so were its objects */
    r = add_own_file(&v->o, v->file_id, a);
    if (r < 0)
        return r;
    r = s3_restore_version(tx, v->bid, v->key, &v->o, !at->newest_done);
    end_upload(tx, &v->o);
    b->counts->objects += !at->newest_done && !(v->o.flags & S3_OBJ_DELETE_MARKER);
    b->counts->versions++;
    at->newest_done = true;
    return r;
}

static void begin_key(struct s3_rebuild_at *at, struct str head)
{
    if (str_eq(head, s3_row_str(&at->key_head)))
        return;
    at->key_head.n = 0;
    s3_row_bytes(&at->key_head, head);
    at->newest_done = at->null_done = false;
}

static bool same_bucket(const struct row *x, const struct row *y)
{
    return x->key.n > 2 + 8 && y->key.n > 2 + 8 && memcmp(x->key.p, y->key.p, 2 + 8) == 0;
}

static int versions(struct taking *t, struct s3_tx *tx, struct arena *a)
{
    int r = 0;
    unsigned others = 0; /* buckets: an update can change so many */
    while (r == 0 && t->applied < t->n) {
        size_t from = t->applied, to = from + 1;
        if (from > 0 && !same_bucket(&t->rows[from - 1], &t->rows[from]) &&
            ++others == S3_TX_BUCKETS_MAX)
            return 0;
        while (to < t->n && same_version(t->rows[from].key, t->rows[to].key))
            to++;
        if (to == t->n && !t->end && from > 0)
            return 0; /* more of it may follow */
        struct version v;
        r = read_version(&t->rows[from], a, &v);
        if (r == 0)
            begin_key(&t->b->at,
                      str_head(t->rows[from].key, t->rows[from].key.n - VERSION_TAIL + 1));
        for (size_t i = from + 1; r == 0 && i < to; i++)
            r = read_section(&t->rows[i], &v);
        if (r == 0)
            r = restore_version(t->b, tx, &v, t->rows[from].files_gone, a);
        r = left_out(t->b, &t->rows[from], r);
        t->applied = to;
    }
    return r;
}

/* Version 1 did not say which versions were removed for good; of a manifest only its files can
 * tell. */
static int look_for_files(struct taking *t, struct arena *a)
{
    for (size_t i = 0; i < t->n; i++) {
        struct version v;
        char byte;
        if (read_version(&t->rows[i], a, &v) < 0 || v.state != S3_STATE_PUT_V1)
            continue;
        for (size_t k = 0; k < v.o.nextents && !t->rows[i].files_gone; k++) {
            int r = s3_dfs_read(t->b->gw->dfs, v.o.extents[k].file_id, v.o.extents[k].offset, &byte,
                                1, true);
            if (r < 0 && r != -ENOENT)
                return r;
            t->rows[i].files_gone = r == -ENOENT;
        }
    }
    return 0;
}

/* --- uploads: the upload's row comes before those of its parts --- */

static int upload(struct s3_rebuild *b, struct s3_tx *tx, const struct row *row, uint64_t useq,
                  struct arena *a)
{
    struct s3_upload u;
    struct rd in = rd_of(row->value);
    (void)rd_u64(&in);
    if (rd_u8(&in) == 0)
        return 0;
    uint64_t bid = rd_u64(&in);
    struct str key = rd_lstr(&in);
    int r = in.bad ? -EBADMSG : s3_upload_decode(rd_bytes(&in, in.n), a, &u);
    if (r == 0)
        r = s3_restore_has_bucket(tx, bid);
    if (r <= 0)
        return r;
    u.key = key;
    u.useq = useq;
    b->at.newest_done = true;        /* open: its parts count */
    b->at.null_done = u.proto.sse.p; /* ... and are encrypted */
    b->counts->uploads++;
    return s3_restore_upload(tx, bid, &u);
}

static int part(struct s3_rebuild *b, struct s3_tx *tx, const struct row *row, uint64_t useq,
                uint32_t number, struct arena *a)
{
    struct s3_upart p;
    struct rd in = rd_of(row->value);
    (void)rd_u64(&in);
    struct str file_id = rd_lstr(&in);
    int r = in.bad ? -EBADMSG : s3_upart_decode(rd_bytes(&in, in.n), a, &p);
    if (r < 0)
        return r;
    const struct s3_object as = {.size = p.size, .sse = b->at.null_done ? STR("") : STR_NULL};
    if (p.size > 0 && p.nextents == 0) {
        r = s3_object_in_one_file(&as, file_id, a, &p.extents, &p.nextents);
        if (r < 0)
            return r;
    }
    p.number = number;
    b->counts->parts++;
    return s3_restore_part(tx, useq, &p);
}

static int upload_or_part(struct s3_rebuild *b, struct s3_tx *tx, const struct row *row,
                          struct arena *a)
{
    struct rd key = rd_of(str_from(row->key, 2));
    uint64_t useq = rd_u64(&key);
    bool is_part = rd_u8(&key) != 0;
    begin_key(&b->at, str_head(row->key, 2 + 8));
    if (!is_part)
        return key.bad ? -EBADMSG : upload(b, tx, row, useq, a);
    uint32_t number = rd_u32(&key);
    if (key.bad)
        return -EBADMSG;
    return b->at.newest_done ? part(b, tx, row, useq, number, a) : 0;
}
EACH_ROW(uploads, upload_or_part)

/* --- files that left a drained group; whether somebody uses them shows when they are asked for --- */

static int moved_file(struct s3_rebuild *b, struct s3_tx *tx, const struct row *row,
                      struct arena *a)
{
    (void)b, (void)a;
    if (row->key.n <= 2 || row->value.n <= 8)
        return -EBADMSG;
    s3_moved_put(tx, str_from(row->key, 2), str_from(row->value, 8));
    return 0;
}
EACH_ROW(moved_files, moved_file)

/* --- the end --- */

static int nothing(struct s3_rebuild *b, struct s3_tx *tx, const struct row *row, struct arena *a)
{
    (void)b, (void)tx, (void)row, (void)a;
    return 0;
}
EACH_ROW(forget, nothing)

static int forget_at(struct s3_tx *tx, void *arg)
{
    const struct s3_rebuild *b = arg;
    struct s3_row_key row;
    s3_rebuild_row(&row, 's');
    s3_tx_del(tx, s3_row_str(&row));
    s3_tx_raise(tx, b->at.highest);
    if (b->at.baseline) /* else everything is described anew under the numbers it has now */
        s3_tx_put(tx, STR("x"), STR("\x01"));
    return 0;
}

int s3_rebuild_apply(struct s3_rebuild *b)
{
    static const struct {
        enum s3_rebuild_step step;
        char kind;
        int (*look)(struct taking *t, struct arena *a);
        int (*apply)(struct taking *t, struct s3_tx *tx, struct arena *a);
    } walks[] = {
        {S3_STEP_BUCKETS, 'b', NULL, buckets},
        {S3_STEP_VERSION_1, 'B', NULL, buckets_of_version_1},
        {S3_STEP_VERSION_1, 'V', NULL, objects_of_version_1},
        {S3_STEP_VERSIONS, 'v', look_for_files, versions},
        {S3_STEP_UPLOADS, 'm', NULL, uploads},
        {S3_STEP_USERS, 'u', NULL, users},
        {S3_STEP_USERS, 'k', NULL, access_keys},
        {S3_STEP_FORGET, 'w', NULL, moved_files},
        {S3_STEP_FORGET, 'p', NULL, forget},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(walks); i++) {
        if (walks[i].step < b->at.step)
            continue;
        b->at.step = walks[i].step;
        r = walk(b, walks[i].kind, walks[i].look, walks[i].apply);
    }
    if (r == 0)
        r = s3_index_update(b->gw->index, forget_at, b);
    s3_bucket_changed(b->gw->index, STR_NULL);
    return r;
}
