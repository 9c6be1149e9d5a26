/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base - assertions, ownership helpers and allocation; included by everyone.
 *
 * ASSERT is for our own bugs and stays on in production: the process stops with file, line and
 * condition, and the supervisor restarts it. Nothing that arrives in bytes may ever reach one.
 */
#ifndef DFS_BASE_H
#define DFS_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dfscore/base/banned.h"

#define ASSERT(cond) ((cond) ? (void)0 : dfs_assert_failed(#cond, __FILE__, __LINE__))

/* An object of ours: not NULL, and carrying the magic number its new() gave it. */
#define CHECK_OBJ(obj, MAGIC) ASSERT((obj) && (obj)->magic == (MAGIC))

_Noreturn void dfs_assert_failed(const char *cond, const char *file, int line);

/* AUTO(x_free) struct x *p = NULL;  x_free(&p) runs when p leaves scope. */
#define AUTO(fn) __attribute__((cleanup(fn)))

/* Give ownership away: yields the pointer and leaves NULL behind. */
#define TAKE(ptr)                                                                                  \
    __extension__({                                                                                \
        __typeof__(ptr) taken_ = (ptr);                                                            \
        (ptr) = NULL;                                                                              \
        taken_;                                                                                    \
    })

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK             __attribute__((warn_unused_result))

/*
 * Memory. NULL when there is none; zalloc gives zeroed bytes. free() gives it back. Tests make the
 * n-th call fail through dfs_alloc_hook. A zero size yields a unique pointer, never NULL by itself.
 */
void *dfs_alloc(size_t size) MUST_CHECK;
void *dfs_zalloc(size_t size) MUST_CHECK;
void *dfs_realloc(void *p, size_t size) MUST_CHECK;
void *dfs_memdup(const void *p, size_t size) MUST_CHECK;
char *dfs_strdup(const char *s) MUST_CHECK;

/* Returns true to make the allocation fail. Set only by tests, before any thread starts. */
extern bool (*dfs_alloc_hook)(size_t size);

/* Cleanup functions for AUTO. */
void dfs_free_ptr(void *pp); /* AUTO(dfs_free_ptr) char *s: free(s) */
void dfs_close_fd(int *fd);  /* AUTO(dfs_close_fd) int fd = -1: closes when >= 0, sets -1 */

/* Returns *@fd, which is -1 then: TAKE() of a descriptor. */
int dfs_take_fd(int *fd);

#endif
