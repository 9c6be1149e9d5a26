/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload_file - one large file on its way to a storage.
 *
 * The HTTP thread copies arriving bytes to pieces. Two hands work on each full piece, in order and
 * side by side on the hash threads: one computes the MD5, the other the CRC-32 and writes to the
 * unnamed file the storage opened for us; to one of another machine it sends the pieces. So one
 * stream gets the MD5 speed of a core, not less; without the first hand (no_md5) that of the second.
 * At most one job of a hand runs at a time: what is marked with a hand needs no lock.
 *
 * What has been written of a file of a few pieces is kept as long as there is room for that (pieces.h): when its
 * storage dies, all of it is written to another one. A larger one fails then, with an error that says "again". When no
 * storage is left the trackers are asked for one (waiting.h); the job ends meanwhile, and is run again.
 *
 * Pieces come from one pool with a ceiling. While more than half of them are out, a piece is handed
 * over as soon as something is in it, so that a slow client holds none, but those kept, while it waits for its own
 * next byte.
 *
 *   receiving --finish--> flushing --> committing --> gone
 *       \------abort----> dropping --> gone
 */
#include <openssl/evp.h>
#include <stdatomic.h>

#include "s3gw/core/groups.h"
#include "s3gw/dfs/pieces.h"
#include "s3gw/dfs/store.h"
#include "s3gw/dfs/target.h"

enum {
    FILE_PIECES_MAX = 6, /* of one upload, besides those kept; the rest of the pool is for others */
    FILE_KEPT_MAX = 8,
    NOBODY_LEFT = 1, /* result: there is no storage to write to, as far as we know */
};

enum life { RECEIVING, FLUSHING, DROPPING };

enum { HASH, WRITE, HANDS };

struct hand {
    struct s3_upload_file *f;
    struct s3_job job;
    struct s3_piece *first, **last; /* under lock: still to be worked on */
    bool scheduled;                 /* under lock: the job is queued, runs, or waits to run again */
};

struct s3_upload_file {
    unsigned magic;
#define UPLOAD_FILE_MAGIC 0x5546494cu
    struct s3_dfs *dfs;
    struct s3_upload_file_options o;
    char groups[S3_GROUPS_TEXT_MAX]; /* what o.groups is: an upload outlives who began it */
    struct s3_job job;               /* of the commit */

    struct s3_piece *filling; /* owner: who calls data() */

    int first_hand; /* constant: WRITE when there is nothing to hash */
    pthread_mutex_t lock;
    struct hand hands[HANDS];
    unsigned held;   /* under lock: pieces of this file, filling and kept ones included */
    unsigned nkept;  /* under lock: of them */
    enum life life;  /* under lock */
    bool wants_room; /* under lock: room() said no */
    int failed;      /* under lock: negative errno, sticks */

    struct s3_starved starved;

    EVP_MD_CTX *md5;             /* HASH, then the commit's; so below. NULL with no_md5 */
    struct s3_target to;         /* WRITE; none until a storage opened it */
    struct s3_tried tried;       /* WRITE */
    struct s3_dfs_wait wait;     /* WRITE */
    int lost;                    /* WRITE: why the last storage will not do */
    bool whole;                  /* WRITE: all that has been written, if anything, is kept */
    struct s3_piece *kept;       /* WRITE: in order, by after[WRITE] */
    struct s3_piece **kept_last; /* WRITE */
    bool described;              /* the commit's */
    struct buf description;      /* the commit's */
};

static void work(void *arg);
static void commit(void *arg);

/* ---- life ---- */

static void free_now(struct s3_upload_file *f)
{
    ASSERT(!f->hands[HASH].first && !f->hands[WRITE].first && !f->filling && f->held == 0);
    ASSERT(!f->to.store && !f->kept);
    buf_free(&f->description);
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
    f->starved = (struct s3_starved){.more = o->more, .arg = o->arg};
    f->description = BUF(DFS_DESC_MAX);
    s3_target_init(&f->to);
    f->lost = -EHOSTUNREACH;
    f->kept_last = &f->kept;
    f->whole = true;
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
    bool full = f->held - f->nkept >= FILE_PIECES_MAX;
    f->wants_room = full && !failed;
    pthread_mutex_unlock(&f->lock);
    if (failed)
        return true;
    if (full)
        return false;
    struct s3_piece *p = s3_piece_take(&f->dfs->pieces, &f->starved);
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
    if (f->filling && f->filling->n > 0 && s3_pieces_low(&f->dfs->pieces))
        hand_over(f);
}

/* Nothing more will come: the job does the rest. */
static void no_more(struct s3_upload_file *f, enum life life)
{
    CHECK_OBJ(f, UPLOAD_FILE_MAGIC);
    s3_pieces_starve_no_more(&f->dfs->pieces, &f->starved);
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

/* ---- pieces that both hands, or one, are done with ---- */

static void wake_who_wants_room(struct s3_upload_file *f)
{
    if (!f->wants_room)
        return;
    f->wants_room = false;
    f->o.more(f->o.arg); /* under the lock: abort() waits for it */
}

/* A hand is done with @p. Under the lock; true: so is the other, the piece can go. */
static bool put_down(struct s3_upload_file *f, struct s3_piece *p)
{
    if (--p->hands > 0)
        return false;
    f->held--;
    wake_who_wants_room(f);
    return true;
}

/* What was written once is not to be written again. */
static void keep_no_more(struct s3_upload_file *f)
{
    unsigned n = 0;
    f->whole = false;
    for (struct s3_piece *p; (p = f->kept) != NULL; n++) {
        f->kept = p->after[WRITE];
        pthread_mutex_lock(&f->lock);
        f->nkept--;
        bool last = put_down(f, p);
        pthread_mutex_unlock(&f->lock);
        if (last)
            s3_piece_give(&f->dfs->pieces, p);
    }
    f->kept_last = &f->kept;
    if (n > 0)
        s3_pieces_kept_no_more(&f->dfs->pieces, n);
}

/* Is there somebody else, and will all of it fit? */
static bool worth_keeping(const struct s3_upload_file *f)
{
    return f->whole && f->nkept < FILE_KEPT_MAX &&
           f->o.size <= (uint64_t)FILE_KEPT_MAX * S3_DFS_PIECE && atomic_load(&f->dfs->nstores) > 1;
}

/* @p has been written. True: it is kept, in WRITE's hand; else nothing of the file is. */
static bool keep(struct s3_upload_file *f, struct s3_piece *p)
{
    if (!worth_keeping(f) || !s3_pieces_keep(&f->dfs->pieces)) {
        keep_no_more(f);
        return false;
    }
    p->after[WRITE] = NULL;
    *f->kept_last = p;
    f->kept_last = &p->after[WRITE];
    pthread_mutex_lock(&f->lock);
    f->nkept++;
    wake_who_wants_room(f);
    pthread_mutex_unlock(&f->lock);
    return true;
}

/* ---- writing ---- */

static int write_bytes(void *arg, struct str bytes)
{
    struct s3_upload_file *f = arg;
    return s3_target_write(&f->to, bytes);
}

static int write_content(struct s3_upload_file *f, const struct s3_piece *p)
{
    struct str bytes = str_of(p->bytes, p->n);
    return f->o.seal ? f->o.seal(f->o.sealer, bytes, write_bytes, f) : write_bytes(f, bytes);
}

/* The storage failed with @r. True: what it had may be written to another one. */
static bool another_will_do(struct s3_upload_file *f, int r)
{
    f->lost = r;
    s3_target_drop(&f->to);
    return f->whole && s3_worth_another(r) && !atomic_load(&f->dfs->stopping);
}

/* A storage with all that has been written so far. 0; NOBODY_LEFT; or why it is not to be. */
static int reach(struct s3_upload_file *f)
{
    while (!f->to.store) {
        struct s3_store *s = s3_pick_writer(f->dfs, f->o.groups, &f->tried);
        if (!s)
            return NOBODY_LEFT;
        int r = s3_target_open(&f->to, s, f->o.size);
        if (r == 0 && f->o.seal)
            f->o.seal_again(f->o.sealer);
        for (const struct s3_piece *p = f->kept; r == 0 && p; p = p->after[WRITE])
            r = write_content(f, p);
        if (r < 0 && !another_will_do(f, r))
            return s3_write_failure(r);
    }
    return 0;
}

/* 0; NOBODY_LEFT: again, when there is somebody; or why the upload fails. */
static int write_piece(struct s3_upload_file *f, const struct s3_piece *p)
{
    for (;;) {
        int r = reach(f);
        if (r != 0)
            return r;
        r = write_content(f, p);
        if (r == 0 || !another_will_do(f, r))
            return s3_write_failure(r);
    }
}

/* True: @go_on will be called, maybe at once. */
static bool await_word(struct s3_upload_file *f, void (*go_on)(void *arg))
{
    f->wait = (struct s3_dfs_wait){.go_on = go_on, .arg = f};
    return s3_ask_for_writer(f->dfs, &f->tried, f->lost, &f->wait);
}

/* ---- the end ---- */

static void end(struct s3_upload_file *f, int r, struct str file_id)
{
    keep_no_more(f);
    if (r < 0)
        s3_target_drop(&f->to);
    s3_target_leave(&f->to);
    f->o.done(f->o.arg, r, file_id);
    free_now(f);
}

static int describe(struct s3_upload_file *f)
{
    uint8_t md5[16];
    if (f->described)
        return 0;
    if (f->md5 && EVP_DigestFinal_ex(f->md5, md5, NULL) != 1)
        return -EIO;
    f->described = true;
    int r = f->o.describe(f->o.arg, f->md5 ? md5 : NULL, &f->description);
    return r < 0 ? r : buf_err(&f->description);
}

static int commit_at_storage(struct s3_upload_file *f, struct buf *answer)
{
    int r = f->o.seal ? f->o.seal(f->o.sealer, STR_NULL, write_bytes, f) : 0;
    return r < 0 ? r : s3_target_commit(&f->to, f->o.ext, buf_str(&f->description), answer);
}

/* As write_piece(). */
static int commit_somewhere(struct s3_upload_file *f, struct buf *answer)
{
    int r = describe(f);
    while (r == 0) {
        r = reach(f); /* it may be an empty one */
        if (r != 0)
            break;
        r = commit_at_storage(f, answer);
        if (r == 0)
            break;
        r = another_will_do(f, r) ? 0 : s3_write_failure(r);
    }
    return r;
}

static void commit_again(void *arg)
{
    struct s3_upload_file *f = arg;
    int r = s3_pool_submit(f->dfs->commit, &f->job);
    if (r < 0)
        end(f, r, STR_NULL);
}

/* On a commit thread: the sync takes its time. */
static void commit(void *arg)
{
    struct s3_upload_file *f = arg;
    AUTO(buf_free) struct buf answer = BUF(1024);
    int r = commit_somewhere(f, &answer);
    if (r == NOBODY_LEFT && await_word(f, commit_again))
        return;
    if (r == NOBODY_LEFT)
        r = s3_write_failure(f->lost);
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
        keep_no_more(f);
        s3_target_drop(&f->to);
        free_now(f);
    } else if (f->failed < 0) {
        end(f, f->failed, STR_NULL);
    } else {
        commit_again(f);
    }
}

/* ---- the hands ---- */

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

static int hash_piece(struct s3_upload_file *f, const struct s3_piece *p)
{
    return EVP_DigestUpdate(f->md5, p->bytes, p->n) == 1 ? 0 : -EIO;
}

/* @p again. Under the lock. */
static void put_back(struct hand *h, struct s3_piece *p)
{
    struct s3_piece **after = &p->after[h - h->f->hands];
    *after = h->first;
    if (!h->first)
        h->last = after;
    h->first = p;
}

static void write_again(void *arg)
{
    struct s3_upload_file *f = arg;
    int r = s3_pool_submit(f->dfs->hash, &f->hands[WRITE].job);
    ASSERT(r == 0); /* as in schedule() */
}

static void fail(struct s3_upload_file *f, int r)
{
    if (f->failed == 0)
        f->failed = r;
}

/* This hand has done its work on @p, or failed with @r. */
static void done_with(struct hand *h, struct s3_piece *p, int r)
{
    struct s3_upload_file *f = h->f;
    bool written = h == &f->hands[WRITE];
    if (written && r == 0 && keep(f, p))
        return;
    if (written && r < 0)
        keep_no_more(f);
    pthread_mutex_lock(&f->lock);
    if (r < 0)
        fail(f, r);
    bool last = put_down(f, p);
    pthread_mutex_unlock(&f->lock);
    if (last)
        s3_piece_give(&f->dfs->pieces, p);
}

/* False: this job ends here, and will be run again for @p and what follows it. */
static bool wait_with(struct hand *h, struct s3_piece *p)
{
    struct s3_upload_file *f = h->f;
    pthread_mutex_lock(&f->lock);
    put_back(h, p);
    pthread_mutex_unlock(&f->lock);
    if (await_word(f, write_again))
        return false;
    pthread_mutex_lock(&f->lock);
    fail(f, s3_write_failure(f->lost));
    pthread_mutex_unlock(&f->lock);
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
        int r = skip ? -ECANCELED : hash ? hash_piece(f, p) : write_piece(f, p);
        if (r != NOBODY_LEFT)
            done_with(h, p, r);
        else if (!wait_with(h, p))
            return;
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
