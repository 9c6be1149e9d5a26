/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_disk - the storage engine's system calls with faults: a call that fails, a write that is cut
 * short, and a power failure at a chosen call, after which what was not synced may be there, or not, or
 * in part, sector by sector.
 *
 * It passes all through to real files and remembers how to undo what no fsync has covered yet: written
 * bytes until fdatasync/fsync of the file, its times until fsync; links, unlinks and renames until fsync of the directory.
 * Bytes whose sync failed stay at risk until something is written over them and synced, and each
 * descriptor that was open then is told the error once, as in Linux.
 * It is stricter than a disk: of two unsynced writes to one sector it may lose the older alone. It does
 * not lose sizes, holes, symbolic links and new directories. What is lost depends on the seed alone, so a test in one
 * thread repeats exactly. One at a time in a process; calls may come from any thread.
 */
#ifndef TEST_FAKE_DISK_H
#define TEST_FAKE_DISK_H

#include "storage/disk/io.h"

extern const struct sto_io fake_disk_io;

/* Forget everything; chance starts from @seed, not 0. */
void fake_disk_start(uint64_t seed);
void fake_disk_stop(void);
/* A test's teardown: prints the seed when the test ended between start and stop. */
int fake_disk_tell_seed(void **state);

enum fake_disk_call { FAKE_WRITE = 1, FAKE_SYNC = 2, FAKE_ALLOC = 4, FAKE_NAME = 8, FAKE_ANY = 15 };

/* The @nth call from now on of the kinds in @mask fails with @err, and @more calls after it. */
void fake_disk_fail(unsigned mask, unsigned nth, unsigned more, int err);
/* Every write is cut to a random part. */
void fake_disk_short_writes(bool on);
/*
 * At the @nth changing call from now, or the first after it that the starting thread makes: copy @from
 * to @to as a power failure then would have left it, and run @hook. The process goes on as if nothing
 * had been. 0: not at all, any more.
 */
void fake_disk_crash_at(unsigned nth, const char *from, const char *to, void (*hook)(void *arg),
                        void *arg);
/* The same for kill -9, which loses nothing that was written. */
void fake_disk_kill_at(unsigned nth, const char *from, const char *to, void (*hook)(void *arg),
                       void *arg);
/* What has not been synced below @folder is of no interest any more: the folder will not be used again. */
void fake_disk_leave(const char *folder);
/*
 * Before one in @one_in changing calls of the starting thread, run @fn, as if another thread had had its
 * turn there. Its own calls are not interrupted again. 0: no more.
 */
void fake_disk_meanwhile(unsigned one_in, void (*fn)(void *arg), void *arg);
unsigned fake_disk_calls(void); /* changing calls so far */
bool fake_disk_crashed(void);
uint64_t fake_disk_random(void);

#endif
