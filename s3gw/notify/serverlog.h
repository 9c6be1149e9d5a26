/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serverlog - lines of server access logs, gathered in memory until they are delivered as objects.
 *
 * One pile per source bucket and day. Every interval, and when one has grown to S3_SERVERLOG_FULL,
 * the thread hands piles to deliver(). Memory has a ceiling: beyond it lines are dropped and
 * counted. A crash loses what was not delivered yet: as at AWS, delivery is best effort, no
 * book-keeping.
 *
 * Threads: add from any, quick; deliver() runs on the thread of its own; start and stop from the
 * main thread.
 */
#ifndef S3_NOTIFY_SERVERLOG_H
#define S3_NOTIFY_SERVERLOG_H

#include "dfscore/base/str.h"

enum {
    S3_SERVERLOG_FULL = 1024 * 1024,           /* bytes of a pile that is delivered at once */
    S3_SERVERLOG_PILES_MAX = 4096,             /* source buckets and days */
    S3_SERVERLOG_TOTAL_MAX = 32 * 1024 * 1024, /* bytes of all of them */
};

struct s3_serverlog;

struct s3_serverlog_options {
    unsigned interval_ms;
    /* Store @lines, of requests to @bucket on the day that holds @day_ms. 0; -EPERM: not any more,
     * the lines are dropped; another errno: try again at the next interval. */
    int (*deliver)(void *arg, struct str bucket, int64_t day_ms, struct str lines);
    void *arg;
};

int s3_serverlog_start(const struct s3_serverlog_options *o, struct s3_serverlog **ret) MUST_CHECK;
/* Delivers what there is, once. Accepts NULL. */
void s3_serverlog_stop(struct s3_serverlog **l);
void s3_serverlog_add(struct s3_serverlog *l, struct str bucket, int64_t now_ms, struct str line);

struct s3_serverlog_counts {
    uint64_t lines, delivered, dropped; /* since start; delivered: objects */
    uint64_t pending;                   /* bytes now */
};
void s3_serverlog_counts(struct s3_serverlog *l, struct s3_serverlog_counts *ret);

#endif
