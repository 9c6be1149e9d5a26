/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/arrivals.h"

#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "storage/trunk/replica.h"

enum {
    FILES_MAX = 128,              /* of so many names one question is made */
    PLAIN_MAX = 64,               /* temporary files at a time */
    BYTES_MAX = 16 * 1024 * 1024, /* of their content */
    TEXTS_MAX = 36 * 1024 * 1024, /* FILES_MAX times the longest metadata, and more */
    ANSWER_MAX = 1024 * 1024,
};

struct arrival {
    char name[STO_NAME_MAX + 1];
    struct sto_replica_new plain; /* file NULL: packed */
    size_t text_at, text_n;       /* its metadata in texts */
};

struct sto_arrivals {
    struct sto_store *store;
    const char *group;
    bool singly;
    struct arrival list[FILES_MAX];
    size_t n, plain;
    uint64_t bytes; /* of the plain ones */
    struct buf texts, answer;
};

int sto_arrivals_new(struct sto_store *s, const char *group, bool singly, struct sto_arrivals **ret)
{
    struct sto_arrivals *a = dfs_zalloc(sizeof(*a));
    if (!a)
        return -ENOMEM;
    a->store = s;
    a->group = group;
    a->singly = singly;
    a->texts = BUF(TEXTS_MAX);
    a->answer = BUF(ANSWER_MAX);
    *ret = a;
    return 0;
}

static void forget(struct sto_arrivals *a)
{
    for (size_t i = 0; i < a->n; i++)
        sto_file_free(&a->list[i].plain.file);
    a->n = a->plain = 0;
    a->bytes = 0;
}

void sto_arrivals_free(struct sto_arrivals **ap)
{
    struct sto_arrivals *a = TAKE(*ap);
    if (!a)
        return;
    forget(a);
    buf_free(&a->texts);
    buf_free(&a->answer);
    free(a);
}

int sto_arrivals_add(struct sto_arrivals *a, struct str name, struct sto_file **fp, uint64_t size,
                     int64_t time_s, int64_t made_ms)
{
    ASSERT(!sto_arrivals_full(a));
    if (name.n > STO_NAME_MAX)
        return -EINVAL;
    struct arrival *new = &a->list[a->n++];
    *new = (struct arrival){.text_n = 0};
    memcpy(new->name, name.p, name.n);
    new->plain = (struct sto_replica_new){.file = TAKE(*fp),
                                          .name = str_of(new->name, name.n),
                                          .size = size,
                                          .time_s = time_s,
                                          .made_ms = made_ms};
    a->plain += new->plain.file != NULL;
    a->bytes += size;
    return 0;
}

bool sto_arrivals_any(const struct sto_arrivals *a)
{
    return a->n > 0;
}

bool sto_arrivals_full(const struct sto_arrivals *a)
{
    return a->n == FILES_MAX || a->plain == PLAIN_MAX || a->bytes >= BYTES_MAX;
}

/* --- metadata --------------------------------------------------------------------------------------- */

static int ask(struct sto_arrivals *a, size_t from, const struct sto_line *line,
               struct dfs_peer *peer)
{
    AUTO(buf_free) struct buf body = BUF(2 + FILES_MAX * (2 + STO_NAME_MAX));
    buf_u16(&body, (uint16_t)(a->n - from));
    for (size_t i = from; i < a->n; i++) {
        buf_u16(&body, (uint16_t)a->list[i].plain.name.n);
        buf_adds(&body, a->list[i].plain.name);
    }
    int r = buf_err(&body);
    struct str part = buf_str(&body);
    return r < 0 ? r : line->call(peer, DFS_INT_SYNC_METAS, 0, &part, 1, &a->answer);
}

/* The answer is about the first of those asked for: *ret of them. */
static int take_answer(struct sto_arrivals *a, size_t from, size_t *ret)
{
    struct rd rd = rd_of(buf_str(&a->answer));
    size_t count = rd_u16(&rd);
    if (count == 0 || count > a->n - from)
        return -EPROTO;
    for (size_t i = from; i < from + count; i++) {
        struct str text = rd_bytes(&rd, rd_u32(&rd));
        if (rd.bad)
            return -EPROTO;
        a->list[i].text_at = a->texts.n;
        a->list[i].text_n = text.n;
        buf_adds(&a->texts, text);
    }
    *ret = count;
    return buf_err(&a->texts);
}

/* A member that knows the question does not call it invalid. */
static int fetch_some(struct sto_arrivals *a, size_t from, const struct sto_line *line,
                      struct dfs_peer *peer, size_t *ret)
{
    int r = ask(a, from, line, peer);
    return r == -EINVAL ? -EOPNOTSUPP : r < 0 ? r : take_answer(a, from, ret);
}

/* As from one that knows the question: a name that it does not take has no text. */
static int fetch_one(struct sto_arrivals *a, struct arrival *one, const struct sto_line *line,
                     struct dfs_peer *peer)
{
    int r = sto_line_meta(line, peer, a->group, one->plain.name, &a->answer);
    if (r == -EINVAL || r == -EREMOTE)
        buf_reset(&a->answer);
    else if (r < 0)
        return r;
    one->text_at = a->texts.n;
    one->text_n = a->answer.n;
    buf_adds(&a->texts, buf_str(&a->answer));
    return buf_err(&a->texts);
}

static int fetch_metadata(struct sto_arrivals *a, const struct sto_line *line,
                          struct dfs_peer *peer)
{
    int r = 0;
    size_t count = 0;
    buf_reset(&a->texts);
    for (size_t i = 0; i < a->n && r == 0; i += count) {
        count = 1;
        r = a->singly ? fetch_one(a, &a->list[i], line, peer)
                      : fetch_some(a, i, line, peer, &count);
    }
    return r;
}

static int keep_metadata(struct sto_arrivals *a, const struct arrival *one)
{
    struct str text = str_of(a->texts.p + one->text_at, one->text_n);
    return sto_replica_meta_unless(a->store, one->plain.name, text);
}

/* --- all --------------------------------------------------------------------------------------------- */

/* One bad file must not hold up all others (semantics 19, 30). */
static int pass_over(const struct arrival *one, int err)
{
    if (err != -ENOENT && err != -EREMOTE && err != -EINVAL && err != -EBADMSG)
        return err;
    if (err != -ENOENT && err != -EREMOTE)
        dfs_log(LOG_WARN, "storage.entry_skipped", KV_STR("name", one->plain.name),
                KV_I64("op", 'C'), KV_ERR(err));
    return 0;
}

static int name_all(struct sto_arrivals *a)
{
    struct sto_replica_new *plain[FILES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < a->n; i++)
        if (a->list[i].plain.file)
            plain[count++] = &a->list[i].plain;
    return sto_replica_files(a->store, plain, count);
}

int sto_arrivals_settle(struct sto_arrivals *a, const struct sto_line *line, struct dfs_peer *peer)
{
    int r = fetch_metadata(a, line, peer);
    if (r == 0)
        r = name_all(a);
    for (size_t i = 0; i < a->n && r == 0; i++) {
        const struct arrival *one = &a->list[i];
        int e = one->plain.result;
        if (e == 0)
            e = keep_metadata(a, one);
        else if (e == -EEXIST) /* by another log: what it says is newer */
            e = 0;
        r = pass_over(one, e);
    }
    forget(a);
    return r;
}
