/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files - snapshot and journal as files below one directory.
 *
 *   both begin with   magic 8 ("DFSTRKS1" or "DFSTRKJ1") | generation u64 | CRC-32 of these 16 u32
 *   then records (record.h); a snapshot ends with TRK_REC_END, a journal wherever the power failed
 *
 * Threads: none of its own; one user of a directory.
 */
#ifndef TRK_FILES_H
#define TRK_FILES_H

#include <sys/types.h>

#include "tracker/state/record.h"

enum { TRK_FILE_HEAD = 20, TRK_FILE_MAX = 256 * 1024 * 1024 };

/* The system calls that change the directory, by their names; tests have disks that fail and lose power. */
struct trk_io {
    int (*openat)(int dir, const char *path, int flags, mode_t mode);
    ssize_t (*write)(int fd, const void *p, size_t n);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*renameat)(int from_dir, const char *from, int to_dir, const char *to);
    int (*unlinkat)(int dir, const char *path, int flags);
};

extern const struct trk_io trk_io_os;

/* Parse a whole file's bytes. 0; -EBADMSG (snapshot: anything wrong; journal: bad head). For a
 * journal *torn gets the number of bytes at the end that are no whole record. */
int trk_file_apply(struct str bytes, bool snapshot, uint64_t *ret_generation, struct trk_cluster *c,
                   struct trk_self *self, size_t *torn) MUST_CHECK;

/*
 * Load @dirfd's snapshot and the journals that follow it. *ret_generation: the newest seen, 0 if
 * there is nothing. @err gets one line on failure.
 */
int trk_files_load(int dirfd, struct trk_cluster *c, struct trk_self *self,
                   uint64_t *ret_generation, struct buf *err) MUST_CHECK;

/* Create journal.<generation>, durably, its directory entry too. The descriptor or negative errno.
 */
int trk_journal_create(const struct trk_io *io, int dirfd, uint64_t generation) MUST_CHECK;
/* Append and sync. 0 or negative errno: then the file must not be written to any more. */
int trk_journal_append(const struct trk_io *io, int fd, struct str records) MUST_CHECK;
/* Replace the snapshot, durably, then remove journals older than @generation. *ret_placed, also on failure: it has its
 * name, and a start may find it from now on, or the one before. */
int trk_snapshot_write(const struct trk_io *io, int dirfd, uint64_t generation, struct str image,
                       uint64_t records, bool *ret_placed) MUST_CHECK;

#endif
