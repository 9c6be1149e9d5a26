/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/record.h"

enum { RECORD_VERSION = 1, PACK_MIN = 16 };

/* How an id is written: u8 of these, then its bytes with their length before them. */
enum { ID_ABSENT, ID_TEXT, ID_HEX };

static bool is_packable(struct str s)
{
    if (s.n < PACK_MIN || s.n % 2 != 0)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return true;
}

void s3_rec_add_id(struct buf *b, struct str s)
{
    if (!s.p) {
        buf_u8(b, ID_ABSENT);
        return;
    }
    bool hex = is_packable(s);
    buf_u8(b, hex ? ID_HEX : ID_TEXT);
    if (!hex) {
        buf_lstr(b, s);
        return;
    }
    buf_var(b, s.n / 2);
    char *to = buf_room(b, s.n / 2);
    if (to && str_unhex(s, to, s.n / 2) == 0)
        buf_used(b, s.n / 2);
}

int s3_rec_id(struct rd *r, struct arena *a, struct str *ret)
{
    uint8_t kind = rd_u8(r);
    if (kind > ID_HEX)
        r->bad = true;
    *ret = STR_NULL;
    if (r->bad || kind == ID_ABSENT)
        return 0;
    struct str raw = rd_lstr(r);
    if (r->bad || kind == ID_TEXT) {
        *ret = raw;
        return 0;
    }
    char *text = arena_alloc(a, raw.n * 2 + 1);
    if (!text)
        return -ENOMEM;
    str_hex(raw.p, raw.n, text);
    *ret = str_of(text, raw.n * 2);
    return 0;
}

void s3_rec_add_opt(struct buf *b, struct str s)
{
    buf_var(b, s.p ? (uint64_t)s.n + 1 : 0);
    buf_adds(b, s);
}

struct str s3_rec_opt(struct rd *r)
{
    uint64_t n = rd_var(r);
    if (n == 0)
        return STR_NULL;
    if (n - 1 > r->n) {
        r->bad = true;
        return STR_NULL;
    }
    return rd_bytes(r, (size_t)(n - 1));
}

void s3_rec_add_checksum(struct buf *b, const struct s3_checksum *c)
{
    buf_u8(b, (uint8_t)c->alg);
    if (c->alg == S3_CK_NONE)
        return;
    buf_u8(b, (uint8_t)c->type);
    buf_u8(b, c->n);
    buf_add(b, c->value, c->n);
}

void s3_rec_checksum(struct rd *r, struct s3_checksum *ret)
{
    *ret = (struct s3_checksum){0};
    uint8_t alg = rd_u8(r);
    if (alg >= S3_CK_COUNT_)
        r->bad = true;
    if (r->bad || alg == S3_CK_NONE)
        return;
    uint8_t type = rd_u8(r);
    uint8_t n = rd_u8(r);
    if (type > S3_CK_COMPOSITE || n > S3_CK_MAX)
        r->bad = true;
    struct str value = rd_bytes(r, r->bad ? 0 : n);
    if (r->bad)
        return;
    ret->alg = alg;
    ret->type = type;
    ret->n = n;
    memcpy(ret->value, value.p, value.n);
}

/* An empty file id repeats the one before: ranges of one file come in a row. */
void s3_rec_add_extents(struct buf *b, const struct s3_extent *e, size_t n, uint64_t self)
{
    buf_var(b, n);
    for (size_t i = 0; i < n; i++) {
        bool same = i > 0 && str_eq(e[i].file_id, e[i - 1].file_id);
        buf_lstr(b, same ? STR("") : e[i].file_id);
        buf_var(b, e[i].offset);
        buf_var(b, e[i].length);
        /* self is 0; the number 0, which can differ from self only before a commit, is 1 */
        buf_var(b, e[i].owner == self ? 0 : e[i].owner + 1);
    }
}

int s3_rec_extents(struct rd *r, struct arena *a, uint64_t self, struct s3_extent **ret,
                   size_t *ret_n)
{
    uint64_t n = rd_var(r);
    enum { EXTENT_BYTES_MIN = 4 };
    if (n > r->n / EXTENT_BYTES_MIN)
        r->bad = true;
    if (r->bad || n == 0)
        return 0;
    struct s3_extent *e = arena_alloc(a, (size_t)n * sizeof(*e));
    if (!e)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        e[i].file_id = rd_lstr(r);
        if (e[i].file_id.n == 0 && i > 0)
            e[i].file_id = e[i - 1].file_id;
        e[i].offset = rd_var(r);
        e[i].length = rd_var(r);
        uint64_t owner = rd_var(r);
        e[i].owner = owner == 0 ? self : owner - 1;
        if (e[i].file_id.n == 0 || e[i].length == 0 || e[i].length > UINT64_MAX - e[i].offset)
            r->bad = true;
    }
    *ret = e;
    *ret_n = (size_t)n;
    return 0;
}

/* --- the object record ---
 *
 *   u8 version (1); var bits: 1 delete marker, 2 null version, 4096 adopted (all S3_OBJ_), then what is there:
 */
enum {
    HAS_CLASS = 1u << 2,
    HAS_HEADERS = 1u << 3,
    HAS_PARTS = 1u << 4,
    HAS_UPLOAD_ID = 1u << 5,
    HAS_TAGS = 1u << 6,
    HAS_ACL = 1u << 7,
    HAS_LOCK = 1u << 8,
    HAS_SSE = 1u << 9,
    SPLIT = 1u << 10, /* extents and parts are in the detail row */
    HAS_AMENDED = 1u << 11,
    BITS_KNOWN = (1u << 13) - 1,
    FLAGS = S3_OBJ_DELETE_MARKER | S3_OBJ_NULL_VERSION | S3_OBJ_ADOPTED,
};

/* Names that come often: their place here + 1; 0 is any other, written out. Append only. */
static const struct str header_names[] = {
    STR_INIT("content-type"),
    STR_INIT("cache-control"),
    STR_INIT("content-disposition"),
    STR_INIT("content-encoding"),
    STR_INIT("content-language"),
    STR_INIT("expires"),
    STR_INIT("x-amz-meta-mtime"),
    STR_INIT("x-amz-meta-s3cmd-attrs"),
    STR_INIT("x-amz-website-redirect-location"),
};

static void add_headers(struct buf *b, const struct s3_object *o)
{
    buf_var(b, o->nheaders);
    for (size_t i = 0; i < o->nheaders; i++) {
        size_t code = 0;
        while (code < ARRAY_LEN(header_names) && !str_eq(header_names[code], o->headers[i].name))
            code++;
        bool known = code < ARRAY_LEN(header_names);
        buf_u8(b, known ? (uint8_t)(code + 1) : 0);
        if (!known)
            buf_lstr(b, o->headers[i].name);
        buf_lstr(b, o->headers[i].value);
    }
}

static int read_headers(struct rd *r, struct arena *a, struct s3_object *o)
{
    uint64_t n = rd_var(r);
    enum { HEADER_BYTES_MIN = 2 };
    if (n > r->n / HEADER_BYTES_MIN)
        r->bad = true;
    if (r->bad || n == 0)
        return 0;
    o->headers = arena_alloc(a, (size_t)n * sizeof(*o->headers));
    if (!o->headers)
        return -ENOMEM;
    o->nheaders = (size_t)n;
    for (size_t i = 0; i < n; i++) {
        uint8_t code = rd_u8(r);
        if (code > ARRAY_LEN(header_names))
            r->bad = true;
        if (r->bad)
            return 0;
        o->headers[i].name = code ? header_names[code - 1] : rd_lstr(r);
        o->headers[i].value = rd_lstr(r);
    }
    return 0;
}

static void add_parts(struct buf *b, const struct s3_object *o)
{
    buf_var(b, o->nparts);
    for (size_t i = 0; i < o->nparts; i++) {
        buf_var(b, o->parts[i].number);
        buf_var(b, o->parts[i].size);
        s3_rec_add_checksum(b, &o->parts[i].checksum);
    }
}

static int read_parts(struct rd *r, struct arena *a, struct s3_object *o)
{
    uint64_t n = rd_var(r);
    enum { PART_BYTES_MIN = 3 };
    if (n > r->n / PART_BYTES_MIN)
        r->bad = true;
    if (r->bad || n == 0)
        return 0;
    o->parts = arena_alloc(a, (size_t)n * sizeof(*o->parts));
    if (!o->parts)
        return -ENOMEM;
    o->nparts = (size_t)n;
    for (size_t i = 0; i < n; i++) {
        uint64_t number = rd_var(r);
        if (number > UINT32_MAX || (i > 0 && number <= o->parts[i - 1].number))
            r->bad = true;
        o->parts[i].number = (uint32_t)number;
        o->parts[i].size = rd_var(r);
        s3_rec_checksum(r, &o->parts[i].checksum);
    }
    return 0;
}

static void add_detail(struct buf *b, const struct s3_object *o)
{
    s3_rec_add_extents(b, o->extents, o->nextents, o->seq);
    if (o->nparts)
        add_parts(b, o);
}

static int read_detail(struct rd *r, struct arena *a, bool has_parts, struct s3_object *o)
{
    int e = s3_rec_extents(r, a, o->seq, &o->extents, &o->nextents);
    if (e == 0 && has_parts)
        e = read_parts(r, a, o);
    return e;
}

static uint32_t bits_of(const struct s3_object *o, bool split)
{
    return (o->flags & FLAGS) | (o->storage_class.p ? HAS_CLASS : 0) |
           (o->nheaders ? HAS_HEADERS : 0) | (o->nparts ? HAS_PARTS : 0) |
           (o->upload_id.p ? HAS_UPLOAD_ID : 0) | (o->tags.p ? HAS_TAGS : 0) |
           (o->acl.p ? HAS_ACL : 0) | (o->lock.p ? HAS_LOCK : 0) | (o->sse.p ? HAS_SSE : 0) |
           (split ? SPLIT : 0) | (o->amended ? HAS_AMENDED : 0);
}

/* What listings need comes first. */
static void add_head(struct buf *b, const struct s3_object *o, bool split)
{
    uint32_t bits = bits_of(o, split);
    buf_u8(b, RECORD_VERSION);
    buf_var(b, bits);
    buf_var(b, o->seq);
    buf_var(b, o->size);
    buf_var(b, (uint64_t)o->mtime_ms);
    buf_add(b, o->etag.md5, sizeof(o->etag.md5));
    buf_var(b, o->etag.parts);
    s3_rec_add_checksum(b, &o->checksum);
    s3_rec_add_id(b, o->owner_id);
    if (bits & HAS_CLASS)
        buf_lstr(b, o->storage_class);
    if (bits & HAS_HEADERS)
        add_headers(b, o);
    if (bits & HAS_UPLOAD_ID)
        s3_rec_add_id(b, o->upload_id);
    const struct str *sections[] = {&o->tags, &o->acl, &o->lock, &o->sse};
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        if (sections[i]->p)
            buf_lstr(b, *sections[i]);
    if (bits & HAS_AMENDED)
        buf_var(b, o->amended);
}

void s3_object_encode(const struct s3_object *o, struct buf *out)
{
    add_head(out, o, false);
    add_detail(out, o);
}

void s3_object_encode_head(const struct s3_object *o, bool split, struct buf *head)
{
    add_head(head, o, split);
    if (!split)
        add_detail(head, o);
}

void s3_object_encode_split(const struct s3_object *o, struct buf *head, struct buf *detail)
{
    /* 12 bytes an extent and 6 a part are less than any of them takes */
    bool split = o->nextents * 12 + o->nparts * 6 > S3_DETAIL_INLINE_MAX;
    if (!split) {
        size_t mark = head->n;
        add_head(head, o, false);
        size_t end = head->n;
        add_detail(head, o);
        if (head->err || head->n - end <= S3_DETAIL_INLINE_MAX)
            return;
        head->n = mark;
    }
    add_head(head, o, true);
    buf_u8(detail, RECORD_VERSION);
    add_detail(detail, o);
}

static uint32_t read_listed(struct rd *r, struct arena *a, struct s3_object *o, int *err)
{
    *o = (struct s3_object){0};
    if (rd_u8(r) != RECORD_VERSION)
        r->bad = true;
    uint64_t bits = rd_var(r);
    if (bits & ~(uint64_t)BITS_KNOWN)
        r->bad = true;
    if (r->bad)
        return 0;
    o->flags = bits & FLAGS;
    o->seq = rd_var(r);
    o->size = rd_var(r);
    uint64_t mtime = rd_var(r);
    struct str md5 = rd_bytes(r, sizeof(o->etag.md5));
    uint64_t parts = rd_var(r);
    if (mtime > INT64_MAX || parts > UINT32_MAX)
        r->bad = true;
    if (r->bad)
        return 0;
    o->mtime_ms = (int64_t)mtime;
    memcpy(o->etag.md5, md5.p, md5.n);
    o->etag.parts = (uint32_t)parts;
    s3_rec_checksum(r, &o->checksum);
    *err = s3_rec_id(r, a, &o->owner_id);
    if (bits & HAS_CLASS)
        o->storage_class = rd_lstr(r);
    return (uint32_t)bits;
}

static int read_head(struct rd *r, struct arena *a, struct s3_object *o, uint32_t *ret_bits)
{
    int e = 0;
    uint32_t bits = read_listed(r, a, o, &e);
    if (e == 0 && bits & HAS_HEADERS)
        e = read_headers(r, a, o);
    if (e == 0 && bits & HAS_UPLOAD_ID)
        e = s3_rec_id(r, a, &o->upload_id);
    struct str *sections[] = {&o->tags, &o->acl, &o->lock, &o->sse};
    const uint32_t has[] = {HAS_TAGS, HAS_ACL, HAS_LOCK, HAS_SSE};
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        if (bits & has[i])
            *sections[i] = rd_lstr(r);
    if (bits & HAS_AMENDED)
        o->amended = rd_var(r);
    *ret_bits = bits;
    return e;
}

static int finish(const struct rd *r, int e)
{
    return r->bad || (e == 0 && r->n > 0) ? -EBADMSG : e;
}

int s3_object_decode_head(struct str head, struct arena *a, struct s3_object *ret, bool *ret_split)
{
    struct rd r = rd_of(head);
    struct s3_object o;
    uint32_t bits;
    int e = read_head(&r, a, &o, &bits);
    if (e == 0 && !(bits & SPLIT))
        e = read_detail(&r, a, bits & HAS_PARTS, &o);
    e = finish(&r, e);
    if (e < 0)
        return e;
    *ret = o;
    *ret_split = bits & SPLIT;
    return 0;
}

int s3_object_decode(struct str bytes, struct arena *a, struct s3_object *ret)
{
    struct s3_object o;
    bool split;
    int r = s3_object_decode_head(bytes, a, &o, &split);
    if (r == 0 && split) /* a whole record has its detail inside */
        r = -EBADMSG;
    if (r == 0)
        *ret = o;
    return r;
}

int s3_object_decode_detail(struct str detail, struct arena *a, struct s3_object *o)
{
    struct rd r = rd_of(detail);
    if (rd_u8(&r) != RECORD_VERSION)
        return -EBADMSG;
    struct s3_object with = *o;
    int e = s3_rec_extents(&r, a, o->seq, &with.extents, &with.nextents);
    if (e == 0 && r.n > 0)
        e = read_parts(&r, a, &with);
    e = finish(&r, e);
    if (e == 0)
        *o = with;
    return e;
}

int s3_object_decode_listed(struct str head, struct arena *a, struct s3_object *ret)
{
    struct rd r = rd_of(head);
    struct s3_object o;
    int e = 0;
    read_listed(&r, a, &o, &e);
    if (r.bad)
        return -EBADMSG;
    if (e == 0 && o.storage_class.p) {
        o.storage_class = arena_str(a, o.storage_class);
        e = o.storage_class.p ? 0 : -ENOMEM;
    }
    if (e == 0 && o.owner_id.p >= head.p &&
        o.owner_id.p < head.p + head.n) { /* a view of the row yet */
        o.owner_id = arena_str(a, o.owner_id);
        e = o.owner_id.p ? 0 : -ENOMEM;
    }
    if (e == 0)
        *ret = o;
    return e;
}
