/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - is what is stored here what it must be? And the mark on plain files that are not.
 *
 * A packed file is checked against its record: header, slot, content, description, each with its checksum; a
 * plain file against the size and the CRC-32 in its name, a slave against the CRC-32 in its record, which who goes
 * through a log has at hand. What neither record nor name describes (appenders, slaves of earlier builds) can only be
 * found unreadable.
 *
 * A plain file that was found wrong carries the mark STO_MODE_DAMAGED until a right copy takes its place:
 * sto_open_read() gives -EBADMSG for it, so that nobody is sent bytes that are known to be wrong. Packed files
 * need none: whoever reads one has its CRC-32.
 *
 * Threads: any; calls block on the disk. Errors: negative errno when it cannot be told (-EINVAL: no such name
 * can exist, -ENOMEM, -EMFILE, what step() said).
 */
#ifndef STO_CHECK_H
#define STO_CHECK_H

#include "storage/trunk/mirror.h"

enum sto_copy {
    STO_COPY_GOOD,
    STO_COPY_BAD,     /* it is here, and not deleted, but not what it must be */
    STO_COPY_MISSING, /* not here, and nothing here says why */
    STO_COPY_ABSENT,  /* rightly not here: deleted, or on its way from another server */
    STO_COPY_UNKNOWN, /* it can be read; what it must be is not known here */
};

struct sto_check_how {
    /* not from the page cache, and without filling it, where the file system can do that */
    bool from_disk;
    int (*step)(void *arg,
                size_t bytes); /* before each piece; not 0 ends the check with that. NULL: none */
    void *arg;
};

/* What a slave's record says of it. Another one may have the name by now, with another time, of which it says nothing. */
struct sto_made {
    int64_t ms;     /* its modification time, Unix milliseconds; 0: nothing is known */
    uint32_t crc32; /* of its content */
};

/* @m: the logs of this server; NULL: all packs are taken to be whole. @made: NULL when nothing is known. @how: NULL is
 * the page cache, no steps. */
int sto_check(struct sto_store *s, struct sto_mirrors *m, struct str name,
              const struct sto_made *made, const struct sto_check_how *how,
              enum sto_copy *ret) MUST_CHECK;

/* Is that an error of opening or reading which says that the copy is damaged? */
bool sto_read_says_damaged(int r);
/* The whole content of @name, read already: 0, also when the name does not tell; -EBADMSG: it is not. */
int sto_bytes_are(struct str name, const void *bytes, size_t n) MUST_CHECK;

/* Set, or take away, the mark of a plain file. 0; -ENOENT; -EINVAL: packed, or none. */
int sto_mark_damaged(struct sto_store *s, struct str name, bool damaged) MUST_CHECK;

/* One record of a pack that is open as @fd: as above, BAD or GOOD. @w stands anywhere in that pack. */
struct sto_walk;
struct sto_rec;
int sto_check_record(struct sto_walk *w, const struct sto_rec *rec, const struct sto_check_how *how,
                     enum sto_copy *ret) MUST_CHECK;

#endif
