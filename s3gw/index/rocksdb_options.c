/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/rocksdb_options.h"

enum {
    KIB = 1024,
    MIB = 1024 * 1024,
    LOG_LEVEL_ERROR = 3, /* rocksdb/env.h, InfoLogLevel: ERROR_LEVEL */
    HASHED_BLOCKS = 1,   /* rocksdb/table.h: kDataBlockBinaryAndHash */
    TWO_LEVELS = 2,      /* rocksdb/table.h: kTwoLevelIndexSearch */
};

struct s3_rocksdb_options {
    unsigned magic;
#define ROCKSDB_OPTIONS_MAGIC 0x0c7a11edu
    rocksdb_options_t *o;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
};

static void set_tables(struct s3_rocksdb_options *x, uint64_t cache_bytes)
{
    x->cache = rocksdb_cache_create_lru(MAX(cache_bytes, (uint64_t)MIB));
    x->table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(x->table, x->cache);
    rocksdb_block_based_options_set_block_size(x->table, 8 * KIB);
    rocksdb_block_based_options_set_format_version(x->table, 5);
    rocksdb_block_based_options_set_data_block_index_type(x->table, HASHED_BLOCKS);
    rocksdb_block_based_options_set_data_block_hash_ratio(x->table, 0.75);
    /* Half of all look-ups are for rows that are not there: every new key, every new reference. */
    rocksdb_block_based_options_set_filter_policy(x->table,
                                                  rocksdb_filterpolicy_create_bloom_full(10));
    /* Indexes and filters count against the cache too, else memory grows with the number of files.
     * They are cut into blocks: one block a file would soon be larger than a shard of the cache, and
     * be read whole at every look-up. */
    rocksdb_block_based_options_set_index_type(x->table, TWO_LEVELS);
    rocksdb_block_based_options_set_partition_filters(x->table, 1);
    rocksdb_block_based_options_set_metadata_block_size(x->table, 8 * KIB);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(x->table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(x->table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(x->table, 1);
    rocksdb_options_set_block_based_table_factory(x->o, x->table);
}

static void set_writing(rocksdb_options_t *o)
{
    rocksdb_options_set_write_buffer_size(o, 16 * MIB);
    rocksdb_options_set_max_write_buffer_number(o, 3);
    rocksdb_options_set_arena_block_size(o, 256 * KIB);
    /* Most look-ups are for what no memtable has: spare them the walk down its skip list. */
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(o, 0.02);
    rocksdb_options_set_memtable_whole_key_filtering(o, 1);
    /* One writer. */
    rocksdb_options_set_allow_concurrent_memtable_write(o, 0);
    rocksdb_options_set_enable_write_thread_adaptive_yield(o, 0);
    /* A log that overwrites an old one does not grow its file: the sync is one flush less. */
    rocksdb_options_set_recycle_log_file_num(o, 2);
}

static void set_compaction(rocksdb_options_t *o)
{
    rocksdb_options_set_max_background_jobs(o, 2);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_target_file_size_base(o, 32 * MIB);
    rocksdb_options_set_max_bytes_for_level_base(o, 128 * MIB);
    rocksdb_options_set_bytes_per_sync(o, MIB);
    rocksdb_options_set_compression(o, rocksdb_lz4_compression);
    /* Listings walk over what was deleted until a compaction drops it: files with many deletions
     * close together are compacted first. */
    rocksdb_options_add_compact_on_deletion_collector_factory(o, 1024, 512);
}

static void set_bounds(rocksdb_options_t *o)
{
    rocksdb_options_set_max_open_files(o, 256);
    rocksdb_options_set_skip_stats_update_on_db_open(o, 1);
    rocksdb_options_set_info_log_level(o, LOG_LEVEL_ERROR);
    rocksdb_options_set_max_log_file_size(o, MIB);
    rocksdb_options_set_keep_log_file_num(o, 2);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
}

int s3_rocksdb_options_new(const struct s3_index_options *o, struct s3_rocksdb_options **ret)
{
    struct s3_rocksdb_options *x = dfs_zalloc(sizeof(*x));
    if (!x)
        return -ENOMEM;
    x->magic = ROCKSDB_OPTIONS_MAGIC;
    x->o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(x->o, 1);
    set_tables(x, o->cache_bytes);
    set_writing(x->o);
    set_compaction(x->o);
    set_bounds(x->o);
    *ret = x;
    return 0;
}

void s3_rocksdb_options_free(struct s3_rocksdb_options **xp)
{
    struct s3_rocksdb_options *x = TAKE(*xp);
    if (!x)
        return;
    CHECK_OBJ(x, ROCKSDB_OPTIONS_MAGIC);
    rocksdb_options_destroy(x->o);
    rocksdb_block_based_options_destroy(x->table);
    rocksdb_cache_destroy(x->cache);
    x->magic = 0;
    free(x);
}

const rocksdb_options_t *s3_rocksdb_options_get(const struct s3_rocksdb_options *x)
{
    CHECK_OBJ(x, ROCKSDB_OPTIONS_MAGIC);
    return x->o;
}
