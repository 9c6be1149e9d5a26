/* SPDX-License-Identifier: Apache-2.0 */
/*
 * direct - system calls that read what is on the disk: past the page cache, which neither answers nor is filled.
 *
 * Like sto_io_os, but files opened for reading only are read by O_DIRECT in aligned blocks through a buffer of
 * the thread. Where a file system cannot do that they are read as always. For checks in the background.
 * Threads: any.
 */
#ifndef STO_DIRECT_H
#define STO_DIRECT_H

#include "storage/disk/io.h"

extern const struct sto_io sto_io_direct;

#endif
