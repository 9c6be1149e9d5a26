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
    size_t text_at, text_n;       /* its metadata in texts, */
    int64_t text_ms;              /* and their time, as sto_replica_meta() takes it */
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

int sto_arrivals_add(struct sto_arrivals *a, struct sto_replica_new *new)
{
    ASSERT(!sto_arrivals_full(a));
    if (new->name.n > STO_NAME_MAX)
        return -EINVAL;
    struct arrival *one = &a->list[a->n++];
    *one = (struct arrival){.plain = *new};
    new->file = NULL;
    memcpy(one->name, new->name.p, new->name.n);
    one->plain.name = str_of(one->name, new->name.n);
    a->plain += one->plain.file != NULL;
    a->bytes += one->plain.size;
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

static int keep(struct sto_arrivals *a, struct arrival *one, const struct sto_line_meta *meta)
{
    one->text_at = a->texts.n;
    one->text_n = meta->text.n;
    one->text_ms = meta->ms;
    buf_adds(&a->texts, meta->text);
    return buf_err(&a->texts);
}

/* The answer is about the first of those asked for: *ret of them. */
static int fetch_some(struct sto_arrivals *a, size_t from, const struct sto_line *line,
                      struct dfs_peer *peer, size_t *ret)
{
    struct str names[FILES_MAX];
    struct sto_line_meta meta;
    struct rd rd;
    for (size_t i = from; i < a->n; i++)
        names[i - from] = a->list[i].plain.name;
    int r = sto_line_metas(line, peer, names, a->n - from, &a->answer, &rd, ret);
    for (size_t i = from; r == 0 && i < from + *ret; i++) {
        r = sto_line_meta_next(&rd, &meta);
        if (r == 0)
            r = keep(a, &a->list[i], &meta);
    }
    return r;
}

/* As from one that knows the question: a name that it does not take has no text. */
static int fetch_one(struct sto_arrivals *a, struct arrival *one, const struct sto_line *line,
                     struct dfs_peer *peer)
{
    struct sto_line_meta meta = {.ms = 0};
    int r = sto_line_meta(line, peer, a->group, one->plain.name, &a->answer, &meta);
    if (r == -EINVAL || r == -EREMOTE)
        meta = (struct sto_line_meta){.ms = 0};
    else if (r < 0)
        return r;
    return keep(a, one, &meta);
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
    return sto_replica_meta(a->store, one->plain.name, text, one->text_ms);
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
