/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cors - the CORS configuration of a bucket: read, checked, kept, matched. Pure.
 *
 * Record: u8 version (1); per rule: lstr id, u8 has_age, varint age, then four lists (origins,
 * methods, headers, exposed), each varint count and lstr items.
 *
 * Rule: s3-behaviours 22; Amazon S3 User Guide, "Elements of a CORS configuration".
 */
#ifndef S3_POLICY_CORS_H
#define S3_POLICY_CORS_H

#include "s3gw/core/req.h"

struct s3_node;

enum { S3_CORS_RULES_MAX = 100 };

struct s3_strs {
    struct str *v; /* arena */
    size_t n;
};

struct s3_cors_rule {
    struct str id; /* empty: none */
    bool has_age;
    uint64_t age_s;
    struct s3_strs origins; /* at most one '*' each */
    struct s3_strs methods;
    struct s3_strs headers; /* at most one '*' each */
    struct s3_strs exposed;
};

struct s3_cors {
    struct s3_cors_rule *rules;
    size_t n;
};

/* From <CORSConfiguration>. MalformedXML, InvalidRequest with the reason. Arena of @q. */
enum s3err s3_cors_parse(struct s3_req *q, const struct s3_node *root, struct s3_cors *ret);
void s3_cors_write(const struct s3_cors *c, struct buf *xml); /* the rules as elements */

void s3_cors_encode(const struct s3_cors *c, struct buf *out);
int s3_cors_decode(struct str bytes, struct arena *a,
                   struct s3_cors *ret) MUST_CHECK; /* -EBADMSG, -ENOMEM */

/*
 * The first rule that allows @method from @origin with all of @headers (a comma list of names, may
 * be absent); NULL: none. *ret_any: its origin is "*" itself.
 */
const struct s3_cors_rule *s3_cors_match(const struct s3_cors *c, struct str origin,
                                         struct str method, struct str headers, bool *ret_any);

#endif
