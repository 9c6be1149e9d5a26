/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/precond.h"

#include "s3gw/core/httpdate.h"

enum { ETAGS_MAX = 64 }; /* in one header; more can only be an attack, and match nothing */

/*
 * Next of a list of ETags: quoted, quoted and weak (W/"x"), or bare as lenient clients send it.
 * False at the end.
 */
static bool next_etag(struct str *rest, struct str *ret, bool *weak)
{
    while (rest->n && (rest->p[0] == ',' || rest->p[0] == ' ' || rest->p[0] == '\t'))
        *rest = str_from(*rest, 1);
    if (!rest->n)
        return false;
    *weak = str_starts(*rest, STR("W/"));
    if (*weak)
        *rest = str_from(*rest, 2);
    size_t end;
    if (rest->n && rest->p[0] == '"') {
        end = str_chr(str_from(*rest, 1), '"');
        end = end == SIZE_MAX ? rest->n : end + 2;
        *ret = str_head(*rest, end);
    } else {
        end = MIN(str_chr(*rest, ','), rest->n);
        *ret = str_trim(str_head(*rest, end));
    }
    *rest = str_from(*rest, end);
    return true;
}

static bool list_has(struct str list, const struct s3_etag *etag, bool strong)
{
    if (str_eq(str_trim(list), STR("*")))
        return true;
    struct str item;
    struct s3_etag e;
    bool weak;
    for (int i = 0; i < ETAGS_MAX && next_etag(&list, &item, &weak); i++)
        if (!(weak && strong) && s3_etag_parse(item, &e) == 0 && s3_etag_eq(&e, etag))
            return true;
    return false;
}

/* Dates of the future and what is no date are ignored (s3-behaviours 13). */
static bool date_counts(const struct s3_req *q, struct str header, int64_t *ret_s)
{
    int64_t now_s = q->now_ms / 1000;
    return header.p && s3_httpdate_parse(header, now_s, ret_s) == 0 && *ret_s <= now_s;
}

struct names {
    struct str match, unmodified, none_match, modified;
};

static enum s3err failed(struct s3_req *q, enum s3err e, struct str name)
{
    return e == S3ERR_NOT_MODIFIED ? e : s3_err(q, e, "Condition", name);
}

/* Those of a source are moved into the query by who presigns. */
static struct str given(const struct s3_req *q, struct str name)
{
    return str_istarts(name, STR("x-amz-")) ? s3_req_option(q, name) : s3_req_header(q, name);
}

/* The order of RFC 9110, 13.2.2. Header seconds against ours, cut to seconds. */
static enum s3err judge(struct s3_req *q, const struct names *n, const struct s3_etag *etag,
                        int64_t mtime_ms, enum s3err not_modified)
{
    int64_t mtime = mtime_ms / 1000, date;
    struct str match = given(q, n->match), none = given(q, n->none_match);
    if (match.p) {
        if (!list_has(match, etag, true))
            return failed(q, S3ERR_PRECONDITION_FAILED, n->match);
    } else if (date_counts(q, given(q, n->unmodified), &date) && mtime > date) {
        return failed(q, S3ERR_PRECONDITION_FAILED, n->unmodified);
    }
    if (none.p) {
        if (list_has(none, etag, false))
            return failed(q, not_modified, n->none_match);
    } else if (date_counts(q, given(q, n->modified), &date) && mtime <= date) {
        return failed(q, not_modified, n->modified);
    }
    return S3ERR_OK;
}

enum s3err s3_precond_read(struct s3_req *q, const struct s3_etag *etag, int64_t mtime_ms)
{
    static const struct names n = {STR_INIT("If-Match"), STR_INIT("If-Unmodified-Since"),
                                   STR_INIT("If-None-Match"), STR_INIT("If-Modified-Since")};
    return judge(q, &n, etag, mtime_ms, S3ERR_NOT_MODIFIED);
}

enum s3err s3_precond_copy_source(struct s3_req *q, const struct s3_etag *etag, int64_t mtime_ms)
{
    static const struct names n = {STR_INIT("x-amz-copy-source-if-match"),
                                   STR_INIT("x-amz-copy-source-if-unmodified-since"),
                                   STR_INIT("x-amz-copy-source-if-none-match"),
                                   STR_INIT("x-amz-copy-source-if-modified-since")};
    return judge(q, &n, etag, mtime_ms, S3ERR_PRECONDITION_FAILED);
}

enum s3err s3_precond_rename_source(struct s3_req *q, const struct s3_etag *etag, int64_t mtime_ms)
{
    static const struct names n = {STR_INIT("x-amz-rename-source-if-match"),
                                   STR_INIT("x-amz-rename-source-if-unmodified-since"),
                                   STR_INIT("x-amz-rename-source-if-none-match"),
                                   STR_INIT("x-amz-rename-source-if-modified-since")};
    return judge(q, &n, etag, mtime_ms, S3ERR_PRECONDITION_FAILED);
}

bool s3_precond_if_range(const struct s3_req *q, const struct s3_etag *etag, int64_t mtime_ms)
{
    struct str v = s3_req_header(q, STR("If-Range"));
    int64_t date;
    if (!v.p)
        return true;
    if (s3_httpdate_parse(v, q->now_ms / 1000, &date) == 0)
        return date == mtime_ms / 1000;
    return !str_eq(v, STR("*")) && list_has(v, etag, true);
}

static enum s3err not_offered(struct s3_req *q, struct str header)
{
    return s3_err(q, S3ERR_NOT_IMPLEMENTED, "Header", header);
}

static enum s3err parse_if_match(struct s3_req *q, struct str list, struct s3_precond_write *w)
{
    w->has_if_match = true;
    w->if_match_any = str_eq(str_trim(list), STR("*"));
    if (w->if_match_any)
        return S3ERR_OK;
    size_t most = 1;
    for (size_t i = 0; i < list.n; i++)
        most += list.p[i] == ',';
    most = MIN(most, (size_t)ETAGS_MAX);
    w->if_match = arena_alloc(&q->arena, most * sizeof(*w->if_match));
    if (!w->if_match)
        return S3ERR_SLOW_DOWN;
    struct str item;
    bool weak;
    while (w->if_match_n < most && next_etag(&list, &item, &weak))
        if (!weak && s3_etag_parse(item, &w->if_match[w->if_match_n]) == 0)
            w->if_match_n++;
    if (!w->if_match_n) /* no object has this many parts: matches nothing */
        w->if_match[w->if_match_n++] = (struct s3_etag){.parts = UINT32_MAX};
    return S3ERR_OK;
}

enum s3err s3_precond_write(struct s3_req *q, struct s3_precond_write *ret)
{
    *ret = (struct s3_precond_write){0};
    struct str match = s3_req_header(q, STR("If-Match")),
               none = s3_req_header(q, STR("If-None-Match"));
    /* Differs: Ceph evaluates an ETag in If-None-Match on PUT; AWS, followed here, answers 501 to
     * these. */
    if (none.p && (match.p || !str_eq(str_trim(none), STR("*"))))
        return not_offered(q, STR("If-None-Match"));
    if (s3_req_header(q, STR("If-Modified-Since")).p)
        return not_offered(q, STR("If-Modified-Since"));
    if (s3_req_header(q, STR("If-Unmodified-Since")).p)
        return not_offered(q, STR("If-Unmodified-Since"));
    ret->if_none_match_any = none.p != NULL;
    return match.p ? parse_if_match(q, match, ret) : S3ERR_OK;
}
