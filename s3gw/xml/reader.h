/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader - request documents as small trees in an arena, read by libxml2.
 *
 * No network, no DTD, no entities but the five of XML; depth and number of elements are limited.
 * Namespaces and unknown attributes are tolerated: names are local names.
 *
 * Rule: s3-behaviours 1 (XML requests).  Threads: any.
 */
#ifndef S3_XML_READER_H
#define S3_XML_READER_H

#include "dfscore/base/arena.h"

enum { S3_XML_DEPTH_MAX = 16, S3_XML_NODES_MAX = 150000 };

struct s3_node {
    struct str name;       /* without prefix */
    struct str text;       /* its own text, untrimmed, CDATA included; empty when none */
    struct str type;       /* attribute xsi:type; absent when there is none */
    struct s3_node *child; /* first */
    struct s3_node *next;  /* sibling */
};

/*
 * Parse @body; its root must be @root (NULL: any), its elements those of @root's row in documents.def.
 * All in the arena. 0; -ENODATA: empty or only blanks; -EBADMSG: not well formed, a DTD, too deep,
 * another root, not of its schema; -ENOMEM.
 */
int s3_xml_parse(struct str body, const char *root, struct arena *a,
                 struct s3_node **ret) MUST_CHECK;

/* First child of that name, or NULL; @n may be NULL. */
const struct s3_node *s3_node_child(const struct s3_node *n, const char *name);
/* @n itself or the first sibling after it of that name, or NULL. */
const struct s3_node *s3_node_find(const struct s3_node *n, const char *name);
/* Text of the child of that name; absent when there is none. */
struct str s3_node_text(const struct s3_node *n, const char *name);
/* How many children of that name. */
size_t s3_node_count(const struct s3_node *n, const char *name);

#endif
