/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets, users and access keys. */
#include "tests/unit/s3gw/index/world.h"

static int get_bucket(struct world *w, struct str name, struct s3_bucket *ret)
{
    return s3_bucket_get(w->x, name, S3_READ_ANY, &w->a, ret);
}

static void a_bucket_is_created_once_and_numbers_are_not_reused(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_bucket b, again = {.name = STR("bucket"), .owner_id = STR("x"), .groups = STR("g")};
    assert_int_equal(get_bucket(&w, STR("bucket"), &b), 0);
    assert_true(str_eq(b.owner_id, STR("owner")) && str_eq(b.groups, STR("group1")) &&
                !b.versioning.p);
    assert_int_equal(run(&w, fn_bucket_create, &(struct call){.b = &again}), -EEXIST);
    assert_int_equal(run(&w, fn_bucket_delete, &(struct call){.key = STR("bucket")}), 0);
    assert_int_equal(get_bucket(&w, STR("bucket"), &b), -ENOENT);
    assert_int_equal(run(&w, fn_bucket_delete, &(struct call){.key = STR("bucket")}), -ENOENT);
    assert_int_equal(run(&w, fn_bucket_update, &(struct call){.b = &w.b}), -ENOENT);
    assert_int_equal(run(&w, fn_bucket_create, &(struct call){.b = &again}), 0);
    assert_true(again.bid > w.b.bid);
    assert_int_equal(run(&w, fn_bucket_update, &(struct call){.b = &w.b}),
                     -ENOENT); /* another of that name */
}

static void changes_are_seen_at_once_though_reads_are_cached(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    for (int i = 0; i < 5; i++) {
        struct s3_bucket b;
        assert_int_equal(get_bucket(&w, STR("bucket"), &b), 0);
        struct s3_pair_doc doc = {STR("policy"), arena_printf(&w.a, "%d", i)},
                           empty = {STR("e"), STR("")};
        struct s3_pair_doc docs[] = {doc, empty};
        w.b.docs = docs;
        w.b.ndocs = 2;
        assert_int_equal(run(&w, fn_bucket_update, &(struct call){.b = &w.b}), 0);
        assert_int_equal(s3_bucket_get(w.x, STR("bucket"), S3_READ_CACHED, &w.a, &b), 0);
        assert_int_equal(b.ndocs, 2);
        assert_true(str_eq(b.docs[0].value, doc.value) && b.docs[1].value.p &&
                    b.docs[1].value.n == 0);
    }
}

static void a_bucket_with_anything_in_it_stays(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct call del = {.key = STR("bucket")};
    put_object(&w, STR("k"), STR("f"));
    assert_int_equal(run(&w, fn_bucket_delete, &del), -ENOTEMPTY);
    set_versioning(&w, STR("Enabled"));
    struct call marker = {.key = STR("k")};
    assert_int_equal(run(&w, fn_delete, &marker), 0);
    assert_int_equal(run(&w, fn_bucket_delete, &del), -ENOTEMPTY);
    assert_int_equal(
        run(&w, fn_delete_version, &(struct call){.key = STR("k"), .version = {true, 0}}), 0);
    assert_int_equal(run(&w, fn_bucket_delete, &del), -ENOTEMPTY); /* the marker */
    struct call last = {.key = STR("k"), .version = {false, marker.deleted.seq}};
    assert_int_equal(run(&w, fn_delete_version, &last), 0);
    assert_int_equal(run(&w, fn_bucket_delete, &del), 0);
    assert_int_equal(count_rows(&w, "b") + count_rows(&w, "B"), 0);
}

static void bucket_lists_are_a_table(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    static const char *const names[] = {"aa", "ab", "b", "ba"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct s3_bucket b = {.name = str_c(names[i]),
                              .owner_id = i % 2 ? STR("odd") : STR("even"),
                              .groups = STR("g")};
        assert_int_equal(run(&w, fn_bucket_create, &(struct call){.b = &b}), 0);
    }
    static const struct {
        struct str owner, prefix, after;
        size_t max;
        const char *expect;
        bool more;
    } rows[] = {
        {{NULL, 0}, {NULL, 0}, {NULL, 0}, 10, "aa ab b ba bucket ", false},
        {{NULL, 0}, {NULL, 0}, {NULL, 0}, 5, "aa ab b ba bucket ", false},
        {{NULL, 0}, {NULL, 0}, {NULL, 0}, 4, "aa ab b ba ", true},
        {STR_INIT("odd"), {NULL, 0}, {NULL, 0}, 10, "ab ba ", false},
        {STR_INIT("odd"), {NULL, 0}, {NULL, 0}, 1, "ab ", true},
        {STR_INIT("even"), {NULL, 0}, {NULL, 0}, 2, "aa b ", false},
        {{NULL, 0}, STR_INIT("a"), {NULL, 0}, 10, "aa ab ", false},
        {{NULL, 0}, STR_INIT("a"), STR_INIT("aa"), 10, "ab ", false},
        {{NULL, 0}, {NULL, 0}, STR_INIT("b"), 10, "ba bucket ", false},
        {{NULL, 0}, STR_INIT("b"), STR_INIT("a"), 10, "b ba bucket ", false},
        {{NULL, 0}, STR_INIT("a"), STR_INIT("b"), 10, "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_bucket *b;
        size_t n;
        bool more;
        assert_int_equal(s3_bucket_list(w.x, rows[i].owner, rows[i].prefix, rows[i].after,
                                        rows[i].max, &w.a, &b, &n, &more),
                         0);
        AUTO(buf_free) struct buf got = BUF(1024);
        for (size_t k = 0; k < n; k++)
            buf_addf(&got, STR_F " ", STR_A(b[k].name));
        assert_true(str_eq(buf_str(&got), str_c(rows[i].expect)));
        assert_int_equal(more, rows[i].more);
    }
}

/* --- users and keys --- */

struct user_call {
    struct s3_user u;
    struct s3_access_key k;
    bool must_be_new;
};

static int fn_user_put(struct s3_tx *tx, void *arg)
{
    struct user_call *c = arg;
    return s3_user_put(tx, &c->u, c->must_be_new);
}

static int fn_user_delete(struct s3_tx *tx, void *arg)
{
    struct user_call *c = arg;
    return s3_user_delete(tx, c->u.id);
}

static int fn_key_put(struct s3_tx *tx, void *arg)
{
    struct user_call *c = arg;
    return s3_key_put(tx, &c->k);
}

static int fn_key_delete(struct s3_tx *tx, void *arg)
{
    struct user_call *c = arg;
    return s3_key_delete(tx, c->k.access_key);
}

static struct user_call someone(void)
{
    return (struct user_call){.u = {.id = STR("00112233445566778899aabbccddeeff"),
                                    .display_name = STR("Some One"),
                                    .email = STR("S@x.org"),
                                    .created_ms = 7},
                              .k = {.access_key = STR("AKIA"),
                                    .secret = STR("secret"),
                                    .user_id = STR("00112233445566778899aabbccddeeff")},
                              .must_be_new = true};
}

static void users_and_keys_come_and_go(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct user_call c = someone();
    struct s3_user u, *all;
    struct s3_access_key k, *keys;
    size_t n;
    assert_int_equal(s3_index_update(w.x, fn_user_put, &c), 0);
    assert_int_equal(s3_index_update(w.x, fn_user_put, &c), -EEXIST);
    assert_int_equal(s3_user_get(w.x, c.u.id, S3_READ_ANY, &w.a, &u), 0);
    assert_true(str_eq(u.id, c.u.id) && str_eq(u.display_name, c.u.display_name) &&
                u.created_ms == 7);
    assert_int_equal(s3_user_by_email(w.x, STR("s@X.ORG"), &w.a, &u), 0);
    assert_int_equal(s3_user_by_email(w.x, STR("other"), &w.a, &u), -ENOENT);
    assert_int_equal(s3_key_get(w.x, STR("AKIA"), S3_READ_ANY, &w.a, &k, &u), -ENOENT);
    assert_int_equal(s3_index_update(w.x, fn_key_put, &c), 0);
    assert_int_equal(s3_index_update(w.x, fn_key_put, &c), -EEXIST);
    for (int i = 0; i < 2; i++) { /* read, then cached */
        assert_int_equal(s3_key_get(w.x, STR("AKIA"), S3_READ_CACHED, &w.a, &k, &u), 0);
        assert_true(str_eq(k.secret, STR("secret")) && str_eq(u.id, c.u.id) && !u.disabled);
    }
    c.u.disabled = true;
    c.must_be_new = false;
    assert_int_equal(s3_index_update(w.x, fn_user_put, &c), 0);
    assert_int_equal(s3_key_get(w.x, STR("AKIA"), S3_READ_CACHED, &w.a, &k, &u), 0);
    assert_true(u.disabled);
    assert_int_equal(s3_user_list(w.x, &w.a, &all, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(s3_key_list(w.x, c.u.id, &w.a, &keys, &n), 0);
    assert_int_equal(n, 1);
    assert_true(str_eq(keys[0].access_key, STR("AKIA")));
    assert_int_equal(s3_index_update(w.x, fn_key_delete, &c), 0);
    assert_int_equal(s3_index_update(w.x, fn_key_delete, &c), -ENOENT);
    assert_int_equal(s3_key_get(w.x, STR("AKIA"), S3_READ_CACHED, &w.a, &k, &u), -ENOENT);
}

static void a_user_goes_with_its_keys_but_not_with_buckets(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct user_call c = someone(), other = someone();
    other.u.id = other.k.user_id = STR("owner");
    other.k.access_key = STR("OTHER");
    for (int i = 0; i < 2; i++) {
        struct user_call *one = i ? &other : &c;
        assert_int_equal(s3_index_update(w.x, fn_user_put, one), 0);
        assert_int_equal(s3_index_update(w.x, fn_key_put, one), 0);
    }
    assert_int_equal(s3_index_update(w.x, fn_user_delete, &other), -ENOTEMPTY); /* owns "bucket" */
    assert_int_equal(s3_index_update(w.x, fn_user_delete, &c), 0);
    assert_int_equal(s3_index_update(w.x, fn_user_delete, &c), -ENOENT);
    struct s3_user u;
    struct s3_access_key k;
    assert_int_equal(s3_key_get(w.x, STR("AKIA"), S3_READ_ANY, &w.a, &k, &u), -ENOENT);
    assert_int_equal(s3_key_get(w.x, STR("OTHER"), S3_READ_ANY, &w.a, &k, &u), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_is_created_once_and_numbers_are_not_reused),
        cmocka_unit_test(changes_are_seen_at_once_though_reads_are_cached),
        cmocka_unit_test(a_bucket_with_anything_in_it_stays),
        cmocka_unit_test(bucket_lists_are_a_table),
        cmocka_unit_test(users_and_keys_come_and_go),
        cmocka_unit_test(a_user_goes_with_its_keys_but_not_with_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
