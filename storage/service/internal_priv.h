/* SPDX-License-Identifier: Apache-2.0 */
/* internal_priv - what the internal*.c files share. */
#ifndef STO_INTERNAL_PRIV_H
#define STO_INTERNAL_PRIV_H

#include <pthread.h>

#include "dfscore/base/buf.h"
#include "dfscore/wire/internal.h"
#include "storage/service/internal.h"
#include "storage/sync/copies.h"
#include "storage/sync/scrub.h"
#include "storage/trunk/store.h"

enum {
    STO_INT_CONNS = 256,   /* default ceiling */
    STO_INT_TOKENS = 4096, /* open temporary files of one session */
    STO_INT_ANSWER_MAX = DFS_BATCH_BYTES_MAX + DFS_DESC_MAX,
    STO_INT_SCAN_BYTES = 1024 * 1024, /* an answer to SCAN stops growing here */
    STO_INT_SCAN_RECORDS = 65536,     /* log records one SCAN looks at */
};

/* One gateway process. Lives while it has connections. */
struct sto_session {
    uint64_t id;
    unsigned conns;
    struct sto_session_file {
        uint64_t token;
        struct sto_file *file;
    } * files;
    size_t count, cap;
    struct sto_session *next;
};

struct sto_sessions {
    pthread_mutex_t lock;
    struct sto_session *list;
    uint64_t next_token;
};

int sto_session_join(struct sto_sessions *all, uint64_t id, struct sto_session **ret) MUST_CHECK;
/* Drops the session's files with its last connection. Accepts NULL. */
void sto_session_leave(struct sto_sessions *all, struct sto_session *s);
/* Takes @file: a token for it, or negative errno (the file is freed then). */
int sto_session_add(struct sto_sessions *all, struct sto_session *s, struct sto_file *file,
                    uint64_t *ret_token) MUST_CHECK;
/* The file of a token, which is used up; NULL: there is none. */
struct sto_file *sto_session_take(struct sto_sessions *all, struct sto_session *s, uint64_t token);

/* @file again under the token it was taken with, which was the only use of it. */
int sto_session_put_back(struct sto_sessions *all, struct sto_session *s, struct sto_file *file,
                         uint64_t token) MUST_CHECK;

/* One request being answered. */
struct sto_int_call {
    struct sto_store *store;
    struct sto_copies *copies;   /* NULL: our own copy is enough */
    struct sto_mirrors *mirrors; /* NULL: no logs of others */
    struct sto_repair *repair;   /* NULL: what is damaged stays so */
    struct sto_scrub *scrub;     /* NULL: there is none */
    struct dfs_client *cluster;  /* NULL: what has moved to other groups is not got from there */
    struct sto_sessions *sessions;
    struct sto_session **session; /* of the connection; NULL there before HELLO */
    bool tcp;                     /* no descriptor can be passed */
    uint8_t asked;   /* servers that must have what is written, if that is more than usual */
    struct rd in;    /* the body */
    struct buf *out; /* the answer's body; forgotten when the call fails */
    int fd;          /* a descriptor to pass, or -1; */
    bool fd_owned;   /* close it after passing */
};

/* A close-on-exec duplicate, or negative errno. */
int sto_internal_dup(int fd) MUST_CHECK;

/* 0 or negative errno. Nothing in a body can do more than make the call fail. */
int sto_internal_call(uint8_t cmd, struct sto_int_call *c) MUST_CHECK;
/* Largest body a command may have, bytes; 0: no such command. */
size_t sto_internal_body_max(uint8_t cmd);

#endif
