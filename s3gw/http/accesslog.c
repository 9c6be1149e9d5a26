/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/accesslog.h"

#include <fcntl.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "s3gw/core/op.h"

enum { BUFFER_MAX = 256 * 1024, FLUSH_AT = 64 * 1024, FLUSH_MS = 1000, LINE_PATH_MAX = 2048 };

struct s3_accesslog {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t flusher;
    char *path;
    int fd;           /* under lock */
    struct buf lines; /* under lock; lines that do not fit while the disk is stuck are dropped */
    bool stopping;    /* under lock */
};

static void flush(struct s3_accesslog *l)
{
    struct str s = buf_str(&l->lines);
    while (s.n > 0) {
        ssize_t w = write(l->fd, s.p, s.n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            break; /* a log that cannot be written must not stop the service */
        s = str_from(s, (size_t)w);
    }
    buf_reset(&l->lines);
}

static void *flusher_main(void *arg)
{
    struct s3_accesslog *l = arg;
    pthread_setname_np(pthread_self(), "accesslog");
    pthread_mutex_lock(&l->lock);
    while (!l->stopping) {
        struct timespec at = dfs_mono_after(FLUSH_MS);
        pthread_cond_timedwait(&l->wake, &l->lock, &at);
        flush(l);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static int open_log(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    return fd < 0 ? -errno : fd;
}

int s3_accesslog_open(const char *path, struct s3_accesslog **ret)
{
    AUTO(dfs_close_fd) int fd = open_log(path);
    if (fd < 0)
        return fd;
    AUTO(dfs_free_ptr) struct s3_accesslog *l = dfs_zalloc(sizeof(*l));
    AUTO(dfs_free_ptr) char *copy = dfs_strdup(path);
    if (!l || !copy)
        return -ENOMEM;
    pthread_mutex_init(&l->lock, NULL);
    dfs_cond_init(&l->wake);
    l->lines = BUF(BUFFER_MAX);
    l->fd = fd;
    l->path = copy;
    if (pthread_create(&l->flusher, NULL, flusher_main, l) != 0)
        return -EAGAIN;
    (void)dfs_take_fd(&fd);
    (void)TAKE(copy);
    *ret = TAKE(l);
    return 0;
}

void s3_accesslog_close(struct s3_accesslog **lp)
{
    struct s3_accesslog *l = TAKE(*lp);
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->flusher, NULL);
    flush(l);
    buf_free(&l->lines);
    close(l->fd);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l->path);
    free(l);
}

int s3_accesslog_reopen(struct s3_accesslog *l)
{
    int fd = open_log(l->path);
    if (fd < 0)
        return fd;
    pthread_mutex_lock(&l->lock);
    flush(l);
    close(l->fd);
    l->fd = fd;
    pthread_mutex_unlock(&l->lock);
    return 0;
}

void s3_accesslog_write(struct s3_accesslog *l, const struct s3_req *q, uint64_t received,
                        uint64_t sent, uint64_t took_us, bool complete)
{
    if (!l)
        return;
    time_t s = (time_t)(q->now_ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    char when[32];
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    struct str path = str_head(q->raw_path, LINE_PATH_MAX);
    struct str who = q->who.user_id.n > 0 ? q->who.user_id : STR("-");
    pthread_mutex_lock(&l->lock);
    size_t before = l->lines.n;
    buf_addf(
        &l->lines, "%s.%03dZ " STR_F " " STR_F " %s " STR_F " " STR_F " %d %llu %llu %llu %s%s\n",
        when, (int)(q->now_ms % 1000), STR_A(q->peer), STR_A(who), q->op ? q->op->name : "-",
        STR_A(q->method_name), STR_A(path), q->resp.status, (unsigned long long)received,
        (unsigned long long)sent, (unsigned long long)took_us, q->request_id, complete ? "" : " !");
    if (buf_err(&l->lines)) {
        l->lines.n = before;
        l->lines.err = 0;
    } else if (l->lines.n >= FLUSH_AT) {
        pthread_cond_signal(&l->wake);
    }
    pthread_mutex_unlock(&l->lock);
}
