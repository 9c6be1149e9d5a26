/* SPDX-License-Identifier: Apache-2.0 */
/* one_store - the store of one member, and a clock that stands still. */
#ifndef TEST_ONE_STORE_H
#define TEST_ONE_STORE_H

#include <stdio.h>

#include "storage/trunk/replica.h"
#include "storage/trunk/store_priv.h"
#include "tests/lib/still_clock.h"
#include "tests/lib/sto_open.h"

static struct {
    char *dir;
    struct sto_store *s;
    char master[STO_NAME_MAX + 1], slave[STO_NAME_MAX + 1]; /* the test's */
} here;

/* Without a name yet. */
static inline struct sto_file *file_of(const char *text)
{
    struct sto_file *f = NULL;
    assert_int_equal(sto_file_open(here.s, 0, strlen(text), STO_NATIVE, &f), 0);
    assert_int_equal(sto_file_write(f, text, strlen(text), 0), 0);
    return f;
}

/* A client's; @master as in test_sto_commit(). name: STO_NAME_MAX + 1. */
static inline int make_file(const char *text, const char *master, uint8_t flags, char *name)
{
    struct sto_file *f = file_of(text);
    const struct sto_commit c = test_sto_commit(text, strlen(text), master, flags);
    return sto_file_commit(&f, &c, name);
}

/* Of a plain file. */
static inline void path_of(const char *name, char *ret, size_t cap)
{
    (void)snprintf(ret, cap, "%s/data%s", here.dir, strchr(name, '/'));
}

/* As a record of its making brings it, with the time @made_ms if that says one. */
static inline int hear_file(const char *name, const char *text, int64_t made_ms)
{
    struct sto_replica_new new = {.file = file_of(text),
                                  .name = str_c(name),
                                  .size = strlen(text),
                                  .time_s = made_ms / 1000,
                                  .made_ms = made_ms};
    struct sto_replica_new *list[] = {&new};
    assert_int_equal(sto_replica_files(here.s, list, 1), 0);
    assert_null(new.file);
    return new.result;
}

static inline void start_again(void)
{
    sto_store_close(&here.s);
    here.s = test_sto_open(here.dir, "100001", false);
}

static inline int one_store_setup(void **state)
{
    (void)state;
    clock_begin(INT64_C(1700000000123));
    here.dir = test_tmpdir();
    here.s = test_sto_open(here.dir, "100001", false);
    return 0;
}

static inline int one_store_teardown(void **state)
{
    (void)state;
    sto_store_close(&here.s);
    test_tmpdir_free(&here.dir);
    clock_end();
    return 0;
}

#endif
