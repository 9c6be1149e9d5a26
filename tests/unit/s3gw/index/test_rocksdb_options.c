/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/rocksdb_options.h"
#include "tests/lib/test.h"

enum { ROWS = 6000, KEY_BYTES = 1000 };

/* Keys that differ in their last bytes only: an index entry of a block is about as long as a key. */
static struct str key_of(unsigned i, char key[KEY_BYTES + 1])
{
    memset(key, 'k', KEY_BYTES - 8);
    (void)snprintf(key + KEY_BYTES - 8, 9, "%08u", i);
    return (struct str){key, KEY_BYTES};
}

static rocksdb_t *open_db(const struct s3_rocksdb_options *o, const char *path)
{
    char *text = NULL;
    rocksdb_t *db = rocksdb_open(s3_rocksdb_options_get(o), path, &text);
    assert_null(text);
    return db;
}

static void fill(const struct s3_rocksdb_options *o, const char *path)
{
    char key[KEY_BYTES + 1];
    char *text = NULL;
    rocksdb_t *db = open_db(o, path);
    rocksdb_writeoptions_t *write = rocksdb_writeoptions_create();
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (unsigned i = 0; i < ROWS; i++) {
        struct str k = key_of(i, key);
        rocksdb_writebatch_put(batch, k.p, k.n, k.p, k.n);
    }
    rocksdb_write(db, write, batch, &text);
    assert_null(text);
    rocksdb_compact_range(db, NULL, 0, NULL, 0);
    rocksdb_writebatch_destroy(batch);
    rocksdb_writeoptions_destroy(write);
    rocksdb_close(db);
}

static bool present(rocksdb_t *db, const rocksdb_readoptions_t *read, struct str key)
{
    char *text = NULL;
    size_t n = 0;
    char *value = rocksdb_get(db, read, key.p, key.n, &n, &text);
    bool found = value != NULL && text == NULL;
    rocksdb_free(value);
    rocksdb_free(text);
    return found;
}

/* The cache is made of shards, and a block larger than a shard is read again at each look-up: the
 * blocks that say where rows are must stay small however many rows a file has. */
static void what_was_read_once_is_cached_with_an_index_larger_than_a_shard(void **state)
{
    (void)state;
    char key[KEY_BYTES + 1];
    char *path = test_tmpdir();
    struct s3_rocksdb_options *o = NULL;
    assert_int_equal(
        s3_rocksdb_options_new(
            &(struct s3_index_options){.path = str_c(path), .cache_bytes = 2 << 20}, &o),
        0);
    fill(o, path);
    rocksdb_t *db = open_db(o, path); /* nothing in memory but what the cache will hold */
    rocksdb_readoptions_t *any = rocksdb_readoptions_create();
    rocksdb_readoptions_t *cached = rocksdb_readoptions_create();
    rocksdb_readoptions_set_read_tier(cached, 1 /* rocksdb/options.h: kBlockCacheTier */);
    for (unsigned i = 0; i < ROWS; i += ROWS / 16) {
        assert_true(present(db, any, key_of(i, key)));
        assert_true(present(db, cached, key_of(i, key)));
    }
    rocksdb_readoptions_destroy(any);
    rocksdb_readoptions_destroy(cached);
    rocksdb_close(db);
    s3_rocksdb_options_free(&o);
    test_tmpdir_free(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_read_once_is_cached_with_an_index_larger_than_a_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
