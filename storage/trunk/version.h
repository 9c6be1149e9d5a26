/* SPDX-License-Identifier: Apache-2.0 */
/*
 * version - which of two contents of an appender is the later one.
 *
 * Clients may edit an appender at any member, and members hear of it in any order, some from one that lags. So each
 * content has a version, Unix microseconds: the clock's where the edit was made, but larger than that of the content it
 * was made of; modulo 32 it is its member's number, so that no two members choose the same. It is the file's modification
 * time on all members, and the record of the edit says both (binlog/record.h). Who hears of an edit does it when his file
 * has the version before; when he has a later one, nothing; else he lacks an edit, or two members edited at once, and he
 * takes the whole file as the peer has it, if that is later. So the edit with the largest version stays, with what it was
 * made of, whoever heard of what first.
 *
 * A version is a whole microsecond, or that and a half (mixed, see below). Any other time is the file system's: of a file
 * that is being written, or was when the process ended, or that an earlier build wrote. It has no version then, and what has
 * one is later.
 *
 * A member that fetches while its peer goes on has some of later edits with an earlier version: their records are still to
 * come, by the log of who made that version. Another member may have edited what the version says, at once, without those;
 * then its edit may stay, and what it was made of is not here. So the file is mixed until it has caught up with its peer. An
 * edit of another maker than the version's is not done to a mixed one, which is taken whole; and one that a client makes of
 * it is said to be made of no version, so that the others take it whole.
 *
 * Threads: no state. The file's edit lock is the caller's matter.
 */
#ifndef STO_VERSION_H
#define STO_VERSION_H

#include "dfscore/wire/messages.h"
#include "storage/binlog/record.h"
#include "storage/disk/io.h"

/* 0: none. */
int64_t sto_version_of(const struct stat *st);
/* Has it a version, and some of later contents? */
bool sto_version_mixed(const struct stat *st);
/* Has one member made both? */
bool sto_version_of_one(int64_t a, int64_t b);
/* By the clock, from 1970 to 2106 whatever it shows. */
int64_t sto_version_now(void);
/* Of a content that is made of that one by @server, its id or address. */
int64_t sto_version_next(const char *server, const struct stat *st);
/* Of a content that an earlier build made of that one in the second @time_s, the same on all members that had the same. */
int64_t sto_version_untold(const struct stat *st, int64_t time_s);
/* As a member tells it in FILE_INFO (DFS_INFO_US); 0: it does not. */
int64_t sto_version_told(const struct dfs_file_info_rsp *m);
/* Durable with the next fsync. */
int sto_version_set(const struct sto_io *io, int fd, int64_t version, bool mixed) MUST_CHECK;

#endif
