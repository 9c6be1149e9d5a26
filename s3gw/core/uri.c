/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/uri.h"

#include "dfscore/fileid/fileid.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/names.h"

int s3_uri_decode(struct arena *a, struct str s, bool plus, struct str *ret)
{
    size_t first = 0;
    while (first < s.n && s.p[first] != '%' && !(plus && s.p[first] == '+'))
        first++;
    if (first == s.n) {
        *ret = s;
        return 0;
    }
    char *out = arena_alloc(a, s.n + 1);
    if (!out)
        return -ENOMEM;
    memcpy(out, s.p, first);
    size_t n = first;
    for (size_t i = first; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            if (s.n - i < 3)
                return -EINVAL;
            int hi = str_hexval(s.p[i + 1]), lo = str_hexval(s.p[i + 2]);
            if (hi < 0 || lo < 0)
                return -EINVAL;
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[n++] = c;
    }
    *ret = str_of(out, n);
    return 0;
}

static bool unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void s3_uri_encode(struct buf *out, struct str s, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    char *to = s.n ? buf_room(out, 3 * s.n) : NULL;
    if (!to)
        return;
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (unreserved(c) || (c == '/' && keep_slash)) {
            to[n++] = c;
            continue;
        }
        to[n++] = '%';
        to[n++] = digits[(uint8_t)c >> 4];
        to[n++] = digits[(uint8_t)c & 15];
    }
    buf_used(out, n);
}

static enum s3err invalid(struct s3_req *q, struct str uri)
{
    return s3_err(q, S3ERR_INVALID_URI, "URI", str_head(uri, 2048));
}

/* The absolute form, "http://host/path", which every HTTP/1.1 server must accept (RFC 9112, 3.2.2).
 */
static struct str without_authority(struct s3_req *q, struct str target)
{
    size_t skip = str_istarts(target, STR("http://"))    ? 7
                  : str_istarts(target, STR("https://")) ? 8
                                                         : 0;
    if (!skip)
        return target;
    struct str rest = str_from(target, skip);
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?')
        end++;
    q->host = str_head(rest, end);
    return end == rest.n ? STR("/") : str_from(rest, end);
}

static enum s3err parse_query(struct s3_req *q)
{
    if (!q->raw_query.n)
        return S3ERR_OK;
    size_t most = 1;
    for (size_t i = 0; i < q->raw_query.n; i++)
        most += q->raw_query.p[i] == '&';
    q->params = arena_alloc(&q->arena, most * sizeof(*q->params));
    if (!q->params)
        return S3ERR_SLOW_DOWN;
    struct str rest = q->raw_query, piece;
    while (str_split(&rest, '&', &piece)) {
        if (!piece.n)
            continue;
        struct s3_pair *p = &q->params[q->nparams];
        struct str name, value;
        bool has_value = str_cut(piece, '=', &name, &value);
        int r = s3_uri_decode(&q->arena, name, true, &p->name);
        if (r == 0 && has_value)
            r = s3_uri_decode(&q->arena, value, true, &p->value);
        if (r < 0)
            return r == -ENOMEM ? S3ERR_SLOW_DOWN : invalid(q, q->raw_query);
        q->nparams++;
    }
    return S3ERR_OK;
}

enum s3err s3_uri_parse(struct s3_req *q, struct str target)
{
    target = without_authority(q, target);
    str_cut(target, '?', &q->raw_path, &q->raw_query);
    if (!q->raw_path.n || q->raw_path.p[0] != '/')
        return invalid(q, target);
    /* A raw '+' in the path: a space, as at AWS. Differs: a plus at most other servers; SDKs send
     * neither. */
    int r = s3_uri_decode(&q->arena, q->raw_path, true, &q->path);
    if (r == -ENOMEM)
        return S3ERR_SLOW_DOWN;
    if (r < 0 || !str_utf8_ok(q->path) || str_chr(q->path, '\0') != SIZE_MAX)
        return invalid(q, q->raw_path);
    return parse_query(q);
}

/* Host without port; brackets of IPv6 stay. */
static struct str host_name(struct str host)
{
    size_t end = host.n;
    if (host.n && host.p[0] == '[') {
        end = str_chr(host, ']');
        return end == SIZE_MAX ? host : str_head(host, end + 1);
    }
    size_t colon = str_chr(host, ':');
    struct str name = str_head(host, MIN(end, colon));
    return name.n && name.p[name.n - 1] == '.' ? str_head(name, name.n - 1)
                                               : name; /* a rooted name */
}

/* The longest of these domains that the host is, or is below; SIZE_MAX: none. */
static size_t domain_of(struct str host, const struct str *domains, size_t n)
{
    for (size_t i = 0; i < n; i++) { /* longest first */
        struct str domain = domains[i];
        size_t before = host.n - domain.n;
        if (host.n >= domain.n && str_ieq(str_from(host, before), domain) &&
            (before == 0 || (before > 1 && host.p[before - 1] == '.')))
            return i;
    }
    return SIZE_MAX;
}

/* What is in front of the domain that fits best; absent: no such host, or the domain itself. */
static struct str host_bucket(struct s3_req *q)
{
    struct str host = host_name(q->host), domain = STR_NULL;
    size_t api = domain_of(host, q->gw->domains, q->gw->ndomains);
    size_t website = domain_of(host, q->gw->websites, q->gw->nwebsites);
    if (api != SIZE_MAX)
        domain = q->gw->domains[api];
    if (website != SIZE_MAX && q->gw->websites[website].n > domain.n) {
        q->website = true;
        domain = q->gw->websites[website];
    }
    if (!domain.p || host.n == domain.n)
        return STR_NULL;
    return str_head(host, host.n - domain.n - 1);
}

static bool lower(struct arena *a, struct str s, struct str *ret)
{
    *ret = arena_str(a, s);
    for (size_t i = 0; ret->p && i < s.n; i++)
        if (s.p[i] >= 'A' && s.p[i] <= 'Z')
            ((char *)ret->p)[i] = (char)(s.p[i] - 'A' + 'a');
    return ret->p != NULL;
}

/* An unsigned GET or HEAD of a file id, of a group that is open for such. */
static bool names_native_file(const struct s3_req *q, struct str path)
{
    struct dfs_fileid f;
    if (q->gw->nnative == 0 || (q->method != S3_GET && q->method != S3_HEAD) ||
        dfs_fileid_parse(path, &f) < 0 || s3_req_header(q, STR("authorization")).p ||
        s3_req_has_param(q, STR("X-Amz-Signature")) || s3_req_has_param(q, STR("Signature")))
        return false;
    for (size_t i = 0; i < q->gw->nnative; i++)
        if (str_eq(q->gw->native[i].group, f.group))
            return true;
    return false;
}

enum s3err s3_uri_address(struct s3_req *q)
{
    struct str path = str_from(q->path, 1); /* parse() saw the slash */
    struct str bucket = host_bucket(q), key = path;
    if (q->website)
        q->nparams = 0;
    if (!bucket.p && !q->website && names_native_file(q, path)) {
        q->native_id = path;
        return S3ERR_OK;
    }
    if (bucket.p) {
        q->virtual_host = true;
        if (!lower(&q->arena, bucket, &bucket)) /* DNS knows no case, names are lower case */
            return S3ERR_SLOW_DOWN;
    } else if (q->website) {
        return s3_errm(q, S3ERR_INVALID_REQUEST, "Request does not contain a bucket name.");
    } else {
        if (!path.n)
            return S3ERR_OK; /* service level */
        str_cut(path, '/', &bucket, &key);
    }
    if (!s3_name_bucket_ok(bucket))
        return s3_err(q, S3ERR_INVALID_BUCKET_NAME, "BucketName", bucket);
    q->bucket = bucket;
    if (!key.n)
        return S3ERR_OK;
    if (key.n > S3_KEY_MAX) {
        char size[24];
        snprintf(size, sizeof(size), "%zu", key.n);
        return s3_err2(q, S3ERR_KEY_TOO_LONG_ERROR, "Size", str_c(size), "MaxSizeAllowed",
                       STR("1024"));
    }
    q->key = key;
    return S3ERR_OK;
}

int s3_uri_copy_source(struct arena *a, struct str header, struct str *ret_bucket,
                       struct str *ret_key, struct str *ret_version)
{
    struct str path, query, bucket, key, version = STR_NULL;
    str_cut(header, '?', &path, &query);
    if (query.p) {
        if (!str_starts(query, STR("versionId=")) || str_chr(query, '&') != SIZE_MAX)
            return -EINVAL;
        int r = s3_uri_decode(a, str_from(query, 10), false, &version);
        if (r < 0)
            return r;
    }
    /* Differs: a '+' is a space, as at AWS and in a path; some servers keep the plus. SDKs escape
     * both; s5cmd sends a plus for a space. */
    int r = s3_uri_decode(a, path, true, &path);
    if (r < 0)
        return r;
    if (path.n && path.p[0] == '/')
        path = str_from(path, 1);
    if (!str_cut(path, '/', &bucket, &key) || !s3_name_bucket_ok(bucket) || !s3_name_key_ok(key))
        return -EINVAL;
    *ret_bucket = bucket;
    *ret_key = key;
    *ret_version = version;
    return 0;
}
