/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/quota.h"

#include "tests/lib/s3_fixture.h"

struct setting {
    struct s3_limits bucket, user;
};

static int limit(struct s3_tx *tx, void *arg)
{
    const struct setting *s = arg;
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 1 << 20);
    AUTO(buf_free) struct buf doc = BUF(64);
    s3_quota_encode(&s->bucket, &doc);
    struct s3_bucket b;
    int r = s3_bucket_get_tx(tx, STR("mine"), &a, &b);
    if (r < 0)
        return r;
    struct s3_pair_doc quota = {STR("quota"), buf_str(&doc)};
    b.docs = &quota;
    b.ndocs = 1;
    r = s3_bucket_update(tx, &b);
    const struct s3_user alice = {.id = STR("alice-id"), .limits = s->user};
    return r < 0 ? r : s3_user_put(tx, &alice, false);
}

/* Alice's bucket holds one object of 100 bytes; @who asks for more. */
static enum s3err more(struct fixture *f, const char *who, uint64_t bytes, uint64_t objects)
{
    if (f->used)
        s3_req_fini(&f->q);
    s3_req_init(&f->q);
    f->used = true;
    f->q.gw = &f->gw;
    f->q.may_block = true;
    become(&f->q, who);
    struct s3_user u;
    struct s3_bucket b;
    if (who) {
        assert_int_equal(s3_user_get(f->gw.index, f->q.who.user_id, S3_READ_ANY, &f->q.arena, &u),
                         0);
        f->q.who.limits = u.limits;
    }
    assert_int_equal(s3_bucket_get(f->gw.index, STR("mine"), S3_READ_ANY, &f->q.arena, &b), 0);
    return s3_quota_check(&f->q, &b, bytes, objects);
}

static void what_would_pass_a_limit_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct setting s;
        uint64_t bytes, objects;
        enum s3err e;
    } rows[] = {
        {{{0}, {0}}, UINT64_MAX, 1, S3ERR_OK},
        {{{.bytes = 150}, {0}}, 50, 1, S3ERR_OK},
        {{{.bytes = 150}, {0}}, 51, 1, S3ERR_QUOTA_EXCEEDED},
        {{{.bytes = 150}, {0}}, UINT64_MAX, 1, S3ERR_QUOTA_EXCEEDED},
        {{{.bytes = 99}, {0}}, 0, 0, S3ERR_QUOTA_EXCEEDED}, /* lowered below what is held */
        {{{.objects = 2}, {0}}, 1000, 1, S3ERR_OK},
        {{{.objects = 1}, {0}}, 0, 1, S3ERR_QUOTA_EXCEEDED},
        {{{.objects = 1}, {0}}, 1000, 0, S3ERR_OK}, /* a part makes no object yet */
        {{{0}, {.bytes = 150}}, 50, 1, S3ERR_OK},
        {{{0}, {.bytes = 150}}, 51, 1, S3ERR_QUOTA_EXCEEDED},
        {{{.bytes = 1000}, {.bytes = 150}}, 51, 1, S3ERR_QUOTA_EXCEEDED},
    };
    AUTO(teardown) struct fixture f;
    setup(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    have_object(&f, "mine", "k", 100);
    static const char *const callers[] = {"alice", "bob",
                                          NULL}; /* the owner's limits count for all */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct setting s = rows[i].s;
        assert_int_equal(s3_index_update(f.gw.index, limit, &s), 0);
        for (size_t k = 0; k < ARRAY_LEN(callers); k++) {
            if (more(&f, callers[k], rows[i].bytes, rows[i].objects) != rows[i].e)
                print_error("row %zu, caller %zu\n", i, k);
            assert_int_equal(more(&f, callers[k], rows[i].bytes, rows[i].objects), rows[i].e);
        }
    }
}

static void a_damaged_document_lets_nothing_more_in(void **state)
{
    (void)state;
    struct s3_pair_doc bad = {STR("quota"), STR("\x07")};
    const struct s3_bucket b = {.docs = &bad, .ndocs = 1};
    struct s3_limits l = s3_quota_of_bucket(&b);
    assert_int_equal(l.bytes, 1);
    assert_int_equal(l.objects, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_would_pass_a_limit_is_refused),
        cmocka_unit_test(a_damaged_document_lets_nothing_more_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
