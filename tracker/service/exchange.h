/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange - what we say to another tracker, and what we make of its answers. Bytes and memory only: who carries them
 * is peers.c, or a test's network. Answers to what others ask are commands like any other (for_tracker.c).
 *
 * The list of trackers may change while a message is under way: a peer is named by its index and its text, and an
 * answer that no longer fits both is dropped.
 *
 * Threads: any; each takes the server's lock.
 */
#ifndef TRK_EXCHANGE_H
#define TRK_EXCHANGE_H

#include "tracker/service/server.h"

/*
 * The tracker at @index as text, and with @m the body of command 200 that carries it to it. False: there is none
 * there, or it is us, or we do not know who we are.
 */
bool trk_exchange_whom(struct trk_server *srv, unsigned index, const struct trk_emsg *m,
                       char host[DFS_HOST_MAX], struct buf *body);
/*
 * Its answer to command 200. True: send *out to all other trackers. *wait as of trk_dispatch: must be on disk before.
 */
bool trk_exchange_answer(struct trk_server *srv, unsigned index, const char *host, struct str rsp,
                         struct trk_emsg *out, uint64_t *wait);
/* Is it time to ask again for all it knows (201)? @every_ms apart, oftener while we know nothing. Then *asked_ms,
 * 0 at first, is now. */
bool trk_exchange_due(struct trk_server *srv, uint64_t every_ms, uint64_t *asked_ms);
/* Its answer to 201: take over what we do not know. */
void trk_exchange_state(struct trk_server *srv, unsigned index, const char *host, struct str rsp);

#endif
