/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include "dfscore/cli/cli.h"
#include "dfscore/log/log.h"

void cli_complain(const char *what, int err)
{
    fprintf(stderr, "dfs: %s: %s (%s)\n", what, strerror(-err), dfs_errno_name(err));
}

int cli_misuse(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "dfs: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, " (dfs --help shows how)\n");
    va_end(ap);
    return 2;
}

/* @s as the inside of a JSON string. */
static void json_escape(struct buf *out, struct str s)
{
    bool text = str_utf8_ok(s);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7F || (!text && c > 0x7F))
            buf_addf(out, "\\u%04x", c); /* bytes that are no UTF-8 appear as Latin-1 */
        else
            buf_addc(out, (char)c);
    }
}

void cli_begin(struct cli *c)
{
    buf_reset(&c->out);
    c->first = true;
    if (c->json)
        buf_addc(&c->out, '{');
}

static void name_of(struct cli *c, const char *name)
{
    if (!c->json) {
        buf_addf(&c->out, "%s: ", name);
        return;
    }
    if (!c->first)
        buf_addf(&c->out, ", ");
    c->first = false;
    buf_addf(&c->out, "\"");
    json_escape(&c->out, str_c(name));
    buf_addf(&c->out, "\": ");
}

static void end_of_field(struct cli *c)
{
    if (!c->json)
        buf_addc(&c->out, '\n');
}

void cli_str(struct cli *c, const char *name, struct str value)
{
    name_of(c, name);
    if (c->json) {
        buf_addc(&c->out, '"');
        json_escape(&c->out, value);
        buf_addc(&c->out, '"');
    } else {
        buf_adds(&c->out, value);
    }
    end_of_field(c);
}

void cli_num(struct cli *c, const char *name, int64_t value)
{
    name_of(c, name);
    buf_addf(&c->out, "%lld", (long long)value);
    end_of_field(c);
}

void cli_time(struct cli *c, const char *name, int64_t unix_s)
{
    struct tm tm;
    time_t t = (time_t)unix_s;
    if (c->json || unix_s == 0 || !gmtime_r(&t, &tm)) {
        cli_num(c, name, unix_s);
        return;
    }
    char text[40];
    size_t n = strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
    cli_str(c, name, str_of(text, n));
}

void cli_bool(struct cli *c, const char *name, bool value)
{
    name_of(c, name);
    buf_addf(&c->out, "%s", value ? "true" : "false");
    end_of_field(c);
}

void cli_end(struct cli *c)
{
    if (c->json)
        buf_addf(&c->out, "}\n");
    struct str s = buf_str(&c->out);
    fwrite(s.p, 1, s.n, stdout);
}

void cli_word(struct cli *c, const char *name, struct str value)
{
    if (c->json) {
        cli_begin(c);
        cli_str(c, name, value);
        cli_end(c);
        return;
    }
    printf(STR_F "\n", STR_A(value));
}
