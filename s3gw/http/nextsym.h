/* SPDX-License-Identifier: Apache-2.0 */
/* nextsym - the function of a library that one of ours, of the same name, stands in front of. */
#ifndef S3_NEXTSYM_H
#define S3_NEXTSYM_H

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

#include "dfscore/base/base.h"

/* @fn: where the pointer to the function goes. ISO C has no cast from what dlsym() returns. */
static inline void s3_next_symbol(const char *name, void *fn)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    ASSERT(symbol);
    memcpy(fn, &symbol, sizeof(symbol));
}

/* A function library(), whose value is that one, of a pointer's @type; looked up once. */
#define S3_NEXT_SYMBOL(type, name)                                                                 \
    static type library(void)                                                                      \
    {                                                                                              \
        static _Atomic(type) found;                                                                \
        type f = atomic_load_explicit(&found, memory_order_acquire);                               \
        if (!f) {                                                                                  \
            s3_next_symbol(name, &f);                                                              \
            atomic_store_explicit(&found, f, memory_order_release);                                \
        }                                                                                          \
        return f;                                                                                  \
    }

#endif
