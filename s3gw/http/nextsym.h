/* SPDX-License-Identifier: Apache-2.0 */
/* nextsym - the function of a library that one of ours, of the same name, stands in front of. */
#ifndef S3_NEXTSYM_H
#define S3_NEXTSYM_H

#include <dlfcn.h>
#include <string.h>

#include "dfscore/base/base.h"

/* @fn: where the pointer to the function goes. ISO C has no cast from what dlsym() returns. */
static inline void s3_next_symbol(const char *name, void *fn)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    ASSERT(symbol);
    memcpy(fn, &symbol, sizeof(symbol));
}

#endif
