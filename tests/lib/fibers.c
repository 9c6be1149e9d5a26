/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fibers.h"

#include <ucontext.h>

#include "dfscore/base/clock.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

enum { FIBERS = 128, OWNERS = 8, STACK = 512 * 1024 };

static const int64_t epoch_ms = INT64_C(1767225600000); /* 2026-01-01 */

struct fiber {
    bool used;
    unsigned owner, asleep_as; /* whose clock shows when it wakes */
    uint64_t due_us, serial;   /* who went to sleep first is woken first */
    void (*fn)(void *arg);
    void *arg;
    char *stack; /* kept for the next fiber of this place */
    ucontext_t context;
    void *sanitizer; /* the sanitizer's idea of the stack while it is not running */
};

static struct {
    uint64_t now_us, serial;
    struct fiber list[FIBERS];
    struct fiber *running;
    unsigned owner;
    int64_t skew_ms[OWNERS];
    bool held[OWNERS];
    ucontext_t outside;
    void *outside_sanitizer;
    const void *outside_stack;
    size_t outside_size;
} g;

static int64_t now_ms(void)
{
    return epoch_ms + (int64_t)(g.now_us / 1000) + g.skew_ms[g.owner];
}

static uint64_t mono_us(void)
{
    return g.now_us + 1000000;
}

static const struct dfs_clock_hook clocks = {now_ms, mono_us};

void fibers_start(void)
{
    for (unsigned i = 0; i < FIBERS; i++) /* a test that failed leaves some behind */
        g.list[i].used = false;
    g.now_us = g.serial = 0;
    g.owner = 0;
    memset(g.skew_ms, 0, sizeof(g.skew_ms));
    memset(g.held, 0, sizeof(g.held));
    dfs_clock_hook = &clocks;
}

void fibers_stop(void)
{
    for (unsigned i = 0; i < FIBERS; i++)
        ASSERT(!g.list[i].used);
    dfs_clock_hook = NULL;
}

uint64_t fibers_now_us(void)
{
    return g.now_us;
}

/* --- switching ---------------------------------------------------------------------------------------- */

static void enter(struct fiber *f)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&g.outside_sanitizer, f->stack, STACK);
#endif
#ifdef __SANITIZE_THREAD__
    g.outside_sanitizer = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(f->sanitizer, 0);
#endif
    ASSERT(swapcontext(&g.outside, &f->context) == 0);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(g.outside_sanitizer, NULL, NULL);
#endif
}

static void leave(struct fiber *f)
{
#ifdef __SANITIZE_ADDRESS__ /* a fiber that has ended leaves nothing behind */
    __sanitizer_start_switch_fiber(f->used ? &f->sanitizer : NULL, g.outside_stack, g.outside_size);
#endif
#ifdef __SANITIZE_THREAD__
    __tsan_switch_to_fiber(g.outside_sanitizer, 0);
#endif
    ASSERT(swapcontext(&f->context, &g.outside) == 0);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(f->sanitizer, &g.outside_stack, &g.outside_size);
#endif
}

static void begin(void)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(NULL, &g.outside_stack, &g.outside_size);
#endif
    struct fiber *f = g.running;
    f->fn(f->arg);
    f->used = false;
    leave(f);
    abort();
}

struct fiber *fiber_begin(unsigned owner, void (*fn)(void *arg), void *arg)
{
    unsigned i = 0;
    while (i < FIBERS && g.list[i].used)
        i++;
    ASSERT(i < FIBERS && owner < OWNERS);
    struct fiber *f = &g.list[i];
    char *stack = f->stack ? f->stack : malloc(STACK);
    ASSERT(stack);
    *f = (struct fiber){.used = true,
                        .owner = owner,
                        .asleep_as = owner,
                        .due_us = g.now_us,
                        .serial = ++g.serial,
                        .fn = fn,
                        .arg = arg,
                        .stack = stack};
    ASSERT(getcontext(&f->context) == 0);
    f->context.uc_stack.ss_sp = stack;
    f->context.uc_stack.ss_size = STACK;
    makecontext(&f->context, begin, 0);
#ifdef __SANITIZE_THREAD__
    f->sanitizer = __tsan_create_fiber(0);
#endif
    return f;
}

bool fibers_turn(void)
{
    struct fiber *next = NULL;
    for (unsigned i = 0; i < FIBERS; i++) {
        struct fiber *f = &g.list[i];
        if (f->used && !g.held[f->asleep_as] &&
            (!next || f->due_us < next->due_us ||
             (f->due_us == next->due_us && f->serial < next->serial)))
            next = f;
    }
    if (!next)
        return false;
    g.now_us = MAX(g.now_us, next->due_us);
    g.running = next;
    g.owner = next->asleep_as;
    enter(next);
    g.running = NULL;
#ifdef __SANITIZE_THREAD__
    if (!next->used)
        __tsan_destroy_fiber(next->sanitizer);
#endif
    return true;
}

void fiber_sleep(uint64_t us)
{
    struct fiber *f = g.running;
    ASSERT(f);
    f->asleep_as = g.owner;
    f->due_us = g.now_us + MAX(us, UINT64_C(1));
    f->serial = ++g.serial;
    leave(f);
}

void fiber_wake(struct fiber *f)
{
    f->due_us = MIN(f->due_us, g.now_us);
}

struct fiber *fiber_self(void)
{
    return g.running;
}

unsigned fiber_as(unsigned owner)
{
    unsigned before = g.owner;
    g.owner = owner;
    return before;
}

void fiber_hold(unsigned owner, bool held)
{
    g.held[owner] = held;
}

void fiber_skew(unsigned owner, int64_t ms)
{
    g.skew_ms[owner] = ms;
}
