/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a file while the repair has it in hand already; the peer that has all of them is a table. */
#include <semaphore.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "dfscore/wire/internal.h"
#include "dfscore/wire/messages.h"
#include "storage/sync/line.h"
#include "storage/sync/repair.h"
#include "storage/trunk/restore.h"
#include "tests/lib/one_store.h"

#define SELF "100001"
#define PEER "100002"

enum { FILES = 4, TEXT_MAX = 16, PATIENCE_S = 60 };

/* The files, which are lost here. */
static struct {
    char name[STO_NAME_MAX + 1], text[TEXT_MAX];
    sem_t served; /* the peer has been asked for it */
} files[FILES];

static struct {
    sem_t asked, go_on; /* the first question */
    bool held;
    const char *reading; /* its content is being answered with */
    struct sto_mirrors *mirrors;
} peer;

struct dfs_peer {
    int none;
};

static const char *text_of(struct str name)
{
    for (size_t i = 0; i < FILES; i++)
        if (str_eq(name, str_c(files[i].name)))
            return files[i].text;
    return NULL;
}

static int open_peer(const struct dfs_addr *addr, const struct dfs_peer_opts *opts,
                     struct dfs_peer **ret)
{
    static struct dfs_peer p;
    (void)addr, (void)opts;
    if (peer.held) {
        peer.held = false;
        sem_post(&peer.asked);
        while (sem_wait(&peer.go_on) < 0)
            ;
    }
    *ret = &p;
    return 0;
}

static void free_peer(struct dfs_peer **pp)
{
    *pp = NULL;
}

static bool is_broken(const struct dfs_peer *p)
{
    (void)p;
    return false;
}

static void cut(struct dfs_peer *p)
{
    (void)p;
}

static void set_timeout(struct dfs_peer *p, uint64_t ms)
{
    (void)p, (void)ms;
}

static int send_download(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts,
                         size_t n, uint64_t more)
{
    (void)p, (void)status, (void)more;
    assert_int_equal(cmd, DFS_CMD_DOWNLOAD);
    peer.reading = text_of(parts[n - 1]);
    for (size_t i = 0; i < FILES; i++)
        if (peer.reading == files[i].text)
            sem_post(&files[i].served);
    return 0;
}

static int answer_download(struct dfs_peer *p, uint64_t *ret_len)
{
    (void)p;
    *ret_len = peer.reading ? strlen(peer.reading) : 0;
    return peer.reading ? 0 : -ENOENT;
}

static int read_content(struct dfs_peer *p, void *to, size_t n)
{
    (void)p;
    assert_int_equal(n, strlen(peer.reading));
    memcpy(to, peer.reading, n);
    return 0;
}

/* It has all that we have. */
static void list_logs(struct buf *rsp)
{
    struct sto_log_info log;
    char origin[DFS_ID_MAX] = SELF;
    assert_int_equal(sto_mirrors_list(peer.mirrors, 0, &log, 1), 1);
    buf_u16(rsp, 1);
    buf_add(rsp, log.id, STO_LOG_ID_LEN);
    buf_u8(rsp, log.high);
    buf_u8(rsp, log.low);
    buf_u8(rsp, 0);
    buf_u64(rsp, UINT64_MAX);
    buf_add(rsp, origin, sizeof(origin));
}

static int call(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts, size_t n,
                struct buf *rsp)
{
    (void)p, (void)status;
    buf_reset(rsp);
    if (cmd == DFS_INT_SYNC_LOGS) {
        list_logs(rsp);
    } else if (cmd == DFS_CMD_FILE_INFO) {
        const char *text = text_of(parts[n - 1]);
        const struct dfs_file_info_rsp m = {.size = text ? (int64_t)strlen(text) : 0};
        if (!text)
            return -ENOENT;
        dfs_file_info_rsp_put(rsp, DFS_IPW4, &m);
    } else if (cmd == DFS_INT_SYNC_METAS) {
        buf_u16(rsp, 1);
        buf_u64(rsp, 0);
        buf_u32(rsp, 0);
    } else {
        fail_msg("asked for %u", cmd);
    }
    return buf_err(rsp);
}

static const struct sto_line line = {
    .open = open_peer,
    .free = free_peer,
    .broken = is_broken,
    .timeout = set_timeout,
    .send = send_download,
    .answer = answer_download,
    .read = read_content,
    .call = call,
    .cut = cut,
};

static bool is_here(unsigned i)
{
    return sto_file_exists(here.s, str_c(files[i].name)) == 0;
}

static void lose(unsigned i)
{
    char path[4096];
    path_of(files[i].name, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
}

static void delete_what_is_lost(struct sto_repair *r, unsigned i)
{
    struct str name = str_c(files[i].name);
    int result = 0;
    assert_int_equal(sto_delete_batch(here.s, &name, 1, &result), 0);
    assert_int_equal(result, -ENOENT);
    sto_repair_suspect(r, name, STO_SUSPECT_UNDELETED);
}

static void wait_for(sem_t *event)
{
    struct timespec until;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &until), 0);
    until.tv_sec += PATIENCE_S;
    int r;
    while ((r = sem_timedwait(event, &until)) < 0 && errno == EINTR)
        ;
    assert_int_equal(r, 0);
}

/* The repair has it in hand, and all that was suspected before it is done. */
static void suspect_and_wait(struct sto_repair *r, unsigned i)
{
    sto_repair_suspect(r, str_c(files[i].name), STO_SUSPECT_MISSING);
    wait_for(&files[i].served);
}

/* The first file holds up the repair; of the second it is known that it is bad, when it is deleted. */
static void what_is_deleted_while_it_waits_to_be_repaired_goes(void **state)
{
    (void)state;
    struct sto_members *members = NULL;
    AUTO(sto_repair_free) struct sto_repair *r = NULL;
    const struct dfs_brief list[] = {
        {.status = DFS_ST_ACTIVE, .port = 1, .id = SELF, .ip = "10.0.0.1"},
        {.status = DFS_ST_ACTIVE, .port = 1, .id = PEER, .ip = "10.0.0.2"}};
    assert_int_equal(sto_members_new(&members), 0);
    sto_members_self(members, SELF, "10.0.0.1", 1);
    sto_members_update(members, list, ARRAY_LEN(list));
    assert_int_equal(sto_mirrors_open(here.s, SELF, &peer.mirrors), 0);
    for (unsigned i = 0; i < FILES; i++) {
        sem_init(&files[i].served, 0, 0);
        (void)snprintf(files[i].text, sizeof(files[i].text), "file %u", i);
        assert_int_equal(make_file(files[i].text, NULL, 0, files[i].name), 0);
        lose(i);
    }
    const struct sto_repair_options o = {.store = here.s,
                                         .mirrors = peer.mirrors,
                                         .members = members,
                                         .group = "group1",
                                         .line = &line};
    peer.held = true;
    sem_init(&peer.asked, 0, 0);
    sem_init(&peer.go_on, 0, 0);
    assert_int_equal(sto_repair_new(&o, &r), 0);
    sto_repair_suspect(r, str_c(files[0].name), STO_SUSPECT_MISSING);
    wait_for(&peer.asked);
    sto_repair_suspect(r, str_c(files[1].name), STO_SUSPECT_BAD);
    delete_what_is_lost(r, 1);
    sem_post(&peer.go_on);
    wait_for(&files[1].served);
    suspect_and_wait(r, 2);
    suspect_and_wait(r, 3);
    struct sto_repair_counts counts;
    sto_repair_counts(r, &counts);
    assert_int_equal(counts.repaired, 2);
    sto_repair_free(&r);
    assert_true(is_here(0));
    assert_false(is_here(1));
    assert_true(is_here(2));
    sto_mirrors_close(&peer.mirrors);
    sto_members_free(&members);
    sem_destroy(&peer.asked);
    sem_destroy(&peer.go_on);
    for (unsigned i = 0; i < FILES; i++)
        sem_destroy(&files[i].served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_deleted_while_it_waits_to_be_repaired_goes,
                                        one_store_setup, one_store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
