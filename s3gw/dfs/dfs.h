/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dfs - the gateway's face to the storages: small objects and notes in batches, large files, reads,
 * deletion. A storage on this machine is reached through its Unix-domain socket, and content goes by
 * descriptor; others over TCP. Groups and their servers come from the trackers, or from a list.
 *
 * A server that fails is left out for a hold-down while another of its group is asked: writes within the
 * request, as long as what is to be written is still here; reads until one has the file.
 * Threads: any; what blocks says so.
 */
#ifndef S3_DFS_H
#define S3_DFS_H

#include "s3gw/core/req.h"
#include "dfscore/net/addr.h"
#include "s3gw/core/storage_class.h"

struct s3_dfs;
struct dfs_secret;
struct dfs_tls;
struct s3_tenure;

struct s3_dfs_store {
    struct str group;  /* "group1" */
    struct str socket; /* path of the storage's trusted Unix-domain socket */
};

struct s3_dfs_copies {
    struct str group;
    uint8_t n; /* servers of it that must have a write on disk before it counts */
};

struct s3_dfs_options {
    const struct s3_dfs_store *stores; /* on this machine; used by s3_dfs_new only */
    size_t nstores;                    /* 0..S3_DFS_STORES_MAX */
    const struct dfs_addr *trackers;   /* used by s3_dfs_new only */
    size_t ntrackers;                  /* 0: there are the stores, at least one, and no others */
    const struct dfs_secret *secret;   /* for storages of other machines; outlives the gateway */
    const struct dfs_tls *tls; /* with them and trackers; NULL: plain. Outlives the gateway */
    const struct s3_tenure
        *tenure; /* nothing is written beyond it; NULL: no limit. Outlives this */
    /* The cluster as it was known before, for a start when no tracker answers (dfs/view_text.h); used by s3_dfs_new
     * only. Absent: nothing. */
    struct str known;
    /* It is known to be this now: keep it. On a thread of dfs; may block. NULL: it is not kept. */
    void (*keep)(void *arg, struct str text);
    void *keep_arg;
    /* groups that more is asked of than their storages would; outlives this */
    const struct s3_dfs_copies *copies;
    size_t ncopies;
    bool spread; /* what a bucket's groups have no room for may go to another one */
    const struct s3_classes *classes; /* whose groups take nothing that was meant for another, nor
                                         send theirs elsewhere; outlives this; NULL: none */
    struct str default_group;         /* ... but this one does, also when a class names it */
    unsigned connect_ms;              /* longest wait for a TCP connection; 0: 2,000 */
    unsigned timeout_ms;   /* longest wait for a server's next byte over TCP; 0: 10,000 */
    unsigned hold_down_ms; /* pause after a failure; 0: 1,000 */
    unsigned hedge_ms;     /* a read that has no answer yet is asked of a second server; 0: never */
    unsigned upload_buffers; /* pieces of S3_DFS_PIECE bytes that large uploads may have in memory
                                together */
    unsigned open_files;     /* descriptors kept open for reading plain files */
    unsigned hash_threads;   /* threads that compute MD5 and write large files; 0: 2 */
};

enum {
    S3_DFS_STORES_MAX = 64,
    S3_DFS_PIECE = 256 * 1024,
};

/* 0, -EINVAL, -ENOMEM, -EAGAIN (no thread). Connects when first needed. */
int s3_dfs_new(const struct s3_dfs_options *o, struct s3_dfs **ret) MUST_CHECK;
/* Everything submitted has been answered before this returns. No upload may be open. */
void s3_dfs_free(struct s3_dfs **d);

/* Is that group known, and not all of it removed? */
bool s3_dfs_has_group(const struct s3_dfs *d, struct str group);
/* 0 when some server of every group that is not drained takes writes within @timeout_ms; else why one does not. -ENOENT: no
 * group is known. Blocks. */
int s3_dfs_ready(struct s3_dfs *d, unsigned timeout_ms) MUST_CHECK;
/* A group as this gateway sees it. */
struct s3_dfs_group {
    char name[17];
    bool takes_files; /* somebody in service there may be written to */
    bool drained;     /* somebody is in service, and nobody there may be written to */
    bool low;         /* hardly any space */
    bool of_class;    /* a storage class's own */
    uint64_t free_mb;
};
/* The @i-th one that has a server, from 0; false beyond the last. */
bool s3_dfs_group(const struct s3_dfs *d, size_t i, struct s3_dfs_group *ret);
/*
 * Does no server of the group place new files on its store path @path (dfs admin drain)? All that have not been removed
 * are asked. Blocks. 0; 1: so it is, but some are still on their way there; -EPERM: one does; -ENOENT: no such path;
 * errno: one does not answer.
 */
int s3_dfs_path_closed(struct s3_dfs *d, struct str group, unsigned path) MUST_CHECK;
/* A storage server as this gateway sees it. */
struct s3_dfs_server {
    char group[17], id[17];      /* id empty: it has not told it yet */
    char address[DFS_ADDR_TEXT]; /* host:port, or the path of its socket */
    bool in_service;             /* ACTIVE at the trackers */
    bool down;                   /* did not answer when it was last asked */
    uint64_t damaged; /* of this machine: copies it knows to be wrong; dfs monitor tells others' */
};
/* The @i-th one, from 0; false beyond the last. */
bool s3_dfs_server(const struct s3_dfs *d, size_t i, struct s3_dfs_server *ret);
/* How many copies have been reported to their storages since the start: found damaged, found missing. */
void s3_dfs_suspected(struct s3_dfs *d, uint64_t *damaged, uint64_t *missing);
/* Is there in every group a server that answered when it was last asked? Does not block. */
bool s3_dfs_reachable(const struct s3_dfs *d);

/*
 * Log a description without data ("this key was deleted", "this key is now a manifest of those
 * files"), durably. Every change of an object that stores no data says so here before it is
 * committed to the index, so that the index can be rebuilt. Blocks. 0 or negative errno.
 */
int s3_dfs_note(struct s3_dfs *d, struct str groups, struct str description) MUST_CHECK;
/* Some at once, which share syncs; on failure any of them may have been logged. Blocks. 0, or the
 * first failure. */
int s3_dfs_notes(struct s3_dfs *d, struct str groups, const struct str *descriptions,
                 size_t n) MUST_CHECK;

struct s3_tried { /* servers a write has been to; owner: dfs */
    unsigned n;
    uint16_t number[6];
    bool asked; /* trackers, for a server that it has not been to */
};

/* Somebody who waits for the trackers' word (waiting.h); owner: dfs. */
struct s3_dfs_wait {
    struct s3_dfs_wait *next;
    uint64_t question, until_ms;
    /* There is an answer, or will be none in time. On a thread of dfs; quick. */
    void (*go_on)(void *arg);
    void *arg;
};

/* Store a small object, or a note, without blocking, in the first of some groups (core/groups.h) that has room: done() is
 * called once, on a dfs thread, and must be quick. Results: 0; -ENOSPC; -EHOSTUNREACH: no server said that it has it (one
 * may have it all the same: a file no object names, or a note); -EINVAL and the like: no server would take it; -E2BIG, at
 * once and on the caller's thread: it is longer than any takes (DFS_DESC_MAX, DFS_PACK_MAX). */
struct s3_dfs_put {
    struct str groups;
    struct str description; /* views: stay valid until done() */
    struct str data;        /* at most DFS_PACK_MAX bytes; p == NULL: a note */
    char ext[7];            /* file name extension, NUL terminated, may be empty */
    void (*done)(struct s3_dfs_put *p, int result);
    void *arg;
    char file_id[160]; /* written before done(), NUL terminated; empty for notes */
    /* owner: dfs, until done() */
    struct s3_dfs_put *next; /* while queued */
    struct s3_tried tried;
    struct s3_dfs_wait wait;
    struct s3_dfs *dfs;
    int failure; /* of the last server; while it waits */
};
void s3_dfs_submit(struct s3_dfs *d, struct s3_dfs_put *p);

/* Delete stored files, durably; none waits for another one's group. ENOENT is success when it is the word of one who must
 * know. Blocks. ret_gone[n]: of each, is it gone? 0 when all are, or the errno of the last one that failed. */
int s3_dfs_delete(struct s3_dfs *d, const struct str *file_ids, size_t n,
                  bool *ret_gone) MUST_CHECK;

/*
 * Copy bytes [offset, offset+n) of a stored file into @out. @wait false: never touch the disk or a
 * peer; -EAGAIN when that would be needed. A file that lives in a pack is checked against the
 * CRC-32 in its id when all of it is read. 0, -EAGAIN, -ENOENT, -ERANGE (beyond its end), -EBADMSG
 * (checksum), -EIO, ...
 */
int s3_dfs_read(struct s3_dfs *d, struct str file_id, uint64_t offset, void *out, size_t n,
                bool wait) MUST_CHECK;

/* What has been read of a stored file, from its beginning on and without a gap. Zeroed: nothing. */
struct s3_dfs_run {
    struct str file_id; /* a view of the reader's */
    uint64_t n;
    uint32_t crc; /* CRC-32 */
};
/*
 * The same, of a file that a gateway stored. When that was the last piece of it, and @run has seen all others: -EBADMSG when
 * they are not what its id says. Then its servers are told to look at their copies.
 */
int s3_dfs_read_on(struct s3_dfs *d, struct s3_dfs_run *run, struct str file_id, uint64_t offset,
                   void *out, size_t n, bool wait) MUST_CHECK;

/* Are these bytes right? 0, or -EBADMSG. */
typedef int s3_dfs_check(const void *bytes, void *arg);
/*
 * What s3_dfs_read() gave of this, at most DFS_PIECE_MAX bytes, was not right: from another server, the first whose bytes
 * are, as @check says. Whose are not is told to look at its copy. Blocks. -EBADMSG: nobody has them right, or there is no
 * other server; else as above.
 */
int s3_dfs_read_right(struct s3_dfs *d, struct str file_id, uint64_t offset, void *out, size_t n,
                      s3_dfs_check *check, void *arg) MUST_CHECK;
/* Somebody gave wrong bytes of this file; who is not known. Its servers are told to look at their copies. */
void s3_dfs_doubt(struct s3_dfs *d, struct str file_id);

/*
 * How large is it now? Asks the storage of this machine, or others where its name does not say it, and forgets what was
 * kept of the file: for files that others may have deleted or appended to. Blocks. 0, -ENOENT, ...
 */
int s3_dfs_size(struct s3_dfs *d, struct str file_id, uint64_t *ret) MUST_CHECK;

/*
 * A descriptor of its own for sending a whole run of a plain file, when all of [offset, offset+n)
 * is in memory (@wait false) or in any case (@wait true). -EAGAIN: not in memory, or not known;
 * -ENOTSUP: the file lives in a pack, whose space may be given back while it is sent: read it
 * instead. The caller closes *ret_fd; the content starts at *ret_at within it.
 */
int s3_dfs_open(struct s3_dfs *d, struct str file_id, uint64_t offset, uint64_t n, bool wait,
                int *ret_fd, uint64_t *ret_at) MUST_CHECK;

/*
 * A large file being written. Data is copied to pooled pieces; a hash thread computes MD5 and
 * CRC-32 and writes them to the storage's file. Calls of one upload come from one thread at a time.
 */
struct s3_upload_file;

struct s3_upload_file_options {
    struct str groups; /* in the first that has room; used by s3_upload_file_new only */
    uint64_t size;     /* bytes announced, of the file */
    char ext[7];
    bool no_md5; /* nobody will ask for it */
    /* Data is not stored as it comes: seal() gives what is stored instead to @write, in order; an
     * absent piece says that all has come. A result other than 0 ends the upload. One call at a time, on
     * dfs threads, even after abort() returned; the last that is heard of @sealer is its free. NULL:
     * stored as it comes. */
    int (*seal)(void *sealer, struct str piece, int (*write)(void *f, struct str bytes), void *f);
    void (*seal_free)(void *sealer);
    /* The same content comes once more, from its beginning: the same must become of it. */
    void (*seal_again)(void *sealer);
    void *sealer; /* owner: the upload, from new() on when that was 0 */
    /* There is room again after s3_upload_file_room() said no, or the upload failed. Any thread.
     * Quick. */
    void (*more)(void *arg);
    /* All data is written. Give the description that belongs to it; non-zero gives the file up and
     * is passed to done(). @md5 is NULL with no_md5. On a hash thread. */
    int (*describe)(void *arg, const uint8_t md5[16], struct buf *description);
    /* The end, after finish(): 0 and the file's id; or why not. Any thread. Quick. */
    void (*done)(void *arg, int result, struct str file_id);
    void *arg;
};

int s3_upload_file_new(struct s3_dfs *d, const struct s3_upload_file_options *o,
                       struct s3_upload_file **ret) MUST_CHECK;
/* May data() be called with up to @n more bytes? False: wait for more(). */
bool s3_upload_file_room(struct s3_upload_file *f, size_t n);
/* 0; or why the upload has failed (then abort it). Takes all of @piece: room() has said yes to it,
 * and to all that came since. */
int s3_upload_file_data(struct s3_upload_file *f, struct str piece) MUST_CHECK;
/* That was all for the moment: what is buffered may be handed on if memory is short. */
void s3_upload_file_settle(struct s3_upload_file *f);
/* No more data: flush, describe, commit, done(). The handle is gone afterwards. */
void s3_upload_file_finish(struct s3_upload_file **f);
/* Forget it; no callback comes after this returns. The storage drops the file. */
void s3_upload_file_abort(struct s3_upload_file **f);

/* ---- what the storages hold, for the search for orphans and for rebuilding the index ---- */

/*
 * A log: what one server has written on one of its store paths. Its group's other members have copies, so a
 * server that is away takes nothing with it that it has passed on.
 */
struct s3_log {
    char group[17];
    /* A position is remembered under this and the path: the group where there is one server only, else
     * "group/<id in hex>". */
    char name[17 + 33];
    unsigned path;   /* store path */
    uint64_t end;    /* where it ended when it was listed */
    uint16_t holder; /* who has most of it; owner: dfs, as the next */
    bool named;
    uint8_t id[16];
};

struct s3_scan_entry {
    int kind; /* enum dfs_scan_kind */
    uint64_t position;
    int64_t time_s;
    struct str file_id; /* empty for notes */
    struct str description;
};

/* All logs of all groups; on @a. Blocks. 0, -ENOMEM, -E2BIG; -EHOSTUNREACH: nobody of some group answers. */
int s3_dfs_logs(struct s3_dfs *d, struct arena *a, struct s3_log **ret, size_t *ret_n) MUST_CHECK;
/*
 * Entries of a log from *@position on, in order, at most @max; *@position moves behind them. *@end: the log
 * is used up. Views into @frame. Blocks.
 */
int s3_dfs_scan(struct s3_dfs *d, const struct s3_log *log, uint64_t *position, size_t max,
                bool descriptions, struct buf *frame, struct arena *a, struct s3_scan_entry **ret,
                size_t *ret_n, bool *end) MUST_CHECK;

/* ---- files of FastDFS's clients ---- */

struct s3_dfs_native {
    struct str file_id; /* in */
    bool there;         /* the holder of the log has it; else the rest says nothing */
    /* now: FastDFS's clients may change an appender, and delete anything of theirs */
    uint64_t size;
    int64_t mtime_s; /* Unix seconds */
    /* FastDFS's text: name 02 value 01 name ...; empty: none, or more than travels. Arena */
    struct str metadata;
};
/* What the holder of @log knows of @n files, DFS_INFO_ITEMS_MAX at most. Blocks. 0 or errno. */
int s3_dfs_native_info(struct s3_dfs *d, const struct s3_log *log, struct arena *a,
                       struct s3_dfs_native *f, size_t n) MUST_CHECK;

struct s3_dfs_adopted {
    uint64_t files, containers, skipped;
};
/* What members found when their directories of FastDFS were taken over; of the one that found most,
 * among those that answer. Blocks. 0, -ENOENT (no such group). */
int s3_dfs_adopted(struct s3_dfs *d, struct str group, struct s3_dfs_adopted *ret) MUST_CHECK;

/*
 * Is a file that others may delete or cut still there, @size bytes of it? Forgets what was kept of it. Blocks.
 * 0; -ENOENT; -ERANGE: it is shorter; else it could not be found out.
 */
int s3_dfs_still_there(struct s3_dfs *d, struct str file_id, uint64_t size) MUST_CHECK;

#endif
