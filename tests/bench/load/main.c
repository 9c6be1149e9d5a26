/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load - the load generator: an S3 client (and a FastDFS and plain HTTP one) that costs little
 * CPU, because on a small machine it shares the cores with the server it measures.
 */
#include <stdio.h>

#include "tests/bench/load/baseline.h"
#include "tests/bench/load/report.h"

static int watch_processes(const struct load_options *o, struct proc_set *set)
{
    for (unsigned i = 0; i < o->npid; i++) {
        int r = o->tree[i] ? proc_add_tree(set, o->pid[i]) : proc_add(set, o->pid[i]);
        if (r < 0) {
            fprintf(stderr, "load: process %d: %s\n", (int)o->pid[i], strerror(-r));
            return r;
        }
    }
    return 0;
}

static int run_load(const struct load_options *o)
{
    struct proc_set procs = {.n = 0};
    struct run_result result;
    int r = watch_processes(o, &procs);
    if (r < 0)
        return r;
    AUTO(dfs_free_ptr) struct load *l = dfs_zalloc(sizeof(*l));
    if (!l)
        return -ENOMEM;
    r = work_init(l, o);
    if (r == 0)
        r = engine_run(l, &procs, &result);
    if (r == 0)
        report_run(l, &procs, &result);
    if (r == 0 && o->work == WORK_NATIVE_PUT && o->id_file)
        r = native_ids_write(l);
    if (r == 0 && report_errors(l) > 0)
        r = -EIO;
    work_fini(l);
    return r;
}

static int run_local(const struct load_options *o)
{
    static struct hist h;
    int r;
    switch (o->work) {
    case WORK_FILES:
        return baseline_files(o);
    case WORK_SYNC_COST:
        r = baseline_sync(o, &h);
        if (r == 0)
            report_sync(o, &h);
        return r;
    default:
        report_md5(o, baseline_md5(o));
        return 0;
    }
}

int main(int argc, char **argv)
{
    struct load_options o;
    int r = options_read(argc, argv, &o);
    if (r != 0)
        return r > 0 ? 0 : 2;
    payload_init();
    r = o.work >= WORK_FILES ? run_local(&o) : run_load(&o);
    if (r < 0)
        fprintf(stderr, "load: %s: %s\n", load_work_name(o.work), strerror(-r));
    return r < 0 ? 1 : 0;
}
