/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_tls - arbitrary bytes from a stranger where a handshake should be, to a server and to a caller: hands are
 * never shaken, and when no more comes it ends with an error.
 *
 * Input: who is spoken to (low bit) and where the bytes are cut in two, then the bytes.
 */
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dfscore/net/stream.h"
#include "dfscore/net/tls.h"
#include "tests/lib/certs.h"
#include "tests/lib/test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dfs_tls *make_member(void)
{
    char *dir = test_tmpdir(), cert[PATH_MAX], key[PATH_MAX], ca[PATH_MAX];
    struct dfs_tls *t = NULL;
    AUTO(buf_free) struct buf err = BUF(4096);
    test_ca_make(dir, "ca");
    test_cert_make(dir, "ca", "one", 3);
    snprintf(cert, sizeof(cert), "%s/one.crt", dir);
    snprintf(key, sizeof(key), "%s/one.key", dir);
    snprintf(ca, sizeof(ca), "%s/ca.crt", dir);
    ASSERT(dfs_tls_new(&(struct dfs_tls_conf){cert, key, ca}, NULL, &t, &err) == 0);
    test_tmpdir_free(&dir);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dfs_tls *tls;
    const struct dfs_addr nobody = {0};
    int fd[2];
    if (size < 2 || size > 60000)
        return 0;
    if (!tls)
        tls = make_member();
    ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
    struct dfs_stream s = {.fd = fd[1]};
    ASSERT(dfs_stream_tls(&s, tls, data[0] & 1, &nobody) == 0);
    size_t cut = MIN((size_t)data[1], size - 2);
    (void)!write(fd[0], data + 2, cut);
    int r = dfs_stream_shake(&s);
    ASSERT(r < 0);
    (void)!write(fd[0], data + 2 + cut, size - 2 - cut);
    if (r == -EAGAIN)
        r = dfs_stream_shake(&s);
    ASSERT(r < 0);
    ASSERT(shutdown(fd[0], SHUT_RDWR) == 0);
    if (r == -EAGAIN)
        r = dfs_stream_shake(&s);
    ASSERT(r < 0 && r != -EAGAIN);
    dfs_stream_close(&s);
    close(fd[0]);
    return 0;
}
