/* SPDX-License-Identifier: Apache-2.0 */
/* What a log's copy brings to a member, how far it has come, and what is passed on. */
#include "tests/lib/mirror_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "storage/trunk/checkpoint.h"
#include "storage/trunk/mirror_priv.h"
#include "storage/trunk/replica.h"

static void a_packed_file_is_read_on_every_member(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char one[STO_NAME_MAX + 1], two[STO_NAME_MAX + 1];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "first", one);
    struct seen seen = copy(&a, &b);
    assert_int_equal(seen.entries, 1);
    assert_string_equal(seen.last, one);
    assert_true(holds(&b, one, "first"));
    put(&a, "second", two);
    assert_false(holds(&b, two, "second"));
    assert_int_equal(copy(&a, &b).entries, 1);
    assert_true(holds(&b, two, "second"));
    assert_int_equal(copy(&a, &b).entries, 0);
    remove_server(&a);
    remove_server(&b);
}

static void how_far_survives_a_restart_of_either_side(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char one[STO_NAME_MAX + 1], two[STO_NAME_MAX + 1];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "first", one);
    (void)copy(&a, &b);
    close_server(&a);
    close_server(&b);
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "second", two);
    assert_int_equal(copy(&a, &b).entries, 1);
    assert_true(holds(&b, one, "first") && holds(&b, two, "second"));
    remove_server(&a);
    remove_server(&b);
}

enum { MARK = 1024 };

/* The mark of @of's log at @s: a file of two halves. */
static int open_mark(const struct server *s, struct server *of)
{
    struct sto_log_info log;
    char hex[2 * STO_LOG_ID_LEN + 1] = "", path[512];
    assert_int_equal(sto_mirrors_list(of->mirrors, 0, &log, 1), 1);
    str_hex(log.id, STO_LOG_ID_LEN, hex);
    (void)snprintf(path, sizeof(path), "%s/data/.mirrors/%s", s->dir, hex);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

/* Power fails when a piece is there and its slots are filled, but before all of that is synced and marked. */
static void what_lies_behind_the_mark_is_not_read(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char one[STO_NAME_MAX + 1], two[STO_NAME_MAX + 1], mark[MARK];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "first", one);
    (void)copy(&a, &b);
    int fd = open_mark(&b, &a);
    assert_int_equal(pread(fd, mark, MARK, 0), MARK);
    put(&a, "second", two);
    (void)copy(&a, &b);
    close_server(&b);
    assert_int_equal(pwrite(fd, mark, MARK, 0), MARK);
    close(fd);
    open_server(&b, "10.0.0.2");
    assert_true(holds(&b, one, "first"));
    struct sto_view v;
    assert_int_equal(sto_open_read(b.store, str_c(two), &v), -ENOENT);
    assert_int_equal(copy(&a, &b).entries, 1);
    assert_true(holds(&b, two, "second"));
    remove_server(&a);
    remove_server(&b);
}

struct stop {
    struct server *at;
    const char *name, *text;
    unsigned entries;
};

/* Of three files in a piece the second cannot be done: the peer has gone. */
static int fail_at_the_second(const struct sto_entry *e, void *arg)
{
    struct stop *s = arg;
    if (s->entries > 0)
        assert_true(holds(s->at, s->name, s->text));
    (void)e;
    return ++s->entries == 2 ? -EPIPE : 0;
}

static void what_was_done_of_a_piece_is_seen_and_marked_and_no_more(void **state)
{
    (void)state;
    struct server a = {0}, b = {0}, c = {0};
    char name[3][STO_NAME_MAX + 1];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    open_server(&c, "10.0.0.3");
    put(&a, "first", name[0]);
    (void)copy(&a, &b);
    put(&a, "one", name[0]);
    put(&a, "two", name[1]);
    put(&a, "three", name[2]);
    struct sto_log_info log, here, logs[2];
    struct sto_range r;
    AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
    assert_int_equal(sto_mirrors_list(a.mirrors, 0, &log, 1), 1);
    assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &here), 0);
    uint64_t before = here.end;
    assert_int_equal(sto_mirrors_read(a.mirrors, 0, log.id, here.end, &piece, &r), 0);
    struct stop stop = {.at = &b, .name = name[0], .text = "one"};
    assert_int_equal(sto_mirrors_take(b.mirrors, 0, &log, &r, buf_str(&piece),
                                      &(struct sto_taker){fail_at_the_second, NULL, &stop}),
                     -EPIPE);
    assert_int_equal(stop.entries, 2);
    assert_true(holds(&b, name[0], "one"));
    assert_false(holds(&b, name[1], "two") || holds(&b, name[2], "three"));
    assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &here), 0);
    assert_true(here.end > before && here.end < r.next);

    /* A third member has from it what it shows, and no more. */
    assert_int_equal(sto_mirrors_list(b.mirrors, 0, logs, 2), 2);
    struct seen seen = {0};
    uint64_t at = 0;
    do {
        buf_reset(&piece);
        assert_int_equal(sto_mirrors_read(b.mirrors, 0, log.id, at, &piece, &r), 0);
        if (r.n > 0)
            assert_int_equal(sto_mirrors_take(c.mirrors, 0, &logs[1], &r, buf_str(&piece),
                                              &(struct sto_taker){look, NULL, &seen}),
                             0);
        at = r.next;
    } while (r.n > 0);
    assert_true(holds(&c, name[0], "one"));
    assert_false(holds(&c, name[1], "two"));
    assert_int_equal(copy(&a, &b).entries, 2); /* it goes on where it stopped */
    assert_true(holds(&b, name[1], "two") && holds(&b, name[2], "three"));
    remove_server(&a);
    remove_server(&b);
    remove_server(&c);
}

/* What is put off: nothing of it can be seen until it is settled, which the third entry asks for. */
struct later {
    struct server *at;
    const char *name[4];
    unsigned asked, settled;
    int result; /* of settling */
};

static int put_off(const struct sto_entry *e, void *arg)
{
    struct later *l = arg;
    if (e->name.n == 0)
        return STO_PUT_OFF;
    l->asked++;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(holds(l->at, l->name[i], "text"), l->settled > 0 && i < 2);
    return l->asked == 3 ? STO_SETTLE_FIRST : STO_PUT_OFF;
}

static int do_later(void *arg)
{
    struct later *l = arg;
    l->settled++;
    return l->result;
}

static void what_is_put_off_is_seen_and_marked_when_it_is_settled(void **state)
{
    (void)state;
    for (int result = 0; result >= -EPIPE; result -= EPIPE) {
        struct server a = {0}, b = {0};
        char name[4][STO_NAME_MAX + 1];
        open_server(&a, "10.0.0.1");
        open_server(&b, "10.0.0.2");
        put(&a, "first", name[0]);
        (void)copy(&a, &b);
        struct later l = {.at = &b, .result = result};
        for (size_t i = 0; i < 4; i++) {
            put(&a, "text", name[i]);
            l.name[i] = name[i];
        }
        struct sto_log_info log, mine;
        struct sto_range r;
        AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
        assert_int_equal(sto_mirrors_list(a.mirrors, 0, &log, 1), 1);
        assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &mine), 0);
        uint64_t before = mine.end;
        assert_int_equal(sto_mirrors_read(a.mirrors, 0, log.id, before, &piece, &r), 0);
        const struct sto_taker taker = {put_off, do_later, &l};
        assert_int_equal(sto_mirrors_take(b.mirrors, 0, &log, &r, buf_str(&piece), &taker), result);
        assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &mine), 0);
        assert_int_equal(mine.end, result == 0 ? r.next : before);
        assert_int_equal(l.settled,
                         result == 0 ? 2 : 1); /* one that has failed is not asked again */
        assert_int_equal(l.asked, result == 0 ? 5 : 3);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(holds(&b, name[i], "text"), result == 0);
        remove_server(&a);
        remove_server(&b);
    }
}

static int cannot(const struct sto_entry *e, void *arg)
{
    (void)e;
    (void)arg;
    return -EPIPE;
}

/* What @s passes on of a log it copies. */
static struct seen passed_on(struct server *s, const struct sto_log_info *log)
{
    struct seen seen = {0};
    uint64_t at = 0;
    struct sto_range r;
    do {
        AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
        assert_int_equal(sto_mirrors_read(s->mirrors, 0, log->id, at, &piece, &r), 0);
        assert_int_equal(sto_mirrors_entries(s->mirrors, 0, log->id, &r, look, &seen), 0);
        at = r.next;
    } while (r.n > 0);
    return seen;
}

/* The piece is written, and cannot be done; until it is asked for again, the source sweeps some or all of it. */
static void what_could_not_be_done_and_was_swept_then_is_not_passed_on(void **state)
{
    (void)state;
    for (int all = 0; all <= 1; all++) {
        struct server a = {0}, b = {0};
        char gone[STO_NAME_MAX + 1], last[STO_NAME_MAX + 1];
        struct sto_log_info log, here;
        struct sto_range r;
        AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
        open_server(&a, "10.0.0.1");
        open_server(&b, "10.0.0.2");
        put(&a, "first", gone);
        (void)copy(&a, &b);
        put(&a, "gone", gone);
        assert_int_equal(sto_mirrors_list(a.mirrors, 0, &log, 1), 1);
        uint64_t kept = log.end;
        put(&a, "last", last);
        assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &here), 0);
        assert_int_equal(sto_mirrors_read(a.mirrors, 0, log.id, here.end, &piece, &r), 0);
        uint64_t end = r.next;
        assert_int_equal(sto_mirrors_take(b.mirrors, 0, &log, &r, buf_str(&piece),
                                          &(struct sto_taker){cannot, NULL, NULL}),
                         -EPIPE);

        if (all) {
            assert_int_equal(sto_mirrors_swept(b.mirrors, 0, &log, end), 0);
        } else {
            buf_reset(&piece);
            assert_int_equal(sto_mirrors_read(a.mirrors, 0, log.id, kept, &piece, &r), 0);
            assert_int_equal(take(&b, &log, &r, &piece), 0);
            assert_true(holds(&b, last, "last"));
        }
        assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &here), 0);
        assert_int_equal(here.end, end);
        struct seen seen = passed_on(&b, &log);
        assert_int_equal(seen.entries, all ? 1 : 2);
        assert_string_not_equal(seen.last, gone);
        remove_server(&a);
        remove_server(&b);
    }
}

static void a_copy_of_a_copy_is_as_good(void **state)
{
    (void)state;
    struct server a = {0}, b = {0}, c = {0};
    char name[STO_NAME_MAX + 1];
    struct sto_log_info logs[4];
    struct sto_put note = {.kind = DFS_PUT_NOTE, .desc = STR("key gone")};
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    open_server(&c, "10.0.0.1"); /* a, back with an empty disk */
    put(&a, "text", name);
    assert_int_equal(sto_put_batch(a.store, 0, &note, 1), 0);
    (void)copy(&a, &b);
    remove_server(&a);
    assert_int_equal(sto_mirrors_list(b.mirrors, 0, logs, ARRAY_LEN(logs)), 2);
    assert_string_equal(logs[1].origin, "10.0.0.1");
    assert_false(logs[1].own);
    struct seen seen = {0};
    for (uint64_t at = 0;;) {
        AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
        struct sto_range r;
        assert_int_equal(sto_mirrors_read(b.mirrors, 0, logs[1].id, at, &piece, &r), 0);
        if (r.n == 0)
            break;
        assert_int_equal(sto_mirrors_take(c.mirrors, 0, &logs[1], &r, buf_str(&piece),
                                          &(struct sto_taker){look, NULL, &seen}),
                         0);
        at = r.next;
    }
    assert_int_equal(seen.entries, 2);
    assert_int_equal(seen.notes, 1);
    assert_true(holds(&c, name, "text"));
    remove_server(&b);
    remove_server(&c);
}

static void a_deletion_takes_the_copy_away(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char name[STO_NAME_MAX + 1];
    int result = -1;
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "text", name);
    (void)copy(&a, &b);
    struct str n = str_c(name);
    assert_int_equal(sto_delete_batch(b.store, &n, 1, &result), 0);
    assert_int_equal(result, 0);
    assert_false(holds(&b, name, "text"));
    close_server(&b);
    open_server(&b, "10.0.0.2");
    assert_false(holds(&b, name, "text"));
    assert_true(holds(&a, name, "text"));
    remove_server(&a);
    remove_server(&b);
}

/* What a member hears from another one's log and says in its own. */
static void a_deletion_is_said_again_here_or_not(void **state)
{
    (void)state;
    struct server a = {0}, b = {0}, c = {0};
    char name[2][STO_NAME_MAX + 1], slave[STO_NAME_MAX + 1];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    open_server(&c, "10.0.0.3");
    put(&a, "here", name[0]);
    (void)copy(&a, &b);
    put(&a, "not here yet", name[1]);
    const struct str base = str_c(name[1]);
    (void)snprintf(slave, sizeof(slave), STR_F "_small.txt", STR_A(str_head(base, base.n - 4)));
    assert_int_equal(sto_replica_delete(b.store, str_c(name[0]), 0, false, false), 0);
    struct seen seen = copy(&b, &c);
    assert_int_equal(seen.entries, 1);
    assert_int_equal(seen.again, 1);
    assert_string_equal(seen.last, name[0]);
    assert_int_equal(sto_replica_delete(b.store, base, 0, false, false), -ENOENT);
    assert_int_equal(sto_replica_delete(b.store, str_c(slave), 0, false, true), -ENOENT);
    assert_int_equal(copy(&b, &c).entries, 0);
    assert_int_equal(sto_replica_delete(b.store, base, 0, false, true), -ENOENT);
    seen = copy(&b, &c);
    assert_int_equal(seen.entries, 1);
    assert_int_equal(seen.again, 1);
    assert_string_equal(seen.last, name[1]);
    const struct str first = str_c(name[1]);
    int result = -1;
    assert_int_equal(sto_delete_batch(a.store, &first, 1, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(copy(&a, &c).again, 0); /* at first hand */
    remove_server(&a);
    remove_server(&b);
    remove_server(&c);
}

/* A disk that cannot read folders: in place of the C library's. */
static bool folders_fail;

struct dirent *readdir(DIR *dir)
{
    if (!folders_fail)
        return (struct dirent *)(void *)readdir64(dir);
    errno = EIO;
    return NULL;
}

static void a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(void **state)
{
    (void)state;
    struct server a = {0};
    struct sto_store *s = NULL;
    struct sto_mirrors *m = NULL;
    char name[STO_NAME_MAX + 1], checkpoint[256];
    struct sto_log_info own;
    uint32_t number, end;
    open_server(&a, "10.0.0.1");
    put(&a, "content", name);
    assert_int_equal(sto_mirrors_list(a.mirrors, 0, &own, 1), 1);
    sto_mirrors_close(&a.mirrors);
    folders_fail = true;
    assert_int_equal(sto_mirrors_open(a.store, "10.0.0.1", &m), -EIO);
    own.own = false; /* as if its packs were another server's */
    assert_int_equal(sto_mirrors_pack_at(&a.store->paths[0], &own, 1, &number, &end), -EIO);
    sto_store_close(&a.store);
    (void)snprintf(checkpoint, sizeof(checkpoint), "%s/" STO_CHECKPOINT_FILE, a.dir);
    assert_int_equal(unlink(checkpoint), 0); /* without it the packs are looked for */
    struct sto_path_options path = {.dir = a.dir};
    struct sto_store_options o = {.group = "group1",
                                  .storage_id = "10.0.0.1",
                                  .paths = &path,
                                  .path_count = 1,
                                  .reserve_bytes = 1,
                                  .segment_size = 1 << 20,
                                  .use_trunk = true};
    assert_int_equal(sto_store_open(&o, &s, NULL), -EIO);
    folders_fail = false;
    open_server(&a, "10.0.0.1");
    assert_true(holds(&a, name, "content"));
    remove_server(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packed_file_is_read_on_every_member),
        cmocka_unit_test(how_far_survives_a_restart_of_either_side),
        cmocka_unit_test(what_lies_behind_the_mark_is_not_read),
        cmocka_unit_test(what_was_done_of_a_piece_is_seen_and_marked_and_no_more),
        cmocka_unit_test(what_is_put_off_is_seen_and_marked_when_it_is_settled),
        cmocka_unit_test(what_could_not_be_done_and_was_swept_then_is_not_passed_on),
        cmocka_unit_test(a_copy_of_a_copy_is_as_good),
        cmocka_unit_test(a_deletion_takes_the_copy_away),
        cmocka_unit_test(a_deletion_is_said_again_here_or_not),
        cmocka_unit_test(a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
