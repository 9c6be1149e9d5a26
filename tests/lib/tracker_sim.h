/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker_sim - trackers and the storages that report to them, in one process and in virtual time: the trackers' whole
 * command table, membership, merging, election, records, journals and snapshots are those of production; the threads
 * that carry their bytes (tracker/service/peers.c, commands.c), the clocks and the disks are not. A storage is what
 * storage/beat says to trackers, byte by byte, and whether it holds its group's files.
 *
 * Messages are delayed, lost, and overtake each other on different connections; links are cut one way or both; trackers
 * are killed or lose power between, or amid, any two calls of the disk, and come back with what a disk then has, or
 * with an empty one; wall clocks are set. All of it follows from the seed.
 *
 * One at a time in a process. What is said to sleep is for fibers (tests/lib/fibers.h).
 */
#ifndef TEST_TRACKER_SIM_H
#define TEST_TRACKER_SIM_H

#include "tests/lib/fibers.h"
#include "tracker/service/server.h"

enum {
    TSIM_TRACKERS = 5,
    TSIM_STORAGES = 6,
    TSIM_ADMIN = TSIM_TRACKERS + TSIM_STORAGES, /* dfs admin, which no cut keeps from anybody */
    TSIM_HOSTS,
    TSIM_PATH = 256,
    TSIM_TERMS = 1000,
    TSIM_ELECTION_MS = 1000,
    TSIM_SILENT_MS = 6000, /* check_active_interval */
};

struct tsim_options {
    uint64_t seed;
    unsigned trackers, storages; /* storages take turns in two groups */
    unsigned loss;               /* of a thousand messages */
    uint64_t delay_us;           /* longest way of a message */
    uint64_t sync_us;            /* longest wait for a disk */
    bool learned;                /* the list of trackers comes from the storages */
    bool ids;                    /* servers have numbers */
    bool trunk;
};

struct tsim_link {
    struct tsim_tracker *t;
    unsigned index;
    struct trk_emsg out;
    bool has_out;
    struct fiber *idle; /* asleep until there is something to send */
    struct tsim_conn *conn;
};

/* srv and store are there while it is up. */
struct tsim_tracker {
    unsigned index;
    char ip[DFS_IP_MAX];
    unsigned generation; /* of its folder: another one after each failure */
    bool up, stopping;
    bool crashed;     /* its image has been made: what it does from then on did not happen */
    unsigned fibers;  /* that use the objects */
    uint64_t session; /* counts starts */
    unsigned disks;   /* counts lost ones */
    bool fresh;       /* its disk is an empty one */
    struct trk_server *srv;
    struct trk_store *store;
    struct fiber *store_idle; /* asleep until somebody waits */
    struct tsim_link link[TSIM_TRACKERS];
    /* What it has told others, which its disk must remember. */
    uint64_t told_term;
    uint8_t votes[TSIM_TERMS]; /* by term: for whom, from 1 on */
    unsigned joined;           /* bits: storages whose join it has acknowledged */
    unsigned removed;          /* bits: storages whose removal it has acknowledged */
    unsigned drained;          /* bits: the same for draining */
    unsigned knows;            /* bits: storages that it has known to hold their group's files */
    unsigned empty; /* bits: storages that have told it that they hold nothing, since they do */
};

/* What a tracker says of a storage's source: storage/beat/beat.c. */
enum tsim_word { TSIM_UNHEARD, TSIM_KNOWN, TSIM_UNKNOWN, TSIM_AWAY };

/* What storage/beat keeps, and the truth. */
struct tsim_storage {
    unsigned index;
    char ip[DFS_IP_MAX], id[DFS_ID_MAX], group[DFS_ID_MAX + 1];
    bool up, leaving; /* leaving: an administrator is about to remove it */
    bool removed;     /* from the cluster */
    uint64_t life;    /* counts starts; its fibers end with it */
    unsigned fibers;  /* of this life and earlier ones */
    int64_t join_s, up_s;
    bool holds;        /* the truth: all of its group's files */
    uint64_t empty_us; /* since when it does not */
    /* on its disk */
    bool negotiated, complete;
    char source[DFS_ID_MAX];
    int64_t until_s;
    /* of this life */
    bool negotiating; /* one of its fibers asks for a source */
    enum tsim_word words[TSIM_TRACKERS];
    unsigned rejoin;
    bool is_trunk; /* it has been told that it is its group's trunk server */
    int32_t trunk_id;
};

struct tsim {
    struct tsim_options o;
    char *root;
    uint64_t random;
    bool over;
    bool calm;       /* trunk servers hand out nothing new */
    char wrong[512]; /* the first thing that must not be */
    struct tsim_tracker tracker[TSIM_TRACKERS];
    struct tsim_storage storage[TSIM_STORAGES];
    bool cut[TSIM_HOSTS][TSIM_HOSTS]; /* [from][to] */
    struct trk_ids ids;
};

extern struct tsim tsim;

#define TSIM_WRONG(...)                                                                            \
    do {                                                                                           \
        if (!tsim.wrong[0])                                                                        \
            (void)snprintf(tsim.wrong, sizeof(tsim.wrong), __VA_ARGS__);                           \
    } while (0)

void tsim_start(const struct tsim_options *o);
/* Takes all down, ends all fibers. Not for fibers. */
void tsim_stop(void);
uint64_t tsim_random(uint64_t below);
/* The owner of @host's clock, for fiber_as and fiber_skew. */
unsigned tsim_owner(unsigned host);

/* --- trackers */

/* It is up, and lives to tell. */
bool tsim_serves(const struct tsim_tracker *t);
void tsim_tracker_up(unsigned i);
/* Power failure or kill -9 at one of its next calls of the disk. Sleeps. */
void tsim_tracker_crash(unsigned i, bool power);
/* It is down; its disk becomes an empty one. */
void tsim_tracker_lose_disk(unsigned i);
/* What tracker @i has of storage @k; NULL: nothing. */
struct trk_node *tsim_node(unsigned i, unsigned k);

/* --- connections to trackers, as the sleeping caller's acts */

struct tsim_conn;
struct tsim_conn *tsim_conn_new(unsigned from, unsigned to);
/* The tracker hears of it when it can. Sets *cp to NULL. */
void tsim_conn_close(struct tsim_conn **cp);
/* 0 or negative errno; after -ETIMEDOUT and -ECONNRESET the connection is of no use. @rsp is reset, then gets the body. */
int tsim_call(struct tsim_conn *c, uint8_t cmd, struct str body, struct buf *rsp);
bool tsim_conn_broken(const struct tsim_conn *c);

/* --- storages */

void tsim_storages_start(void);
void tsim_storage_up(unsigned k);
/* Like kill -9; its disk stays as it is. */
void tsim_storage_down(unsigned k);
/* It is down; all it held is gone, or with @part one of its store paths. */
void tsim_storage_lose(unsigned k, bool part);

#endif
