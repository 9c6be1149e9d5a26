/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/ops.h"

#include "s3gw/api/handlers.h"
#include "s3gw/core/names.h"

/* The body column: how it is read; whether checksums in the head are the object's instead; whether policies
 * may ask for what is in it. */
#define BODY_NONE   S3_BODY_NONE, false, false
#define BODY_EMPTY  S3_BODY_EMPTY, false, false
#define BODY_XML    S3_BODY_XML, false, false
#define BODY_STREAM S3_BODY_STREAM, false, false
#define BODY_FORM   S3_BODY_FORM, false, false
#define BODY_PARTS  S3_BODY_XML, true, false
#define BODY_ASKED  S3_BODY_XML, false, true

const struct s3_op s3_ops[] = {
#define S3OP(name, method, level, sub, header, action, vaction, body, where, bucket, handler)      \
    {#name,   S3_##method, S3_##level, sub,    header, action,                                     \
     vaction, BODY_##body, S3_##where, bucket, handler},
#include "s3gw/api/ops.def"
#undef S3OP
};
const size_t s3_nops = ARRAY_LEN(s3_ops);

const char *s3_method_name(enum s3_method m)
{
    static const char *const names[] = {
        [S3_GET] = "GET",   [S3_HEAD] = "HEAD",     [S3_PUT] = "PUT",
        [S3_POST] = "POST", [S3_DELETE] = "DELETE", [S3_OPTIONS] = "OPTIONS"};
    return m < ARRAY_LEN(names) ? names[m] : "OTHER";
}

/* Query names that belong to subresources without being one by themselves: they may accompany any.
 */
static const char *const companions[] = {"versionId", "partNumber"};

/* "analytics&id" -> "analytics"; "list-type=2" -> none, a switch and not a resource */
static struct str subresource_name(const struct s3_op *op)
{
    if (!op->subresource || strchr(op->subresource, '='))
        return STR_NULL;
    struct str head, tail;
    (void)str_cut(str_c(op->subresource), '&', &head, &tail);
    return head;
}

static bool subresource_given(const struct s3_req *q, const struct s3_op *op)
{
    if (!op->subresource)
        return true;
    if (q->nparams == 0)
        return false;
    struct str rest = str_c(op->subresource), piece;
    while (str_split(&rest, '&', &piece)) {
        struct str name, value;
        if (!str_cut(piece, '=', &name, &value)) {
            if (!s3_req_has_param(q, name))
                return false;
        } else if (!str_eq(s3_req_param(q, name), value)) {
            return false;
        }
    }
    return true;
}

static bool presigned(const struct s3_req *q)
{
    return s3_req_has_param(q, STR("X-Amz-Signature")) || s3_req_has_param(q, STR("Signature"));
}

/* s3_req_option() asks auth's verdict, which does not exist yet while routing. */
static bool option_given(const struct s3_req *q, struct str name)
{
    if (s3_req_header(q, name).p)
        return true;
    if (!presigned(q))
        return false;
    for (size_t i = 0; i < q->nparams; i++)
        if (str_ieq(q->params[i].name, name))
            return true;
    return false;
}

static enum s3_level level_of(const struct s3_req *q)
{
    if (q->website)
        return S3_WEBSITE;
    if (q->native_id.p)
        return S3_NATIVE;
    return q->key.p ? S3_OBJECT : q->bucket.p ? S3_BUCKET : S3_SERVICE;
}

static enum s3err not_allowed(struct s3_req *q, enum s3_level level, struct str sub)
{
    AUTO(buf_free) struct buf allow = BUF(64);
    unsigned seen = 0;
    for (size_t i = 0; i < s3_nops; i++) {
        const struct s3_op *op = &s3_ops[i];
        struct str name = subresource_name(op);
        if (op->level != level || seen & 1u << op->method || !str_eq(name, sub))
            continue;
        seen |= 1u << op->method;
        buf_addf(&allow, "%s%s", allow.n ? ", " : "", s3_method_name(op->method));
    }
    if (level == S3_OBJECT && str_eq(sub, STR("logging")))
        return S3ERR_NO_LOGGING_STATUS_FOR_KEY;
    /* A list of uploads is asked of the bucket; AWS takes GET key?uploads for a mistake, not for a
     * method. */
    bool list_of_key = level == S3_OBJECT && q->method == S3_GET && str_eq(sub, STR("uploads"));
    if (!seen || list_of_key)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "There is no such thing as the ?" STR_F " sub-resource here", STR_A(sub));
    s3_resp_header(q, "Allow", buf_str(&allow));
    static const char *const types[] = {[S3_SERVICE] = "SERVICE",
                                        [S3_BUCKET] = "BUCKET",
                                        [S3_OBJECT] = "OBJECT",
                                        [S3_WEBSITE] = "WEBSITE",
                                        [S3_NATIVE] = "FILE"};
    return s3_err2(q, S3ERR_METHOD_NOT_ALLOWED, "Method", q->method_name, "ResourceType",
                   sub.p ? sub : str_c(types[level]));
}

/* Is it a subresource of anything? Level does not matter: ?lifecycle on a key must not be a plain
 * GET. */
static bool known_subresource(struct str name)
{
    for (size_t i = 0; i < s3_nops; i++) { /* every parameter of every request comes here: quick */
        const char *sub = s3_ops[i].subresource;
        if (sub && name.n && sub[0] == name.p[0] && str_eq(subresource_name(&s3_ops[i]), name))
            return true;
    }
    return false;
}

static const struct s3_op *find(const struct s3_req *q, enum s3_level level)
{
    for (size_t i = 0; i < s3_nops; i++) {
        const struct s3_op *op = &s3_ops[i];
        if (op->method == q->method && op->level == level && subresource_given(q, op) &&
            (!op->header || option_given(q, str_c(op->header))))
            return op;
    }
    return NULL;
}

static bool is_companion(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(companions); i++)
        if (str_eq(name, str_c(companions[i])))
            return true;
    return false;
}

/* Every subresource in the query must be the one that was chosen. */
static enum s3err check_subresources(struct s3_req *q, enum s3_level level, const struct s3_op *op)
{
    struct str chosen = op ? subresource_name(op) : STR_NULL;
    for (size_t i = 0; i < q->nparams; i++) {
        struct str name = q->params[i].name;
        if (is_companion(name) || str_eq(name, chosen) || !known_subresource(name))
            continue;
        if (!chosen.p)
            return not_allowed(q, level, name);
        struct str both =
            arena_printf(&q->arena, "Conflicting query string parameters: " STR_F ", " STR_F,
                         STR_A(chosen), STR_A(name));
        return s3_err_arg(q, both.p ? both.p : "Conflicting query string parameters",
                          "ResourceType", chosen);
    }
    return S3ERR_OK;
}

/* What is destroyed must be what was meant: DELETE bucket/?versionId=x was for a version of a key whose name got lost,
 * DELETE key?partNumber=1 for a part of an upload. */
static enum s3err check_companions(struct s3_req *q, const struct s3_op *op)
{
    if (op->level != S3_OBJECT && op->level != S3_BUCKET)
        return S3ERR_OK;
    if (s3_req_has_param(q, STR("versionId"))) {
        struct str v = s3_req_param(q, STR("versionId"));
        if (!op->version_action)
            return s3_err_arg(q, "This operation does not accept a version-id.", "versionId", v);
        if (v.n == 0)
            return s3_err_arg(q, "Version id cannot be the empty string", "versionId", v);
    }
    if (op->method == S3_GET || op->method == S3_HEAD || op->method == S3_OPTIONS)
        return S3ERR_OK; /* of an object it names a part */
    bool number = s3_req_has_param(q, STR("partNumber"));
    bool wanted = op->method == S3_PUT && str_eq(subresource_name(op), STR("uploadId"));
    if (number == wanted)
        return S3ERR_OK;
    return number ? s3_err_arg(q, "This operation does not accept a part number.", "partNumber",
                               s3_req_param(q, STR("partNumber")))
                  : s3_err_arg(q, "uploadId without partNumber", "uploadId",
                               s3_req_param(q, STR("uploadId")));
}

/*
 * Headers that change what a write does, or whether, the operations that heed them, and what may follow the beginning
 * (absent: anything). To the others they are refused rather than ignored, and so is a name that is none: a condition
 * nobody judges, a lock or a key nobody knows, is worse than an error.
 */
static const struct {
    struct str begins;
    const char *by[6]; /* "*": any; whom they concern looks at them */
    const char *ends;
} heeded[] = {
    {STR_INIT("if-"),
     {"PutObject", "AppendObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject",
      "RenameObject"},
     "match none-match modified-since unmodified-since range"},
    {STR_INIT("x-amz-if-match-"), {NULL}, NULL}, /* of directory buckets */
    /* A part of an object for the whole of it: RFC 9110, 14.5. Uploaders in browsers send it with parts of uploads. */
    {STR_INIT("content-range"), {"UploadPart"}, ""},
    {STR_INIT("x-amz-copy-source-range"), {"UploadPartCopy"}, ""},
    {STR_INIT("x-amz-copy-source-"),
     {"CopyObject", "UploadPartCopy"},
     "if-match if-none-match if-modified-since if-unmodified-since "
     "server-side-encryption-customer-algorithm server-side-encryption-customer-key "
     "server-side-encryption-customer-key-md5"},
    {STR_INIT("x-amz-rename-source"),
     {"RenameObject"},
     " -if-match -if-none-match -if-modified-since -if-unmodified-since"},
    {STR_INIT("x-amz-write-offset-bytes"), {"AppendObject"}, ""},
    {STR_INIT("x-amz-mp-object-size"), {"CompleteMultipartUpload"}, ""},
    {STR_INIT("x-amz-checksum-type"),
     {"PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload"},
     ""},
    {STR_INIT("x-amz-object-lock-event-hold"), {NULL}, NULL}, /* and its duration */
    {STR_INIT("x-amz-object-lock-"),
     {"PutObject", "AppendObject", "CopyObject", "CreateMultipartUpload"},
     "mode retain-until-date legal-hold"},
    {STR_INIT("x-amz-server-side-encryption-"),
     {"*"},
     "aws-kms-key-id context bucket-key-enabled customer-algorithm customer-key customer-key-md5"},
    {STR_INIT("x-amz-grant-"), {"*"}, "read write read-acp write-acp full-control"},
};

static bool is_word(const char *words, struct str s)
{
    struct str rest = str_c(words), word;
    while (str_split(&rest, ' ', &word))
        if (str_ieq(word, s))
            return true;
    return false;
}

static bool is_heeded(const char *op, struct str name)
{
    if (name.n < 3 || !strchr("cCiIxX", name.p[0]))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(heeded); i++) {
        if (!str_istarts(name, heeded[i].begins))
            continue;
        if (heeded[i].ends && !is_word(heeded[i].ends, str_from(name, heeded[i].begins.n)))
            return false;
        for (size_t k = 0; k < ARRAY_LEN(heeded[i].by) && heeded[i].by[k]; k++)
            if (strcmp(heeded[i].by[k], op) == 0 || strcmp(heeded[i].by[k], "*") == 0)
                return true;
        return false;
    }
    return true;
}

/*
 * How its bytes are encrypted is decided with the upload; a part, or the list of parts, cannot say otherwise, and who
 * believes it could would store in plain what was to be encrypted. Rule: AWS's answer to these headers of a part. (Its
 * class, ACL, tags, metadata: AWS passes over them there, as we do.)
 */
static bool is_for_create(const struct s3_op *op, struct str name)
{
    return op->method != S3_DELETE && str_eq(subresource_name(op), STR("uploadId")) &&
           str_istarts(name, STR("x-amz-server-side-encryption")) &&
           !str_istarts(name, STR("x-amz-server-side-encryption-customer-"));
}

/* Those that are lists may come in several lines: RFC 9110, 5.3. */
static bool is_list(struct str name)
{
    return str_istarts(name, STR("x-amz-meta-")) || str_ieq(name, STR("x-amz-object-attributes")) ||
           str_ieq(name, STR("x-amz-optional-object-attributes"));
}

/* Beside those of ours, of writes: what else is kept, or decides whether they happen, and is not joined. */
static bool is_single(struct str name)
{
    static const struct str others[] = {STR_INIT("content-type"), STR_INIT("content-md5"),
                                        STR_INIT("content-disposition"), STR_INIT("expires")};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (str_ieq(name, others[i]))
            return true;
    return str_istarts(name, STR("if-"));
}

/* Of two values that differ one would be ignored. */
static enum s3err check_alone(struct s3_req *q, size_t i, bool writes)
{
    const struct s3_pair *h = &q->headers[i];
    bool ours = str_istarts(h->name, STR("x-amz-")) && !is_list(h->name);
    if (!ours && !(writes && is_single(h->name)))
        return S3ERR_OK;
    for (size_t k = 0; k < i; k++)
        if (str_ieq(q->headers[k].name, h->name) && !str_eq(q->headers[k].value, h->value))
            return s3_errm(q, S3ERR_INVALID_REQUEST, "Expecting a single " STR_F " header.",
                           STR_A(h->name));
    return S3ERR_OK;
}

/* The checksum of what comes whole is of the whole: AWS's reference, PutObject. */
static bool is_checksum_of_parts(const char *op, const struct s3_pair *h)
{
    return strcmp(op, "PutObject") == 0 && str_ieq(h->name, STR("x-amz-checksum-type")) &&
           !str_ieq(h->value, STR("FULL_OBJECT"));
}

static enum s3err check_heeded(struct s3_req *q, const char *op, const struct s3_pair *h)
{
    if (!is_heeded(op, h->name))
        return s3_err(q, S3ERR_NOT_IMPLEMENTED, "Header", h->name);
    if (is_checksum_of_parts(op, h))
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Value for x-amz-checksum-type header is invalid.");
    return S3ERR_OK;
}

static enum s3err check_option(struct s3_req *q, const struct s3_op *op, const struct s3_pair *h)
{
    enum s3err e = check_heeded(q, op->name, h);
    if (e != S3ERR_OK || !is_for_create(op, h->name))
        return e;
    s3_err_message(q, STR_F " header is not supported for this operation.", STR_A(h->name));
    return s3_err2(q, S3ERR_INVALID_ARGUMENT, "ArgumentName", h->name, "ArgumentValue", h->value);
}

/* A presigned option: the header it stands for could say it, and it is said once. */
static enum s3err check_parameter(struct s3_req *q, size_t i)
{
    const struct s3_pair *p = &q->params[i];
    if (!s3_name_header_ok(p->name) || !s3_name_header_value_ok(p->value)) {
        s3_err_message(q, "The name or value of the parameter is not allowed in a header.");
        return s3_err2(q, S3ERR_INVALID_ARGUMENT, "ArgumentName", str_head(p->name, 256),
                       "ArgumentValue", STR(""));
    }
    for (size_t k = 0; k < i; k++)
        if (str_ieq(q->params[k].name, p->name) && !str_eq(q->params[k].value, p->value))
            return s3_errm(q, S3ERR_INVALID_REQUEST, "Expecting a single " STR_F " parameter.",
                           STR_A(p->name));
    return S3ERR_OK;
}

static enum s3err check_options(struct s3_req *q, const struct s3_op *op)
{
    bool writes = op->method == S3_PUT || op->method == S3_POST || op->method == S3_DELETE;
    bool heeds = writes && (op->level == S3_OBJECT || op->level == S3_BUCKET);
    enum s3err e = S3ERR_OK;
    for (size_t i = 0; i < q->nheaders && e == S3ERR_OK; i++) {
        e = heeds ? check_option(q, op, &q->headers[i]) : S3ERR_OK;
        if (e == S3ERR_OK)
            e = check_alone(q, i, writes);
    }
    for (size_t i = 0; i < q->nparams && presigned(q) && e == S3ERR_OK; i++) {
        if (!str_istarts(q->params[i].name, STR("x-amz-")))
            continue;
        e = check_parameter(q, i);
        if (e == S3ERR_OK && heeds)
            e = check_option(q, op, &q->params[i]);
    }
    return e;
}

enum s3err s3_route_form(struct s3_req *q)
{
    enum s3err e = S3ERR_OK;
    for (size_t i = 0; i < q->nheaders && e == S3ERR_OK; i++) {
        e = check_heeded(q, "PutObject", &q->headers[i]);
        if (e == S3ERR_OK)
            e = check_alone(q, i, true);
    }
    return e;
}

enum s3err s3_route(struct s3_req *q)
{
    enum s3_level level = level_of(q);
    const struct s3_op *op = find(q, level);
    enum s3err e = check_subresources(q, level, op);
    if (e != S3ERR_OK)
        return e;
    if (!op)
        return not_allowed(q, level, STR_NULL);
    e = check_companions(q, op);
    if (e != S3ERR_OK)
        return e;
    struct str copy = STR("x-amz-copy-source");
    if (option_given(q, copy) && !(op->header && str_eq(str_c(op->header), copy)))
        return s3_err_arg(q, "You can only specify a copy source header for copy requests.",
                          "x-amz-copy-source", s3_req_header(q, copy));
    e = op->level == S3_WEBSITE ? S3ERR_OK : check_options(q, op);
    if (e != S3ERR_OK)
        return e;
    q->op = op;
    return op->handle ? S3ERR_OK : S3ERR_NOT_IMPLEMENTED;
}
