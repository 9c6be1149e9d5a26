/* SPDX-License-Identifier: Apache-2.0 */
/* Space comes back, and ids and positions stay what they were. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "storage/trunk/store_priv.h"
#include "tests/lib/fake_disk.h"
#include "tests/lib/test.h"

enum { OBJECTS = 400, SIZE = 6000, PACK_BYTES = 1024 * 1024 };

struct fixture {
    char *dir;
    struct sto_store *s;
    char names[OBJECTS][STO_NAME_MAX + 1];
    uint64_t positions[OBJECTS];
    bool live[OBJECTS];
    unsigned filled; /* by the scan */
};

static _Atomic uint64_t fake_total, fake_free; /* 0: the real ones */

static int small_disk(int fd, struct statvfs *ret)
{
    int r = fstatvfs(fd, ret);
    if (r == 0 && fake_total) {
        ret->f_frsize = 1;
        ret->f_blocks = fake_total;
        ret->f_bavail = fake_free;
    }
    return r;
}

static struct sto_io io;

static void open_store_keeping(struct fixture *f, uint64_t bytes, unsigned permyriad)
{
    struct sto_path_options path = {.dir = f->dir};
    struct sto_store_options o = {.group = "group1",
                                  .storage_id = "100001",
                                  .paths = &path,
                                  .path_count = 1,
                                  .subdirs = 2,
                                  .segment_size = PACK_BYTES,
                                  .reserve_bytes = bytes,
                                  .reserve_permyriad = permyriad,
                                  .io = &io};
    assert_int_equal(sto_store_open(&o, &f->s, NULL), 0);
}

static void open_store(struct fixture *f)
{
    open_store_keeping(f, 4 * 1024 * 1024, 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    io = sto_io_os;
    io.fstatvfs = small_disk;
    fake_total = 0;
    f->dir = test_tmpdir();
    open_store(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sto_store_close(&f->s);
    test_tmpdir_free(&f->dir);
    free(f);
    return 0;
}

static int put_one(struct fixture *f, unsigned i)
{
    char data[SIZE], desc[16];
    memset(data, 'a' + (int)(i % 26), sizeof(data));
    (void)snprintf(desc, sizeof(desc), "%u", i);
    struct sto_put p = {
        .kind = DFS_PUT_OBJECT, .desc = str_c(desc), .data = str_of(data, sizeof(data))};
    assert_int_equal(sto_put_batch(f->s, 0, &p, 1), 0);
    memcpy(f->names[i], p.name, sizeof(p.name));
    f->live[i] = p.result == 0;
    return p.result;
}

static int delete_one(struct fixture *f, unsigned i)
{
    struct str name = str_c(f->names[i]);
    int result;
    assert_int_equal(sto_delete_batch(f->s, &name, 1, &result), 0);
    f->live[i] = false;
    return result;
}

static int note_position(const struct sto_entry *e, void *arg)
{
    struct fixture *f = arg;
    uint64_t i;
    assert_int_equal(str_u64(e->desc, OBJECTS - 1, &i), 0);
    f->positions[i] = e->position;
    return 0;
}

static void scan_all(struct fixture *f, uint64_t from, sto_scan_fn *fn, void *arg)
{
    struct sto_scan r = {.next = from};
    while (!r.at_end)
        assert_int_equal(sto_scan(f->s, 0, r.next, 0, 50, fn, arg, &r), 0);
}

struct from {
    struct fixture *f;
    unsigned next; /* object expected next */
};

static int expect_next_live(const struct sto_entry *e, void *arg)
{
    struct from *from = arg;
    while (from->next < OBJECTS && !from->f->live[from->next])
        from->next++;
    uint64_t i;
    assert_int_equal(str_u64(e->desc, OBJECTS - 1, &i), 0);
    assert_int_equal(i, from->next);
    assert_int_equal(e->position, from->f->positions[i]);
    from->next++;
    return 0;
}

static void assert_scan_from_everywhere(struct fixture *f)
{
    for (unsigned i = 0; i < OBJECTS; i += 13) {
        struct from from = {f, i};
        scan_all(f, f->positions[i], expect_next_live, &from);
        while (from.next < OBJECTS && !f->live[from.next])
            from.next++;
        assert_int_equal(from.next, OBJECTS);
    }
}

static void assert_readable(struct fixture *f)
{
    for (unsigned i = 0; i < OBJECTS && f->names[i][0]; i++)
        assert_int_equal(sto_verify(f->s, str_c(f->names[i])), f->live[i] ? 0 : -ENOENT);
}

/* What packs [1, @before) take on the disk. */
static uint64_t blocks_of_packs(struct fixture *f, uint32_t before)
{
    struct sto_log *log = &f->s->paths[0].log;
    uint64_t bytes = 0;
    for (uint32_t n = 1; n < before; n++) {
        int fd = sto_log_open_pack(log, n, false);
        struct stat st;
        if (fd >= 0 && fstat(fd, &st) == 0)
            bytes += (uint64_t)st.st_blocks * 512;
        dfs_close_fd(&fd);
    }
    return bytes;
}

static void sweep_all(struct fixture *f)
{
    struct sto_log *log = &f->s->paths[0].log;
    sto_log_maint_stop(
        log); /* two sweeps at a time: one would find a pack gone that the other removed */
    assert_int_equal(sto_log_checkpoint(log), 0);
    struct sto_seg seg;
    for (uint32_t n = 1; sto_log_seg_at(log, n, &seg) && seg.number < STO_POS_PACK(log->end);
         n = seg.number + 1)
        assert_int_equal(sto_log_sweep(log, seg.number), 0);
}

static void swept_space_comes_back_and_positions_stay(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < OBJECTS; i++)
        assert_int_equal(put_one(f, i), 0);
    scan_all(f, 0, note_position, f);
    uint32_t last = STO_POS_PACK(f->s->paths[0].log.end);
    uint64_t before = blocks_of_packs(f, last);
    for (unsigned i = 0; i < OBJECTS; i++)
        if (i % 10 != 0)
            assert_int_equal(delete_one(f, i), 0);
    assert_scan_from_everywhere(f);
    sweep_all(f);
    assert_true(blocks_of_packs(f, last) < before / 2);
    assert_scan_from_everywhere(f);
    assert_readable(f);
    sweep_all(f); /* again: runs of what is already swept */
    assert_scan_from_everywhere(f);
    for (unsigned i = 0; i < 250; i++)
        if (f->live[i])
            assert_int_equal(delete_one(f, i), 0);
    sweep_all(f);
    struct sto_path_stat st;
    assert_int_equal(sto_store_stat(f->s, 0, &st), 0);
    assert_true(st.segments <= 3); /* packs without a live record are gone */
    assert_scan_from_everywhere(f);
    sto_store_close(&f->s);
    open_store(f);
    assert_scan_from_everywhere(f);
    assert_readable(f);
}

/*
 * A sweep comes between the two marks of a deletion, and a crash loses the second mark. The deleted
 * file must not come back.
 */
static struct sto_log *sweep_at_mark;
static int marks;

static ssize_t sweep_after_first_mark(int fd, const struct iovec *iov, int count, off_t at)
{
    bool mark = sweep_at_mark && count == 1 && iov->iov_len == 1;
    if (mark && ++marks == 2)
        return 1; /* said to be written, lost in the crash */
    ssize_t r = pwritev(fd, iov, count, at);
    if (mark)
        assert_int_equal(sto_log_sweep(sweep_at_mark, 1), 0);
    return r;
}

static void a_sweep_amid_a_deletion_does_not_bring_it_back(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(put_one(f, i), 0);
    struct sto_log *log = &f->s->paths[0].log;
    sto_log_maint_stop(log);
    assert_int_equal(sto_log_checkpoint(log), 0);
    char saved[512], checkpoint[256];
    (void)snprintf(checkpoint, sizeof(checkpoint), "%s/data/.log_checkpoint", f->dir);
    FILE *in = fopen(checkpoint, "r");
    assert_non_null(in);
    size_t n = fread(saved, 1, sizeof(saved), in);
    fclose(in);
    for (unsigned victim = 50; victim < 54; victim++) {
        sweep_at_mark = log;
        marks = 0;
        io.pwritev = sweep_after_first_mark;
        assert_int_equal(delete_one(f, victim), 0);
        sweep_at_mark = NULL;
        assert_int_equal(marks, 2);
    }
    sto_store_close(&f->s);
    FILE *out = fopen(checkpoint, "w"); /* the crash: no orderly close was */
    assert_int_equal(fwrite(saved, 1, n, out), n);
    fclose(out);
    open_store(f);
    for (unsigned i = 50; i < 54; i++)
        assert_int_equal(sto_verify(f->s, str_c(f->names[i])), -ENOENT);
    assert_int_equal(sto_verify(f->s, str_c(f->names[54])), 0);
}

static void a_lost_checkpoint_costs_nothing_but_time(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < OBJECTS; i++)
        assert_int_equal(put_one(f, i), 0);
    for (unsigned i = 0; i < OBJECTS; i++)
        if (i % 3 == 0 || i < 180)
            assert_int_equal(delete_one(f, i), 0);
    sweep_all(f);
    sto_store_close(&f->s);
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/data/.log_checkpoint", f->dir);
    assert_int_equal(truncate(path, 40), 0);
    open_store(f);
    scan_all(f, 0, note_position, f);
    assert_readable(f);
}

static void a_lost_identity_is_not_papered_over(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put_one(f, 0), 0);
    sto_store_close(&f->s);
    char path[256], aside[256];
    (void)snprintf(path, sizeof(path), "%s/data/.log_id", f->dir);
    (void)snprintf(aside, sizeof(aside), "%s/aside", f->dir);
    assert_int_equal(rename(path, aside), 0);
    struct sto_path_options paths = {.dir = f->dir};
    struct sto_store_options o = {
        .group = "group1", .storage_id = "100001", .paths = &paths, .path_count = 1};
    unsigned bad = 9;
    assert_int_equal(sto_store_open(&o, &f->s, &bad), -EBADMSG);
    assert_int_equal(bad, 0);
    assert_int_equal(rename(aside, path), 0);
    open_store(f);
    assert_readable(f);
}

static void a_full_disk_refuses_puts_takes_deletes_and_heals(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(put_one(f, i), 0);
    fake_total = 64 * 1024 * 1024;
    fake_free = 3 * 1024 * 1024; /* below the reserve */
    assert_int_equal(put_one(f, 20), -ENOSPC);
    struct sto_file *file = NULL;
    assert_int_equal(sto_file_open(f->s, 0, 1, 0, &file), -ENOSPC);
    struct sto_put note = {.kind = DFS_PUT_NOTE, .desc = STR("0")};
    assert_int_equal(sto_put_batch(f->s, 0, &note, 1), 0);
    assert_int_equal(note.result, 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(sto_verify(f->s, str_c(f->names[i])), 0);
        assert_int_equal(delete_one(f, i), 0);
    }
    fake_free = 32 * 1024 * 1024;
    assert_int_equal(put_one(f, 20), 0);
}

/* The pack being written holds nearly all: its dead records must come back, too. */
static void a_full_disk_sweeps_even_the_pack_in_use(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 100; i++) /* less than a pack */
        assert_int_equal(put_one(f, i), 0);
    sto_log_maint_stop(&f->s->paths[0].log);
    fake_total = 64 * 1024 * 1024;
    fake_free = 3 * 1024 * 1024;
    assert_true(blocks_of_packs(f, 2) > 100 * SIZE);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(delete_one(f, i), 0);
    sto_log_maint_once(&f->s->paths[0].log); /* sees that space is short */
    struct sto_put note = {.kind = DFS_PUT_NOTE, .desc = STR("0")};
    assert_int_equal(sto_put_batch(f->s, 0, &note, 1), 0);
    assert_int_equal(note.result, 0);
    sto_log_maint_once(&f->s->paths[0].log); /* sweeps */
    sto_log_maint_once(&f->s->paths[0].log); /* what only the new checkpoint made dead */
    assert_int_equal(blocks_of_packs(f, 2), 0);
}

static void a_file_takes_its_space_when_it_says_how_much(void **state)
{
    struct fixture *f = *state;
    struct sto_file *file = NULL;
    enum { MIB = 1024 * 1024 };
    assert_int_equal(sto_file_open(f->s, 0, 8 * MIB, 0, &file), 0);
    struct stat st;
    assert_int_equal(fstat(sto_file_fd(file), &st), 0);
    assert_true(st.st_blocks * 512 >= 8 * MIB);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(write(sto_file_fd(file), "abc", 3), 3);
    struct sto_commit c = {.size = 3, .crc32 = sto_crc32(0, "abc", 3), .desc = STR("")};
    char name[STO_NAME_MAX + 1];
    assert_int_equal(sto_file_commit(&file, &c, name), 0);
    struct sto_view v;
    assert_int_equal(sto_open_read(f->s, str_c(name), &v), 0);
    assert_int_equal(fstat(v.fd, &st), 0);
    assert_true(st.st_blocks * 512 < MIB); /* what it did not need went back */
    close(v.fd);
    fake_total = 1024 * MIB;
    fake_free = 8 * MIB;
    assert_int_equal(sto_file_open(f->s, 0, 8 * MIB, 0, &file), -ENOSPC);
}

/* As the trackers count it. */
static void a_part_of_a_percent_counts(void **state)
{
    struct fixture *f = *state;
    static const struct {
        unsigned permyriad;
        uint64_t bytes;
    } rows[] = {{1, 100000}, {50, 5000000}, {2075, 207500000}, {10000, 1000000000}};
    fake_total = fake_free = 1000000000;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        sto_store_close(&f->s);
        open_store_keeping(f, 0, rows[i].permyriad);
        assert_int_equal(f->s->paths[0].reserve, rows[i].bytes);
    }
}

int main(void)
{
    dfs_log_threshold = LOG_ERROR + 1;
    test_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(swept_space_comes_back_and_positions_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sweep_amid_a_deletion_does_not_bring_it_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_lost_checkpoint_costs_nothing_but_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_identity_is_not_papered_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_puts_takes_deletes_and_heals, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_part_of_a_percent_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_sweeps_even_the_pack_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_takes_its_space_when_it_says_how_much, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
