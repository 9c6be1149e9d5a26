/* SPDX-License-Identifier: Apache-2.0 */
/* rebuild_rows - what the two halves of a rebuild share: rebuild.c reads logs into rows,
 * rebuild_apply.c makes the index of them. Rows are in rebuild.h. */
#ifndef S3_REBUILD_ROWS_H
#define S3_REBUILD_ROWS_H

#include "dfscore/base/clock.h"
#include "s3gw/index/rows.h"
#include "s3gw/lifecycle/note.h"
#include "s3gw/lifecycle/rebuild.h"

enum {
    S3_REBUILD_ARENA_MAX = 256 * 1024 * 1024,
    S3_REBUILD_VALUE_MAX = S3_INDEX_VALUE_MAX + 4096,
};

enum s3_rebuild_step {
    S3_STEP_READ, /* the logs */
    S3_STEP_BUCKETS,
    S3_STEP_VERSION_1, /* rows V become rows v */
    S3_STEP_VERSIONS,
    S3_STEP_UPLOADS,
    S3_STEP_USERS,
    S3_STEP_FORGET,
    S3_STEP_DONE,
};

/* State of a version's row. The order of null versions counts those that are gone, too. */
enum s3_rebuild_state {
    S3_STATE_PUT = 1,
    S3_STATE_GONE = 2,
    S3_STATE_GONE_NULL = 3,
    S3_STATE_VOID = 4,
    S3_STATE_PUT_V1 = 5, /* of a manifest we do not know whether it was removed for good */
};

struct s3_rebuild_at {
    enum s3_rebuild_step step;
    uint64_t highest; /* number seen */
    bool baseline;
    bool newest_done, null_done; /* of the key under way */
    struct s3_row_key key_head;  /* ... its row up to the 00 */
};

struct s3_rebuild {
    struct s3_gw *gw;
    struct s3_rebuild_counts *counts;
    struct s3_rebuild_at at;
    bool (*stop)(void *arg); /* may be NULL */
    void *stop_arg;
    uint64_t said_ms; /* monotonic */
};

static inline bool s3_rebuild_stops(const struct s3_rebuild *b)
{
    return b->stop && b->stop(b->stop_arg);
}

/* Millions of rows take minutes: is a line on how far it is due? */
static inline bool s3_rebuild_line_due(struct s3_rebuild *b)
{
    enum { EVERY_MS = 10 * 1000 };
    uint64_t now = dfs_mono_ms();
    bool due = now - b->said_ms >= EVERY_MS;
    if (due)
        b->said_ms = now;
    return due;
}

static inline void s3_rebuild_row(struct s3_row_key *k, char kind)
{
    s3_row_start(k, S3_ROW_REBUILD);
    s3_row_u8(k, (uint8_t)kind);
}
void s3_rebuild_put_at(struct s3_tx *tx, const struct s3_rebuild_at *at);
/* Keep @value in @row unless what is there has a higher number; both begin with it. */
int s3_rebuild_keep(struct s3_tx *tx, const struct s3_row_key *row, struct str value) MUST_CHECK;
void s3_rebuild_version_row(struct s3_row_key *k, uint64_t bid, struct str key, uint64_t version,
                            uint8_t sub);
/* All steps after the first. */
int s3_rebuild_apply(struct s3_rebuild *b) MUST_CHECK;

#endif
