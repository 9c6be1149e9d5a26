/* SPDX-License-Identifier: Apache-2.0 */
/*
 * followers - how far each member has our logs, as its pulls say; who may still need old changes.
 *
 * Deletions and changes that some member has not seen must stay in the log (sto_retain). A member we
 * have not heard from since our start counts as needing everything, until the trackers say it is gone.
 *
 * Threads: any.
 */
#ifndef STO_FOLLOWERS_H
#define STO_FOLLOWERS_H

#include "storage/group/members.h"
#include "storage/trunk/mirror.h"

struct sto_followers;

int sto_followers_new(struct sto_store *s, struct sto_mirrors *m, struct sto_members *members,
                      struct sto_followers **ret) MUST_CHECK;
void sto_followers_free(struct sto_followers **fp);

/* @id has everything before @position of the log @log of @path. Logs not our own are left aside. */
void sto_followers_note(struct sto_followers *f, const char *id, unsigned path,
                        const uint8_t log[STO_LOG_ID_LEN], uint64_t position);

/* Tell the engine what may go, by the members there are now. Call now and then. */
void sto_followers_retain(struct sto_followers *f);

#endif
