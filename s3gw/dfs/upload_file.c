/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload_file - one large file on its way to a storage.
 *
 * The HTTP thread copies arriving bytes to pieces. Two hands work on each full piece, in order and
 * side by side on the hash threads: one computes the MD5, the other the CRC-32 and writes to the
 * unnamed file the storage opened for us; to one of another machine it sends the pieces. So one
 * stream gets the MD5 speed of a core, not less; without the first hand (no_md5) that of the second.
 * At most one job of a hand runs at a time: what is marked with a hand needs no lock. What has been written is not kept, so a storage lost on the way
 * fails the upload, with an error that says "again".
 *
 * Pieces come from one pool with a ceiling. While more than half of them are out, a piece is handed
 * over as soon as something is in it, so that a slow client holds none while it waits for its own
 * next byte.
 *
 *   receiving --finish--> flushing --> committing --> gone
 *       \------abort----> dropping --> gone
 */
#include <isa-l/crc.h>
#include <openssl/evp.h>
#include <endian.h>
#include <fcntl.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "s3gw/core/groups.h"
#include "s3gw/dfs/store.h"

enum {
    FILE_PIECES_MAX = 6,           /* of one upload; the rest of the pool is for others */
    COMMIT_BYTES_A_MS = 20 * 1000, /* the slowest disk or network that is waited for */
    WRITEBACK_EVERY =
        2 * 1024 * 1024, /* start writing to disk early: the final sync then has less to do */
};

enum life { RECEIVING, FLUSHING, DROPPING };

enum { HASH, WRITE, HANDS };

struct hand {
    struct s3_upload_file *f;
    struct s3_job job;
    struct s3_piece *first, **last; /* under lock: still to be worked on */
    bool scheduled;                 /* under lock: the job is queued or runs */
};

struct s3_upload_file {
    unsigned magic;
#define UPLOAD_FILE_MAGIC 0x5546494cu
    struct s3_dfs *dfs;
    struct s3_store *store; /* WRITE; where it goes. NULL until a storage opened it */
    struct s3_upload_file_options o;
    char groups[S3_GROUPS_TEXT_MAX]; /* what o.groups is: an upload outlives who began it */
    struct s3_job job;               /* of the commit */

    struct s3_piece *filling; /* owner: who calls data() */

    int first_hand; /* constant: WRITE when there is nothing to hash */
    pthread_mutex_t lock;
    struct hand hands[HANDS];
    unsigned held;   /* under lock: pieces of this file, filling included */
    enum life life;  /* under lock */
    bool wants_room; /* under lock: room() said no */
    int failed;      /* under lock: negative errno, sticks */

    struct s3_upload_file *starved_next; /* under dfs->pieces_lock */
    bool starved;                        /* under dfs->pieces_lock */

    EVP_MD_CTX *md5;  /* HASH, then the commit's; so below. NULL with no_md5 */
    int fd;           /* WRITE; -1: content goes in frames */
    uint64_t token;   /* WRITE */
    uint64_t written; /* WRITE: bytes */
    uint64_t flushed; /* WRITE: bytes whose writing to disk was started */
    uint32_t crc;     /* WRITE */
};

static void work(void *arg);
static void commit(void *arg);

/* ---- the pool of pieces ---- */

/* A free piece, or NULL: then @f is told by wake_starved() when there is one. */
static struct s3_piece *piece_take(struct s3_upload_file *f)
{
    struct s3_dfs *d = f->dfs;
    struct s3_piece *p = NULL;
    pthread_mutex_lock(&d->pieces_lock);
    if (d->pieces) {
        p = d->pieces;
        d->pieces = p->next;
    } else if (d->pieces_made < d->pieces_max && (p = dfs_alloc(sizeof(*p))) != NULL) {
        d->pieces_made++;
    }
    if (p) {
        d->pieces_out++;
        p->next = NULL;
        p->n = 0;
    } else if (!f->starved) {
        f->starved = true;
        f->starved_next = d->starved;
        d->starved = f;
    }
    pthread_mutex_unlock(&d->pieces_lock);
    return p;
}

static bool pieces_low(struct s3_dfs *d)
{
    pthread_mutex_lock(&d->pieces_lock);
    bool low = d->pieces_out > d->pieces_max / 2;
    pthread_mutex_unlock(&d->pieces_lock);
    return low;
}

/* No longer waiting for a piece (the list is short: it exists only at the ceiling). */
static void starve_no_more(struct s3_upload_file *f)
{
    struct s3_dfs *d = f->dfs;
    pthread_mutex_lock(&d->pieces_lock);
    for (struct s3_upload_file **pp = &d->starved; f->starved && *pp; pp = &(*pp)->starved_next) {
        if (*pp == f) {
            *pp = f->starved_next;
            f->starved = false;
            break;
        }
    }
    pthread_mutex_unlock(&d->pieces_lock);
}

/* Give a piece back. Everybody who waits tries again: a slow one must not hold the turn of a fast
 * one. */
static void piece_give(struct s3_dfs *d, struct s3_piece *p)
{
    pthread_mutex_lock(&d->pieces_lock);
    p->next = d->pieces;
    d->pieces = p;
    ASSERT(d->pieces_out > 0);
    d->pieces_out--;
    while (d->starved) {
        struct s3_upload_file *f = d->starved;
        d->starved = f->starved_next;
        f->starved = false;
        f->o.more(f->o.arg);
    }
    pthread_mutex_unlock(&d->pieces_lock);
}

/* ---- life ---- */

static void free_now(struct s3_upload_file *f)
{
    ASSERT(!f->hands[HASH].first && !f->hands[WRITE].first && !f->filling && f->held == 0);
    dfs_close_fd(&f->fd);
    EVP_MD_CTX_free(f->md5);
    if (f->o.seal)
        f->o.seal_free(f->o.sealer);
    pthread_mutex_destroy(&f->lock);
    f->magic = 0;
    free(f);
}

int s3_upload_file_new(struct s3_dfs *d, const struct s3_upload_file_options *o,
                       struct s3_upload_file **ret)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    if (!s3_group_first(d, o->groups) || o->groups.n > S3_GROUPS_TEXT_MAX)
        return -EHOSTUNREACH;
    struct s3_upload_file *f = dfs_zalloc(sizeof(*f));
    if (!f)
        return -ENOMEM;
    f->magic = UPLOAD_FILE_MAGIC;
    f->dfs = d;
    f->o = *o;
    memcpy(f->groups, o->groups.p, o->groups.n);
    f->o.groups = str_of(f->groups, o->groups.n);
    f->job = (struct s3_job){.run = commit, .arg = f};
    for (int i = 0; i < HANDS; i++) {
        struct hand *h = &f->hands[i];
        *h = (struct hand){.f = f, .job = {.run = work, .arg = h}, .last = &h->first};
    }
    f->fd = -1;
    pthread_mutex_init(&f->lock, NULL);
    f->first_hand = o->no_md5 ? WRITE : HASH;
    f->md5 = o->no_md5 ? NULL : EVP_MD_CTX_new();
    if (!o->no_md5 && (!f->md5 || EVP_DigestInit_ex(f->md5, EVP_md5(), NULL) != 1)) {
        f->o.seal = NULL; /* still the caller's */
        free_now(f);
        return -ENOMEM;
    }
    *ret = f;
    return 0;
}

/* Under f->lock. The pool's queue has room for every open upload: see s3_dfs_new(). */
static void schedule(struct s3_upload_file *f)
{
    for (int i = f->first_hand; i < HANDS; i++) {
        struct hand *h = &f->hands[i];
        if (h->scheduled)
            continue;
        h->scheduled = true;
        int r = s3_pool_submit(f->dfs->hash, &h->job);
        ASSERT(r == 0);
    }
}

static void hand_over(struct s3_upload_file *f)
{
    pthread_mutex_lock(&f->lock);
    struct s3_piece *p = TAKE(f->filling);
    p->hands = (unsigned)(HANDS - f->first_hand);
    for (int i = f->first_hand; i < HANDS; i++) {
        p->after[i] = NULL;
        *f->hands[i].last = p;
        f->hands[i].last = &p->after[i];
    }
    schedule(f);
    pthread_mutex_unlock(&f->lock);
}

bool s3_upload_file_room(struct s3_upload_file *f, size_t n)
{
    CHECK_OBJ(f, UPLOAD_FILE_MAGIC);
    ASSERT(n <= S3_DFS_PIECE);
    if (f->filling && S3_DFS_PIECE - f->filling->n >= n)
        return true;
    pthread_mutex_lock(&f->lock);
    bool failed = f->failed != 0; /* data() will say so */
    bool full = f->held >= FILE_PIECES_MAX;
    f->wants_room = full && !failed;
    pthread_mutex_unlock(&f->lock);
    if (failed)
        return true;
    if (full)
        return false;
    struct s3_piece *p = piece_take(f);
    if (!p)
        return false;
    if (f->filling)
        hand_over(f);
    pthread_mutex_lock(&f->lock);
    f->held++;
    pthread_mutex_unlock(&f->lock);
    f->filling = p;
    return true;
}

int s3_upload_file_data(struct s3_upload_file *f, struct str piece)
{
    CHECK_OBJ(f, UPLOAD_FILE_MAGIC);
    pthread_mutex_lock(&f->lock);
    int failed = f->failed;
    pthread_mutex_unlock(&f->lock);
    if (failed < 0)
        return failed;
    ASSERT(f->filling && S3_DFS_PIECE - f->filling->n >= piece.n); /* room() was asked */
    memcpy(f->filling->bytes + f->filling->n, piece.p, piece.n);
    f->filling->n += piece.n;
    if (f->filling->n == S3_DFS_PIECE)
        hand_over(f);
    return 0;
}

void s3_upload_file_settle(struct s3_upload_file *f)
{
    CHECK_OBJ(f, UPLOAD_FILE_MAGIC);
    if (f->filling && f->filling->n > 0 && pieces_low(f->dfs))
        hand_over(f);
}

/* Nothing more will come: the job does the rest. */
static void no_more(struct s3_upload_file *f, enum life life)
{
    CHECK_OBJ(f, UPLOAD_FILE_MAGIC);
    starve_no_more(f);
    if (f->filling)
        hand_over(f);
    pthread_mutex_lock(&f->lock);
    f->wants_room = false;
    f->life = life;
    schedule(f);
    pthread_mutex_unlock(&f->lock);
}

void s3_upload_file_finish(struct s3_upload_file **fp)
{
    no_more(TAKE(*fp), FLUSHING);
}

void s3_upload_file_abort(struct s3_upload_file **fp)
{
    struct s3_upload_file *f = TAKE(*fp);
    if (f)
        no_more(f, DROPPING);
}

/* ---- the job ---- */

static int open_at(struct s3_upload_file *f, struct s3_store *s)
{
    AUTO(buf_free) struct buf ask = BUF(16);
    AUTO(buf_free) struct buf got = BUF(64);
    buf_u64(&ask, f->o.size);
    int r = buf_err(&ask);
    if (r == 0)
        r = s3_store_ask(s, DFS_INT_FILE_OPEN, buf_str(&ask), true, &got, &f->fd);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&got));
    f->token = rd_u64(&in);
    if (in.bad || (f->fd < 0 && s->local))
        return -EPROTO;
    f->store = s;
    return 0;
}

/* Nothing has been written yet: any server will do. */
static int open_file(struct s3_upload_file *f)
{
    struct s3_tried tried = {0};
    struct s3_store *s;
    int r = -EHOSTUNREACH;
    while ((s = s3_pick_writer(f->dfs, f->o.groups, &tried)) != NULL) {
        r = open_at(f, s);
        if (!s3_worth_another(r))
            break;
    }
    return r;
}

static int write_all(int fd, const char *p, size_t n, uint64_t at)
{
    while (n > 0) {
        ssize_t w = pwrite(fd, p, n, (off_t)at);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return w < 0 ? -errno : -EIO;
        p += w;
        n -= (size_t)w;
        at += (uint64_t)w;
    }
    return 0;
}

static int hash_piece(struct s3_upload_file *f, const struct s3_piece *p)
{
    return EVP_DigestUpdate(f->md5, p->bytes, p->n) == 1 ? 0 : -EIO;
}

/* To a storage without a descriptor of its file. Sent again it is written to the same place. */
static int write_frame(struct s3_upload_file *f, struct str bytes)
{
    struct s3_store_conn *c;
    int r = s3_store_lane(f->store, &c);
    if (r < 0)
        return r;
    uint8_t head[8 + 8 + 4];
    const uint64_t token = htobe64(f->token), at = htobe64(f->written);
    const uint32_t crc = htobe32(crc32_gzip_refl(0, (const unsigned char *)bytes.p, bytes.n));
    memcpy(head, &token, 8);
    memcpy(head + 8, &at, 8);
    memcpy(head + 16, &crc, 4);
    struct iovec iov[3] = {{NULL, 0}, {head, sizeof(head)}, {(void *)(uintptr_t)bytes.p, bytes.n}};
    r = s3_store_conn_call(c, DFS_INT_FILE_WRITE, iov, ARRAY_LEN(iov), NULL);
    if (c->stream.fd < 0) {
        s3_store_suspect(f->store, r);
        r = -EHOSTUNREACH;
    }
    s3_store_lane_give(f->store, c);
    return r;
}

static int write_bytes(void *arg, struct str bytes)
{
    struct s3_upload_file *f = arg;
    f->crc = crc32_gzip_refl(f->crc, (const unsigned char *)bytes.p, bytes.n);
    if (f->fd < 0) {
        int r = write_frame(f, bytes);
        f->written += r == 0 ? bytes.n : 0;
        return r;
    }
    int r = write_all(f->fd, bytes.p, bytes.n, f->written);
    if (r < 0)
        return r;
    f->written += bytes.n;
    if (f->written - f->flushed >= WRITEBACK_EVERY) {
        /* A hint: its result is the sync's business. */
        (void)sync_file_range(f->fd, (off_t)f->flushed, (off_t)(f->written - f->flushed),
                              SYNC_FILE_RANGE_WRITE);
        f->flushed = f->written;
    }
    return 0;
}

static int write_piece(struct s3_upload_file *f, const struct s3_piece *p)
{
    int r = f->store ? 0 : open_file(f);
    if (r < 0)
        return r;
    struct str bytes = str_of(p->bytes, p->n);
    return f->o.seal ? f->o.seal(f->o.sealer, bytes, write_bytes, f) : write_bytes(f, bytes);
}

static void drop_at_storage(struct s3_upload_file *f)
{
    if (!f->store)
        return;
    AUTO(buf_free) struct buf ask = BUF(16);
    buf_u64(&ask, f->token);
    if (buf_err(&ask) == 0) {
        int r = s3_store_ask(f->store, DFS_INT_FILE_ABORT, buf_str(&ask), false, NULL, NULL);
        if (r < 0) /* it goes with the session at the latest */
            dfs_log(LOG_DEBUG, "dfs.abort_failed", KV_ERR(r));
    }
}

static void end(struct s3_upload_file *f, int r, struct str file_id)
{
    if (r < 0)
        drop_at_storage(f);
    f->o.done(f->o.arg, r, file_id);
    free_now(f);
}

/* The sync, and the copies on other servers, take the time the content needs. */
static int commit_far(struct s3_upload_file *f, struct str ask, struct buf *id)
{
    struct s3_store_conn *c;
    const unsigned usual = f->dfs->o.timeout_ms;
    int r = s3_store_lane(f->store, &c);
    if (r < 0)
        return r;
    s3_store_conn_patience(c, usual + f->written / COMMIT_BYTES_A_MS);
    r = s3_store_conn_ask(c, DFS_INT_FILE_COMMIT, ask, NULL);
    if (c->stream.fd >= 0) {
        s3_store_conn_patience(c, usual);
    } else {
        s3_store_suspect(f->store, r);
        r = -EHOSTUNREACH; /* if it has a name nobody will learn it: as good as not stored */
    }
    if (r == 0)
        buf_adds(id, buf_str(&c->in));
    s3_store_lane_give(f->store, c);
    return r < 0 ? r : buf_err(id);
}

static int commit_at_storage(struct s3_upload_file *f, struct buf *id)
{
    uint8_t md5[16];
    if (f->md5 && EVP_DigestFinal_ex(f->md5, md5, NULL) != 1)
        return -EIO;
    int r = f->o.seal ? f->o.seal(f->o.sealer, STR_NULL, write_bytes, f) : 0;
    if (r < 0)
        return r;
    AUTO(buf_free) struct buf desc = BUF(DFS_DESC_MAX);
    r = f->o.describe(f->o.arg, f->md5 ? md5 : NULL, &desc);
    if (r == 0)
        r = buf_err(&desc);
    if (r < 0)
        return r;
    AUTO(buf_free) struct buf ask = BUF(DFS_DESC_MAX + 64);
    buf_u64(&ask, f->token);
    buf_u64(&ask, f->written);
    buf_u32(&ask, f->crc);
    buf_add(&ask, f->o.ext, 6);
    buf_u32(&ask, (uint32_t)desc.n);
    buf_adds(&ask, buf_str(&desc));
    r = buf_err(&ask);
    if (r == 0)
        r = f->store->local
                ? s3_store_ask(f->store, DFS_INT_FILE_COMMIT, buf_str(&ask), false, id, NULL)
                : commit_far(f, buf_str(&ask), id);
    return r;
}

/* On a commit thread: the sync takes its time. */
static void commit(void *arg)
{
    struct s3_upload_file *f = arg;
    AUTO(buf_free) struct buf answer = BUF(1024);
    int r = f->store ? 0 : open_file(f); /* an empty one */
    if (r == 0)
        r = commit_at_storage(f, &answer);
    struct rd in = rd_of(buf_str(&answer));
    struct str id = STR_NULL;
    if (r == 0) {
        id = rd_bytes(&in, rd_u16(&in));
        if (in.bad || id.n == 0)
            r = -EPROTO;
    }
    end(f, r, id);
}

/* Everything is written, or never will be. */
static void after_last_piece(struct s3_upload_file *f, enum life life)
{
    if (life == DROPPING) {
        drop_at_storage(f);
        free_now(f);
    } else if (f->failed < 0) {
        end(f, f->failed, STR_NULL);
    } else {
        int r = s3_pool_submit(f->dfs->commit, &f->job);
        if (r < 0)
            end(f, r, STR_NULL);
    }
}

/* The next piece for this hand, or NULL. Under the lock. */
static struct s3_piece *next_piece(struct hand *h)
{
    struct s3_piece *p = h->first;
    if (!p)
        return NULL;
    h->first = p->after[h - h->f->hands];
    if (!h->first)
        h->last = &h->first;
    return p;
}

/* This hand is done with @p. Under the lock; true: so is the other, the piece can go. */
static bool put_down(struct s3_upload_file *f, struct s3_piece *p, int r)
{
    if (r < 0 && f->failed == 0)
        f->failed = r;
    if (--p->hands > 0)
        return false;
    f->held--;
    if (f->wants_room) {
        f->wants_room = false;
        f->o.more(f->o.arg); /* under the lock: abort() waits for it */
    }
    return true;
}

static void work(void *arg)
{
    struct hand *h = arg;
    struct s3_upload_file *f = h->f;
    bool hash = h == &f->hands[HASH];
    pthread_mutex_lock(&f->lock);
    for (struct s3_piece *p; (p = next_piece(h)) != NULL;) {
        bool skip = f->failed < 0 || f->life == DROPPING;
        pthread_mutex_unlock(&f->lock);
        int r = skip ? 0 : hash ? hash_piece(f, p) : write_piece(f, p);
        pthread_mutex_lock(&f->lock);
        if (!put_down(f, p, r))
            continue;
        pthread_mutex_unlock(&f->lock);
        piece_give(f->dfs, p);
        pthread_mutex_lock(&f->lock);
    }
    h->scheduled = false;
    enum life life = f->life;
    /* finish() and abort() schedule both hands once more; the one that ends last goes on. */
    bool last = life != RECEIVING && !f->hands[HASH].scheduled && !f->hands[WRITE].scheduled;
    pthread_mutex_unlock(&f->lock);
    if (last)
        after_last_piece(f, life);
}
