/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of a key: object.c and object_read.c in buckets whose versioning is or was on. */
#include "s3gw/index/lock.h"
#include "tests/lib/still_clock.h"
#include "tests/unit/s3gw/index/world.h"

static int get_version(struct world *w, struct str key, bool null, uint64_t seq,
                       struct s3_object *ret)
{
    struct s3_version v = {null, seq};
    return s3_object_get_version(w->x, w->b.bid, key, &v, S3_READ_ANY, true, &w->a, ret);
}

static struct s3_deleted delete (struct world *w, struct str key)
{
    struct call c = {.key = key};
    assert_int_equal(run(w, fn_delete, &c), 0);
    return c.deleted;
}

static struct s3_deleted delete_version(struct world *w, struct str key, bool null, uint64_t seq)
{
    struct call c = {.key = key, .version = {null, seq}};
    assert_int_equal(run(w, fn_delete_version, &c), 0);
    return c.deleted;
}

static void enabled_keeps_every_version(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    put_object(&w, STR("k"), STR("null"));
    set_versioning(&w, STR("Enabled"));
    uint64_t v1 = put_object(&w, STR("k"), STR("f1"))->seq,
             v2 = put_object(&w, STR("k"), STR("f2"))->seq;
    struct s3_object o;
    assert_current(&w, STR("k"), STR("f2"));
    assert_int_equal(get_version(&w, STR("k"), false, v1, &o), 0);
    assert_true(str_eq(o.extents[0].file_id, STR("f1")) && o.flags == 0);
    assert_int_equal(get_version(&w, STR("k"), false, v2, &o), 0);
    assert_int_equal(get_version(&w, STR("k"), true, 0, &o), 0);
    assert_true(str_eq(o.extents[0].file_id, STR("null")) && o.flags == S3_OBJ_NULL_VERSION);
    assert_int_equal(get_version(&w, STR("k"), false, o.seq, &o),
                     -ENOENT); /* null has no number to be named by */
    assert_int_equal(get_version(&w, STR("k"), false, v2 + 1, &o), -ENOENT);
    struct s3_garbage *g;
    assert_int_equal(garbage(&w, &g), 0);
}

static void a_delete_marker_hides_and_its_removal_brings_back(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    set_versioning(&w, STR("Enabled"));
    put_object(&w, STR("k"), STR("f1"));
    struct s3_deleted m1 = delete (&w, STR("k")), m2 = delete (&w, STR("k")),
                      m3 = delete (&w, STR("never"));
    assert_true(m1.had && m1.marker && m1.seq && !m1.null_version);
    assert_true(!m2.had && m2.marker && m2.seq > m1.seq);
    assert_true(m3.marker);
    assert_current(&w, STR("k"), STR_NULL);
    struct s3_object o;
    assert_int_equal(s3_object_get_newest(w.x, w.b.bid, STR("k"), &w.a, &o), 0);
    assert_true(o.flags == S3_OBJ_DELETE_MARKER && o.seq == m2.seq &&
                str_eq(o.owner_id, STR("marker-owner")));
    assert_int_equal(get_version(&w, STR("k"), false, m1.seq, &o), 0);
    assert_int_equal(o.flags, S3_OBJ_DELETE_MARKER);
    struct s3_deleted d = delete_version(&w, STR("k"), false, m2.seq);
    assert_true(d.had && d.marker && d.seq == m2.seq);
    assert_current(&w, STR("k"), STR_NULL);
    delete_version(&w, STR("k"), false, m1.seq);
    assert_current(&w, STR("k"), STR("f1"));
    assert_int_equal(count_rows(&w, "v"), 1); /* never's marker */
    assert_int_equal(s3_object_get_newest(w.x, w.b.bid, STR("other"), &w.a, &o), -ENOENT);
}

static void removing_the_newest_version_makes_the_next_current(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    put_object(&w, STR("k"), STR("null"));
    set_versioning(&w, STR("Enabled"));
    uint64_t v1 = put_object(&w, STR("k"), STR("f1"))->seq,
             v2 = put_object(&w, STR("k"), STR("f2"))->seq;
    assert_false(delete_version(&w, STR("k"), false, v2 + 100).had);
    assert_true(delete_version(&w, STR("k"), false, v2).had);
    assert_current(&w, STR("k"), STR("f1"));
    assert_kept(&w, STR("f2"), false);
    delete_version(&w, STR("k"), false, v1);
    assert_current(&w, STR("k"), STR("null"));
    assert_int_equal(count_rows(&w, "n"), 0); /* it is the o row again */
    assert_true(delete_version(&w, STR("k"), true, 0).null_version);
    assert_current(&w, STR("k"), STR_NULL);
    assert_int_equal(count_rows(&w, "o") + count_rows(&w, "v") + count_rows(&w, "f"), 0);
}

static void suspended_writes_replace_the_null_version_only(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    put_object(&w, STR("k"), STR("null1"));
    set_versioning(&w, STR("Enabled"));
    put_object(&w, STR("k"), STR("f1"));
    set_versioning(&w, STR("Suspended"));
    put_object(&w, STR("k"), STR("null2")); /* null1 was below f1 */
    assert_kept(&w, STR("null1"), false);
    put_object(&w, STR("k"), STR("null3")); /* null2 was current */
    assert_kept(&w, STR("null2"), false);
    assert_kept(&w, STR("f1"), true);
    struct s3_deleted m = delete (&w, STR("k"));
    assert_true(m.had && m.marker && m.null_version);
    assert_kept(&w, STR("null3"), false);
    assert_current(&w, STR("k"), STR_NULL);
    m = delete (&w, STR("k")); /* replaces the marker */
    assert_true(!m.had && m.marker);
    assert_int_equal(count_rows(&w, "v"), 2);
    put_object(&w, STR("k"), STR("null4"));
    assert_int_equal(count_rows(&w, "v"), 1); /* f1 */
    assert_int_equal(count_rows(&w, "n"), 0);
    assert_current(&w, STR("k"), STR("null4"));
}

static void a_copy_of_an_older_version_restores_it(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    set_versioning(&w, STR("Enabled"));
    uint64_t v1 = put_object(&w, STR("k"), STR("f1"))->seq;
    put_object(&w, STR("k"), STR("f2"));
    struct s3_object o;
    assert_int_equal(get_version(&w, STR("k"), false, v1, &o), 0);
    struct call c = {.key = STR("k"), .src = STR("k"), .src_seq = v1, .o = &o};
    assert_int_equal(run(&w, fn_copy, &c), 0);
    assert_current(&w, STR("k"), STR("f1"));
    delete_version(&w, STR("k"), false, v1);
    assert_kept(&w, STR("f1"), true);
    delete_version(&w, STR("k"), false, o.seq);
    assert_kept(&w, STR("f1"), false);
    assert_current(&w, STR("k"), STR("f2"));
}

static void amending_an_older_version_leaves_the_others(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    put_object(&w, STR("k"), STR("null"));
    set_versioning(&w, STR("Enabled"));
    put_object(&w, STR("k"), STR("f1"));
    struct s3_object o, now;
    assert_int_equal(get_version(&w, STR("k"), true, 0, &o), 0);
    o.tags = STR("tagged");
    assert_int_equal(run(&w, fn_amend, &(struct call){.key = STR("k"), .o = &o}), 0);
    assert_int_equal(get_version(&w, STR("k"), true, 0, &now), 0);
    assert_true(str_eq(now.tags, STR("tagged")));
    assert_int_equal(get_object(&w, STR("k"), &now), 0);
    assert_null(now.tags.p);
}

/* --- locks --- */

static void lock_checks_are_a_table(void **state)
{
    (void)state;
    static const struct {
        struct s3_lock lock;
        int plain, bypass; /* at time 100 */
    } rows[] = {
        {{S3_LOCK_NONE, 0, false}, 0, 0},
        {{S3_LOCK_NONE, 0, true}, -EPERM, -EPERM},
        {{S3_LOCK_GOVERNANCE, 101, false}, -EPERM, 0},
        {{S3_LOCK_GOVERNANCE, 101, true}, -EPERM, -EPERM},
        {{S3_LOCK_GOVERNANCE, 100, false}, 0, 0},
        {{S3_LOCK_COMPLIANCE, 101, false}, -EPERM, -EPERM},
        {{S3_LOCK_COMPLIANCE, 100, false}, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf_free) struct buf b = BUF(64);
        s3_lock_encode(&rows[i].lock, &b);
        struct s3_lock back;
        assert_int_equal(s3_lock_decode(buf_str(&b), &back), 0);
        assert_int_equal(back.mode, rows[i].lock.mode);
        assert_int_equal(back.until_ms, rows[i].lock.until_ms);
        assert_int_equal(back.legal_hold, rows[i].lock.legal_hold);
        assert_int_equal(s3_lock_check(buf_str(&b), 100, false), rows[i].plain);
        assert_int_equal(s3_lock_check(buf_str(&b), 100, true), rows[i].bypass);
        for (size_t n = 0; n < b.n; n++)
            assert_int_equal(s3_lock_check(str_head(buf_str(&b), n), 100, true), -EBADMSG);
    }
    assert_int_equal(s3_lock_check(STR_NULL, 100, false), 0);
}

static void a_locked_version_outlives_a_clock_set_back(void **state)
{
    (void)state;
    clock_begin(1000000);
    AUTO(world_close) struct world w;
    world_open(&w);
    set_versioning(&w, STR("Enabled"));
    struct s3_lock lock = {S3_LOCK_GOVERNANCE, clock_ms + 5000, false};
    AUTO(buf_free) struct buf section = BUF(64);
    s3_lock_encode(&lock, &section);
    struct s3_object *o = object_of(&w, STR("f"));
    o->lock = buf_str(&section);
    assert_int_equal(run(&w, fn_put, &(struct call){.key = STR("k"), .o = o}), 0);
    struct call c = {.key = STR("k"), .version = {false, o->seq}};
    assert_int_equal(run(&w, fn_delete_version, &c), -EPERM);
    clock_pass(5000);
    put_object(&w, STR("other"), STR("g"));
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("other")}),
                     0); /* a commit that asks the time */
    clock_ms -= 4000;
    assert_int_equal(run(&w, fn_delete_version, &c), 0); /* it was over once */
    clock_end();
}

static void bypass_opens_governance(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    set_versioning(&w, STR("Enabled"));
    struct s3_lock lock = {S3_LOCK_GOVERNANCE, INT64_MAX, false};
    AUTO(buf_free) struct buf section = BUF(64);
    s3_lock_encode(&lock, &section);
    struct s3_object *o = object_of(&w, STR("f"));
    o->lock = buf_str(&section);
    assert_int_equal(run(&w, fn_put, &(struct call){.key = STR("k"), .o = o}), 0);
    delete (&w, STR("k")); /* a marker is no removal */
    struct call c = {.key = STR("k"), .version = {false, o->seq}};
    assert_int_equal(run(&w, fn_delete_version, &c), -EPERM);
    assert_kept(&w, STR("f"), true);
    c.bypass = true;
    assert_int_equal(run(&w, fn_delete_version, &c), 0);
    assert_kept(&w, STR("f"), false);
}

/* --- against a model: a plain list of versions per key, newest first --- */

enum { KEYS = 3, VERSIONS_MAX = 400, STEPS = 3000 };

struct mversion {
    uint64_t seq;
    bool null, marker;
    unsigned file; /* 0: none */
};
struct mkey {
    struct mversion v[VERSIONS_MAX];
    size_t n;
};

static uint32_t draw(uint64_t *random, uint32_t below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (uint32_t)(*random >> 33) % below;
}

static void m_remove(struct mkey *k, size_t i)
{
    memmove(&k->v[i], &k->v[i + 1], (k->n - i - 1) * sizeof(k->v[0]));
    k->n--;
}

static void m_add(struct mkey *k, struct mversion v)
{
    for (size_t i = k->n; v.null && i-- > 0;)
        if (k->v[i].null)
            m_remove(k, i);
    memmove(&k->v[1], &k->v[0], k->n * sizeof(k->v[0]));
    k->v[0] = v;
    k->n++;
}

static struct str key_name(unsigned i)
{
    static const struct str names[KEYS] = {STR_INIT("a"), STR_INIT("a/"), STR_INIT("a/b")};
    return names[i];
}

static struct str file_name(struct world *w, unsigned file)
{
    return arena_printf(&w->a, "file%u", file);
}

static void compare_versions(struct world *w, const struct mkey *m)
{
    struct s3_list_query q = {.bid = w->b.bid, .max = 1000};
    struct s3_list_page page;
    assert_int_equal(s3_list_versions(w->x, &q, &w->a, &page), 0);
    size_t at = 0;
    for (unsigned k = 0; k < KEYS; k++) {
        for (size_t i = 0; i < m[k].n; i++, at++) {
            assert_true(at < page.n);
            const struct s3_list_entry *e = &page.entries[at];
            assert_true(str_eq(e->key, key_name(k)));
            assert_int_equal(e->object.seq, m[k].v[i].seq);
            assert_int_equal(e->is_latest, i == 0);
            assert_int_equal(e->object.flags & S3_OBJ_DELETE_MARKER,
                             m[k].v[i].marker ? S3_OBJ_DELETE_MARKER : 0);
            assert_int_equal(e->object.flags & S3_OBJ_NULL_VERSION,
                             m[k].v[i].null ? S3_OBJ_NULL_VERSION : 0);
        }
        bool there = m[k].n > 0 && !m[k].v[0].marker;
        assert_current(w, key_name(k), there ? file_name(w, m[k].v[0].file) : STR_NULL);
    }
    assert_int_equal(at, page.n);
    assert_false(page.truncated);
}

static void step(struct world *w, struct mkey *m, uint64_t *random, unsigned file)
{
    unsigned k = draw(random, KEYS);
    bool enabled = w->b.versioning.p && str_eq(w->b.versioning, STR("Enabled"));
    switch (draw(random, 8)) {
    case 0:
        if (w->b.versioning.p || draw(random, 20) == 0)
            set_versioning(w, draw(random, 2) ? STR("Enabled") : STR("Suspended"));
        break;
    case 1:
    case 2:
    case 3: {
        uint64_t seq = put_object(w, key_name(k), file_name(w, file))->seq;
        m_add(&m[k], (struct mversion){seq, !enabled, false, file});
        break;
    }
    case 4:
    case 5: {
        struct s3_deleted d = delete (w, key_name(k));
        assert_int_equal(d.had, m[k].n > 0 && !m[k].v[0].marker);
        if (w->b.versioning.p)
            m_add(&m[k], (struct mversion){d.seq, !enabled, true, 0});
        else
            m[k].n = 0;
        break;
    }
    default: {
        if (m[k].n == 0)
            break;
        size_t i = draw(random, (uint32_t)m[k].n);
        struct s3_deleted d =
            delete_version(w, key_name(k), m[k].v[i].null, m[k].v[i].null ? 0 : m[k].v[i].seq);
        assert_true(d.had && d.seq == m[k].v[i].seq && d.marker == m[k].v[i].marker);
        m_remove(&m[k], i);
    }
    }
}

static void random_changes_agree_with_a_model(void **state)
{
    (void)state;
    static struct mkey m[KEYS];
    memset(m, 0, sizeof(m));
    AUTO(world_close) struct world w;
    world_open(&w);
    uint64_t random = 0x9E3779B97F4A7C15u;
    for (unsigned i = 1; i <= STEPS; i++) {
        step(&w, m, &random, i);
        if (i % 10 == 0)
            compare_versions(&w, m);
    }
    /* Every file is either named by a version or in the outbox, once. */
    static bool named[STEPS + 1];
    memset(named, 0, sizeof(named));
    for (unsigned k = 0; k < KEYS; k++)
        for (size_t i = 0; i < m[k].n; i++)
            named[m[k].v[i].file] = true;
    struct s3_garbage *g;
    size_t n = garbage(&w, &g), kept = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned file = (unsigned)strtoul(g[i].file_id.p + 4, NULL, 10);
        assert_false(named[file]);
        named[file] = true;
    }
    for (unsigned k = 0; k < KEYS; k++)
        for (size_t i = 0; i < m[k].n; i++)
            kept += m[k].v[i].file != 0;
    assert_int_equal(count_rows(&w, "f"), kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enabled_keeps_every_version),
        cmocka_unit_test(a_delete_marker_hides_and_its_removal_brings_back),
        cmocka_unit_test(removing_the_newest_version_makes_the_next_current),
        cmocka_unit_test(suspended_writes_replace_the_null_version_only),
        cmocka_unit_test(a_copy_of_an_older_version_restores_it),
        cmocka_unit_test(amending_an_older_version_leaves_the_others),
        cmocka_unit_test(lock_checks_are_a_table),
        cmocka_unit_test(a_locked_version_outlives_a_clock_set_back),
        cmocka_unit_test(bypass_opens_governance),
        cmocka_unit_test(random_changes_agree_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
