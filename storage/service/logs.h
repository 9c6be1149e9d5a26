/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs - what a member tells of the logs it holds, its own and its copies of others', and of its store paths.
 *
 * Rule:    dfscore/wire/internal.h, SYNC_LOGS, SCAN_LOG and PATHS.
 * Threads: any; blocks on the disk.
 */
#ifndef STO_LOGS_H
#define STO_LOGS_H

#include "storage/trunk/mirror.h"

/* The answer of SYNC_LOGS. 0 or -ENOMEM. */
int sto_logs_list(struct sto_mirrors *m, unsigned path, struct buf *out) MUST_CHECK;
/* What PATHS says of a store path: DFS_PATH_*, and the files on their way there. */
uint8_t sto_path_flags(struct sto_store *s, unsigned path, uint32_t *ret_incoming);
/* The answer of PATHS. */
void sto_paths_put(struct sto_store *s, struct buf *out);
/*
 * sto_scan() for any log of @path that is here; one call looks at a bounded piece of it. -ENOENT:
 * no such log.
 */
int sto_logs_scan(struct sto_mirrors *m, struct sto_store *s, unsigned path,
                  const uint8_t id[STO_LOG_ID_LEN], uint64_t position, unsigned flags,
                  sto_scan_fn *fn, void *arg, struct sto_scan *ret) MUST_CHECK;

#endif
