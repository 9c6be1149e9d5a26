/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer - what many handlers say and ask in the same way: dates, ETags, owners, XML answers,
 * numeric parameters, demanded digests.
 *
 * Rule: s3-behaviours 1 (dates, XML), 5 (digests), 11 (max-keys).
 */
#ifndef S3_ANSWER_H
#define S3_ANSWER_H

#include "s3gw/core/etag.h"
#include "s3gw/core/req.h"

struct s3_node;

/* --- headers --- */
void s3_resp_etag(struct s3_req *q, const struct s3_etag *e);
/* RFC 1123 in GMT, whole seconds. */
void s3_resp_time(struct s3_req *q, const char *name, int64_t ms);

/* --- XML answers, written straight into q->resp.body --- */

#define S3_XML_NS "http://s3.amazonaws.com/doc/2006-03-01/"

/* Declaration and root element with S3's namespace; the buffer to go on with. */
struct buf *s3_answer_open(struct s3_req *q, const char *root);
/* Closes the root; Content-Type. InternalError when the answer did not fit. */
enum s3err s3_answer_close(struct s3_req *q, const char *root);

void s3_xml_time(struct buf *b, const char *name, int64_t ms);
void s3_xml_etag(struct buf *b, const char *name, const struct s3_etag *e); /* with quotes */
/* <name><ID/><DisplayName/></name>; names are looked up. May block. */
void s3_xml_owner(struct s3_req *q, struct buf *b, const char *name, struct str user_id);

/* --- questions --- */

/* The document in the body, its root named @root. MissingRequestBodyError, MalformedXML. Arena. */
enum s3err s3_document(struct s3_req *q, const char *root, struct s3_node **ret);
/*
 * A paging limit such as max-keys: absent or empty gives @max, above it is cut. InvalidArgument
 * when it is no number from 0 to 2147483647.
 */
enum s3err s3_param_limit(struct s3_req *q, struct str name, size_t max, size_t *ret);
/* encoding-type: absent, or "url"; anything else is InvalidArgument. */
enum s3err s3_param_encoding(struct s3_req *q, bool *ret_url);
/* Content-MD5 or an x-amz-checksum-* header; they have been verified already. InvalidRequest
 * without. */
enum s3err s3_need_digest(struct s3_req *q);

#endif
