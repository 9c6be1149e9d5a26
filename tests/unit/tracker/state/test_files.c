/* SPDX-License-Identifier: Apache-2.0 */
/* What is written is read back; what was torn, damaged or left half done is read as far as it was
 * whole. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "tracker/state/files.h"

static struct trk_node *add(struct trk_cluster *c, const char *group, const char *id)
{
    struct trk_group *g;
    struct trk_node *n;
    assert_int_equal(trk_group_get(c, group, &g), 0);
    assert_int_equal(trk_node_add(c, g, id, &n), 0);
    memcpy(n->ip[0], id, strlen(id));
    n->port = 23000;
    n->path_count = 2;
    return n;
}

/* Two groups, three servers, one log line, a vote, a list of trackers. */
static void fill(struct trk_cluster *c, struct trk_self *self)
{
    struct dfs_path_usage usage[2] = {{1000, 900}, {2000, 100}};
    struct trk_log_line line = {
        .time_s = 1700000000, .group = "group1", .id = "10.0.0.9", .status = 4};
    trk_cluster_init(c);
    trk_cluster_now(c, 1700000000000000);
    struct trk_node *a = add(c, "group1", "10.0.0.1"), *b = add(c, "group1", "10.0.0.2");
    struct trk_node *z = add(c, "group2", "10.0.1.1");
    assert_int_equal(trk_node_set_usage(a, usage, 2, false), 0);
    a->beat_ms = b->beat_ms = 1;
    trk_node_set_status(c, a, DFS_ST_ACTIVE);
    trk_node_set_status(c, b, DFS_ST_SYNCING);
    trk_node_set_status(c, z, DFS_ST_DELETED);
    memcpy(b->sync_source, "10.0.0.1", 9);
    b->sync_until = 1699999999;
    b->synced_s[a->slot] = 1699990000;
    z->refill = true;
    trk_set_drain(c, b->group, b, DFS_DRAIN_DONE);
    trk_set_drain(c, z->group, NULL, DFS_DRAIN_ON);
    trk_set_path_drain(c, z->group, 0, DFS_DRAIN_NONE); /* taken back */
    trk_set_path_drain(c, z->group, 255, DFS_DRAIN_ON);
    a->stat.upload_ok = 77;
    a->log_next = 1;
    a->group->port = 23000;
    a->group->path_count = 2;
    a->group->trunk_file_id = 5;
    trk_group_set_trunk_server(c, a->group, "10.0.0.1");
    assert_int_equal(trk_log_add(c, &line), 0);
    memset(self, 0, sizeof(*self));
    self->term = 12;
    memcpy(self->voted_for, "10.0.0.5:22122", 15);
    memcpy(self->trackers[0], "10.0.0.5:22122", 15);
    self->tracker_count = 1;
    self->alive_s = 1700000300;
}

static void expect_filled(const struct trk_cluster *c, const struct trk_self *self)
{
    assert_int_equal(c->n, 2);
    const struct trk_group *g = trk_group_find(c, "group1");
    assert_non_null(g);
    assert_int_equal(g->n, 2);
    const struct trk_node *a = trk_node_find(g, "10.0.0.1"), *b = trk_node_find(g, "10.0.0.2");
    assert_int_equal(a->status, DFS_ST_OFFLINE); /* alive must be proved again */
    assert_int_equal(b->status, DFS_ST_SYNCING);
    assert_string_equal(b->sync_source, "10.0.0.1");
    assert_int_equal(b->sync_until, 1699999999);
    assert_int_equal(b->synced_s[a->slot], 1699990000);
    assert_int_equal(a->free_mb, 1000);
    assert_int_equal(a->paths[1].total_mb, 2000);
    assert_int_equal(a->stat.upload_ok, 77);
    assert_int_equal(a->log_next, 1);
    assert_string_equal(g->trunk_server, "10.0.0.1");
    assert_int_equal(g->trunk_file_id, 5);
    const struct trk_node *z = trk_node_find(trk_group_find(c, "group2"), "10.0.1.1");
    assert_int_equal(z->status, DFS_ST_DELETED);
    assert_true(z->refill);
    assert_int_equal(a->drain.state, DFS_DRAIN_NONE);
    assert_int_equal(b->drain.state, DFS_DRAIN_DONE);
    assert_int_equal(z->group->drain.state, DFS_DRAIN_ON);
    for (unsigned i = 0; i < DFS_PATHS_MAX; i++)
        assert_int_equal(z->group->path_drain[i].state, i == 255 ? DFS_DRAIN_ON : DFS_DRAIN_NONE);
    assert_true(z->group->path_drain[0].set_us > 0 && z->group->path_drain[1].set_us == 0);
    assert_true(b->drain.set_us > 0 && b->drain.set_us <= c->last_change_us);
    assert_int_equal(c->log_n, 1);
    assert_string_equal(c->log[0].id, "10.0.0.9");
    assert_int_equal(self->term, 12);
    assert_string_equal(self->voted_for, "10.0.0.5:22122");
    assert_int_equal(self->tracker_count, 1);
    assert_int_equal(self->alive_s, 1700000300);
}

struct dir {
    char *path;
    int fd;
};

static void dir_open(struct dir *d)
{
    d->path = test_tmpdir();
    d->fd = open(d->path, O_RDONLY | O_DIRECTORY);
    assert_true(d->fd >= 0);
}

static void dir_close(struct dir *d)
{
    close(d->fd);
    test_tmpdir_free(&d->path);
}

static int load(const struct dir *d, struct trk_cluster *c, struct trk_self *self,
                uint64_t *generation)
{
    AUTO(buf_free) struct buf err = BUF(1024);
    trk_cluster_init(c);
    memset(self, 0, sizeof(*self));
    return trk_files_load(d->fd, c, self, generation, &err);
}

static void write_snapshot(const struct dir *d, uint64_t generation, const struct trk_cluster *c,
                           const struct trk_self *self)
{
    AUTO(buf_free) struct buf image = BUF(1 << 20);
    uint64_t records = trk_rec_all(&image, c, self);
    bool placed = false;
    assert_int_equal(
        trk_snapshot_write(&trk_io_os, d->fd, generation, buf_str(&image), records, &placed), 0);
    assert_true(placed);
}

static void nothing_is_an_empty_cluster(void **state)
{
    (void)state;
    struct dir d;
    struct trk_cluster c;
    struct trk_self self;
    uint64_t generation = 99;
    dir_open(&d);
    assert_int_equal(load(&d, &c, &self, &generation), 0);
    assert_int_equal(generation, 0);
    assert_int_equal(c.n, 0);
    trk_cluster_fini(&c);
    dir_close(&d);
}

static void a_snapshot_is_read_back(void **state)
{
    (void)state;
    struct dir d;
    struct trk_cluster c, got;
    struct trk_self self, got_self;
    uint64_t generation;
    dir_open(&d);
    fill(&c, &self);
    write_snapshot(&d, 3, &c, &self);
    assert_int_equal(load(&d, &got, &got_self, &generation), 0);
    assert_int_equal(generation, 3);
    expect_filled(&got, &got_self);
    trk_cluster_fini(&c);
    trk_cluster_fini(&got);
    dir_close(&d);
}

static void a_damaged_snapshot_is_refused_whatever_byte_it_is(void **state)
{
    (void)state;
    struct dir d;
    struct trk_cluster c;
    struct trk_self self;
    uint64_t generation;
    struct stat st;
    dir_open(&d);
    fill(&c, &self);
    write_snapshot(&d, 3, &c, &self);
    trk_cluster_fini(&c);
    int fd = openat(d.fd, "snapshot", O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = 0; at < st.st_size; at += 7) {
        uint8_t was, is;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        is = was ^ 0x41;
        assert_int_equal(pwrite(fd, &is, 1, at), 1);
        assert_int_equal(load(&d, &c, &self, &generation), -EBADMSG);
        trk_cluster_fini(&c);
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    close(fd);
    dir_close(&d);
}

/* The journal written by fill(), cut at every byte: what is loaded is what the whole records before
 * the cut say, and nothing is ever refused. */
static void a_journal_cut_anywhere_loads_to_its_last_whole_record(void **state)
{
    (void)state;
    struct dir d;
    struct trk_cluster c;
    struct trk_self self;
    uint64_t generation, last = 0;
    struct stat st;
    dir_open(&d);
    fill(&c, &self);
    AUTO(buf_free) struct buf records = BUF(1 << 20);
    (void)trk_rec_all(&records, &c, &self);
    trk_cluster_fini(&c);
    int fd = trk_journal_create(&trk_io_os, d.fd, 1);
    assert_true(fd >= 0);
    assert_int_equal(trk_journal_append(&trk_io_os, fd, buf_str(&records)), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(load(&d, &c, &self, &generation), 0);
    expect_filled(&c, &self);
    trk_cluster_fini(&c);
    for (off_t n = st.st_size - 1; n >= 0; n--) {
        assert_int_equal(ftruncate(fd, n), 0);
        assert_int_equal(load(&d, &c, &self, &generation), 0);
        assert_int_equal(generation, 1);
        assert_true(c.n <= 2 && (last == 0 || c.n <= last));
        last = c.n ? c.n : 1;
        trk_cluster_fini(&c);
    }
    close(fd);
    dir_close(&d);
}

/* Killed between any two steps of a change of generation. */
static void every_stop_between_two_generations_is_loadable(void **state)
{
    (void)state;
    for (int stop = 0; stop < 4; stop++) {
        struct dir d;
        struct trk_cluster c, got;
        struct trk_self self;
        uint64_t generation;
        dir_open(&d);
        fill(&c, &self);
        write_snapshot(&d, 1, &c, &self);
        int old = trk_journal_create(&trk_io_os, d.fd, 1);
        struct trk_node *n = add(&c, "group3", "10.0.2.1");
        AUTO(buf_free) struct buf rec = BUF(1 << 16);
        trk_rec_group(&rec, n->group);
        trk_rec_node(&rec, n);
        assert_int_equal(trk_journal_append(&trk_io_os, old, buf_str(&rec)), 0);
        int next = stop >= 1 ? trk_journal_create(&trk_io_os, d.fd, 2) : -1;
        if (stop >= 2) { /* as if killed before the rename: the temporary file lies about */
            int tmp = openat(d.fd, "snapshot.tmp", O_WRONLY | O_CREAT, 0600);
            assert_int_equal(write(tmp, "half", 4), 4);
            close(tmp);
        }
        if (stop >= 3)
            write_snapshot(&d, 2, &c, &self);
        assert_int_equal(load(&d, &got, &self, &generation), 0);
        assert_int_equal(generation, stop == 0 ? 1 : 2);
        assert_non_null(trk_group_find(&got, "group3"));
        assert_int_equal(faccessat(d.fd, "journal.1", F_OK, 0), stop == 3 ? -1 : 0);
        close(old);
        if (next >= 0)
            close(next);
        trk_cluster_fini(&c);
        trk_cluster_fini(&got);
        dir_close(&d);
    }
}

/* A power failure may leave the length of a new file and none of its bytes. */
static void a_journal_whose_head_never_arrived_is_empty(void **state)
{
    (void)state;
    static const char zeros[TRK_FILE_HEAD + 1];
    for (size_t n = 0; n <= sizeof(zeros); n++) {
        struct dir d;
        struct trk_cluster c, got;
        struct trk_self self;
        uint64_t generation;
        dir_open(&d);
        fill(&c, &self);
        write_snapshot(&d, 1, &c, &self);
        int fd = openat(d.fd, "journal.2", O_WRONLY | O_CREAT, 0600);
        assert_int_equal(write(fd, zeros, n), n);
        close(fd);
        assert_int_equal(load(&d, &got, &self, &generation), n <= TRK_FILE_HEAD ? 0 : -EBADMSG);
        trk_cluster_fini(&c);
        trk_cluster_fini(&got);
        dir_close(&d);
    }
}

static void journals_older_than_the_snapshot_are_not_replayed(void **state)
{
    (void)state;
    struct dir d;
    struct trk_cluster c, got;
    struct trk_self self;
    uint64_t generation;
    dir_open(&d);
    fill(&c, &self);
    write_snapshot(&d, 5, &c, &self);
    int old = trk_journal_create(&trk_io_os, d.fd, 4);
    AUTO(buf_free) struct buf rec = BUF(1 << 16);
    trk_rec_node_gone(&rec, "group1", "10.0.0.1");
    assert_int_equal(trk_journal_append(&trk_io_os, old, buf_str(&rec)), 0);
    close(old);
    assert_int_equal(load(&d, &got, &self, &generation), 0);
    assert_non_null(trk_node_find(trk_group_find(&got, "group1"), "10.0.0.1"));
    trk_cluster_fini(&c);
    trk_cluster_fini(&got);
    dir_close(&d);
}

/* Many may be left behind: each start whose snapshot fails adds one. */
static void no_journal_is_passed_over_for_their_number(void **state)
{
    (void)state;
    enum { MANY = 200, LAST = 2 * MANY };
    struct dir d;
    struct trk_cluster c, got;
    struct trk_self self;
    uint64_t generation;
    dir_open(&d);
    fill(&c, &self);
    AUTO(buf_free) struct buf rec = BUF(1 << 16);
    trk_rec_node_gone(&rec, "group1", "10.0.0.1");
    write_snapshot(&d, LAST, &c, &self);
    for (unsigned i = 1; i <= LAST; i = i + 1 == MANY ? LAST : i + 1) {
        int fd = trk_journal_create(&trk_io_os, d.fd, i);
        assert_int_equal(i < LAST ? 0 : trk_journal_append(&trk_io_os, fd, buf_str(&rec)), 0);
        close(fd);
    }
    assert_int_equal(load(&d, &got, &self, &generation), 0);
    assert_int_equal(generation, LAST);
    assert_null(trk_node_find(trk_group_find(&got, "group1"), "10.0.0.1"));
    trk_cluster_fini(&got);
    write_snapshot(&d, LAST, &c, &self); /* and all that are older go with it */
    assert_int_equal(faccessat(d.fd, "journal.1", F_OK, 0), -1);
    assert_int_equal(faccessat(d.fd, "journal.199", F_OK, 0), -1);
    assert_int_equal(faccessat(d.fd, "journal.400", F_OK, 0), 0);
    trk_cluster_fini(&c);
    dir_close(&d);
}

static void what_is_gone_stays_gone(void **state)
{
    (void)state;
    struct trk_cluster c;
    struct trk_self self;
    fill(&c, &self);
    AUTO(buf_free) struct buf b = BUF(1 << 16);
    trk_rec_node_gone(&b, "group2", "10.0.1.1");
    trk_rec_group_gone(&b, "group2");
    trk_rec_group_gone(&b, "group9"); /* nobody knows it: nothing to do */
    struct str rest = buf_str(&b);
    struct trk_rec rec;
    while (trk_rec_next(&rest, &rec) == 1)
        assert_int_equal(trk_rec_apply(&c, &self, &rec), 0);
    assert_null(trk_group_find(&c, "group2"));
    assert_non_null(trk_group_find(&c, "group1"));
    trk_cluster_fini(&c);
}

static void a_type_of_a_later_version_is_skipped(void **state)
{
    (void)state;
    struct trk_cluster c;
    trk_cluster_init(&c);
    struct trk_rec rec = {.type = 200, .payload = STR("\1whatever")};
    assert_int_equal(trk_rec_apply(&c, NULL, &rec), 0);
    rec = (struct trk_rec){TRK_REC_NODE, STR("\1short")};
    assert_int_equal(trk_rec_apply(&c, NULL, &rec), -EBADMSG);
    trk_cluster_fini(&c);
}

static void records_of_earlier_builds_say_nothing_of_draining(void **state)
{
    (void)state;
    /* length, checksum, type; state and time; at the end those of two paths, counted */
    enum { HEAD = 9, DRAIN = 9, PATHS = 1 + 2 * (1 + DRAIN) };
    struct trk_cluster c;
    struct trk_self self;
    struct trk_group g;
    AUTO(trk_node_image_fini) struct trk_node_image im;
    AUTO(buf_free) struct buf group = BUF(1 << 16), node = BUF(1 << 16);
    fill(&c, &self);
    trk_rec_group(&group, trk_group_find(&c, "group2"));
    trk_rec_node(&node, trk_node_find(trk_group_find(&c, "group1"), "10.0.0.2"));
    struct str whole = str_from(buf_str(&group), HEAD);
    assert_int_equal(trk_rec_group_get(whole, &g), 0);
    assert_int_equal(g.drain.state, DFS_DRAIN_ON);
    assert_int_equal(trk_rec_group_get(str_head(whole, whole.n - 1), &g), -EBADMSG);
    assert_int_equal(trk_rec_group_get(str_head(whole, whole.n - DRAIN), &g), -EBADMSG);
    assert_int_equal(trk_rec_group_get(str_head(whole, whole.n - PATHS), &g), 0);
    assert_true(g.drain.state == DFS_DRAIN_ON && g.path_drain[255].state == DFS_DRAIN_NONE);
    assert_int_equal(trk_rec_group_get(str_head(whole, whole.n - PATHS - DRAIN), &g), 0);
    assert_int_equal(g.drain.state, DFS_DRAIN_NONE);
    whole = str_from(buf_str(&node), HEAD);
    assert_int_equal(trk_rec_node_get(str_head(whole, whole.n - DRAIN), &im), 0);
    assert_int_equal(im.node.drain.state, DFS_DRAIN_NONE);
    assert_int_equal(trk_rec_node_get(str_head(whole, whole.n - 1), &im), -EBADMSG);
    trk_cluster_fini(&c);
}

static void load_once(struct str bytes)
{
    struct trk_cluster c;
    struct trk_self self = {0};
    uint64_t generation;
    size_t torn;
    trk_cluster_init(&c);
    int r = trk_file_apply(bytes, true, &generation, &c, &self, &torn);
    assert_true(r == 0 || r == -ENOMEM);
    trk_cluster_fini(&c);
}

static void no_memory_is_an_error_not_an_end(void **state)
{
    (void)state;
    struct dir d;
    struct trk_cluster c;
    struct trk_self self;
    dir_open(&d);
    fill(&c, &self);
    write_snapshot(&d, 1, &c, &self);
    trk_cluster_fini(&c);
    static char bytes[1 << 16];
    int fd = openat(d.fd, "snapshot", O_RDONLY);
    ssize_t n = read(fd, bytes, sizeof(bytes));
    assert_true(n > 0);
    close(fd);
    TEST_EVERY_ALLOC_FAILS(load_once(str_of(bytes, (size_t)n)));
    dir_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_an_empty_cluster),
        cmocka_unit_test(a_snapshot_is_read_back),
        cmocka_unit_test(a_damaged_snapshot_is_refused_whatever_byte_it_is),
        cmocka_unit_test(a_journal_cut_anywhere_loads_to_its_last_whole_record),
        cmocka_unit_test(every_stop_between_two_generations_is_loadable),
        cmocka_unit_test(a_journal_whose_head_never_arrived_is_empty),
        cmocka_unit_test(journals_older_than_the_snapshot_are_not_replayed),
        cmocka_unit_test(no_journal_is_passed_over_for_their_number),
        cmocka_unit_test(what_is_gone_stays_gone),
        cmocka_unit_test(a_type_of_a_later_version_is_skipped),
        cmocka_unit_test(records_of_earlier_builds_say_nothing_of_draining),
        cmocka_unit_test(no_memory_is_an_error_not_an_end),
    };
    dfs_log_threshold = LOG_ERROR; /* torn ends are warned of, thousands of times here */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
