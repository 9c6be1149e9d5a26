/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holder - a file is not here: which other member has it, or does nobody?
 *
 * All members in service, or filling, are asked at once whether they have it, and one that has not answered not again for
 * some time (sync/followers.h); then one that has it is asked for the rest. So one that hangs holds up few, and those not
 * for long.
 *
 * Threads: any that may block, for as long as the options say.
 */
#ifndef STO_HOLDER_H
#define STO_HOLDER_H

#include "storage/sync/followers.h"
#include "storage/sync/line.h"

struct sto_holder_options {
    struct sto_store *store; /* all of these outlive the call */
    struct sto_members *members;
    struct sto_followers *followers; /* NULL: nobody keeps who was silent */
    const struct sto_line *line;
    struct dfs_peer_opts net; /* who has it; bind_ip is set here */
    unsigned copies;          /* min_copies; 0: auto */
    uint64_t answer_ms;       /* longest wait for a byte of what one that has it is to do or send */
    /* dfs_at_once(), or what does the same */
    void (*at_once)(unsigned n, void (*fn)(void *arg, unsigned i), void *arg);
    /* By the trackers that answer, do we know every server of the group? False also when none does. May block. */
    bool (*all_known)(void *arg);
    void *arg;
};

/* What who has it is asked for then. */
struct sto_holder_question {
    uint8_t cmd, status; /* of the header */
    struct str body;
};

/*
 * Can it be elsewhere, if it is not here? Its name says that another server took it, it is a slave, which any member may have
 * taken, or we are not complete.
 */
bool sto_holder_may_be(const struct sto_holder_options *o, struct str name);
/*
 * Does any other member have @name? It is asked for @q, if given: in *ret an open connection, owned by the caller, with the
 * answer, *len bytes, of the first that has it. Or the holder's -EINVAL (the range is no range of it) or -EPERM (a
 * gateway's file stays as it is). -ENOENT: who took it, and is complete, does not have it, or nobody in the group does.
 * -EAGAIN: somebody may have it all the same, who is away, or does not answer, or does not show it to readers yet, or of
 * whom we have not been told. Where the name does not say who took it, as a slave's, or he has left, one such does not
 * matter that has nothing alone: of which all is here, since when it has needed another copy (sto_members_keeps_up()).
 */
int sto_holder_find(const struct sto_holder_options *o, struct str name,
                    const struct sto_holder_question *q, struct dfs_peer **ret,
                    uint64_t *len) MUST_CHECK;
/* What a member that asks so is told of a file that is not here: -ENOENT, or -ENODATA as we are not complete. */
int sto_holder_absent(struct sto_members *members) MUST_CHECK;

#endif
