/* SPDX-License-Identifier: Apache-2.0 */
/* tagging - tag sets as XML, in and out. Rule: s3-behaviours 23. */
#ifndef S3_API_TAGGING_H
#define S3_API_TAGGING_H

#include "s3gw/core/req.h"
#include "s3gw/core/tags.h"
#include "s3gw/xml/reader.h"

/* The Tag children of @set, checked, encoded as core/tags.h says. MalformedXML, InvalidTag,
 * BadRequest. */
enum s3err s3_tags_of_xml(struct s3_req *q, const struct s3_node *set, size_t max, struct str *ret);

#endif
