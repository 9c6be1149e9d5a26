/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from other members, and what is there already. */
#include <stdio.h>
#include <unistd.h>

#include "storage/trunk/replica.h"
#include "storage/trunk/store_priv.h"
#include "tests/lib/sto_open.h"

static struct {
    char *dir;
    struct sto_store *s;
} here;

static struct sto_file *file_of(struct str text)
{
    struct sto_file *f = NULL;
    assert_int_equal(sto_file_open(here.s, 0, text.n, STO_NATIVE, &f), 0);
    assert_int_equal(sto_file_write(f, text.p, text.n, 0), 0);
    return f;
}

static void make(struct str text, uint8_t flags, char *name)
{
    struct sto_file *f = file_of(text);
    struct sto_commit c = {.size = text.n, .ext = "bin", .desc = STR(""), .flags = flags};
    assert_int_equal(sto_file_commit(&f, &c, name), 0);
}

static void append(const char *name, struct str text)
{
    struct sto_edit *e = NULL;
    assert_int_equal(sto_edit_begin(here.s, str_c(name), STO_EDIT_APPEND, 0, text.n, &e), 0);
    assert_int_equal(sto_edit_write(e, text.p, text.n), 0);
    assert_int_equal(sto_edit_commit(&e), 0);
}

/* As a record of its making brings it. */
static void hear_made(const char *name, struct str text)
{
    struct sto_replica_new new = {
        .file = file_of(text), .name = str_c(name), .size = text.n, .time_s = 1700000000};
    struct sto_replica_new *list[] = {&new};
    assert_int_equal(sto_replica_files(here.s, list, 1), 0);
    assert_int_equal(new.result, 0);
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
    make(STR("old"), STO_APPENDER, name);
    append(name, STR(" and new"));
    hear_made(name, STR("old"));
    assert_content(name, STR("old and new"));
    /* an edit's record, which asks for the whole of it, brings a later one */
    struct sto_file *f = file_of(STR("later"));
    assert_int_equal(sto_replica_file(here.s, &f, str_c(name), 5, 1700000000), 0);
    assert_content(name, STR("later"));
    /* and it comes where there is none */
    struct str gone = str_c(name);
    int result = 0;
    assert_int_equal(sto_delete_batch(here.s, &gone, 1, &result), 0);
    hear_made(name, STR("old"));
    assert_content(name, STR("old"));
}

static void a_file_whose_name_says_what_it_is_gives_way(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1], path[4096];
    make(STR("right"), 0, name);
    (void)snprintf(path, sizeof(path), "%s/data%s", here.dir, strchr(name, '/'));
    assert_int_equal(truncate(path, 2), 0);
    hear_made(name, STR("right"));
    assert_content(name, STR("right"));
}

static int setup(void **state)
{
    (void)state;
    here.dir = test_tmpdir();
    here.s = test_sto_open(here.dir, "100001", false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sto_store_close(&here.s);
    test_tmpdir_free(&here.dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_appender_that_was_edited_meanwhile_stays, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_whose_name_says_what_it_is_gives_way, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
