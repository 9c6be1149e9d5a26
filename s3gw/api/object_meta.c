/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_meta - ACLs as they are while every object belongs to its bucket's owner.
 * Rule: s3-behaviours 21 (ACL); Amazon S3 API Reference, GetBucketAcl, PutObjectAcl and neighbours.
 */
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lookup.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/object.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

static enum s3err answer_acl(struct s3_req *q, struct str owner)
{
    struct buf *b = s3_answer_open(q, "AccessControlPolicy");
    s3_xml_owner(q, b, "Owner", owner);
    s3_xml_open(b, "AccessControlList");
    s3_xml_open(b, "Grant");
    struct s3_user u;
    struct str display = owner;
    if (str_eq(owner, q->who.user_id))
        display = q->who.display_name;
    else if (s3_user_get(q->gw->index, owner, S3_READ_ANY, &q->arena, &u) == 0)
        display = u.display_name;
    s3_xml_open_typed(b, "Grantee", "CanonicalUser");
    s3_xml_text(b, "ID", owner);
    s3_xml_text(b, "DisplayName", display);
    s3_xml_close(b, "Grantee");
    s3_xml_text(b, "Permission", STR("FULL_CONTROL"));
    s3_xml_close(b, "Grant");
    s3_xml_close(b, "AccessControlList");
    return s3_answer_close(q, "AccessControlPolicy");
}

enum s3err s3_h_get_bucket_acl(struct s3_req *q)
{
    return answer_acl(q, q->bkt->owner_id);
}

enum s3err s3_h_get_object_acl(struct s3_req *q)
{
    struct s3_object o;
    enum s3err e = s3_lookup(q, false, &o);
    return e == S3ERR_OK ? answer_acl(q, o.owner_id) : e;
}

/* The document may say once more what holds anyway: the owner, everything. */
static enum s3err acl_document(struct s3_req *q, struct str owner)
{
    struct s3_node *root;
    int r = s3_xml_parse(q->body, "AccessControlPolicy", &q->arena, &root);
    if (r < 0)
        return r == -ENOMEM ? s3err_from_errno(r, S3_THING_OTHER) : S3ERR_MALFORMED_ACL_ERROR;
    const struct s3_node *list = s3_node_child(root, "AccessControlList");
    struct str id = s3_node_text(s3_node_child(root, "Owner"), "ID");
    if (!list || !id.p)
        return S3ERR_MALFORMED_ACL_ERROR;
    if (!str_eq(str_trim(id), owner))
        return S3ERR_ACCESS_DENIED;
    for (const struct s3_node *g = s3_node_child(list, "Grant"); g; g = s3_node_find(g->next, "Grant")) {
        struct str grantee = str_trim(s3_node_text(s3_node_child(g, "Grantee"), "ID"));
        struct str permission = str_trim(s3_node_text(g, "Permission"));
        if (!permission.p)
            return S3ERR_MALFORMED_ACL_ERROR;
        if (!str_eq(grantee, owner) || !str_eq(permission, STR("FULL_CONTROL")))
            return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "Grants to others than the owner are not implemented.");
    }
    return S3ERR_OK;
}

static enum s3err put_acl(struct s3_req *q, struct str owner)
{
    bool headers = s3_req_option(q, STR("x-amz-acl")).p;
    static const char *const grants[] = {"x-amz-grant-read", "x-amz-grant-write", "x-amz-grant-read-acp",
                                         "x-amz-grant-write-acp", "x-amz-grant-full-control"};
    for (size_t i = 0; i < ARRAY_LEN(grants); i++)
        headers = headers || s3_req_option(q, str_c(grants[i])).p;
    if (headers && q->body.n > 0)
        return S3ERR_UNEXPECTED_CONTENT;
    if (!headers && q->body.n == 0)
        return s3_err(q, S3ERR_MISSING_SECURITY_HEADER, "MissingHeaderName", STR("x-amz-acl"));
    return headers ? s3_acl_headers_private(q) : acl_document(q, owner);
}

enum s3err s3_h_put_bucket_acl(struct s3_req *q)
{
    return put_acl(q, q->bkt->owner_id);
}

enum s3err s3_h_put_object_acl(struct s3_req *q)
{
    struct s3_object o;
    enum s3err e = s3_lookup(q, false, &o);
    return e == S3ERR_OK ? put_acl(q, o.owner_id) : e;
}
