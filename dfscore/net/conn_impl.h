/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn_impl - inside of a connection, shared by conn.c (life, deadlines), conn_in.c (reading), conn_out.c
 * (answering) and block.c (memory for content). Nobody else includes this.
 *
 * advance() is the only place where a connection moves. Everything that changes its state (an event,
 * an answer, a block coming back) changes it and calls advance(), which does nothing when it is
 * already running further up the stack; so callbacks may answer at once without recursion.
 */
#ifndef DFS_CONN_IMPL_H
#define DFS_CONN_IMPL_H

#include "dfscore/net/conn.h"
#include "dfscore/net/stream.h"

/* What is being read. */
enum reading {
    R_FIRST,   /* nothing: the first byte says whether they speak TLS */
    R_SHAKE,   /* they do: shaking hands */
    R_HEAD,    /* nothing, or less than a header */
    R_COLLECT, /* body bytes up to c->need */
    R_HELD,    /* handle() has seen what it asked for and has not decided */
    R_CONTENT, /* content into blocks */
    R_DRAIN,   /* the rest of a body nobody wants */
    R_DONE,    /* the body is behind us, the answer is not */
    R_LINGER, /* answered, our side is shut; reading what still comes so that no RST eats the answer */
};

enum writing {
    W_NONE,   /* no answer yet */
    W_BYTES,  /* header and body in memory */
    W_FILE,   /* then a file */
    W_STREAM, /* or blocks */
    W_SENT,
};

enum {
    BLOCKS_OUT_MAX = 4, /* content blocks of one connection the service may hold */
    STREAM_QUEUE = 2,
    OUT_MAX = 64 * 1024 * 1024, /* longest answer from memory */
};

struct dfs_conn {
    unsigned magic;
#define CONN_MAGIC 0xc0221ec7u
    struct dfs_loop *loop;
    struct dfs_pool *pool;
    const struct dfs_service *service;
    struct dfs_conn_hooks hooks;
    struct dfs_conn_link link; /* owner: listener */
    struct dfs_addr peer, local;
    bool is_unix;
    struct dfs_auth auth;
    void *user;

    struct dfs_stream stream; /* closed once dead */
    struct dfs_watch *watch;
    struct dfs_timer *timer;
    bool timer_armed;
    int interest;     /* what the watch is set to */
    uint64_t last_us; /* when bytes last moved; R_SHAKE: when it began */
    bool heard;       /* the peer has sent a byte */
    bool quit;        /* it has said that it goes */
    bool dead;        /* no more I/O; the memory goes when the service has let go */
    bool closing;     /* close when the current answer is out */
    bool advancing;

    /* Reading. Frame under way begins at in_at; bytes up to in_pos have been consumed. */
    enum reading reading;
    uint8_t *in; /* owned */
    size_t in_cap, in_at, in_pos, in_n;
    bool drained;    /* the last recv took all there was */
    uint64_t need;   /* body bytes to collect before handle() */
    uint64_t unread; /* body bytes behind in_pos, arrived or not */
    struct dfs_block *fill;
    struct dfs_conn *pool_next; /* waiting for a block */
    bool pool_waiting;

    /* The request. */
    struct dfs_req req;
    bool handed;     /* handle() has been called: done() is due */
    bool in_service; /* the answer is due */
    bool accepted;
    bool aborted;
    unsigned blocks_out; /* with the service, either direction */

    /* Writing. */
    enum writing writing;
    bool blocked; /* the kernel took no more */
    uint8_t head[DFS_HEADER_LEN];
    struct buf out;
    size_t out_at; /* of header and body */
    int file_fd;
    bool (*whole)(struct dfs_req *req); /* of the file; or NULL */
    uint64_t file_off, left;            /* left: body bytes of a file or stream still to go */
    void (*more)(struct dfs_req *req, struct dfs_block *blk);
    struct dfs_block *queue[STREAM_QUEUE];
    size_t queued;
    size_t block_at;  /* bytes of queue[0] sent */
    bool stream_ends; /* the block marked last has come */
};

/* conn.c */
void conn_advance(struct dfs_conn *c);
void conn_die(struct dfs_conn *c);

/* conn_in.c */
bool conn_read(struct dfs_conn *c); /* true: something moved */
/* On to the next request when the answer is out and the body behind us: then true. */
bool conn_finish(struct dfs_conn *c);
/* On a plain connection nobody can prove anything where TLS is required. */
bool conn_plain_refused(const struct dfs_conn *c);
/* For the whole of it, however the bytes trickle. */
uint64_t conn_handshake_ms(const struct dfs_conn *c);

/* conn_out.c */
bool conn_write(struct dfs_conn *c); /* true: something moved */
void conn_forget_output(struct dfs_conn *c);

/* block.c */
/* A block for @c, or NULL and @c is woken by conn_advance when there is one. */
struct dfs_block *pool_take(struct dfs_conn *c);
void pool_give(struct dfs_pool *p, struct dfs_block *blk);
void pool_forget(struct dfs_conn *c); /* no longer waiting */

#endif
