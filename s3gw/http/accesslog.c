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
    pthread_mutex_t lock; /* not held while anything is written: HTTP threads take it */
    pthread_cond_t wake;
    pthread_t flusher;
    char *path;
    struct buf lines; /* under lock; those that do not fit while the disk is stuck are dropped */
    int next_fd;      /* under lock; the file that was opened anew, -1: none */
    bool stopping;    /* under lock */
    struct buf out;   /* owner: the flusher, like fd */
    int fd;
};

static void write_out(struct s3_accesslog *l)
{
    struct str s = buf_str(&l->out);
    while (s.n > 0) {
        ssize_t w = write(l->fd, s.p, s.n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            break; /* a log that cannot be written must not stop the service */
        s = str_from(s, (size_t)w);
    }
    buf_reset(&l->out);
}

/* With the lock, which is let go meanwhile: what has gathered to the file, then on to the next one. */
static void flush(struct s3_accesslog *l)
{
    struct buf gathered = l->lines;
    l->lines = l->out;
    l->out = gathered;
    int next = l->next_fd;
    l->next_fd = -1;
    pthread_mutex_unlock(&l->lock);
    write_out(l);
    if (next >= 0) {
        close(l->fd);
        l->fd = next;
    }
    pthread_mutex_lock(&l->lock);
}

static void *flusher_main(void *arg)
{
    struct s3_accesslog *l = arg;
    pthread_setname_np(pthread_self(), "accesslog");
    pthread_mutex_lock(&l->lock);
    while (!l->stopping) {
        struct timespec at = dfs_mono_after(FLUSH_MS);
        if (l->lines.n < FLUSH_AT && l->next_fd < 0)
            pthread_cond_timedwait(&l->wake, &l->lock, &at);
        flush(l);
    }
    flush(l);
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
    l->lines = l->out = BUF(BUFFER_MAX);
    l->next_fd = -1;
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
    buf_free(&l->lines);
    buf_free(&l->out);
    dfs_close_fd(&l->next_fd);
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
    dfs_close_fd(&l->next_fd);
    l->next_fd = fd;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    return 0;
}

/* A field, and the blank behind it. What would be another field, or another line, is shown as in a URL. */
static void add_field(struct buf *b, struct str s)
{
    size_t plain = 0; /* up to here it has been added */
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c > ' ' && c != 0x7F)
            continue;
        buf_add(b, s.p + plain, i - plain);
        buf_addf(b, "%%%02X", c);
        plain = i + 1;
    }
    buf_adds(b, str_from(s, plain));
    buf_addc(b, ' ');
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
    pthread_mutex_lock(&l->lock);
    size_t before = l->lines.n;
    buf_addf(&l->lines, "%s.%03dZ ", when, (int)(q->now_ms % 1000));
    add_field(&l->lines, q->peer);
    add_field(&l->lines, q->who.user_id.n > 0 ? q->who.user_id : STR("-"));
    buf_addf(&l->lines, "%s ", q->op ? q->op->name : "-");
    add_field(&l->lines, q->method_name);
    add_field(&l->lines, str_head(q->raw_path, LINE_PATH_MAX));
    buf_addf(&l->lines, "%d %llu %llu %llu %s%s\n", q->resp.status, (unsigned long long)received,
             (unsigned long long)sent, (unsigned long long)took_us, q->request_id,
             complete ? "" : " !");
    if (buf_err(&l->lines)) {
        l->lines.n = before;
        l->lines.err = 0;
    } else if (l->lines.n >= FLUSH_AT) {
        pthread_cond_signal(&l->wake);
    }
    pthread_mutex_unlock(&l->lock);
}
