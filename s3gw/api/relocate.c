/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/relocate.h"

#include <pthread.h>

#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "s3gw/api/ingest.h"
#include "s3gw/api/sealing.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/groups.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/refs.h"

bool s3_relocate_needed(const struct s3_gw *gw, struct str from, struct str to,
                        const struct s3_bucket *bkt, const struct s3_extent *e, size_t n)
{
    if (str_eq(s3_class_group(&gw->classes, from, STR("")),
               s3_class_group(&gw->classes, to, STR(""))))
        return false;
    struct str groups = s3_class_group(&gw->classes, to, bkt->groups);
    for (size_t i = 0; i < n; i++)
        if (!s3_groups_hold(groups, e[i].file_id))
            return true;
    return false;
}

/* --- do the bytes have the digests of the object? --- */

enum { GROWN_PARTS_MAX = 1000 }; /* beyond, an appended object needs a checksum of the whole */

struct verify {
    const struct s3_object *o; /* NULL: whatever they are */
    struct s3_hash md5, sum;
    bool by_part;      /* the ETag is made of the parts' MD5s */
    size_t part;       /* under way */
    uint64_t left;     /* of it */
    uint8_t *part_md5; /* nparts times 16; heap */
};

static void verify_fini(struct verify *v)
{
    s3_hash_fini(&v->md5);
    s3_hash_fini(&v->sum);
    free(v->part_md5);
}

static bool parts_add_up(const struct s3_object *o)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < o->nparts; i++)
        sum += o->parts[i].size;
    return o->nparts > 0 && o->nparts == o->etag.parts && sum == o->size;
}

static int verify_init(struct verify *v, const struct s3_object *o)
{
    v->o = o;
    if (!o)
        return 0;
    v->by_part = parts_add_up(o);
    int r = 0;
    if (v->by_part) {
        v->left = o->parts[0].size;
        v->part_md5 = dfs_zalloc(o->nparts * 16);
        r = v->part_md5 ? 0 : -ENOMEM;
    }
    if (r == 0 && (v->by_part || o->etag.parts == 0))
        r = s3_hash_init(&v->md5, S3_CK_MD5);
    if (r == 0 && o->checksum.type == S3_CK_FULL_OBJECT)
        r = s3_hash_init(&v->sum, o->checksum.alg);
    return r;
}

/* The part under way has ended, and empty ones behind it. */
static int verify_parts_ended(struct verify *v)
{
    while (v->part < v->o->nparts && v->left == 0) {
        struct s3_checksum md5;
        s3_hash_final(&v->md5, &md5);
        s3_hash_fini(&v->md5);
        memcpy(v->part_md5 + v->part * 16, md5.value, 16);
        if (++v->part == v->o->nparts)
            return 0;
        v->left = v->o->parts[v->part].size;
        int r = s3_hash_init(&v->md5, S3_CK_MD5);
        if (r < 0)
            return r;
    }
    return 0;
}

static int verify_update(struct verify *v, const uint8_t *p, size_t n)
{
    if (!v->o)
        return 0;
    s3_hash_update(&v->sum, p, n);
    if (!v->by_part) {
        s3_hash_update(&v->md5, p, n);
        return 0;
    }
    int r = 0;
    while (r == 0 && n > 0) {
        size_t take = (size_t)MIN(v->left, (uint64_t)n);
        if (take == 0)
            return -EBADMSG; /* more bytes than parts */
        s3_hash_update(&v->md5, p, take);
        v->left -= take;
        p += take;
        n -= take;
        r = verify_parts_ended(v);
    }
    return r;
}

/* The ETag of @n parts as an upload made it, then of @rest appended ones, each taken with what was
 * before (api/object_append.c). */
static bool etag_fits(const struct verify *v, size_t n, size_t rest, bool upload)
{
    uint8_t both[32], md5[16];
    if (upload)
        s3_md5(v->part_md5, n * 16, md5);
    else
        memcpy(md5, v->part_md5, 16); /* one piece, no upload */
    for (size_t i = 0; i < rest; i++) {
        memcpy(both, md5, 16);
        memcpy(both + 16, v->part_md5 + (n + i) * 16, 16);
        s3_md5(both, sizeof(both), md5);
    }
    return memcmp(md5, v->o->etag.md5, 16) == 0;
}

/* Nobody has noted how many of the parts were appended. */
static bool etag_of_parts_fits(const struct verify *v)
{
    size_t n = v->o->nparts;
    if (etag_fits(v, n, 0, true) || etag_fits(v, 1, n - 1, false))
        return true;
    for (size_t first = n - 1; first > 0 && n <= GROWN_PARTS_MAX; first--)
        if (etag_fits(v, first, n - first, true))
            return true;
    return false;
}

static int verify_end(struct verify *v)
{
    if (!v->o)
        return 0;
    const struct s3_object *o = v->o;
    bool whole = o->checksum.type == S3_CK_FULL_OBJECT && o->checksum.alg != S3_CK_NONE;
    struct s3_checksum sum;
    if (v->by_part) {
        if (v->part < o->nparts || (!whole && !etag_of_parts_fits(v)))
            return -EBADMSG;
    } else if (o->etag.parts == 0) {
        s3_hash_final(&v->md5, &sum);
        if (memcmp(sum.value, o->etag.md5, 16) != 0)
            return -EBADMSG;
    }
    if (!whole)
        return 0;
    s3_hash_final(&v->sum, &sum);
    return s3_checksum_eq(&sum, &o->checksum) ? 0 : -EBADMSG;
}

/* --- digests the caller wants --- */

struct sums {
    struct s3_hash hash[2];
    struct s3_checksum **of; /* as s3_relocation has them */
};

static bool wanted(const struct sums *s, size_t i)
{
    return s->of[i] && s->of[i]->alg != S3_CK_NONE;
}

static int sums_init(struct sums *s, struct s3_checksum **of)
{
    int r = 0;
    s->of = of;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(s->hash); i++)
        r = wanted(s, i) ? s3_hash_init(&s->hash[i], of[i]->alg) : 0;
    return r;
}

static void sums_fini(struct sums *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->hash); i++)
        s3_hash_fini(&s->hash[i]);
}

static void sums_update(struct sums *s, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(s->hash); i++)
        if (wanted(s, i))
            s3_hash_update(&s->hash[i], p, n);
}

static void sums_end(struct sums *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->hash); i++)
        if (wanted(s, i))
            s3_hash_final(&s->hash[i], s->of[i]);
}

/* --- reading --- */

struct source {
    struct s3_dfs *dfs;
    const struct s3_relocation *m;
    const struct s3_extent *e;
    size_t n;
    struct str bytes;         /* instead of extents, */
    struct s3_reader *reader; /* or this */
    uint64_t content;         /* of it */
    uint64_t at;              /* within the first, or the content */
    struct s3_dfs_run run;
    struct verify verify;
    struct sums sums;
};

static void source_fini(struct source *s)
{
    verify_fini(&s->verify);
    sums_fini(&s->sums);
}

static int read_content(struct source *s, uint8_t *out, size_t n, size_t *ret)
{
    *ret = (size_t)MIN(s->content - s->at, (uint64_t)n);
    int r = s3_reader_read(s->reader, s->dfs, s->at, out, *ret, true);
    s->at += *ret;
    return r;
}

static int read_extents(struct source *s, uint8_t *out, size_t n, size_t *ret)
{
    *ret = MIN(n, s->bytes.n);
    if (*ret > 0) {
        memcpy(out, s->bytes.p, *ret);
        s->bytes = str_from(s->bytes, *ret);
        return 0;
    }
    while (s->n > 0 && s->at == s->e->length) {
        s->e++;
        s->n--;
        s->at = 0;
    }
    if (s->n == 0)
        return 0;
    size_t take = (size_t)MIN(s->e->length - s->at, (uint64_t)n);
    int r = s3_dfs_read_on(s->dfs, &s->run, s->e->file_id, s->e->offset + s->at, out, take, true);
    if (r < 0)
        return r;
    s->at += take;
    *ret = take;
    return 0;
}

static void doubt(const struct source *s)
{
    for (size_t i = 0; i < s->m->nfrom; i++)
        s3_dfs_doubt(s->dfs, s->m->from[i].file_id);
}

/* Up to @n bytes; *ret 0 at the end. They are hashed, and judged at the end. */
static int read_some(struct source *s, uint8_t *out, size_t n, size_t *ret)
{
    int r = s->reader ? read_content(s, out, n, ret) : read_extents(s, out, n, ret);
    if (r < 0)
        return r;
    if (*ret == 0) {
        sums_end(&s->sums);
        r = verify_end(&s->verify);
        if (r == -EBADMSG) /* of a part of a file nothing else can tell */
            doubt(s);
        return r;
    }
    sums_update(&s->sums, out, *ret);
    return verify_update(&s->verify, out, *ret);
}

/* --- waiting for what another thread says --- */

struct wait {
    pthread_mutex_t lock;
    pthread_cond_t said;
    bool more, done; /* under lock */
    int result;      /* under lock */
    char file_id[DFS_FILE_ID_MAX + 1];
    struct s3_relocation *m;
};

static void wait_end(struct wait *w, int r, struct str file_id)
{
    pthread_mutex_lock(&w->lock);
    w->result = r == 0 && (file_id.n == 0 || file_id.n > DFS_FILE_ID_MAX) ? -EPROTO : r;
    if (w->result == 0) {
        memcpy(w->file_id, file_id.p, file_id.n);
        w->file_id[file_id.n] = '\0';
    }
    w->done = true;
    pthread_cond_signal(&w->said);
    pthread_mutex_unlock(&w->lock);
}

static int wait_done(struct wait *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->done)
        pthread_cond_wait(&w->said, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return w->result;
}

/* --- small: one item of a batch --- */

static void small_stored(struct s3_dfs_put *p, int r)
{
    wait_end(p->arg, r, str_c(p->file_id));
}

/* What was read, or its encrypted form: heap. */
static int small_bytes(struct s3_relocation *m, struct source *s, size_t size, uint8_t **ret,
                       size_t *ret_n)
{
    size_t sealed = m->seal ? (size_t)s3_sealed_size(size) : size, n = 0, took = 1;
    AUTO(dfs_free_ptr) uint8_t *bytes = dfs_alloc(size);
    AUTO(dfs_free_ptr) uint8_t *out = m->seal ? dfs_alloc(sealed) : NULL;
    int r = bytes && (out || !m->seal) ? 0 : -ENOMEM;
    while (r == 0 && took > 0) { /* the last turn reads nothing and judges */
        r = read_some(s, bytes + n, size - n, &took);
        n += took;
    }
    if (r == 0 && n < size)
        r = -EBADMSG;
    if (r == 0 && s3_seal_wants_md5(m->seal))
        s3_md5(bytes, n, m->md5);
    if (r == 0 && m->seal)
        r = s3_seal(m->seal->dek, m->seal->part, str_of(bytes, n), out);
    if (r < 0)
        return r;
    *ret = m->seal ? TAKE(out) : TAKE(bytes);
    *ret_n = sealed;
    return 0;
}

static int small(struct s3_gw *gw, struct wait *w, struct source *s, size_t size)
{
    AUTO(dfs_free_ptr) uint8_t *bytes = NULL;
    AUTO(buf_free) struct buf description = BUF(S3_INDEX_VALUE_MAX);
    size_t n;
    int r = small_bytes(w->m, s, size, &bytes, &n);
    if (r == 0)
        r = w->m->describe(w->m->arg, &description);
    if (r < 0)
        return r;
    struct s3_dfs_put put = {.groups = w->m->groups,
                             .description = buf_str(&description),
                             .data = str_of(bytes, n),
                             .done = small_stored,
                             .arg = w};
    s3_file_extension(w->m->key, put.ext);
    s3_dfs_submit(gw->dfs, &put);
    return wait_done(w);
}

/* --- large: a file of its own --- */

static void large_more(void *arg)
{
    struct wait *w = arg;
    pthread_mutex_lock(&w->lock);
    w->more = true;
    pthread_cond_signal(&w->said);
    pthread_mutex_unlock(&w->lock);
}

static int large_describe(void *arg, const uint8_t md5[16], struct buf *out)
{
    struct wait *w = arg;
    if (md5)
        memcpy(w->m->md5, md5, sizeof(w->m->md5));
    return w->m->describe(w->m->arg, out);
}

static void large_done(void *arg, int r, struct str file_id)
{
    wait_end(arg, r, file_id);
}

static void wait_for_room(struct wait *w, struct s3_upload_file *f, size_t n)
{
    while (!s3_upload_file_room(f, n)) {
        pthread_mutex_lock(&w->lock);
        while (!w->more)
            pthread_cond_wait(&w->said, &w->lock);
        w->more = false;
        pthread_mutex_unlock(&w->lock);
    }
}

static int large_open(struct s3_gw *gw, struct wait *w, uint64_t size, struct s3_upload_file **ret)
{
    struct s3_upload_file_options o = {.groups = w->m->groups,
                                       .size = size,
                                       .no_md5 = !s3_seal_wants_md5(w->m->seal),
                                       .more = large_more,
                                       .describe = large_describe,
                                       .done = large_done,
                                       .arg = w};
    s3_file_extension(w->m->key, o.ext);
    int r = w->m->seal ? s3_sealing_new(gw, w->m->seal, &o) : 0;
    if (r < 0)
        return r;
    r = s3_upload_file_new(gw->dfs, &o, ret);
    if (r < 0 && o.seal)
        o.seal_free(o.sealer);
    return r;
}

static int large(struct s3_gw *gw, struct wait *w, struct source *s, uint64_t size)
{
    struct s3_upload_file *f;
    AUTO(dfs_free_ptr) uint8_t *piece = dfs_alloc(S3_DFS_PIECE);
    int r = piece ? large_open(gw, w, size, &f) : -ENOMEM;
    if (r < 0)
        return r;
    for (size_t n = 1; r == 0 && n > 0;) {
        r = read_some(s, piece, S3_DFS_PIECE, &n);
        if (r < 0 || n == 0)
            break;
        wait_for_room(w, f, n);
        r = s3_upload_file_data(f, str_of(piece, n));
        if (r == 0 && w->m->may_stop && gw->stopping)
            r = -EINTR;
    }
    if (r < 0) {
        s3_upload_file_abort(&f);
        return r;
    }
    s3_upload_file_finish(&f);
    return wait_done(w);
}

int s3_relocate(struct s3_gw *gw, struct arena *a, struct s3_relocation *m)
{
    uint64_t size = m->reader ? m->content : m->nfrom == 0 ? m->bytes.n : 0;
    for (size_t i = 0; !m->reader && i < m->nfrom; i++)
        size += m->from[i].length;
    ASSERT(size > 0);
    uint64_t stored = m->seal ? s3_sealed_size(size) : size;
    struct wait w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, .m = m};
    AUTO(source_fini)
    struct source s = {.dfs = gw->dfs,
                       .m = m,
                       .e = m->from,
                       .n = m->nfrom,
                       .bytes = m->nfrom == 0 ? m->bytes : STR_NULL,
                       .reader = m->reader,
                       .content = m->content};
    int r = verify_init(&s.verify, m->expect);
    if (r == 0)
        r = sums_init(&s.sums, m->sums);
    if (r == 0)
        r = stored > DFS_PACK_MAX ? large(gw, &w, &s, stored) : small(gw, &w, &s, (size_t)size);
    pthread_cond_destroy(&w.said);
    pthread_mutex_destroy(&w.lock);
    if (r < 0)
        return r;
    m->to = (struct s3_extent){.file_id = arena_str(a, str_c(w.file_id)), .length = stored};
    return m->to.file_id.p ? 0 : -ENOMEM;
}

/* --- giving up --- */

static int orphan(struct s3_tx *tx, void *arg)
{
    const struct s3_relocation *m = arg;
    s3_tx_frees(tx);
    return s3_ref_orphan(tx, m->to.file_id, 0);
}

void s3_relocate_undo(struct s3_gw *gw, const struct s3_relocation *m)
{
    int r = s3_index_update(gw->index, orphan, (void *)(uintptr_t)m);
    if (r < 0) /* the search for orphans finds it */
        dfs_log(LOG_WARN, "s3.orphan_left", KV_STR("file", m->to.file_id), KV_ERR(r));
}
