/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every operation that names a permission, asked by everybody who could ask: what the evaluator
 * says is compared with the table below, action by action. A new action needs a row here.
 */
#include "s3gw/policy/identity.h"
#include "tests/lib/s3_fixture.h"

/* Who asks, of a bucket of alice's with one object of hers, in which state. */
enum column {
    OWNER,          /* alice, nothing set */
    OTHER,          /* bob, nothing set */
    NOBODY,         /* unsigned, nothing set */
    POLICY_ALLOWS,  /* bob, a policy allows him everything */
    POLICY_DENIES,  /* alice, a policy denies everybody everything */
    ACL_GRANTS,     /* bob, ACLs of bucket and object grant him full control */
    PUBLIC_ACL,     /* unsigned, bucket public-read-write, object public-read */
    ACL_IGNORED,    /* the same, with IgnorePublicAcls */
    PUBLIC_POLICY,  /* unsigned, a policy allows everybody everything */
    POLICY_BLOCKED, /* the same, and public ACLs, with RestrictPublicBuckets */
    CARRIES_ALL,    /* bob carries a policy of his own: everything */
    CARRIES_READ,   /* alice carries one: s3:GetObject and no more */
    CARRIES_DENY,   /* bob carries a Deny; the bucket's policy allows him everything */
    COLUMNS
};

static const struct {
    const char *action;
    const char *let_in; /* a letter a column: y or . */
} table[] = {
#include "tests/unit/s3gw/policy/matrix.def"
};

#define ALLOW(who)                                                                                 \
    "{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":" who                                      \
    ",\"Action\":\"s3:*\",\"Resource\":[\"arn:aws:s3:::mine\",\"arn:aws:s3:::mine/*\"]}}"
#define DENY_ALL                                                                                   \
    "{\"Statement\":{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:*\",\"Resource\":["   \
    "\"arn:aws:s3:::mine\",\"arn:aws:s3:::mine/*\"]}}"
#define CARRIED(effect, action)                                                                    \
    "{\"Statement\":{\"Effect\":\"" effect "\",\"Action\":\"" action "\",\"Resource\":\"*\"}}"
#define PAB(element)                                                                               \
    "<PublicAccessBlockConfiguration><" element ">true</" element                                  \
    "></PublicAccessBlockConfiguration>"

static const struct {
    const char *who;
    const char *policy, *block, *bucket_acl, *object_acl, *carried;
} states[COLUMNS] = {
    [OWNER] = {.who = "alice"},
    [OTHER] = {.who = "bob"},
    [NOBODY] = {.who = NULL},
    [POLICY_ALLOWS] = {.who = "bob", .policy = ALLOW("{\"AWS\":\"bob-id\"}")},
    [POLICY_DENIES] = {.who = "alice", .policy = DENY_ALL},
    [ACL_GRANTS] = {.who = "bob",
                    .bucket_acl = "x-amz-grant-full-control: id=\"bob-id\"",
                    .object_acl = "x-amz-grant-full-control: id=\"bob-id\""},
    [PUBLIC_ACL] = {.who = NULL,
                    .bucket_acl = "x-amz-acl: public-read-write",
                    .object_acl = "x-amz-acl: public-read"},
    [ACL_IGNORED] = {.who = NULL,
                     .block = PAB("IgnorePublicAcls"),
                     .bucket_acl = "x-amz-acl: public-read-write",
                     .object_acl = "x-amz-acl: public-read"},
    [PUBLIC_POLICY] = {.who = NULL, .policy = ALLOW("\"*\"")},
    [POLICY_BLOCKED] = {.who = NULL,
                        .block = PAB("RestrictPublicBuckets"),
                        .bucket_acl = "x-amz-acl: public-read-write",
                        .object_acl = "x-amz-acl: public-read",
                        .policy = ALLOW("\"*\"")},
    [CARRIES_ALL] = {.who = "bob", .carried = CARRIED("Allow", "s3:*")},
    [CARRIES_READ] = {.who = "alice", .carried = CARRIED("Allow", "s3:GetObject")},
    [CARRIES_DENY] = {.who = "bob",
                      .policy = ALLOW("{\"AWS\":\"bob-id\"}"),
                      .carried = CARRIED("Deny", "s3:*")},
};

static void reach(struct fixture *f, enum column c)
{
    setup(f);
    assert_int_equal(call(f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    have_object(f, "mine", "k", 1);
    if (states[c].bucket_acl)
        assert_int_equal(call(f, "alice", "PUT", "/mine?acl", states[c].bucket_acl, NULL),
                         S3ERR_OK);
    if (states[c].object_acl)
        assert_int_equal(call(f, "alice", "PUT", "/mine/k?acl", states[c].object_acl, NULL),
                         S3ERR_OK);
    if (states[c].block)
        assert_int_equal(call(f, "alice", "PUT", "/mine?publicAccessBlock", NULL, states[c].block),
                         S3ERR_OK);
    if (states[c].policy)
        assert_int_equal(call(f, "alice", "PUT", "/mine?policy", NULL, states[c].policy), S3ERR_OK);
}

/* The record a user would carry. */
static void carry(struct fixture *f, const char *json, struct buf *all)
{
    AUTO(buf_free) struct buf one = BUF(1 << 20);
    const struct s3_policy_scope scope = {f->gw.index, &f->q.arena, STR_NULL};
    const char *detail;
    assert_int_equal(s3_policy_compile(&scope, str_c(json), &one, &detail), 0);
    assert_int_equal(s3_identity_set(STR_NULL, STR("p"), buf_str(&one), all), 0);
}

static bool let_in(struct fixture *f, const struct s3_op *op, enum column c)
{
    struct s3_req *q = &f->q;
    if (f->used)
        s3_req_fini(q);
    s3_req_init(q);
    f->used = true;
    q->gw = &f->gw;
    q->now_ms = f->now_ms;
    q->may_block = true;
    q->op = op;
    q->bucket = STR("mine");
    q->key = op->level == S3_OBJECT ? STR("k") : STR_NULL;
    q->body_tags = STR("");
    q->body_told = true; /* of PutObjectTagging and its like: read */
    become(q, states[c].who);
    AUTO(buf_free) struct buf all = BUF(1 << 20);
    if (states[c].carried)
        carry(f, states[c].carried, &all);
    q->who.policies = buf_str(&all);
    if (op->wants_bucket) {
        q->bkt = arena_alloc(&q->arena, sizeof(*q->bkt));
        assert_int_equal(s3_bucket_get(f->gw.index, q->bucket, S3_READ_ANY, &q->arena, q->bkt), 0);
    }
    enum s3err e = s3_policy_check(q);
    assert_true(e == S3ERR_OK || e == S3ERR_ACCESS_DENIED);
    assert_non_null(q->why);
    return e == S3ERR_OK;
}

static const char *expected(const struct s3_op *op)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strcmp(table[i].action, op->action) == 0)
            return table[i].let_in;
    return NULL;
}

static void everybody_is_let_in_where_the_table_says_so(void **state)
{
    (void)state;
    bool same = true;
    for (enum column c = 0; c < COLUMNS; c++) {
        AUTO(teardown) struct fixture f;
        reach(&f, c);
        for (size_t i = 0; i < s3_nops; i++) {
            const struct s3_op *op = &s3_ops[i];
            if (!op->action || !op->handle)
                continue;
            const char *want = expected(op);
            bool in = let_in(&f, op, c);
            /* Unsigned callers create nothing that is finished later. */
            bool signed_only = strcmp(op->action, "s3:PutObject") == 0 && !states[c].who &&
                               op->body != S3_BODY_STREAM && op->level == S3_OBJECT;
            bool should = want && want[c] == 'y' && !signed_only;
            if (!want || in != should) {
                print_error("%s (%s), column %d: %s, because %s\n", op->name, op->action, (int)c,
                            in ? "let in" : "kept out", f.q.why);
                same = false;
            }
        }
    }
    assert_true(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_is_let_in_where_the_table_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
