/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attributes - GetObjectAttributes.
 * Rule: s3-behaviours 23; Amazon S3 API Reference, GetObjectAttributes.
 */
#include "s3gw/api/answer.h"
#include "s3gw/api/encryption.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lookup.h"
#include "s3gw/api/object_headers.h"
#include "s3gw/core/precond.h"
#include "s3gw/policy/eval.h"
#include "s3gw/xml/writer.h"

enum wanted { ETAG = 1, CHECKSUM = 2, PARTS = 4, CLASS = 8, SIZE = 16 };

static enum s3err add_wanted(struct s3_req *q, struct str list, unsigned *wanted)
{
    static const struct {
        struct str name;
        enum wanted bit;
    } names[] = {{STR_INIT("ETag"), ETAG},
                 {STR_INIT("Checksum"), CHECKSUM},
                 {STR_INIT("ObjectParts"), PARTS},
                 {STR_INIT("StorageClass"), CLASS},
                 {STR_INIT("ObjectSize"), SIZE}};
    struct str piece;
    while (str_split(&list, ',', &piece)) {
        piece = str_trim(piece);
        unsigned bit = 0;
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            if (str_eq(piece, names[i].name))
                bit = names[i].bit;
        if (piece.n > 0 && bit == 0)
            return s3_err_arg(q, "Invalid attribute name specified.", "x-amz-object-attributes",
                              piece);
        *wanted |= bit;
    }
    return S3ERR_OK;
}

static enum s3err wanted_of(struct s3_req *q, unsigned *wanted)
{
    static const struct str name = STR_INIT("x-amz-object-attributes");
    *wanted = 0;
    enum s3err e = S3ERR_OK;
    bool in_header = false;
    for (size_t i = 0; e == S3ERR_OK && i < q->nheaders;
         i++) /* the list may come in several lines */
        if (str_ieq(q->headers[i].name, name)) {
            in_header = true;
            e = add_wanted(q, q->headers[i].value, wanted);
        }
    if (e == S3ERR_OK && !in_header)
        e = add_wanted(q, s3_req_option(q, name), wanted);
    if (e == S3ERR_OK && *wanted == 0)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The x-amz-object-attributes header specifying the attributes to be "
                       "retrieved is either "
                       "missing or empty");
    return e;
}

static enum s3err limit_header(struct s3_req *q, const char *name, uint64_t max, uint64_t none,
                               uint64_t *ret)
{
    struct str v = s3_req_option(q, str_c(name));
    *ret = none;
    if (v.n > 0 && str_u64(v, INT32_MAX, ret) < 0)
        return s3_err_arg(q, "Argument must be an integer between 0 and 2147483647", name, v);
    *ret = MIN(*ret, max);
    return S3ERR_OK;
}

static void checksum_text_element(struct buf *b, const struct s3_checksum *c)
{
    char text[S3_CK_TEXT_MAX];
    size_t n = s3_checksum_text(c, 0, text); /* composite too: without its -N here */
    s3_xml_text(b, s3_checksum_info(c->alg)->element, str_of(text, n));
}

struct parts_range {
    uint64_t marker, max;
};

static void part_elements(struct buf *b, const struct s3_object *o, const struct parts_range *range)
{
    uint64_t given = 0, last = range->marker;
    size_t i = 0;
    while (i < o->nparts && o->parts[i].number <= range->marker)
        i++;
    size_t first = i;
    for (; i < o->nparts && given < range->max; i++, given++)
        last = o->parts[i].number;
    s3_xml_u64(b, "PartNumberMarker", range->marker);
    s3_xml_u64(b, "NextPartNumberMarker", last);
    s3_xml_u64(b, "MaxParts", range->max);
    s3_xml_bool(b, "IsTruncated", i < o->nparts);
    for (size_t k = first; k < i; k++) {
        s3_xml_open(b, "Part");
        s3_xml_u64(b, "PartNumber", o->parts[k].number);
        s3_xml_u64(b, "Size", o->parts[k].size);
        if (o->parts[k].checksum.alg != S3_CK_NONE)
            checksum_text_element(b, &o->parts[k].checksum);
        s3_xml_close(b, "Part");
    }
}

static void parts_element(struct buf *b, const struct s3_object *o, const struct parts_range *range)
{
    if (o->nparts == 0)
        return;
    s3_xml_open(b, "ObjectParts");
    s3_xml_u64(b, "PartsCount", o->nparts);
    /* Differs: AWS lists parts of COMPOSITE uploads only; Ceph always */
    if (o->checksum.alg != S3_CK_NONE && o->checksum.type == S3_CK_COMPOSITE)
        part_elements(b, o, range);
    s3_xml_close(b, "ObjectParts");
}

static enum s3err answer(struct s3_req *q, const struct s3_object *o, unsigned wanted,
                         const struct parts_range *range)
{
    s3_resp_time(q, "Last-Modified", o->mtime_ms);
    struct buf *b = s3_answer_open(q, "GetObjectAttributesResponse");
    if (wanted & ETAG) {
        char text[S3_ETAG_TEXT_MAX];
        size_t n = s3_etag_format(&o->etag, text);
        s3_xml_text(b, "ETag", str_of(text + 1, n - 2)); /* the one place without quotes */
    }
    if (wanted & CHECKSUM && o->checksum.alg != S3_CK_NONE) {
        s3_xml_open(b, "Checksum");
        checksum_text_element(b, &o->checksum);
        s3_xml_text(b, "ChecksumType", s3_checksum_type_name(o->checksum.type));
        s3_xml_close(b, "Checksum");
    }
    if (wanted & PARTS)
        parts_element(b, o, range);
    if (wanted & CLASS)
        s3_xml_text(b, "StorageClass", o->storage_class.n ? o->storage_class : STR("STANDARD"));
    if (wanted & SIZE)
        s3_xml_u64(b, "ObjectSize", o->size);
    return s3_answer_close(q, "GetObjectAttributesResponse");
}

/* The row of the operation asks for the attributes' own permission; that to read is needed beside it. */
static const char *reading(const struct s3_req *q)
{
    return s3_req_has_param(q, STR("versionId")) ? "s3:GetObjectVersion" : "s3:GetObject";
}

enum s3err s3_h_get_object_attributes(struct s3_req *q)
{
    unsigned wanted;
    struct parts_range range;
    struct s3_object o;
    uint8_t *dek;
    enum s3err e = s3_policy_allows(q, q->bkt, q->key, reading(q));
    if (e == S3ERR_OK)
        e = wanted_of(q, &wanted);
    if (e == S3ERR_OK)
        e = limit_header(q, "x-amz-max-parts", 1000, 1000, &range.max);
    if (e == S3ERR_OK)
        e = limit_header(q, "x-amz-part-number-marker", INT32_MAX, 0, &range.marker);
    if (e == S3ERR_OK)
        e = s3_object_read_options(q);
    if (e == S3ERR_OK)
        e = s3_encryption_check_read(q, S3_OPEN_OBJECT);
    if (e == S3ERR_OK)
        e = s3_lookup_said(q, true, &o);
    if (e == S3ERR_OK)
        e = s3_policy_allows_here(q, &o, reading(q));
    if (e == S3ERR_OK)
        e = s3_encryption_open(q, &o, S3_OPEN_OBJECT, false, &dek);
    if (e == S3ERR_OK) /* of these headers the reference speaks, though no SDK has them here */
        e = s3_precond_read(q, &o.etag, o.mtime_ms);
    if (e == S3ERR_NOT_MODIFIED) {
        s3_resp_etag(q, &o.etag);
        s3_resp_time(q, "Last-Modified", o.mtime_ms);
    }
    return e == S3ERR_OK ? answer(q, &o, wanted, &range) : e;
}
