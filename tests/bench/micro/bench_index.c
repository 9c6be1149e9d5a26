/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_index - the index on the disk below the folder given (or .): puts by many writers at once,
 * point gets, listings, multipart completion, deletions and a listing over what they left.
 * bench_index [FOLDER [KEYS]]; one line each: what, operations a second, CPU microseconds each.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "dfscore/base/clock.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/listing.h"
#include "s3gw/index/upload.h"

enum { LIST_ROUNDS = 100, GETS = 200000, PARTS = 10000 };

static struct s3_index *x;
static struct s3_bucket bucket = {
    .name = STR_INIT("bench"), .owner_id = STR_INIT("owner"), .groups = STR_INIT("group1")};
#define OWNER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void must(int r)
{
    ASSERT(r == 0);
}

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static uint64_t began_us;
static double began_cpu;

static void begin(void)
{
    began_us = dfs_mono_us();
    began_cpu = cpu_us();
}

static void end(const char *what, size_t n)
{
    double us = (double)(dfs_mono_us() - began_us), cpu = cpu_us() - began_cpu;
    printf("%-34s %10.0f/s %9.2f us %9.2f us CPU\n", what, (double)n * 1e6 / us, us / (double)n,
           cpu / (double)n);
    fflush(stdout);
}

/* --- puts: @width updates under way at any moment, as connections would keep --- */

struct slot {
    struct s3_update u;
    struct s3_object o;
    struct s3_extent extent;
    struct s3_pair header;
    char key[64], file[96];
    size_t key_n;
};

static _Atomic size_t next_key, done_keys;
static size_t end_key;
static bool deleting;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_done = PTHREAD_COND_INITIALIZER;

static int delete_key(struct s3_tx *tx, struct str key)
{
    struct s3_object o = {0};
    struct s3_deleted gone;
    int r = s3_object_delete(tx, bucket.bid, key, NULL, &o, &gone);
    o.flags = 0; /* now it is known what goes */
    return r == -ERESTART ? s3_object_delete(tx, bucket.bid, key, NULL, &o, &gone) : r;
}

static int slot_fn(struct s3_tx *tx, void *arg)
{
    struct slot *s = arg;
    struct str key = str_of(s->key, s->key_n);
    if (deleting)
        return delete_key(tx, key);
    s->o.seq = s3_tx_seq(tx);
    s->o.flags = S3_OBJ_NULL_VERSION;
    return s3_object_put(tx, bucket.bid, key, NULL, &s->o);
}

static size_t key_of(char out[64], size_t i)
{
    return (size_t)snprintf(out, 64, "folder%03zu/object-%08zx", i * 7919 % 1000, i);
}

static void slot_go(struct slot *s)
{
    size_t i = next_key++;
    if (i >= end_key)
        return;
    s->key_n = key_of(s->key, i);
    int n = snprintf(s->file, sizeof(s->file),
                     "group1/M00/00/00/wKgBaGcEPB2AQ5YpAAAAEAAAAAAAAAAAAB%08zxAAAAAAAABc", i);
    s->extent = (struct s3_extent){.file_id = str_of(s->file, (size_t)n), .length = 4096};
    s->header = (struct s3_pair){STR("content-type"), STR("application/octet-stream")};
    s->o = (struct s3_object){.size = 4096,
                              .mtime_ms = 1764000000000,
                              .owner_id = STR(OWNER),
                              .checksum = {.alg = S3_CK_CRC64NVME, .n = 8},
                              .headers = &s->header,
                              .nheaders = 1,
                              .extents = &s->extent,
                              .nextents = 1};
    s3_index_submit(x, &s->u);
}

static void slot_done(void *arg, int result)
{
    must(result);
    if (++done_keys == end_key) {
        pthread_mutex_lock(&lock);
        pthread_cond_signal(&all_done);
        pthread_mutex_unlock(&lock);
    }
    slot_go(arg);
}

static int nothing_fn(struct s3_tx *tx, void *arg)
{
    (void)tx;
    (void)arg;
    return 0;
}

static void run_slots(const char *what, size_t from, size_t n, size_t width, bool del)
{
    struct slot *s = dfs_zalloc(width * sizeof(*s));
    ASSERT(s);
    next_key = done_keys = from;
    end_key = from + n;
    deleting = del;
    begin();
    for (size_t i = 0; i < width; i++) {
        s[i].u = (struct s3_update){.fn = slot_fn, .done = slot_done, .arg = &s[i]};
        slot_go(&s[i]);
    }
    pthread_mutex_lock(&lock);
    while (done_keys < end_key)
        pthread_cond_wait(&all_done, &lock);
    pthread_mutex_unlock(&lock);
    end(what, n);
    must(s3_index_update(x, nothing_fn,
                         NULL)); /* behind the last done(), which still holds its slot */
    free(s);
}

static void get_many(const char *what, size_t keys, enum s3_read how)
{
    uint64_t random = 88172645463325252u;
    size_t cold = 0;
    begin();
    for (size_t i = 0; i < GETS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        AUTO(arena_fini) struct arena a;
        arena_init(&a, 1 << 20);
        struct s3_object o;
        char key[64];
        size_t n = key_of(key, random % keys);
        int r = s3_object_get(x, bucket.bid, str_of(key, n), how, true, &a, &o);
        ASSERT(r == 0 || (how == S3_READ_CACHED && r == -EAGAIN));
        cold += r == -EAGAIN;
    }
    end(what, GETS);
    if (how == S3_READ_CACHED)
        printf("  of these not in memory: %zu\n", cold);
}

static void lists(const char *what, struct str delimiter, size_t rounds)
{
    struct s3_list_query q = {.bid = bucket.bid, .delimiter = delimiter, .max = 1000};
    size_t entries = 0;
    char after[64];
    begin();
    for (size_t i = 0; i < rounds; i++) {
        AUTO(arena_fini) struct arena a;
        arena_init(&a, 64 << 20);
        struct s3_list_page page;
        must(s3_list_objects(x, &q, &a, &page));
        entries += page.n;
        q.after = STR_NULL;
        if (page.truncated) {
            size_t n = MIN(page.entries[page.n - 1].key.n, sizeof(after));
            memcpy(after, page.entries[page.n - 1].key.p, n);
            q.after = str_of(after, n);
        }
    }
    end(what, rounds);
    printf("  entries a page: %zu\n", entries / rounds);
}

/* --- multipart --- */

static struct s3_upload upload = {.key = STR_INIT("big")};
static uint32_t numbers[PARTS];

static int create_fn(struct s3_tx *tx, void *arg)
{
    int r = s3_upload_new_id(arg, &upload);
    return r < 0 ? r : s3_upload_create(tx, bucket.bid, &upload);
}

static int parts_fn(struct s3_tx *tx, void *arg)
{
    size_t from = *(size_t *)arg;
    for (size_t i = from; i < from + 1000; i++) {
        char file[96];
        int n = snprintf(file, sizeof(file),
                         "group1/M00/00/00/wKgBaGcEPB2AQ5YpAAAAEAAAAAAAAAAAAB%08zxPPPPPPPPPP", i);
        struct s3_extent e = {.file_id = str_of(file, (size_t)n), .length = 5 << 20};
        struct s3_upart p = {.number = (uint32_t)i + 1,
                             .seq = s3_tx_seq(tx),
                             .size = 5 << 20,
                             .extents = &e,
                             .nextents = 1,
                             .crc64 = {.alg = S3_CK_CRC64NVME, .n = 8}};
        int r = s3_upload_put_part(tx, bucket.bid, upload.key, upload.useq, &p);
        if (r < 0)
            return r;
    }
    return 0;
}

struct completion {
    struct s3_object o;
    uint64_t in_fn_us;
};

static int complete_fn(struct s3_tx *tx, void *arg)
{
    struct completion *c = arg;
    bool gone;
    uint64_t t = dfs_mono_us();
    c->o.seq = s3_tx_seq(tx);
    c->o.flags = S3_OBJ_NULL_VERSION;
    int r = s3_upload_complete(tx, bucket.bid, upload.key, upload.useq, numbers, PARTS, NULL, &c->o,
                               &gone);
    c->in_fn_us = dfs_mono_us() - t;
    return r;
}

static int delete_fn(struct s3_tx *tx, void *arg)
{
    (void)arg;
    return delete_key(tx, upload.key);
}

static void multipart(void)
{
    must(s3_index_update(x, create_fn, x));
    begin();
    for (size_t i = 0; i < PARTS; i += 1000)
        must(s3_index_update(x, parts_fn, &i));
    end("put parts, 1,000 an update", PARTS);
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 256 << 20);
    struct s3_upart *p;
    size_t n;
    bool more;
    begin();
    must(s3_upload_parts(x, upload.useq, 0, PARTS, &a, &p, &n, &more));
    end("read 10,000 parts", 1);
    ASSERT(n == PARTS);
    struct completion c = {.o = {.owner_id = STR(OWNER), .nparts = PARTS, .nextents = PARTS}};
    c.o.parts = arena_alloc(&a, PARTS * sizeof(*c.o.parts));
    c.o.extents = arena_alloc(&a, PARTS * sizeof(*c.o.extents));
    ASSERT(c.o.parts && c.o.extents);
    for (size_t i = 0; i < PARTS; i++) {
        numbers[i] = p[i].number;
        c.o.parts[i] = (struct s3_part){.number = p[i].number, .size = p[i].size};
        c.o.extents[i] = p[i].extents[0];
        c.o.size += p[i].size;
    }
    begin();
    must(s3_index_update(x, complete_fn, &c));
    end("complete 10,000 parts", 1);
    printf("  inside the update: %.1f ms\n", (double)c.in_fn_us / 1000);
    begin();
    must(s3_index_update(x, delete_fn, NULL));
    end("delete an object of 10,000 files", 1);
}

static int bucket_fn(struct s3_tx *tx, void *arg)
{
    struct s3_bucket existing;
    bucket.bid = s3_tx_seq(tx);
    return s3_bucket_create(tx, &bucket, arg, &existing);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    size_t keys = argc > 2 ? strtoul(argv[2], NULL, 10) : 200000;
    char path[4096];
    snprintf(path, sizeof(path), "%s/bench_index.XXXXXX", folder);
    ASSERT(mkdtemp(path));
    struct s3_index_options o = {.path = str_c(path), .cache_bytes = 64 << 20};
    struct arena a;
    arena_init(&a, 1 << 20);
    must(s3_index_open_rocksdb(&o, &x));
    must(s3_index_update(x, bucket_fn, &a));
    run_slots("put, 1 at a time", 0, 2000, 1, false);
    run_slots("put, 16 at once", 2000, keys / 8, 16, false);
    run_slots("put, 64 at once", 2000 + keys / 8, keys, 64, false);
    size_t all = 2000 + keys / 8 + keys;
    run_slots("overwrite, 64 at once", 0, keys / 4, 64, false);
    get_many("get", all, S3_READ_ANY);
    get_many("get, in memory only", all, S3_READ_CACHED);
    lists("list 1,000 keys", STR_NULL, LIST_ROUNDS);
    lists("list 1,000 prefixes of many keys", STR("/"), 5);
    multipart();
    run_slots("delete, 64 at once", 0, all, 64, true);
    lists("list what was deleted", STR_NULL, 3);
    s3_index_close(&x);
    arena_fini(&a);
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("peak RSS %ld MiB; %s is left\n", u.ru_maxrss / 1024, path);
    return 0;
}
