/* SPDX-License-Identifier: Apache-2.0 */
/* error - the error document: Code, Message, extra elements, Resource, RequestId, HostId; no
 * namespace. Rule: s3-behaviours 8. */
#ifndef S3_XML_ERROR_H
#define S3_XML_ERROR_H

#include "s3gw/core/req.h"

/* The document for @e with q->resp's message and extras. */
void s3_xml_error(const struct s3_req *q, enum s3err e, struct buf *out);

#endif
