/* SPDX-License-Identifier: Apache-2.0 */
/* Recovery of a pack cut, zeroed, overwritten or damaged at every byte. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "storage/binlog/record.h"
#include "storage/trunk/pack.h"
#include "storage/trunk/store.h"
#include "tests/lib/fake_disk.h"
#include "tests/lib/test.h"

enum { RECORDS = 8, PACK_BYTES = 1024 * 1024 };

struct fixture {
    char *dir;
    char pack[128];
    uint8_t *bytes; /* of the pack as it was acknowledged */
    uint32_t end;   /* of its records */
    uint32_t starts[RECORDS + 1];
    char names[RECORDS][STO_NAME_MAX + 1];
};

static int open_store(const char *dir, struct sto_store **ret)
{
    struct sto_path_options path = {.dir = dir};
    struct sto_store_options o = {.group = "group1",
                                  .storage_id = "100001",
                                  .paths = &path,
                                  .path_count = 1,
                                  .subdirs = 1,
                                  .segment_size = PACK_BYTES,
                                  .io = &fake_disk_io};
    return sto_store_open(&o, ret, NULL);
}

static int note_start(const struct sto_entry *e, void *arg)
{
    struct fixture *f = arg;
    unsigned i = 0;
    while (f->starts[i])
        i++;
    assert_true(i < RECORDS);
    f->starts[i] = STO_POS_OFF(e->position);
    return 0;
}

static size_t content(unsigned i, char *out)
{
    size_t n = (i * 37) % 150;
    for (size_t j = 0; j < n; j++)
        out[j] = (char)(i * 31 + j);
    return n;
}

/* A store that crashed: eight acknowledged records, every second group of two in one commit. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    fake_disk_start(1);
    f->dir = test_tmpdir();
    struct sto_store *s = NULL;
    assert_int_equal(open_store(f->dir, &s), 0);
    for (unsigned i = 0; i < RECORDS;) {
        struct sto_put puts[2];
        char data[2][160], desc[2][16];
        unsigned n = i % 3 == 0 ? 2 : 1;
        for (unsigned j = 0; j < n; j++) {
            (void)snprintf(desc[j], sizeof(desc[j]), "%u", i + j);
            puts[j] = (struct sto_put){.kind = DFS_PUT_OBJECT,
                                       .desc = str_c(desc[j]),
                                       .data = str_of(data[j], content(i + j, data[j]))};
        }
        assert_int_equal(sto_put_batch(s, 0, puts, n), 0);
        for (unsigned j = 0; j < n; j++, i++) {
            assert_int_equal(puts[j].result, 0);
            memcpy(f->names[i], puts[j].name, sizeof(f->names[i]));
        }
    }
    struct sto_scan r;
    assert_int_equal(sto_scan(s, 0, 0, 0, 100, note_start, f, &r), 0);
    assert_true(r.at_end);
    f->end = f->starts[RECORDS] = STO_POS_OFF(r.next);
    (void)snprintf(f->pack, sizeof(f->pack), "%s/data/00/00/000001", f->dir);
    f->bytes = calloc(1, PACK_BYTES);
    int fd = open(f->pack, O_RDONLY);
    assert_true(pread(fd, f->bytes, PACK_BYTES, 0) > 0);
    close(fd);
    sto_store_close(&s);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    test_tmpdir_free(&f->dir);
    free(f->bytes);
    free(f);
    fake_disk_stop();
    return 0;
}

/* The disk as the crash left it: the pack's first @n bytes, no checkpoint, no later pack. */
static void crash_with(struct fixture *f, const uint8_t *bytes, size_t n, size_t size)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/data/.log_checkpoint", f->dir);
    (void)unlink(path);
    for (unsigned i = 2; i < 9; i++) {
        (void)snprintf(path, sizeof(path), "%s/data/00/00/%06u", f->dir, i);
        (void)unlink(path);
    }
    int fd = open(f->pack, O_RDWR | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, 0), n);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

struct found {
    struct sto_store *s;
    const struct fixture *f;
    bool there[RECORDS];
    unsigned others;
};

static int check_entry(const struct sto_entry *e, void *arg)
{
    struct found *found = arg;
    uint64_t i;
    if (str_u64(e->desc, RECORDS - 1, &i) < 0 || !str_eq(e->name, str_c(found->f->names[i]))) {
        found->others++;
        return 0;
    }
    char want[160], got[160];
    size_t n = content((unsigned)i, want);
    struct sto_view v;
    if (sto_open_read(found->s, e->name, &v) < 0)
        return 0; /* its slot is damaged: refused, not half there */
    assert_int_equal(v.size, n);
    assert_int_equal(pread(v.fd, got, n, (off_t)v.offset), n);
    close(v.fd);
    if (memcmp(got, want, n) == 0)
        found->there[i] = true;
    else
        found->others++;
    return 0;
}

static struct found recover(struct fixture *f)
{
    struct found found = {.f = f};
    assert_int_equal(open_store(f->dir, &found.s), 0);
    struct sto_scan r = {0};
    while (!r.at_end)
        assert_int_equal(sto_scan(found.s, 0, r.next, 0, 100, check_entry, &found, &r), 0);
    /* and it can be written to: the new record is found, the old are still there */
    struct sto_put note = {.kind = DFS_PUT_NOTE, .desc = STR("new")};
    assert_int_equal(sto_put_batch(found.s, 0, &note, 1), 0);
    assert_int_equal(note.result, 0);
    sto_store_close(&found.s);
    assert_int_equal(open_store(f->dir, &found.s), 0);
    struct found again = {.f = f, .s = found.s};
    r = (struct sto_scan){0};
    while (!r.at_end)
        assert_int_equal(sto_scan(found.s, 0, r.next, 0, 100, check_entry, &again, &r), 0);
    assert_memory_equal(again.there, found.there, sizeof(found.there));
    assert_int_equal(again.others, found.others + 1);
    sto_store_close(&found.s);
    return found;
}

static void assert_first(const struct fixture *f, const struct found *found, uint32_t cut)
{
    for (unsigned i = 0; i < RECORDS; i++)
        assert_int_equal(found->there[i], f->starts[i + 1] <= cut);
    assert_int_equal(found->others, 0);
}

static void a_pack_cut_at_any_byte_keeps_the_whole_records_before(void **state)
{
    struct fixture *f = *state;
    for (uint32_t cut = STO_PACK_HEAD; cut <= f->end; cut++) {
        crash_with(f, f->bytes, cut, cut);
        struct found found = recover(f);
        assert_first(f, &found, cut);
    }
}

/* Only zero bytes behind a record may be missing: they are not part of what it says. */
static uint32_t zeros_before(const struct fixture *f, uint32_t at)
{
    while (f->bytes[at - 1] == 0)
        at--;
    return at;
}

static void a_tail_not_yet_written_is_no_record(void **state)
{
    struct fixture *f = *state;
    for (uint32_t cut = STO_PACK_HEAD; cut <= f->end; cut += 11) {
        crash_with(f, f->bytes, cut, PACK_BYTES); /* zeros, as preallocated */
        struct found found = recover(f);
        for (unsigned i = 0; i < RECORDS; i++)
            assert_int_equal(found.there[i], zeros_before(f, f->starts[i + 1]) <= cut);
        assert_int_equal(found.others, 0);
    }
}

static void garbage_behind_the_end_is_no_record(void **state)
{
    struct fixture *f = *state;
    uint8_t *bytes = malloc(PACK_BYTES);
    for (uint32_t cut = STO_PACK_HEAD; cut <= f->end; cut += 29) {
        memcpy(bytes, f->bytes, cut);
        for (uint32_t i = cut; i < cut + 4096; i++)
            bytes[i] = (uint8_t)fake_disk_random();
        crash_with(f, bytes, cut + 4096, PACK_BYTES);
        struct found found = recover(f);
        for (unsigned i = 0; i < RECORDS; i++)
            if (f->starts[i + 1] <= cut)
                assert_true(found.there[i]);
        assert_int_equal(found.others, 0);
    }
    free(bytes);
}

static void records_of_another_pack_do_not_join(void **state)
{
    struct fixture *f = *state;
    uint8_t *bytes = malloc(PACK_BYTES);
    for (unsigned i = 1; i < RECORDS; i++) { /* the same places and sequences, another salt */
        memcpy(bytes, f->bytes, f->end);
        for (unsigned j = i; j < RECORDS; j++) {
            struct sto_rec rec;
            struct sto_pack_head h;
            assert_int_equal(sto_pack_head_decode(bytes, STO_PACK_HEAD, &h), 0);
            uint8_t *at = bytes + f->starts[j];
            assert_int_equal(
                sto_rec_decode(at, h.salt, STO_POS(1, f->starts[j]), f->end - f->starts[j], &rec),
                0);
            sto_rec_encode(&rec, h.salt + 1, at);
        }
        crash_with(f, bytes, f->end, PACK_BYTES);
        struct found found = recover(f);
        assert_first(f, &found, f->starts[i]);
    }
    free(bytes);
}

/* One bad byte costs at most the record it is in: the others were acknowledged. */
static void damage_in_the_middle_costs_one_record(void **state)
{
    struct fixture *f = *state;
    uint8_t *bytes = malloc(PACK_BYTES);
    for (uint32_t at = STO_PACK_HEAD; at < f->starts[RECORDS - 2]; at += 13) {
        memcpy(bytes, f->bytes, f->end);
        bytes[at] ^= 0x5a;
        crash_with(f, bytes, f->end, PACK_BYTES);
        struct found found = recover(f);
        for (unsigned i = 0; i < RECORDS; i++)
            if (at < f->starts[i] || at >= f->starts[i + 1])
                assert_true(found.there[i]);
    }
    free(bytes);
}

int main(void)
{
    dfs_log_threshold = LOG_ERROR + 1;
    test_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_pack_cut_at_any_byte_keeps_the_whole_records_before,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_tail_not_yet_written_is_no_record, setup, teardown),
        cmocka_unit_test_setup_teardown(garbage_behind_the_end_is_no_record, setup, teardown),
        cmocka_unit_test_setup_teardown(records_of_another_pack_do_not_join, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_in_the_middle_costs_one_record, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
