/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - the storage engine's face: small files in packs, large ones as plain files, one log per
 * store path that orders and makes durable every change.
 *
 * Names: everything here takes and gives FastDFS "logical names" without the group, such as
 *   M00/0A/1B/<27 + 7 characters>       a plain file of the store path 0
 *   M00/3F/A2/<27 + 16 + 7 characters>  a file inside a pack ("trunk"), readable by FastDFS's rules
 * sto_store_id_of() puts the group in front. Rule: fastdfs-semantics.md sections 2 and 13.
 *
 * Durability: a call that returns 0, or a batch item whose result is 0, has been synced: content,
 * description, log record, directory entry. With options.relaxed nothing waits for a sync.
 *
 * Threads: all calls from any thread; calls block on the disk unless they say otherwise.
 * Errors: negative errno. -EINVAL: no such name can exist; -ENOENT; -ENOSPC: the reserve would be
 * touched (deletes and notes still pass); -EREMOTE: the file has moved to another group, its name alone is here
 * (moved.h); -EIO: the disk failed, the outcome of this change is open;
 * -EAGAIN: a queue is at its ceiling; -EROFS: path is read-only.
 */
#ifndef STO_STORE_H
#define STO_STORE_H

#include "dfscore/base/str.h"
#include "dfscore/wire/internal.h"

struct sto_store;
struct sto_file;
struct sto_edit;
struct sto_io;

enum {
    STO_NAME_MAX = 127, /* bytes of a logical name, without the NUL */
    STO_EXT_MAX = 6,
    STO_PATHS_MAX = 256,
};

struct sto_path_options {
    const char *dir; /* the store path; "data" is made below it */
    bool read_only;  /* no new files; reads and deletes only */
};

struct sto_store_options {
    const char *group;      /* 1..16 bytes */
    const char *storage_id; /* decimal server id or IPv4 address: the source field of new names */
    const struct sto_path_options *paths;
    unsigned path_count; /* 1..STO_PATHS_MAX */
    unsigned subdirs;    /* directories per level, 1..256; 0: 256 */
    /* free space a path keeps for deletes; 0: a thirty-second, at most 256 MiB */
    uint64_t reserve_bytes;
    unsigned reserve_permyriad; /* used instead when not 0: 10,000 are the whole disk */
    uint32_t segment_size;      /* bytes of a pack, 1 MiB..1 GiB; 0: 64 MiB */
    uint32_t slot_max;       /* largest native file that goes to a pack, bytes; 0: DFS_PACK_MAX */
    bool use_trunk;          /* native uploads up to slot_max go to packs */
    bool store_most_free;    /* path -1 means the emptiest path, else round robin */
    bool relaxed;            /* answer before the sync */
    uint64_t slow_ms;        /* a path is slow whose syncs take at least so long; 0: none is */
    const struct sto_io *io; /* NULL: the operating system; tests inject faults */
};

/*
 * Open all paths: makes missing directories, takes each path's lock file (-EBUSY when another process
 * has it), recovers the logs. On failure *ret is untouched and *bad_path (may be NULL) says which path.
 */
int sto_store_open(const struct sto_store_options *o, struct sto_store **ret,
                   unsigned *bad_path) MUST_CHECK;
/* No call may be running or come later. Writes checkpoints; safe to skip (a crash). */
void sto_store_close(struct sto_store **sp);

const char *sto_store_group(const struct sto_store *s);
const char *sto_store_server(const struct sto_store *s); /* options.storage_id */
unsigned sto_store_path_count(const struct sto_store *s);
uint64_t sto_store_boot_id(const struct sto_store *s); /* random, new at each open */
bool sto_store_fresh(const struct sto_store *s,
                     unsigned path);                    /* directories were made at this open */
uint32_t sto_store_slot_max(const struct sto_store *s); /* 0 when use_trunk is off */
/* "group/name", NUL terminated; @out of at least DFS_FILE_ID_MAX + 1 bytes. Returns the length. */
size_t sto_store_id_of(const struct sto_store *s, struct str name, char *out);
/* Cut the group off a file id: 0; -EINVAL when it is another group's or no id. *ret is a view of @id. */
int sto_store_name_of(const struct sto_store *s, struct str id, struct str *ret) MUST_CHECK;

struct sto_path_stat {
    uint64_t total, free; /* bytes; free as an uploader may use it, the reserve already taken off */
    uint64_t log_end;     /* position behind the last applied record */
    uint64_t segments;    /* packs */
};
int sto_store_stat(struct sto_store *s, unsigned path, struct sto_path_stat *ret) MUST_CHECK;
/* Something on @path (-1: on some) has failed with @err. If that speaks of the disk, or a directory has refused something,
 * it is tried, and while it takes no writes new files are placed on other paths, as if it was read-only. Any thread, also
 * where the error may have been another's. */
void sto_store_suspect(struct sto_store *s, int path, int err);
/* Somebody waits for us: all disks are tried, unless that was just done. */
void sto_store_try(struct sto_store *s);
/* Does the disk of @path, or a directory of it, take no writes, as the last trial has shown, or one that goes on for ten
 * seconds? */
bool sto_store_unfit(struct sto_store *s, unsigned path);
/* Has one of @path's syncs taken slow_ms, and trials after it too? New files are placed there when no other path takes
 * them. */
bool sto_store_slow(const struct sto_store *s, unsigned path);
/* Copies of what is written to @path are long in coming: for ten seconds new files are placed there only when the other paths
 * are slow, or take none. Any thread. */
void sto_store_copies_lag(struct sto_store *s, unsigned path);
/* From now on no new file is placed on @path, or again. Slaves follow their master, replicas their source, all the same. */
void sto_store_drain(struct sto_store *s, unsigned path, bool drained);
/* Is @path closed to new files, by that or because it is read-only? *ret_incoming: those on their way there, files that
 * are being written and batches. Asked again with 0 after it was closed: none comes any more. */
bool sto_store_closed(struct sto_store *s, unsigned path, uint32_t *ret_incoming);
/* A path a new file of @size may go to, by options.store_most_free, of those that are not slow, nor their copies, as long as
 * one of them takes it; @want is -1 or a path index. With -ENOSPC *ret is one that is full but not closed. */
int sto_store_choose(struct sto_store *s, int want, uint64_t size, unsigned *ret) MUST_CHECK;

/* ---- small files and notes: one log append for the whole batch ---------------------------- */

enum sto_flag {
    STO_NATIVE = 1, /* came from a FastDFS client; else from a gateway */
    STO_APPENDER = 2,
};

struct sto_put {
    uint8_t kind;  /* enum dfs_put_kind */
    uint8_t flags; /* STO_NATIVE */
    char ext[STO_EXT_MAX + 1];
    struct str desc;             /* views, valid until the batch is done */
    struct str data;             /* at most MAX(DFS_PACK_MAX, slot_max) */
    int result;                  /* out: 0 or negative errno */
    char name[STO_NAME_MAX + 1]; /* out: NUL terminated; empty for notes and errors */
};

struct sto_batch {
    struct sto_put *puts;
    size_t count;                      /* at most DFS_BATCH_ITEMS_MAX */
    void (*done)(struct sto_batch *b); /* for submit: called once, on the commit thread; be quick */
    void *arg;
};

/* Blocks; 0 when every item has its result. -E2BIG: more than fits a batch. path: -1 chooses; else that one, and a
 * drained one takes it all the same (only sto_store_choose() wishes). */
int sto_put_batch(struct sto_store *s, int path, struct sto_put *puts, size_t count) MUST_CHECK;
/* Does not block: b->done() later, or a negative errno now (-EAGAIN: queue full) and no done(). */
int sto_put_submit(struct sto_store *s, int path, struct sto_batch *b) MUST_CHECK;

/* ---- whole files ------------------------------------------------------------------------- */

/*
 * An unnamed temporary file on a store path, as with sto_put_batch(), a read-only one included; vanishes
 * unless committed. Keep one writer a time. flags: STO_NATIVE. @expected: bytes the file will have at
 * least; counted as used at once, so that many slow uploads cannot together overrun the reserve. -ENOSPC.
 */
int sto_file_open(struct sto_store *s, int path, uint64_t expected, uint8_t flags,
                  struct sto_file **ret) MUST_CHECK;
int sto_file_fd(const struct sto_file *f); /* open for reading and writing; owner: f */
unsigned sto_file_path(const struct sto_file *f);
int sto_file_write(struct sto_file *f, const void *p, size_t n, uint64_t at) MUST_CHECK;
/* What has been written begins its way to the disk, and nobody waits for it: a later sync has less to do. */
void sto_file_hurry(const struct sto_file *f);

struct sto_commit {
    uint64_t size;  /* the file must have exactly this many bytes, else -EBADMSG */
    uint32_t crc32; /* of the content */
    uint8_t flags;  /* STO_APPENDER */
    char ext[STO_EXT_MAX + 1];
    struct str desc;
    struct str master; /* slave: logical name of the master, else absent */
    struct str prefix; /* slave: not empty */
};
/*
 * Make it a file with a name. Takes @f in any case. name: STO_NAME_MAX + 1 bytes.
 * Slaves: -ENOENT no master, -EEXIST there is such a slave.
 */
int sto_file_commit(struct sto_file **fp, const struct sto_commit *c, char *name) MUST_CHECK;
void sto_file_free(struct sto_file **fp); /* abort; accepts NULL */

/* ---- reading ------------------------------------------------------------------------------ */

struct sto_view {
    int fd;                /* read only; the caller's to close */
    uint64_t offset, size; /* the content is bytes [offset, offset + size) of fd */
    bool in_pack;
    bool told; /* its name says size and CRC-32: no link, appender or slave */
};
/*
 * A raw pack by its own name is -ENOENT: it holds other people's files (semantics 19, weakness 5). -EBADMSG: it
 * does not have the size its name says, or was found damaged (check.h); another member may have it right.
 */
int sto_open_read(struct sto_store *s, struct str name, struct sto_view *ret) MUST_CHECK;
/* Is the slot in a pack still that of @name? If so, all that has been read of it was right. Does not wait for the disk. */
bool sto_view_holds(const struct sto_view *v, struct str name);
/* Read the whole content against the CRC-32 its name carries: 0, -EBADMSG, -ENOENT. */
int sto_verify(struct sto_store *s, struct str name) MUST_CHECK;

struct sto_info {
    uint64_t size;
    int64_t mtime_s;  /* of the link itself for links */
    int64_t mtime_ms; /* the same; of a packed file 0 */
    int64_t version;  /* of an appender's content (version.h); 0: it has none, or is being edited */
    uint32_t crc32;   /* from the name, or computed for appenders and slaves */
    bool has_crc;     /* false: want_crc was false and the name has none */
    uint8_t kind;     /* enum sto_kind */
};
enum sto_kind { STO_KIND_NORMAL, STO_KIND_PACKED, STO_KIND_APPENDER, STO_KIND_SLAVE };
int sto_info(struct sto_store *s, struct str name, bool want_crc, struct sto_info *ret) MUST_CHECK;
/* The same without the CRC-32, when no edit is under way: it may wait for the end of one. */
int sto_info_settled(struct sto_store *s, struct str name, struct sto_info *ret) MUST_CHECK;

/* ---- changing and removing ---------------------------------------------------------------- */

/*
 * May FastDFS clients delete, edit or rename the file, or set its metadata? 0; -EPERM: a gateway stored it, and its
 * key index names it; -ENOENT. The calls below do not ask: they serve gateways and replication too.
 */
int sto_client_may_change(struct sto_store *s, struct str name) MUST_CHECK;

/* Delete with metadata; results[i] is 0 or -ENOENT, ... Returns 0 when each item has its result. */
int sto_delete_batch(struct sto_store *s, const struct str *names, size_t count,
                     int *results) MUST_CHECK;

/*
 * What a client's edit rests on. Asked when the file is locked and the edit has its time, so that whatever happens from then
 * on is later: false: nothing is done, -EAGAIN. NULL: it rests on nothing.
 */
struct sto_still {
    bool (*is)(void *arg);
    void *arg;
};

/*
 * Append to, or overwrite a range of, an appender file. begin takes the file's write lock (one editor a
 * time, others wait); write adds bytes in order, @size of them in all; commit makes them durable and
 * logs the change. free without commit undoes an append. -EINVAL: no appender, offset beyond the end;
 * -ENOENT: missing, or the name of a packed file; -EAGAIN, also of a truncate: the disk failed when it had begun, and it
 * may be done.
 */
enum sto_edit_op { STO_EDIT_APPEND, STO_EDIT_MODIFY };
int sto_edit_begin(struct sto_store *s, struct str name, enum sto_edit_op op, uint64_t offset,
                   uint64_t size, const struct sto_still *still, struct sto_edit **ret) MUST_CHECK;
int sto_edit_write(struct sto_edit *e, const void *p, size_t n) MUST_CHECK;
int sto_edit_commit(struct sto_edit **ep) MUST_CHECK;
void sto_edit_free(struct sto_edit **ep);

int sto_truncate(struct sto_store *s, struct str name, uint64_t size,
                 const struct sto_still *still) MUST_CHECK;
/* Appender to normal file under a new name (STO_NAME_MAX + 1 bytes). */
int sto_regenerate(struct sto_store *s, struct str name, const struct sto_still *still,
                   char *new_name) MUST_CHECK;
/* Takes that back: the file has its old name again. -ENOENT: there is no @new_name. */
int sto_regenerate_undo(struct sto_store *s, struct str new_name, struct str name) MUST_CHECK;

struct sto_link {
    struct str target; /* logical name of an existing file of any path */
    struct str master; /* absent, or: the link is named as slave of this */
    struct str prefix;
    char ext[STO_EXT_MAX + 1];
};
int sto_make_link(struct sto_store *s, const struct sto_link *l, char *name) MUST_CHECK;

/*
 * Metadata of @name. get: -ENOENT when there are none, else *out grows by the text; the file itself may be still
 * to come (meta.c).
 * change: fn makes the new text from the old one (empty when there was none) under the file's write
 * lock; an empty result removes the metadata. fn's negative errno is returned. -ENOENT: no such file.
 */
struct buf;
typedef int sto_meta_fn(struct str old, void *arg, struct buf *out);
int sto_meta_get(struct sto_store *s, struct str name, struct buf *out) MUST_CHECK;
int sto_meta_change(struct sto_store *s, struct str name, sto_meta_fn *fn, void *arg,
                    const struct sto_still *still) MUST_CHECK;

/* ---- directories of FastDFS (adopt.h) ------------------------------------------------------- */

struct sto_adopted {
    uint64_t files;      /* records that were made: files, metadata, links */
    uint64_t containers; /* trunk files: what they hold is in no log */
    uint64_t skipped;    /* entries that are none of FastDFS's */
};
/* What was found when the path was taken over. -ENOENT: it is none of FastDFS's, or an earlier build did it. */
int sto_store_adopted(struct sto_store *s, unsigned path, struct sto_adopted *ret) MUST_CHECK;

/* ---- the log, read ------------------------------------------------------------------------- */

/*
 * One record of a path's log as readers see it. op is FastDFS's binlog letter: C create, D delete,
 * U update, A append, M modify, T truncate, L link, R rename; 0 for a note.
 * Rule: fastdfs-semantics.md section 9.4.
 */
struct sto_entry {
    uint64_t position;
    uint64_t next; /* position behind it */
    uint8_t kind;  /* enum dfs_scan_kind for op C of files and for notes; else 0 */
    char op;
    bool again;  /* D: another log said so first. Only told of logs of others (mirror.h) */
    bool summed; /* C of a plain file: crc32 is its CRC-32. Only told of logs of others */
    uint32_t crc32;
    uint32_t time_s;
    struct str name;  /* logical name; empty for notes. Views, valid during the callback */
    struct str extra; /* "offset length", "old new", link target, old name; or empty */
    struct str desc;
};

enum sto_scan_flag {
    STO_SCAN_NO_DESC = 1,
    STO_SCAN_CHANGES = 2, /* every op that is still in the log, else only live files and notes */
};

/* Returns 0 to go on, > 0 to stop before this entry, negative errno to fail. */
typedef int sto_scan_fn(const struct sto_entry *e, void *arg);

struct sto_scan {
    uint64_t next; /* where to go on */
    bool at_end;   /* nothing acknowledged lies behind next */
};
/*
 * Walk a path's log from @position (0: the beginning; else one from an earlier answer), in the order of
 * acknowledgement. Looks at no more than @max_records records, dead ones included, so one call is short.
 */
int sto_scan(struct sto_store *s, unsigned path, uint64_t position, unsigned flags,
             size_t max_records, sto_scan_fn *fn, void *arg, struct sto_scan *ret) MUST_CHECK;

/*
 * Behind every record on the disk of @path's log. Asked after a call has returned, it is behind what that
 * call has written.
 */
uint64_t sto_store_end(struct sto_store *s, unsigned path);
/*
 * A number that changes whenever a log has more for sto_scan() and for mirrors: wait until it is not
 * @seen (0: never) or @ms have passed.
 */
uint64_t sto_store_wait(struct sto_store *s, uint64_t seen, uint64_t ms);

/*
 * Deletions and changes before this position are no longer needed by any reader and their space may go.
 * Default: all of them. The replicator sets it to its slowest peer's position. Not persistent.
 */
void sto_retain(struct sto_store *s, unsigned path, uint64_t position);

#endif
