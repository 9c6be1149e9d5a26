/* SPDX-License-Identifier: Apache-2.0 */
/* tracker_sim_priv - what tracker_sim.c (trackers), _net.c (their network) and _storages.c share. */
#ifndef TEST_TRACKER_SIM_PRIV_H
#define TEST_TRACKER_SIM_PRIV_H

#include "tests/lib/tracker_sim.h"

/* A message of @t that others have heard; @vote: for whom, or -1. Called once it has left. */
void tsim_told(struct tsim_tracker *t, uint64_t term, int vote);
/* trk_store_wait, and the store gets to work. */
void tsim_wait_stored(struct tsim_tracker *t, struct trk_waiter *w);
/* Tracker @t has served @cmd of the storage on host @from with @n bytes. */
void tsim_served(struct tsim_tracker *t, unsigned from, uint8_t cmd, struct str body, size_t n);

#endif
