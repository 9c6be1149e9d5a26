/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/base/str.h"

static unsigned countdown; /* 0: no failure planned */
static bool failed;

static bool fail_when_due(size_t size)
{
    (void)size;
    if (countdown == 0 || --countdown > 0)
        return false;
    failed = true;
    return true;
}

void test_alloc_fail_nth(unsigned n)
{
    countdown = n;
    failed = false;
    dfs_alloc_hook = n ? fail_when_due : NULL;
}

bool test_alloc_failed(void)
{
    return failed;
}

unsigned test_number(const char *variable, unsigned usual)
{
    const char *text = getenv(variable);
    uint64_t n;
    return text && str_u64(str_c(text), 1000000000, &n) == 0 ? (unsigned)n : usual;
}

char *test_tmpdir(void)
{
    const char *base = getenv("TMPDIR");
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/s3gw-test-XXXXXX", base ? base : "/tmp");
    ASSERT(n > 0 && (size_t)n < sizeof(path));
    ASSERT(mkdtemp(path));
    char *copy = dfs_strdup(path);
    ASSERT(copy);
    return copy;
}

void test_in_memory(void)
{
    const char *memory = getenv("TEST_MEMORY");
    (void)setenv("TMPDIR", memory ? memory : "/dev/shm", 1);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void test_tmpdir_free(char **path)
{
    char *p = TAKE(*path);
    if (!p)
        return;
    (void)nftw(p, remove_one, 32, FTW_DEPTH | FTW_PHYS);
    free(p);
}
