/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bucket - create, head, delete, location, versioning state.
 * Rule: s3-behaviours 9; Amazon S3 API Reference, CreateBucket and its neighbours.
 */
#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lock.h"
#include "s3gw/api/tagging.h"
#include "s3gw/core/groups.h"
#include "s3gw/core/gw.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/listing.h"
#include "s3gw/policy/access.h"
#include "s3gw/policy/eval.h"
#include "s3gw/sse/defaults.h"
#include "s3gw/policy/acl.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

enum { GROUP_NAME_MAX = 16 }; /* FastDFS: FDFS_GROUP_NAME_MAX_LEN */

static bool group_name_ok(struct str g)
{
    for (size_t i = 0; i < g.n; i++) {
        char c = g.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return g.n > 0 && g.n <= GROUP_NAME_MAX;
}

static enum s3err bad_location(struct s3_req *q, struct str location)
{
    return s3_err(q, S3ERR_INVALID_LOCATION_CONSTRAINT, "LocationConstraint", location);
}

/* "eu-west-1": of AWS's form, so it is some other region and no mistake. */
static bool like_a_region(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
              s.p[i] == '-'))
            return false;
    return s.n >= 6 && s.p[2] == '-' && s.p[s.n - 2] == '-' && s.p[s.n - 1] >= '0' &&
           s.p[s.n - 1] <= '9';
}

/* "region", "region:group" or ":group" (issue 2, section 3). */
static enum s3err location_of(struct s3_req *q, struct str location, struct s3_bucket *b)
{
    struct str region, group;
    if (str_cut(location, ':', &region, &group)) {
        if (!group_name_ok(group) || !s3_dfs_has_group(q->gw->dfs, group))
            return bad_location(q, location);
        b->groups = group;
    }
    if (str_eq(region, STR("EU")))
        region = STR("eu-west-1");
    if (region.n == 0 || str_eq(region, q->gw->region))
        return S3ERR_OK;
    if (!like_a_region(region))
        return bad_location(q, location);
    return s3_errm(q, S3ERR_ILLEGAL_LOCATION_CONSTRAINT_EXCEPTION,
                   "The " STR_F " location constraint is incompatible for the region specific "
                   "endpoint this request was sent to.",
                   STR_A(region));
}

/* What a bucket is created with beside its name needs the right to each.
 * Rule: S3 User Guide, "Required permissions for Amazon S3 API operations", CreateBucket. */
static enum s3err may_have_options(struct s3_req *q, bool tags)
{
    struct str acl = s3_req_option(q, STR("x-amz-acl")),
               lock = s3_req_option(q, STR("x-amz-bucket-object-lock-enabled")),
               ownership = s3_req_option(q, STR("x-amz-object-ownership"));
    const struct {
        bool asked;
        const char *action;
    } rows[] = {
        {s3_acl_in_headers(q) && !str_eq(acl, STR("private")), "s3:PutBucketAcl"},
        {str_ieq(lock, STR("true")), "s3:PutBucketObjectLockConfiguration"},
        {str_ieq(lock, STR("true")), "s3:PutBucketVersioning"},
        {ownership.p && !str_eq(ownership, s3_ownership_name(S3_OBJECT_WRITER)),
         "s3:PutBucketOwnershipControls"},
        {tags, "s3:PutBucketTagging"},
    };
    enum s3err e = S3ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(rows) && e == S3ERR_OK; i++)
        if (rows[i].asked)
            e = s3_policy_allows(q, NULL, STR_NULL, rows[i].action);
    return e;
}

static enum s3err add_doc(struct s3_req *q, struct s3_bucket *b, struct str name, struct str value)
{
    struct s3_pair_doc *docs = arena_alloc(&q->arena, (b->ndocs + 1) * sizeof(*docs));
    if (!docs)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    if (b->ndocs)
        memcpy(docs, b->docs, b->ndocs * sizeof(*docs));
    docs[b->ndocs].name = name;
    docs[b->ndocs++].value = value;
    b->docs = docs;
    return S3ERR_OK;
}

static enum s3err configuration(struct s3_req *q, struct s3_bucket *b)
{
    struct s3_node *root = NULL;
    int r = s3_xml_parse(q->body, "CreateBucketConfiguration", &q->arena, &root);
    if (r < 0 && r != -ENODATA)
        return r == -EBADMSG ? S3ERR_MALFORMED_XML : s3err_from_errno(r, S3_THING_OTHER);
    struct str location = r < 0 ? STR_NULL : str_trim(s3_node_text(root, "LocationConstraint"));
    q->body_location = location.n > 0 ? location : STR_NULL;
    q->body_told = true;
    const struct s3_node *tags = r < 0 ? NULL : s3_node_child(root, "Tags");
    enum s3err e = s3_policy_check(q);
    if (e == S3ERR_OK)
        e = may_have_options(q, tags);
    if (e != S3ERR_OK || r < 0)
        return e;
    if (s3_node_child(root, "Location") || s3_node_child(root, "Bucket"))
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "Directory buckets are not offered here.");
    if (location.n > 0)
        e = location_of(q, location, b);
    if (e != S3ERR_OK || !tags)
        return e;
    struct str encoded;
    e = s3_tags_of_xml(q, tags, S3_TAGS_BUCKET_MAX, &encoded);
    return e == S3ERR_OK ? add_doc(q, b, STR("tagging"), encoded) : e;
}

static enum s3err ownership_and_acl(struct s3_req *q, struct s3_bucket *b)
{
    struct str name = s3_req_option(q, STR("x-amz-object-ownership"));
    enum s3_ownership ownership = S3_OBJECT_WRITER;
    if (!name.p && q->gw->closed_buckets)
        name = s3_ownership_name(S3_BUCKET_OWNER_ENFORCED);
    if (name.p && s3_ownership_by_name(name, &ownership) < 0)
        return s3_err_arg(q, "Invalid x-amz-object-ownership header", "x-amz-object-ownership",
                          name);
    enum s3err e =
        name.p ? add_doc(q, b, STR("ownership"), s3_ownership_name(ownership)) : S3ERR_OK;
    if (e != S3ERR_OK || !s3_acl_in_headers(q))
        return e;
    struct s3_acl_subject subject = {true, b->owner_id, b->owner_id};
    struct s3_acl acl;
    e = s3_acl_from_headers(q, &subject, &acl);
    if (e != S3ERR_OK || (s3_acl_is_private(&acl, b->owner_id) && acl.n == 1))
        return e;
    if (ownership == S3_BUCKET_OWNER_ENFORCED)
        return S3ERR_INVALID_BUCKET_ACL_WITH_OBJECT_OWNERSHIP;
    AUTO(buf_free) struct buf record = BUF(64 * 1024);
    s3_acl_encode(&acl, &record);
    struct str doc = buf_err(&record) ? STR_NULL : arena_str(&q->arena, buf_str(&record));
    return doc.p ? add_doc(q, b, STR("acl"), doc) : s3err_from_errno(-ENOMEM, S3_THING_OTHER);
}

/* Names here are of one space, which AWS calls global. */
static enum s3err name_space(struct s3_req *q)
{
    static const char header[] = "x-amz-bucket-namespace";
    struct str space = s3_req_option(q, str_c(header));
    if (!space.p || str_eq(space, STR("global")))
        return S3ERR_OK;
    if (str_eq(space, STR("account-regional")))
        return s3_err(q, S3ERR_NOT_IMPLEMENTED, "Header", str_c(header));
    return s3_err_arg(q, "Must be global or account-regional", header, space);
}

/* Options that change what the bucket is: honoured or refused. */
static enum s3err creation_headers(struct s3_req *q, struct s3_bucket *b)
{
    struct str lock = s3_req_option(q, STR("x-amz-bucket-object-lock-enabled"));
    bool on = str_ieq(lock, STR("true"));
    if (lock.n > 0 && !on && !str_ieq(lock, STR("false")))
        return s3_err_arg(q, "Must be true or false", "x-amz-bucket-object-lock-enabled", lock);
    if (on)
        b->versioning = STR("Enabled"); /* lock protects versions */
    enum s3err e = on ? add_doc(q, b, STR("lock"), s3_lock_plain()) : S3ERR_OK;
    static const char whole_block = S3_PAB_ALL;
    if (e == S3ERR_OK)
        e = name_space(q);
    if (e == S3ERR_OK && q->gw->closed_buckets)
        e = add_doc(q, b, STR("pab"), str_of(&whole_block, 1));
    if (e == S3ERR_OK && q->gw->closed_buckets && q->gw->kms)
        e = add_doc(q, b, STR("encryption"), s3_sse_defaults_aes256());
    return e == S3ERR_OK ? ownership_and_acl(q, b) : e;
}

struct creation {
    struct s3_bucket *bucket;
    struct s3_bucket existing;
    struct arena *arena; /* the request's; its worker waits for the update */
};

static int create(struct s3_tx *tx, void *arg)
{
    struct creation *c = arg;
    return s3_bucket_create(tx, c->bucket, c->arena, &c->existing);
}

/* The ACL asked for, absent: private, in place of the one it has. */
static enum s3err reset_acl(struct s3_req *q, const struct s3_bucket *found, struct str acl)
{
    struct s3_acl asked;
    struct s3_bucket *there = arena_alloc(&q->arena, sizeof(*there)); /* lives on as q->bkt */
    if (!there)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    *there = *found;
    struct str has = s3_bucket_doc(there, STR("acl"));
    q->bkt = there;
    if (acl.p && s3_ownership_of(there) == S3_BUCKET_OWNER_ENFORCED)
        return S3ERR_INVALID_BUCKET_ACL_WITH_OBJECT_OWNERSHIP;
    if (!acl.p && has.p)
        acl = s3_acl_private(q);
    if (!acl.p || str_eq(acl, has))
        return S3ERR_OK;
    if (s3_acl_decode(acl, there->owner_id, &asked) < 0)
        return S3ERR_INTERNAL_ERROR;
    enum s3err e = s3_policy_allows(q, there, STR_NULL, "s3:PutBucketAcl");
    if (e == S3ERR_OK)
        e = s3_access_judge_acl(there, &asked);
    return e == S3ERR_OK ? s3_keep_bucket_doc(q, STR("acl"), acl) : e;
}

/* What an answer of 200 would let its owner believe of the bucket, though it is not so. */
static bool differs(struct s3_req *q, const struct s3_bucket *there, const struct s3_bucket *asked)
{
    struct str tags = s3_bucket_doc(asked, STR("tagging"));
    return (s3_lock_enabled(asked) && !s3_lock_enabled(there)) ||
           (s3_req_option(q, STR("x-amz-object-ownership")).p &&
            s3_ownership_of(asked) != s3_ownership_of(there)) ||
           (tags.p && !str_eq(tags, s3_bucket_doc(there, STR("tagging")))) ||
           (!str_eq(asked->groups, q->gw->default_group) &&
            !s3_groups_have(there->groups, asked->groups));
}

static enum s3err exists(struct s3_req *q, const struct s3_bucket *there,
                         const struct s3_bucket *asked)
{
    if (!str_eq(there->owner_id, q->who.user_id))
        return s3_err(q, S3ERR_BUCKET_ALREADY_EXISTS, "BucketName", q->bucket);
    /* AWS in us-east-1 says 200 to its owner, elsewhere 409; nothing but the ACL changes. */
    if (!str_eq(q->gw->region, STR("us-east-1")) || differs(q, there, asked))
        return s3_err(q, S3ERR_BUCKET_ALREADY_OWNED_BY_YOU, "BucketName", q->bucket);
    s3_resp_headerf(q, "Location", "/" STR_F, STR_A(q->bucket));
    return reset_acl(q, there, s3_bucket_doc(asked, STR("acl")));
}

enum s3err s3_h_create_bucket(struct s3_req *q)
{
    struct s3_bucket b = {.name = q->bucket,
                          .owner_id = q->who.user_id,
                          .groups = q->gw->default_group,
                          .created_ms = q->now_ms};
    enum s3err e = configuration(q, &b);
    if (e == S3ERR_OK)
        e = creation_headers(q, &b);
    if (e != S3ERR_OK)
        return e;
    struct creation c = {.bucket = &b, .arena = &q->arena};
    int r = s3_bucket_get(q->gw->index, b.name, S3_READ_ANY, &q->arena, &c.existing);
    if (r == 0)
        return exists(q, &c.existing, &b);
    if (r != -ENOENT)
        return s3err_from_errno(r, S3_THING_OTHER);
    b.bid = s3_index_number(q->gw->index);
    r = s3_commit_bucket(q, &b, create, &c);
    if (r == -EEXIST) /* a race; the other one was first */
        return exists(q, &c.existing, &b);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    s3_resp_headerf(q, "Location", "/" STR_F, STR_A(q->bucket));
    return S3ERR_OK;
}

enum s3err s3_h_head_bucket(struct s3_req *q)
{
    s3_resp_header(q, "x-amz-bucket-region", q->gw->region);
    s3_resp_header(q, "x-amz-access-point-alias", STR("false"));
    return S3ERR_OK;
}

/* Only the one that was judged: by now the name may be another's. */
static int delete_bucket(struct s3_tx *tx, void *arg)
{
    struct s3_req *q = arg;
    struct s3_bucket now;
    s3_tx_frees(tx);
    int r = s3_bucket_get_tx(tx, q->bucket, &q->arena, &now);
    if (r == 0 && now.bid != q->bkt->bid)
        r = -ENOENT;
    return r < 0 ? r : s3_bucket_delete(tx, q->bucket);
}

enum s3err s3_h_delete_bucket(struct s3_req *q)
{
    struct s3_list_query any = {.bid = q->bkt->bid, .max = 1};
    struct s3_list_page page;
    int r = s3_list_versions(q->gw->index, &any, &q->arena, &page);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    r = page.n > 0 ? -ENOTEMPTY : s3_commit_bucket(q, NULL, delete_bucket, q);
    if (r == -ENOTEMPTY)
        return s3_err(q, S3ERR_BUCKET_NOT_EMPTY, "BucketName", q->bucket);
    if (r == -ENOENT)
        return s3_err(q, S3ERR_NO_SUCH_BUCKET, "BucketName", q->bucket);
    q->resp.status = 204;
    return s3err_from_errno(r, S3_THING_OTHER);
}

enum s3err s3_h_get_bucket_location(struct s3_req *q)
{
    struct buf *b = s3_answer_open(q, "LocationConstraint");
    if (!str_eq(q->gw->region, STR("us-east-1"))) /* that one is the empty name, for ever */
        s3_xml_escape(b, q->gw->region);
    return s3_answer_close(q, "LocationConstraint");
}

enum s3err s3_h_get_bucket_versioning(struct s3_req *q)
{
    struct buf *b = s3_answer_open(q, "VersioningConfiguration");
    if (q->bkt->versioning.p)
        s3_xml_text(b, "Status", q->bkt->versioning);
    struct str mfa = s3_bucket_doc(q->bkt, STR("mfa-delete")); /* as it was given: "Disabled" */
    if (mfa.n > 0)
        s3_xml_text(b, "MfaDelete", mfa);
    return s3_answer_close(q, "VersioningConfiguration");
}

/* Versioning of a bucket with object lock stays on. */
static bool may_become(const struct s3_bucket *now, struct str status)
{
    return !(str_eq(status, STR("Suspended")) && s3_lock_enabled(now));
}

enum s3err s3_h_put_bucket_versioning(struct s3_req *q)
{
    struct s3_node *root;
    enum s3err e = s3_document(q, "VersioningConfiguration", &root);
    if (e != S3ERR_OK)
        return e;
    struct str status = str_trim(s3_node_text(root, "Status"));
    struct str mfa = str_trim(s3_node_text(root, "MfaDelete"));
    if (str_eq(mfa, STR("Enabled")))
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "MFA delete is not implemented.");
    if (status.n == 0 || (mfa.n > 0 && !str_eq(mfa, STR("Disabled"))))
        return S3ERR_ILLEGAL_VERSIONING_CONFIGURATION_EXCEPTION;
    if (!str_eq(status, STR("Enabled")) && !str_eq(status, STR("Suspended")))
        return S3ERR_MALFORMED_XML;
    if (!may_become(q->bkt, status))
        return s3_errm(q, S3ERR_INVALID_BUCKET_STATE,
                       "An Object Lock configuration is present on this bucket, so the "
                       "versioning state cannot be changed.");
    if (mfa.n > 0 && !str_eq(s3_bucket_doc(q->bkt, STR("mfa-delete")), mfa))
        e = s3_keep_bucket_doc(q, STR("mfa-delete"), mfa);
    if (e != S3ERR_OK)
        return e;
    int r = s3_commit_versioning(q, status, may_become);
    if (r == -ENOENT)
        return s3_err(q, S3ERR_NO_SUCH_BUCKET, "BucketName", q->bucket);
    return r == -ECANCELED ? S3ERR_OPERATION_ABORTED : s3err_from_errno(r, S3_THING_BUCKET);
}
