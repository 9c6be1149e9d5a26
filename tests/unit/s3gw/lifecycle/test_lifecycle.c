/* SPDX-License-Identifier: Apache-2.0 */
/* Reclaiming files and rebuilding the index, on the memory index and a real storage engine. */
#include <pthread.h>
#include <stdatomic.h>

#include "dfscore/base/arena.h"
#include "dfscore/base/clock.h"
#include "s3gw/dfs/describe.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/object.h"
#include "s3gw/index/refs.h"
#include "s3gw/lifecycle/note.h"
#include "s3gw/lifecycle/rebuild.h"
#include "s3gw/lifecycle/reclaim.h"
#include "tests/lib/store_fixture.h"

struct world {
    struct store_fixture store;
    struct s3_gw gw;
    struct s3_bucket bucket;
    struct arena a;
    uint64_t order;
};

/* ---- what a handler does, in short ---- */

struct change {
    struct world *w;
    struct str key;
    struct s3_object *o;
};

static int create_fn(struct s3_tx *tx, void *arg)
{
    struct world *w = arg;
    struct s3_bucket existing;
    return s3_bucket_create(tx, &w->bucket, &w->a, &existing);
}

static int put_fn(struct s3_tx *tx, void *arg)
{
    struct change *c = arg;
    c->o->seq = s3_tx_seq(tx);
    c->o->flags = S3_OBJ_NULL_VERSION;
    return s3_object_put(tx, c->w->bucket.bid, c->key, NULL, c->o);
}

static int delete_fn(struct s3_tx *tx, void *arg)
{
    struct change *c = arg;
    struct s3_deleted gone;
    struct s3_object o = {0};
    int r = s3_object_delete(tx, c->w->bucket.bid, c->key, NULL, &o, &gone);
    o.flags = 0; /* now it is known what goes */
    return r == -ERESTART ? s3_object_delete(tx, c->w->bucket.bid, c->key, NULL, &o, &gone) : r;
}

struct stored {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    int result;
};

static void on_stored(struct s3_dfs_put *p, int result)
{
    struct stored *s = p->arg;
    pthread_mutex_lock(&s->lock);
    s->done = true;
    s->result = result;
    pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->lock);
}

/* As earlier builds did: version 1, which has to be read for ever. */
static struct str describe(struct world *w, enum s3_desc_kind kind, struct str key,
                           const struct s3_object *o)
{
    AUTO(buf_free) struct buf rest = BUF(1 << 20);
    AUTO(buf_free) struct buf d = BUF(1 << 20);
    if (kind == S3_DESC_PUT)
        s3_object_encode(o, &rest);
    if (kind == S3_DESC_BUCKET)
        s3_bucket_encode(&w->bucket, &rest);
    buf_u8(&d, 1);
    buf_u8(&d, (uint8_t)kind);
    buf_u64(&d, ++w->order);
    buf_lstr(&d, w->bucket.name);
    buf_lstr(&d, STR("root"));
    buf_lstr(&d, key);
    buf_adds(&d, buf_str(&rest));
    return arena_str(&w->a, buf_str(&d));
}

/* Store the bytes with a description; the file's id. */
static struct str store_described(struct world *w, struct str description, struct str data)
{
    struct stored s = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct s3_dfs_put p = {.groups = STR("group1"),
                           .description = description,
                           .data = data,
                           .done = on_stored,
                           .arg = &s};
    s3_dfs_submit(w->store.dfs, &p);
    pthread_mutex_lock(&s.lock);
    while (!s.done)
        pthread_cond_wait(&s.cond, &s.lock);
    pthread_mutex_unlock(&s.lock);
    assert_int_equal(s.result, 0);
    return arena_str(&w->a, str_c(p.file_id));
}

static struct str store(struct world *w, struct str key, struct str data)
{
    struct s3_object o = {.size = data.n, .owner_id = STR("root")};
    return store_described(w, describe(w, S3_DESC_PUT, key, &o), data);
}

/* As an index of that identity says it, in version 2. */
static struct str store_of_index(struct world *w, uint64_t index, struct str key)
{
    struct s3_object o = {.size = key.n, .owner_id = STR("root")};
    AUTO(buf_free) struct buf d = BUF(1 << 20);
    w->gw.index_id = index;
    assert_int_equal(s3_note_describe_put(&w->gw, ++w->order, &w->bucket, key, &o, 0, &d), 0);
    return store_described(w, buf_str(&d), key);
}

static struct str put(struct world *w, struct str key, struct str data)
{
    struct s3_extent e = {.file_id = store(w, key, data), .length = data.n};
    struct s3_object o = {.size = data.n, .owner_id = STR("root"), .extents = &e, .nextents = 1};
    struct change c = {w, key, &o};
    assert_int_equal(s3_index_update(w->gw.index, put_fn, &c), 0);
    return e.file_id;
}

static void delete (struct world *w, struct str key)
{
    struct change c = {w, key, NULL};
    assert_int_equal(
        s3_dfs_note(w->store.dfs, STR("group1"), describe(w, S3_DESC_V1_DELETE, key, NULL)), 0);
    assert_int_equal(s3_index_update(w->gw.index, delete_fn, &c), 0);
}

static void begin(struct world *w)
{
    *w = (struct world){0};
    fixture_start(&w->store);
    arena_init(&w->a, 16 << 20);
    assert_int_equal(s3_index_open_mem(&w->gw.index), 0);
    w->gw.dfs = w->store.dfs;
    w->bucket = (struct s3_bucket){
        .name = STR("pictures"), .owner_id = STR("root"), .groups = STR("group1")};
    assert_int_equal(
        s3_dfs_note(w->store.dfs, STR("group1"), describe(w, S3_DESC_BUCKET, STR_NULL, NULL)), 0);
    w->bucket.bid = s3_index_number(w->gw.index);
    assert_int_equal(s3_index_update(w->gw.index, create_fn, w), 0);
}

static void end(struct world *w)
{
    s3_index_close(&w->gw.index);
    arena_fini(&w->a);
    fixture_stop(&w->store);
}

static void expect(struct world *w, struct str key, struct str data)
{
    struct s3_bucket b;
    struct s3_object o;
    char out[64];
    assert_int_equal(s3_bucket_get(w->gw.index, w->bucket.name, S3_READ_ANY, &w->a, &b), 0);
    int r = s3_object_get(w->gw.index, b.bid, key, S3_READ_ANY, true, &w->a, &o);
    if (!data.p) {
        assert_int_equal(r, -ENOENT);
        return;
    }
    assert_int_equal(r, 0);
    assert_int_equal(o.size, data.n);
    uint64_t at = 0;
    for (size_t i = 0; i < o.nextents; at += o.extents[i++].length)
        assert_int_equal(s3_dfs_read(w->gw.dfs, o.extents[i].file_id, o.extents[i].offset, out + at,
                                     o.extents[i].length, true),
                         0);
    assert_memory_equal(out, data.p, data.n);
}

/* ---- rebuilding ---- */

static void rebuild(struct world *w, struct s3_rebuild_counts *n)
{
    s3_index_close(&w->gw.index);
    assert_int_equal(s3_index_open_mem(&w->gw.index), 0);
    assert_int_equal(s3_rebuild(&w->gw, NULL, NULL, n), 0);
}

static void the_store_is_enough(void **state)
{
    (void)state;
    struct world w;
    struct s3_rebuild_counts n;
    begin(&w);
    put(&w, STR("kept"), STR("one"));
    put(&w, STR("replaced"), STR("old"));
    put(&w, STR("replaced"), STR("new"));
    put(&w, STR("deleted"), STR("gone"));
    delete (&w, STR("deleted"));
    put(&w, STR("again"), STR("first"));
    delete (&w, STR("again"));
    put(&w, STR("again"), STR("second"));
    rebuild(&w, &n);
    assert_int_equal(n.unreadable, 0);
    expect(&w, STR("kept"), STR("one"));
    expect(&w, STR("replaced"), STR("new"));
    expect(&w, STR("deleted"), STR_NULL);
    expect(&w, STR("again"), STR("second"));
    end(&w);
}

struct patience {
    unsigned asked, enough;
};

static bool out_of_patience(void *arg)
{
    struct patience *p = arg;
    return ++p->asked == p->enough;
}

static void a_rebuild_that_is_told_to_stop_goes_on_where_it_was(void **state)
{
    (void)state;
    struct world w;
    struct s3_rebuild_counts n;
    struct patience p = {0};
    int r = -EINTR;
    begin(&w);
    put(&w, STR("kept"), STR("one"));
    put(&w, STR("replaced"), STR("old"));
    put(&w, STR("replaced"), STR("new"));
    put(&w, STR("deleted"), STR("gone"));
    delete (&w, STR("deleted"));
    s3_index_close(&w.gw.index);
    assert_int_equal(s3_index_open_mem(&w.gw.index), 0);
    while (r == -EINTR) { /* a step further each time */
        p = (struct patience){.enough = p.enough + 1};
        r = s3_rebuild(&w.gw, out_of_patience, &p, &n);
        assert_int_equal(r, p.asked >= p.enough ? -EINTR : 0);
        assert_true(p.asked <= p.enough);
    }
    assert_true(p.enough > 5);
    expect(&w, STR("kept"), STR("one"));
    expect(&w, STR("replaced"), STR("new"));
    expect(&w, STR("deleted"), STR_NULL);
    end(&w);
}

static void manifests_come_back_from_notes(void **state)
{
    (void)state;
    struct world w;
    struct s3_rebuild_counts n;
    begin(&w);
    struct s3_extent e[2] = {
        {.file_id = put(&w, STR("a"), STR("hello ")), .length = 6},
        {.file_id = put(&w, STR("b"), STR("new world")), .offset = 4, .length = 5}};
    struct s3_object o = {.size = 11, .owner_id = STR("root"), .extents = e, .nextents = 2};
    assert_int_equal(
        s3_dfs_note(w.store.dfs, STR("group1"), describe(&w, S3_DESC_PUT, STR("both"), &o)), 0);
    delete (&w, STR("a"));
    rebuild(&w, &n);
    expect(&w, STR("a"), STR_NULL);
    expect(&w, STR("both"), STR("hello world"));
    end(&w);
}

static int amend_note(struct world *w, struct str key, uint64_t version, struct str tags)
{
    const struct s3_desc_change c = {.version = version, .section = S3_SECTION_TAGS, .value = tags};
    return s3_note_change(&w->gw, S3_DESC_AMEND, &w->bucket, key, &c, NULL);
}

/* Long manifests are written some at a time; what changed of one since goes with it. */
static void long_manifests_keep_what_changed_of_them(void **state)
{
    (void)state;
    enum { PIECES = 40000, OBJECTS = 3 };
    static struct s3_extent pieces[PIECES];
    struct world w;
    struct s3_rebuild_counts n;
    struct s3_object found;
    begin(&w);
    assert_int_equal(s3_note_bucket(&w.gw, &w.bucket, false), 0);
    const struct str files[] = {put(&w, STR("a"), STR("hello")), put(&w, STR("b"), STR("world"))};
    for (size_t i = 0; i < PIECES; i++)
        pieces[i] = (struct s3_extent){.file_id = files[i % 2], .length = 1};
    for (unsigned i = 0; i < OBJECTS; i++) {
        char key[8];
        snprintf(key, sizeof(key), "long%u", i);
        struct s3_object o = {.seq = s3_index_number(w.gw.index),
                              .flags = S3_OBJ_NULL_VERSION,
                              .size = PIECES,
                              .owner_id = STR("root"),
                              .extents = pieces,
                              .nextents = PIECES};
        assert_int_equal(s3_note_put(&w.gw, o.seq, &w.bucket, str_c(key), &o, 0), 0);
        assert_int_equal(amend_note(&w, str_c(key), o.seq, str_c(key)), 0);
    }
    rebuild(&w, &n);
    for (unsigned i = 0; i < OBJECTS; i++) {
        char key[8];
        snprintf(key, sizeof(key), "long%u", i);
        assert_int_equal(
            s3_object_get(w.gw.index, w.bucket.bid, str_c(key), S3_READ_ANY, true, &w.a, &found),
            0);
        assert_true(str_eq(found.tags, str_c(key)) && found.nextents == PIECES);
    }
    end(&w);
}

static void a_manifest_of_reclaimed_files_stays_away(void **state)
{
    (void)state;
    struct world w;
    struct s3_rebuild_counts n;
    begin(&w);
    struct s3_extent e = {.file_id = put(&w, STR("a"), STR("hello")), .length = 5};
    struct s3_object o = {.size = 5, .owner_id = STR("root"), .extents = &e, .nextents = 1};
    assert_int_equal(
        s3_dfs_note(w.store.dfs, STR("group1"), describe(&w, S3_DESC_PUT, STR("old"), &o)), 0);
    bool gone;
    assert_int_equal(s3_dfs_delete(w.gw.dfs, &e.file_id, 1, &gone), 0);
    rebuild(&w, &n);
    expect(&w, STR("old"), STR_NULL);
    end(&w);
}

static void an_unreadable_description_costs_only_itself(void **state)
{
    (void)state;
    struct world w;
    struct s3_rebuild_counts n;
    begin(&w);
    put(&w, STR("kept"), STR("one"));
    assert_int_equal(s3_dfs_note(w.store.dfs, STR("group1"), STR("\xff no description of ours")),
                     0);
    put(&w, STR("also"), STR("two"));
    rebuild(&w, &n);
    assert_int_equal(n.unreadable, 1);
    expect(&w, STR("kept"), STR("one"));
    expect(&w, STR("also"), STR("two"));
    end(&w);
}

/* ---- reclaiming ---- */

enum { PATIENCE_MS = 30000 };

/* Round for round, until the logs have been followed and so much was deleted. */
static void until(struct s3_reclaim *r, uint64_t deleted, bool now, struct s3_reclaim_counts *n)
{
    uint64_t end = dfs_mono_ms() + PATIENCE_MS;
    do {
        assert_true(dfs_mono_ms() < end);
        if (now)
            s3_reclaim_now(r);
        assert_true(s3_reclaim_round(r, PATIENCE_MS));
        s3_reclaim_counts(r, n);
    } while (n->deleted < deleted || !n->scanned);
}

static size_t in_log(struct world *w, struct str file_id)
{
    AUTO(buf_free) struct buf frame = BUF(1 << 20);
    struct s3_scan_entry *e;
    struct s3_log *logs;
    uint64_t at = 0;
    size_t n, found = 0;
    bool last;
    assert_int_equal(s3_dfs_logs(w->gw.dfs, &w->a, &logs, &n), 0);
    assert_int_equal(s3_dfs_scan(w->gw.dfs, logs, &at, 1000, false, &frame, &w->a, &e, &n, &last),
                     0);
    for (size_t i = 0; i < n; i++)
        found += str_eq(e[i].file_id, file_id);
    return found;
}

static void what_was_replaced_goes_and_what_is_named_stays(void **state)
{
    (void)state;
    struct world w;
    AUTO(s3_reclaim_stop) struct s3_reclaim *r = NULL;
    struct s3_reclaim_counts n;
    begin(&w);
    struct str old = put(&w, STR("k"), STR("old")), new = put(&w, STR("k"), STR("new"));
    assert_int_equal(s3_reclaim_start(&(struct s3_reclaim_options){.gw = &w.gw}, &r), 0);
    until(r, 1, true, &n);
    s3_reclaim_stop(&r);
    assert_int_equal(in_log(&w, old), 0);
    assert_int_equal(in_log(&w, new), 1);
    expect(&w, STR("k"), STR("new"));
    end(&w);
}

static int queue_lost(struct s3_tx *tx, void *arg)
{
    (void)arg;
    return s3_ref_orphan(tx, STR("group9/M00/00/00/fwAAAWkAAACAAAABAAAAAAAAAAA123.bin"), 0);
}

/* A group of which nothing is heard: what lies in the others goes all the same. */
static void a_file_that_cannot_be_deleted_holds_up_no_other(void **state)
{
    (void)state;
    struct world w;
    AUTO(s3_reclaim_stop) struct s3_reclaim *r = NULL;
    struct s3_reclaim_counts n;
    begin(&w);
    assert_int_equal(s3_index_update(w.gw.index, queue_lost, NULL), 0);
    struct str old = put(&w, STR("k"), STR("old"));
    put(&w, STR("k"), STR("new"));
    assert_int_equal(s3_reclaim_start(&(struct s3_reclaim_options){.gw = &w.gw}, &r), 0);
    uint64_t late_ms = dfs_mono_ms() + PATIENCE_MS;
    do { /* what was replaced may have been found in the log, too */
        assert_true(dfs_mono_ms() < late_ms);
        until(r, 1, true, &n);
    } while (n.pending != 1);
    s3_reclaim_stop(&r);
    assert_int_equal(in_log(&w, old), 0);
    expect(&w, STR("k"), STR("new"));
    end(&w);
}

static void a_file_that_was_stored_but_never_named_is_found(void **state)
{
    (void)state;
    struct world w;
    AUTO(s3_reclaim_stop) struct s3_reclaim *r = NULL;
    struct s3_reclaim_counts n;
    begin(&w);
    struct str orphan = store(&w, STR("k"), STR("crashed before the commit"));
    put(&w, STR("other"), STR("named"));
    assert_int_equal(s3_reclaim_start(&(struct s3_reclaim_options){.gw = &w.gw}, &r), 0);
    until(r, 1, true, &n);
    s3_reclaim_stop(&r);
    assert_int_equal(in_log(&w, orphan), 0);
    expect(&w, STR("other"), STR("named"));
    end(&w);
}

static void an_orphan_waits_in_case_the_index_is_an_old_one(void **state)
{
    (void)state;
    struct world w;
    AUTO(s3_reclaim_stop) struct s3_reclaim *r = NULL;
    struct s3_reclaim_counts n = {0};
    struct s3_rebuild_counts rebuilt;
    begin(&w);
    struct str old = put(&w, STR("k"), STR("old"));
    put(&w, STR("k"), STR("new"));
    struct str lost = store(&w, STR("lost"), STR("not in this index"));
    struct s3_reclaim_options o = {.gw = &w.gw, .grace_ms = 1};
    assert_int_equal(s3_reclaim_start(&o, &r), 0);
    until(r, 1, false, &n); /* what was replaced goes at once */
    s3_reclaim_stop(&r);
    assert_int_equal(n.orphans,
                     2); /* `old` was replaced, but not yet deleted when the log was read */
    assert_int_equal(in_log(&w, old), 0);
    assert_int_equal(in_log(&w, lost), 1);
    rebuild(&w, &rebuilt);
    expect(&w, STR("lost"), STR("not in this index"));
    end(&w);
}

static void what_another_index_described_is_no_orphan_here(void **state)
{
    (void)state;
    struct world w;
    AUTO(s3_reclaim_stop) struct s3_reclaim *r = NULL;
    struct s3_reclaim_counts n = {0};
    begin(&w);
    struct str theirs = store_of_index(&w, 8, STR("named by the other index"));
    struct str lost = store_of_index(&w, 7, STR("crashed before the commit"));
    assert_int_equal(s3_reclaim_start(&(struct s3_reclaim_options){.gw = &w.gw}, &r), 0);
    until(r, 1, true, &n);
    assert_int_equal(in_log(&w, lost), 0);
    s3_reclaim_stop(&r);
    assert_int_equal(n.orphans, 1);
    assert_int_equal(in_log(&w, theirs), 1);
    end(&w);
}

static void a_write_under_way_is_no_orphan(void **state)
{
    (void)state;
    struct world w;
    AUTO(s3_reclaim_stop) struct s3_reclaim *r = NULL;
    struct s3_reclaim_counts n;
    begin(&w);
    put(&w, STR("k"), STR("old"));
    put(&w, STR("k"), STR("new"));
    assert_int_equal(s3_reclaim_start(&(struct s3_reclaim_options){.gw = &w.gw}, &r), 0);
    struct str young = store(&w, STR("later"), STR("stored, not yet named")); /* after the start */
    until(r, 1, true, &n);
    s3_reclaim_stop(&r);
    assert_int_equal(in_log(&w, young), 1);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_store_is_enough),
        cmocka_unit_test(a_rebuild_that_is_told_to_stop_goes_on_where_it_was),
        cmocka_unit_test(manifests_come_back_from_notes),
        cmocka_unit_test(long_manifests_keep_what_changed_of_them),
        cmocka_unit_test(a_manifest_of_reclaimed_files_stays_away),
        cmocka_unit_test(an_unreadable_description_costs_only_itself),
        cmocka_unit_test(what_was_replaced_goes_and_what_is_named_stays),
        cmocka_unit_test(a_file_that_cannot_be_deleted_holds_up_no_other),
        cmocka_unit_test(a_file_that_was_stored_but_never_named_is_found),
        cmocka_unit_test(an_orphan_waits_in_case_the_index_is_an_old_one),
        cmocka_unit_test(what_another_index_described_is_no_orphan_here),
        cmocka_unit_test(a_write_under_way_is_no_orphan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
