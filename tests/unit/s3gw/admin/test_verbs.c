/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "s3gw/admin/verbs.h"
#include "s3gw/index/bucket.h"
#include "s3gw/lifecycle/rebalance.h"
#include "s3gw/sse/gcm.h"
#include "s3gw/sse/keyring.h"
#include "tests/lib/fake_dfs.h"

static struct s3_gw gw;
static struct s3_admin_context context = {.gw = &gw};

static int open_index(void **state)
{
    (void)state;
    gw = (struct s3_gw){.region = STR_INIT("us-east-1")};
    return s3_index_open_mem(&gw.index);
}

static int close_index(void **state)
{
    (void)state;
    s3_index_close(&gw.index);
    return 0;
}

/* The answer to a request written as JSON with ' for ". */
static json_t *ask(const char *request)
{
    AUTO(dfs_free_ptr) char *text = dfs_strdup(request);
    for (char *p = text; *p; p++) {
        if (*p == '\'')
            *p = '"';
    }
    json_t *j = json_loads(text, 0, NULL);
    assert_non_null(j);
    json_t *answer = s3_admin_run(&context, j);
    json_decref(j);
    assert_non_null(answer);
    return answer;
}

static void expect_ok(const char *request)
{
    json_t *answer = ask(request);
    if (!json_is_true(json_object_get(answer, "ok")))
        fail_msg("%s: %s", request, json_string_value(json_object_get(answer, "error")));
    json_decref(answer);
}

static void expect_code(const char *request, const char *code, const char *says)
{
    json_t *answer = ask(request);
    const char *got = json_string_value(json_object_get(answer, "code"));
    const char *error = json_string_value(json_object_get(answer, "error"));
    if (!got || strcmp(got, code) != 0 || !strstr(error, says))
        fail_msg("%s: code %s, error %s", request, got ? got : "none", error ? error : "none");
    json_decref(answer);
}

static void a_user_comes_with_a_key_and_its_secret_is_shown_once(void **state)
{
    (void)state;
    json_t *made = ask("{'verb':'user create','id':'ann','display_name':'Ann','email':'ann@x'}");
    const json_t *key = json_array_get(json_object_get(json_object_get(made, "user"), "keys"), 0);
    assert_int_equal(json_string_length(json_object_get(key, "access_key")), 20);
    assert_int_equal(json_string_length(json_object_get(key, "secret_key")), 40);
    json_decref(made);
    json_t *list = ask("{'verb':'key list','user':'ann'}");
    const json_t *first = json_array_get(json_object_get(list, "keys"), 0);
    assert_non_null(json_object_get(first, "access_key"));
    assert_null(json_object_get(first, "secret_key"));
    json_decref(list);
}

static void a_failure_too_long_to_tell_is_still_one(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf request = BUF(4096);
    buf_adds(&request, STR("{'verb':'"));
    for (unsigned i = 0; i < 600; i++)
        buf_adds(&request, STR("\xC3\xA9")); /* two bytes: the text is cut in the middle of one */
    buf_adds(&request, STR("'}"));
    buf_add(&request, "", 1);
    expect_code(request.p, "usage", "unknown verb");
}

static void duplicates_are_told_apart(void **state)
{
    (void)state;
    expect_ok("{'verb':'user "
              "create','id':'a','email':'a@x','access_key':'AKEY','secret_key':'long-secret'}");
    expect_code("{'verb':'user create','id':'a'}", "exists", "user 'a'");
    expect_code("{'verb':'user create','id':'b','email':'a@x'}", "exists", "a@x");
    expect_code("{'verb':'user create','id':'b','access_key':'AKEY','secret_key':'long-secret'}",
                "exists", "AKEY");
    expect_code("{'verb':'user show','id':'b'}", "missing", "'b'");
    expect_ok("{'verb':'user create','id':'b'}");
    expect_code("{'verb':'key create','user':'b','access_key':'AKEY','secret_key':'long-secret'}",
                "exists", "AKEY");
}

static void unfit_arguments_are_named(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{'verb':'user create'}", "id is missing"},
        {"{'verb':'user create','id':''}", "id is missing"},
        {"{'verb':'user create','id':7}", "id is missing"},
        {"{'verb':'user create','id':'a\\nb'}", "control"},
        {"{'verb':'user create','id':'a b'}", "id must be without blanks"},
        {"{'verb':'user create','id':'a\\u0085b'}", "id must be without blanks"},
        {"{'verb':'user create','id':'a','access_key':'ABC'}", "together"},
        {"{'verb':'user create','id':'a','access_key':'AB','secret_key':'long-secret'}",
         "access_key must be"},
        {"{'verb':'user create','id':'a','access_key':'A/BC','secret_key':'long-secret'}",
         "access_key must be"},
        {"{'verb':'user create','id':'a','access_key':'ABC','secret_key':'short'}",
         "secret_key must be"},
        {"{'verb':'key delete'}", "access_key is missing"},
        {"{'verb':'nonsense'}", "unknown verb 'nonsense'"},
        {"{}", "unknown verb"},
        {"[]", "unknown verb"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_code(rows[i][0], "usage", rows[i][1]);
}

static int put_root(struct s3_tx *tx, void *arg)
{
    (void)arg;
    int r = s3_user_put(
        tx, &(struct s3_user){.id = STR("root"), .display_name = STR("root"), .root = true}, true);
    return r < 0 ? r
                 : s3_key_put(tx, &(struct s3_access_key){.access_key = STR("ROOTKEY"),
                                                          .secret = STR("root-secret"),
                                                          .user_id = STR("root")});
}

static int put_blank(struct s3_tx *tx, void *arg)
{
    (void)arg;
    return s3_user_put(tx, &(struct s3_user){.id = STR("a b"), .display_name = STR("a b")}, true);
}

static void a_user_of_an_earlier_build_with_a_blank_stays(void **state)
{
    (void)state;
    assert_int_equal(s3_index_update(gw.index, put_blank, NULL), 0);
    s3_users_changed(gw.index);
    expect_ok("{'verb':'user show','id':'a b'}");
    expect_ok("{'verb':'key create','user':'a b'}");
    expect_ok("{'verb':'user disable','id':'a b'}");
    expect_ok("{'verb':'user delete','id':'a b'}");
}

static void root_cannot_be_touched(void **state)
{
    (void)state;
    assert_int_equal(s3_index_update(gw.index, put_root, NULL), 0);
    s3_users_changed(gw.index);
    expect_code("{'verb':'user disable','id':'root'}", "refused", "root");
    expect_code("{'verb':'user delete','id':'root'}", "refused", "root");
    expect_code("{'verb':'key create','user':'root'}", "refused", "root");
    expect_code("{'verb':'key delete','access_key':'ROOTKEY'}", "refused", "root");
}

static void disabling_enabling_deleting(void **state)
{
    (void)state;
    expect_ok("{'verb':'user create','id':'a'}");
    expect_ok("{'verb':'user disable','id':'a'}");
    json_t *shown = ask("{'verb':'user show','id':'a'}");
    assert_true(json_is_true(json_object_get(json_object_get(shown, "user"), "disabled")));
    json_decref(shown);
    expect_ok("{'verb':'user enable','id':'a'}");
    expect_ok("{'verb':'user delete','id':'a'}");
    expect_code("{'verb':'user delete','id':'a'}", "missing", "'a'");
}

static void a_key_belongs_to_the_user_who_is_named(void **state)
{
    (void)state;
    expect_ok("{'verb':'user create','id':'a','access_key':'AKEY','secret_key':'long-secret'}");
    expect_ok("{'verb':'user create','id':'b'}");
    expect_code("{'verb':'key delete','user':'b','access_key':'AKEY'}", "missing", "AKEY");
    expect_ok("{'verb':'key delete','user':'a','access_key':'AKEY'}");
}

static int make_bucket(struct s3_tx *tx, void *arg)
{
    AUTO(arena_fini) struct arena a = {0};
    arena_init(&a, 1 << 20);
    struct s3_bucket existing;
    struct s3_bucket b = {
        .name = *(struct str *)arg, .owner_id = STR("a"), .groups = STR("group1")};
    b.bid = s3_tx_seq(tx);
    return s3_bucket_create(tx, &b, &a, &existing);
}

static void users_with_buckets_stay_and_all_pages_are_listed(void **state)
{
    (void)state;
    expect_ok("{'verb':'user create','id':'a'}");
    for (unsigned i = 0; i < 1203; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "bucket-%04u", i);
        struct str s = str_c(name);
        assert_int_equal(s3_index_update(gw.index, make_bucket, &s), 0);
    }
    expect_code("{'verb':'user delete','id':'a'}", "not_empty", "'a'");
    json_t *list = ask("{'verb':'bucket list','owner':'a'}");
    assert_int_equal(json_array_size(json_object_get(list, "buckets")), 1203);
    json_decref(list);
    list = ask("{'verb':'bucket list','owner':'other'}");
    assert_int_equal(json_array_size(json_object_get(list, "buckets")), 0);
    json_decref(list);
    json_t *status = ask("{'verb':'status'}");
    assert_int_equal(json_integer_value(json_object_get(status, "buckets")), 1203);
    assert_string_equal(json_string_value(json_object_get(status, "durability")), "sync");
    assert_string_equal(json_string_value(json_object_get(status, "aes_gcm")),
                        s3_gcm_name(s3_gcm_best()));
    json_decref(status);
    expect_ok("{'verb':'bucket show','name':'bucket-0007'}");
    expect_code("{'verb':'bucket show','name':'nope'}", "missing", "nope");
}

static void kms_keys_are_made_rotated_and_disabled(void **state)
{
    (void)state;
    char *tmp = test_tmpdir();
    AUTO(buf_free) struct buf path = BUF(4096);
    buf_addf(&path, "%s/ring%c", tmp, 0);
    expect_code("{'verb':'kms key list'}", "refused", "no key ring");
    expect_code("{'verb':'kms key create','name':'mine'}", "refused", "no key ring");
    assert_int_equal(s3_keyring_open(path.p, &gw.keyring), 0);
    expect_ok("{'verb':'kms key create','name':'mine'}");
    expect_code("{'verb':'kms key create','name':'mine'}", "exists", "'mine'");
    expect_code("{'verb':'kms key create','name':'a b'}", "usage", "A-Z");
    expect_code("{'verb':'kms key create'}", "usage", "name");
    expect_ok("{'verb':'kms key rotate','name':'mine'}");
    expect_code("{'verb':'kms key rotate','name':'none'}", "missing", "'none'");
    expect_ok("{'verb':'kms key disable','name':'mine'}");
    json_t *list = ask("{'verb':'kms key list'}");
    const json_t *keys = json_object_get(list, "kms_keys"), *mine = json_array_get(keys, 2);
    assert_int_equal(json_array_size(keys), 3);
    assert_string_equal(json_string_value(json_object_get(mine, "name")), "mine");
    assert_int_equal(json_integer_value(json_object_get(mine, "generations")), 2);
    assert_true(json_is_true(json_object_get(mine, "disabled")));
    json_decref(list);
    expect_ok("{'verb':'kms key enable','name':'mine'}");
    s3_keyring_free(&gw.keyring);
    test_tmpdir_free(&tmp);
}

static void adoption_says_what_it_needs(void **state)
{
    (void)state;
    struct str name = STR("bucket-0001");
    assert_int_equal(s3_index_update(gw.index, make_bucket, &name), 0);
    expect_code("{'verb':'adopt','bucket':'bucket-0001'}", "usage", "group is missing");
    expect_code("{'verb':'adopt','group':'group1'}", "usage", "bucket is missing");
    expect_code("{'verb':'adopt','group':'group1','bucket':'none'}", "missing", "no bucket 'none'");
    expect_code("{'verb':'adopt','group':'other','bucket':'bucket-0001'}", "missing",
                "no group 'other'");
    expect_code("{'verb':'adopt','group':'group1','bucket':'bucket-0001','dry_run':'maybe'}",
                "usage", "yes or no");
    char prefix[1200];
    snprintf(prefix, sizeof(prefix),
             "{'verb':'adopt','group':'group1','bucket':'bucket-0001','prefix':'%01025d'}", 0);
    expect_code(prefix, "usage", "prefix");
    static const char *const wrong[] = {"7",
                                        "{}",
                                        "{'log':'x','path':-1,'position':0}",
                                        "{'log':'x','path':0,'position':-1}",
                                        "{'log':'x','path':70000,'position':0}",
                                        "{'log':'x','path':0,'position':'1'}"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "{'verb':'adopt','group':'group1','bucket':'bucket-0001','at':%s}", wrong[i]);
        expect_code(text, "usage", "earlier answer");
    }
    json_t *answer = ask("{'verb':'adopt','group':'group1','bucket':'bucket-0001'}");
    assert_null(json_object_get(answer, "next")); /* there is nothing */
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(answer, "adopt"), "containers")), 3);
    json_decref(answer);
}

#define IN_INDEX(test) cmocka_unit_test_setup_teardown(test, open_index, close_index)

static void expect_groups(const char *request, const char *first, const char *second)
{
    json_t *answer = ask(request), *groups = json_object_get(answer, "groups");
    assert_int_equal(json_array_size(groups), second ? 2 : 1);
    assert_string_equal(json_string_value(json_array_get(groups, 0)), first);
    if (second)
        assert_string_equal(json_string_value(json_array_get(groups, 1)), second);
    json_decref(answer);
}

static void new_objects_of_a_bucket_go_to_another_group(void **state)
{
    (void)state;
    struct str name = STR("b");
    expect_ok("{'verb':'user create','id':'a'}");
    assert_int_equal(s3_index_update(gw.index, make_bucket, &name), 0);
    static const char *const wrong[] = {"''", "5", "'group2,group2'"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char text[128];
        snprintf(text, sizeof(text), "{'verb':'bucket group','name':'b','group':%s}", wrong[i]);
        expect_code(text, "usage", "group");
    }
    expect_groups("{'verb':'bucket group','name':'b'}", "group1", NULL);
    expect_code("{'verb':'bucket group','name':'b','group':'elsewhere'}", "missing",
                "no group 'elsewhere'");
    expect_code("{'verb':'bucket group','name':'none','group':'group2'}", "missing",
                "no bucket 'none'");
    size_t notes = fake_dfs.n;
    expect_ok("{'verb':'bucket group','name':'b','group':'group2'}");
    assert_int_equal(fake_dfs.n, notes + 1);
    assert_int_equal(fake_dfs.notes[notes].kind, S3_DESC_BUCKET);
    expect_code("{'verb':'bucket group','name':'b','group':'group2,elsewhere'}", "missing",
                "no group 'elsewhere'");
    expect_groups("{'verb':'bucket group','name':'b','group':'group2,group1'}", "group2", "group1");
    expect_groups("{'verb':'bucket group','name':'b'}", "group2", "group1");
    json_t *shown = ask("{'verb':'bucket show','name':'b'}"),
           *bucket = json_object_get(shown, "bucket");
    assert_string_equal(json_string_value(json_object_get(bucket, "group")), "group2");
    assert_int_equal(json_array_size(json_object_get(bucket, "groups")), 2);
    json_decref(shown);
}

static int nothing_moves(struct s3_gw *g, const struct s3_bucket *b, struct s3_leaving *v)
{
    (void)g, (void)b, (void)v;
    return -EIO;
}

static void a_group_is_emptied_only_when_all_is_ready_for_it(void **state)
{
    (void)state;
    expect_code("{'verb':'rebalance'}", "failed", "not ready");
    const struct s3_rebalance_options o = {.gw = &gw, .move = nothing_moves};
    gw.default_group = STR("group3");
    gw.classes = s3_classes_default;
    fake_dfs.groups[0] = (struct s3_dfs_group){.name = "group1", .takes_files = true, .free_mb = 9};
    fake_dfs.groups[1] =
        (struct s3_dfs_group){.name = "group2", .takes_files = false, .free_mb = 9};
    assert_int_equal(s3_rebalance_start(&o, &context.rebalance), 0);
    expect_code("{'verb':'rebalance start'}", "usage", "group is missing");
    expect_code("{'verb':'rebalance start','group':'group1'}", "refused", "first dfs admin drain");
    expect_code("{'verb':'rebalance start','group':'group7'}", "missing", "group7");
    fake_dfs.groups[0].takes_files = false;
    expect_code("{'verb':'rebalance start','group':'group1'}", "refused",
                "no other group takes new files");
    expect_code("{'verb':'rebalance start','group':'group1','to':'group2'}", "refused",
                "takes none");
    expect_code("{'verb':'rebalance start','group':'group1','to':'group1'}", "usage",
                "another group");
    expect_code("{'verb':'rebalance start','group':'group1/M0g'}", "usage", "group1/M01");
    fake_dfs.path_closed = -EPERM;
    expect_code("{'verb':'rebalance start','group':'group1/M01'}", "refused",
                "first dfs admin drain");
    fake_dfs.path_closed = -EHOSTUNREACH;
    expect_code("{'verb':'rebalance start','group':'group1/M01'}", "refused", "does not tell");
    fake_dfs.groups[1].takes_files = true;
    gw.default_group = STR("group1");
    expect_code("{'verb':'rebalance start','group':'group1'}", "refused", "default_group");
    gw.default_group = STR("group2");
    static const struct s3_class cold[] = {{STR_INIT("COLD"), STR_INIT("group1")}};
    gw.classes = (struct s3_classes){cold, 1};
    expect_code("{'verb':'rebalance start','group':'group1'}", "refused", "storage_class");
    gw.classes = s3_classes_default;
    expect_ok("{'verb':'rebalance start','group':'group1','dry_run':'yes'}");
    struct s3_rebalance_counts n;
    s3_rebalance_counts(context.rebalance, &n);
    assert_int_equal(n.state, S3_REBALANCE_NONE);
    expect_ok("{'verb':'rebalance start','group':'group1'}");
    s3_rebalance_stop(&context.rebalance); /* and it goes on when it starts again */
    assert_int_equal(s3_rebalance_start(&o, &context.rebalance), 0);
    s3_rebalance_counts(context.rebalance, &n);
    assert_true(n.state != S3_REBALANCE_NONE);
    assert_string_equal(n.from, "group1");
    expect_ok("{'verb':'rebalance stop'}");
    s3_rebalance_counts(context.rebalance, &n);
    assert_int_equal(n.state, S3_REBALANCE_NONE);
    s3_rebalance_stop(&context.rebalance);
    memset(&fake_dfs, 0, sizeof(fake_dfs));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_INDEX(a_user_comes_with_a_key_and_its_secret_is_shown_once),
        IN_INDEX(a_failure_too_long_to_tell_is_still_one),
        IN_INDEX(duplicates_are_told_apart),
        IN_INDEX(unfit_arguments_are_named),
        IN_INDEX(a_user_of_an_earlier_build_with_a_blank_stays),
        IN_INDEX(root_cannot_be_touched),
        IN_INDEX(disabling_enabling_deleting),
        IN_INDEX(a_key_belongs_to_the_user_who_is_named),
        IN_INDEX(users_with_buckets_stay_and_all_pages_are_listed),
        IN_INDEX(adoption_says_what_it_needs),
        IN_INDEX(new_objects_of_a_bucket_go_to_another_group),
        IN_INDEX(a_group_is_emptied_only_when_all_is_ready_for_it),
        IN_INDEX(kms_keys_are_made_rotated_and_disabled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
