/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test - what every unit test includes: cmocka with the headers it wants, failing allocations,
 * temporary folders.
 */
#ifndef TEST_LIB_H
#define TEST_LIB_H

/* cmocka asks for these four before itself */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dfscore/base/base.h"

/* Make the n-th allocation from now fail (1: the next); 0: none. Says afterwards whether it did. */
void test_alloc_fail_nth(unsigned n);
bool test_alloc_failed(void);

/*
 * Run @call (a statement that must survive a failed allocation) again and again, failing allocation
 * 1, 2, 3 ... until it ran through untouched. Leaks in between are the address sanitizer's to find.
 */
#define TEST_EVERY_ALLOC_FAILS(call)                                                               \
    do {                                                                                           \
        for (unsigned nth_ = 1;; nth_++) {                                                         \
            ASSERT(nth_ < 100000);                                                                 \
            test_alloc_fail_nth(nth_);                                                             \
            call;                                                                                  \
            bool failed_ = test_alloc_failed();                                                    \
            test_alloc_fail_nth(0);                                                                \
            if (!failed_)                                                                          \
                break;                                                                             \
        }                                                                                          \
    } while (0)

/* What the environment asks of a test, such as how many schedules (SEEDS=5000); without a number there, @usual. */
unsigned test_number(const char *variable, unsigned usual);

/* Thousands of small files: from now on $TMPDIR is $TEST_MEMORY, or /dev/shm, and the disk is spared. */
void test_in_memory(void);
/* A new empty folder below $TMPDIR; path without a slash at the end. Free with test_tmpdir_free. */
char *test_tmpdir(void);
/* Removes the folder with everything in it, frees the path, sets it to NULL. */
void test_tmpdir_free(char **path);

#endif
