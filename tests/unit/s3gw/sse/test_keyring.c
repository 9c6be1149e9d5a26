/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/sse/keyring.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/test.h"

struct ring {
    char *tmp;
    char path[512];
    struct s3_keyring *k;
};

static const uint8_t dek[S3_DEK_BYTES] = "data key";

static int begin(void **state)
{
    static struct ring r;
    r.tmp = test_tmpdir();
    snprintf(r.path, sizeof(r.path), "%s/key-ring", r.tmp);
    *state = &r;
    return s3_keyring_open(r.path, &r.k);
}

static int end(void **state)
{
    struct ring *r = *state;
    s3_keyring_free(&r->k);
    test_tmpdir_free(&r->tmp);
    return 0;
}

static void again(struct ring *r)
{
    s3_keyring_free(&r->k);
    assert_int_equal(s3_keyring_open(r->path, &r->k), 0);
}

static int wrap(struct ring *r, const char *name, struct buf *out)
{
    struct s3_kms *kms = s3_keyring_kms(r->k);
    buf_reset(out);
    return kms->wrap(kms, str_c(name), STR("aad"), dek, true, out);
}

static int unwrap(struct ring *r, const char *name, const struct buf *wrapped)
{
    struct s3_kms *kms = s3_keyring_kms(r->k);
    uint8_t got[S3_DEK_BYTES] = "";
    int e = kms->unwrap(kms, str_c(name), STR("aad"), buf_str(wrapped), true, got);
    if (e == 0)
        assert_memory_equal(got, dek, sizeof(dek));
    return e;
}

static void a_new_ring_has_two_keys_in_a_file_of_its_owner(void **state)
{
    struct ring *r = *state;
    struct stat st;
    AUTO(buf_free) struct buf w = BUF(256);
    assert_int_equal(stat(r->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(wrap(r, S3_KEY_OF_SSE_S3, &w), 0);
    assert_int_equal(unwrap(r, S3_KEY_OF_SSE_S3, &w), 0);
    assert_int_equal(unwrap(r, S3_KEY_OF_KMS, &w), -EKEYREJECTED);
    assert_int_equal(wrap(r, "nobody", &w), -ENOKEY);
    again(r);
    assert_int_equal(wrap(r, S3_KEY_OF_KMS, &w), 0);
}

static void old_generations_go_on_opening(void **state)
{
    struct ring *r = *state;
    AUTO(buf_free) struct buf before = BUF(256);
    AUTO(buf_free) struct buf after = BUF(256);
    assert_int_equal(s3_keyring_create(r->k, STR("mine"), 5), 0);
    assert_int_equal(s3_keyring_create(r->k, STR("mine"), 5), -EEXIST);
    assert_int_equal(wrap(r, "mine", &before), 0);
    assert_int_equal(s3_keyring_rotate(r->k, STR("mine")), 0);
    assert_int_equal(s3_keyring_rotate(r->k, STR("none")), -ENOKEY);
    assert_int_equal(wrap(r, "mine", &after), 0);
    assert_int_equal(before.p[3], 1);
    assert_int_equal(after.p[3], 2);
    again(r);
    assert_int_equal(unwrap(r, "mine", &before), 0);
    assert_int_equal(unwrap(r, "mine", &after), 0);
    after.p[3] = 3;
    assert_int_equal(unwrap(r, "mine", &after), -ENOKEY);
    after.p[3] = 0;
    assert_int_equal(unwrap(r, "mine", &after), -EBADMSG);
}

static void a_disabled_key_does_nothing_until_it_is_enabled(void **state)
{
    struct ring *r = *state;
    AUTO(buf_free) struct buf w = BUF(256);
    AUTO(buf_free) struct buf other = BUF(256);
    AUTO(arena_fini) struct arena a;
    struct s3_key_state *states;
    size_t n;
    arena_init(&a, 1 << 20);
    assert_int_equal(s3_keyring_create(r->k, STR("team/a_1.b-2"), 5), 0);
    assert_int_equal(wrap(r, "team/a_1.b-2", &w), 0);
    assert_int_equal(s3_keyring_disable(r->k, STR("team/a_1.b-2"), true), 0);
    again(r);
    assert_int_equal(wrap(r, "team/a_1.b-2", &other), -EKEYREVOKED);
    assert_int_equal(unwrap(r, "team/a_1.b-2", &w), -EKEYREVOKED);
    assert_int_equal(s3_keyring_list(r->k, &a, &states, &n), 0);
    assert_int_equal(n, 3);
    assert_true(str_eq(states[2].name, STR("team/a_1.b-2")) && states[2].disabled);
    assert_int_equal(states[2].created_ms, 5);
    assert_int_equal(states[2].generations, 1);
    assert_int_equal(s3_keyring_disable(r->k, STR("team/a_1.b-2"), false), 0);
    assert_int_equal(unwrap(r, "team/a_1.b-2", &w), 0);
    assert_int_equal(s3_keyring_disable(r->k, STR("none"), true), -ENOKEY);
}

static void names_are_checked(void **state)
{
    struct ring *r = *state;
    char name[S3_SSE_NAME_MAX + 2];
    memset(name, 'a', sizeof(name));
    assert_int_equal(s3_keyring_create(r->k, str_of(name, S3_SSE_NAME_MAX), 0), 0);
    assert_int_equal(s3_keyring_create(r->k, str_of(name, S3_SSE_NAME_MAX + 1), 0), -EINVAL);
    static const char *const bad[] = {"", "a b", "a=b", "a:b", "\xc3\xa4"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(s3_keyring_create(r->k, str_c(bad[i]), 0), -EINVAL);
}

static void a_change_that_cannot_be_written_did_not_happen(void **state)
{
    struct ring *r = *state;
    AUTO(buf_free) struct buf w = BUF(256);
    char blocked[600];
    snprintf(blocked, sizeof(blocked), "%s.new", r->path);
    assert_int_equal(mkdir(blocked, 0700), 0); /* where the new file would be written */
    assert_true(s3_keyring_create(r->k, STR("mine"), 0) < 0);
    assert_true(s3_keyring_rotate(r->k, STR(S3_KEY_OF_KMS)) < 0);
    assert_true(s3_keyring_disable(r->k, STR(S3_KEY_OF_KMS), true) < 0);
    assert_int_equal(wrap(r, "mine", &w), -ENOKEY);
    assert_int_equal(wrap(r, S3_KEY_OF_KMS, &w), 0);
    assert_int_equal(w.p[3], 1);
    assert_int_equal(rmdir(blocked), 0);
}

static void write_ring(struct ring *r, const char *text)
{
    FILE *f = fopen(r->path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void damaged_and_open_files_are_refused(void **state)
{
    struct ring *r = *state;
    struct s3_keyring *k = NULL;
    assert_int_equal(chmod(r->path, 0640), 0);
    assert_int_equal(s3_keyring_open(r->path, &k), -EPERM);
    assert_int_equal(chmod(r->path, 0600), 0);
#define K "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""
#define KEY(name, gens)                                                                            \
    "{\"name\":\"" name "\",\"created_ms\":0,\"disabled\":false,\"generations\":[" gens "]}"
    static const char *const bad[] = {
        "",
        "[]",
        "{\"version\":2,\"keys\":[]}",
        "{\"version\":1,\"keys\":[]}",
        "{\"version\":1,\"keys\":[" KEY("sse-s3", K) "]}",
        "{\"version\":1,\"keys\":[" KEY("sse-s3", "") "," KEY("aws/s3", K) "]}",
        "{\"version\":1,\"keys\":[" KEY("sse-s3", "\"AAAA\"") "," KEY("aws/s3", K) "]}",
        "{\"version\":1,\"keys\":[" KEY("sse-s3", "7") "," KEY("aws/s3", K) "]}",
        "{\"version\":1,\"keys\":[" KEY("sse-s3", K) "," KEY("sse-s3", K) "," KEY("aws/s3", K) "]}",
        "{\"version\":1,\"keys\":[" KEY("a b", K) "]}",
        "{\"version\":1,\"keys\":[7]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        write_ring(r, bad[i]);
        assert_int_equal(s3_keyring_open(r->path, &k), -EBADMSG);
    }
    write_ring(r, "{\"version\":1,\"keys\":[" KEY("sse-s3", K "," K) "," KEY("aws/s3", K) "]}");
    again(r);
}

static void the_environment_is_a_ring_that_stands_still(void **state)
{
    (void)state;
#define B "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    struct s3_keyring *k = NULL;
    static const struct {
        const char *text;
        int result;
    } rows[] = {
        {"sse-s3=" B " aws/s3=" B, 0},
        {"  sse-s3=" B "," B "  aws/s3=" B " mine=" B " ", 0},
        {"sse-s3=" B, -ENOKEY},
        {"", -ENOKEY},
        {"sse-s3 aws/s3=" B, -EINVAL},
        {"sse-s3= aws/s3=" B, -EINVAL},
        {"sse-s3=AAAA aws/s3=" B, -EINVAL},
        {"sse-s3=" B ", aws/s3=" B, -EINVAL},
        {"sse-s3=" B " sse-s3=" B " aws/s3=" B, -EINVAL},
        {"a:b=" B, -EINVAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(s3_keyring_parse(str_c(rows[i].text), &k), rows[i].result);
        if (rows[i].result == 0) {
            assert_int_equal(s3_keyring_create(k, STR("x"), 0), -EROFS);
            assert_int_equal(s3_keyring_rotate(k, STR("sse-s3")), -EROFS);
            assert_int_equal(s3_keyring_disable(k, STR("sse-s3"), true), -EROFS);
        }
        s3_keyring_free(&k);
    }
}

static void no_memory_is_an_error(void **state)
{
    struct ring *r = *state;
    TEST_EVERY_ALLOC_FAILS({
        struct s3_keyring *k = NULL;
        int e = s3_keyring_open(r->path, &k);
        assert_true(e == 0 || e == -ENOMEM);
        s3_keyring_free(&k);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_ring_has_two_keys_in_a_file_of_its_owner, begin, end),
        cmocka_unit_test_setup_teardown(old_generations_go_on_opening, begin, end),
        cmocka_unit_test_setup_teardown(a_disabled_key_does_nothing_until_it_is_enabled, begin,
                                        end),
        cmocka_unit_test_setup_teardown(names_are_checked, begin, end),
        cmocka_unit_test_setup_teardown(a_change_that_cannot_be_written_did_not_happen, begin, end),
        cmocka_unit_test_setup_teardown(damaged_and_open_files_are_refused, begin, end),
        cmocka_unit_test(the_environment_is_a_ring_that_stands_still),
        cmocka_unit_test_setup_teardown(no_memory_is_an_error, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
