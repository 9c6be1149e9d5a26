/* SPDX-License-Identifier: Apache-2.0 */
/*
 * puller_priv - what puller.c (logs, and what their entries ask for) and fetch.c (files of the peer) share.
 *
 * What is fetched is the peer's present state. Errors: negative errno; those of the peer's answer, -ENOENT and -EREMOTE
 * (it has moved to another group) among them, and those of our disk. Threads: the puller's owner.
 */
#ifndef STO_PULLER_PRIV_H
#define STO_PULLER_PRIV_H

#include "storage/sync/arrivals.h"
#include "storage/sync/puller.h"
#include "storage/trunk/replica.h"

enum { STO_COPY_BYTES = 256 * 1024 };

struct sto_puller {
    struct sto_puller_options o;
    const struct sto_line *line;
    struct dfs_peer *logs;  /* 190, 191 */
    struct dfs_peer *files; /* 14, 15: in the middle of a piece */
    struct buf piece, rsp;
    uint8_t *copy;                  /* STO_COPY_BYTES */
    const struct sto_log_info *log; /* being applied */
    unsigned path;                  /* its */
    uint64_t first_end;             /* of it */
    struct sto_arrivals *arrivals;  /* of the piece being applied */
    int64_t time_s;                 /* of its last entry so far */
};

/* It has to be opened anew. */
bool sto_puller_broken(const struct sto_puller *p);

/* 22: what the peer says of a file of its; the time is one that a record can say. */
struct dfs_file_info_rsp;
int sto_ask_info(struct sto_puller *p, struct str name, struct dfs_file_info_rsp *ret) MUST_CHECK;

/* The metadata of @name, in p->rsp; none when the file is not there. */
int sto_fetch_meta(struct sto_puller *p, struct str name, struct sto_line_meta *ret) MUST_CHECK;

/* The content of @name, without a name here yet; @flags: whose it is, STO_NATIVE or 0. */
int sto_fetch(struct sto_puller *p, struct str name, uint8_t flags, struct sto_file **ret,
              uint64_t *ret_size) MUST_CHECK;

/*
 * The same of @new->name: file, size, and of an appender the version, which stays when the peer does not tell one. It may
 * have some of later ones.
 */
int sto_fetch_new(struct sto_puller *p, struct sto_replica_new *new, uint8_t flags) MUST_CHECK;

typedef int sto_name_fn(struct sto_store *s, struct sto_replica_new *new);
/* That and metadata. It is named (@as) when all of it is here: a peer that vanishes leaves nothing half. */
int sto_fetch_and_name(struct sto_puller *p, struct sto_replica_new *new, uint8_t flags,
                       sto_name_fn *as) MUST_CHECK;

/* Of an appender. Version 0: the peer does not tell, or it has none there. */
int sto_puller_version(struct sto_puller *p, struct str name, uint64_t *ret_size,
                       int64_t *ret_version) MUST_CHECK;
/* What the peer has of the file of an edit: 0: it could not do that either. Else 1, how long it is, and e->mixed. */
int sto_ask_edited(struct sto_puller *p, struct sto_replica_edit *e, uint64_t *ret_size) MUST_CHECK;
/*
 * Then bytes [offset, offset + size) of a file that is here, fewer when the peer has fewer. It is changed when all have come;
 * e->mixed becomes true if they may be of a later content.
 */
int sto_fetch_bytes(struct sto_puller *p, struct sto_replica_edit *e, uint64_t offset,
                    uint64_t size) MUST_CHECK;

#endif
