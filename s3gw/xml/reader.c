/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/xml/reader.h"
#include "s3gw/xml/shape.h"

#include <libxml/xmlreader.h>
#include <pthread.h>

struct builder {
    struct arena *arena;
    struct s3_node *open[S3_XML_DEPTH_MAX + 1]; /* open[0] holds the root as its child */
    struct s3_node *last[S3_XML_DEPTH_MAX + 1]; /* last child of open[i] */
    size_t depth;                               /* open[depth] is the innermost */
    size_t nodes;
};

static void free_reader(xmlTextReaderPtr *r)
{
    if (*r)
        xmlFreeTextReader(*r);
}

/* Errors are the caller's to report; libxml2 would print them on standard error. */
static void quiet(void *arg, const char *msg, ...)
{
    (void)arg, (void)msg;
}

static void init_library(void)
{
    xmlInitParser();
}

static struct str view(const xmlChar *z)
{
    return str_c((const char *)z);
}

static int enter(struct builder *b, xmlTextReaderPtr r)
{
    if (b->depth == S3_XML_DEPTH_MAX || ++b->nodes > S3_XML_NODES_MAX)
        return -EBADMSG;
    struct s3_node *n = arena_alloc(b->arena, sizeof(*n));
    if (!n)
        return -ENOMEM;
    n->name = arena_str(b->arena, view(xmlTextReaderConstLocalName(r)));
    n->text = STR("");
    if (!n->name.p)
        return -ENOMEM;
    if (xmlTextReaderHasAttributes(r) == 1) {
        xmlChar *type = xmlTextReaderGetAttributeNs(
            r, (const xmlChar *)"type",
            (const xmlChar *)"http://www.w3.org/2001/XMLSchema-instance");
        if (type) {
            n->type = arena_str(b->arena, view(type));
            xmlFree(type);
            if (!n->type.p)
                return -ENOMEM;
        }
    }
    if (b->last[b->depth])
        b->last[b->depth]->next = n;
    else
        b->open[b->depth]->child = n;
    b->last[b->depth] = n;
    if (xmlTextReaderIsEmptyElement(r) == 1)
        return 0;
    b->open[++b->depth] = n;
    b->last[b->depth] = NULL;
    return 0;
}

static int text(struct builder *b, xmlTextReaderPtr r)
{
    struct s3_node *n = b->open[b->depth];
    struct str piece = view(xmlTextReaderConstValue(r));
    if (n->child ||
        piece.n == 0) /* blanks between elements; text beside elements means nothing in S3 */
        return 0;
    if (n->text.n == 0) {
        n->text = arena_str(b->arena, piece);
    } else { /* text and CDATA side by side */
        char *joined = arena_alloc(b->arena, n->text.n + piece.n + 1);
        if (!joined)
            return -ENOMEM;
        memcpy(joined, n->text.p, n->text.n);
        memcpy(joined + n->text.n, piece.p, piece.n);
        n->text = str_of(joined, n->text.n + piece.n);
    }
    return n->text.p ? 0 : -ENOMEM;
}

static int node(struct builder *b, xmlTextReaderPtr r)
{
    switch (xmlTextReaderNodeType(r)) {
    case XML_READER_TYPE_ELEMENT:
        return enter(b, r);
    case XML_READER_TYPE_END_ELEMENT:
        b->depth--;
        return 0;
    case XML_READER_TYPE_TEXT:
    case XML_READER_TYPE_CDATA:
    case XML_READER_TYPE_WHITESPACE:
    case XML_READER_TYPE_SIGNIFICANT_WHITESPACE:
        return text(b, r);
    case XML_READER_TYPE_COMMENT:
    case XML_READER_TYPE_PROCESSING_INSTRUCTION:
    case XML_READER_TYPE_XML_DECLARATION:
        return 0;
    default: /* DOCTYPE, entity references: never resolved, never needed */
        return -EBADMSG;
    }
}

static bool blank(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr(" \t\r\n", s.p[i]) || s.p[i] == '\0')
            return false;
    return true;
}

int s3_xml_parse(struct str body, const char *root, struct arena *a, struct s3_node **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_library);
    if (blank(body))
        return -ENODATA;
    if (body.n > INT32_MAX || str_find(body, STR("<!DOCTYPE")) != SIZE_MAX)
        return -EBADMSG;
    AUTO(free_reader)
    xmlTextReaderPtr r = xmlReaderForMemory(
        body.p, (int)body.n, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!r)
        return -ENOMEM;
    xmlTextReaderSetErrorHandler(r, (xmlTextReaderErrorFunc)quiet, NULL);
    struct s3_node top = {0};
    struct builder b = {.arena = a, .open = {&top}};
    int more, e = 0;
    while ((more = xmlTextReaderRead(r)) == 1 && e == 0)
        e = node(&b, r);
    if (e < 0)
        return e;
    if (more < 0 || !top.child ||
        (root && (!str_eq(top.child->name, str_c(root)) || !s3_shape_fits(top.child))))
        return -EBADMSG;
    *ret = top.child;
    return 0;
}

const struct s3_node *s3_node_find(const struct s3_node *n, const char *name)
{
    struct str want = str_c(name);
    while (n && !str_eq(n->name, want))
        n = n->next;
    return n;
}

const struct s3_node *s3_node_child(const struct s3_node *n, const char *name)
{
    return n ? s3_node_find(n->child, name) : NULL;
}

struct str s3_node_text(const struct s3_node *n, const char *name)
{
    const struct s3_node *c = s3_node_child(n, name);
    return c ? c->text : STR_NULL;
}

size_t s3_node_count(const struct s3_node *n, const char *name)
{
    size_t count = 0;
    for (const struct s3_node *c = s3_node_child(n, name); c; c = s3_node_find(c->next, name))
        count++;
    return count;
}
