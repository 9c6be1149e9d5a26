/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_script - one order of events, played on a simulated group of three (cluster_sim.h), with the ledger's list of
 * what is wrong (cluster_ledger.h).
 *
 * The script is a fiber of its own, and starts when all members are in service. What must come about is waited for with
 * UNTIL; a script that waits in vain ends there.
 */
#ifndef TEST_CLUSTER_SCRIPT_H
#define TEST_CLUSTER_SCRIPT_H

#include "tests/lib/cluster_ledger.h"
#include "tests/lib/test.h"

enum { SCRIPT_PATIENCE_US = 60000000, SCRIPT_LOOK_US = 10000 };

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (uint64_t end_ = fibers_now_us() + SCRIPT_PATIENCE_US; !(condition);                   \
             fiber_sleep(SCRIPT_LOOK_US))                                                          \
            if (fibers_now_us() > end_) {                                                          \
                WRONG("%s:%d: never %s", __func__, __LINE__, #condition);                          \
                return;                                                                            \
            }                                                                                      \
    } while (0)

/* The tests of a file whose ORDERS(X) is a list of X(order): each is played once. */
#define SCRIPT_TEST(order)                                                                         \
    static void test_##order(void **state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        script_play(order);                                                                        \
    }
#define SCRIPT_UNIT(order) cmocka_unit_test(test_##order),
#define SCRIPT_MAIN(ORDERS)                                                                        \
    ORDERS(SCRIPT_TEST)                                                                            \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {ORDERS(SCRIPT_UNIT)};                                   \
        script_begins();                                                                           \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }
/* Quiet, unless LOG is set; disks are memory. */
void script_begins(void);

/* Play it; afterwards all members must be alike. Fails the test when something was wrong. */
void script_play(void (*order)(void));

/* --- for the script --- */

/* Both ways. */
void script_part(unsigned i, unsigned j, bool cut);
/* The size of its content on member @i itself, or negative errno. */
int64_t script_size_on(unsigned i, const char *name);
bool script_on_all(const char *name, int64_t size);
bool script_in_service(unsigned mask);
/* All in service, and nobody lacks anything. */
bool script_settled(void);
/* Has @i the whole log that @of writes? */
bool script_follows(unsigned i, unsigned of);

/* A client's change at member @i: between the two its clock shows. @r < 0: it failed, which is wrong. */
unsigned script_begin(unsigned i);
void script_end(unsigned i, unsigned before, int r);
/* A new file of @size bytes, made by a client; with @master its slave of prefix "_s". name: STO_NAME_MAX + 1. */
void script_make(unsigned i, const char *master, size_t size, char *name);
void script_make_appender(unsigned i, size_t size, char *name);
/* It is a normal file from now on, under a new name. new_name: STO_NAME_MAX + 1. */
void script_regenerate(unsigned i, const char *name, char *new_name);
void script_delete(unsigned i, const char *name);

#endif
