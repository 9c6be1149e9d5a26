/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replica - files under names that another server of the group made.
 *
 * Nothing here but deletions, and metadata of a file that was renamed meanwhile, is written to our own log: an operation
 * stands in the log of the server that took it from a client, and every member has a copy of that log (mirror.h). Calls are
 * idempotent, so a replicator that stopped half way does the last operations again.
 *
 * Threads, errors, durability: as in store.h.
 */
#ifndef STO_REPLICA_H
#define STO_REPLICA_H

#include "storage/binlog/record.h"
#include "storage/trunk/store.h"

/*
 * Name the temporary file @f (on the path of @name) @name and set its modification time; 0: as it is.
 * Takes @f in any case; it must have exactly @size bytes. A file of that name is replaced.
 */
int sto_replica_file(struct sto_store *s, struct sto_file **fp, struct str name, uint64_t size,
                     int64_t time_s) MUST_CHECK;

struct sto_replica_new {
    struct sto_file *file; /* taken, NULL then */
    struct str name;
    uint64_t size;
    int64_t time_s;
    int64_t made_ms; /* its time, where its record says one (binlog/record.h), else 0 */
    int64_t version; /* of an appender (version.h), where the peer says it, else 0 */
    bool mixed;      /* it may have some of later ones */
    /* what sto_replica_file() would have returned; -EEXIST: one made later has the name, and stays, or it is deleted
     * (ahead.h) */
    int result;
};
/*
 * The same for @n of them as records of their making bring them. They share the commits of the disk's journal: all are
 * durable when it returns 0. An appender that is there stays, with result 0, unless the new one is known to be later. Other
 * than 0: the disk fails.
 */
int sto_replica_files(struct sto_store *s, struct sto_replica_new *const *v, size_t n) MUST_CHECK;

/* As sto_replica_file(); but an appender that is there and is not earlier than a @new with a version stays: 0 also then. */
int sto_replica_put(struct sto_store *s, struct sto_replica_new *new) MUST_CHECK;
/* The same, but whatever is there stays as it is. */
int sto_replica_put_unless(struct sto_store *s, struct sto_replica_new *new) MUST_CHECK;

/*
 * Has one file been refused, as of another owner, after a restore, say? Another one can take its place by a rename, for which
 * the directory decides.
 */
static inline bool sto_not_ours(int r)
{
    return r == -EACCES || r == -EPERM;
}

/*
 * A plain file that came before its record: make it the gateway's or, with STO_NATIVE in @flags, the clients'
 * (sto_client_may_change()). 0 also for links.
 */
int sto_replica_owner(struct sto_store *s, struct str name, uint8_t flags) MUST_CHECK;

/*
 * Put the content of a packed name into its slot of the container the name says, which is made when it
 * is missing. -EINVAL: @data does not have the size or the CRC-32 of the name, or the container is a
 * pack of ours or of a mirror; -EEXIST: it holds the file already.
 */
int sto_replica_slot(struct sto_store *s, struct str name, struct str data) MUST_CHECK;

/*
 * Delete @name, and say so in our log, marked as said again. @anyway: say it also when the file is not here, unless a
 * file of that name can come again, as slaves can. @at_ms: what of such a name was made before, or @vague, within a second
 * after; 0: whatever is here. -ENOENT: it is not here, -EEXIST: one made later is, and stays; -EREMOTE: it has moved, and its
 * name stays.
 */
int sto_replica_delete(struct sto_store *s, struct str name, int64_t at_ms, bool vague,
                       bool anyway) MUST_CHECK;

/* 0, also when the link exists. -ENOENT: no target, here or moved to another group. */
int sto_replica_link(struct sto_store *s, struct str name, struct str target) MUST_CHECK;

/* -EEXIST: done already, @to is there and @from is not; -ENOENT: neither is. Metadata goes along. */
int sto_replica_rename(struct sto_store *s, struct str from, struct str to) MUST_CHECK;

/*
 * Another member's edit of an appender. It is made of a content of version before; one that is after already gets it once
 * more, as the disk may have lost it. -ESTALE: what is here is neither, or cannot be written (sto_not_ours()). Members of
 * earlier builds do not tell (after 0).
 */
struct sto_replica_edit {
    struct str name;
    struct sto_rec_versions versions;
    int64_t time_s; /* of the record */
    bool mixed;     /* what the peer gave may have some of later edits (version.h) */
};
/* Overwrite or extend; @offset at most its size, else -EINVAL. The @size bytes of @from, or else, when NULL, @data. */
int sto_replica_range(struct sto_store *s, const struct sto_replica_edit *e, uint64_t offset,
                      struct str data, const struct sto_file *from, uint64_t size) MUST_CHECK;
int sto_replica_resize(struct sto_store *s, const struct sto_replica_edit *e,
                       uint64_t size) MUST_CHECK;

/*
 * Metadata of another member (meta.c): @text, which has the time @ms there, becomes those of @name if it is later than what
 * is here, whether the file is here or still to come; empty: they have been removed. @ms 0: there never were any. -EREMOTE.
 * STO_META_UNTIMED: a member of an earlier build does not say; what is here already stays.
 */
enum { STO_META_UNTIMED = 1 };
int sto_replica_meta(struct sto_store *s, struct str name, struct str text, int64_t ms) MUST_CHECK;
/*
 * The same of the new name of a file. Where what is here is later, it was set under the old name by a client that did not
 * know the new one; members of earlier builds that did by then have not got it (renamed.h), and a record in our log says it
 * anew.
 */
int sto_replica_meta_renamed(struct sto_store *s, struct str name, struct str text,
                             int64_t ms) MUST_CHECK;
/* The same, but later than what is here, and than @ms: an earlier build says that they have changed. */
int sto_replica_meta_anyway(struct sto_store *s, struct str name, struct str text,
                            int64_t ms) MUST_CHECK;
/* What another member is to be told of those of @name: *out grows by the text. 0 also when there are none. -EREMOTE. */
int sto_meta_tell(struct sto_store *s, struct str name, struct buf *out,
                  int64_t *ret_ms) MUST_CHECK;

#endif
