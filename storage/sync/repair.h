/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair - copies that are wrong, or missing, here are replaced by what another member has.
 *
 * Whoever meets one says so (a reader, a gateway whose other server had it, the scrub) and goes on; one thread looks at
 * it anew (trunk/check.h), says in the log what it found, asks the members in service in turn, checks what they give
 * against record or name, and puts it in its place (trunk/restore.h). What nobody has right stays marked and is tried
 * again; a group of one can only say so.
 *
 * A file that is missing may have been deleted. It is brought back only when nobody has begun to delete it
 * here for a while, and a member that has everything we had at that time still has the file. (Or to be deleted
 * at once, so that the others hear of it.)
 *
 * A slave has its checksum in its record, which the scrub has at hand: what others say of one waits for that.
 *
 * Not restored: appenders and missing slaves, which no checksum describes; files in containers of FastDFS.
 *
 * Threads: any; suspicions are told without blocking. One thread of its own.
 */
#ifndef STO_REPAIR_H
#define STO_REPAIR_H

#include "dfscore/net/peer.h"
#include "storage/group/members.h"
#include "storage/trunk/mirror.h"

struct sto_made;
struct sto_repair;

struct sto_repair_options {
    struct sto_store *store; /* all of these outlive the repair */
    struct sto_mirrors *mirrors;
    struct sto_members *members;
    const char *group;
    struct dfs_peer_opts net;
    const struct sto_line *line; /* NULL: sto_line_tcp */
    /* what is missing is looked at again after so long: it may be on its way */
    uint64_t missing_ms;
};

int sto_repair_new(const struct sto_repair_options *o, struct sto_repair **ret) MUST_CHECK;
void sto_repair_free(struct sto_repair **rp);

enum sto_suspicion {
    STO_SUSPECT_BAD,
    STO_SUSPECT_MISSING,
    STO_SUSPECT_UNDELETED, /* somebody deletes it, and we, who made it, have none: others may have it still */
};
/* Of the copy here of the file @name (logical). Does not block; what is known already, or too much, is passed over.
 * @r may be NULL. */
void sto_repair_suspect(struct sto_repair *r, struct str name, enum sto_suspicion why);
/* The same of a plain file that is bad, with what its record says. */
void sto_repair_suspect_made(struct sto_repair *r, struct str name, const struct sto_made *made);
/* The same of the record at @position of a log, when its name cannot be read. */
void sto_repair_suspect_record(struct sto_repair *r, unsigned path, const struct sto_log_info *log,
                               uint64_t position);

struct sto_repair_counts {
    uint64_t damaged;  /* copies known to be wrong now */
    uint64_t found;    /* since the start: wrong or missing ones */
    uint64_t repaired; /* since the start */
    uint64_t changes;  /* grows whenever a file became known as wrong, or another took its place */
};
void sto_repair_counts(struct sto_repair *r, struct sto_repair_counts *ret);

#endif
