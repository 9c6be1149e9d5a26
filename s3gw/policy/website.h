/* SPDX-License-Identifier: Apache-2.0 */
/*
 * website - the website configuration of a bucket: read, checked, kept, written; and where it sends
 * a request. Pure.
 *
 * Record: u8 version (1), u8 1 when all requests are redirected. If so: the redirect. Else: lstr
 * index suffix, lstr error key, varint rules, each: u8 has a prefix, lstr prefix, varint error code
 * (0: any request), redirect. A redirect: u8 protocol, lstr host, varint status (0: not said), u8
 * replace, lstr replacement.
 *
 * Rule: s3-behaviours 22, "Website"; S3 API Reference, PutBucketWebsite, RoutingRule.
 */
#ifndef S3_POLICY_WEBSITE_H
#define S3_POLICY_WEBSITE_H

#include "s3gw/core/req.h"

struct s3_node;

enum { S3_WEBSITE_RULES_MAX = 50 };

enum s3_website_protocol { S3_WEBSITE_SAME, S3_WEBSITE_HTTP, S3_WEBSITE_HTTPS };
enum s3_website_replace { S3_WEBSITE_KEEP_KEY, S3_WEBSITE_REPLACE_PREFIX, S3_WEBSITE_REPLACE_KEY };

struct s3_website_redirect {
    enum s3_website_protocol protocol; /* SAME: as the request came */
    struct str host;                   /* empty: the request's */
    int status;                        /* 0: not said, which means 301 */
    enum s3_website_replace replace;
    struct str with;
};

struct s3_website_rule {
    bool has_prefix;
    struct str prefix; /* KeyPrefixEquals */
    int error;         /* HttpErrorCodeReturnedEquals; 0: not said, so judged before the look-up */
    struct s3_website_redirect to;
};

struct s3_website {
    bool redirects_all;
    struct s3_website_redirect all; /* if so; else: */
    struct str index;               /* IndexDocument/Suffix */
    struct str error;               /* ErrorDocument/Key; empty: none */
    struct s3_website_rule *rules;  /* arena */
    size_t n;
};

/* From <WebsiteConfiguration>. MalformedXML, InvalidArgument, InvalidRequest. Arena of @q. */
enum s3err s3_website_parse(struct s3_req *q, const struct s3_node *root, struct s3_website *ret);
void s3_website_write(const struct s3_website *w, struct buf *xml); /* the root's children */

void s3_website_encode(const struct s3_website *w, struct buf *out);
int s3_website_decode(struct str bytes, struct arena *a,
                      struct s3_website *ret) MUST_CHECK; /* -EBADMSG, -ENOMEM */

/*
 * The first rule for a request of @path (no slash in front): with @error 0 one that names no error
 * code, else one that names this. NULL: none.
 */
const struct s3_website_rule *s3_website_match(const struct s3_website *w, struct str path,
                                               int error);

/* Where the request came from, and what it asked. */
struct s3_website_from {
    bool tls;
    struct str host; /* of the request, port and all */
    struct str path; /* decoded, no slash in front */
};
/* The URL of a redirect, of @rule (NULL: of all requests). @out says when there was no memory. */
void s3_website_url(const struct s3_website_redirect *to, const struct s3_website_rule *rule,
                    const struct s3_website_from *from, struct buf *out);

#endif
