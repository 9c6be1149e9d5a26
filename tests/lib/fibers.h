/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fibers - blocking code of several threads run by one, in virtual time: each fiber has a stack of its own and
 * runs until it sleeps; then time jumps to whoever is next. So what runs when is decided by the sleeps alone.
 *
 * The clocks of dfscore/base/clock.h show the virtual time while a set of fibers exists.
 * A fiber must not hold a lock that another one wants while it sleeps, and cmocka's assertions, which jump
 * away, are not for fibers.
 */
#ifndef TEST_FIBERS_H
#define TEST_FIBERS_H

#include "dfscore/base/base.h"

struct fiber;

void fibers_start(void);
/* All have ended. */
void fibers_stop(void);
uint64_t fibers_now_us(void);

/* @owner: whose it is, 0 to 7; its wall clock shows. Ends when @fn returns. */
struct fiber *fiber_begin(unsigned owner, void (*fn)(void *arg), void *arg);
/* Within a fiber. At least a microsecond. */
void fiber_sleep(uint64_t us);
/* Wakes @f, which is asleep, now. */
void fiber_wake(struct fiber *f);
struct fiber *fiber_self(void);
/* Whose wall clock shows from here on; returns whose did. */
unsigned fiber_as(unsigned owner);
/* The wall clock of @owner is that many milliseconds ahead. */
void fiber_skew(unsigned owner, int64_t ms);
/* Who sleeps as @owner, or is to begin so, does not go on until that is over; his time passes. */
void fiber_hold(unsigned owner, bool held);

/* From outside: run the fiber whose turn it is until it sleeps. False: none is left. */
bool fibers_turn(void);

#endif
