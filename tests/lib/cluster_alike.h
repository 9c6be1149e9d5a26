/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_alike - what must hold once a simulated group of storages has had quiet time: all members hold the same,
 * and it is what the ledger says (cluster_ledger.h). Findings go to ledger.wrong.
 */
#ifndef TEST_CLUSTER_ALIKE_H
#define TEST_CLUSTER_ALIKE_H

/* Records of the logs, files and links on the disks, their content and metadata: the same on every member. */
void alike_check_members(void);
/* Acknowledged files are there, byte for byte, with their metadata; deleted ones are not. By the first member. */
void alike_check_ledger(void);

#endif
