/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts are divided by CRLF "--" boundary. `matched` bytes of that delimiter have been seen and
 * held back; when the next byte does not continue it, the held bytes were data after all, and are
 * given out from the delimiter itself, which holds the same. A failed match can only begin anew at
 * this very byte, because CR occurs in the delimiter nowhere but in front.
 *
 *   BODY    content of a part, or what precedes the first (which starts as if a CRLF had gone
 *           before)
 *   AFTER   behind a delimiter: CRLF opens a part, "--" ends the form
 *   HEAD    header lines of a part, kept in `head`
 *   END     whatever follows is ignored (RFC 2046: the epilogue)
 */
#include "s3gw/core/form.h"

enum state { BODY, AFTER, HEAD, END, DEAD };
enum part { PREAMBLE, FIELD, FILE_PART, IGNORED };

enum { BOUNDARY_MAX = 70, HEAD_MAX = 4096 }; /* RFC 2046 5.1.1 */
_Static_assert(BOUNDARY_MAX + 4 == S3_FORM_HELD_MAX, "a delimiter is what is held back");

struct s3_form {
    unsigned magic;
#define FORM_MAGIC 0x6f0a3c55u
    struct s3_req *q;
    struct s3_form_out out;
    enum state state;
    enum part part;
    size_t matched; /* of delimiter; < delimiter_n */
    size_t delimiter_n;
    char delimiter[BOUNDARY_MAX + 4];
    char after[2];
    size_t after_n;
    bool had_file;
    struct str filename;
    struct buf head, value;
    struct str name;        /* of the field being read */
    size_t bytes;           /* of fields so far */
    struct s3_pair *fields; /* arena */
    size_t nfields;
};

/* --- header parameters --- */

/* Up to ';' outside quotes. */
static struct str next_parameter(struct str *rest)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < rest->n; i++) {
        char c = rest->p[i];
        if (c == '\\' && quoted && i + 1 < rest->n)
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == ';' && !quoted)
            break;
    }
    struct str piece = str_head(*rest, i);
    *rest = i < rest->n ? str_from(*rest, i + 1) : STR_NULL;
    return piece;
}

static struct str unquoted(struct arena *a, struct str s)
{
    if (s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"')
        return arena_str(a, s);
    struct str out = arena_str(a, str_of(s.p + 1, s.n - 2));
    if (!out.p)
        return out;
    char *p = (char *)(uintptr_t)out.p;
    size_t n = 0;
    for (size_t i = 0; i < out.n; i++) {
        /* Browsers send \" for a quote, and a lone \ in Windows paths, which must stay. */
        if (p[i] == '\\' && i + 1 < out.n && (p[i + 1] == '"' || p[i + 1] == '\\'))
            i++;
        p[n++] = p[i];
    }
    return str_of(p, n);
}

/* Parameter of a header such as Content-Type or Content-Disposition, its quotes and escapes taken off.
 * Absent: not there. Arena. */
static struct str parameter(struct arena *a, struct str header, struct str name)
{
    struct str rest = header;
    (void)next_parameter(&rest); /* the value itself */
    while (rest.p) {
        struct str key, value, piece = next_parameter(&rest);
        if (str_cut(piece, '=', &key, &value) && str_ieq(str_trim(key), name))
            return unquoted(a, str_trim(value));
    }
    return STR_NULL;
}

/* --- life --- */

enum s3err s3_form_boundary(struct s3_req *q, struct str *ret)
{
    struct str type = s3_req_header(q, STR("content-type")), rest = type;
    if (!type.p || !str_ieq(str_trim(next_parameter(&rest)), STR("multipart/form-data")))
        return s3_err(q, S3ERR_PRECONDITION_FAILED, "Condition",
                      STR("Bucket POST must be of the enclosure-type multipart/form-data"));
    struct str boundary = parameter(&q->arena, type, STR("boundary"));
    if (!boundary.n || boundary.n > BOUNDARY_MAX || str_chr(boundary, '\r') != SIZE_MAX)
        return S3ERR_MALFORMED_POST_REQUEST;
    *ret = boundary;
    return S3ERR_OK;
}

enum s3err s3_form_new(struct s3_req *q, const struct s3_form_out *out, struct s3_form **ret)
{
    struct str boundary;
    enum s3err e = s3_form_boundary(q, &boundary);
    if (e != S3ERR_OK)
        return e;
    AUTO(s3_form_free) struct s3_form *f = dfs_zalloc(sizeof(*f));
    if (!f)
        return S3ERR_SLOW_DOWN;
    f->magic = FORM_MAGIC;
    f->q = q;
    f->out = *out;
    f->head = BUF(HEAD_MAX);
    f->value = BUF(S3_FORM_FIELDS_MAX);
    f->fields = arena_alloc(&q->arena, S3_FORM_FIELD_COUNT_MAX * sizeof(*f->fields));
    if (!f->fields)
        return S3ERR_SLOW_DOWN;
    memcpy(f->delimiter, "\r\n--", 4);
    memcpy(f->delimiter + 4, boundary.p, boundary.n);
    f->delimiter_n = 4 + boundary.n;
    f->matched = 2; /* the first delimiter stands at the very start */
    *ret = TAKE(f);
    return S3ERR_OK;
}

void s3_form_free(struct s3_form **fp)
{
    struct s3_form *f = TAKE(*fp);
    if (!f)
        return;
    CHECK_OBJ(f, FORM_MAGIC);
    buf_free(&f->head);
    buf_free(&f->value);
    f->magic = 0;
    free(f);
}

const struct s3_pair *s3_form_fields(const struct s3_form *f, size_t *ret_n)
{
    *ret_n = f->nfields;
    return f->fields;
}

struct str s3_form_filename(const struct s3_form *f)
{
    return f->filename;
}

/* --- parts --- */

static enum s3err content(struct s3_form *f, struct str piece)
{
    if (!piece.n)
        return S3ERR_OK;
    switch (f->part) {
    case FIELD:
        if (piece.n > S3_FORM_FIELDS_MAX - f->bytes)
            return S3ERR_MAX_POST_PRE_DATA_LENGTH_EXCEEDED_ERROR;
        f->bytes += piece.n;
        buf_adds(&f->value, piece);
        return buf_err(&f->value) ? S3ERR_SLOW_DOWN : S3ERR_OK;
    case FILE_PART:
        return f->out.data(f->out.arg, piece);
    case PREAMBLE:
    case IGNORED:
        break;
    }
    return S3ERR_OK;
}

static enum s3err part_ends(struct s3_form *f)
{
    if (f->part != FIELD)
        return S3ERR_OK;
    if (f->nfields == S3_FORM_FIELD_COUNT_MAX)
        return S3ERR_MAX_POST_PRE_DATA_LENGTH_EXCEEDED_ERROR;
    struct str value = arena_str(&f->q->arena, buf_str(&f->value));
    if (!value.p)
        return S3ERR_SLOW_DOWN;
    f->fields[f->nfields++] = (struct s3_pair){f->name, value};
    buf_reset(&f->value);
    return S3ERR_OK;
}

static enum s3err one_file(struct s3_form *f)
{
    return s3_err_arg(f->q, "POST requires exactly one file upload per request.", "file",
                      f->had_file ? STR("2") : STR("0"));
}

/* The header lines are complete: what is this part? PENDING: the file. */
static enum s3err part_begins(struct s3_form *f)
{
    struct str lines = buf_str(&f->head), line, key, value, disposition = STR_NULL;
    while (str_split(&lines, '\n', &line))
        if (str_cut(line, ':', &key, &value) && str_ieq(str_trim(key), STR("content-disposition")))
            disposition = str_ends(value, STR("\r")) ? str_head(value, value.n - 1) : value;
    f->name = disposition.p ? parameter(&f->q->arena, disposition, STR("name")) : STR_NULL;
    if (!f->name.p)
        return S3ERR_MALFORMED_POST_REQUEST;
    bool is_file = str_ieq(f->name, STR("file"));
    if (f->had_file) {
        f->part = IGNORED;
        return is_file ? one_file(f) : S3ERR_OK;
    }
    f->part = is_file ? FILE_PART : FIELD;
    if (!is_file) {
        if (f->name.n > S3_FORM_FIELDS_MAX - f->bytes)
            return S3ERR_MAX_POST_PRE_DATA_LENGTH_EXCEEDED_ERROR;
        f->bytes += f->name.n;
        return S3ERR_OK;
    }
    f->had_file = true;
    f->filename = parameter(&f->q->arena, disposition, STR("filename"));
    if (!f->filename.p)
        f->filename = STR("");
    return S3ERR_PENDING;
}

/* --- bytes --- */

/* Content up to the delimiter. */
static enum s3err take_body(struct s3_form *f, struct str *in)
{
    size_t start = 0, i = 0;
    enum s3err e = S3ERR_OK;
    while (i < in->n && e == S3ERR_OK) {
        if (f->matched == 0) { /* nothing held: run to the next CR */
            size_t cr = str_chr(str_from(*in, i), '\r');
            if (cr == SIZE_MAX) {
                i = in->n;
                break;
            }
            i += cr;
            e = content(f, str_of(in->p + start, i - start));
            start = i;
        }
        if (in->p[i] == f->delimiter[f->matched]) {
            f->matched++;
            start = ++i;
            if (f->matched < f->delimiter_n)
                continue;
            f->matched = 0;
            f->after_n = 0;
            f->state = AFTER;
            *in = str_from(*in, i);
            return e ? e : part_ends(f);
        }
        if (f->part == PREAMBLE && f->matched == 2) { /* the made-up CRLF was no data */
            f->matched = 0;
            continue;
        }
        e = e ? e : content(f, str_of(f->delimiter, f->matched));
        f->matched = 0;
    }
    if (e == S3ERR_OK && f->matched == 0)
        e = content(f, str_of(in->p + start, i - start));
    *in = str_from(*in, in->n);
    return e;
}

static enum s3err take_after(struct s3_form *f, struct str *in)
{
    char c = in->p[0];
    *in = str_from(*in, 1);
    if (f->after_n == 0 && (c == ' ' || c == '\t'))
        return S3ERR_OK; /* transport padding */
    f->after[f->after_n++] = c;
    if (f->after_n < 2)
        return c == '\r' || c == '-' ? S3ERR_OK : S3ERR_MALFORMED_POST_REQUEST;
    bool last = f->after[0] == '-';
    if (c != (last ? '-' : '\n'))
        return S3ERR_MALFORMED_POST_REQUEST;
    f->state = last ? END : HEAD;
    buf_reset(&f->head);
    return S3ERR_OK;
}

/* Header lines up to an empty one. */
static enum s3err take_head(struct s3_form *f, struct str *in)
{
    size_t lf = str_chr(*in, '\n');
    size_t n = lf == SIZE_MAX ? in->n : lf + 1;
    buf_add(&f->head, in->p, n);
    *in = str_from(*in, n);
    if (buf_err(&f->head))
        return buf_err(&f->head) == -E2BIG ? S3ERR_MALFORMED_POST_REQUEST : S3ERR_SLOW_DOWN;
    struct str head = buf_str(&f->head);
    if (lf == SIZE_MAX || (!str_eq(head, STR("\r\n")) && !str_ends(head, STR("\n\r\n"))))
        return S3ERR_OK;
    f->state = BODY;
    f->matched = 0;
    return part_begins(f);
}

enum s3err s3_form_push(struct s3_form *f, struct str *in)
{
    CHECK_OBJ(f, FORM_MAGIC);
    ASSERT(f->state != DEAD);
    enum s3err e = S3ERR_OK;
    while (in->n && e == S3ERR_OK && f->state != END) {
        if (f->state == BODY)
            e = take_body(f, in);
        else if (f->state == AFTER)
            e = take_after(f, in);
        else
            e = take_head(f, in);
    }
    if (f->state == END)
        *in = str_from(*in, in->n);
    if (e != S3ERR_OK && e != S3ERR_PENDING)
        f->state = DEAD;
    return e;
}

enum s3err s3_form_finish(struct s3_form *f)
{
    CHECK_OBJ(f, FORM_MAGIC);
    ASSERT(f->state != DEAD);
    if (f->state != END)
        return S3ERR_MALFORMED_POST_REQUEST;
    return f->had_file ? S3ERR_OK : one_file(f);
}
