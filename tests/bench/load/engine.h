/* SPDX-License-Identifier: Apache-2.0 */
/* engine - N connections under load in one thread, by epoll; and what it cost. */
#ifndef LOAD_ENGINE_H
#define LOAD_ENGINE_H

#include "tests/bench/load/conn.h"
#include "tests/bench/load/proc.h"

struct run_result {
    double seconds;         /* measured time */
    uint64_t server_cpu_us; /* of the processes watched, in that time */
    uint64_t client_cpu_us; /* our own */
    uint64_t rss;           /* bytes, at the end, connections still open */
    unsigned connections;   /* open at the end */
    uint64_t reconnects;    /* kept-alive connections the server closed between requests */
};

/* 0, also with failed requests (see l->stats); -ECONNREFUSED and the like when nothing works;
 * -ENOMEM. */
int engine_run(struct load *l, struct proc_set *procs, struct run_result *ret);

#endif
