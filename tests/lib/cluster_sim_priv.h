/* SPDX-License-Identifier: Apache-2.0 */
/* cluster_sim_priv - what cluster_sim.c (members), _trackers.c and _net.c (the network) share. */
#ifndef TEST_CLUSTER_SIM_PRIV_H
#define TEST_CLUSTER_SIM_PRIV_H

#include "tests/lib/cluster_sim.h"
#include "tracker/cluster/status.h"

enum { SIM_OWNERS = SIM_NODES_MAX + SIM_TRACKERS_MAX };

struct tracked {
    bool known;
    uint8_t status;
    uint64_t heard_us;
};

struct muted {
    uint8_t cmd; /* 0: none */
    unsigned times;
};

struct sim {
    struct sim_options o;
    char *root;
    uint64_t random;
    bool over;
    struct sim_node node[SIM_NODES_MAX];
    struct tracked tracked[SIM_TRACKERS_MAX][SIM_NODES_MAX];
    unsigned leader;                  /* of the trackers; SIM_TRACKERS_MAX: none */
    bool fail;                        /* see sim_trackers_fail() */
    bool cut[SIM_OWNERS][SIM_OWNERS]; /* [from][to]; the last are the trackers */
    struct muted muted[SIM_NODES_MAX];
};

extern struct sim sim;
extern const struct sto_line sim_line;

/* Sleeps until no client's change is under way on @n. */
void sim_let_change_end(struct sim_node *n);

/* Trackers, and who beats to them (cluster_sim_trackers.c). */
void sim_begin_trackers(void);
void sim_begin_beating(struct sim_node *n);
/* storage/app_parts.c, ask_who_is_fit(): @n, a struct sim_node, finds out whom no tracker calls ACTIVE. */
void sim_ask_trackers(void *n);
/* storage/beat/tracker.c, sto_tracker_all_known(). */
bool sim_all_known(void *n);

#endif
