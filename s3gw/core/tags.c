/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/tags.h"

enum { TAGS_VERSION = 1 };

static bool form_decode(struct str in, struct arena *a, struct str *ret)
{
    char *out = arena_alloc(a, in.n + 1);
    if (!out)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '+') {
            out[n++] = ' ';
        } else if (in.p[i] != '%') {
            out[n++] = in.p[i];
        } else {
            int hi = i + 1 < in.n ? str_hexval(in.p[i + 1]) : -1;
            int lo = i + 2 < in.n ? str_hexval(in.p[i + 2]) : -1;
            if (hi < 0 || lo < 0) {
                *ret = STR_NULL;
                return true;
            }
            out[n++] = (char)(hi << 4 | lo);
            i += 2;
        }
    }
    *ret = str_of(out, n);
    return true;
}

static bool has_key(const struct s3_tags *t, struct str key)
{
    for (size_t i = 0; i < t->n; i++)
        if (str_eq(t->tag[i].key, key))
            return true;
    return false;
}

enum s3_tag_fault s3_tags_parse_form(struct str form, size_t max, struct arena *a,
                                     struct s3_tags *ret)
{
    ASSERT(max <= S3_TAGS_BUCKET_MAX);
    *ret = (struct s3_tags){0};
    if (form.n == 0)
        return S3_TAGS_OK;
    struct str rest = form, piece;
    while (str_split(&rest, '&', &piece)) {
        struct str k, v;
        if (!str_cut(piece, '=', &k, &v))
            v = STR("");
        struct s3_tag tag;
        if (!form_decode(k, a, &tag.key) || !form_decode(v, a, &tag.value))
            return S3_TAGS_NO_MEMORY;
        if (!tag.key.p || !tag.value.p || tag.key.n == 0 || has_key(ret, tag.key))
            return S3_TAGS_FORM;
        if (ret->n == max)
            return S3_TAGS_TOO_MANY;
        ret->tag[ret->n++] = tag;
    }
    return s3_tags_check(ret, max, NULL);
}

/*
 * Letters and digits of any script, blanks and + - = . _ : / @. Bytes above 0x7F are taken for
 * letters when the whole is UTF-8: refusing needs Unicode tables and no client depends on it.
 */
static bool characters_ok(struct str s)
{
    if (!str_utf8_ok(s))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c < 0x80 && !alnum && (c == '\0' || !strchr(" +-=._:/@", c)))
            return false;
    }
    return true;
}

static size_t characters(struct str utf8)
{
    size_t n = 0;
    for (size_t i = 0; i < utf8.n; i++)
        n += ((unsigned char)utf8.p[i] & 0xC0) != 0x80;
    return n;
}

static bool tag_ok(const struct s3_tag *t)
{
    return t->key.n > 0 && characters(t->key) <= S3_TAG_KEY_MAX &&
           characters(t->value) <= S3_TAG_VALUE_MAX && characters_ok(t->key) &&
           characters_ok(t->value) && !str_istarts(t->key, STR("aws:"));
}

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct s3_tag *)a)->key, ((const struct s3_tag *)b)->key);
}

enum s3_tag_fault s3_tags_check(struct s3_tags *t, size_t max, struct s3_tag *ret_bad)
{
    if (t->n > max)
        return S3_TAGS_TOO_MANY;
    qsort(t->tag, t->n, sizeof(t->tag[0]), by_key);
    for (size_t i = 0; i < t->n; i++) {
        if (tag_ok(&t->tag[i]) && (i == 0 || !str_eq(t->tag[i - 1].key, t->tag[i].key)))
            continue;
        if (ret_bad)
            *ret_bad = t->tag[i];
        return S3_TAGS_INVALID;
    }
    return S3_TAGS_OK;
}

void s3_tags_encode(const struct s3_tags *t, struct buf *out)
{
    buf_u8(out, TAGS_VERSION);
    for (size_t i = 0; i < t->n; i++) {
        buf_lstr(out, t->tag[i].key);
        buf_lstr(out, t->tag[i].value);
    }
}

int s3_tags_decode(struct str bytes, struct s3_tags *ret)
{
    *ret = (struct s3_tags){0};
    if (bytes.n == 0)
        return 0;
    struct rd r = rd_of(bytes);
    if (rd_u8(&r) != TAGS_VERSION)
        return -EBADMSG;
    while (r.n > 0) {
        struct s3_tag t;
        t.key = rd_lstr(&r);
        t.value = rd_lstr(&r);
        if (r.bad || ret->n == S3_TAGS_BUCKET_MAX)
            return -EBADMSG;
        ret->tag[ret->n++] = t;
    }
    return 0;
}

size_t s3_tags_count(struct str bytes)
{
    struct s3_tags t;
    return s3_tags_decode(bytes, &t) == 0 ? t.n : 0;
}
