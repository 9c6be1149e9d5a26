/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/metatext.h"

enum { FIELD_SEP = 0x02, RECORD_SEP = 0x01 };

struct entry {
    struct str name;
    struct str record; /* name 0x02 value, as it came */
    size_t order;      /* equal names keep it */
};

struct entries {
    struct entry *v; /* owned */
    size_t n;
};

static void entries_free(struct entries *e)
{
    free(e->v);
    *e = (struct entries){NULL, 0};
}

static bool entry_ok(struct str record, struct str *name)
{
    struct str value;
    return str_cut(record, FIELD_SEP, name, &value) && name->n <= STO_META_NAME_MAX &&
           value.n <= STO_META_VALUE_MAX && !memchr(record.p, 0, record.n);
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int r = str_cmp(x->name, y->name);
    return r ? r : (x->order > y->order) - (x->order < y->order);
}

static int parse(struct str text, bool strict, struct entries *ret)
{
    size_t max = 1;
    for (size_t i = 0; i < text.n; i++)
        max += text.p[i] == RECORD_SEP;
    ret->v = dfs_alloc(max * sizeof(*ret->v));
    if (!ret->v)
        return -ENOMEM;
    struct str rest = text, record;
    while (text.n > 0 && str_split(&rest, RECORD_SEP, &record)) {
        struct str name;
        if (record.n == 0)
            continue;
        if (entry_ok(record, &name)) {
            ret->v[ret->n] = (struct entry){name, record, ret->n};
            ret->n++;
        } else if (strict) {
            return -EINVAL;
        }
    }
    qsort(ret->v, ret->n, sizeof(*ret->v), compare);
    return 0;
}

static void emit(struct buf *out, size_t start, struct str record)
{
    if (out->n > start)
        buf_addc(out, RECORD_SEP);
    buf_adds(out, record);
}

int sto_metatext_sort(struct str text, struct buf *out)
{
    AUTO(entries_free) struct entries e = {NULL, 0};
    int r = parse(text, true, &e);
    if (r < 0)
        return r;
    size_t start = out->n;
    for (size_t i = 0; i < e.n; i++)
        emit(out, start, e.v[i].record);
    return buf_err(out);
}

int sto_metatext_merge(struct str old, struct str add, struct buf *out)
{
    AUTO(entries_free) struct entries was = {NULL, 0};
    AUTO(entries_free) struct entries put = {NULL, 0};
    int r = parse(add, true, &put);
    if (r == 0)
        r = parse(old, false, &was);
    if (r < 0)
        return r;
    size_t start = out->n;
    size_t i = 0, j = 0;
    while (i < was.n || j < put.n) {
        int c = i == was.n ? 1 : j == put.n ? -1 : str_cmp(was.v[i].name, put.v[j].name);
        if (c < 0) {
            emit(out, start, was.v[i++].record);
            continue;
        }
        struct str name = put.v[j].name;
        while (i < was.n && str_eq(was.v[i].name, name))
            i++;
        while (j < put.n && str_eq(put.v[j].name, name))
            emit(out, start, put.v[j++].record);
    }
    return buf_err(out);
}
