/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial - test and appender-test: do on the cluster what clients do, look whether it is right, and
 * take everything away again. Content is made here, so that no file is needed.
 */
#include <stdio.h>

#include "dfscore/base/clock.h"
#include "dfscore/cli/cli.h"

enum { FIRST = 100 * 1000, MORE = 5000, CONTENT_MAX = 4 * FIRST };

struct trial {
    struct cli *c;
    char id[DFS_FILEID_TEXT];
    bool stored;     /* id names a file that must go again */
    struct buf want; /* what the file should hold */
    struct buf got;
};

static int keep(void *arg, struct str piece)
{
    struct buf *got = arg;
    buf_adds(got, piece);
    return buf_err(got);
}

/* One line a step; its error comes back. */
static int step(struct trial *t, const char *what, int r)
{
    if (t->c->json) {
        cli_begin(t->c);
        cli_str(t->c, "step", str_c(what));
        cli_bool(t->c, "ok", r == 0);
        cli_end(t->c);
    } else if (r == 0) {
        printf("%-24s ok\n", what);
    }
    return r < 0 ? cli_fail(what, r) : 0;
}

static void make_content(struct buf *out, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        buf_addc(out, (char)(seed >> 24));
    }
}

static int compare(struct trial *t)
{
    uint64_t len = 0;
    buf_reset(&t->got);
    int r = dfs_client_download(t->c->client, str_c(t->id), 0, 0, keep, &t->got, &len);
    return r < 0 ? r : str_eq(buf_str(&t->got), buf_str(&t->want)) ? 0 : -EBADMSG;
}

static int compare_range(struct trial *t, uint64_t off, uint64_t n)
{
    uint64_t len = 0;
    buf_reset(&t->got);
    int r = dfs_client_download(t->c->client, str_c(t->id), off, n, keep, &t->got, &len);
    struct str want = str_head(str_from(buf_str(&t->want), (size_t)off), (size_t)n);
    return r < 0 ? r : str_eq(buf_str(&t->got), want) ? 0 : -EBADMSG;
}

static int upload(struct trial *t, bool appender)
{
    make_content(&t->want, FIRST, (uint32_t)dfs_mono_us());
    const struct dfs_content content = dfs_content_str(buf_str(&t->want));
    int r = dfs_client_upload(t->c->client, t->c->group, appender, STR("trial"), &content, t->id);
    t->stored = r == 0;
    return r;
}

static int check_info(struct trial *t)
{
    struct dfs_file_info_rsp info;
    int r = dfs_client_info(t->c->client, str_c(t->id), 0, &info);
    return r < 0 ? r : info.size == (int64_t)t->want.n ? 0 : -EBADMSG;
}

static int check_meta(struct trial *t)
{
    AUTO(buf_free) struct buf text = BUF(1024);
    AUTO(buf_free) struct buf back = BUF(64 * 1024);
    int r = dfs_meta_add(&text, STR("purpose"), STR("trial"));
    if (r == 0)
        r = dfs_client_set_meta(t->c->client, str_c(t->id), false, buf_str(&text));
    if (r == 0)
        r = dfs_client_get_meta(t->c->client, str_c(t->id), &back);
    return r < 0 ? r : str_eq(buf_str(&text), buf_str(&back)) ? 0 : -EBADMSG;
}

static int append(struct trial *t)
{
    size_t before = t->want.n;
    make_content(&t->want, MORE, (uint32_t)before);
    const struct dfs_content more = dfs_content_str(str_from(buf_str(&t->want), before));
    return dfs_client_append(t->c->client, str_c(t->id), &more);
}

static int modify(struct trial *t)
{
    const struct str over = STR("these bytes take the place of others");
    const struct dfs_content content = dfs_content_str(over);
    memcpy(t->want.p + MORE, over.p, over.n);
    return dfs_client_modify(t->c->client, str_c(t->id), MORE, &content);
}

static int truncate_half(struct trial *t)
{
    t->want.n /= 2;
    return dfs_client_truncate(t->c->client, str_c(t->id), t->want.n);
}

static int regenerate(struct trial *t)
{
    char id[DFS_FILEID_TEXT];
    int r = dfs_client_regenerate(t->c->client, str_c(t->id), id);
    if (r == 0)
        memcpy(t->id, id, sizeof(t->id));
    return r;
}

static int gone(struct trial *t)
{
    struct dfs_file_info_rsp info;
    int r = dfs_client_info(t->c->client, str_c(t->id), DFS_INFO_SILENT, &info);
    return r == -ENOENT ? 0 : r < 0 ? r : -EEXIST;
}

static int delete (struct trial *t)
{
    int r = dfs_client_delete(t->c->client, str_c(t->id));
    t->stored = t->stored && r < 0;
    return r;
}

static int end(struct trial *t, int code)
{
    if (t->stored && dfs_client_delete(t->c->client, str_c(t->id)) < 0)
        fprintf(stderr, "dfs: %s is left behind\n", t->id);
    buf_free(&t->want);
    buf_free(&t->got);
    return code;
}

static struct trial begin(struct cli *c)
{
    return (struct trial){.c = c, .want = BUF(CONTENT_MAX), .got = BUF(CONTENT_MAX)};
}

int cmd_test(struct cli *c)
{
    struct trial t = begin(c);
    int code = step(&t, "upload", upload(&t, false));
    if (code == 0)
        code = step(&t, "download", compare(&t));
    if (code == 0)
        code = step(&t, "download a range", compare_range(&t, 1000, 777));
    if (code == 0)
        code = step(&t, "file info", check_info(&t));
    if (code == 0)
        code = step(&t, "metadata", check_meta(&t));
    if (code == 0)
        code = step(&t, "delete", delete (&t));
    if (code == 0)
        code = step(&t, "gone", gone(&t));
    return end(&t, code);
}

int cmd_appender_test(struct cli *c)
{
    static const struct {
        const char *what;
        int (*run)(struct trial *t);
    } edits[] = {{"append", append}, {"modify", modify}, {"truncate", truncate_half}};
    struct trial t = begin(c);
    int code = step(&t, "upload an appender", upload(&t, true));
    for (size_t i = 0; i < ARRAY_LEN(edits) && code == 0; i++) {
        code = step(&t, edits[i].what, edits[i].run(&t));
        if (code == 0)
            code = step(&t, "download", compare(&t));
    }
    if (code == 0)
        code = step(&t, "regenerate its name", regenerate(&t));
    if (code == 0)
        code = step(&t, "download", compare(&t));
    if (code == 0)
        code = step(&t, "delete", delete (&t));
    return end(&t, code);
}
