/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape - does a document have the elements of its schema (documents.def), and no others?
 *
 * Order is free; what texts say is for whoever reads them.  Threads: any.
 */
#ifndef S3_XML_SHAPE_H
#define S3_XML_SHAPE_H

#include <stdbool.h>

#include "dfscore/base/base.h"

struct s3_node;

/* False: an element that is unknown there, or too many of one. A root without a row fits. */
bool s3_shape_fits(const struct s3_node *root) MUST_CHECK;

#endif
