/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer - elements into a buf, escaped here, by everyone, always. Errors stick in the buf.
 *
 * Text may hold anything: markup and control characters become references (a bare CR would be read
 * back as LF), what is not UTF-8 becomes U+FFFD. Element names are ours: literals.
 *
 * Rule: XML 1.0; s3-behaviours 1 and 10.  Threads: no state.
 */
#ifndef S3_XML_WRITER_H
#define S3_XML_WRITER_H

#include "dfscore/base/buf.h"

void s3_xml_declaration(struct buf *b);
void s3_xml_open(struct buf *b, const char *name);
void s3_xml_open_ns(struct buf *b, const char *name, const char *ns);
/* <Grantee xmlns:xsi="..." xsi:type="@type"> */
void s3_xml_open_typed(struct buf *b, const char *name, const char *type);
void s3_xml_close(struct buf *b, const char *name);
void s3_xml_text(struct buf *b, const char *name, struct str text); /* <name>text</name> */
/* The same, percent-encoded when @url (encoding-type=url): unreserved characters and / stay. */
void s3_xml_key(struct buf *b, const char *name, struct str text, bool url);
void s3_xml_u64(struct buf *b, const char *name, uint64_t v);
void s3_xml_bool(struct buf *b, const char *name, bool v);
void s3_xml_escape(struct buf *b, struct str text);

#endif
