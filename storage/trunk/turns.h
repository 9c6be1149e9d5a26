/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turns - one member at a time edits a file.
 *
 * Members edit a file each under a lock of its own, so two could at once, and one of the two edits would be lost. A member
 * that nobody can know to be the only one asks the others for the turn (sync/turn.h); what this one has given is here.
 * Whoever has been given it keeps it until the record of what he did comes here by his log, or he gives it back. Meanwhile
 * clients of this member are refused (sto_turn_check(), under the file's lock), and so are other members that ask. A turn may
 * have been forgotten: from STO_TURN_MS on, and when its member is out of service, a while after it was given, others may ask
 * for it, and must ask that member as well if they can.
 *
 * Who asks has a turn of his own member as well, until he is done. While he asks it keeps other clients of this member
 * waiting, and gives way to other members.
 *
 * Turns are not kept over a restart: a member asks all others until it has caught up with them (group/members.h).
 *
 * Threads: any. Lock order: leaf, below the file's lock.
 */
#ifndef STO_TURNS_H
#define STO_TURNS_H

#include <pthread.h>
#include <stdatomic.h>

#include "dfscore/wire/messages.h"
#include "storage/trunk/store.h"

/* How long a turn is kept, of a member that is out of service at least for STO_TURN_HELD_MS; its clock may be slower. */
enum {
    STO_TURNS_MOST = 256,
    STO_TURN_MS = 20000,
    STO_TURN_HELD_MS = 5000,
    STO_TURN_SURE_MS = 3000
};

struct sto_turn_id {
    char by[DFS_ID_MAX + 1]; /* a member */
    uint64_t token;          /* random: of this turn of its */
    uint64_t from;           /* where its log of the path ended when it asked */
};

/* What a member has of a file. 0: nothing that it knows the time of. */
struct sto_latest {
    int found; /* 0, or why there is no such file, as sto_info() says it */
    int64_t version;
    int64_t meta_ms;
};

/* Is the member @by out of service? Called under a lock: it takes leaves only. */
struct sto_turn_away {
    bool (*is)(void *arg, const char *by);
    void *arg;
};

/* What this member has of @name, between two edits of it. Negative errno: it cannot be read. */
int sto_turn_look(struct sto_store *s, struct str name, struct sto_latest *ret) MUST_CHECK;

/*
 * For a client of this member, in this order: he asks for the turn at @name, as *id, has it here, and has it everywhere.
 * -EBUSY: another client asks or has it; -EAGAIN: another member has it, or has got it meanwhile; -ENOSPC: too many are
 * given.
 */
int sto_turn_begin(struct sto_store *s, struct str name, const struct sto_turn_away *away,
                   struct sto_turn_id *id) MUST_CHECK;
int sto_turn_keep(struct sto_store *s, struct str name, const struct sto_turn_away *away,
                  const struct sto_turn_id *id, struct sto_latest *ret) MUST_CHECK;
void sto_turn_won(struct sto_store *s, struct str name);

/*
 * The turn at @name is another member's, @id's, from now on, and what is here does not change before it is over. -EAGAIN:
 * somebody else has it, or @id's member has asked for a later one, or the file has moved (moved.h), of which that one will
 * hear; -ENOSPC: too many are given.
 */
int sto_turn_give(struct sto_store *s, struct str name, const struct sto_turn_away *away,
                  const struct sto_turn_id *id, struct sto_latest *ret) MUST_CHECK;
/* @id has not changed anything, or this is its own member and it is done. */
void sto_turn_back(struct sto_store *s, struct str name, const struct sto_turn_id *id);
/* What @by's log says at @position of @name, and before it, has been done here. */
void sto_turn_over(struct sto_store *s, struct str name, const char *by, uint64_t position);

/* With the lock of @name for an edit: -EAGAIN when the turn has been given to another member. */
int sto_turn_check(struct sto_store *s, struct str name) MUST_CHECK;
/* Until some turn is over, or @ms have passed. */
void sto_turn_wait(struct sto_store *s, uint64_t ms);
/* Those that may have been forgotten are; whether there were any. */
bool sto_turns_forget(struct sto_store *s, const struct sto_turn_away *away);

/* The store's. */
struct sto_turns {
    pthread_mutex_t lock; /* guards the list; leaf */
    pthread_cond_t over;  /* monotonic clock */
    _Atomic unsigned n;   /* written under lock */
    struct sto_turn_given {
        char name[STO_NAME_MAX + 1];
        struct sto_turn_id id; /* one of a member and a name */
        uint64_t until_ms;     /* monotonic */
        bool asking;           /* our own: it is not had yet */
        bool had; /* the member's last one is not over: the record, behind here, has not come */
        uint64_t had_from;
    } list[STO_TURNS_MOST];
};
void sto_turns_init(struct sto_turns *t);
void sto_turns_fini(struct sto_turns *t);

#endif
