/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue of bytes and one thread. The thread takes all that is queued, appends and syncs it, and
 * calls the waiters. A snapshot changes generations in this order, so that every stop in between is
 * loadable: what was queued before it goes to the old journal; the new journal is made; the
 * snapshot replaces the old one; old journals are removed.
 */
#include "tracker/state/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/dirs.h"
#include "dfscore/log/log.h"

enum {
    PENDING_MAX = 64 * 1024 * 1024,
    JOURNAL_WANTED = 4 * 1024 * 1024, /* bytes of journal after which a snapshot is worth it */
};

struct trk_store {
    unsigned magic;
#define STORE_MAGIC 0x570e57a7u
    const struct trk_io *io;
    int dirfd, lockfd;
    int fd;              /* journal; -1: none. The thread's */
    uint64_t generation; /* the thread's */
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* leaf; guards what follows */
    pthread_cond_t wake;
    struct buf pending;         /* records not yet written */
    uint64_t added;             /* sequence number of the last record queued */
    uint64_t settled;           /* of the last one whose waiters have been called */
    struct trk_waiter *waiters; /* in order of arrival */
    bool has_image;
    struct buf image;
    uint64_t image_records;
    size_t image_at; /* bytes of pending that come before it */
    uint64_t image_seq;
    uint64_t written; /* bytes of the current journal */
    int error;        /* 0, or what broke it */
    uint64_t
        lost; /* the first one queued that is neither in a journal nor in a snapshot; 0: none */
    bool stop;
};

/* --- the thread ----------------------------------------------------------------------------- */

struct batch {
    struct buf records;
    uint64_t seq; /* all up to here are in this batch */
    bool has_image;
    struct buf image;
    uint64_t image_records, image_seq;
    size_t image_at;
};

static void take_batch(struct trk_store *s, struct batch *b)
{
    b->records = s->pending;
    s->pending = BUF(PENDING_MAX);
    b->seq = s->added;
    b->has_image = s->has_image;
    b->image = s->image;
    b->image_records = s->image_records;
    b->image_seq = s->image_seq;
    b->image_at = s->image_at;
    s->image = BUF(TRK_FILE_MAX);
}

/* Call the waiters up to @seq. */
static void settle(struct trk_store *s, uint64_t seq, int r)
{
    struct trk_waiter *ready = NULL, **last = &ready;
    pthread_mutex_lock(&s->lock);
    s->settled = MAX(s->settled, seq);
    for (struct trk_waiter **p = &s->waiters; *p;) {
        struct trk_waiter *w = *p;
        if (w->seq > seq) {
            p = &w->next;
            continue;
        }
        *p = w->next;
        w->next = NULL;
        *last = w;
        last = &w->next;
    }
    pthread_mutex_unlock(&s->lock);
    while (ready) {
        struct trk_waiter *w = ready;
        ready = w->next;
        w->next = NULL;
        w->fn(w, r);
    }
}

/* @lost: only a snapshot can bring what was queued behind the settled ones. */
static void set_error(struct trk_store *s, int r, bool lost)
{
    pthread_mutex_lock(&s->lock);
    bool news = s->error != r;
    s->error = r;
    if (r == 0)
        s->lost = 0;
    else if (lost && !s->lost)
        s->lost = s->settled + 1;
    pthread_mutex_unlock(&s->lock);
    if (news && r < 0)
        dfs_log(LOG_ERROR, "tracker.state_not_saved", KV_ERR(r));
    else if (news)
        dfs_log(LOG_INFO, "tracker.state_saved_again");
}

/* After a failed write the journal's end is unknown: nothing more may go there. */
static int append(struct trk_store *s, struct str records)
{
    if (records.n == 0)
        return trk_store_error(s);
    int broken = trk_store_error(s) < 0 ? trk_store_error(s) : -EIO;
    int r = s->fd < 0 ? broken : trk_journal_append(s->io, s->fd, records);
    if (r < 0) {
        dfs_close_fd(&s->fd);
        set_error(s, r, true);
        return r;
    }
    pthread_mutex_lock(&s->lock);
    s->written += records.n;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

/*
 * A snapshot that has its name makes the old journal one that is not read any more. If it failed to become durable, a
 * start may find it or the one before, and reads the new journal with either.
 */
static int change_generation(struct trk_store *s, struct str image, uint64_t records)
{
    bool placed = false;
    int fd = trk_journal_create(s->io, s->dirfd, s->generation + 1);
    int r = fd < 0
                ? fd
                : trk_snapshot_write(s->io, s->dirfd, s->generation + 1, image, records, &placed);
    set_error(s, r, false);
    if (!placed) {
        dfs_close_fd(&fd);
        return r;
    }
    dfs_close_fd(&s->fd);
    s->fd = fd;
    s->generation++;
    pthread_mutex_lock(&s->lock);
    s->written = 0;
    pthread_mutex_unlock(&s->lock);
    return r;
}

static void write_batch(struct trk_store *s, struct batch *b)
{
    struct str records = buf_str(&b->records);
    int r = 0;
    if (b->has_image) {
        struct str before = str_head(records, b->image_at);
        r = append(s, before);
        int made = change_generation(s, buf_str(&b->image), b->image_records);
        settle(s, b->image_seq, made == 0 ? 0 : r < 0 ? r : made);
        records = str_from(records, b->image_at);
    }
    r = append(s, records);
    /* Some found no room: what comes after them may not go there without them. */
    if (buf_err(&b->records)) {
        r = buf_err(&b->records);
        dfs_close_fd(&s->fd);
        set_error(s, r, true);
    }
    settle(s, b->seq, r);
}

/* Under the lock. */
static bool has_work(const struct trk_store *s)
{
    return s->added != s->settled || s->has_image;
}

bool trk_store_step(struct trk_store *s)
{
    CHECK_OBJ(s, STORE_MAGIC);
    struct batch b;
    pthread_mutex_lock(&s->lock);
    bool work = has_work(s);
    if (work)
        take_batch(s, &b);
    pthread_mutex_unlock(&s->lock);
    if (!work)
        return false;
    write_batch(s, &b);
    pthread_mutex_lock(&s->lock);
    if (b.has_image)
        s->has_image = false;
    pthread_mutex_unlock(&s->lock);
    buf_free(&b.records);
    buf_free(&b.image);
    return true;
}

static void *store_main(void *arg)
{
    struct trk_store *s = arg;
    pthread_setname_np(pthread_self(), "dfs-state");
    do {
        pthread_mutex_lock(&s->lock);
        while (!s->stop && !has_work(s))
            pthread_cond_wait(&s->wake, &s->lock);
        pthread_mutex_unlock(&s->lock);
    } while (trk_store_step(s)); /* nothing to do: we stop, and nothing is left */
    return NULL;
}

/* --- the face ------------------------------------------------------------------------------- */

uint64_t trk_store_add(struct trk_store *s, struct str records)
{
    CHECK_OBJ(s, STORE_MAGIC);
    pthread_mutex_lock(&s->lock);
    uint64_t seq = s->added;
    if (records.n) {
        seq = ++s->added;
        buf_adds(&s->pending, records);
        if (buf_err(&s->pending) && s->error == 0)
            s->error = buf_err(&s->pending); /* only a snapshot repairs what is missing now */
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
    return seq;
}

uint64_t trk_store_unsettled(struct trk_store *s, bool or_lost)
{
    CHECK_OBJ(s, STORE_MAGIC);
    pthread_mutex_lock(&s->lock);
    uint64_t seq = s->added != s->settled || (or_lost && s->lost) ? s->added : 0;
    pthread_mutex_unlock(&s->lock);
    return seq;
}

bool trk_store_lost(struct trk_store *s, uint64_t seq)
{
    CHECK_OBJ(s, STORE_MAGIC);
    pthread_mutex_lock(&s->lock);
    bool lost = s->lost && seq >= s->lost;
    pthread_mutex_unlock(&s->lock);
    return lost;
}

void trk_store_wait(struct trk_store *s, struct trk_waiter *w)
{
    CHECK_OBJ(s, STORE_MAGIC);
    pthread_mutex_lock(&s->lock);
    int r = s->error;
    bool now = w->seq <= s->settled;
    if (!now) {
        struct trk_waiter **p = &s->waiters;
        while (*p)
            p = &(*p)->next;
        w->next = NULL;
        *p = w;
    }
    pthread_mutex_unlock(&s->lock);
    if (now)
        w->fn(w, r);
}

int trk_store_snapshot(struct trk_store *s, struct buf *image, uint64_t records)
{
    CHECK_OBJ(s, STORE_MAGIC);
    if (buf_err(image))
        return buf_err(image);
    pthread_mutex_lock(&s->lock);
    int r = s->has_image ? -EBUSY : 0;
    if (r == 0) {
        if (buf_err(&s->pending))
            buf_reset(&s->pending); /* the image has all of it */
        s->has_image = true;
        s->image = *image;
        *image = BUF(image->max);
        s->image_records = records;
        s->image_at = s->pending.n;
        s->image_seq = s->added;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

bool trk_store_wants_snapshot(struct trk_store *s)
{
    CHECK_OBJ(s, STORE_MAGIC);
    pthread_mutex_lock(&s->lock);
    bool wants = !s->has_image && (s->error < 0 || s->written > JOURNAL_WANTED);
    pthread_mutex_unlock(&s->lock);
    return wants;
}

int trk_store_error(struct trk_store *s)
{
    CHECK_OBJ(s, STORE_MAGIC);
    pthread_mutex_lock(&s->lock);
    int r = s->error;
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* --- life ----------------------------------------------------------------------------------- */

static int lock_dir(struct trk_store *s, const char *dir, struct buf *err)
{
    int r = dfs_make_dirs(dir, 0750);
    if (r == 0 && (s->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        r = -errno;
    if (r == 0 && (s->lockfd = openat(s->dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640)) < 0)
        r = -errno;
    if (r == 0 && flock(s->lockfd, LOCK_EX | LOCK_NB) < 0)
        r = errno == EWOULDBLOCK ? -EBUSY : -errno;
    if (r < 0)
        buf_addf(err, "%s: %s", dir,
                 r == -EBUSY ? "another tracker is running on it" : strerror(-r));
    return r;
}

static void store_free(struct trk_store **sp)
{
    struct trk_store *s = TAKE(*sp);
    if (!s)
        return;
    CHECK_OBJ(s, STORE_MAGIC);
    dfs_close_fd(&s->fd);
    dfs_close_fd(&s->dirfd);
    dfs_close_fd(&s->lockfd);
    buf_free(&s->pending);
    buf_free(&s->image);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    s->magic = 0;
    free(s);
}

int trk_store_open(const char *dir, const struct trk_io *io, struct trk_cluster *c,
                   struct trk_self *self, struct trk_store **ret, struct buf *err)
{
    AUTO(store_free) struct trk_store *s = dfs_zalloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->magic = STORE_MAGIC;
    s->io = io;
    s->fd = s->dirfd = s->lockfd = -1;
    s->pending = BUF(PENDING_MAX);
    s->image = BUF(TRK_FILE_MAX);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    int r = lock_dir(s, dir, err);
    if (r == 0)
        r = trk_files_load(s->dirfd, c, self, &s->generation, err);
    if (r < 0)
        return r;
    /* What was loaded is on disk already. */
    struct trk_change change;
    while (trk_cluster_next_change(c, &change))
        ;
    AUTO(buf_free) struct buf image = BUF(TRK_FILE_MAX);
    uint64_t records = trk_rec_all(&image, c, self);
    if (buf_err(&image))
        return buf_err(&image);
    change_generation(s, buf_str(&image), records); /* a failure is kept in s->error */
    *ret = TAKE(s);
    return 0;
}

int trk_store_start(struct trk_store *s)
{
    CHECK_OBJ(s, STORE_MAGIC);
    int r = -pthread_create(&s->thread, NULL, store_main, s);
    s->started = r == 0;
    return r;
}

void trk_store_close(struct trk_store **sp)
{
    struct trk_store *s = *sp;
    if (!s)
        return;
    CHECK_OBJ(s, STORE_MAGIC);
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->started)
        pthread_join(s->thread, NULL);
    store_free(sp);
}
