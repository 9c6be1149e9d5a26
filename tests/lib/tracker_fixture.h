/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole command table of a tracker without a network: storages and clients are sessions, requests are bytes, the
 * clock is the test's. Golden bytes are worked out from the specification (protocol 11 and the sections named).
 */
#ifndef TEST_TRACKER_FIXTURE_H
#define TEST_TRACKER_FIXTURE_H

#include "tests/lib/test.h"

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/header.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/internal.h"
#include "tracker/service/merge.h"
#include "tracker/service/peercmd.h"
#include "tracker/service/server.h"

enum { PORT = 22122 };

static int64_t wall_ms;
static uint64_t mono_us;

static inline int64_t fake_now(void)
{
    return wall_ms;
}

static inline uint64_t fake_mono(void)
{
    return mono_us;
}

static const struct dfs_clock_hook hook = {fake_now, fake_mono};
static const struct trk_ids no_ids;

struct fixture {
    struct trk_server *srv;
    struct buf out;
    uint64_t wait;
};

static inline void pass(uint64_t ms)
{
    wall_ms += (int64_t)ms;
    mono_us += ms * 1000;
}

static inline void start_with(struct fixture *f, const struct trk_server_opts *o)
{
    assert_int_equal(trk_server_new(o, &f->srv), 0);
    f->srv->port = PORT;
    f->out = BUF(1 << 20);
    trk_add_own(f->srv, "10.77.0.1");
}

static inline int setup(void **state)
{
    wall_ms = INT64_C(1700000000000);
    mono_us = 5000000;
    dfs_clock_hook = &hook;
    struct fixture *f = calloc(1, sizeof(*f));
    struct trk_server_opts o = {
        .ipw = DFS_IPW4,
        .check_active_ms = 100000,
        .election_ms = 3000,
        .deleted_keep_ms = 3600000,
        .params = STR("use_storage_id=0\n"),
        .ids = &no_ids,
        .select = {.store_group = "", .max_delay_s = 86400, .max_time_s = 300},
    };
    start_with(f, &o);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    trk_server_free(&f->srv);
    buf_free(&f->out);
    free(f);
    dfs_clock_hook = NULL;
    return 0;
}

static inline void open_session(struct fixture *f, struct trk_session *s, const char *ip)
{
    memset(s, 0, sizeof(*s));
    memcpy(s->peer_ip, ip, strlen(ip));
    memcpy(s->local_ip, "10.77.0.1", 10);
    s->server = true;
    trk_session_open(f->srv, s);
}

static inline int call_with(struct fixture *f, struct trk_session *s, uint8_t cmd, uint8_t status,
                            struct str body)
{
    buf_reset(&f->out);
    return trk_dispatch(f->srv, s, cmd, status, body, &f->out, &f->wait);
}

static inline int call(struct fixture *f, struct trk_session *s, uint8_t cmd, struct str body)
{
    return call_with(f, s, cmd, 0, body);
}

static inline int call_hex(struct fixture *f, struct trk_session *s, uint8_t cmd, const char *hex)
{
    static char bytes[4096];
    size_t n = strlen(hex) / 2;
    assert_int_equal(str_unhex(str_c(hex), bytes, n), 0);
    return call(f, s, cmd, str_of(bytes, n));
}

static inline void expect_hex(struct fixture *f, const char *hex)
{
    static char got[8192];
    assert_true(f->out.n * 2 < sizeof(got));
    str_hex(f->out.p, f->out.n, got);
    got[f->out.n * 2] = '\0';
    assert_string_equal(got, hex);
}

struct join_opts {
    const char *group, *lines;
    uint8_t init, status;
    int64_t port, paths, subdirs, trackers;
};

static const struct join_opts first_join = {"group1", "10.77.0.1:22122\n", 1, 255, 23000, 1, 256,
                                            1};

static inline int join(struct fixture *f, struct trk_session *s, const struct join_opts *j)
{
    AUTO(buf_free) struct buf b = BUF(8192);
    struct dfs_join_req m = {.port = j->port,
                             .path_count = j->paths,
                             .subdir_count = j->subdirs,
                             .upload_priority = 10,
                             .join_time = 1600000000,
                             .up_time = 1600000001,
                             .version = "6.16.1",
                             .init_flag = j->init,
                             .status = j->status,
                             .tracker_ip = "10.77.0.1",
                             .tracker_count = j->trackers};
    memcpy(m.group, j->group, strlen(j->group));
    dfs_join_req_put(&b, &m);
    buf_adds(&b, str_c(j->lines));
    return call(f, s, DFS_CMD_JOIN, buf_str(&b));
}

static inline uint8_t joined_status(const struct fixture *f)
{
    assert_int_equal(f->out.n, 17);
    return (uint8_t)f->out.p[0];
}

/* Joined, source agreed, alive, disks known: 1000 of 2000 MB free. */
static inline void bring_up(struct fixture *f, struct trk_session *s, const char *ip)
{
    open_session(f, s, ip);
    assert_int_equal(join(f, s, &first_join), 0);
    int r = call(f, s, DFS_CMD_NEED_SYNC_SOURCE, STR_NULL);
    assert_int_equal(r, 0);
    if (f->out.n == 0)
        assert_int_equal(call_hex(f, s, DFS_CMD_NOTIFY_SYNC_SOURCE,
                                  "000000000000000000000000000000000000000000000000"),
                         0);
    assert_int_equal(call(f, s, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(call_hex(f, s, DFS_CMD_DISK_USAGE, "00000000000007d000000000000003e8"), 0);
}

static inline struct trk_node *node(struct fixture *f, const char *id)
{
    struct trk_group *g = trk_group_find(&f->srv->cluster, "group1");
    return g ? trk_node_find(g, id) : NULL;
}

static inline void report(struct fixture *f, struct trk_session *s, const char *id, uint8_t status)
{
    AUTO(buf_free) struct buf b = BUF(256);
    struct dfs_report_status_req m = {.group = "group1", .server = {.status = status}};
    memcpy(m.server.id, id, strlen(id));
    memcpy(m.server.ip, id, strlen(id));
    dfs_report_status_req_put(&b, &m);
    assert_int_equal(call(f, s, DFS_CMD_REPORT_STATUS, buf_str(&b)), 0);
}

/* 10.77.0.12, which is not in service, is taken out of group1. */
static inline void remove_second(struct fixture *f, struct trk_session *s)
{
    assert_int_equal(call_hex(f, s, DFS_CMD_DELETE_STORAGE,
                              "67726f7570310000000000000000000031302e37372e302e3132"),
                     0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
