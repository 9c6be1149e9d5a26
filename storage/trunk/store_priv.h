/* SPDX-License-Identifier: Apache-2.0 */
/* store_priv - what the store_*.c files share. Not for others; the contract is store.h. */
#ifndef STO_STORE_PRIV_H
#define STO_STORE_PRIV_H

#include "dfscore/fileid/fileid.h"
#include "storage/trunk/ahead.h"
#include "storage/trunk/log.h"
#include "storage/trunk/store.h"
#include "storage/trunk/turns.h"

enum { STO_EDIT_LOCKS = 64 };

struct sto_path {
    struct sto_dir dir;
    struct sto_log log;
    struct sto_ahead ahead;
    bool dir_open, log_open;
    bool read_only;
    _Atomic bool drained;      /* read_only until further notice */
    _Atomic bool keeps;        /* old names of other paths' files (kept.h) */
    _Atomic uint32_t incoming; /* new files on their way here: open sto_files, batches */
    _Atomic uint64_t lag_ms;   /* sto_store_copies_lag(): until then, monotonic */
    uint64_t reserve;          /* bytes */
};

struct sto_store {
    unsigned magic;
#define STO_STORE_MAGIC 0x5f0c1e77u
    char group[DFS_GROUP_MAX + 1];
    char server[17];
    const struct sto_io *io;
    uint8_t source[4];
    uint64_t boot_id;
    uint32_t slot_max;
    bool use_trunk, most_free;
    unsigned subdirs;
    _Atomic unsigned next_path; /* round robin */
    _Atomic uint64_t next_dir;  /* counts plain files; a directory takes DFS_ROTATE of them */
    pthread_mutex_t edit_locks[STO_EDIT_LOCKS]; /* one writer a file; rank below sto_log.lock */
    struct sto_turns turns;
    struct sto_growth growth;
    pthread_mutex_t watch_lock; /* guards watches; leaf */
    struct sto_watch *watches;  /* names that are being restored (restore.h) */
    _Atomic unsigned watched;   /* how many */
    _Atomic bool keeps;         /* one of the paths does */
    unsigned path_count;
    struct sto_path paths[];
};

/* Parse a logical name of this store: the path it is on. 0 or -EINVAL. */
int sto_locate(struct sto_store *s, struct str name, struct dfs_logical *at,
               struct sto_path **ret) MUST_CHECK;
/* Is it the name of a file inside a pack? Fills *f. */
bool sto_is_packed(struct str name, struct dfs_fileid *f);
/* Open the pack of @f and check its slot. fd, or negative errno (-ENOENT). */
int sto_open_slot(struct sto_path *p, const struct dfs_fileid *f) MUST_CHECK;
static inline int sto_still_is(const struct sto_still *s)
{
    return !s || s->is(s->arg) ? 0 : -EAGAIN;
}
pthread_mutex_t *sto_edit_lock(struct sto_store *s, struct str name);
/* For AUTO(): unlocks; *m may be NULL. */
static inline void sto_unlock(pthread_mutex_t **m)
{
    if (*m)
        pthread_mutex_unlock(*m);
}
/* -ENOSPC when @size more bytes would touch the path's reserve. */
int sto_check_space(struct sto_path *p, uint64_t size) MUST_CHECK;
/*
 * Where @size bytes of new files go: @path itself, or with -1 one that is open to them. Unless this is -EINVAL or -EROFS
 * (all are closed) they count as incoming there until sto_path_leave(); other errors say why there is no space.
 */
int sto_path_enter(struct sto_store *s, int path, uint64_t size, struct sto_path **ret) MUST_CHECK;
void sto_path_leave(struct sto_path *p);
/* Append one record and tell its result. */
int sto_log_one(struct sto_path *p, struct sto_log_rec *rec) MUST_CHECK;
/* What the clock shows, Unix milliseconds, from 1970 to 2106 whatever it shows. */
int64_t sto_clock_ms(void);
/* Its modification time, Unix milliseconds; 0: as it is. Durable with its next fsync. */
int sto_set_time(const struct sto_io *io, int fd, int64_t time_ms) MUST_CHECK;
/* The same, for one of two that were made in that millisecond: sto_time_shared() from then on. */
int sto_set_shared_time(const struct sto_io *io, int fd, int64_t time_ms) MUST_CHECK;
/* When the plain file was made that has the name @name, if that can come again; else 0. */
int64_t sto_made_ms(struct sto_path *p, const struct dfs_logical *at, struct str name);
/* The time of its metadata, also that they have been removed; 0: there never were any; or negative errno (meta.c). */
int64_t sto_meta_ms(struct sto_path *p, const struct dfs_logical *at, struct str name);
/* They go, durably, if they are earlier than @before_ms (0: whatever they are); no record says so. */
int sto_drop_meta(struct sto_path *p, const struct dfs_logical *at, int64_t before_ms) MUST_CHECK;
/* Log a CHANGE of @op to @name, with what belongs to it (binlog/record.h), and do it once it is durable (sto_log_apply()). */
int sto_change_one(struct sto_path *p, uint8_t op, struct str name, struct str extra) MUST_CHECK;
/* The same with such a record of the caller's. Failed with its position 0: it has not been written, and never will be. */
int sto_change_as(struct sto_path *p, struct sto_log_rec *rec) MUST_CHECK;
/* Mode of a plain file of these flags (STO_NATIVE). */
unsigned sto_owner_mode(uint8_t flags);
/* A deletion of @name begins, whether there is such a file or not. */
void sto_watch_tell(struct sto_store *s, struct str name);
/* Does the file of this name exist? 0, -ENOENT, ... */
int sto_file_exists(struct sto_store *s, struct str name) MUST_CHECK;

#endif
