/* SPDX-License-Identifier: Apache-2.0 */
/*
 * puller - takes logs from one peer: pulls a piece, keeps it, does what its entries say, marks it.
 *
 * Packed files arrive with the piece. For the others the entries are instructions: fetch the file, the
 * range, the metadata from the peer as they are there now, or delete, rename, link. What is fetched may
 * be newer than the entry; the later entry says so again, and doing it twice is the same as once. An
 * entry about a file that the peer no longer has is passed over: its deletion comes later in the log.
 *
 * Threads: one owner. Calls block, bounded by the timeouts.
 */
#ifndef STO_PULLER_H
#define STO_PULLER_H

#include "dfscore/client/client.h"
#include "storage/sync/line.h"
#include "storage/trunk/mirror.h"

struct sto_puller;

struct sto_puller_options {
    struct sto_store *store;
    struct sto_mirrors *mirrors;
    const char *group;
    const char *own_id; /* empty: the peer does not take us for a follower */
    struct dfs_addr addr;
    struct dfs_peer_opts net;
    const struct sto_line *line; /* NULL: sto_line_tcp */
    bool singly;                 /* a step has said -EOPNOTSUPP */
    struct dfs_client
        *cluster; /* for files that have moved to other groups; NULL: they are let be */
    /* An entry of that log made at @time_s has been applied; may be NULL. */
    void (*applied)(void *arg, const struct sto_log_info *log, int64_t time_s);
    void *arg;
    /* The hash of the name that was refused last, which is told once; outlives the puller. NULL: nothing is told. */
    uint64_t *refused;
};

/* Connects. What the options point to outlives the puller. */
int sto_puller_open(const struct sto_puller_options *o, struct sto_puller **ret) MUST_CHECK;
void sto_puller_close(struct sto_puller **pp);

/* The logs of @path the peer has, with its ends; at most @cap. */
int sto_puller_list(struct sto_puller *p, unsigned path, struct sto_log_info *out, size_t cap,
                    size_t *ret_n) MUST_CHECK;

struct sto_pull_result {
    uint64_t position; /* how far we have the log now */
    uint64_t end;      /* how far the peer had it */
    size_t bytes;      /* taken by this step */
};

/*
 * One piece of @log from where our copy ends; waits up to @wait_ms for something new. @log->end and
 * own are the peer's and are not looked at. -EOPNOTSUPP: the peer is of an earlier build, and has closed its connections;
 * a puller that is told so (singly) gets on with it.
 */
int sto_puller_step(struct sto_puller *p, unsigned path, const struct sto_log_info *log,
                    uint32_t wait_ms, struct sto_pull_result *ret) MUST_CHECK;

/*
 * Until one of the peer's own logs, @logs[i] of store path i, goes on behind what we have of it, or @wait_ms
 * are over. logs[i].end is where it ends then.
 */
int sto_puller_wait(struct sto_puller *p, struct sto_log_info *logs, unsigned count,
                    uint32_t wait_ms) MUST_CHECK;

/* ---- single things of the peer ---- */

/* Size and time of a file as they are there now. -ENOENT. */
int sto_puller_info(struct sto_puller *p, struct str name, uint64_t *ret_size,
                    int64_t *ret_mtime_s) MUST_CHECK;
/* The whole file to the empty file @f, not synced. */
int sto_puller_file(struct sto_puller *p, struct str name, struct sto_file *f,
                    uint64_t *ret_size) MUST_CHECK;
/* The metadata of @name there become those here if they are later. */
int sto_puller_meta(struct sto_puller *p, struct str name) MUST_CHECK;
/* What lies at @position of a log there, or behind it; @ret is a view, until the next call. -ENOENT: nothing at it. */
int sto_puller_record(struct sto_puller *p, unsigned path, const struct sto_log_info *log,
                      uint64_t position, struct str *ret) MUST_CHECK;

/* Any thread: makes a blocked call of the owner fail soon. */
void sto_puller_cut(struct sto_puller *p);

#endif
