/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that are more than a buffer: content in blocks, files, streams. */
#include "tests/lib/conn_fixture.h"

static void content_arrives_whole_through_few_blocks(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(100);
    AUTO(buf_free) struct buf req = BUF(2000000);
    unsigned sum = 0;
    buf_adds(&req, STR("\3abc"));
    for (unsigned i = 0; i < 123457; i++) {
        buf_addc(&req, (char)(i * 7));
        sum = sum * 31 + (uint8_t)(i * 7);
    }
    char want[64];
    int n = snprintf(want, sizeof(want), "123457:%u", sum);
    assert_true(str_eq(call(p, COUNT, buf_str(&req), &rsp), str_of(want, (size_t)n)));
    assert_true(str_eq(call(p, COUNT, STR("\1x"), &rsp), STR("0:0")));
    assert_true(str_eq(call(p, COUNT, STR("\0x"), &rsp), STR("1:120")));
    assert_int_equal(dfs_peer_call(p, COUNT, 0, &STR("\2x"), 1, &rsp), -EINVAL);
    assert_true(str_eq(call(p, ECHO, STR("still in step"), &rsp), STR("still in step")));
}

static void a_peer_that_vanishes_inside_content_aborts_once(void **state)
{
    (void)state;
    int fd = raw();
    put_header(fd, 100000, COUNT);
    char bytes[6000] = {0};
    put(fd, bytes, sizeof(bytes));
    await_count(&fx->content_bytes, 5000);
    close(fd);
    await_count(&fx->closed, 1);
    assert_int_equal(counted(&fx->aborted), 1);
    assert_int_equal(counted(&fx->done), 1);
}

static void refused_content_is_read_and_the_connection_stays(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(100);
    AUTO(dfs_free_ptr) char *big = dfs_zalloc(300000);
    struct str body = str_of(big, 300000);
    assert_int_equal(dfs_peer_call(p, REFUSE, 0, &body, 1, &rsp), -ENOSPC);
    assert_true(str_eq(call(p, ECHO, STR("on"), &rsp), STR("on")));
}

static void files_and_streams_are_sent_to_the_byte(void **state)
{
    (void)state;
    int fd = data_file();
    AUTO(dfs_free_ptr) char *data = dfs_alloc(3000010);
    for (size_t i = 0; i < 3000010; i++)
        data[i] = (char)(i * 13);
    assert_int_equal(write(fd, data, 3000010), 3000010);
    close(fd);
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(4000000);
    assert_true(str_eq(call(p, FILE_CMD, STR(""), &rsp), str_of(data + 10, 3000000)));
    assert_true(counted(&fx->asked) >= 1); /* again when the socket was full */
    assert_int_equal(call(p, STREAM, STR(""), &rsp).n, 5500);
    assert_true(str_eq(call(p, ECHO, STR("on"), &rsp), STR("on")));
}

static void a_file_shorter_than_announced_cuts_the_connection(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(4000000);
    assert_int_equal(dfs_peer_call(p, FILE_CMD, 0, NULL, 0, &rsp), -ECONNRESET);
    assert_true(dfs_peer_broken(p));
}

static void a_file_that_changed_on_the_way_is_not_answered_whole(void **state)
{
    (void)state;
    int fd = data_file();
    assert_int_equal(ftruncate(fd, 3000010), 0);
    close(fd);
    fx->torn = true;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(4000000);
    assert_int_equal(dfs_peer_call(p, FILE_CMD, 0, NULL, 0, &rsp), -ECONNRESET);
    assert_int_equal(counted(&fx->asked), 1);
    assert_true(rsp.n < 3000000);
}

static void an_answer_of_unknown_length_ends_with_the_connection(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    uint64_t len;
    char got[64];
    assert_int_equal(dfs_peer_send(p, ENDLESS, 0, NULL, 0, 0), 0);
    assert_int_equal(dfs_peer_answer(p, &len), 0);
    assert_true(len == DFS_LEN_UNKNOWN);
    size_t n = 0;
    for (int64_t r; (r = dfs_peer_read_some(p, got + n, sizeof(got) - n)) > 0;)
        n += (size_t)r;
    assert_int_equal(n, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(content_arrives_whole_through_few_blocks),
        T(a_peer_that_vanishes_inside_content_aborts_once),
        T(refused_content_is_read_and_the_connection_stays),
        T(files_and_streams_are_sent_to_the_byte),
        T(a_file_shorter_than_announced_cuts_the_connection),
        T(a_file_that_changed_on_the_way_is_not_answered_whole),
        T(an_answer_of_unknown_length_ends_with_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
