/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt - a store path that FastDFS has filled: its plain files, their metadata and links get records in our
 * log, so that other members copy them and gateways see them. Nothing is moved or changed.
 *
 * Containers (trunk files) stay readable by the ids of what they hold, as FastDFS's rule says where that lies;
 * their content is in no log: it is on this server only.
 *
 * data/.adopting says that it has begun and not ended: a start that finds it goes over all files again, which
 * records some twice and harms nobody.
 *
 * Threads: while the store opens.
 */
#ifndef STO_ADOPT_H
#define STO_ADOPT_H

#include "storage/trunk/store_priv.h"

/* Before the log is opened, which makes it ours: leaves the note when files were here first. */
int sto_adopt_note(struct sto_dir *d) MUST_CHECK;
/* After it: does what the note says. Blocks for as long as listing everything takes. */
int sto_adopt(struct sto_store *s, unsigned path) MUST_CHECK;

#endif
