/* SPDX-License-Identifier: Apache-2.0 */
/* check and restore: damage at every place of a record and a file is found, and undone from another server's copy. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/fileid/fileid.h"
#include "storage/disk/io.h"
#include "storage/trunk/check.h"
#include "storage/trunk/examine.h"
#include "storage/trunk/replica.h"
#include "storage/trunk/restore.h"

enum { CONTENT = 300, DEEP = 64 + 24 + CONTENT + 60 + 12 }; /* record without padding */

struct fixture {
    char *dir;
    struct sto_store *s;
    struct sto_mirrors *m;
    char name[STO_NAME_MAX + 1], plain[STO_NAME_MAX + 1];
    char file[256]; /* the pack */
    struct sto_log_info log;
    unsigned path;
    uint64_t position;
    char whole[DEEP + 64]; /* the record as it was written */
};

static void put(struct fixture *f, struct str data, char *name)
{
    struct sto_put p = {.kind = DFS_PUT_OBJECT, .ext = "txt", .desc = STR("what it is .")};
    p.data = data;
    assert_int_equal(sto_put_batch(f->s, 0, &p, 1), 0);
    assert_int_equal(p.result, 0);
    memcpy(name, p.name, sizeof(p.name));
}

static void put_plain(struct fixture *f, const char *text, char *name)
{
    struct sto_file *file;
    assert_int_equal(sto_file_open(f->s, 0, 0, 0, &file), 0);
    assert_int_equal(pwrite(sto_file_fd(file), text, strlen(text), 0), strlen(text));
    struct sto_commit c = {.size = strlen(text),
                           .crc32 = sto_crc32(0, text, strlen(text)),
                           .ext = "txt",
                           .desc = STR("d")};
    assert_int_equal(sto_file_commit(&file, &c, name), 0);
}

static int setup(void **state)
{
    struct fixture *f = dfs_zalloc(sizeof(*f));
    assert_non_null(f);
    f->dir = test_tmpdir();
    const struct sto_path_options path = {.dir = f->dir};
    const struct sto_store_options o = {.group = "group1",
                                        .storage_id = "10.0.0.1",
                                        .paths = &path,
                                        .path_count = 1,
                                        .reserve_bytes = 1,
                                        .segment_size = 1024 * 1024,
                                        .use_trunk = true};
    assert_int_equal(sto_store_open(&o, &f->s, NULL), 0);
    assert_int_equal(sto_mirrors_open(f->s, "10.0.0.1", &f->m), 0);
    char content[CONTENT], other[STO_NAME_MAX + 1];
    memset(content, 'c', sizeof(content));
    put(f, STR("before"), other);
    put(f, str_of(content, sizeof(content)), f->name);
    put(f, STR("behind"), other);
    put_plain(f, "a file of its own", f->plain);
    assert_int_equal(sto_record_of(f->s, f->m, str_c(f->name), &f->path, &f->log, &f->position), 0);
    char pack[DFS_LOCAL_PATH_MAX];
    dfs_trunk_path(f->log.high, f->log.low, (uint32_t)(f->position >> 32), pack);
    (void)snprintf(f->file, sizeof(f->file), "%s/%s", f->dir, pack);
    int fd = open(f->file, O_RDONLY);
    assert_int_equal(pread(fd, f->whole, sizeof(f->whole), (off_t)(uint32_t)f->position),
                     sizeof(f->whole));
    close(fd);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sto_mirrors_close(&f->m);
    sto_store_close(&f->s);
    test_tmpdir_free(&f->dir);
    free(f);
    return 0;
}

static void scribble(const char *file, off_t at, const char *bytes, size_t n)
{
    int fd = open(file, O_WRONLY);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    close(fd);
}

static enum sto_copy copy_of(struct fixture *f, const char *name, bool from_disk)
{
    enum sto_copy copy = STO_COPY_UNKNOWN;
    const struct sto_check_how how = {.from_disk = from_disk};
    assert_int_equal(sto_check(f->s, f->m, str_c(name), NULL, &how, &copy), 0);
    return copy;
}

static int restore(struct fixture *f)
{
    return sto_restore_record(f->s, f->path, &f->log, f->position,
                              str_of(f->whole, sizeof(f->whole)));
}

static void every_byte_of_a_record_counts(void **state)
{
    struct fixture *f = *state;
    off_t at = (off_t)(uint32_t)f->position;
    assert_int_equal(copy_of(f, f->name, false), STO_COPY_GOOD);
    assert_int_equal(copy_of(f, f->name, true), STO_COPY_GOOD);
    for (size_t i = 0; i < DEEP; i++) {
        char wrong = (char)(f->whole[i] ^ 0x10);
        scribble(f->file, at + (off_t)i, &wrong, 1);
        enum sto_copy want = i < 64 ? STO_COPY_MISSING : STO_COPY_BAD;
        if (i == 5) /* the state: any other byte than 'D' is alive */
            want = STO_COPY_GOOD;
        if (i != 5)
            assert_int_equal(copy_of(f, f->name, i % 2), want);
        assert_int_equal(restore(f), 0);
        if (i == 5)
            scribble(f->file, at + 5, "L", 1);
        assert_int_equal(copy_of(f, f->name, i % 2), STO_COPY_GOOD);
    }
}

static void a_wiped_record_comes_back_between_its_neighbours(void **state)
{
    struct fixture *f = *state;
    char zeros[sizeof(f->whole)] = {0};
    size_t total = (DEEP + 63) / 64 * 64;
    scribble(f->file, (off_t)(uint32_t)f->position, zeros, total);
    assert_int_equal(copy_of(f, f->name, false), STO_COPY_MISSING);
    assert_int_equal(restore(f), 0);
    assert_int_equal(copy_of(f, f->name, true), STO_COPY_GOOD);
    assert_int_equal(sto_verify(f->s, str_c(f->name)), 0);
}

static void only_that_record_is_taken(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < DEEP; i++) {
        char right = f->whole[i];
        f->whole[i] ^= 0x20;
        int r = restore(f);
        f->whole[i] = right;
        if (i == 5 || (i > 64 && i < 88))
            continue; /* the state, and the slot's header, which the name repeats */
        assert_true(r == -EBADMSG || (i == 64 && r == 0));
    }
    f->whole[5] = 'D';
    assert_int_equal(restore(f), -ENOENT);
    f->whole[5] = 'L';
    assert_int_equal(restore(f), 0);
    assert_int_equal(sto_restore_record(f->s, f->path, &f->log, f->position, str_of(f->whole, 63)),
                     -EBADMSG);
    assert_int_equal(
        sto_restore_record(f->s, f->path, &f->log, f->position + 64, str_of(f->whole, DEEP)),
        -EBADMSG);
}

static void a_deleted_file_stays_deleted(void **state)
{
    struct fixture *f = *state;
    struct str name = str_c(f->name);
    int result;
    assert_int_equal(sto_delete_batch(f->s, &name, 1, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(copy_of(f, f->name, false), STO_COPY_ABSENT);
    assert_int_equal(restore(f), -ENOENT);
    assert_int_equal(copy_of(f, f->name, false), STO_COPY_ABSENT);
}

static void a_lost_header_page_comes_back(void **state)
{
    struct fixture *f = *state;
    char page[4096], zeros[4096] = {0};
    uint32_t number = (uint32_t)(f->position >> 32);
    int fd = open(f->file, O_RDONLY);
    assert_int_equal(pread(fd, page, sizeof(page), 0), sizeof(page));
    close(fd);
    assert_int_equal(sto_pack_header_ok(f->s, f->path, &f->log, number), 0);
    scribble(f->file, 0, zeros, sizeof(zeros));
    assert_int_equal(sto_pack_header_ok(f->s, f->path, &f->log, number), -EBADMSG);
    assert_int_equal(copy_of(f, f->name, false), STO_COPY_BAD);
    assert_int_equal(sto_restore_header(f->s, f->path, &f->log, number, str_of(zeros, 4096)),
                     -EBADMSG);
    assert_int_equal(sto_restore_header(f->s, f->path, &f->log, number + 1, str_of(page, 4096)),
                     -EBADMSG);
    assert_int_equal(sto_restore_header(f->s, f->path, &f->log, number, str_of(page, 100)),
                     -EBADMSG);
    assert_int_equal(sto_restore_header(f->s, f->path, &f->log, number, str_of(page, 4096)), 0);
    assert_int_equal(copy_of(f, f->name, false), STO_COPY_GOOD);
}

static void a_plain_file_is_what_its_name_says(void **state)
{
    struct fixture *f = *state;
    char file[256];
    (void)snprintf(file, sizeof(file), "%s/data/%s", f->dir, f->plain + strlen("M00/"));
    assert_int_equal(copy_of(f, f->plain, true), STO_COPY_GOOD);
    assert_int_equal(chmod(file, 0644), 0);
    scribble(file, 3, "X", 1);
    assert_int_equal(copy_of(f, f->plain, false), STO_COPY_BAD);
    assert_int_equal(copy_of(f, f->plain, true), STO_COPY_BAD);
    scribble(file, 3, "i", 1);
    assert_int_equal(copy_of(f, f->plain, false), STO_COPY_GOOD);
    assert_int_equal(truncate(file, 4), 0);
    assert_int_equal(copy_of(f, f->plain, false), STO_COPY_BAD);
    struct sto_view v;
    assert_int_equal(sto_open_read(f->s, str_c(f->plain), &v), -EBADMSG);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(copy_of(f, f->plain, false), STO_COPY_MISSING);
}

static void a_marked_file_is_not_read_until_another_takes_its_place(void **state)
{
    struct fixture *f = *state;
    struct str name = str_c(f->plain);
    struct sto_view v;
    assert_int_equal(sto_mark_damaged(f->s, name, true), 0);
    assert_int_equal(sto_open_read(f->s, name, &v), -EBADMSG);
    assert_int_equal(copy_of(f, f->plain, false), STO_COPY_GOOD); /* it is looked at all the same */
    assert_int_equal(sto_client_may_change(f->s, name), -EPERM);
    assert_int_equal(sto_mark_damaged(f->s, name, false), 0);
    assert_int_equal(sto_open_read(f->s, name, &v), 0);
    close(v.fd);
    assert_int_equal(sto_mark_damaged(f->s, name, true), 0);
    struct sto_file *file;
    assert_int_equal(sto_file_open(f->s, 0, 0, 0, &file), 0);
    assert_int_equal(pwrite(sto_file_fd(file), "a file of its own", 17, 0), 17);
    assert_int_equal(sto_replica_file(f->s, &file, name, 17, 0), 0);
    assert_int_equal(sto_open_read(f->s, name, &v), 0);
    close(v.fd);
    assert_int_equal(sto_mark_damaged(f->s, str_c(f->name), true), -EINVAL);
}

/* ---- a walk over everything ---- */

struct found {
    unsigned named, nameless;
    char last[STO_NAME_MAX + 1];
    uint64_t position;
    struct sto_made made;
};

static void note_bad(void *arg, const struct sto_found *one)
{
    struct found *found = arg;
    assert_int_equal(one->path, 0);
    assert_true(one->log->own);
    *(one->name.n > 0 ? &found->named : &found->nameless) += 1;
    (void)snprintf(found->last, sizeof(found->last), STR_F, STR_A(one->name));
    found->position = one->position;
    found->made = one->made;
}

static void walk(struct fixture *f, struct found *found)
{
    *found = (struct found){.named = 0};
    const struct sto_check_how how = {.from_disk = true};
    const struct sto_examine x = {.s = f->s, .m = f->m, .how = &how, .bad = note_bad, .arg = found};
    struct sto_log_info log;
    uint64_t position = 0;
    (void)sto_mirrors_list(f->m, 0, &log, 1);
    for (bool end = false; !end;) {
        uint64_t before = position;
        assert_int_equal(sto_examine(&x, 0, &log, &position, &end), 0);
        assert_true(end || position > before);
    }
    assert_true(position >= log.end);
}

static void a_walk_finds_every_kind_of_damage_once(void **state)
{
    struct fixture *f = *state;
    struct found found;
    off_t at = (off_t)(uint32_t)f->position;
    walk(f, &found);
    assert_int_equal(found.named + found.nameless, 0);
    scribble(f->file, at + 100, "x", 1); /* content */
    walk(f, &found);
    assert_int_equal(found.named, 1);
    assert_int_equal(found.nameless, 0);
    assert_string_equal(found.last, f->name);
    assert_true(found.position == f->position);
    scribble(f->file, at + 12, "x", 1); /* header: the record cannot be read */
    walk(f, &found);
    assert_int_equal(found.named, 0);
    assert_int_equal(found.nameless, 1);
    assert_true(found.position == f->position);
    assert_int_equal(restore(f), 0);
    char file[256];
    (void)snprintf(file, sizeof(file), "%s/data/%s", f->dir, f->plain + strlen("M00/"));
    assert_int_equal(truncate(file, 4), 0);
    walk(f, &found);
    assert_int_equal(found.named, 1);
    assert_string_equal(found.last, f->plain);
    scribble(f->file, 20, "xxxx", 4); /* the pack's header page */
    walk(f, &found);
    assert_int_equal(found.nameless, 1);
    assert_int_equal((uint32_t)found.position, 0);
}

static void a_walk_passes_over_what_was_deleted(void **state)
{
    struct fixture *f = *state;
    struct str names[] = {str_c(f->name), str_c(f->plain)};
    struct found found;
    int results[2];
    assert_int_equal(sto_delete_batch(f->s, names, 2, results), 0);
    scribble(f->file, (off_t)(uint32_t)f->position + 100, "x", 1);
    walk(f, &found);
    assert_int_equal(found.named + found.nameless, 0);
}

/* ---- slaves, which only their record describes ---- */

static void put_slave(struct fixture *f, const char *master, const char *text, char *name)
{
    struct sto_file *file;
    assert_int_equal(sto_file_open(f->s, 0, 0, STO_NATIVE, &file), 0);
    assert_int_equal(pwrite(sto_file_fd(file), text, strlen(text), 0), strlen(text));
    struct sto_commit c = {.size = strlen(text),
                           .crc32 = sto_crc32(0, text, strlen(text)),
                           .ext = "jpg",
                           .master = str_c(master),
                           .prefix = STR("_small")};
    assert_int_equal(sto_file_commit(&file, &c, name), 0);
}

/* As it rots: no time tells. */
static void rot(const char *file, const char *bytes)
{
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    scribble(file, 0, bytes, 1);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
}

static void a_slave_is_what_its_record_says(void **state)
{
    struct fixture *f = *state;
    struct found found;
    char slave[STO_NAME_MAX + 1], file[256];
    put_slave(f, f->plain, "smaller", slave);
    (void)snprintf(file, sizeof(file), "%s/data/%s", f->dir, slave + strlen("M00/"));
    walk(f, &found);
    assert_int_equal(found.named + found.nameless, 0);
    rot(file, "S");
    walk(f, &found);
    assert_int_equal(found.named, 1);
    assert_string_equal(found.last, slave);
    assert_int_equal(found.made.crc32, sto_crc32(0, "smaller", 7));
    rot(file, "s");
    walk(f, &found);
    assert_int_equal(found.named, 0);
    scribble(file, 0, "S", 1); /* one of another time: nothing is known of it */
    walk(f, &found);
    assert_int_equal(found.named, 0);
}

static void a_slave_that_was_made_again_is_another_one(void **state)
{
    struct fixture *f = *state;
    struct found found;
    char slave[STO_NAME_MAX + 1], again[STO_NAME_MAX + 1];
    int result;
    put_slave(f, f->plain, "first", slave);
    struct str name = str_c(slave);
    assert_int_equal(sto_delete_batch(f->s, &name, 1, &result), 0);
    assert_int_equal(result, 0);
    put_slave(f, f->plain, "second", again);
    assert_string_equal(slave, again);
    walk(f, &found);
    assert_int_equal(found.named + found.nameless, 0);
}

static int stop_at_once(void *arg, size_t bytes)
{
    *(size_t *)arg += bytes;
    return -ECANCELED;
}

static void a_check_can_be_stopped(void **state)
{
    struct fixture *f = *state;
    size_t seen = 0;
    enum sto_copy copy;
    const struct sto_check_how how = {.step = stop_at_once, .arg = &seen};
    assert_int_equal(sto_check(f->s, f->m, str_c(f->name), NULL, &how, &copy), -ECANCELED);
    assert_int_equal(sto_check(f->s, f->m, str_c(f->plain), NULL, &how, &copy), -ECANCELED);
    assert_int_equal(seen, CONTENT + 17);
    assert_int_equal(sto_check(f->s, f->m, STR("M00/00/00/nonsense"), NULL, NULL, &copy), -EINVAL);
}

static void a_deletion_is_seen_by_who_watches(void **state)
{
    struct fixture *f = *state;
    struct sto_watch one = {.name = str_c(f->name)}, other = {.name = str_c(f->plain)};
    struct str name = str_c(f->name);
    int result;
    sto_watch_on(f->s, &one);
    sto_watch_on(f->s, &other);
    assert_int_equal(sto_delete_batch(f->s, &name, 1, &result), 0);
    assert_true(one.deleted);
    assert_false(other.deleted);
    sto_watch_off(f->s, &one);
    sto_watch_off(f->s, &other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_byte_of_a_record_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wiped_record_comes_back_between_its_neighbours, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(only_that_record_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deleted_file_stays_deleted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_header_page_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_plain_file_is_what_its_name_says, setup, teardown),
        cmocka_unit_test_setup_teardown(a_marked_file_is_not_read_until_another_takes_its_place,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_walk_finds_every_kind_of_damage_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_walk_passes_over_what_was_deleted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slave_is_what_its_record_says, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slave_that_was_made_again_is_another_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_check_can_be_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deletion_is_seen_by_who_watches, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
