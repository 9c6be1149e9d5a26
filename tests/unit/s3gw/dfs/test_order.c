/* SPDX-License-Identifier: Apache-2.0 */
/* Whom to ask, as tables: a member is a letter for what it is. */
#include "s3gw/dfs/order.h"

#include "tests/lib/test.h"

/* S: slow, else as a; l: local and active; a: active; s: active, made the file; w: active, for
 * writing only; r: for reading only; o: out of service; O: the same, made the file; d: down; D:
 * down, made the file; x: retired. */
static struct s3_member member(char c)
{
    return (struct s3_member){
        .local = c == 'l',
        .active = strchr("laswrdDS", c) != NULL,
        .reads = c != 'w',
        .writes = c != 'r',
        .slow = c == 'S',
        .down = c == 'd' || c == 'D',
        .source = strchr("sOD", c) != NULL,
        .retired = c == 'x',
    };
}

typedef size_t order_fn(const struct s3_member *m, size_t n, unsigned turn,
                        uint8_t out[S3_GROUP_MEMBERS_MAX]);

static void expect(order_fn *fn, const char *members, unsigned turn, const char *want)
{
    struct s3_member m[S3_GROUP_MEMBERS_MAX];
    uint8_t out[S3_GROUP_MEMBERS_MAX];
    char got[S3_GROUP_MEMBERS_MAX + 1] = "";
    size_t n = strlen(members);
    for (size_t i = 0; i < n; i++)
        m[i] = member(members[i]);
    size_t found = fn(m, n, turn, out);
    for (size_t i = 0; i < found; i++)
        got[i] = (char)('0' + out[i]);
    if (strcmp(got, want) != 0)
        fail_msg("%s from %u: %s instead of %s", members, turn, got, want);
}

static size_t young(const struct s3_member *m, size_t n, unsigned turn, uint8_t *out)
{
    return s3_order_reads(m, n, true, turn, out);
}

static size_t old(const struct s3_member *m, size_t n, unsigned turn, uint8_t *out)
{
    return s3_order_reads(m, n, false, turn, out);
}

static void reads_ask_everybody_who_may_have_it(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        unsigned turn;
        const char *young, *old;
    } rows[] = {
        {"aaa", 0, "012", "012"}, {"aaa", 1, "120", "120"}, {"aaa", 5, "201", "201"},
        {"aas", 0, "201", "012"}, /* a young file: its maker first */
        {"sal", 0, "201", "201"}, /* what costs no network before that */
        {"dao", 0, "120", "120"}, /* down: last; out of service: it may have it */
        {"Daa", 0, "120", "120"}, {"wra", 0, "120", "120"}, {"xa", 0, "1", "1"},
        {"Saa", 0, "120", "120"}, {"x", 0, "", ""},         {"ooo", 1, "120", "120"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(young, rows[i].members, rows[i].turn, rows[i].young);
        expect(old, rows[i].members, rows[i].turn, rows[i].old);
    }
}

static void writes_go_only_where_the_trackers_send_writers(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        unsigned turn;
        const char *want;
    } rows[] = {
        {"aaa", 0, "012"}, {"aaa", 2, "201"}, {"ala", 0, "102"}, {"ala", 2, "120"},
        {"ado", 0, "01"},  {"rwa", 0, "12"},  {"oOd", 0, "2"},   {"dal", 0, "210"},
        {"oOx", 0, ""},    {"xal", 0, "21"},  {"Saa", 0, "120"}, {"dSa", 0, "210"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect(s3_order_writes, rows[i].members, rows[i].turn, rows[i].want);
}

static void deletions_begin_with_the_maker(void **state)
{
    (void)state;
    static const struct {
        const char *members, *want;
    } rows[] = {
        {"aas", "201"}, {"aaO", "201"}, {"aaD", "01"}, {"ado", "0"}, {"lsx", "10"}, {"ooo", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect(s3_order_deletes, rows[i].members, 0, rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_ask_everybody_who_may_have_it),
        cmocka_unit_test(writes_go_only_where_the_trackers_send_writers),
        cmocka_unit_test(deletions_begin_with_the_maker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
