/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/log/log.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "dfscore/base/clock.h"

enum { LINE_MAX_BYTES = 4096 };

_Atomic(enum dfs_log_level) dfs_log_threshold = LOG_INFO;
static _Atomic int log_fd = STDERR_FILENO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

const char *dfs_errno_name(int err)
{
    const char *name = strerrorname_np(err < 0 ? -err : err);
    return name ? name : "E?";
}

enum dfs_log_level dfs_log_level_of(int word)
{
    /* In the order of DFS_LOG_LEVELS; what FastDFS has beyond ours is the nearest of ours. */
    static const enum dfs_log_level levels[] = {LOG_DEBUG, LOG_INFO,  LOG_WARN,
                                                LOG_ERROR, LOG_INFO,  LOG_WARN,
                                                LOG_ERROR, LOG_ERROR, LOG_ERROR};
    ASSERT(word >= 0 && (size_t)word < ARRAY_LEN(levels));
    return levels[word];
}

int dfs_log_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    int current = atomic_load(&log_fd);
    if (current != STDERR_FILENO) {
        /* Other threads may be writing: put the new file under the number they use. */
        int r = dup3(fd, current, O_CLOEXEC) < 0 ? -errno : 0;
        close(fd);
        return r;
    }
    atomic_store(&log_fd, fd);
    return 0;
}

static bool needs_quotes(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F)
            return true;
    }
    return s.n == 0;
}

static void add_value(struct buf *b, struct str s)
{
    if (!needs_quotes(s)) {
        buf_adds(b, s);
        return;
    }
    buf_addc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            buf_addf(b, "\\%c", c);
        else if (c < ' ' || c == 0x7F)
            buf_addf(b, "\\x%02x", c);
        else
            buf_addc(b, (char)c);
    }
    buf_addc(b, '"');
}

static void add_pair(struct buf *b, const struct dfs_kv *kv)
{
    if (kv->kind == DFS_KV_NONE)
        return;
    buf_addf(b, " %s=", kv->key);
    switch (kv->kind) {
    case DFS_KV_STR:
        add_value(b, kv->s);
        break;
    case DFS_KV_I64:
        buf_addf(b, "%lld", (long long)kv->i);
        break;
    case DFS_KV_U64:
        buf_addf(b, "%llu", (unsigned long long)kv->i);
        break;
    case DFS_KV_ERR:
        buf_adds(b, str_c(dfs_errno_name((int)kv->i)));
        break;
    case DFS_KV_NONE:
    case DFS_KV_END:
        break;
    }
}

void dfs_log_write(enum dfs_log_level level, const char *event, const struct dfs_kv *kv)
{
    char line[LINE_MAX_BYTES];
    struct buf b = {line, 0, sizeof(line) - 1, sizeof(line) - 1, 0}; /* full before it would grow */
    int64_t now = dfs_now_ms();
    time_t s = (time_t)(now / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    buf_addf(&b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s %s", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now % 1000), level_names[level],
             event);
    for (; kv->kind != DFS_KV_END; kv++)
        add_pair(&b, kv);
    line[b.n] = '\n';
    if (write(atomic_load(&log_fd), line, b.n + 1) < 0)
        return; /* nowhere left to say so */
}

bool dfs_log_allow(struct dfs_log_gate *g, unsigned per_s)
{
    uint64_t now = dfs_mono_ms() / 1000;
    uint64_t seen = atomic_load(&g->window);
    uint64_t next;
    do {
        uint64_t count = seen >> 32 == now ? (seen & UINT32_MAX) : 0;
        if (count >= per_s)
            return false;
        next = now << 32 | (count + 1);
    } while (!atomic_compare_exchange_weak(&g->window, &seen, next));
    return true;
}

void dfs_log_unknown_key(const char *file, unsigned line, struct str key, bool meaningless)
{
    dfs_log(LOG_WARN, meaningless ? "conf.key_without_meaning" : "conf.unknown_key",
            KV_Z("file", file), KV_U64("line", line), KV_STR("key", key));
}
