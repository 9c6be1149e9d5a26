/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc - what the measured servers cost, from /proc: CPU time and resident memory of a set of
 * processes, all threads, ended threads included. A process that has gone counts as zero.
 *
 * Rule: proc(5), /proc/pid/stat fields 4 (ppid), 14 and 15 (utime, stime in clock ticks; the kernel
 * scales their sum to the precise run time); /proc/pid/statm field 2.
 */
#ifndef LOAD_PROC_H
#define LOAD_PROC_H

#include <stdint.h>
#include <sys/types.h>

enum { PROC_MAX = 64 };

struct proc_set {
    pid_t pid[PROC_MAX];
    int n;
    uint64_t peak_rss; /* bytes, of all together; by proc_sample() */
};

/* -E2BIG when the set is full, -ESRCH when there is no such process. */
int proc_add(struct proc_set *s, pid_t pid);
/* The same with all its descendants of this moment. */
int proc_add_tree(struct proc_set *s, pid_t root);
uint64_t proc_cpu_us(const struct proc_set *s);
uint64_t proc_rss(const struct proc_set *s);
void proc_sample(struct proc_set *s);

#endif
