/* SPDX-License-Identifier: Apache-2.0 */
/*
 * beat - keeps this storage a member: joins every tracker, beats, reports, hears of the group.
 *
 * Threads: one per tracker, inside. start, stop and the questions below from any thread. The functions
 * in the options are called on these threads.
 */
#ifndef STO_BEAT_H
#define STO_BEAT_H

#include "storage/beat/tracker.h"
#include "storage/group/members.h"

struct sto_beat;

struct sto_beat_options {
    struct sto_trackers trackers; /* what it points to outlives the beat */
    struct sto_members *members;  /* outlives the beat */
    const char *identity_path;    /* where changes of the identity are saved */
    struct sto_identity identity; /* as loaded and discovered */
    struct sto_params params;     /* what this process runs with; a difference is logged */
    uint16_t port;                /* we listen here */
    unsigned path_count, subdirs;
    int64_t upload_priority;
    uint64_t beat_ms, report_ms;
    void (*stats)(void *arg, struct dfs_stat_block *ret);
    void (*usage)(void *arg, unsigned path, struct dfs_path_usage *ret);
    /* DFS_PATH_* (wire/internal.h) of a path: a change is reported soon. */
    uint8_t (*state)(void *arg, unsigned path);
    void (*joined)(void *arg); /* once: the first tracker has taken us */
    void *arg;
};

int sto_beat_start(const struct sto_beat_options *o, struct sto_beat **ret) MUST_CHECK;
void sto_beat_stop(struct sto_beat **bp);

/* A copy of what is known now. */
void sto_beat_identity(struct sto_beat *b, struct sto_identity *ret);
/* We hold everything that members in service have, @whole: and those that are not. Kept across restarts. 0 or what saving it
 * said. */
int sto_beat_set_complete(struct sto_beat *b, bool whole) MUST_CHECK;
/* Drop all connections and join again, so that trackers see our state anew. */
void sto_beat_rejoin(struct sto_beat *b);

#endif
