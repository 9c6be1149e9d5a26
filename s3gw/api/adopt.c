/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/adopt.h"

#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/latch.h"
#include "s3gw/api/native_file.h"
#include "s3gw/api/object_headers.h"
#include "s3gw/core/gw.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/refs.h"
#include "s3gw/index/rows.h"
#include "s3gw/lifecycle/note.h"
#include "s3gw/policy/quota.h"

enum { SLICE = DFS_INFO_ITEMS_MAX, FRAME_MAX = 16 * 1024 * 1024 };

struct file {
    struct str file_id;
    struct dfs_fileid name;
    struct str key;
    struct s3_object o;
    struct s3_extent whole;
    bool noted;
    int result;
};

struct slice {
    struct s3_req *q;
    const struct s3_adopt *ask;
    struct s3_adopt_counts *counts;
    struct file *files; /* candidates */
    size_t n;
};

/* --- metadata --- */

static bool is_token(struct str s)
{
    static const struct str others = STR_INIT("!#$%&'*+-.^_`|~");
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && str_chr(others, c) == SIZE_MAX)
            return false;
    }
    return s.n > 0;
}

static bool is_value(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7F)
            return false;
    return str_utf8_ok(s);
}

static struct str header_name(struct arena *a, struct str name)
{
    struct str all = arena_printf(a, "x-amz-meta-" STR_F, STR_A(name));
    for (size_t i = 0; i < all.n; i++)
        if (all.p[i] >= 'A' && all.p[i] <= 'Z')
            ((char *)(uintptr_t)all.p)[i] = (char)(all.p[i] + ('a' - 'A'));
    return all;
}

static bool has_header(const struct s3_object *o, struct str name)
{
    for (size_t i = 0; i < o->nheaders; i++)
        if (str_eq(o->headers[i].name, name))
            return true;
    return false;
}

int s3_adopt_headers(struct str ext, struct str metadata, struct arena *a, struct s3_object *o,
                     uint64_t *left_out)
{
    o->headers = arena_alloc(a, S3_ADOPT_HEADERS_MAX * sizeof(*o->headers));
    if (!o->headers)
        return -ENOMEM;
    o->headers[0] = (struct s3_pair){.name = STR("content-type"), .value = s3_native_type(ext)};
    o->nheaders = 1;
    size_t room = S3_USER_METADATA_MAX;
    while (metadata.n > 0) {
        struct str entry, name, value;
        (void)str_cut(metadata, '\x01', &entry, &metadata);
        if (entry.n == 0)
            continue; /* what FastDFS's clients end their text with */
        bool fits = str_cut(entry, '\x02', &name, &value) && is_token(name) && is_value(value) &&
                    name.n + value.n <= room && o->nheaders < S3_ADOPT_HEADERS_MAX;
        struct str header = fits ? header_name(a, name) : STR_NULL;
        if (fits && !header.p)
            return -ENOMEM;
        if (!fits || has_header(o, header)) {
            ++*left_out;
            continue;
        }
        struct str kept = arena_str(a, value);
        if (!kept.p)
            return -ENOMEM;
        o->headers[o->nheaders++] = (struct s3_pair){.name = header, .value = kept};
        room -= name.n + value.n;
    }
    return 0;
}

/* --- which files --- */

static bool seen_before(const struct slice *s, struct str file_id)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->files[i].file_id, file_id))
            return true;
    return false;
}

static int consider(struct slice *s, struct str file_id)
{
    struct file *f = &s->files[s->n];
    *f = (struct file){.file_id = file_id};
    if (dfs_fileid_parse(file_id, &f->name) < 0 || seen_before(s, file_id))
        return 0; /* twice in a log whose taking over was interrupted */
    s->counts->files++;
    int r = s3_ref_kept(s->q->gw->index, file_id);
    if (r != 0) {
        s->counts->known += r == 1;
        return MIN(r, 0);
    }
    if (f->name.kind == DFS_FILE_APPENDER && !f->name.slave && !s->ask->appenders) {
        s->counts->appenders++;
        return 0;
    }
    f->key =
        arena_printf(&s->q->arena, STR_F STR_F, STR_A(s->ask->prefix), STR_A(f->name.filename));
    if (!f->key.p)
        return -ENOMEM;
    if (f->key.n > S3_OBJECT_KEY_MAX)
        s->counts->taken++;
    else
        s->n++;
    return 0;
}

static int log_order(const struct s3_log *l, const char *name, unsigned path)
{
    int c = str_cmp(str_c(l->name), str_c(name));
    return c ? c : (l->path > path) - (l->path < path);
}

/* The log to read now: that of @at, or the first one behind it; *at says which. NULL: that was all. */
static const struct s3_log *log_at(const struct s3_log *logs, size_t n, struct str group,
                                   struct s3_adopt_at *at)
{
    const struct s3_log *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (str_eq(str_c(logs[i].group), group) && log_order(&logs[i], at->log, at->path) >= 0 &&
            (!best || log_order(&logs[i], best->name, best->path) < 0))
            best = &logs[i];
    if (!best || log_order(best, at->log, at->path) != 0)
        at->position = 0;
    if (!best) {
        at->done = true;
        return NULL;
    }
    (void)snprintf(at->log, sizeof(at->log), "%s", best->name);
    at->path = best->path;
    return best;
}

static int read_slice(struct slice *s, const struct s3_log *log, struct s3_adopt_at *at)
{
    AUTO(buf_free) struct buf frame = BUF(FRAME_MAX);
    struct arena *a = &s->q->arena;
    struct s3_scan_entry *e;
    size_t n;
    bool end;
    int r = s3_dfs_scan(s->q->gw->dfs, log, &at->position, SLICE, false, &frame, a, &e, &n, &end);
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct str id = e[i].kind == DFS_SCAN_NATIVE ? arena_str(a, e[i].file_id) : STR("");
        r = !id.p ? -ENOMEM : id.n ? consider(s, id) : 0;
    }
    if (r == 0 && end) { /* to the log behind this one */
        at->path++;
        at->position = 0;
    }
    return r;
}

/* --- what they are --- */

static int object_of(struct slice *s, struct file *f, const struct s3_dfs_native *is)
{
    struct s3_object *o = &f->o;
    o->size = is->size;
    o->mtime_ms = is->mtime_s * 1000;
    o->owner_id = s->q->bkt->owner_id;
    s3_native_etag(f->file_id, is->size, o->etag.md5);
    o->etag.parts = 1;
    if (f->name.size_known && f->name.size == is->size && f->name.kind != DFS_FILE_APPENDER) {
        o->checksum = (struct s3_checksum){.alg = S3_CK_CRC32, .type = S3_CK_FULL_OBJECT, .n = 4};
        for (unsigned i = 0; i < 4; i++)
            o->checksum.value[i] = (uint8_t)(f->name.crc32 >> (8 * (3 - i)));
    }
    f->whole = (struct s3_extent){.file_id = f->file_id, .length = is->size};
    o->extents = &f->whole;
    o->nextents = is->size > 0;
    return s3_adopt_headers(f->name.ext, is->metadata, &s->q->arena, o,
                            &s->counts->metadata_left_out);
}

static int look_at_files(struct slice *s, const struct s3_log *log)
{
    struct s3_dfs_native *is = arena_alloc(&s->q->arena, MAX(s->n, (size_t)1) * sizeof(*is));
    if (!is)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++)
        is[i].file_id = s->files[i].file_id;
    int r = s->n ? s3_dfs_native_info(s->q->gw->dfs, log, &s->q->arena, is, s->n) : 0;
    size_t kept = 0;
    for (size_t i = 0; r == 0 && i < s->n; i++) {
        if (!is[i].there) {
            s->counts->gone++;
            continue;
        }
        struct file *f = &s->files[kept++];
        *f = s->files[i];
        r = object_of(s, f, &is[i]);
    }
    s->n = kept;
    return r;
}

/* --- as keys: noted, then committed, a slice in one go --- */

struct noting {
    struct s3_dfs_put put;
    struct file *file;
    struct s3_latch *latch;
};

static void noted(struct s3_dfs_put *p, int result)
{
    struct noting *n = p->arg;
    n->file->result = result;
    n->file->noted |= result == 0;
    s3_latch_down(n->latch);
}

static int describe(struct slice *s, struct file *f, struct buf *out)
{
    uint64_t before = f->noted ? f->o.seq : 0;
    f->o.seq = s3_index_number(s->q->gw->index);
    f->o.flags = s3_new_version_flags(s->q->bkt) | S3_OBJ_ADOPTED;
    return s3_note_describe_put(s->q->gw, f->o.seq, s->q->bkt, f->key, &f->o, before, out);
}

static int note_all(struct slice *s, struct file **todo, size_t n)
{
    struct s3_req *q = s->q;
    struct noting *notes = arena_alloc(&q->arena, n * sizeof(*notes));
    if (!notes)
        return -ENOMEM;
    struct s3_latch latch = S3_LATCH(n);
    AUTO(buf_free) struct buf text = BUF(64 * 1024);
    for (size_t i = 0; i < n; i++) {
        buf_reset(&text);
        int r = describe(s, todo[i], &text);
        struct str description = r == 0 ? arena_str(&q->arena, buf_str(&text)) : STR_NULL;
        if (!description.p)
            return r < 0 ? r : -ENOMEM;
        notes[i].file = todo[i];
        notes[i].latch = &latch;
        notes[i].put = (struct s3_dfs_put){
            .groups = q->bkt->groups, .description = description, .done = noted, .arg = &notes[i]};
    }
    for (size_t i = 0; i < n; i++)
        s3_dfs_submit(q->gw->dfs, &notes[i].put);
    s3_latch_wait(&latch);
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = todo[i]->result;
    return r;
}

struct putting {
    struct slice *s;
    struct file **todo;
    size_t n;
};

static int put_all(struct s3_tx *tx, void *arg)
{
    const struct putting *p = arg;
    const struct s3_cond only_new = {.if_none_match_any = true};
    for (size_t i = 0; i < p->n; i++) {
        struct file *f = p->todo[i];
        f->whole.owner = 0; /* also when this runs a second time */
        f->result = s3_object_put(tx, p->s->q->bkt->bid, f->key, &only_new, &f->o);
        if (f->result < 0 && f->result != -EEXIST && f->result != -ERESTART)
            return f->result;
        if (f->result == 0)
            s3_ref_keep(tx, f->file_id); /* of empty ones too, which have no extent */
    }
    return 0;
}

static void take_back(struct slice *s, struct file **todo, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (todo[i]->noted)
            s3_say_void(s->q, s->q->bkt, todo[i]->key, todo[i]->o.seq);
}

/* Those that have to be described again stay in @todo; *n says how many. */
static int try_all(struct slice *s, struct file **todo, size_t *n)
{
    struct putting p = {s, todo, *n};
    int r = note_all(s, todo, *n);
    if (r == 0)
        r = s3_index_update(s->q->gw->index, put_all, &p);
    if (r < 0) {
        take_back(s, todo, *n);
        return r;
    }
    size_t again = 0;
    for (size_t i = 0; i < p.n; i++) {
        struct file *f = todo[i];
        if (f->result == -ERESTART) {
            todo[again++] = f;
        } else if (f->result == -EEXIST) {
            take_back(s, &f, 1);
            s->counts->taken++;
        } else {
            s->counts->adopted++;
            s->counts->bytes += f->o.size;
        }
    }
    *n = again;
    return 0;
}

static int make_keys(struct slice *s)
{
    struct file **todo = arena_alloc(&s->q->arena, MAX(s->n, (size_t)1) * sizeof(struct file *));
    size_t n = s->n;
    if (!todo)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        todo[i] = &s->files[i];
    int r = 0;
    for (int i = 0; r == 0 && n > 0 && i < S3_COMMIT_TRIES; i++)
        r = try_all(s, todo, &n);
    if (r == 0 && n > 0) {
        take_back(s, todo, n);
        r = -EAGAIN;
    }
    return r;
}

static int only_count(struct slice *s)
{
    int r = 0;
    for (size_t i = 0; i < s->n && (r == 0 || r == -ENOENT); i++) {
        struct s3_object there;
        r = s3_object_get(s->q->gw->index, s->q->bkt->bid, s->files[i].key, S3_READ_ANY, false,
                          &s->q->arena, &there);
        s->counts->taken += r == 0;
        s->counts->adopted += r == -ENOENT;
        s->counts->bytes += r == -ENOENT ? s->files[i].o.size : 0;
    }
    return r == -ENOENT ? 0 : r;
}

static int quota(struct slice *s)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->n; i++)
        bytes += s->files[i].o.size;
    enum s3err e = s->n ? s3_quota_check(s->q, s->q->bkt, bytes, s->n) : S3ERR_OK;
    return e == S3ERR_OK ? 0 : -EDQUOT;
}

int s3_adopt_slice(struct s3_req *q, const struct s3_adopt *ask, struct s3_adopt_at *at,
                   struct s3_adopt_counts *ret)
{
    struct slice s = {.q = q, .ask = ask, .counts = ret};
    struct s3_log *logs;
    size_t n;
    *ret = (struct s3_adopt_counts){0};
    if (!s3_dfs_has_group(q->gw->dfs, ask->group))
        return -ENOENT;
    int r = s3_dfs_logs(q->gw->dfs, &q->arena, &logs, &n);
    const struct s3_log *log = r == 0 ? log_at(logs, n, ask->group, at) : NULL;
    if (!log)
        return r;
    struct s3_adopt_at next = *at;
    s.files = arena_alloc(&q->arena, (SLICE + 1) * sizeof(*s.files));
    if (!s.files)
        return -ENOMEM;
    r = read_slice(&s, log, &next);
    if (r == 0)
        r = look_at_files(&s, log);
    if (r == 0)
        r = quota(&s);
    if (r == 0)
        r = ask->dry_run ? only_count(&s) : make_keys(&s);
    if (r == 0)
        *at = next;
    return r;
}
