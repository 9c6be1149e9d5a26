/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics - counters, gauges and histograms from tables, shown as Prometheus text.
 *
 * A program joins the common table (metrics.def) with its own rows:
 *
 *   enum { MY_PUTS = DFS_METRICS_COMMON, ... };
 *   static const struct dfs_metric my_rows[] = {{DFS_COUNTER, "my_puts_total", "op", "Puts"}, ...};
 *   dfs_metrics_new(my_rows, ARRAY_LEN(my_rows), &m);
 *
 * A row with a label has one cell per label value ("series"), made at start with dfs_metrics_series,
 * so counting never allocates, locks or looks up text.
 * Threads: counting and printing from any; new, series and free while one thread runs. A cell is
 * spread over a few cache lines, so threads that count the same thing do not fight over it.
 */
#ifndef DFS_METRICS_H
#define DFS_METRICS_H

#include "dfscore/base/buf.h"

enum dfs_metric_kind { DFS_COUNTER, DFS_GAUGE, DFS_HISTOGRAM };

struct dfs_metric {
    enum dfs_metric_kind kind;
    const char *name;  /* of a counter: ends in _total */
    const char *label; /* NULL: one series */
    const char *help;
};

enum dfs_metric_common {
#define METRIC(kind, id, name, label, help) DFS_M_##id,
#include "dfscore/metrics/metrics.def"
#undef METRIC
    DFS_METRICS_COMMON,
};

struct dfs_metrics;
struct dfs_cell;

/* Rows 0..DFS_METRICS_COMMON-1 are the common ones, then @rows (which must outlive it). */
int dfs_metrics_new(const struct dfs_metric *rows, size_t n, struct dfs_metrics **ret);
void dfs_metrics_free(struct dfs_metrics **mp);

/*
 * The cell of row @metric with label value @value (copied; NULL for a row without label). Asking again
 * gives the same cell. NULL: no memory. It lives as long as @m.
 */
struct dfs_cell *dfs_metrics_series(struct dfs_metrics *m, unsigned metric, const char *value);

/* NULL cells are accepted and do nothing. */
void dfs_count(struct dfs_cell *c, uint64_t by);                /* COUNTER */
void dfs_gauge_add(struct dfs_cell *c, int64_t by);             /* GAUGE */
void dfs_observe_us(struct dfs_cell *c, uint64_t microseconds); /* HISTOGRAM */

int64_t dfs_cell_value(const struct dfs_cell *c); /* sum; of a histogram: number of observations */
/* The whole in Prometheus text format 0.0.4, rows in table order. */
void dfs_metrics_print(struct dfs_metrics *m, struct buf *out);

#endif
