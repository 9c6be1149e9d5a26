/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign - SigV4 by header for the few shapes of request the generator sends, cheaply: dates change
 * every five minutes only (servers accept fifteen), and signatures of small key ranges are kept.
 *
 * Rule: AWS IAM User Guide, "Create a signed AWS API request". Digests are the gateway's own.
 * Threads: one.
 */
#ifndef LOAD_SIGN_H
#define LOAD_SIGN_H

#include "dfscore/base/buf.h"
#include "tests/bench/load/options.h"

enum { SIGN_KEPT = 65536, SIGN_LINES_MAX = 640 };

struct signer {
    const struct load_options *o;
    int64_t made_s; /* when the lines below were made; 0: never */
    unsigned epoch; /* counts the dates; 0: none yet */
    char date[17];  /* 20260102T030405Z */
    char scope[128];
    /* Rows of kept signatures, one per kind of request; owned, made at first use. */
    struct kept *kept[OP_COUNT_];
};

struct sign_what {
    enum load_op op;
    struct str method, path, query; /* encoded as sent; query without '?', sorted */
    struct str payload;             /* x-amz-content-sha256 */
    struct str copy_source;         /* absent: none */
    uint64_t keep; /* number under which the signature may be kept; UINT64_MAX: not */
};

void signer_init(struct signer *s, const struct load_options *o);
void signer_fini(struct signer *s);
/* Appends x-amz-*, Authorization lines, each ended by CR LF, to @out. */
void signer_add(struct signer *s, const struct sign_what *what, struct buf *out);

#endif
