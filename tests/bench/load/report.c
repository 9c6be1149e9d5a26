/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#define MIB (1024.0 * 1024.0)

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

uint64_t report_errors(const struct load *l)
{
    uint64_t n = 0;
    for (int i = 0; i < OP_COUNT_; i++)
        n += l->stats[i].errors;
    return n;
}

/* What the work's figure counts: whole uploads, not their requests. */
static uint64_t operations(const struct load *l)
{
    if (l->o->work == WORK_MULTIPART)
        return l->stats[OP_COMPLETE].latency.n;
    uint64_t n = 0;
    for (int i = 0; i < OP_COUNT_; i++)
        n += l->stats[i].latency.n + l->stats[i].missing;
    return n;
}

static double per(double value, uint64_t n)
{
    return n ? value / (double)n : 0;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void print_json(json_t *doc)
{
    ASSERT(doc);
    json_dumpf(doc, stdout, JSON_REAL_PRECISION(7));
    putchar('\n');
    json_decref(doc);
}

static json_t *json_hist(const struct hist *h)
{
    return json_pack("{s:I s:f s:f s:f s:f s:f}", "n", (json_int_t)h->n, "mean_us",
                     per(us(h->sum_ns), h->n), "p50_us", us(hist_quantile(h, 0.5)), "p99_us",
                     us(hist_quantile(h, 0.99)), "p999_us", us(hist_quantile(h, 0.999)), "max_us",
                     us(h->max_ns));
}

static void run_json(const struct load *l, const struct proc_set *procs, const struct run_result *r)
{
    json_t *ops = json_object();
    uint64_t bytes = 0, n = operations(l);
    for (int i = 0; i < OP_COUNT_; i++) {
        const struct op_stats *st = &l->stats[i];
        bytes += st->bytes;
        if (st->latency.n + st->errors + st->missing == 0)
            continue;
        json_t *op = json_hist(&st->latency);
        json_object_set_new(op, "errors", json_integer((json_int_t)st->errors));
        json_object_set_new(op, "missing", json_integer((json_int_t)st->missing));
        json_object_set_new(op, "bytes", json_integer((json_int_t)st->bytes));
        json_object_set_new(op, "keys", json_integer((json_int_t)st->keys));
        json_object_set_new(ops, load_op_name((enum load_op)i), op);
    }
    json_t *doc =
        json_pack("{s:s s:f s:i s:I s:I s:f s:f s:f s:f s:f s:I s:I s:I s:s s:o}", "work",
                  load_work_name(l->o->work), "seconds", r->seconds, "connections",
                  (int)r->connections, "operations", (json_int_t)n, "errors",
                  (json_int_t)report_errors(l), "ops_s", (double)n / r->seconds, "bytes_s",
                  (double)bytes / r->seconds, "server_cpu_us_op", per((double)r->server_cpu_us, n),
                  "server_cores", (double)r->server_cpu_us / 1e6 / r->seconds, "client_cpu_us_op",
                  per((double)r->client_cpu_us, n), "rss", (json_int_t)r->rss, "peak_rss",
                  (json_int_t)procs->peak_rss, "reconnects", (json_int_t)r->reconnects,
                  "first_error", l->first_error, "ops", ops);
    if (!doc) /* the error text is the only part that can be refused: not UTF-8 */
        doc = json_pack("{s:s}", "first_error", "unreadable");
    print_json(doc);
}

/* --- text ------------------------------------------------------------------------------------- */

static void run_text(const struct load *l, const struct proc_set *procs, const struct run_result *r)
{
    uint64_t n = operations(l), errors = report_errors(l);
    printf("%s: %u connections, %.1f s, %" PRIu64 " operations, %" PRIu64 " errors, %" PRIu64
           " reconnects\n",
           load_work_name(l->o->work), r->connections, r->seconds, n, errors, r->reconnects);
    printf("%-12s %10s %10s %10s %10s %10s %10s\n", "", "n", "ops/s", "MiB/s", "p50 us", "p99 us",
           "p99.9 us");
    for (int i = 0; i < OP_COUNT_; i++) {
        const struct op_stats *st = &l->stats[i];
        if (st->latency.n + st->errors + st->missing == 0)
            continue;
        printf("%-12s %10" PRIu64 " %10.0f %10.1f %10.0f %10.0f %10.0f",
               load_op_name((enum load_op)i), st->latency.n, (double)st->latency.n / r->seconds,
               (double)st->bytes / MIB / r->seconds, us(hist_quantile(&st->latency, 0.5)),
               us(hist_quantile(&st->latency, 0.99)), us(hist_quantile(&st->latency, 0.999)));
        if (st->missing)
            printf("  %" PRIu64 " not found", st->missing);
        if (st->keys)
            printf("  %.0f keys/s", (double)st->keys / r->seconds);
        if (st->errors)
            printf("  %" PRIu64 " errors", st->errors);
        putchar('\n');
    }
    if (procs->n > 0)
        printf("server: %.1f us CPU an operation, %.2f cores, RSS %.1f MiB, peak %.1f MiB (%d "
               "processes)\n",
               per((double)r->server_cpu_us, n), (double)r->server_cpu_us / 1e6 / r->seconds,
               (double)r->rss / MIB, (double)procs->peak_rss / MIB, procs->n);
    printf("client: %.1f us CPU an operation\n", per((double)r->client_cpu_us, n));
    if (l->first_error[0])
        printf("first error: %s\n", l->first_error);
}

void report_run(const struct load *l, const struct proc_set *procs, const struct run_result *r)
{
    if (l->o->json)
        run_json(l, procs, r);
    else
        run_text(l, procs, r);
}

void report_sync(const struct load_options *o, const struct hist *h)
{
    if (o->json)
        print_json(json_hist(h));
    else
        printf("pair of flushes: p50 %.0f us, p99 %.0f us, %" PRIu64 " pairs\n",
               us(hist_quantile(h, 0.5)), us(hist_quantile(h, 0.99)), h->n);
}

void report_md5(const struct load_options *o, double bytes_s)
{
    if (o->json)
        print_json(json_pack("{s:f}", "bytes_s", bytes_s));
    else
        printf("MD5: %.0f MiB/s\n", bytes_s / MIB);
}
