/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moved - files that went to another group: what stays under their old names, and how they go.
 *
 * Of a moved file its old name stays, as a symbolic link data/HH/HH/<name> whose text is "@" and the new file id
 * ("@group2/M00/..."), which no system call can follow; also when the file was a packed one, whose slot is emptied.
 * Everything that looks for the file gets -EREMOTE then, where it would have got -ENOENT.
 *
 * The log record (kind CHANGE, op 'V', name: the old one) has as extra "ID SIZE CRC METACRC", decimal: the new file
 * id, and of what was copied the size, the CRC-32 of content and of the metadata text (0: none). It lives as long as
 * the old name does, so members that join get it. A member whose copy is another has taken a change that is not in
 * the moved one: see sto_replica_moved().
 *
 * Links of FastDFS stay where they are and lead to the moved file through its old name, unless their store path is emptied:
 * then another link takes their place, and what was said of files holds for them (SIZE and CRC are 0).
 *
 * Threads, durability, errors: as in store.h.
 */
#ifndef STO_MOVED_H
#define STO_MOVED_H

#include "dfscore/base/buf.h"
#include "storage/trunk/restore.h"

struct sto_moved {
    char id[DFS_FILE_ID_MAX + 1]; /* where it is now */
    bool by_link;                 /* the name is a link to a file that has moved */
};
/* 0; -ENOENT: it has not moved, or is not known; other: that cannot be read. */
int sto_moved_to(struct sto_store *s, struct str name, struct sto_moved *ret) MUST_CHECK;
/* Why @name is not found: @why, but for -ENOENT -EREMOTE when it has moved, and another errno when that cannot be read. */
int sto_moved_or(struct sto_store *s, struct str name, int why) MUST_CHECK;
/* The same, as far as the path tells on which the name lies (kept.h). */
int sto_moved_by_path(struct sto_store *s, struct str name, struct sto_moved *ret) MUST_CHECK;
/* Of two ids of one file that has moved: <0 when the second is the later one. All who hear of both say the same. */
int sto_moved_compare(struct str a, struct str b);
/* The old name goes, too; logged. -ENOENT: it is no moved file's. */
int sto_moved_forget(struct sto_store *s, struct str name) MUST_CHECK;

/* ---- moving ---- */

struct sto_move {
    struct str name;      /* the caller's, valid to the end */
    struct sto_view view; /* what is to be copied */
    uint32_t crc32;       /* of it; from the name, when that tells it */
    bool appender, link;
    bool unsure;     /* what failed in commit may be done all the same: then the copy is the file */
    struct buf meta; /* its metadata text; empty: none */
    /* inside */
    struct sto_watch watch;
    uint64_t inode;
    int64_t changed_ns;
    bool watching;
};
/* Is there such a file here, which is no link and has not moved? Also when that cannot be seen: sto_move_begin() says why. */
bool sto_move_wanted(struct sto_store *s, struct str name);
/*
 * Look at a file that is to be moved. -ENOENT: none, or a link, or moved already; -EAGAIN: being changed; -EBADMSG: as
 * sto_open_read(); -EROFS: its disk takes no writes. sto_move_end() in any case.
 */
int sto_move_begin(struct sto_store *s, struct str name, struct sto_move *mv) MUST_CHECK;
/* The same of a link, of which there is nothing but its metadata. */
int sto_move_begin_link(struct sto_store *s, struct str name, struct sto_move *mv) MUST_CHECK;
/*
 * The copy is durable as @id: from now on the old name leads there, and the content here goes. -EAGAIN: the file has
 * changed since begin, or its metadata, or another member has the turn to change it (turns.h); -ENOENT: it has been
 * deleted. When it fails nothing leads to the copy, but for mv->unsure.
 */
int sto_move_commit(struct sto_store *s, struct sto_move *mv, struct str id) MUST_CHECK;
void sto_move_end(struct sto_store *s, struct sto_move *mv);

/*
 * The link @name, the other way round: *target is what it leads to, which may be gone. -ENOENT: it is none, or leads to no
 * file of this store.
 */
int sto_link_target(struct sto_store *s, struct str name, char target[STO_NAME_MAX + 1]) MUST_CHECK;
/* Make the link @name to @target, durably, whether there is that or not: it may have moved. -EEXIST. Not logged. */
int sto_link_place(struct sto_store *s, struct str name, struct str target) MUST_CHECK;

/* ---- another member has moved it ---- */

struct sto_moved_rec {
    struct str id; /* view of the record's extra */
    uint64_t size;
    uint32_t crc32, meta_crc;
};
int sto_moved_parse(struct str extra, struct sto_moved_rec *ret) MUST_CHECK; /* -EBADMSG */
/*
 * Do the same here. 0 also when it is done. -ESTALE: our copy's content is newer than what was moved, and stays;
 * -EUCLEAN: its metadata are.
 */
int sto_replica_moved(struct sto_store *s, struct str name, const struct sto_moved_rec *m,
                      struct str extra) MUST_CHECK;
/*
 * A packed file that came here after the word that it has moved, from a member that had not heard of it, goes, too. -ENOENT:
 * @name is none such.
 */
int sto_moved_settle(struct sto_store *s, struct str name) MUST_CHECK;
/* Our copy of a file that others believe to have moved is the right one: log it as a new file. */
int sto_moved_not(struct sto_store *s, struct str name) MUST_CHECK;

#endif
