/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk - read the records of one pack in order, through a window of bounded size.
 *
 * Bytes of a pack are never trusted: a header must carry the right checksum, position and lengths. Where
 * one does not, next() looks for the next place where one does, and counts what it jumped over.
 * Threads: one owner.
 */
#ifndef STO_WALK_H
#define STO_WALK_H

#include "storage/binlog/record.h"
#include "storage/disk/io.h"

struct sto_walk {
    const struct sto_io *io;
    int fd; /* the caller's */
    uint32_t number, salt;
    uint32_t at;      /* offset of the next record */
    uint32_t end;     /* records lie before this */
    uint64_t damaged; /* bytes jumped over */
    size_t ahead;     /* bytes read at once: few when records are large and only heads are wanted */
    uint8_t *win;
    size_t win_cap, win_n;
    uint32_t win_at;
};

struct sto_body { /* views into the window, valid until the next call */
    struct str name, extra, desc;
};

void sto_walk_init(struct sto_walk *w, const struct sto_io *io, int fd, uint32_t number,
                   uint32_t salt, uint32_t at, uint32_t end);
void sto_walk_fini(struct sto_walk *w);

/* The record at w->at, which stays: 0; -ENODATA, -EBADMSG: no valid one; other: the read failed. */
int sto_walk_head(struct sto_walk *w, struct sto_rec *ret) MUST_CHECK;
/* The next valid record, and go behind it: 1; 0: no more before the end; negative errno. */
int sto_walk_next(struct sto_walk *w, struct sto_rec *ret) MUST_CHECK;
/* Name, extra and description, against their checksum: 0, -EBADMSG, other negative errno. */
int sto_walk_body(struct sto_walk *w, const struct sto_rec *rec, bool want_desc,
                  struct sto_body *ret) MUST_CHECK;
/* Is an OBJECT's slot emptied (1) or not (0)? Negative errno. */
int sto_walk_emptied(struct sto_walk *w, const struct sto_rec *rec) MUST_CHECK;
/* Content of an OBJECT against its checksum. 0, -EBADMSG, ... */
int sto_walk_content(struct sto_walk *w, const struct sto_rec *rec) MUST_CHECK;

#endif
