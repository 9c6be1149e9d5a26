/* SPDX-License-Identifier: Apache-2.0 */
/* The lease of the key index by the command table: who may ask, bytes, what is on disk. */
#include "tests/lib/tracker_fixture.h"

#include <unistd.h>

enum { TTL = 1000, A = 0xA1, B = 0xB2 };

static int ask(struct fixture *f, struct trk_session *s, uint8_t mode, int64_t holder, int64_t over,
               struct dfs_lease_rsp *ret)
{
    AUTO(buf_free) struct buf b = BUF(DFS_LEASE_REQ_LEN);
    const struct dfs_lease_req m = {.mode = mode,
                                    .holder = holder,
                                    .over = over,
                                    .ttl_ms = TTL,
                                    .mark = 77,
                                    .name = "10.77.0.9:9000"};
    dfs_lease_req_put(&b, &m);
    int r = call(f, s, DFS_INT_LEASE, buf_str(&b));
    return r < 0 ? r : dfs_lease_rsp_get(buf_str(&f->out), ret);
}

/* What the server keeps, as a snapshot has it. */
static void read_again(const struct trk_server *srv, struct trk_self *ret)
{
    AUTO(buf_free) struct buf image = BUF(1 << 20);
    struct trk_cluster c;
    struct trk_rec rec;
    trk_cluster_init(&c);
    memset(ret, 0, sizeof(*ret));
    (void)trk_rec_all(&image, &srv->cluster, &srv->self);
    struct str rest = buf_str(&image);
    while (trk_rec_next(&rest, &rec) == 1)
        assert_int_equal(trk_rec_apply(&c, ret, &rec), 0);
    assert_int_equal(rest.n, 0);
    trk_cluster_fini(&c);
}

static void a_grant_is_on_disk_before_the_answer(void **state)
{
    struct fixture *f = *state;
    struct trk_session s;
    struct dfs_lease_rsp got;
    struct trk_self self;
    open_session(f, &s, "10.77.0.9");
    pass(TTL);
    read_again(f->srv, &self);
    assert_int_equal(self.lease.holder, 0);
    assert_int_equal(ask(f, &s, DFS_LEASE_KEEP, A, 0, &got), 0);
    assert_int_equal(got.state, DFS_LEASE_GRANTED);
    read_again(f->srv, &self);
    assert_int_equal(self.lease.holder, A);
    assert_int_equal(self.lease.ttl_ms, TTL);
    assert_int_equal(self.lease.mark, 77);
    assert_string_equal(self.lease.name, "10.77.0.9:9000");
    assert_int_equal(ask(f, &s, DFS_LEASE_TAKE, B, A, &got), 0);
    assert_int_equal(got.state, DFS_LEASE_HELD);
    assert_string_equal(got.name, "10.77.0.9:9000");
    assert_int_equal(got.mark, 77);
    pass(TTL);
    assert_int_equal(ask(f, &s, DFS_LEASE_TAKE, B, A, &got), 0);
    assert_int_equal(got.state, DFS_LEASE_GRANTED);
    read_again(f->srv, &self);
    assert_int_equal(self.lease.holder, B);
}

static bool disk_is_full;

static ssize_t write_unless_full(int fd, const void *p, size_t n)
{
    errno = ENOSPC;
    return disk_is_full ? -1 : write(fd, p, n);
}

struct told {
    struct trk_waiter w; /* must be first */
    bool called;
    int r;
};

static void tell(struct trk_waiter *w, int r)
{
    struct told *t = (struct told *)w;
    t->called = true;
    t->r = r;
}

/* What is answered once the disk has been written to. */
static int settled(struct fixture *f)
{
    struct told t = {.w = {NULL, f->wait, tell}};
    if (!f->wait)
        return 0;
    (void)trk_store_step(f->srv->store);
    trk_store_wait(f->srv->store, &t.w);
    assert_true(t.called);
    return t.r;
}

static int answer(struct fixture *f, struct trk_session *s, uint8_t mode, struct dfs_lease_rsp *ret)
{
    int r = ask(f, s, mode, A, 0, ret);
    return r < 0 ? r : settled(f);
}

static void what_could_not_be_written_is_not_granted_by_asking_again(void **state)
{
    struct fixture *f = *state;
    struct trk_session s;
    struct dfs_lease_rsp got;
    struct trk_io io = trk_io_os;
    char *dir = test_tmpdir();
    AUTO(buf_free) struct buf err = BUF(1024);
    io.write = write_unless_full;
    assert_int_equal(
        trk_store_open(dir, &io, &f->srv->cluster, &f->srv->self, &f->srv->store, &err), 0);
    open_session(f, &s, "10.77.0.9");
    pass(TTL);
    disk_is_full = true;
    assert_int_equal(answer(f, &s, DFS_LEASE_LOOK, &got), 0); /* nothing is to be kept yet */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answer(f, &s, DFS_LEASE_KEEP, &got), -ENOSPC);
        if (i == 1) /* one that fails, too, repairs nothing */
            assert_int_equal(trk_server_snapshot(f->srv), 0);
    }
    disk_is_full = false;
    assert_int_equal(answer(f, &s, DFS_LEASE_KEEP, &got), -ENOSPC);
    assert_int_equal(trk_server_snapshot(f->srv), 0);
    assert_true(trk_store_step(f->srv->store));
    assert_int_equal(answer(f, &s, DFS_LEASE_KEEP, &got), 0);
    assert_int_equal(got.state, DFS_LEASE_GRANTED);
    assert_int_equal(f->wait, 0);
    disk_is_full = true; /* what else is lost takes it from nobody */
    assert_int_equal(join(f, &s, &first_join), 0);
    assert_int_equal(settled(f), -ENOSPC);
    assert_int_equal(join(f, &s, &first_join), 0);
    assert_int_equal(settled(f), 0);
    assert_int_equal(answer(f, &s, DFS_LEASE_KEEP, &got), 0);
    f->wait = trk_store_unsettled(f->srv->store, true); /* as a vote does */
    assert_int_equal(settled(f), -ENOSPC);
    trk_store_close(&f->srv->store);
    test_tmpdir_free(&dir);
}

static void only_who_has_proved_the_secret_may_ask(void **state)
{
    struct fixture *f = *state;
    struct trk_session s;
    struct dfs_lease_rsp got;
    open_session(f, &s, "10.77.0.9");
    s.server = false;
    pass(TTL);
    assert_int_equal(ask(f, &s, DFS_LEASE_KEEP, A, 0, &got), -EACCES);
    s.server = true;
    assert_int_equal(ask(f, &s, DFS_LEASE_KEEP, 0, 0, &got), -EINVAL);
    assert_int_equal(call(f, &s, DFS_INT_LEASE, STR("short")), -EINVAL);
}

static void byte_by_byte(void **state)
{
    struct fixture *f = *state;
    struct trk_session s;
    static char hex[2 * DFS_LEASE_REQ_LEN + 1], answer[2 * DFS_LEASE_RSP_LEN + 1];
    open_session(f, &s, "10.77.0.9");
    pass(400);
    /* mode, holder, over, time to live, mark; then the name, filled up with zeros */
    (void)snprintf(hex, sizeof(hex), "%s%0*d",
                   "01"
                   "00000000000000a1"
                   "0000000000000000"
                   "00000000000003e8"
                   "0000000000000007"
                   "67773a39303030",
                   2 * (64 - 7), 0);
    assert_int_equal(call_hex(f, &s, DFS_INT_LEASE, hex), 0);
    /* held, nobody's, trackers unknown, holder, 600 ms left, no name */
    (void)snprintf(answer, sizeof(answer), "%s%0*d",
                   "03"
                   "00"
                   "00"
                   "0000000000000000"
                   "0000000000000258"
                   "0000000000000000",
                   2 * 64, 0);
    expect_hex(f, answer);
}

int main(void)
{
    dfs_log_threshold = LOG_ERROR;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_grant_is_on_disk_before_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(what_could_not_be_written_is_not_granted_by_asking_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(only_who_has_proved_the_secret_may_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(byte_by_byte, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
