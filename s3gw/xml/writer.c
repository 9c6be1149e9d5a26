/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/xml/writer.h"

#include "s3gw/core/uri.h"

static void add_z(struct buf *b, const char *z)
{
    buf_add(b, z, strlen(z));
}

void s3_xml_declaration(struct buf *b)
{
    buf_adds(b, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
}

void s3_xml_open(struct buf *b, const char *name)
{
    buf_addc(b, '<');
    add_z(b, name);
    buf_addc(b, '>');
}

void s3_xml_open_ns(struct buf *b, const char *name, const char *ns)
{
    buf_addf(b, "<%s xmlns=\"%s\">", name, ns);
}

void s3_xml_open_typed(struct buf *b, const char *name, const char *type)
{
    buf_addf(b, "<%s xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"%s\">",
             name, type);
}

void s3_xml_close(struct buf *b, const char *name)
{
    buf_adds(b, STR("</"));
    add_z(b, name);
    buf_addc(b, '>');
}

enum byte_class { PLAIN, MARKUP, HIGH };

static enum byte_class class_of(unsigned char c)
{
    if (c >= 0x80)
        return HIGH;
    return c < 0x20 || c == 0x7F || c == '<' || c == '>' || c == '&' || c == '"' ? MARKUP : PLAIN;
}

static void escape_byte(struct buf *b, unsigned char c)
{
    switch (c) {
    case '<':
        buf_adds(b, STR("&lt;"));
        break;
    case '>':
        buf_adds(b, STR("&gt;"));
        break;
    case '&':
        buf_adds(b, STR("&amp;"));
        break;
    case '"':
        buf_adds(b, STR("&quot;"));
        break;
    default: /* XML 1.0 knows no reference below 0x20 but tab, LF, CR; AWS writes them all the same
              */
        buf_addf(b, "&#x%X;", c);
    }
}

/* How many bytes the character at the start of @s has; 0: it is none. */
static size_t character(struct str s)
{
    for (size_t n = 2; n <= 4 && n <= s.n; n++)
        if (str_utf8_ok(str_head(s, n)))
            return n;
    return 0;
}

void s3_xml_escape(struct buf *b, struct str text)
{
    bool utf8 = str_utf8_ok(text);
    size_t from = 0;
    for (size_t i = 0; i < text.n; i++) {
        enum byte_class c = class_of((unsigned char)text.p[i]);
        if (c == PLAIN || (c == HIGH && utf8))
            continue;
        if (c == HIGH) {
            size_t n = character(str_from(text, i));
            if (n > 0) {
                i += n - 1;
                continue;
            }
        }
        buf_add(b, text.p + from, i - from);
        if (c == HIGH)
            buf_adds(b, STR("\xEF\xBF\xBD"));
        else
            escape_byte(b, (unsigned char)text.p[i]);
        from = i + 1;
    }
    if (text.n > from)
        buf_add(b, text.p + from, text.n - from);
}

void s3_xml_text(struct buf *b, const char *name, struct str text)
{
    s3_xml_open(b, name);
    s3_xml_escape(b, text);
    s3_xml_close(b, name);
}

void s3_xml_key(struct buf *b, const char *name, struct str text, bool url)
{
    if (!url) {
        s3_xml_text(b, name, text);
        return;
    }
    s3_xml_open(b, name);
    s3_uri_encode(b, text,
                  true); /* Differs: a blank is %20 here, + at AWS; every client reads %20 */
    s3_xml_close(b, name);
}

void s3_xml_u64(struct buf *b, const char *name, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    s3_xml_open(b, name);
    buf_add(b, text, (size_t)n);
    s3_xml_close(b, name);
}

void s3_xml_bool(struct buf *b, const char *name, bool v)
{
    s3_xml_text(b, name, v ? STR("true") : STR("false"));
}
