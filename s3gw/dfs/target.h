/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target - an unnamed file at a storage that an upload is being written to: by its descriptor at a storage of this
 * machine, in frames at another one. Blocks. Threads: one at a time. Private to s3gw/dfs.
 */
#ifndef S3_DFS_TARGET_H
#define S3_DFS_TARGET_H

#include "dfscore/base/buf.h"

struct s3_store;

struct s3_target {
    struct s3_store *store; /* NULL: none; then nothing else counts */
    int fd;                 /* -1: content goes in frames */
    uint64_t token;         /* the storage's, for the file */
    uint64_t written;       /* bytes */
    uint64_t flushed;       /* bytes whose writing to disk was started */
    uint32_t crc;           /* of what has been written */
};

/* None. Nothing has to be done to end it then. */
void s3_target_init(struct s3_target *t);
/* A file of about @size bytes at @s. 0, -EHOSTUNREACH, the storage's status ... */
int s3_target_open(struct s3_target *t, struct s3_store *s, uint64_t size) MUST_CHECK;
/* At its end. 0; -EHOSTUNREACH: the storage is lost; its status, or the disk's. */
int s3_target_write(struct s3_target *t, struct str bytes) MUST_CHECK;
/* Durable, described, and named: the answer (dfscore/wire/internal.h, FILE_COMMIT) goes to @answer. The same results. */
int s3_target_commit(struct s3_target *t, const char ext[7], struct str description,
                     struct buf *answer) MUST_CHECK;
/* It has its name: there is no target any more. */
void s3_target_leave(struct s3_target *t);
/* Give it up. A storage that answers is told; elsewhere it goes with the session. Accepts none. */
void s3_target_drop(struct s3_target *t);

#endif
