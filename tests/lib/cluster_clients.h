/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_clients - what clients do to a simulated group of storages: changes of every kind at every member that
 * takes them, by chance, written down in the ledger (cluster_ledger.h).
 */
#ifndef TEST_CLUSTER_CLIENTS_H
#define TEST_CLUSTER_CLIENTS_H

/* A fiber: one client, until ledger.quiet. */
void clients_work(void *arg);
/* For fake_disk_meanwhile(): before a call of a disk others go on, when it is a client's change that makes it. */
void clients_between_calls(void *arg);

#endif
