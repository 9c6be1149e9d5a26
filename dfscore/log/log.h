/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - one event, one line: time, level, stable dotted event name, key=value pairs.
 *
 *   dfs_log(LOG_WARN, "storage.connect_failed", KV_STR("addr", addr), KV_ERR(r), KV_U64("try", n));
 *   2026-01-05T10:15:02.113Z warn storage.connect_failed addr=10.0.0.7:23000 err=ETIMEDOUT try=2
 *
 * Values with blanks, quotes or control bytes are quoted and escaped. Lines go to standard error
 * (default) or the file given to dfs_log_open, each in one write. Threads: any. Never fails.
 */
#ifndef DFS_LOG_H
#define DFS_LOG_H

#include "dfscore/base/str.h"

enum dfs_log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct dfs_kv {
    const char *key;
    enum { DFS_KV_END, DFS_KV_NONE, DFS_KV_STR, DFS_KV_I64, DFS_KV_U64, DFS_KV_ERR } kind;
    struct str s;
    int64_t i;
};

#define KV_STR(k, v) ((struct dfs_kv){(k), DFS_KV_STR, (v), 0})
#define KV_Z(k, z)   ((struct dfs_kv){(k), DFS_KV_STR, str_c(z), 0})
#define KV_I64(k, v) ((struct dfs_kv){(k), DFS_KV_I64, STR_NULL, (int64_t)(v)})
#define KV_U64(k, v) ((struct dfs_kv){(k), DFS_KV_U64, STR_NULL, (int64_t)(v)})
#define KV_ERR(r)    ((struct dfs_kv){"err", DFS_KV_ERR, STR_NULL, (r)}) /* negative errno */

/* @kv where @cond holds, else nothing. */
#define KV_IF(cond, kv) ((cond) ? (kv) : (struct dfs_kv){NULL, DFS_KV_NONE, STR_NULL, 0})

#define dfs_log(level, event, ...)                                                                 \
    ((level) < dfs_log_threshold                                                                   \
         ? (void)0                                                                                 \
         : dfs_log_write((level), (event),                                                         \
                         (const struct dfs_kv[]){__VA_ARGS__ __VA_OPT__(, )(struct dfs_kv){0}}))

extern _Atomic(enum dfs_log_level) dfs_log_threshold; /* LOG_INFO at start; a reload changes it */

void dfs_log_write(enum dfs_log_level level, const char *event, const struct dfs_kv *kv);
/* Append to @path from now on; call again (SIGHUP) to reopen. 0 or negative errno. */
int dfs_log_open(const char *path);
/* The words of a setting "log_level", ours and then FastDFS's, and what the one of that number means. */
#define DFS_LOG_LEVELS "debug|info|warn|error|notice|warning|crit|alert|emerg"
enum dfs_log_level dfs_log_level_of(int word);
/* Warns of a key in a file of settings that no row knows: dfs_conf_opts.unknown of the servers. */
void dfs_log_unknown_key(const char *file, unsigned line, struct str key, bool meaningless);
/* errno name without the sign, "EIO"; a static string. */
const char *dfs_errno_name(int err);

/*
 * For lines a client can trigger in a loop: true at most @per_s times a second for this gate.
 * Declare it static beside the call:  static struct dfs_log_gate gate; if (dfs_log_allow(&gate, 10))
 */
struct dfs_log_gate {
    _Atomic uint64_t window; /* second << 32 | count */
};
bool dfs_log_allow(struct dfs_log_gate *g, unsigned per_s);

#endif
