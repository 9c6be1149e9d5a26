/* SPDX-License-Identifier: Apache-2.0 */
/*
 * baseline - what the machine itself can do, to measure servers against; and the same objects as
 * plain files for a web server.
 */
#ifndef LOAD_BASELINE_H
#define LOAD_BASELINE_H

#include "tests/bench/load/hist.h"
#include "tests/bench/load/options.h"

/* Objects --first .. as FOLDER/BUCKET/PREFIX%08d. 0 or -errno. */
int baseline_files(const struct load_options *o);
/*
 * The two flushes a durable write needs, one after the other: 4 KiB over space already written in
 * one file, fdatasync; 512 bytes in another, fdatasync. 0 or -errno.
 */
int baseline_sync(const struct load_options *o, struct hist *ret);
/* Bytes a second. */
double baseline_md5(const struct load_options *o);

#endif
