/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_xml - any bytes: an accepted document has a named root, bounded depth, and text within the
 * arena. */
#include "s3gw/xml/reader.h"
#include "s3gw/xml/shape.h"
#include "s3gw/xml/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct s3_node *n, unsigned depth, struct buf *out)
{
    ASSERT(depth <= S3_XML_DEPTH_MAX);
    for (; n; n = n->next) {
        ASSERT(n->name.n > 0 && n->text.p);
        s3_xml_escape(out, n->text);
        walk(n->child, depth + 1, out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct s3_node *root;
    AUTO(buf_free) struct buf out = BUF(1 << 20);
    arena_init(&a, 4 << 20);
    int r = s3_xml_parse(str_of(data, size), NULL, &a, &root);
    ASSERT(r == 0 || r == -EBADMSG || r == -ENODATA || r == -ENOMEM);
    if (r == 0) {
        walk(root, 1, &out);
        ASSERT(s3_shape_fits(root) || root->child); /* every schema has room for nothing */
    }
    arena_fini(&a);
    return 0;
}
