/* SPDX-License-Identifier: Apache-2.0 */
/*
 * savefile - small files that are replaced as a whole, and are old or new after a crash.
 * Threads: any; one writer a file.
 */
#ifndef STO_SAVEFILE_H
#define STO_SAVEFILE_H

#include "dfscore/base/buf.h"

/* Write @text to "@path.tmp", sync, rename over @path, sync the directory. 0 or negative errno. */
int sto_savefile_write(const char *path, struct str text) MUST_CHECK;
/* Append the whole of @path to @out; -E2BIG beyond its ceiling; -ENOENT. */
int sto_savefile_read(const char *path, struct buf *out) MUST_CHECK;

#endif
