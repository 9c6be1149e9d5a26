/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/metrics/metrics.h"

#include <stdatomic.h>

enum {
    STRIPES = 4,
    LINE = 64,
    BUCKETS = 16, /* upper bounds 100 us * 2^i, then infinity */
    FIRST_US = 100,
};

struct stripe {
    _Alignas(LINE) _Atomic int64_t value;
};

struct histogram {
    _Atomic uint64_t bucket[BUCKETS + 1];
    _Atomic uint64_t sum_us;
};

struct dfs_cell {
    struct dfs_cell *next; /* of the same row, in the order they were made */
    char *value;           /* owned; NULL without label */
    struct stripe stripe[STRIPES];
    struct histogram *histogram; /* owned; HISTOGRAM only */
};

struct dfs_metrics {
    unsigned magic;
#define METRICS_MAGIC 0x3e721c5eu
    const struct dfs_metric *rows;
    size_t n;                /* all rows, the common ones included */
    struct dfs_cell **first; /* n lists */
};

static const struct dfs_metric common[] = {
#define METRIC(kind, id, name, label, help) {DFS_##kind, name, label, help},
#include "dfscore/metrics/metrics.def"
#undef METRIC
};

int dfs_metrics_new(const struct dfs_metric *rows, size_t n, struct dfs_metrics **ret)
{
    struct dfs_metrics *m = dfs_zalloc(sizeof(*m));
    if (!m)
        return -ENOMEM;
    *m = (struct dfs_metrics){METRICS_MAGIC, rows, n + DFS_METRICS_COMMON, NULL};
    m->first = dfs_zalloc(m->n * sizeof(struct dfs_cell *));
    if (!m->first) {
        free(m);
        return -ENOMEM;
    }
    *ret = m;
    return 0;
}

static void free_cell(struct dfs_cell *c)
{
    free(c->value);
    free(c->histogram);
    free(c);
}

void dfs_metrics_free(struct dfs_metrics **mp)
{
    struct dfs_metrics *m = TAKE(*mp);
    if (!m)
        return;
    CHECK_OBJ(m, METRICS_MAGIC);
    for (size_t i = 0; i < m->n; i++) {
        for (struct dfs_cell *c = m->first[i], *next; c; c = next) {
            next = c->next;
            free_cell(c);
        }
    }
    free(m->first);
    m->magic = 0;
    free(m);
}

static const struct dfs_metric *row_of(const struct dfs_metrics *m, unsigned metric)
{
    ASSERT(metric < m->n);
    return metric < DFS_METRICS_COMMON ? &common[metric] : &m->rows[metric - DFS_METRICS_COMMON];
}

static struct dfs_cell *make_cell(const struct dfs_metric *row, const char *value)
{
    /* The stripes want their own cache lines, which plain allocation does not promise. */
    void *p = NULL;
    if ((dfs_alloc_hook && dfs_alloc_hook(sizeof(struct dfs_cell))) ||
        posix_memalign(&p, LINE, sizeof(struct dfs_cell)) != 0)
        return NULL;
    struct dfs_cell *c = memset(p, 0, sizeof(*c));
    c->value = value ? dfs_strdup(value) : NULL;
    c->histogram = row->kind == DFS_HISTOGRAM ? dfs_zalloc(sizeof(*c->histogram)) : NULL;
    if ((value && !c->value) || (row->kind == DFS_HISTOGRAM && !c->histogram)) {
        free_cell(c);
        return NULL;
    }
    return c;
}

struct dfs_cell *dfs_metrics_series(struct dfs_metrics *m, unsigned metric, const char *value)
{
    CHECK_OBJ(m, METRICS_MAGIC);
    const struct dfs_metric *row = row_of(m, metric);
    ASSERT((row->label != NULL) == (value != NULL));
    struct dfs_cell **at = &m->first[metric];
    for (; *at; at = &(*at)->next)
        if (!value || strcmp((*at)->value, value) == 0)
            return *at;
    *at = make_cell(row, value);
    return *at;
}

/* A thread keeps its stripe: handed out in turn at its first count. */
static unsigned my_stripe(void)
{
    static _Atomic unsigned next;
    static _Thread_local unsigned mine = STRIPES;
    if (mine == STRIPES)
        mine = atomic_fetch_add(&next, 1) % STRIPES;
    return mine;
}

static void add(struct dfs_cell *c, int64_t by)
{
    atomic_fetch_add_explicit(&c->stripe[my_stripe()].value, by, memory_order_relaxed);
}

void dfs_count(struct dfs_cell *c, uint64_t by)
{
    if (c)
        add(c, (int64_t)by);
}

void dfs_gauge_add(struct dfs_cell *c, int64_t by)
{
    if (c)
        add(c, by);
}

void dfs_observe_us(struct dfs_cell *c, uint64_t us)
{
    if (!c)
        return;
    unsigned i = 0;
    while (i < BUCKETS && us > (uint64_t)FIRST_US << i)
        i++;
    atomic_fetch_add_explicit(&c->histogram->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->histogram->sum_us, us, memory_order_relaxed);
    add(c, 1);
}

int64_t dfs_cell_value(const struct dfs_cell *c)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < STRIPES; i++)
        sum += atomic_load_explicit(&c->stripe[i].value, memory_order_relaxed);
    return sum;
}

/* {label="value",le="0.1"}; quotes, backslashes and newlines in values are escaped. */
static void print_labels(const struct dfs_metric *row, const struct dfs_cell *c, const char *le,
                         struct buf *out)
{
    if (!row->label && !le)
        return;
    buf_addc(out, '{');
    if (row->label) {
        buf_addf(out, "%s=\"", row->label);
        for (const char *p = c->value; *p; p++) {
            if (*p == '"' || *p == '\\')
                buf_addf(out, "\\%c", *p);
            else if (*p == '\n')
                buf_addf(out, "\\n");
            else
                buf_addc(out, *p);
        }
        buf_addf(out, le ? "\"," : "\"");
    }
    if (le)
        buf_addf(out, "le=\"%s\"", le);
    buf_addc(out, '}');
}

/* Microseconds as seconds, exactly. */
static void print_seconds(uint64_t us, struct buf *out)
{
    buf_addf(out, "%llu.%06llu", (unsigned long long)(us / 1000000),
             (unsigned long long)(us % 1000000));
}

static void print_histogram(const struct dfs_metric *row, const struct dfs_cell *c, struct buf *out)
{
    uint64_t below = 0;
    for (unsigned i = 0; i <= BUCKETS; i++) {
        char text[32];
        struct buf le = {text, 0, sizeof(text) - 1, sizeof(text) - 1, 0};
        below += atomic_load_explicit(&c->histogram->bucket[i], memory_order_relaxed);
        if (i < BUCKETS)
            print_seconds((uint64_t)FIRST_US << i, &le);
        else
            buf_adds(&le, STR("+Inf"));
        text[le.n] = '\0';
        buf_addf(out, "%s_bucket", row->name);
        print_labels(row, c, text, out);
        buf_addf(out, " %llu\n", (unsigned long long)below);
    }
    buf_addf(out, "%s_sum", row->name);
    print_labels(row, c, NULL, out);
    buf_addc(out, ' ');
    print_seconds(atomic_load_explicit(&c->histogram->sum_us, memory_order_relaxed), out);
    buf_addf(out, "\n%s_count", row->name);
    print_labels(row, c, NULL, out);
    buf_addf(out, " %llu\n", (unsigned long long)below);
}

void dfs_metrics_print(struct dfs_metrics *m, struct buf *out)
{
    CHECK_OBJ(m, METRICS_MAGIC);
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    for (unsigned i = 0; i < m->n; i++) {
        const struct dfs_metric *row = row_of(m, i);
        if (!m->first[i])
            continue;
        buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                 kinds[row->kind]);
        for (const struct dfs_cell *c = m->first[i]; c; c = c->next) {
            if (row->kind == DFS_HISTOGRAM) {
                print_histogram(row, c, out);
                continue;
            }
            buf_addf(out, "%s", row->name);
            print_labels(row, c, NULL, out);
            buf_addf(out, " %lld\n", (long long)dfs_cell_value(c));
        }
    }
}
