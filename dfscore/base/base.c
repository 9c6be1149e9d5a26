/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/base.h"

#include <stdio.h>
#include <unistd.h>

bool (*dfs_alloc_hook)(size_t size);

void dfs_assert_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, cond);
    abort();
}

void *dfs_alloc(size_t size)
{
    if (dfs_alloc_hook && dfs_alloc_hook(size))
        return NULL;
    return malloc(size ? size : 1);
}

void *dfs_zalloc(size_t size)
{
    if (dfs_alloc_hook && dfs_alloc_hook(size))
        return NULL;
    return calloc(1, size ? size : 1);
}

void *dfs_realloc(void *p, size_t size)
{
    if (dfs_alloc_hook && dfs_alloc_hook(size))
        return NULL;
    return realloc(p, size ? size : 1);
}

void *dfs_memdup(const void *p, size_t size)
{
    void *copy = dfs_alloc(size);
    if (copy && size)
        memcpy(copy, p, size);
    return copy;
}

char *dfs_strdup(const char *s)
{
    return dfs_memdup(s, strlen(s) + 1);
}

void dfs_free_ptr(void *pp)
{
    void **p = pp;
    free(*p);
    *p = NULL;
}

void dfs_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int dfs_take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}
