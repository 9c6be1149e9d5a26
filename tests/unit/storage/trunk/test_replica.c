/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from other members, and what is there already. */
#include <stdio.h>
#include <unistd.h>

#include "tests/lib/one_store.h"

static void append(const char *name, struct str text)
{
    struct sto_edit *e = NULL;
    assert_int_equal(sto_edit_begin(here.s, str_c(name), STO_EDIT_APPEND, 0, text.n, &e), 0);
    assert_int_equal(sto_edit_write(e, text.p, text.n), 0);
    assert_int_equal(sto_edit_commit(&e), 0);
}

static void assert_content(const char *name, struct str text)
{
    char is[64];
    struct sto_view v;
    assert_int_equal(sto_open_read(here.s, str_c(name), &v), 0);
    assert_int_equal(v.size, text.n);
    assert_int_equal(pread(v.fd, is, text.n, (off_t)v.offset), text.n);
    assert_memory_equal(is, text.p, text.n);
    close(v.fd);
}

static void an_appender_that_was_edited_meanwhile_stays(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("old", NULL, STO_APPENDER, name), 0);
    append(name, STR(" and new"));
    assert_int_equal(hear_file(name, "old", 0), 0);
    assert_content(name, STR("old and new"));
    /* an edit's record, which asks for the whole of it, brings a later one */
    struct sto_file *f = file_of("later");
    assert_int_equal(sto_replica_file(here.s, &f, str_c(name), 5, 1700000000), 0);
    assert_content(name, STR("later"));
    /* and it comes where there is none */
    struct str gone = str_c(name);
    int result = 0;
    assert_int_equal(sto_delete_batch(here.s, &gone, 1, &result), 0);
    assert_int_equal(hear_file(name, "old", 0), 0);
    assert_content(name, STR("old"));
}

static void a_file_whose_name_says_what_it_is_gives_way(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1], path[4096];
    assert_int_equal(make_file("right", NULL, 0, name), 0);
    (void)snprintf(path, sizeof(path), "%s/data%s", here.dir, strchr(name, '/'));
    assert_int_equal(truncate(path, 2), 0);
    assert_int_equal(hear_file(name, "right", 0), 0);
    assert_content(name, STR("right"));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, one_store_setup, one_store_teardown)
    const struct CMUnitTest tests[] = {
        T(an_appender_that_was_edited_meanwhile_stays),
        T(a_file_whose_name_says_what_it_is_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
