/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/rate.h"

#include "tests/lib/test.h"

enum { SECOND = 1000 * 1000 };

static struct s3_rates rates;

static int open_rates(void **state)
{
    (void)state;
    s3_rates_init(&rates);
    return 0;
}

static int close_rates(void **state)
{
    (void)state;
    s3_rates_fini(&rates);
    return 0;
}

static unsigned admitted(struct str user, const struct s3_limits *l, uint64_t now_us,
                         unsigned tries)
{
    unsigned n = 0;
    for (unsigned i = 0; i < tries; i++)
        n += s3_rate_admit(&rates, user, l, now_us);
    return n;
}

static void a_seconds_worth_may_come_at_once_and_then_at_the_rate(void **state)
{
    (void)state;
    const struct s3_limits l = {.requests_s = 10};
    uint64_t now = 5 * SECOND;
    assert_int_equal(admitted(STR("a"), &l, now, 50), 10);
    assert_int_equal(admitted(STR("a"), &l, now + SECOND / 10, 50), 1);
    assert_int_equal(admitted(STR("a"), &l, now + SECOND / 2, 50), 4);
    assert_int_equal(admitted(STR("a"), &l, now + 60 * (uint64_t)SECOND, 50), 10);
}

static void users_do_not_share(void **state)
{
    (void)state;
    const struct s3_limits l = {.requests_s = 3};
    assert_int_equal(admitted(STR("a"), &l, SECOND, 9), 3);
    assert_int_equal(admitted(STR("b"), &l, SECOND, 9), 3);
}

static void bytes_are_paid_for_afterwards(void **state)
{
    (void)state;
    const struct s3_limits l = {.traffic_s = 1000};
    uint64_t now = 7 * SECOND;
    assert_true(s3_rate_admit(&rates, STR("a"), &l, now));
    s3_rate_charge(&rates, STR("a"), &l, 5000, now); /* five seconds' worth */
    assert_false(s3_rate_admit(&rates, STR("a"), &l, now));
    assert_false(s3_rate_admit(&rates, STR("a"), &l, now + 3 * (uint64_t)SECOND));
    assert_true(s3_rate_admit(&rates, STR("a"), &l, now + 4 * (uint64_t)SECOND));
}

static void without_limits_nothing_is_kept(void **state)
{
    (void)state;
    const struct s3_limits none = {0};
    assert_int_equal(admitted(STR("a"), &none, SECOND, 1000), 1000);
    s3_rate_charge(&rates, STR("a"), &none, UINT64_MAX, SECOND);
    for (size_t i = 0; i < S3_RATE_USERS; i++)
        assert_int_equal(rates.users[i].user, 0);
}

static void extremes_neither_divide_by_zero_nor_wrap(void **state)
{
    (void)state;
    const struct s3_limits slow = {.requests_s = 1, .traffic_s = 1};
    assert_true(s3_rate_admit(&rates, STR("a"), &slow, SECOND));
    s3_rate_charge(&rates, STR("a"), &slow, UINT64_MAX, SECOND);
    assert_false(s3_rate_admit(&rates, STR("a"), &slow, 2 * SECOND));
    assert_true(
        s3_rate_admit(&rates, STR("a"), &slow, 3700 * (uint64_t)SECOND)); /* an hour at most */
    const struct s3_limits fast = {.requests_s = UINT64_MAX / 2, .traffic_s = UINT64_MAX / 2};
    assert_int_equal(admitted(STR("b"), &fast, SECOND, 1000), 1000);
}

static void more_busy_users_than_places_are_let_through(void **state)
{
    (void)state;
    const struct s3_limits l = {.requests_s = 1};
    for (unsigned i = 0; i < 4 * S3_RATE_USERS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "u%u", i);
        assert_true(s3_rate_admit(&rates, str_c(name), &l, SECOND));
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, open_rates, close_rates)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(a_seconds_worth_may_come_at_once_and_then_at_the_rate),
        WITH(users_do_not_share),
        WITH(bytes_are_paid_for_afterwards),
        WITH(without_limits_nothing_is_kept),
        WITH(extremes_neither_divide_by_zero_nor_wrap),
        WITH(more_busy_users_than_places_are_let_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
