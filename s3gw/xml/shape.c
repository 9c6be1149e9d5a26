/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/xml/reader.h"
#include "s3gw/xml/shape.h"

static const struct {
    struct str root;
    const char *members;
} documents[] = {
#define S3DOC(root, members) {STR_INIT(#root), members},
#include "s3gw/xml/documents.def"
#undef S3DOC
};

/* What stands behind @name in the members that begin at @p, NULL: it is none of them. */
static const char *member(const char *p, struct str name, bool *ret_many)
{
    unsigned depth = 0;
    while (*p) {
        size_t n = strcspn(p, " *{}");
        const char *end = p + n + (p[n] == '*');
        if (depth == 0 && n > 0 && str_eq(name, str_of(p, n))) {
            *ret_many = p[n] == '*';
            return end;
        }
        if (*end == '{')
            depth++;
        else if (*end == '}' && depth-- == 0)
            return NULL; /* of whom @p are the members */
        p = end + (*end != '\0');
    }
    return NULL;
}

static bool again(const struct s3_node *n)
{
    const struct s3_node *c = n->next;
    while (c && !str_eq(c->name, n->name))
        c = c->next;
    return c;
}

/* As deep as the reader lets documents be (S3_XML_DEPTH_MAX). */
static bool fits(const struct s3_node *n, const char *members)
{
    for (const struct s3_node *c = n->child; c; c = c->next) {
        bool many = false;
        const char *after = member(members, c->name, &many);
        if (!after && member(members, STR("others"), &many))
            continue;
        if (!after || (!many && again(c)))
            return false;
        if (*after == '{' ? !fits(c, after + 1) : c->child != NULL)
            return false;
    }
    return true;
}

bool s3_shape_fits(const struct s3_node *root)
{
    for (size_t i = 0; i < ARRAY_LEN(documents); i++)
        if (str_eq(root->name, documents[i].root))
            return fits(root, documents[i].members);
    return true;
}
