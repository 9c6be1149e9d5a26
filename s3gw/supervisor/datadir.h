/* SPDX-License-Identifier: Apache-2.0 */
/*
 * datadir - the folder of a standalone server: locked by one process, small files replaced whole.
 *
 *   lock               flock()ed while a server runs; holds its process number, for the error line
 *   root-credentials   mode 0600; access_key and secret_key of root, when they were generated
 *   key-ring           mode 0600; keys of SSE-S3 and SSE-KMS (sse/keyring.h)
 *   ports              tracker and storage ports of the last run, kept where they are still free
 *   conf/              tracker.conf and storage.conf, written anew at each start
 *   admin.sock         mode 0600: s3gw admin
 *   tracker/ storage/  the two servers' own folders
 *   index/             the key index
 *   index.key          mode 0600; seals secrets of access keys in the storage (core/secretbox.h)
 *
 * Threads: one owner, the main thread.
 */
#ifndef S3_DATADIR_H
#define S3_DATADIR_H

#include <sys/types.h>

#include "dfscore/base/buf.h"

struct s3_datadir;

/*
 * Open @path, made with mode 0700 when missing, and lock it. 0; -EBUSY: another server has it, its
 * process number in *holder (0 unknown); else negative errno.
 */
int s3_datadir_open(const char *path, struct s3_datadir **ret, pid_t *holder) MUST_CHECK;
void s3_datadir_close(struct s3_datadir **d); /* unlocks */

/* Absolute, no slash at the end; lives as long as @d. */
const char *s3_datadir_path(const struct s3_datadir *d);
/* A folder below it, mode 0700; being there already is success. 0 or negative errno. */
int s3_datadir_mkdir(struct s3_datadir *d, const char *name) MUST_CHECK;

/* Whole content of a file, at most @out's ceiling. 0, -ENOENT, -E2BIG, negative errno. */
int s3_datadir_read(struct s3_datadir *d, const char *name, struct buf *out) MUST_CHECK;
/* Replace a file atomically and durably (temporary file, sync, rename, sync of the folder). */
int s3_datadir_write(struct s3_datadir *d, const char *name, mode_t mode,
                     struct str content) MUST_CHECK;

/* Value of the line "key = value" in @text; absent when there is none. A view. */
struct str s3_keyval_get(struct str text, struct str key);

#endif
