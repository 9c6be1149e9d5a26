/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir - one store path: its data directory, its lock, its free space, its temporary files.
 *
 * data/HH/HH directories are made when the first file goes there. (FastDFS makes all 65,536 at the
 * first start: 256 MiB on ext4 and seconds of start-up for nothing.) Paths given here are relative to
 * the store path, "data/0A/1B/name", as dfs_logical_path() writes them.
 *
 * Temporary files have no name (O_TMPFILE), so that a crash leaves none; where the file system cannot do
 * that, or a rename over an old file is needed, they are data/.tmp-<random>, removed at the next open.
 *
 * Threads: any, after sto_dir_open().
 */
#ifndef STO_DIR_H
#define STO_DIR_H

#include "storage/disk/io.h"

enum {
    STO_DIRS = 65536,
    STO_DIR_MIRRORS =
        STO_DIRS + 1,        /* as a directory that refuses: data/.mirrors (trunk/mirror.h) */
    STO_MODE = 0644,         /* of all files, */
    STO_MODE_GATEWAY = 0444, /* save plain files that a gateway stored (trunk/store_owner.c) */
    STO_MODE_DAMAGED =
        01000, /* more of these: found to be wrong (trunk/check.h). Means nothing to the system */
};

struct sto_dir {
    const struct sto_io *io;
    int root;                /* descriptor of the store path */
    int data;                /* of data/ */
    int lock;                /* data/.lock, flock()ed */
    bool fresh;              /* data/ was made by this open */
    _Atomic bool no_tmpfile; /* O_TMPFILE does not work here */
    /* By the first of the two: folders that are being made there, or synced once more; and some could not be synced. */
    _Atomic uint16_t making[256];
    _Atomic bool unsynced[256];
    _Atomic uint32_t refused; /* sto_dir_refused() and one; 0: none has */
};

/* -EBUSY: another process has it. Closes nothing that the caller has. */
int sto_dir_open(const struct sto_io *io, const char *root, struct sto_dir *ret) MUST_CHECK;
void sto_dir_close(struct sto_dir *d); /* safe on a zeroed one with fds of -1 */

/* Make data/HH/HH, durably. 0 also when it is there. */
int sto_dir_make(struct sto_dir *d, unsigned high, unsigned low) MUST_CHECK;
/* fsync data/HH/HH, and what is above it while somebody makes a folder there, or could not sync one. -ENOENT: there is
 * none. */
int sto_dir_sync(struct sto_dir *d, unsigned high, unsigned low) MUST_CHECK;

/*
 * A directory may refuse what the disk takes: its owner or mode is wrong, a file or another file system is in its place.
 * Does @r speak of that? (So does -ENOSPC, where the disk has space.)
 */
bool sto_dir_refuses(int r);
/* @r is what came of making, removing or opening an entry of data/HH/HH; it is returned. If it speaks of the directory, that
 * is remembered, until it has been tried. */
int sto_dir_said(struct sto_dir *d, unsigned high, unsigned low, int r);
/* The same of data/.mirrors. */
int sto_dir_mirrors_said(struct sto_dir *d, int r);
/* The directory that is remembered, high << 8 | low, STO_DIRS: data/ itself, or STO_DIR_MIRRORS; -1: none. */
int sto_dir_refused(const struct sto_dir *d);
/* It does not refuse any more. */
void sto_dir_forget_refused(struct sto_dir *d);

struct sto_space {
    uint64_t total, free; /* bytes; free for a process without privileges */
};
int sto_dir_space(const struct sto_dir *d, struct sto_space *ret) MUST_CHECK;

struct sto_tmp {
    int fd;        /* -1: none */
    char name[32]; /* "data/.tmp-..." or empty */
};
int sto_tmp_open(struct sto_dir *d, bool named, unsigned mode, struct sto_tmp *ret) MUST_CHECK;
/* Give it the name @path, which must not exist (-EEXIST). The descriptor stays open. */
int sto_tmp_link(const struct sto_dir *d, struct sto_tmp *t, const char *path) MUST_CHECK;
/* The same for a @path in data/HH/HH, which is made if need be; what it says is remembered (sto_dir_said()). */
int sto_tmp_link_below(struct sto_dir *d, struct sto_tmp *t, unsigned high, unsigned low,
                       const char *path) MUST_CHECK;
/* Named ones only: put it in the place of @path. */
int sto_tmp_replace(const struct sto_dir *d, struct sto_tmp *t, const char *path) MUST_CHECK;
void sto_tmp_drop(const struct sto_dir *d, struct sto_tmp *t); /* idempotent */

/* Write a small file atomically and durably: temporary file, sync, rename, directory sync. */
int sto_dir_put_file(struct sto_dir *d, const char *path, struct str bytes) MUST_CHECK;
/* Read a whole file of at most @max bytes into a fresh buffer (free() it); -EFBIG when larger. */
int sto_dir_get_file(const struct sto_dir *d, const char *path, size_t max, char **ret,
                     size_t *ret_n) MUST_CHECK;

#endif
