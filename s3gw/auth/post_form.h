/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post_form - may this browser form upload what it says? Its signature, its policy document, its
 * fields. Pure but for the look-up of the access key; the form itself is read by core/form.
 *
 * Rule: Amazon S3 API Reference, "Browser-Based Uploads Using POST"; s3-behaviours 22.
 * Threads: any; no shared state.
 */
#ifndef S3_POST_FORM_H
#define S3_POST_FORM_H

#include "s3gw/core/form.h"
#include "s3gw/core/req.h"
#include "s3gw/index/index.h"

enum { S3_POST_POLICY_MAX = 20 * 1024 };

/* Fields before the file, in order; names without case, as sent. "${filename}" is replaced in all
 * of them: conditions see what is stored. */
struct s3_post_fields {
    const struct s3_pair *pairs;
    size_t n;
};

struct s3_post_limits {
    /* bytes of the file, from content-length-range; 0 and UINT64_MAX without one */
    uint64_t min, max;
};

/* What a form says, at the moment its file begins; q->post. */
struct s3_post {
    struct s3_post_fields fields;
    struct s3_post_limits limits;
};

/* Sets q->post from what @form has read. OK, SlowDown, MaxPostPreDataLengthExceededError. */
enum s3err s3_post_open(struct s3_req *q, const struct s3_form *form);

/* First field of that name, without case; absent when there is none. */
struct str s3_post_field(const struct s3_post_fields *f, struct str name);

/*
 * Judge the form at the moment its file begins: fills q->who (anonymous when no signature field is
 * there) and *ret. Needs q->bucket, gw, now_ms. OK; WOULD_BLOCK as s3_auth_verify();
 * InvalidArgument naming a missing or wrong field, InvalidAccessKeyId, SignatureDoesNotMatch,
 * InvalidPolicyDocument, AccessDenied.
 */
enum s3err s3_post_verify(struct s3_req *q, const struct s3_post_fields *f, enum s3_read how,
                          struct s3_post_limits *ret);

/* Only the policy: @text is its JSON. */
enum s3err s3_post_policy(struct s3_req *q, const struct s3_post_fields *f, struct str text,
                          struct s3_post_limits *ret);

/* "${filename}" replaced by the last part of @filename (both slashes divide), escaped for a URL if
 * @in_url says so. *ret in the arena. OK, SlowDown (no memory), MaxPostPreDataLengthExceededError. */
enum s3err s3_post_expand(struct s3_req *q, struct str text, struct str filename, bool in_url,
                          struct str *ret);

#endif
