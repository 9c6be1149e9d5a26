/* SPDX-License-Identifier: Apache-2.0 */
/* The number beside the index: kept, and not believed when it is a copy or something else. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "s3gw/lease/number.h"

struct place {
    char *folder, index[256], file[300], other[300];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    p->folder = test_tmpdir();
    (void)snprintf(p->index, sizeof(p->index), "%s/index", p->folder);
    (void)snprintf(p->file, sizeof(p->file), "%s.lease", p->index);
    (void)snprintf(p->other, sizeof(p->other), "%s.other", p->index);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    (void)unlink(p->file);
    (void)unlink(p->other);
    assert_int_equal(rmdir(p->folder), 0); /* nothing else is left */
    test_tmpdir_free(&p->folder);
    free(p);
    return 0;
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

static void it_is_kept_until_the_next_one(void **state)
{
    const struct place *p = *state;
    uint64_t got = 0;
    assert_int_equal(s3_lease_number_get(p->index, &got), -ENOENT);
    for (uint64_t n = 1; n != 0; n <<= 21) {
        assert_int_equal(s3_lease_number_put(p->index, n), 0);
        assert_int_equal(s3_lease_number_get(p->index, &got), 0);
        assert_true(got == n);
    }
    assert_true(s3_lease_number_new() != s3_lease_number_new());
}

static void a_copy_is_none(void **state)
{
    const struct place *p = *state;
    char bytes[64];
    uint64_t got = 0;
    assert_int_equal(s3_lease_number_put(p->index, 7), 0);
    int fd = open(p->file, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, bytes, sizeof(bytes));
    assert_int_equal(n, 24);
    write_file(p->other, bytes, (size_t)n); /* while the original holds its inode */
    close(fd);
    assert_int_equal(rename(p->other, p->file), 0);
    assert_int_equal(s3_lease_number_get(p->index, &got), -ENOENT);
    assert_int_equal(got, 0);
}

static void what_is_something_else_is_said_to_be_damaged(void **state)
{
    const struct place *p = *state;
    static const char *const texts[] = {"", "S3LEASE1", "S3LEASE2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2"};
    static const size_t lengths[] = {0, 8, 24};
    uint64_t got;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        write_file(p->file, texts[i], lengths[i]);
        assert_int_equal(s3_lease_number_get(p->index, &got), -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_kept_until_the_next_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_something_else_is_said_to_be_damaged, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
