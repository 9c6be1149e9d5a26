/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/view_text.h"

static const char first_line[] = "s3gw-cluster 1";

void s3_view_text_begin(struct buf *out)
{
    buf_addf(out, "%s\n", first_line);
}

void s3_view_text_group(struct buf *out, const struct dfs_group_stat *g)
{
    buf_addf(out, "group %s %lld %lld\n", g->group,
             (long long)(MAX(g->free_mb, INT64_C(0)) & ~INT64_C(1023)),
             (long long)MAX(g->reserved_mb, INT64_C(0)));
}

void s3_view_text_server(struct buf *out, const struct dfs_storage_detail *s)
{
    buf_addf(out, "server %s %s %lld %u %u\n", s->id, s->ip, (long long)s->port,
             (unsigned)s->status, (unsigned)s->rw_mode);
}

void s3_view_text_end(struct buf *out)
{
    buf_addf(out, "end\n");
}

/* ---- reading ---- */

enum { SERVERS_MAX = 64, GROUP_TEXT = 16 + 1 };

struct reading {
    bool group_seen, over;
    struct dfs_group_stat group;
    struct dfs_storage_detail servers[SERVERS_MAX];
    size_t n;
};

static bool take_text(struct str *line, char *out, size_t cap)
{
    struct str word;
    if (!str_split(line, ' ', &word) || word.n == 0 || word.n >= cap)
        return false;
    memcpy(out, word.p, word.n);
    out[word.n] = '\0';
    return true;
}

static bool take_number(struct str *line, uint64_t max, uint64_t *ret)
{
    struct str word;
    return str_split(line, ' ', &word) && str_u64(word, max, ret) == 0;
}

static bool read_group(struct reading *rd, struct str line)
{
    uint64_t free_mb, reserved_mb;
    rd->group = (struct dfs_group_stat){.free_mb = 0};
    rd->n = 0;
    rd->group_seen = true;
    if (!take_text(&line, rd->group.group, GROUP_TEXT) ||
        !take_number(&line, INT64_MAX, &free_mb) || !take_number(&line, INT64_MAX, &reserved_mb) ||
        line.n > 0)
        return false;
    rd->group.free_mb = (int64_t)free_mb;
    rd->group.reserved_mb = (int64_t)reserved_mb;
    return true;
}

static bool read_server(struct reading *rd, struct str line)
{
    uint64_t port, status, mode;
    if (!rd->group_seen || rd->n == SERVERS_MAX)
        return false;
    struct dfs_storage_detail *s = &rd->servers[rd->n++];
    *s = (struct dfs_storage_detail){.port = 0};
    if (!take_text(&line, s->id, sizeof(s->id)) || !take_text(&line, s->ip, sizeof(s->ip)) ||
        !take_number(&line, UINT16_MAX, &port) || !take_number(&line, UINT8_MAX, &status) ||
        !take_number(&line, UINT8_MAX, &mode) || line.n > 0)
        return false;
    s->port = (int64_t)port;
    s->status = (uint8_t)status;
    s->rw_mode = (uint8_t)mode;
    return true;
}

static void give(struct reading *rd, s3_view_text_fn *fn, void *arg)
{
    if (rd->group_seen && fn)
        fn(arg, &rd->group, rd->servers, rd->n);
    rd->group_seen = false;
}

/* @fn NULL: only look whether it is right. */
static bool read_all(struct reading *rd, struct str text, s3_view_text_fn *fn, void *arg)
{
    struct str line, word;
    rd->group_seen = rd->over = false;
    if (!str_split(&text, '\n', &line) || !str_eq(line, str_c(first_line)))
        return false;
    while (!rd->over && str_split(&text, '\n', &line)) {
        bool more = str_split(&line, ' ', &word), ok;
        if (str_eq(word, STR("group"))) {
            give(rd, fn, arg);
            ok = more && read_group(rd, line);
        } else if (str_eq(word, STR("server"))) {
            ok = more && read_server(rd, line);
        } else {
            rd->over = ok = str_eq(word, STR("end")) && line.n == 0;
        }
        if (!ok)
            return false;
    }
    give(rd, fn, arg);
    return rd->over && text.n == 0;
}

int s3_view_text_read(struct str text, s3_view_text_fn *fn, void *arg)
{
    AUTO(dfs_free_ptr) struct reading *rd = dfs_alloc(sizeof(*rd));
    if (!rd)
        return -ENOMEM;
    if (!read_all(rd, text, NULL, NULL))
        return -EBADMSG;
    (void)read_all(rd, text, fn, arg);
    return 0;
}
