/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/rules.h"

#include "s3gw/core/httpdate.h"
#include "s3gw/core/storage_class.h"
#include "s3gw/xml/writer.h"

enum { RECORD_VERSION = 1 };

/* --- the record --- */

static const struct str minimums[S3_LIFE_MINIMUMS_] = {
    [S3_LIFE_ALL_128K] = STR_INIT("all_storage_classes_128K"),
    [S3_LIFE_VARIES] = STR_INIT("varies_by_storage_class"),
};

struct str s3_life_minimum_name(enum s3_life_minimum m)
{
    return minimums[m];
}

int s3_life_minimum_parse(struct str s, enum s3_life_minimum *ret)
{
    for (unsigned i = 0; i < S3_LIFE_MINIMUMS_; i++)
        if (str_eq(s, minimums[i])) {
            *ret = (enum s3_life_minimum)i;
            return 0;
        }
    return -EINVAL;
}

void s3_life_encode_head(size_t rules, enum s3_life_minimum minimum, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_u8(out, (uint8_t)minimum);
    buf_var(out, rules);
}

static void encode_if(const struct s3_life_rule *r, unsigned bit, uint64_t v, struct buf *out)
{
    if (r->bits & bit)
        buf_var(out, v);
}

static void encode_moves(const struct s3_life_rule *r, struct buf *out)
{
    buf_u8(out, (uint8_t)r->nmoves);
    for (size_t i = 0; i < r->nmoves; i++) {
        const struct s3_life_move *m = &r->move[i];
        buf_u8(out, (uint8_t)m->bits);
        buf_lstr(out, m->storage_class);
        if (m->bits & S3_LIFE_MOVE_DATE)
            buf_u64(out, (uint64_t)m->date_ms);
        else
            buf_var(out, m->days);
        if (m->bits & S3_LIFE_MOVE_NEWER)
            buf_var(out, m->newer);
    }
}

void s3_life_encode_rule(const struct s3_life_rule *r, struct buf *out)
{
    buf_u16(out, (uint16_t)r->bits);
    buf_lstr(out, r->id);
    if (r->bits & S3_LIFE_PREFIX)
        buf_lstr(out, r->prefix);
    if (r->bits & S3_LIFE_TAGS)
        buf_u8(out, (uint8_t)r->ntags);
    for (size_t i = 0; i < r->ntags; i++) {
        buf_lstr(out, r->tag[i].key);
        buf_lstr(out, r->tag[i].value);
    }
    encode_if(r, S3_LIFE_GREATER, r->greater, out);
    encode_if(r, S3_LIFE_LESS, r->less, out);
    encode_if(r, S3_LIFE_DAYS, r->days, out);
    if (r->bits & S3_LIFE_DATE)
        buf_u64(out, (uint64_t)r->date_ms);
    encode_if(r, S3_LIFE_NONCURRENT, r->noncurrent_days, out);
    encode_if(r, S3_LIFE_NEWER, r->newer, out);
    encode_if(r, S3_LIFE_ABORT, r->abort_days, out);
    if (r->bits & S3_LIFE_MOVES)
        encode_moves(r, out);
}

int s3_life_open(struct str record, struct s3_life_doc *ret)
{
    struct rd in = rd_of(record);
    uint8_t version = rd_u8(&in), minimum = rd_u8(&in);
    uint64_t rules = rd_var(&in);
    if (in.bad || version != RECORD_VERSION || minimum >= S3_LIFE_MINIMUMS_ ||
        rules > S3_LIFE_RULES_MAX)
        return -EBADMSG;
    *ret = (struct s3_life_doc){in, rules, (enum s3_life_minimum)minimum};
    return 0;
}

static uint64_t decode_if(const struct s3_life_rule *r, unsigned bit, uint64_t max, struct rd *in)
{
    if (!(r->bits & bit))
        return 0;
    uint64_t v = rd_var(in);
    if (v > max)
        in->bad = true;
    return v;
}

static void decode_tags(struct s3_life_rule *r, struct rd *in)
{
    r->ntags = rd_u8(in);
    if (r->ntags > ARRAY_LEN(r->tag)) {
        r->ntags = 0;
        in->bad = true;
    }
    for (size_t i = 0; i < r->ntags; i++) {
        r->tag[i].key = rd_lstr(in);
        r->tag[i].value = rd_lstr(in);
    }
}

static uint32_t decode_u31(struct rd *in)
{
    uint64_t v = rd_var(in);
    if (v > INT32_MAX)
        in->bad = true;
    return (uint32_t)v;
}

static void decode_moves(struct s3_life_rule *r, struct rd *in)
{
    r->nmoves = rd_u8(in);
    if (r->nmoves > ARRAY_LEN(r->move)) {
        r->nmoves = 0;
        in->bad = true;
    }
    for (size_t i = 0; i < r->nmoves; i++) {
        struct s3_life_move *m = &r->move[i];
        *m = (struct s3_life_move){.bits = rd_u8(in)};
        m->storage_class = rd_lstr(in);
        if (m->bits & S3_LIFE_MOVE_DATE)
            m->date_ms = (int64_t)rd_u64(in);
        else
            m->days = decode_u31(in);
        if (m->bits & S3_LIFE_MOVE_NEWER)
            m->newer = decode_u31(in);
    }
}

int s3_life_next(struct s3_life_doc *d, struct s3_life_rule *ret)
{
    struct rd *in = &d->rest;
    if (d->left == 0)
        return in->n == 0 ? 0 : -EBADMSG;
    ret->bits = rd_u16(in);
    ret->id = rd_lstr(in);
    ret->prefix = ret->bits & S3_LIFE_PREFIX ? rd_lstr(in) : STR("");
    ret->ntags = 0;
    if (ret->bits & S3_LIFE_TAGS)
        decode_tags(ret, in);
    ret->greater = decode_if(ret, S3_LIFE_GREATER, UINT64_MAX, in);
    ret->less = decode_if(ret, S3_LIFE_LESS, UINT64_MAX, in);
    ret->days = (uint32_t)decode_if(ret, S3_LIFE_DAYS, INT32_MAX, in);
    ret->date_ms = ret->bits & S3_LIFE_DATE ? (int64_t)rd_u64(in) : 0;
    ret->noncurrent_days = (uint32_t)decode_if(ret, S3_LIFE_NONCURRENT, INT32_MAX, in);
    ret->newer = (uint32_t)decode_if(ret, S3_LIFE_NEWER, INT32_MAX, in);
    ret->abort_days = (uint32_t)decode_if(ret, S3_LIFE_ABORT, INT32_MAX, in);
    ret->nmoves = 0;
    if (ret->bits & S3_LIFE_MOVES)
        decode_moves(ret, in);
    d->left--;
    return in->bad ? -EBADMSG : 1;
}

/* --- to XML --- */

static void write_tag(const struct s3_tag *t, struct buf *xml)
{
    s3_xml_open(xml, "Tag");
    s3_xml_text(xml, "Key", t->key);
    s3_xml_text(xml, "Value", t->value);
    s3_xml_close(xml, "Tag");
}

static void write_filter(const struct s3_life_rule *r, struct buf *xml)
{
    if (!(r->bits & S3_LIFE_FILTER)) {
        if (r->bits & S3_LIFE_OLD_PREFIX)
            s3_xml_text(xml, "Prefix", r->prefix);
        return;
    }
    s3_xml_open(xml, "Filter");
    if (r->bits & S3_LIFE_AND)
        s3_xml_open(xml, "And");
    if (r->bits & S3_LIFE_PREFIX)
        s3_xml_text(xml, "Prefix", r->prefix);
    for (size_t i = 0; i < r->ntags; i++)
        write_tag(&r->tag[i], xml);
    if (r->bits & S3_LIFE_GREATER)
        s3_xml_u64(xml, "ObjectSizeGreaterThan", r->greater);
    if (r->bits & S3_LIFE_LESS)
        s3_xml_u64(xml, "ObjectSizeLessThan", r->less);
    if (r->bits & S3_LIFE_AND)
        s3_xml_close(xml, "And");
    s3_xml_close(xml, "Filter");
}

static void write_date(int64_t ms, struct buf *xml)
{
    char text[S3_ISODATE_MAX];
    size_t n = s3_isodate_format(ms, text);
    s3_xml_text(xml, "Date", str_of(text, n));
}

static void write_move(const struct s3_life_move *m, struct buf *xml)
{
    bool old = m->bits & S3_LIFE_MOVE_NONCURRENT;
    const char *name = old ? "NoncurrentVersionTransition" : "Transition";
    s3_xml_open(xml, name);
    if (m->bits & S3_LIFE_MOVE_DATE)
        write_date(m->date_ms, xml);
    else
        s3_xml_u64(xml, old ? "NoncurrentDays" : "Days", m->days);
    if (m->bits & S3_LIFE_MOVE_NEWER)
        s3_xml_u64(xml, "NewerNoncurrentVersions", m->newer);
    s3_xml_text(xml, "StorageClass", m->storage_class);
    s3_xml_close(xml, name);
}

static void write_expiration(const struct s3_life_rule *r, struct buf *xml)
{
    if (!(r->bits & (S3_LIFE_DAYS | S3_LIFE_DATE | S3_LIFE_MARKER)))
        return;
    s3_xml_open(xml, "Expiration");
    if (r->bits & S3_LIFE_DAYS)
        s3_xml_u64(xml, "Days", r->days);
    if (r->bits & S3_LIFE_DATE)
        write_date(r->date_ms, xml);
    if (r->bits & S3_LIFE_MARKER)
        s3_xml_bool(xml, "ExpiredObjectDeleteMarker", (r->bits & S3_LIFE_MARKER_TRUE) != 0);
    s3_xml_close(xml, "Expiration");
}

static void write_rule(const struct s3_life_rule *r, struct buf *xml)
{
    s3_xml_open(xml, "Rule");
    s3_xml_text(xml, "ID", r->id);
    write_filter(r, xml);
    s3_xml_text(xml, "Status", r->bits & S3_LIFE_ENABLED ? STR("Enabled") : STR("Disabled"));
    write_expiration(r, xml);
    if (r->bits & (S3_LIFE_NONCURRENT | S3_LIFE_NEWER)) {
        s3_xml_open(xml, "NoncurrentVersionExpiration");
        if (r->bits & S3_LIFE_NONCURRENT)
            s3_xml_u64(xml, "NoncurrentDays", r->noncurrent_days);
        if (r->bits & S3_LIFE_NEWER)
            s3_xml_u64(xml, "NewerNoncurrentVersions", r->newer);
        s3_xml_close(xml, "NoncurrentVersionExpiration");
    }
    if (r->bits & S3_LIFE_ABORT) {
        s3_xml_open(xml, "AbortIncompleteMultipartUpload");
        s3_xml_u64(xml, "DaysAfterInitiation", r->abort_days);
        s3_xml_close(xml, "AbortIncompleteMultipartUpload");
    }
    for (size_t i = 0; i < r->nmoves; i++)
        write_move(&r->move[i], xml);
    s3_xml_close(xml, "Rule");
}

int s3_life_write(struct str record, struct buf *xml)
{
    struct s3_life_doc d;
    struct s3_life_rule r;
    int e = s3_life_open(record, &d);
    if (e < 0)
        return e;
    while ((e = s3_life_next(&d, &r)) > 0)
        write_rule(&r, xml);
    return e;
}

/* --- what it says --- */

static int64_t day_of(int64_t day_ms)
{
    return day_ms > 0 ? day_ms : S3_LIFE_DAY_MS;
}

int64_t s3_life_due(int64_t since_ms, uint32_t days, int64_t day_ms)
{
    int64_t day = day_of(day_ms), then = since_ms + (int64_t)days * day;
    int64_t into = then % day;
    return then - (into < 0 ? into + day : into) + day;
}

static bool has_tag(const struct s3_tags *tags, const struct s3_tag *wanted)
{
    for (size_t i = 0; i < tags->n; i++)
        if (str_eq(tags->tag[i].key, wanted->key))
            return str_eq(tags->tag[i].value, wanted->value);
    return false;
}

static bool tags_fit(const struct s3_life_rule *r, const struct s3_life_thing *t)
{
    struct s3_tags tags;
    if (r->ntags == 0)
        return true;
    if (t->kind == S3_LIFE_UPLOAD || t->kind == S3_LIFE_LONE_MARKER)
        return false; /* neither carries tags */
    if (t->any_tags)
        return true;
    if (s3_tags_decode(t->tags, &tags) < 0)
        return false;
    for (size_t i = 0; i < r->ntags; i++)
        if (!has_tag(&tags, &r->tag[i]))
            return false;
    return true;
}

static bool filter_fits(const struct s3_life_rule *r, const struct s3_life_thing *t)
{
    return (r->bits & S3_LIFE_ENABLED) && str_starts(t->key, r->prefix) &&
           (!(r->bits & S3_LIFE_GREATER) || t->size > r->greater) &&
           (!(r->bits & S3_LIFE_LESS) || t->size < r->less) && tags_fit(r, t);
}

/* When is it due by this rule, whose filter fits? False: never. */
static bool due_by(const struct s3_life_rule *r, const struct s3_life_thing *t, int64_t day_ms,
                   int64_t *ret)
{
    if (t->kind == S3_LIFE_LONE_MARKER && (r->bits & S3_LIFE_MARKER_TRUE)) {
        *ret = t->since_ms;
        return true;
    }
    switch (t->kind) {
    case S3_LIFE_LONE_MARKER: /* as any current version: by days and date */
    case S3_LIFE_CURRENT:
        *ret = r->bits & S3_LIFE_DATE ? r->date_ms : s3_life_due(t->since_ms, r->days, day_ms);
        return (r->bits & (S3_LIFE_DAYS | S3_LIFE_DATE)) != 0;
    case S3_LIFE_OLD:
        *ret = s3_life_due(t->since_ms, r->noncurrent_days, day_ms);
        return (r->bits & (S3_LIFE_NONCURRENT | S3_LIFE_NEWER)) && t->newer >= r->newer;
    case S3_LIFE_UPLOAD:
        *ret = s3_life_due(t->since_ms, r->abort_days, day_ms);
        return (r->bits & S3_LIFE_ABORT) != 0;
    }
    return false;
}

int s3_life_judge(struct str record, const struct s3_life_thing *t, int64_t day_ms,
                  struct s3_life_verdict *ret)
{
    struct s3_life_doc d;
    struct s3_life_rule r;
    struct s3_life_verdict v = {0};
    bool any = false;
    int e = s3_life_open(record, &d);
    if (e < 0)
        return e;
    while ((e = s3_life_next(&d, &r)) > 0) {
        int64_t due;
        if (!filter_fits(&r, t) || !due_by(&r, t, day_ms, &due) || (any && due >= v.due_ms))
            continue;
        v = (struct s3_life_verdict){due, r.id};
        any = true;
    }
    if (e < 0)
        return e;
    if (any)
        *ret = v;
    return any;
}

/* Small objects stay where they are: moving them costs more than it saves. */
static bool too_small(const struct s3_life_rule *r, const struct s3_life_move *m,
                      enum s3_life_minimum minimum, uint64_t size)
{
    bool any_size = (r->bits & (S3_LIFE_GREATER | S3_LIFE_LESS)) ||
                    (minimum == S3_LIFE_VARIES && (str_eq(m->storage_class, STR("GLACIER")) ||
                                                   str_eq(m->storage_class, STR("DEEP_ARCHIVE"))));
    return !any_size && size < S3_LIFE_SMALL;
}

static bool move_is_due(const struct s3_life_move *m, const struct s3_life_thing *t, int64_t day_ms,
                        int64_t now_ms)
{
    bool old = m->bits & S3_LIFE_MOVE_NONCURRENT;
    if (old != (t->kind == S3_LIFE_OLD) || t->newer < m->newer)
        return false;
    int64_t due =
        m->bits & S3_LIFE_MOVE_DATE ? m->date_ms : s3_life_due(t->since_ms, m->days, day_ms);
    return due <= now_ms;
}

int s3_life_transition(struct str record, const struct s3_life_thing *t, struct str now,
                       const struct s3_classes *c, int64_t day_ms, int64_t now_ms,
                       struct s3_life_move *ret)
{
    struct s3_life_doc d;
    struct s3_life_rule r;
    int e = s3_life_open(record, &d);
    int best = s3_class_rank(c, now);
    bool can = best >= 0 && (t->kind == S3_LIFE_CURRENT || t->kind == S3_LIFE_OLD), any = false;
    if (e < 0)
        return e;
    while ((e = s3_life_next(&d, &r)) > 0) {
        if (!can || r.nmoves == 0 || !filter_fits(&r, t))
            continue;
        for (size_t i = 0; i < r.nmoves; i++) {
            const struct s3_life_move *m = &r.move[i];
            int rank = s3_class_rank(c, m->storage_class);
            if (rank <= best || too_small(&r, m, d.minimum, t->size) ||
                !move_is_due(m, t, day_ms, now_ms))
                continue;
            best = rank;
            *ret = *m;
            any = true;
        }
    }
    return e < 0 ? e : any;
}

static size_t common(struct str a, struct str b)
{
    size_t n = 0;
    while (n < a.n && n < b.n && a.p[n] == b.p[n])
        n++;
    return n;
}

int s3_life_scope(struct str record, struct s3_life_scope *ret)
{
    struct s3_life_doc d;
    struct s3_life_rule r;
    struct s3_life_scope s = {.prefix = STR_NULL};
    int e = s3_life_open(record, &d);
    if (e < 0)
        return e;
    while ((e = s3_life_next(&d, &r)) > 0) {
        if (!(r.bits & S3_LIFE_ENABLED))
            continue;
        s.prefix = s.prefix.p ? str_head(s.prefix, common(s.prefix, r.prefix)) : r.prefix;
        s.uploads = s.uploads || (r.bits & S3_LIFE_ABORT);
        s.objects = s.objects || (r.bits & (S3_LIFE_DAYS | S3_LIFE_DATE | S3_LIFE_MARKER_TRUE |
                                            S3_LIFE_NONCURRENT | S3_LIFE_NEWER | S3_LIFE_MOVES));
    }
    if (e == 0)
        *ret = s;
    return e;
}
