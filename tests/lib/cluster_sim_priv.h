/* SPDX-License-Identifier: Apache-2.0 */
/* cluster_sim_priv - what cluster_sim.c (members, tracker) and cluster_sim_net.c (their network) share. */
#ifndef TEST_CLUSTER_SIM_PRIV_H
#define TEST_CLUSTER_SIM_PRIV_H

#include "tests/lib/cluster_sim.h"
#include "tracker/cluster/status.h"

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
    struct tracked tracker[SIM_NODES_MAX];
    bool cut[SIM_NODES_MAX + 1][SIM_NODES_MAX + 1]; /* [from][to]; the last is the tracker */
    struct muted muted[SIM_NODES_MAX];
};

extern struct sim sim;
extern const struct sto_line sim_line;

/* Sleeps until no client's change is under way on @n. */
void sim_let_change_end(struct sim_node *n);

#endif
