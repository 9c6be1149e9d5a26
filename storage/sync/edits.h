/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edits - what a record of an appender's edit asks for: the bytes, or, when what is here is not what was edited, all of it
 * (trunk/version.h).
 *
 * Errors and threads: as puller_priv.h.
 */
#ifndef STO_EDITS_H
#define STO_EDITS_H

#include "storage/sync/puller_priv.h"

/* A and M: "offset length". */
int sto_edits_range(struct sto_puller *p, const struct sto_entry *e) MUST_CHECK;
/* T: "old new". */
int sto_edits_resize(struct sto_puller *p, const struct sto_entry *e) MUST_CHECK;

#endif
