/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest - object data on its way from a request's body to a stored file, and the file to its name.
 * What PutObject and UploadPart have in common.
 *
 *   small:  bytes are kept in memory; the end: MD5, description, one item of a batch to the storage
 *   large:  bytes stream into a file of the storage (dfs/upload_file); the end: description, commit
 *   form:   nobody knows how many will come: small until that is too little, then large
 *   sealed: with q->seal, encrypted on the way (sse/frames.h): small ones when they are complete,
 *           large ones on the thread that writes
 *   empty:  a note takes the place of a file
 *   then:   one update of the index names the file
 *   again:  the index wants it described otherwise (-ERESTART, index/object.h): a note says so
 *   else:   refused: a note says that it never was, and the file is an orphan
 *
 * Threads: begin and the sink on the HTTP thread; describe, commit, answer on the thread that has
 * the result, while the request is suspended. Nothing blocks.
 */
#ifndef S3_INGEST_H
#define S3_INGEST_H

#include "s3gw/dfs/dfs.h"
#include "s3gw/index/object.h"

struct s3_ingest {
    struct s3_req *q;
    /* The handler's. describe: the description of what was stored, under a new number; without file
     * id the first time, with extent later; 0 or errno. undo: that it never was; NULL: nothing to
     * say. commit: an update of the index (may run again). answer: headers for the client. error: of
     * a commit's errno. */
    int (*describe)(struct s3_ingest *in, struct buf *out);
    int (*undo)(struct s3_ingest *in, struct buf *out);
    int (*commit)(struct s3_tx *tx, struct s3_ingest *in);
    void (*answer)(struct s3_ingest *in);
    enum s3err (*error)(struct s3_req *q, int r);
    struct str storage_class; /* of the object to be: where its data go (core/storage_class.h) */

    /* What came in; known from describe() on. Its checksums are in q->plan. */
    uint64_t size;
    uint8_t md5[16]; /* of the content; random bytes where the ETag must not be that */
    /* Known once it is stored. */
    struct s3_extent extent;
    size_t nextents; /* 0: empty object; else 1 */

    /* ingest.c's own. */
    char *small;                 /* heap; what has arrived of a small one */
    size_t small_n, small_cap;   /* small_cap is taken from gw->small */
    bool lone;                   /* no other small one came beside it, nor beside many before it */
    struct s3_upload_file *file; /* of a large one */
    struct s3_dfs_put put;
    struct s3_update update;
    struct buf description;
    enum s3err unopened; /* why a growing one could not become large */
    int refused;         /* of the commit, while that is noted and the orphan is queued */
    int tries;
};

/*
 * Start: q->plan says how many bytes will come, q->bkt where they go. Sets q->sink. @in lives in
 * the arena, zeroed, with the handler's part filled in.
 */
enum s3err s3_ingest_begin(struct s3_ingest *in);

/* The extension that a file holding @key gets: FastDFS names carry one. NUL padded, may be empty. */
void s3_file_extension(struct str key, char ext[7]);

#endif
