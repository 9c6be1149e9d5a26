/* SPDX-License-Identifier: Apache-2.0 */
/*
 * followers - how far each member has our logs, as its pulls say; who may still need old changes.
 *
 * Deletions and changes that some member has not seen must stay in the log (sto_retain). A member we
 * have not heard from since our start counts as needing everything, until the trackers say it is gone.
 *
 * A member is in service when the trackers call it ACTIVE and nobody has found out otherwise since it last
 * pulled (sto_followers_gone): only these are readable, so only these count as holding a copy. Of a path whose disk takes
 * no writes there it is not, until it gets on (sto_followers_unfit).
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

/*
 * The members in service, ourselves left out: how far each has our log of @path (0: not heard yet), and when
 * it last got on (monotonic ms): a position that grew, or a further piece of a large file. DFS_SERVERS_MAX
 * places; returns how many there are.
 */
struct sto_standing {
    uint64_t position, progress_ms;
};
unsigned sto_followers_standing(struct sto_followers *f, unsigned path, struct sto_standing *ret);
/* The members at @ip have asked for the piece of the file @name at @offset: a further one, unless they have before. */
void sto_followers_progress(struct sto_followers *f, const char *ip, struct str name,
                            uint64_t offset);
/* Every member but ourselves, in service or not; DFS_SERVERS_MAX places. Returns how many. */
struct sto_follower_at {
    char id[DFS_ID_MAX + 1];
    uint8_t status;
    uint64_t position; /* in our log of the path asked for; 0: not heard yet */
    int64_t heard_ms;  /* since its last pull; -1: none since our start */
};
size_t sto_followers_list(struct sto_followers *f, unsigned path, struct sto_follower_at *ret);
/* All trackers that answer say that @id is not ACTIVE: out of service until it pulls again. */
void sto_followers_gone(struct sto_followers *f, const char *id);
bool sto_followers_is_gone(struct sto_followers *f, const char *id);
/* Has it pulled since then (monotonic)? */
bool sto_followers_heard_since(struct sto_followers *f, const char *id, uint64_t ms);
/*
 * @id has been asked something, with the result @err. One that hangs, or whose machine has died, is in service until the
 * trackers notice, and whoever asks it meanwhile would wait as long as the one before. So a wait in vain (-ETIMEDOUT) is
 * known for STO_SILENT_MS, or until any answer. @f may be NULL: then nobody keeps it.
 */
enum { STO_SILENT_MS = 5000 };
void sto_followers_asked(struct sto_followers *f, const char *id, int err);
/* When a question to @id ended in vain (monotonic), if that is to be known now; else 0. */
uint64_t sto_followers_silent_since(struct sto_followers *f, const char *id);
/* @id says that its disk of @path takes no writes: out of service there until it gets on with our log. */
void sto_followers_unfit(struct sto_followers *f, const char *id, unsigned path);

/* Tell the engine what may go, by the members there are now. Call now and then. */
void sto_followers_retain(struct sto_followers *f);

#endif
