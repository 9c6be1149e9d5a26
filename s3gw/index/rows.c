/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/rows.h"

enum { RECORD_VERSION = 1, APART = 1, FILE_ID_MAX = 160 };

/* ---- keys --------------------------------------------------------------------------------------- */

static struct buf *start(struct buf *k, char kind)
{
    buf_reset(k);
    buf_addc(k, kind);
    return k;
}

struct str s3_row_prefix(struct buf *k, char kind, uint64_t number)
{
    buf_u64(start(k, kind), number);
    return buf_str(k);
}

struct str s3_row_object(struct buf *k, uint64_t bid, struct str key)
{
    s3_row_prefix(k, 'o', bid);
    buf_adds(k, key);
    return buf_str(k);
}

struct str s3_row_detail(struct buf *k, uint64_t seq)
{
    return s3_row_prefix(k, 'd', seq);
}

struct str s3_row_refs(struct buf *k, struct str file_id)
{
    buf_adds(start(k, 'f'), file_id);
    buf_addc(k, '\0');
    return buf_str(k);
}

struct str s3_row_ref(struct buf *k, struct str file_id, uint64_t owner)
{
    s3_row_refs(k, file_id);
    buf_u64(k, owner);
    return buf_str(k);
}

struct str s3_row_garbage(struct buf *k, int64_t time_ms, uint64_t seq, struct str file_id)
{
    s3_row_prefix(k, 'g', (uint64_t)MAX(time_ms, (int64_t)0));
    buf_u64(k, seq);
    buf_adds(k, file_id);
    return buf_str(k);
}

struct str s3_row_bucket(struct buf *k, struct str name)
{
    buf_adds(start(k, 'b'), name);
    return buf_str(k);
}

struct str s3_row_bid(struct buf *k, uint64_t bid)
{
    return s3_row_prefix(k, 'B', bid);
}

struct str s3_row_user(struct buf *k, struct str id)
{
    buf_adds(start(k, 'u'), id);
    return buf_str(k);
}

struct str s3_row_key(struct buf *k, struct str access_key)
{
    buf_adds(start(k, 'k'), access_key);
    return buf_str(k);
}

struct str s3_row_upload(struct buf *k, uint64_t bid, struct str key, uint64_t useq)
{
    s3_row_prefix(k, 'm', bid);
    buf_adds(k, key);
    buf_addc(k, '\0');
    buf_u64(k, useq);
    return buf_str(k);
}

struct str s3_row_part(struct buf *k, uint64_t useq, uint32_t number)
{
    s3_row_prefix(k, 'p', useq);
    buf_u32(k, number);
    return buf_str(k);
}

struct str s3_row_finished(struct buf *k, uint64_t useq)
{
    return s3_row_prefix(k, 'c', useq);
}

struct str s3_row_after(struct buf *k, struct str prefix)
{
    buf_reset(k);
    while (prefix.n > 0 && (uint8_t)prefix.p[prefix.n - 1] == 0xff)
        prefix.n--;
    buf_adds(k, prefix);
    if (k->n > 0)
        k->p[k->n - 1]++;
    return buf_str(k);
}

int s3_row_keys(struct s3_tx *tx, struct str prefix, struct arena *a, struct str **ret, size_t *ret_n)
{
    AUTO(buf_free) struct buf end = BUF(S3_ROW_KEY_MAX);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = s3_tx_iter(tx, prefix, s3_row_after(&end, prefix), &it);
    struct str *v = NULL;
    size_t n = 0, cap = 0;
    for (; r == 0 && s3_iter_valid(it); s3_iter_next(it)) {
        if (n == cap) {
            struct str *more = arena_alloc(a, (cap = cap ? 2 * cap : 64) * sizeof(*more));
            if (!more)
                return -ENOMEM;
            if (n)
                memcpy(more, v, n * sizeof(*v));
            v = more;
        }
        v[n] = arena_str(a, s3_iter_key(it));
        if (!v[n++].p)
            return -ENOMEM;
    }
    if (r == 0)
        r = s3_iter_err(it);
    *ret = v;
    *ret_n = n;
    return r;
}

/* ---- pieces of records -------------------------------------------------------------------------- */

void s3_put_opt(struct buf *b, struct str s)
{
    buf_var(b, s.p ? (uint64_t)s.n + 1 : 0);
    if (s.p)
        buf_adds(b, s);
}

struct str s3_get_opt(struct rd *in)
{
    uint64_t n = rd_var(in);
    if (n == 0)
        return STR_NULL;
    struct str s = rd_bytes(in, n - 1);
    return s.p ? s : STR("");
}

void s3_put_checksum(struct buf *b, const struct s3_checksum *c)
{
    buf_u8(b, (uint8_t)c->alg);
    if (c->alg == S3_CK_NONE)
        return;
    buf_u8(b, (uint8_t)c->type);
    buf_u8(b, c->n);
    buf_add(b, c->value, c->n);
}

void s3_get_checksum(struct rd *in, struct s3_checksum *c)
{
    *c = (struct s3_checksum){.alg = rd_u8(in)};
    if (c->alg == S3_CK_NONE)
        return;
    c->type = rd_u8(in);
    c->n = rd_u8(in);
    if (c->alg > S3_CK_XXHASH128 || c->type > S3_CK_COMPOSITE || c->n > S3_CK_MAX) {
        in->bad = true;
        c->n = 0;
    }
    struct str v = rd_bytes(in, c->n);
    if (v.n == c->n && v.n > 0)
        memcpy(c->value, v.p, v.n);
}

void s3_put_extents(struct buf *b, const struct s3_extent *e, size_t n)
{
    buf_var(b, n);
    for (size_t i = 0; i < n; i++) {
        buf_lstr(b, e[i].file_id);
        buf_var(b, e[i].offset);
        buf_var(b, e[i].length);
        buf_var(b, e[i].owner);
    }
}

int s3_get_extents(struct rd *in, struct arena *a, struct s3_extent **ret, size_t *ret_n)
{
    uint64_t n = rd_var(in);
    if (in->bad || n > in->n / 4) /* each takes four bytes or more */
        return -EBADMSG;
    struct s3_extent *e = arena_alloc(a, (size_t)n * sizeof(*e) + 1);
    if (!e)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        e[i].file_id = rd_lstr(in);
        e[i].offset = rd_var(in);
        e[i].length = rd_var(in);
        e[i].owner = rd_var(in);
        if (e[i].file_id.n >= FILE_ID_MAX || e[i].length == 0 || e[i].length > UINT64_MAX - e[i].offset)
            in->bad = true;
    }
    *ret = e;
    *ret_n = (size_t)n;
    return in->bad ? -EBADMSG : 0;
}

/* ---- objects ------------------------------------------------------------------------------------ */

void s3_object_encode_detail(const struct s3_object *o, struct buf *out)
{
    s3_put_extents(out, o->extents, o->nextents);
    buf_var(out, o->nparts);
    for (size_t i = 0; i < o->nparts; i++) {
        buf_var(out, o->parts[i].number);
        buf_var(out, o->parts[i].size);
        s3_put_checksum(out, &o->parts[i].checksum);
    }
}

void s3_object_encode_head(const struct s3_object *o, bool detail_apart, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_var(out, o->flags);
    buf_var(out, o->seq);
    buf_var(out, o->size);
    buf_u64(out, (uint64_t)o->mtime_ms);
    buf_add(out, o->etag.md5, sizeof(o->etag.md5));
    buf_var(out, o->etag.parts);
    s3_put_checksum(out, &o->checksum);
    buf_lstr(out, o->owner_id);
    s3_put_opt(out, o->storage_class);
    buf_var(out, o->nheaders);
    for (size_t i = 0; i < o->nheaders; i++) {
        buf_lstr(out, o->headers[i].name);
        buf_lstr(out, o->headers[i].value);
    }
    s3_put_opt(out, o->upload_id);
    s3_put_opt(out, o->tags);
    s3_put_opt(out, o->acl);
    s3_put_opt(out, o->lock);
    s3_put_opt(out, o->sse);
    buf_u8(out, detail_apart ? APART : 0);
    if (!detail_apart)
        s3_object_encode_detail(o, out);
}

void s3_object_encode(const struct s3_object *o, struct buf *out)
{
    s3_object_encode_head(o, false, out);
}

static int decode_detail(struct rd *in, struct arena *a, struct s3_object *o)
{
    int r = s3_get_extents(in, a, &o->extents, &o->nextents);
    if (r < 0)
        return r;
    uint64_t n = rd_var(in);
    if (in->bad || n > in->n / 3)
        return -EBADMSG;
    o->parts = arena_alloc(a, (size_t)n * sizeof(*o->parts) + 1);
    if (!o->parts)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        o->parts[i].number = (uint32_t)rd_var(in);
        o->parts[i].size = rd_var(in);
        s3_get_checksum(in, &o->parts[i].checksum);
    }
    o->nparts = (size_t)n;
    return in->bad || in->n > 0 ? -EBADMSG : 0;
}

int s3_object_decode_detail(struct str bytes, struct arena *a, struct s3_object *o)
{
    struct rd in = rd_of(bytes);
    return decode_detail(&in, a, o);
}

static int decode_headers(struct rd *in, struct arena *a, struct s3_object *o)
{
    uint64_t n = rd_var(in);
    if (in->bad || n > in->n / 2)
        return -EBADMSG;
    o->headers = arena_alloc(a, (size_t)n * sizeof(*o->headers) + 1);
    if (!o->headers)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        o->headers[i].name = rd_lstr(in);
        o->headers[i].value = rd_lstr(in);
        if (!o->headers[i].value.p)
            o->headers[i].value = STR("");
    }
    o->nheaders = (size_t)n;
    return in->bad ? -EBADMSG : 0;
}

int s3_object_decode_head(struct str bytes, struct arena *a, struct s3_object *ret, bool *apart)
{
    struct rd in = rd_of(bytes);
    struct s3_object o = {0};
    if (rd_u8(&in) != RECORD_VERSION)
        return -EBADMSG;
    o.flags = (uint32_t)rd_var(&in);
    o.seq = rd_var(&in);
    o.size = rd_var(&in);
    o.mtime_ms = (int64_t)rd_u64(&in);
    struct str md5 = rd_bytes(&in, sizeof(o.etag.md5));
    if (md5.n == sizeof(o.etag.md5))
        memcpy(o.etag.md5, md5.p, md5.n);
    o.etag.parts = (uint32_t)rd_var(&in);
    s3_get_checksum(&in, &o.checksum);
    o.owner_id = rd_lstr(&in);
    o.storage_class = s3_get_opt(&in);
    int r = decode_headers(&in, a, &o);
    if (r < 0)
        return r;
    o.upload_id = s3_get_opt(&in);
    o.tags = s3_get_opt(&in);
    o.acl = s3_get_opt(&in);
    o.lock = s3_get_opt(&in);
    o.sse = s3_get_opt(&in);
    uint8_t where = rd_u8(&in);
    if (in.bad || where > APART)
        return -EBADMSG;
    *apart = where == APART;
    if (!*apart)
        r = decode_detail(&in, a, &o);
    else if (in.n > 0)
        r = -EBADMSG;
    if (r == 0)
        *ret = o;
    return r;
}

int s3_object_decode(struct str bytes, struct arena *a, struct s3_object *ret)
{
    bool apart;
    return s3_object_decode_head(bytes, a, ret, &apart);
}

/* ---- uploads and parts -------------------------------------------------------------------------- */

void s3_upload_encode(const struct s3_upload *u, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_u64(out, u->check);
    buf_u64(out, (uint64_t)u->started_ms);
    buf_lstr(out, u->initiator_id);
    buf_u8(out, (uint8_t)u->ck_alg);
    buf_u8(out, (uint8_t)u->ck_type);
    s3_object_encode(&u->proto, out);
}

int s3_upload_decode(struct str bytes, struct arena *a, struct s3_upload *ret)
{
    struct rd in = rd_of(bytes);
    struct s3_upload u = {0};
    if (rd_u8(&in) != RECORD_VERSION)
        return -EBADMSG;
    u.check = rd_u64(&in);
    u.started_ms = (int64_t)rd_u64(&in);
    u.initiator_id = rd_lstr(&in);
    u.ck_alg = rd_u8(&in);
    u.ck_type = rd_u8(&in);
    if (in.bad || u.ck_alg > S3_CK_XXHASH128 || u.ck_type > S3_CK_COMPOSITE)
        return -EBADMSG;
    int r = s3_object_decode(rd_bytes(&in, in.n), a, &u.proto);
    if (r == 0)
        *ret = u;
    return r;
}

void s3_upart_encode(const struct s3_upart *p, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_var(out, p->size);
    buf_u64(out, (uint64_t)p->mtime_ms);
    buf_add(out, p->md5, sizeof(p->md5));
    s3_put_checksum(out, &p->checksum);
    s3_put_checksum(out, &p->crc64);
    s3_put_extents(out, p->extents, p->nextents);
}

int s3_upart_decode(struct str bytes, struct arena *a, struct s3_upart *ret)
{
    struct rd in = rd_of(bytes);
    struct s3_upart p = {0};
    if (rd_u8(&in) != RECORD_VERSION)
        return -EBADMSG;
    p.size = rd_var(&in);
    p.mtime_ms = (int64_t)rd_u64(&in);
    struct str md5 = rd_bytes(&in, sizeof(p.md5));
    if (md5.n == sizeof(p.md5))
        memcpy(p.md5, md5.p, md5.n);
    s3_get_checksum(&in, &p.checksum);
    s3_get_checksum(&in, &p.crc64);
    int r = s3_get_extents(&in, a, &p.extents, &p.nextents);
    if (r == 0 && (in.bad || in.n > 0))
        r = -EBADMSG;
    if (r == 0)
        *ret = p;
    return r;
}
