/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acl - access control lists of buckets and objects: from headers and XML, kept, shown, asked.
 *
 * Record: u8 version (1), then per grant u8 grantee kind, u8 permission bits, lstr user id (empty
 * for groups). No record means: the owner, everything.
 *
 * Rule: s3-behaviours 21, "ACL"; Amazon S3 User Guide, "Access control list overview".
 * Threads: any; reading requests looks users up in the index and may block.
 */
#ifndef S3_POLICY_ACL_H
#define S3_POLICY_ACL_H

#include "s3gw/core/req.h"

struct s3_bucket;

enum { S3_ACL_GRANTS_MAX = 100 };

/* Values are stored: append only. */
enum s3_grantee {
    S3_GRANTEE_USER,
    S3_GRANTEE_ALL_USERS,
    S3_GRANTEE_AUTHENTICATED,
    S3_GRANTEE_LOG_DELIVERY
};

enum s3_permission {
    S3_PERM_READ = 1,
    S3_PERM_WRITE = 2,
    S3_PERM_READ_ACP = 4,
    S3_PERM_WRITE_ACP = 8,
    S3_PERM_FULL_CONTROL = 15,
};

struct s3_grant {
    enum s3_grantee kind;
    enum s3_permission permission;
    struct str id; /* of a user */
};

struct s3_acl {
    struct s3_grant grant[S3_ACL_GRANTS_MAX];
    size_t n;
};

/* Whose ACL is it, and of what? */
struct s3_acl_subject {
    bool bucket;
    struct str owner; /* of the object or bucket */
    struct str bucket_owner;
};

/* Does the request have x-amz-acl or x-amz-grant-*? */
bool s3_acl_in_headers(const struct s3_req *q);
/* From those headers; without any: the owner, everything. InvalidArgument, InvalidRequest for both
 * kinds, UnresolvableGrantByEmailAddress, MethodNotAllowed where e-mail addresses are switched off. */
enum s3err s3_acl_from_headers(struct s3_req *q, const struct s3_acl_subject *s,
                               struct s3_acl *ret);
/* From q->body, <AccessControlPolicy>. MalformedACLError, AccessDenied for another owner, and the
 * above. */
enum s3err s3_acl_from_body(struct s3_req *q, const struct s3_acl_subject *s, struct s3_acl *ret);

struct s3_node;
/* The <Grant> elements below @list, which may be NULL: none. MalformedACLError and the above. */
enum s3err s3_acl_from_list(struct s3_req *q, const struct s3_node *list, struct s3_acl *ret);

/* Owner and AccessControlList elements. */
void s3_acl_write(struct s3_req *q, const struct s3_acl *acl, struct str owner, struct buf *xml);

/* <Grant> elements only. */
void s3_acl_write_grants(struct s3_req *q, const struct s3_acl *acl, struct buf *xml);

void s3_acl_encode(const struct s3_acl *acl, struct buf *out);
/* An absent record: @owner, everything. 0 or -EBADMSG; views. */
int s3_acl_decode(struct str record, struct str owner, struct s3_acl *ret) MUST_CHECK;

/* Is @who granted all of @permission? @ignore_public: grants to the groups of everybody count
 * nothing. */
bool s3_acl_allows(const struct s3_acl *acl, const struct s3_identity *who,
                   enum s3_permission permission, bool ignore_public);
/* Does it grant anything to everybody, or to every signed user? */
bool s3_acl_is_public(const struct s3_acl *acl);
/* Does it say no more than "the owner, everything"? */
bool s3_acl_is_private(const struct s3_acl *acl, struct str owner);

#endif
