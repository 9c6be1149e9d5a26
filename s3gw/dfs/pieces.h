/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pieces - the buffers of large uploads: one pool with a ceiling for all of them.
 *
 * A quarter of the pool, at most, may be kept by uploads to be written once more when their server dies (upload_file.c):
 * a slow client that keeps some takes nothing from others. Threads: any; the lock is a leaf. Private to s3gw/dfs.
 */
#ifndef S3_DFS_PIECES_H
#define S3_DFS_PIECES_H

#include "s3gw/dfs/dfs.h"

/* A pooled buffer. */
struct s3_piece {
    struct s3_piece *next;     /* among the free ones */
    struct s3_piece *after[2]; /* the next piece of the same upload, for each of its two hands */
    unsigned hands;            /* that have not put it down yet */
    size_t n;
    char bytes[S3_DFS_PIECE];
};

/* An upload that may have to wait for a piece. */
struct s3_starved {
    void (*more)(void *arg); /* there may be one now; under the lock, quick */
    void *arg;
    struct s3_starved *next; /* under the lock; so below */
    bool listed;
};

struct s3_pieces {
    pthread_mutex_t lock;
    struct s3_piece *free;      /* all below under lock */
    unsigned made;              /* <= max */
    unsigned out;               /* with uploads */
    unsigned kept;              /* of them; <= max / 4 */
    unsigned max;               /* constant */
    struct s3_starved *starved; /* who waits for a piece */
};

void s3_pieces_init(struct s3_pieces *ps, unsigned max);
/* None may be out. */
void s3_pieces_fini(struct s3_pieces *ps);
/* An empty piece, or NULL: then @who is told when there is one. */
struct s3_piece *s3_piece_take(struct s3_pieces *ps, struct s3_starved *who);
/* Everybody who waits tries again: a slow one must not hold the turn of a fast one. */
void s3_piece_give(struct s3_pieces *ps, struct s3_piece *p);
/* Are more than half of them out? */
bool s3_pieces_low(struct s3_pieces *ps);
/* No longer waiting for a piece (the list is short: it exists only at the ceiling). */
void s3_pieces_starve_no_more(struct s3_pieces *ps, struct s3_starved *who);
/* May one more be kept? Then @n of them are no longer. */
bool s3_pieces_keep(struct s3_pieces *ps);
void s3_pieces_kept_no_more(struct s3_pieces *ps, unsigned n);

#endif
