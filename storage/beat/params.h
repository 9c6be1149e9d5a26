/* SPDX-License-Identifier: Apache-2.0 */
/*
 * params - the settings of the whole cluster, as a tracker tells them.
 *
 * Rule:    fastdfs-protocol.md 6.11 (answer of command 75): "key=value\n" lines; unknown keys are
 *          ignored, missing ones keep the default.
 * Threads: no state; any thread.
 */
#ifndef STO_PARAMS_H
#define STO_PARAMS_H

#include "dfscore/base/str.h"

enum { STO_PARAMS_TEXT_MAX = 1024 }; /* the reference's buffer (6.11) */

struct sto_params {
    bool use_storage_id;  /* servers have numbers, from storage_ids.conf */
    bool id_in_name;      /* file ids carry the number, not the address */
    bool wide_addresses;  /* answers carry 46-byte addresses, not 16 */
    bool path_most_free;  /* store_path=2: the path with the most free space; else in turn */
    bool use_trunk;       /* small files share containers */
    bool slave_by_link;   /* a slave's content gets its own name, the slave name links to it */
    uint64_t reserved_mb; /* 2^20 bytes kept free per server, when reserved_permyriad is 0 */
    unsigned reserved_permyriad; /* else 1..9999: hundredths of a percent of each disk kept free */
    uint64_t sync_max_delay_s;
    uint64_t check_active_s; /* a server that has not beaten for so long is taken for dead */
    uint64_t slot_min;       /* bytes, header included */
    uint64_t slot_max;       /* bytes, header included: larger files stay plain */
    uint64_t slot_align;     /* bytes; 0: none */
    uint64_t trunk_size;     /* bytes of one container */
};

/* The defaults of semantics 3: what holds before a tracker has been heard. */
void sto_params_init(struct sto_params *p);

/*
 * Take over what @text says. 0; -EINVAL: a known key with a value that makes no sense, or @text too
 * long; *p is then untouched.
 */
int sto_params_parse(struct str text, struct sto_params *p) MUST_CHECK;

bool sto_params_eq(const struct sto_params *a, const struct sto_params *b);

#endif
