/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/arena.h"

#include "tests/lib/test.h"

static void what_is_allocated_is_zero_and_aligned(void **state)
{
    (void)state;
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 1024 * 1024);
    static const char zeros[10000];
    for (size_t n = 1; n < sizeof(zeros); n = 3 * n + 1) {
        unsigned char *p = arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_memory_equal(p, zeros, n);
        memset(p, 0xFF, n);
    }
}

static void the_ceiling_holds(void **state)
{
    (void)state;
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 10000);
    assert_null(arena_alloc(&a, 10001));
    assert_non_null(arena_alloc(&a, 5000));
    assert_null(arena_alloc(&a, 5001));
}

static void lent_bytes_are_used_first_and_left_to_their_owner(void **state)
{
    (void)state;
    _Alignas(16) unsigned char lent[256];
    for (int round = 0; round < 2; round++) {
        memset(lent, 0xFF, sizeof(lent));
        struct arena a;
        arena_init(&a, 10000);
        arena_lend(&a, lent, sizeof(lent));
        struct str s = arena_str(&a, STR("first"));
        assert_in_range((uintptr_t)s.p, (uintptr_t)lent, (uintptr_t)(lent + sizeof(lent)));
        unsigned char *more = arena_alloc(&a, 1000); /* not in there any more */
        assert_non_null(more);
        assert_int_equal(more[0] | more[999], 0);
        assert_true(str_eq(s, STR("first")));
        arena_fini(&a);
        arena_fini(&a);
        assert_non_null(arena_alloc(&a, 1)); /* of its own now */
        arena_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_allocated_is_zero_and_aligned),
        cmocka_unit_test(the_ceiling_holds),
        cmocka_unit_test(lent_bytes_are_used_first_and_left_to_their_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
