/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_delete - DeleteObject and DeleteObjects.
 * Rule: s3-behaviours 13 (conditions), 17; Amazon S3 API Reference, DeleteObject, DeleteObjects.
 */
#include "s3gw/api/answer.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lock.h"
#include "s3gw/index/version.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/httpdate.h"
#include "s3gw/core/names.h"
#include "s3gw/policy/eval.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

enum { DELETE_MAX = 1000 };

static enum s3err version_named(struct s3_req *q, struct str id, struct s3_deletion *d)
{
    if (!id.p)
        return S3ERR_OK;
    d->by_version = true;
    d->bypass_governance = s3_may_bypass_governance(q, d->key, id);
    if (s3_version_id_parse(id, &d->version.null, &d->version.seq) < 0)
        return s3_err_arg(q, "Invalid version id specified", "versionId", id);
    return S3ERR_OK;
}

/* The name of what a deletion made or removed. */
static size_t version_gone(const struct s3_deletion *d, char out[S3_VERSION_ID_MAX])
{
    struct s3_object o = {.seq = d->gone.seq,
                          .flags = d->gone.null_version ? S3_OBJ_NULL_VERSION : 0};
    return s3_version_id_format(&o, out);
}

enum s3err s3_h_delete_object(struct s3_req *q)
{
    struct s3_deletion d = {.key = q->key};
    struct str id = s3_req_param(q, STR("versionId"));
    enum s3err e = s3_cond_of_delete(q, &d.cond);
    if (e == S3ERR_OK)
        e = version_named(q, id, &d);
    if (e != S3ERR_OK)
        return e;
    s3_commit_deletions(q, &d, 1);
    if (d.result < 0)
        return s3_commit_error(q, d.result);
    if ((q->bkt->versioning.p || d.gone.marker) && (d.gone.seq || id.p)) {
        char text[S3_VERSION_ID_MAX];
        size_t n = version_gone(&d, text);
        s3_resp_header(q, "x-amz-version-id", id.p ? id : str_of(text, n));
        if (d.gone.marker)
            s3_resp_header(q, "x-amz-delete-marker", STR("true"));
    }
    q->resp.status = 204;
    return S3ERR_OK;
}

/* --- many --- */

struct entry {
    struct str key;
    struct str version; /* absent: none given */
    struct s3_cond cond;
    struct str etag;  /* that of cond, as it was given; absent: none */
    enum s3err error; /* of this key */
    size_t deletion;  /* index, SIZE_MAX: none needed */
    bool marker;      /* a delete marker was made, or removed */
    char marker_id[S3_VERSION_ID_MAX];
};

/* Differs: AWS knows these in directory buckets only, and calls them malformed elsewhere. */
static enum s3err details_named(const struct s3_node *n, int64_t now_ms, struct s3_cond *c)
{
    struct str size = str_trim(s3_node_text(n, "Size")),
               time = str_trim(s3_node_text(n, "LastModifiedTime"));
    int64_t ms;
    c->has_size = size.n > 0;
    c->has_mtime = time.n > 0;
    if (c->has_size && str_u64(size, UINT64_MAX, &c->size) < 0)
        return S3ERR_MALFORMED_XML;
    if (!c->has_mtime || s3_httpdate_parse(time, now_ms / 1000, &c->mtime_s) == 0)
        return S3ERR_OK;
    if (s3_isodate_parse(time, &ms) < 0)
        return S3ERR_MALFORMED_XML;
    c->mtime_s = ms / 1000;
    return S3ERR_OK;
}

static enum s3err parse_entry(const struct s3_node *n, int64_t now_ms, struct entry *e)
{
    *e = (struct entry){.key = s3_node_text(n, "Key"),
                        .version = s3_node_text(n, "VersionId"),
                        .deletion = SIZE_MAX};
    if (e->key.n == 0)
        return S3ERR_MALFORMED_XML;
    if (e->version.n == 0)
        e->version = STR_NULL;
    struct str etag = s3_node_text(n, "ETag");
    if (etag.n > 0) {
        s3_cond_if_match(etag, &e->cond);
        e->etag = etag;
    }
    return details_named(n, now_ms, &e->cond);
}

static enum s3err parse_request(struct s3_req *q, struct entry **ret, size_t *ret_n,
                                bool *ret_quiet)
{
    struct s3_node *root;
    int r = s3_xml_parse(q->body, "Delete", &q->arena, &root);
    if (r < 0)
        return r == -ENOMEM ? s3err_from_errno(r, S3_THING_OTHER) : S3ERR_MALFORMED_XML;
    size_t n = s3_node_count(root, "Object");
    struct str quiet = str_trim(s3_node_text(root, "Quiet"));
    *ret_quiet = str_ieq(quiet, STR("true"));
    if (n == 0 || n > DELETE_MAX || (quiet.n > 0 && !*ret_quiet && !str_ieq(quiet, STR("false"))))
        return S3ERR_MALFORMED_XML;
    struct entry *list = arena_alloc(&q->arena, n * sizeof(*list));
    if (!list)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    size_t i = 0;
    for (const struct s3_node *o = s3_node_child(root, "Object"); o;
         o = s3_node_find(o->next, "Object")) {
        enum s3err e = parse_entry(o, q->now_ms, &list[i++]);
        if (e != S3ERR_OK)
            return e;
    }
    *ret = list;
    *ret_n = n;
    return S3ERR_OK;
}

/* Permission, name and version of one key: what can be said before anything is deleted. */
static enum s3err judge_entry(struct s3_req *q, const struct entry *e, struct s3_deletion *ret)
{
    *ret = (struct s3_deletion){.key = e->key, .cond = e->cond, .by_version = e->version.p != NULL};
    const struct s3_policy_target t = {q->bkt, e->key, e->version, e->etag};
    bool version = e->version.p != NULL;
    enum s3err err =
        s3_policy_allows_version(q, &t, version ? "s3:DeleteObjectVersion" : "s3:DeleteObject");
    if (err == S3ERR_OK && s3_cond_tells(&e->cond))
        err = s3_policy_allows_version(q, &t, version ? "s3:GetObjectVersion" : "s3:GetObject");
    if (err != S3ERR_OK)
        return err;
    if (e->key.n > S3_KEY_MAX)
        return S3ERR_KEY_TOO_LONG_ERROR;
    if (e->version.p && s3_version_id_parse(e->version, &ret->version.null, &ret->version.seq) < 0)
        return S3ERR_NO_SUCH_VERSION;
    ret->bypass_governance = e->version.p && s3_may_bypass_governance(q, e->key, e->version);
    return S3ERR_OK;
}

static enum s3err delete_entries(struct s3_req *q, struct entry *list, size_t n)
{
    struct s3_deletion *d = arena_alloc(&q->arena, n * sizeof(*d));
    if (!d)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        list[i].error = judge_entry(q, &list[i], &d[m]);
        if (list[i].error == S3ERR_OK)
            list[i].deletion = m++;
    }
    if (m > 0)
        s3_commit_deletions(q, d, m);
    for (size_t i = 0; i < n; i++) {
        if (list[i].deletion == SIZE_MAX)
            continue;
        const struct s3_deletion *done = &d[list[i].deletion];
        list[i].error = s3_commit_error(q, done->result);
        list[i].marker = done->gone.marker;
        version_gone(done, list[i].marker_id);
    }
    return S3ERR_OK;
}

static void answer_entry(struct buf *b, const struct entry *e, bool quiet)
{
    if (e->error == S3ERR_OK && quiet)
        return;
    const char *name = e->error == S3ERR_OK ? "Deleted" : "Error";
    s3_xml_open(b, name);
    s3_xml_text(b, "Key", e->key);
    if (e->version.p)
        s3_xml_text(b, "VersionId", e->version);
    if (e->error == S3ERR_OK && e->marker) {
        s3_xml_bool(b, "DeleteMarker", true);
        s3_xml_text(b, "DeleteMarkerVersionId", str_c(e->marker_id));
    }
    if (e->error != S3ERR_OK) {
        s3_xml_text(b, "Code", str_c(s3err_info(e->error)->code));
        s3_xml_text(b, "Message", str_c(s3err_info(e->error)->message));
    }
    s3_xml_close(b, name);
}

enum s3err s3_h_delete_objects(struct s3_req *q)
{
    struct entry *list = NULL;
    size_t n = 0;
    bool quiet = false;
    enum s3err e = s3_need_digest(q);
    if (e == S3ERR_OK)
        e = parse_request(q, &list, &n, &quiet);
    if (e == S3ERR_OK)
        e = delete_entries(q, list, n);
    if (e != S3ERR_OK)
        return e;
    q->resp.nextras = 0; /* errors are per key here */
    struct buf *b = s3_answer_open(q, "DeleteResult");
    for (size_t i = 0; i < n; i++)
        answer_entry(b, &list[i], quiet);
    return s3_answer_close(q, "DeleteResult");
}
