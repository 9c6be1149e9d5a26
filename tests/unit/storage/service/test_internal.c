/* SPDX-License-Identifier: Apache-2.0 */
/* The trusted socket from a gateway's point of view: real frames, real descriptors. */
#include "dfscore/net/stream.h"
#include "storage/service/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "dfscore/wire/header.h"
#include "dfscore/wire/internal.h"
#include "storage/disk/io.h"
#include "storage/trunk/store.h"
#include "tests/lib/test.h"

struct fixture {
    char *dir;
    char socket[80];
    struct sto_store *store;
    struct sto_internal *server;
    struct buf in, out; /* of the last call */
    int passed;         /* descriptor that came with it, or -1 */
};

static int dial(struct fixture *f)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, f->socket, strlen(f->socket) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void send_frame(int fd, uint8_t cmd, struct str body)
{
    uint8_t head[DFS_HEADER_LEN];
    struct dfs_header h = {.len = body.n, .cmd = cmd};
    dfs_header_put(&h, head);
    assert_int_equal(send(fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
    if (body.n)
        assert_int_equal(send(fd, body.p, body.n, MSG_NOSIGNAL), body.n);
}

/* The status of the answer; its body is in f->in, its descriptor in f->passed. */
static uint8_t receive(struct fixture *f, int fd)
{
    uint8_t head[DFS_HEADER_LEN];
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {head, sizeof(head)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    assert_int_equal(recvmsg(fd, &m, MSG_WAITALL), sizeof(head));
    f->passed = -1;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c)
        memcpy(&f->passed, CMSG_DATA(c), sizeof(int));
    struct dfs_header h;
    assert_int_equal(dfs_header_get(head, &h), 0);
    assert_int_equal(h.cmd, 100);
    buf_reset(&f->in);
    char *to = buf_room(&f->in, (size_t)h.len + 1);
    if (h.len)
        assert_int_equal(recv(fd, to, (size_t)h.len, MSG_WAITALL), h.len);
    buf_used(&f->in, (size_t)h.len);
    return h.status;
}

static uint8_t call(struct fixture *f, int fd, uint8_t cmd)
{
    send_frame(fd, cmd, buf_str(&f->out));
    buf_reset(&f->out);
    return receive(f, fd);
}

static void hello(struct fixture *f, int fd, uint64_t session)
{
    buf_u32(&f->out, DFS_INTERNAL_VERSION);
    buf_u64(&f->out, session);
    assert_int_equal(call(f, fd, DFS_INT_HELLO), 0);
    struct rd r = rd_of(buf_str(&f->in));
    assert_int_equal(rd_u32(&r), DFS_INTERNAL_VERSION);
    assert_memory_equal(rd_bytes(&r, 16).p, "group1\0\0\0\0\0\0\0\0\0\0", 16);
    assert_memory_equal(rd_bytes(&r, 16).p, "127.0.0.3\0\0\0\0\0\0\0", 16);
    assert_int_equal(rd_u8(&r), 1);
    assert_int_equal(rd_u64(&r), sto_store_boot_id(f->store));
    assert_int_equal(rd_u32(&r), 0); /* alone: no copies can be asked for */
    assert_int_equal(r.n, 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->dir = test_tmpdir();
    (void)snprintf(f->socket, sizeof(f->socket), "%s/storage.sock", f->dir);
    f->in = BUF(32 * 1024 * 1024);
    f->out = BUF(32 * 1024 * 1024);
    struct sto_path_options path = {.dir = f->dir};
    struct sto_store_options o = {.group = "group1",
                                  .storage_id = "127.0.0.3",
                                  .paths = &path,
                                  .path_count = 1,
                                  .segment_size = 1024 * 1024};
    assert_int_equal(sto_store_open(&o, &f->store, NULL), 0);
    struct sto_internal_options io = {
        .socket_path = f->socket, .store = f->store, .max_connections = 4};
    assert_int_equal(sto_internal_start(&io, &f->server), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sto_internal_stop(&f->server);
    sto_store_close(&f->store);
    buf_free(&f->in);
    buf_free(&f->out);
    test_tmpdir_free(&f->dir);
    free(f);
    return 0;
}

static void add_put(struct fixture *f, uint8_t kind, const char *ext, const char *desc,
                    const char *data)
{
    buf_u8(&f->out, kind);
    char field[6] = "";
    memcpy(field, ext, strlen(ext));
    buf_add(&f->out, field, sizeof(field));
    buf_u32(&f->out, (uint32_t)strlen(desc));
    buf_u32(&f->out, (uint32_t)strlen(data));
    buf_adds(&f->out, str_c(desc));
    buf_adds(&f->out, str_c(data));
}

static struct str read_id(struct rd *r, char *keep)
{
    struct str s = rd_bytes(r, rd_u16(r));
    assert_true(s.n < 160);
    memcpy(keep, s.p, s.n);
    return str_of(keep, s.n);
}

static void assert_get(struct fixture *f, int fd, struct str id, const char *want)
{
    buf_adds(&f->out, id);
    assert_int_equal(call(f, fd, DFS_INT_FILE_GET), 0);
    struct rd r = rd_of(buf_str(&f->in));
    uint64_t offset = rd_u64(&r), size = rd_u64(&r);
    assert_int_equal(size, strlen(want));
    assert_true(f->passed >= 0);
    char got[256];
    assert_int_equal(pread(f->passed, got, size, (off_t)offset), size);
    assert_memory_equal(got, want, size);
    assert_int_equal(write(f->passed, "x", 1), -1); /* read only */
    close(f->passed);
}

static void objects_and_notes_in_one_batch(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    hello(f, fd, 1);
    buf_u32(&f->out, 3);
    add_put(f, DFS_PUT_OBJECT, "txt", "desc one", "data one");
    add_put(f, DFS_PUT_NOTE, "", "a note", "");
    add_put(f, 77, "", "", "no such kind");
    assert_int_equal(call(f, fd, DFS_INT_PUT_BATCH), 0);
    struct rd r = rd_of(buf_str(&f->in));
    char keep[160], none[160];
    assert_int_equal(rd_u32(&r), 3);
    assert_int_equal(rd_u8(&r), 0);
    struct str id = read_id(&r, keep);
    assert_int_equal(id.n, 7 + 60);
    assert_int_equal(rd_u8(&r), 0);
    assert_int_equal(read_id(&r, none).n, 0);
    assert_int_equal(rd_u8(&r), EINVAL);
    assert_int_equal(read_id(&r, none).n, 0);
    assert_get(f, fd, id, "data one");

    buf_u8(&f->out, 0);
    buf_u64(&f->out, 0);
    buf_u32(&f->out, 10);
    buf_u8(&f->out, 0);
    assert_int_equal(call(f, fd, DFS_INT_SCAN), 0);
    r = rd_of(buf_str(&f->in));
    uint64_t next = rd_u64(&r);
    assert_int_equal(rd_u8(&r), 1);
    assert_int_equal(rd_u32(&r), 2);
    assert_int_equal(rd_u8(&r), DFS_SCAN_OBJECT);
    assert_true(rd_u64(&r) < next);
    (void)rd_u32(&r);
    assert_true(str_eq(read_id(&r, none), id));
    assert_true(str_eq(rd_bytes(&r, rd_u32(&r)), STR("desc one")));
    assert_int_equal(rd_u8(&r), DFS_SCAN_NOTE);
    (void)rd_u64(&r);
    (void)rd_u32(&r);
    assert_int_equal(rd_u16(&r), 0);
    assert_true(str_eq(rd_bytes(&r, rd_u32(&r)), STR("a note")));
    assert_int_equal(r.n, 0);

    buf_u32(&f->out, 2);
    buf_u16(&f->out, (uint16_t)id.n);
    buf_adds(&f->out, id);
    buf_u16(&f->out, 5);
    buf_adds(&f->out, STR("bogus"));
    assert_int_equal(call(f, fd, DFS_INT_FILES_INFO), 0);
    r = rd_of(buf_str(&f->in));
    assert_int_equal(rd_u32(&r), 2);
    assert_int_equal(rd_u8(&r), 0);
    assert_int_equal(rd_u64(&r), 8);
    assert_true(rd_u64(&r) > 1700000000);
    assert_int_equal(rd_u32(&r), 0);
    assert_int_equal(rd_u8(&r), EINVAL);
    assert_int_equal(rd_u64(&r) | rd_u64(&r) | rd_u32(&r) | r.n, 0);
    buf_u32(&f->out, DFS_INFO_ITEMS_MAX + 1);
    assert_int_equal(call(f, fd, DFS_INT_FILES_INFO), EINVAL);
    buf_u8(&f->out, 0);
    assert_int_equal(call(f, fd, DFS_INT_ADOPTED), ENOENT); /* FastDFS was never here */
    buf_u8(&f->out, 1);
    assert_int_equal(call(f, fd, DFS_INT_ADOPTED), EINVAL);

    buf_u32(&f->out, 2);
    buf_lstr(&f->out, STR_NULL); /* high byte of the length */
    buf_u8(&f->out, (uint8_t)id.n);
    buf_adds(&f->out, id);
    buf_u16(&f->out, 5);
    buf_adds(&f->out, STR("bogus"));
    assert_int_equal(call(f, fd, DFS_INT_DELETE_BATCH), 0);
    assert_memory_equal(f->in.p, "\0\0\0\2\0\026", 6); /* 0, EINVAL */
    buf_adds(&f->out, id);
    assert_int_equal(call(f, fd, DFS_INT_FILE_GET), ENOENT);
    assert_int_equal(f->in.n, 0);

    assert_int_equal(call(f, fd, DFS_INT_STAT), 0);
    r = rd_of(buf_str(&f->in));
    assert_int_equal(rd_u8(&r), 1);
    assert_true(rd_u64(&r) > 0);
    (void)rd_u64(&r);
    assert_true(rd_u64(&r) > next);
    close(fd);
}

static uint64_t open_file(struct fixture *f, int fd, const char *content)
{
    buf_u64(&f->out, strlen(content));
    assert_int_equal(call(f, fd, DFS_INT_FILE_OPEN), 0);
    struct rd r = rd_of(buf_str(&f->in));
    uint64_t token = rd_u64(&r);
    assert_int_equal(rd_u8(&r), 0);
    assert_true(f->passed >= 0);
    assert_int_equal(write(f->passed, content, strlen(content)), strlen(content));
    close(f->passed);
    return token;
}

static uint8_t commit(struct fixture *f, int fd, uint64_t token, const char *content)
{
    buf_u64(&f->out, token);
    buf_u64(&f->out, strlen(content));
    buf_u32(&f->out, sto_crc32(0, content, strlen(content)));
    buf_add(&f->out, "bin\0\0\0", 6);
    buf_u32(&f->out, 4);
    buf_adds(&f->out, STR("desc"));
    return call(f, fd, DFS_INT_FILE_COMMIT);
}

static void a_file_is_written_by_the_gateway_and_named_by_the_storage(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    hello(f, fd, 9);
    uint64_t token = open_file(f, fd, "large content");
    assert_int_equal(commit(f, fd, token, "large content"), 0);
    struct rd r = rd_of(buf_str(&f->in));
    char keep[160];
    struct str id = read_id(&r, keep);
    assert_int_equal(id.n, 7 + 44);
    assert_get(f, fd, id, "large content");
    assert_int_equal(commit(f, fd, token, "large content"), EBADF);
    token = open_file(f, fd, "x");
    buf_u64(&f->out, token);
    assert_int_equal(call(f, fd, DFS_INT_FILE_ABORT), 0);
    assert_int_equal(commit(f, fd, token, "x"), EBADF);
    close(fd);
}

static void tokens_belong_to_the_session_and_go_with_it(void **state)
{
    struct fixture *f = *state;
    int a = dial(f), b = dial(f), other = dial(f);
    hello(f, a, 5);
    hello(f, b, 5);
    hello(f, other, 6);
    uint64_t token = open_file(f, a, "abc");
    assert_int_equal(commit(f, other, token, "abc"), EBADF);
    close(a);
    assert_int_equal(commit(f, b, token, "abc"), 0); /* the session lives on in b */
    close(b);
    close(other);
}

static void a_stranger_and_a_liar_get_errors(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    assert_int_equal(call(f, fd, DFS_INT_STAT), EACCES);
    hello(f, fd, 1);
    assert_int_equal(call(f, fd, DFS_INT_PUT_BATCH), EINVAL); /* no body */
    buf_u32(&f->out, 1);
    buf_add(&f->out, "\1txt\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 15);
    assert_int_equal(call(f, fd, DFS_INT_PUT_BATCH), EINVAL);
    buf_u32(&f->out, 1000000);
    assert_int_equal(call(f, fd, DFS_INT_DELETE_BATCH), EINVAL);
    assert_int_equal(call(f, fd, DFS_INT_STAT), 0); /* the connection survived all that */
    close(fd);
    fd = dial(f);
    uint8_t lie[DFS_HEADER_LEN];
    struct dfs_header h = {.len = UINT64_C(1) << 40, .cmd = DFS_INT_PUT_BATCH};
    dfs_header_put(&h, lie);
    assert_int_equal(send(fd, lie, sizeof(lie), 0), sizeof(lie));
    char end;
    assert_int_equal(recv(fd, &end, 1, 0), 0); /* closed */
    close(fd);
}

static void only_the_same_user_can_connect_and_only_so_many(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->socket, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    int fds[5];
    for (unsigned i = 0; i < 4; i++) {
        fds[i] = dial(f);
        hello(f, fds[i], i);
    }
    fds[4] = dial(f);
    char end;
    assert_int_equal(recv(fds[4], &end, 1, 0), 0);
    for (unsigned i = 0; i < 5; i++)
        close(fds[i]);
}

/* As the service hands it over; HELLO is answered by the new owner. */
static int adopt(struct fixture *f, uint64_t session)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, 0), 0);
    AUTO(buf_free) struct buf hello = BUF(64);
    buf_u32(&hello, DFS_INTERNAL_VERSION);
    buf_u64(&hello, session);
    sto_internal_adopt(f->server, &(struct dfs_stream){.fd = pair[1]}, buf_str(&hello));
    assert_int_equal(receive(f, pair[0]), 0);
    return pair[0];
}

static uint8_t write_piece(struct fixture *f, int fd, uint64_t token, uint64_t at,
                           const char *piece, uint32_t crc)
{
    buf_u64(&f->out, token);
    buf_u64(&f->out, at);
    buf_u32(&f->out, crc);
    buf_adds(&f->out, str_c(piece));
    return call(f, fd, DFS_INT_FILE_WRITE);
}

static uint8_t read_piece(struct fixture *f, int fd, struct str id, uint64_t at, uint32_t n)
{
    buf_u64(&f->out, at);
    buf_u32(&f->out, n);
    buf_adds(&f->out, id);
    return call(f, fd, DFS_INT_FILE_READ);
}

static void over_tcp_content_travels_in_frames(void **state)
{
    struct fixture *f = *state;
    int fd = adopt(f, 3);
    char keep[160];
    buf_u64(&f->out, 11);
    assert_int_equal(call(f, fd, DFS_INT_FILE_OPEN), 0);
    assert_int_equal(f->passed, -1);
    struct rd r = rd_of(buf_str(&f->in));
    uint64_t token = rd_u64(&r);
    assert_int_equal(write_piece(f, fd, token, 0, "hello ", sto_crc32(0, "hello ", 6)), 0);
    assert_int_equal(write_piece(f, fd, token, 6, "WORLD", sto_crc32(0, "world", 5)), EBADMSG);
    assert_int_equal(write_piece(f, fd, token, 6, "world", sto_crc32(0, "world", 5)), 0);
    assert_int_equal(write_piece(f, fd, token + 1, 0, "", 0), EBADF);
    assert_int_equal(commit(f, fd, token, "hello world"), 0);
    r = rd_of(buf_str(&f->in));
    struct str id = read_id(&r, keep);
    assert_int_equal(read_piece(f, fd, id, 0, 11), 0);
    assert_true(str_eq(buf_str(&f->in), STR("hello world")));
    assert_int_equal(read_piece(f, fd, id, 6, 5), 0);
    assert_true(str_eq(buf_str(&f->in), STR("world")));
    assert_int_equal(read_piece(f, fd, id, 11, 0), 0);
    assert_int_equal(read_piece(f, fd, id, 6, 6), ERANGE);
    assert_int_equal(read_piece(f, fd, id, UINT64_MAX, 1), ERANGE);
    assert_int_equal(read_piece(f, fd, id, 0, DFS_PIECE_MAX + 1), EINVAL);
    buf_adds(&f->out, id);
    assert_int_equal(call(f, fd, DFS_INT_FILE_GET), EOPNOTSUPP);

    buf_u32(&f->out, 1); /* packed files are read the same way */
    add_put(f, DFS_PUT_OBJECT, "txt", "desc", "packed");
    assert_int_equal(call(f, fd, DFS_INT_PUT_BATCH), 0);
    r = rd_of(buf_str(&f->in));
    (void)rd_u32(&r), (void)rd_u8(&r);
    id = read_id(&r, keep);
    assert_int_equal(read_piece(f, fd, id, 1, 4), 0);
    assert_true(str_eq(buf_str(&f->in), STR("acke")));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(objects_and_notes_in_one_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_is_written_by_the_gateway_and_named_by_the_storage,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(tokens_belong_to_the_session_and_go_with_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_stranger_and_a_liar_get_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(over_tcp_content_travels_in_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_same_user_can_connect_and_only_so_many, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
