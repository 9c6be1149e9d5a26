/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * rebuild - a key index from what the storages keep beside the data (dfs/describe.h).
 *
 * Comes back: everything acknowledged. Buckets with all their documents, every version of every object
 * with its id, order, headers, sections and files, delete markers, open multipart uploads with their
 * parts, users with their access keys and policies. Root's keys are not noted; they come with the start.
 * A change that was under way when the old index was lost may be shown or not. Of stores that earlier
 * builds wrote and this one has never served: no users and open uploads, new version ids, and no changes
 * of older versions.
 *
 * First the logs of all storages are read once, in frames, and each statement is kept in a row under
 * what it is about, unless one with a higher number is there. Then the rows are taken apart in order,
 * a few hundred a time. Each step commits how far it is, so that a rebuild that was killed goes on where
 * it was; memory does not grow with the store.
 *
 * Rows, while it is under way ("r", then):
 *   s                              how far it is: u8 step, u64 highest number seen, u8 baseline seen;
 *                                  u8 newest, u8 null of the key under way, its row's head
 *   p log 00 u32 path              u64 position up to which that log (dfs/dfs.h) has been read
 *   b bid                          u64 number, u8 there, bucket record
 *   v bid key 00 ~version 00       u64 number, u8 state (enum), lstr file id, object record
 *   v bid key 00 ~version sec + 1  u64 number, u8 there, bytes of the section
 *   m upload 00                    u64 number, u8 open, u64 bid, lstr key, upload record
 *   m upload 01 u32 part           u64 number, lstr file id, part record
 *   w old file id                  u64 number, new file id
 *   u user, k access key           u64 number, u8 there, record
 *   B name                         of version 1: as b
 *   V name 00 key 00 ~number       of version 1: u64 number, u8 state, lstr file id, object record
 *
 * Threads: before requests are served; blocks for long.
 */
/* clang-format on */
#ifndef S3_REBUILD_H
#define S3_REBUILD_H

#include "s3gw/core/gw.h"

struct s3_rebuild_counts { /* of this run */
    uint64_t entries;      /* of the logs, that were read */
    uint64_t unreadable;   /* ... and could not be understood; each is logged */
    uint64_t buckets, users, keys;
    uint64_t objects, versions; /* keys with a current object; all versions and markers */
    uint64_t uploads, parts;
    uint64_t keys_lost; /* sealed under another seal key */
};

/* From now on it is under way, whatever happens. The index must be new. */
int s3_rebuild_begin(struct s3_gw *gw) MUST_CHECK;
/*
 * Fill @gw's index, which must be new, or one that this was doing. 0, or the errno that stopped it: call again with the same
 * index, or a new one. @stop (may be NULL) is asked after each few hundred rows; true: -EINTR.
 */
int s3_rebuild(struct s3_gw *gw, bool (*stop)(void *arg), void *arg,
               struct s3_rebuild_counts *ret) MUST_CHECK;
/* Was a rebuild of this index begun and not finished? 1, 0, errno. */
int s3_rebuild_under_way(struct s3_gw *gw) MUST_CHECK;

#endif
