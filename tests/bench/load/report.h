/* SPDX-License-Identifier: Apache-2.0 */
/* report - a run's figures, for people and as one JSON object. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "tests/bench/load/engine.h"

/* Failed requests of all kinds. */
uint64_t report_errors(const struct load *l);
void report_run(const struct load *l, const struct proc_set *procs, const struct run_result *r);
void report_sync(const struct load_options *o, const struct hist *h);
void report_md5(const struct load_options *o, double bytes_s);

#endif
