/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops - the operation table, and which row a request means. Pure; any thread.
 *
 * Rule: s3-behaviours 2 (addressing, routing): a query name that is a known subresource selects an
 *       operation or is refused, it never falls through to the plain operation of the resource.
 */
#ifndef S3_OPS_H
#define S3_OPS_H

#include "s3gw/core/op.h"

extern const struct s3_op s3_ops[];
extern const size_t s3_nops;

/*
 * Sets q->op from method, level (bucket and key as the URI said), query names and selecting
 * headers.
 *
 * S3ERR_OK; NotImplemented for a row without a handler (q->op is set, so that logs name it), and for
 * a header that changes other writes but not this one; MethodNotAllowed with an Allow header;
 * InvalidRequest for a subresource that the resource does not have, and for a header of a write that
 * has two values; InvalidArgument for subresources, versionId, partNumber or a copy source that
 * contradict.
 */
enum s3err s3_route(struct s3_req *q);

/* The fields of a form have become headers: are they what a PutObject heeds, and each said once? As s3_route() judges
 * headers: NotImplemented, InvalidRequest. */
enum s3err s3_route_form(struct s3_req *q);

/* "GET", "PUT"... of a row. */
const char *s3_method_name(enum s3_method m);

#endif
