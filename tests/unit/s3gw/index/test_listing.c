/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/s3gw/index/world.h"

/* Keys and prefixes ("p:" in front) of all pages of at most @max entries, joined by blanks. */
static struct str list_all(struct world *w, struct str prefix, struct str delimiter,
                           struct str after, size_t max)
{
    AUTO(buf_free) struct buf out = BUF(1 << 20);
    struct s3_list_query q = {
        .bid = w->b.bid, .prefix = prefix, .delimiter = delimiter, .after = after, .max = max};
    struct s3_list_page page;
    do {
        assert_int_equal(s3_list_objects(w->x, &q, &w->a, &page), 0);
        assert_true(page.n <= max);
        for (size_t i = 0; i < page.n; i++)
            buf_addf(&out, "%s" STR_F " ", page.entries[i].is_prefix ? "p:" : "",
                     STR_A(page.entries[i].key));
        if (page.n > 0)
            q.after = page.entries[page.n - 1].key;
        assert_true(!page.truncated || page.n == max);
    } while (page.truncated);
    return arena_str(&w->a, buf_str(&out));
}

static void pages_are_a_table(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    static const struct str keys[] = {STR_INIT("a"),     STR_INIT("a/"),    STR_INIT("a/b"),
                                      STR_INIT("a/b/c"), STR_INIT("a+1/x"), STR_INIT("b//c"),
                                      STR_INIT("/lead"), STR_INIT("\xff"),  STR_INIT("\xff\xff/x"),
                                      STR_INIT("z")};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        put_object(&w, keys[i], STR("f"));
    static const struct {
        struct str prefix, delimiter, after, expect;
    } rows[] = {
        {STR_INIT(""), STR_INIT(""), STR_INIT(""),
         STR_INIT("/lead a a+1/x a/ a/b a/b/c b//c z \xff \xff\xff/x ")},
        {STR_INIT(""), STR_INIT("/"), STR_INIT(""),
         STR_INIT("p:/ a p:a+1/ p:a/ p:b/ z \xff p:\xff\xff/ ")},
        {STR_INIT("a/"), STR_INIT("/"), STR_INIT(""), STR_INIT("a/ a/b p:a/b/ ")},
        {STR_INIT("a"), STR_INIT("/"), STR_INIT(""), STR_INIT("a p:a+1/ p:a/ ")},
        {STR_INIT("b/"), STR_INIT("/"), STR_INIT(""), STR_INIT("p:b// ")},
        {STR_INIT(""), STR_INIT("/"), STR_INIT("a/"), STR_INIT("p:b/ z \xff p:\xff\xff/ ")},
        {STR_INIT(""), STR_INIT(""), STR_INIT("a/"), STR_INIT("a/b a/b/c b//c z \xff \xff\xff/x ")},
        {STR_INIT(""), STR_INIT("b/"), STR_INIT(""),
         STR_INIT("/lead a a+1/x a/ a/b p:a/b/ p:b/ z \xff \xff\xff/x ")},
        {STR_INIT("\xff"), STR_INIT(""), STR_INIT(""), STR_INIT("\xff \xff\xff/x ")},
        {STR_INIT("\xff\xff"), STR_INIT("/"), STR_INIT(""), STR_INIT("p:\xff\xff/ ")},
        {STR_INIT("nothing"), STR_INIT("/"), STR_INIT(""), STR_INIT("")},
        {STR_INIT("a"), STR_INIT(""), STR_INIT("z"), STR_INIT("")},
        {STR_INIT("a/"), STR_INIT(""), STR_INIT("a"), STR_INIT("a/ a/b a/b/c ")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t max = 1; max <= 11; max += max < 4 ? 1 : 7) {
            struct str got = list_all(&w, rows[i].prefix, rows[i].delimiter, rows[i].after, max);
            if (!str_eq(got, rows[i].expect))
                fail_msg("row %zu, max %zu: " STR_F, i, max, STR_A(got));
        }
}

static void truncation_is_exact_behind_a_common_prefix(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    for (int i = 0; i < 40; i++) /* more than are walked before seeking */
        put_object(&w, arena_printf(&w.a, "dir/%d", i), STR("f"));
    struct s3_list_query q = {.bid = w.b.bid, .delimiter = STR("/"), .max = 1};
    struct s3_list_page page;
    assert_int_equal(s3_list_objects(w.x, &q, &w.a, &page), 0);
    assert_int_equal(page.n, 1);
    assert_false(page.truncated);
    put_object(&w, STR("dis"), STR("f"));
    assert_int_equal(s3_list_objects(w.x, &q, &w.a, &page), 0);
    assert_true(page.truncated);
}

static void nothing_asked_gives_nothing(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    put_object(&w, STR("a"), STR("f"));
    struct s3_list_query q = {.bid = w.b.bid, .max = 0};
    struct s3_list_page page;
    assert_int_equal(s3_list_objects(w.x, &q, &w.a, &page), 0);
    assert_int_equal(page.n, 0);
    assert_false(page.truncated);
    q.max = 10;
    q.bid++;
    assert_int_equal(s3_list_objects(w.x, &q, &w.a, &page), 0);
    assert_int_equal(page.n, 0);
}

static void markers_longer_than_any_key_are_harmless(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    char longest[1024], longer[5000];
    memset(longest, 'k', sizeof(longest));
    memset(longer, 'k', sizeof(longer));
    put_object(&w, str_of(longest, sizeof(longest)), STR("f"));
    put_object(&w, STR("l"), STR("f"));
    assert_true(
        str_eq(list_all(&w, STR(""), STR(""), str_of(longer, sizeof(longer)), 5), STR("l ")));
    assert_true(str_eq(list_all(&w, str_of(longer, sizeof(longer)), STR(""), STR(""), 5), STR("")));
    assert_true(
        str_eq(list_all(&w, STR(""), STR(""), str_of(longest, sizeof(longest)), 5), STR("l ")));
}

/* --- pages of versions and uploads end anywhere --- */

static void versions_page_by_page(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    set_versioning(&w, STR("Enabled"));
    for (int i = 0; i < 100; i++) { /* more than are read ahead, alternating */
        put_object(&w, arena_printf(&w.a, "k%02d", i % 10), STR("f"));
        if (i % 7 == 0)
            assert_int_equal(
                run(&w, fn_delete, &(struct call){.key = arena_printf(&w.a, "k%02d", i % 10)}), 0);
    }
    struct s3_list_query q = {.bid = w.b.bid, .max = 1000};
    struct s3_list_page all, page;
    assert_int_equal(s3_list_versions(w.x, &q, &w.a, &all), 0);
    assert_int_equal(all.n, 115);
    for (size_t i = 1; i < all.n; i++) {
        int order = str_cmp(all.entries[i - 1].key, all.entries[i].key);
        assert_true(order < 0 ||
                    (order == 0 && all.entries[i - 1].object.seq > all.entries[i].object.seq));
        assert_int_equal(all.entries[i].is_latest, order < 0);
    }
    for (size_t max = 1; max < 40; max += 6) {
        size_t at = 0;
        q = (struct s3_list_query){.bid = w.b.bid, .max = max};
        do {
            assert_int_equal(s3_list_versions(w.x, &q, &w.a, &page), 0);
            for (size_t i = 0; i < page.n; i++, at++) {
                assert_int_equal(page.entries[i].object.seq, all.entries[at].object.seq);
                assert_int_equal(page.entries[i].is_latest, all.entries[at].is_latest);
            }
            q.after = page.entries[page.n - 1].key;
            q.after_seq = page.entries[page.n - 1].object.seq;
        } while (page.truncated);
        assert_int_equal(at, all.n);
    }
    q = (struct s3_list_query){
        .bid = w.b.bid, .max = 1000, .after = STR("k08")}; /* the whole key is done */
    assert_int_equal(s3_list_versions(w.x, &q, &w.a, &page), 0);
    assert_true(page.n > 0 && str_eq(page.entries[0].key, STR("k09")));
}

static void versions_roll_up_too(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    set_versioning(&w, STR("Enabled"));
    for (int i = 0; i < 200; i++)
        put_object(&w, arena_printf(&w.a, "dir%d/%d", i % 2, i / 20), STR("f"));
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("e/only-a-marker")}), 0);
    put_object(&w, STR("f"), STR("f"));
    struct s3_list_query q = {.bid = w.b.bid, .delimiter = STR("/"), .max = 1000};
    struct s3_list_page page;
    assert_int_equal(s3_list_versions(w.x, &q, &w.a, &page), 0);
    assert_int_equal(page.n, 4);
    assert_true(page.entries[2].is_prefix && str_eq(page.entries[2].key, STR("e/")));
    q.after = STR("dir0/");
    q.max = 1;
    assert_int_equal(s3_list_versions(w.x, &q, &w.a, &page), 0);
    assert_true(page.truncated && str_eq(page.entries[0].key, STR("dir1/")));
}

static void uploads_page_by_page(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    enum { N = 30 };
    static struct s3_upload u[N];
    for (int i = 0; i < N; i++) {
        u[i] = (struct s3_upload){.key = arena_printf(&w.a, "d/%d", i / 10),
                                  .initiator_id = STR("someone")};
        assert_int_equal(run(&w, fn_upload_create, &(struct call){.u = &u[i]}), 0);
    }
    for (size_t max = 1; max < 12; max += 5) {
        struct s3_list_query q = {
            .bid = w.b.bid, .prefix = STR("d/"), .delimiter = STR("/"), .max = max};
        struct s3_list_page page;
        size_t at = 0;
        do {
            assert_int_equal(s3_list_uploads(w.x, &q, &w.a, &page), 0);
            for (size_t i = 0; i < page.n; i++, at++) {
                assert_int_equal(page.entries[i].upload.useq, u[at].useq);
                assert_int_equal(page.entries[i].upload.check, u[at].check);
                assert_true(str_eq(page.entries[i].upload.initiator_id, STR("someone")));
            }
            q.after = page.entries[page.n - 1].key;
            q.after_seq = page.entries[page.n - 1].upload.useq;
        } while (page.truncated);
        assert_int_equal(at, N);
    }
}

/* --- against a model that looks at every key --- */

static uint32_t draw(uint64_t *random, uint32_t below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (uint32_t)(*random >> 33) % below;
}

static struct str random_text(struct world *w, uint64_t *random, uint32_t max)
{
    static const char alphabet[] = {'a', 'b', '/', '\x01', '\xff', '%'};
    char text[16];
    size_t n = draw(random, max + 1);
    for (size_t i = 0; i < n; i++)
        text[i] = alphabet[draw(random, sizeof(alphabet))];
    return arena_str(&w->a, str_of(text, n));
}

static int by_bytes(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static struct str list_model(struct world *w, const struct str *keys, size_t n, struct str prefix,
                             struct str delimiter, struct str after)
{
    AUTO(buf_free) struct buf out = BUF(1 << 20);
    struct str last = STR_NULL;
    for (size_t i = 0; i < n; i++) {
        if (!str_starts(keys[i], prefix) || str_cmp(keys[i], after) <= 0)
            continue;
        size_t at = delimiter.n ? str_find(str_from(keys[i], prefix.n), delimiter) : SIZE_MAX;
        if (at == SIZE_MAX) {
            buf_addf(&out, STR_F " ", STR_A(keys[i]));
            continue;
        }
        struct str common = str_head(keys[i], prefix.n + at + delimiter.n);
        if (str_eq(common, after) || (last.p && str_eq(common, last)))
            continue;
        buf_addf(&out, "p:" STR_F " ", STR_A(common));
        last = common;
    }
    return arena_str(&w->a, buf_str(&out));
}

static void random_listings_agree_with_a_model(void **state)
{
    (void)state;
    uint64_t random = 0x2545F4914F6CDD1Du;
    for (int round = 0; round < 20; round++) {
        AUTO(world_close) struct world w;
        world_open(&w);
        static struct str keys[400];
        size_t n = 0;
        for (int i = 0; i < 200; i++) {
            struct str key = random_text(&w, &random, 8);
            struct s3_object o;
            if (key.n == 0 || get_object(&w, key, &o) == 0)
                continue;
            put_object(&w, key, STR("f"));
            keys[n++] = key;
        }
        qsort(keys, n, sizeof(keys[0]), by_bytes);
        for (int i = 0; i < 150; i++) {
            struct str prefix = random_text(&w, &random, 3),
                       delimiter = random_text(&w, &random, 2), after = random_text(&w, &random, 4);
            size_t max = 1 + draw(&random, 30);
            struct str expect = list_model(&w, keys, n, prefix, delimiter, after);
            struct str got = list_all(&w, prefix, delimiter, after, max);
            if (!str_eq(got, expect))
                fail_msg("prefix '" STR_F "' delimiter '" STR_F "' after '" STR_F
                         "' max %zu:\n" STR_F "\n" STR_F,
                         STR_A(prefix), STR_A(delimiter), STR_A(after), max, STR_A(got),
                         STR_A(expect));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_a_table),
        cmocka_unit_test(truncation_is_exact_behind_a_common_prefix),
        cmocka_unit_test(nothing_asked_gives_nothing),
        cmocka_unit_test(markers_longer_than_any_key_are_harmless),
        cmocka_unit_test(versions_page_by_page),
        cmocka_unit_test(versions_roll_up_too),
        cmocka_unit_test(uploads_page_by_page),
        cmocka_unit_test(random_listings_agree_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
