/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/acl.h"

#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

enum { RECORD_VERSION = 1 };

static const struct {
    enum s3_permission bit;
    const char *name;   /* in XML */
    const char *header; /* that grants it */
} permissions[] = {
    {S3_PERM_FULL_CONTROL, "FULL_CONTROL", "x-amz-grant-full-control"},
    {S3_PERM_READ, "READ", "x-amz-grant-read"},
    {S3_PERM_WRITE, "WRITE", "x-amz-grant-write"},
    {S3_PERM_READ_ACP, "READ_ACP", "x-amz-grant-read-acp"},
    {S3_PERM_WRITE_ACP, "WRITE_ACP", "x-amz-grant-write-acp"},
};

static const struct {
    enum s3_grantee kind;
    struct str uri;
} groups[] = {
    {S3_GRANTEE_ALL_USERS, STR_INIT("http://acs.amazonaws.com/groups/global/AllUsers")},
    {S3_GRANTEE_AUTHENTICATED,
     STR_INIT("http://acs.amazonaws.com/groups/global/AuthenticatedUsers")},
    {S3_GRANTEE_LOG_DELIVERY, STR_INIT("http://acs.amazonaws.com/groups/s3/LogDelivery")},
};

static bool add(struct s3_acl *acl, enum s3_grantee kind, enum s3_permission permission,
                struct str id)
{
    if (acl->n == S3_ACL_GRANTS_MAX)
        return false;
    acl->grant[acl->n++] = (struct s3_grant){kind, permission, id};
    return true;
}

/* --- canned --- */

/* What each adds to "the owner, everything". aws-exec-read names a service that does not exist
 * here. */
static const struct {
    struct str name;
    enum s3_grantee kind;
    unsigned permission[2]; /* one grant each; 0: none */
    bool of_objects_only;   /* means private on a bucket */
    bool of_buckets_only;
    bool to_bucket_owner;
} canned[] = {
    {STR_INIT("private"), S3_GRANTEE_USER, {0, 0}, false, false, false},
    {STR_INIT("public-read"), S3_GRANTEE_ALL_USERS, {S3_PERM_READ, 0}, false, false, false},
    {STR_INIT("public-read-write"),
     S3_GRANTEE_ALL_USERS,
     {S3_PERM_READ, S3_PERM_WRITE},
     false,
     false,
     false},
    {STR_INIT("authenticated-read"),
     S3_GRANTEE_AUTHENTICATED,
     {S3_PERM_READ, 0},
     false,
     false,
     false},
    {STR_INIT("aws-exec-read"), S3_GRANTEE_USER, {0, 0}, false, false, false},
    {STR_INIT("bucket-owner-read"), S3_GRANTEE_USER, {S3_PERM_READ, 0}, true, false, true},
    {STR_INIT("bucket-owner-full-control"),
     S3_GRANTEE_USER,
     {S3_PERM_FULL_CONTROL, 0},
     true,
     false,
     true},
    {STR_INIT("log-delivery-write"),
     S3_GRANTEE_LOG_DELIVERY,
     {S3_PERM_WRITE, S3_PERM_READ_ACP},
     false,
     true,
     false},
};

static bool from_canned(struct str name, const struct s3_acl_subject *s, struct s3_acl *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(canned); i++) {
        if (!str_eq(name, canned[i].name) || (canned[i].of_buckets_only && !s->bucket))
            continue;
        ret->n = 0;
        add(ret, S3_GRANTEE_USER, S3_PERM_FULL_CONTROL, s->owner);
        bool idle = (canned[i].of_objects_only && s->bucket) ||
                    (canned[i].to_bucket_owner && str_eq(s->owner, s->bucket_owner));
        for (size_t k = 0; !idle && k < ARRAY_LEN(canned[i].permission); k++)
            if (canned[i].permission[k])
                add(ret, canned[i].kind, (enum s3_permission)canned[i].permission[k],
                    canned[i].to_bucket_owner ? s->bucket_owner : STR_NULL);
        return true;
    }
    return false;
}

/* --- grantees --- */

static enum s3err user_by_id(struct s3_req *q, struct str id, struct str *ret)
{
    struct s3_user u;
    int r = s3_user_get(q->gw->index, id, S3_READ_ANY, &q->arena, &u);
    if (r == -ENOENT)
        return s3_err_arg(q, "Invalid id", "CanonicalUser/ID", id);
    *ret = id;
    return s3err_from_errno(r, S3_THING_OTHER);
}

static enum s3err user_by_email(struct s3_req *q, struct str email, struct str *ret)
{
    if (q->gw->no_acl_emails)
        return s3_errm(q, S3ERR_METHOD_NOT_ALLOWED, "Grants by e-mail address are switched off.");
    struct s3_user u;
    int r = s3_user_by_email(q->gw->index, email, &q->arena, &u);
    if (r == -ENOENT)
        return S3ERR_UNRESOLVABLE_GRANT_BY_EMAIL_ADDRESS;
    *ret = u.id;
    return s3err_from_errno(r, S3_THING_OTHER);
}

static enum s3err group_by_uri(struct s3_req *q, struct str uri, enum s3_grantee *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        if (str_eq(uri, groups[i].uri)) {
            *ret = groups[i].kind;
            return S3ERR_OK;
        }
    return s3_err_arg(q, "Invalid group uri", "Group/URI", uri);
}

/* --- headers --- */

bool s3_acl_in_headers(const struct s3_req *q)
{
    bool found = s3_req_option(q, STR("x-amz-acl")).p;
    for (size_t i = 0; i < ARRAY_LEN(permissions); i++)
        found = found || s3_req_option(q, str_c(permissions[i].header)).p;
    return found;
}

/* id="...", uri="...", emailAddress="..." */
static enum s3err add_grantee(struct s3_req *q, struct s3_acl *acl, enum s3_permission permission,
                              struct str text)
{
    struct str name, value, id = STR_NULL;
    enum s3_grantee kind = S3_GRANTEE_USER;
    enum s3err e = S3ERR_OK;
    if (!str_cut(text, '=', &name, &value))
        return s3_err_arg(q, "Argument format not recognized", "x-amz-grant", text);
    name = str_trim(name);
    value = str_trim(value);
    if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
        value = str_of(value.p + 1, value.n - 2);
    if (str_ieq(name, STR("id")))
        e = user_by_id(q, value, &id);
    else if (str_ieq(name, STR("emailAddress")))
        e = user_by_email(q, value, &id);
    else if (str_ieq(name, STR("uri")))
        e = group_by_uri(q, value, &kind);
    else
        e = s3_err_arg(q, "Argument format not recognized", "x-amz-grant", text);
    if (e == S3ERR_OK && !add(acl, kind, permission, id))
        e = s3_errm(q, S3ERR_INVALID_REQUEST, "An ACL has at most %d grants.", S3_ACL_GRANTS_MAX);
    return e;
}

static enum s3err from_grants(struct s3_req *q, struct s3_acl *ret)
{
    ret->n = 0;
    for (size_t i = 0; i < ARRAY_LEN(permissions); i++) {
        struct str rest = s3_req_option(q, str_c(permissions[i].header)), piece;
        while (str_split(&rest, ',', &piece)) {
            enum s3err e = add_grantee(q, ret, permissions[i].bit, str_trim(piece));
            if (e != S3ERR_OK)
                return e;
        }
    }
    return S3ERR_OK;
}

enum s3err s3_acl_from_headers(struct s3_req *q, const struct s3_acl_subject *s, struct s3_acl *ret)
{
    struct str name = s3_req_option(q, STR("x-amz-acl"));
    bool grants = false;
    for (size_t i = 0; i < ARRAY_LEN(permissions); i++)
        grants = grants || s3_req_option(q, str_c(permissions[i].header)).p;
    if (name.p && grants)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Specifying both Canned ACLs and Header Grants is not allowed");
    if (grants)
        return from_grants(q, ret);
    if (!from_canned(name.p ? name : STR("private"), s, ret))
        return s3_err_arg(q, "The canned ACL is not one that exists", "x-amz-acl", name);
    return S3ERR_OK;
}

/* --- XML --- */

static enum s3err grant_of(struct s3_req *q, const struct s3_node *n, struct s3_grant *ret)
{
    const struct s3_node *grantee = s3_node_child(n, "Grantee");
    struct str permission = str_trim(s3_node_text(n, "Permission"));
    *ret = (struct s3_grant){0};
    for (size_t i = 0; i < ARRAY_LEN(permissions); i++)
        if (str_eq(permission, str_c(permissions[i].name)))
            ret->permission = permissions[i].bit;
    if (!grantee || ret->permission == 0)
        return S3ERR_MALFORMED_ACL_ERROR;
    struct str id = str_trim(s3_node_text(grantee, "ID"));
    struct str uri = str_trim(s3_node_text(grantee, "URI"));
    struct str email = str_trim(s3_node_text(grantee, "EmailAddress"));
    if (str_eq(grantee->type, STR("CanonicalUser")) && id.n > 0)
        return user_by_id(q, id, &ret->id);
    if (str_eq(grantee->type, STR("AmazonCustomerByEmail")) && email.n > 0)
        return user_by_email(q, email, &ret->id);
    if (str_eq(grantee->type, STR("Group")) && uri.n > 0)
        return group_by_uri(q, uri, &ret->kind);
    return S3ERR_MALFORMED_ACL_ERROR;
}

enum s3err s3_acl_from_list(struct s3_req *q, const struct s3_node *list, struct s3_acl *ret)
{
    ret->n = 0;
    if (s3_node_count(list, "Grant") > S3_ACL_GRANTS_MAX)
        return S3ERR_MALFORMED_ACL_ERROR;
    for (const struct s3_node *n = s3_node_child(list, "Grant"); n;
         n = s3_node_find(n->next, "Grant")) {
        enum s3err e = grant_of(q, n, &ret->grant[ret->n++]);
        if (e != S3ERR_OK)
            return e;
    }
    return S3ERR_OK;
}

enum s3err s3_acl_from_body(struct s3_req *q, const struct s3_acl_subject *s, struct s3_acl *ret)
{
    struct s3_node *root;
    int r = s3_xml_parse(q->body, "AccessControlPolicy", &q->arena, &root);
    if (r < 0)
        return r == -ENOMEM ? s3err_from_errno(r, S3_THING_OTHER) : S3ERR_MALFORMED_ACL_ERROR;
    const struct s3_node *list = s3_node_child(root, "AccessControlList");
    struct str owner = str_trim(s3_node_text(s3_node_child(root, "Owner"), "ID"));
    if (!list || owner.n == 0)
        return S3ERR_MALFORMED_ACL_ERROR;
    return str_eq(owner, s->owner) ? s3_acl_from_list(q, list, ret) : S3ERR_ACCESS_DENIED;
}

static void user_elements(struct s3_req *q, struct buf *b, struct str id)
{
    struct s3_user u;
    bool known = s3_user_get(q->gw->index, id, S3_READ_ANY, &q->arena, &u) == 0;
    s3_xml_text(b, "ID", id);
    s3_xml_text(b, "DisplayName", known ? u.display_name : id);
}

static void grant_element(struct s3_req *q, struct buf *b, const struct s3_grant *g)
{
    s3_xml_open(b, "Grant");
    s3_xml_open_typed(b, "Grantee", g->kind == S3_GRANTEE_USER ? "CanonicalUser" : "Group");
    if (g->kind == S3_GRANTEE_USER)
        user_elements(q, b, g->id);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        if (g->kind == groups[i].kind)
            s3_xml_text(b, "URI", groups[i].uri);
    s3_xml_close(b, "Grantee");
    for (size_t i = 0; i < ARRAY_LEN(permissions); i++)
        if (g->permission == permissions[i].bit)
            s3_xml_text(b, "Permission", str_c(permissions[i].name));
    s3_xml_close(b, "Grant");
}

void s3_acl_write_grants(struct s3_req *q, const struct s3_acl *acl, struct buf *xml)
{
    for (size_t i = 0; i < acl->n; i++)
        grant_element(q, xml, &acl->grant[i]);
}

void s3_acl_write(struct s3_req *q, const struct s3_acl *acl, struct str owner, struct buf *xml)
{
    s3_xml_open(xml, "Owner");
    user_elements(q, xml, owner);
    s3_xml_close(xml, "Owner");
    s3_xml_open(xml, "AccessControlList");
    s3_acl_write_grants(q, acl, xml);
    s3_xml_close(xml, "AccessControlList");
}

/* --- the record --- */

void s3_acl_encode(const struct s3_acl *acl, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    for (size_t i = 0; i < acl->n; i++) {
        buf_u8(out, (uint8_t)acl->grant[i].kind);
        buf_u8(out, (uint8_t)acl->grant[i].permission);
        buf_lstr(out, acl->grant[i].id);
    }
}

int s3_acl_decode(struct str record, struct str owner, struct s3_acl *ret)
{
    ret->n = 0;
    if (!record.p) {
        add(ret, S3_GRANTEE_USER, S3_PERM_FULL_CONTROL, owner);
        return 0;
    }
    struct rd r = rd_of(record);
    if (rd_u8(&r) != RECORD_VERSION)
        return -EBADMSG;
    while (r.n > 0) {
        uint8_t kind = rd_u8(&r), permission = rd_u8(&r);
        struct str id = rd_lstr(&r);
        if (r.bad || kind > S3_GRANTEE_LOG_DELIVERY || permission > S3_PERM_FULL_CONTROL ||
            !add(ret, (enum s3_grantee)kind, (enum s3_permission)permission, id))
            return -EBADMSG;
    }
    return 0;
}

/* --- questions --- */

static bool is_for(const struct s3_grant *g, const struct s3_identity *who, bool ignore_public)
{
    switch (g->kind) {
    case S3_GRANTEE_USER:
        return !who->anonymous && str_eq(g->id, who->user_id);
    case S3_GRANTEE_ALL_USERS:
        return !ignore_public;
    case S3_GRANTEE_AUTHENTICATED:
        return !ignore_public && !who->anonymous;
    case S3_GRANTEE_LOG_DELIVERY:
        break; /* no user is that */
    }
    return false;
}

bool s3_acl_allows(const struct s3_acl *acl, const struct s3_identity *who,
                   enum s3_permission permission, bool ignore_public)
{
    unsigned have = 0;
    for (size_t i = 0; i < acl->n; i++)
        if (is_for(&acl->grant[i], who, ignore_public))
            have |= acl->grant[i].permission;
    return (have & permission) == permission;
}

bool s3_acl_is_public(const struct s3_acl *acl)
{
    for (size_t i = 0; i < acl->n; i++)
        if (acl->grant[i].kind == S3_GRANTEE_ALL_USERS ||
            acl->grant[i].kind == S3_GRANTEE_AUTHENTICATED)
            return true;
    return false;
}

bool s3_acl_is_private(const struct s3_acl *acl, struct str owner)
{
    for (size_t i = 0; i < acl->n; i++)
        if (acl->grant[i].kind != S3_GRANTEE_USER || !str_eq(acl->grant[i].id, owner))
            return false;
    return true;
}
