/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metatext - the text form of a file's metadata: sort it, merge it.
 *
 *   name 0x02 value 0x01 name 0x02 value ...      no trailing separator, no escaping
 *
 * Rule:    fastdfs-protocol.md 4.8 and 8.5: names up to 64 bytes, values up to 256, sorted by name
 *          when written. Where the reference cuts or skips an entry and then stores left-over bytes
 *          of the request, we refuse the request. Empty records (a trailing 0x01) are dropped:
 *          clients send them.
 * Threads: no state; any thread.
 */
#ifndef STO_METATEXT_H
#define STO_METATEXT_H

#include "dfscore/base/buf.h"

enum {
    STO_META_NAME_MAX = 64,
    STO_META_VALUE_MAX = 256,
    STO_META_TEXT_MAX = 256 * 1024, /* a request does not get larger */
};

/*
 * Append @text to @out, sorted by name. Entries of equal name keep their order and all stay (4.8).
 * 0; -EINVAL: an entry without 0x02 or over the limits; -ENOMEM; -E2BIG: @out is at its ceiling.
 */
int sto_metatext_sort(struct str text, struct buf *out) MUST_CHECK;

/*
 * Append @old with the entries of @add put in: an entry of @add replaces every one of its name. @old
 * was stored before, perhaps by a FastDFS whose text ends in left-over bytes: what cannot be read in
 * it is dropped. Returns as sto_metatext_sort, -EINVAL for @add only.
 */
int sto_metatext_merge(struct str old, struct str add, struct buf *out) MUST_CHECK;

#endif
