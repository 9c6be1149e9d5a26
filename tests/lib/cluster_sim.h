/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_sim - a group of storages in one process, in virtual time: the engine, the logs, replication, copies
 * and completeness are those of production; the network (storage/sync/line.h), the clocks and the disks are not.
 *
 * Calls between members are delayed, and lost with their connection; links are cut one way or both; members are
 * killed or lose power between, or amid, any two calls of the disk, come back with what a disk then has, or with an
 * empty one; wall clocks are set. What the trackers do is the table of tracker/cluster/status.h with one tracker
 * around it. All of it follows from the seed.
 *
 * One at a time in a process. What is said to sleep is for fibers (tests/lib/fibers.h).
 */
#ifndef TEST_CLUSTER_SIM_H
#define TEST_CLUSTER_SIM_H

#include "storage/sync/replicator.h"
#include "storage/sync/source.h"
#include "storage/sync/turn.h"
#include "tests/lib/fibers.h"

enum { SIM_NODES_MAX = 4, SIM_PATHS_MAX = 2, SIM_TRACKERS_MAX = 3, SIM_PATH = 256 };
/* Whose the first tracker's clock and cuts are; the others' follow. */
enum { SIM_TRACKER = SIM_NODES_MAX };

struct sim_options {
    uint64_t seed;
    unsigned nodes, paths;
    unsigned min_copies; /* 0: auto */
    unsigned loss;       /* of a thousand messages */
    uint64_t delay_us;   /* longest way of a message */
    unsigned earlier;    /* bits: members of a build that does not know SYNC_METAS yet */
    /*
     * 0: one, which answers at once or not at all, and members do not stand still. Else so many, of which one leads, and
     * a member knows by their answers how long it is taken for alive (group/members.h).
     */
    unsigned trackers;
};

/* One member. The objects are there while it is up. */
struct sim_node {
    unsigned index;
    char id[16];
    unsigned generation; /* of its folder: another one after each power failure or kill */
    bool up, stopping;
    bool crashed;    /* its image has been made: what it does from then on did not happen */
    unsigned fibers; /* that use the objects */
    bool still;      /* it stands still */
    bool writing; /* a client's change is under way, perhaps asleep between two calls of the disk */
    uint64_t session; /* counts starts */
    /* Survive on the disk of the base path. */
    bool negotiated, complete, whole;
    char source[16];
    unsigned joined; /* bits: to these trackers, since the last failure */
    uint64_t up_us;  /* when it was started */
    /* bits: members in service, to it, when it became complete in this session */
    unsigned filled_from;
    struct sto_store *store;
    struct sto_members *members;
    struct sto_mirrors *mirrors;
    struct sto_followers *followers;
    struct sto_copies *copies;
    struct sto_replicators *replicators;
};

void sim_start(const struct sim_options *o);
/* All members are down. */
void sim_stop(void);
uint64_t sim_random(uint64_t below);
struct sim_node *sim_node(unsigned i);
unsigned sim_nodes(void);
/* Its store path @path, as a folder; SIM_PATH bytes. */
void sim_folder(const struct sim_node *n, unsigned path, char *out);

/* Members, as the sleeping caller's acts. */
void sim_up(unsigned i);
/* Like kill -9, now: no call is under way. Sleeps. */
void sim_down(unsigned i);
/* Power failure, or kill -9, at one of its next calls of a disk. Sleeps. */
void sim_crash(unsigned i, bool power);
/* The same at the @nth call of a disk from now on, whoever's that is; the caller waits for it, then for its end. */
void sim_crash_begin(unsigned i, bool power, unsigned nth);
void sim_crash_end(unsigned i);
/* It is down; a store path of it becomes empty. */
void sim_lose_disk(unsigned i, unsigned path);
void sim_cut(unsigned from, unsigned to, bool cut);
bool sim_is_cut(unsigned from, unsigned to);
/* From now on, whoever asks member @i for @cmd finds it gone, and connects anew. 0: no more. */
void sim_mute(unsigned i, uint8_t cmd);
/* How often that has been since. */
unsigned sim_muted(unsigned i);

/*
 * From now on nothing happens at member @i, while its clock goes on, as when its process is stopped: what comes waits at its
 * socket. It is not to be killed then.
 */
void sim_stand_still(unsigned i, bool still);
/* Trackers lose beats, or their answers, and are late with some; one leads after the other, and nobody for a while. */
void sim_trackers_fail(bool fail);
enum {
    SIM_LOST_MS = 3000,                  /* a tracker calls who does not beat OFFLINE */
    SIM_LEASE_MS = SIM_LOST_MS * 6 / 10, /* beat.c */
};

/* What the trackers believe of it (enum dfs_server_status): ACTIVE when all do, or what one says that does not. */
uint8_t sim_status(unsigned i);
/* Has every member everything of every other one, and is ACTIVE? */
bool sim_settled(void);
/* May a client work on it now? False while it stops, or has crashed without knowing. */
bool sim_serves(const struct sim_node *n);
/* Between these a client's change is made, which may sleep between two calls of the disk. */
void sim_begin_change(struct sim_node *n);
void sim_end_change(struct sim_node *n);
/* What @n itself has under @name: 0 and the bytes in *out, or negative errno. */
int sim_look_up(const struct sim_node *n, const char *name, struct buf *out);
/*
 * What a client of @n is answered that reads @name (storage/service/download.c), likewise; -EPIPE: nothing. Sleeps.
 */
int sim_read(struct sim_node *n, const char *name, struct buf *out);
/* How @n asks others before an edit, which may sleep, too. */
struct sto_turn_options sim_turns(struct sim_node *n);

#endif
