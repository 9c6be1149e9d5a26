/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dfs - the gateway's face to the storages: small objects and notes in batches, large files by
 * descriptor, reads by descriptor, deletion. Threads: any; what blocks says so.
 */
#ifndef S3_DFS_H
#define S3_DFS_H

#include "s3gw/core/req.h"

struct s3_dfs;

/*
 * Log a description without data ("this key was deleted", "this key is now a manifest of those files"),
 * durably. Every change of an object that stores no data says so here before it is committed to the
 * index, so that the index can be rebuilt. Blocks. 0 or negative errno.
 */
int s3_dfs_note(struct s3_dfs *d, struct str group, struct str description) MUST_CHECK;

/* The same without blocking: done() is called once, on the dfs thread, and must be quick. */
struct s3_dfs_put {
    struct str group;
    struct str description;   /* views: stay valid until done() */
    struct str data;          /* p == NULL: a note */
    char ext[7];              /* file name extension, NUL terminated, may be empty */
    void (*done)(struct s3_dfs_put *p, int result);
    void *arg;
    char file_id[160];        /* written before done(), NUL terminated; empty for notes */
    struct s3_dfs_put *next;  /* owner: dfs while queued */
};
void s3_dfs_submit(struct s3_dfs *d, struct s3_dfs_put *p);

/* Delete stored files, durably. ENOENT is success. Blocks. *ret_done: how many at the front are gone. */
int s3_dfs_delete(struct s3_dfs *d, const struct str *file_ids, size_t n, size_t *ret_done) MUST_CHECK;

/* Copy [offset, offset+n) of a stored file into @out. Blocks. 0, -ENOENT, -EIO, ... */
int s3_dfs_read(struct s3_dfs *d, struct str file_id, uint64_t offset, void *out, size_t n) MUST_CHECK;

#endif
