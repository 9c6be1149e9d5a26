/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/supervisor/ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dfscore/base/clock.h"

enum { TRACKER_USUAL = 22122, STORAGE_USUAL = 23000, PATIENCE_MS = 5000 };

/* Below what Linux gives to outgoing connections (32768 up): one of those could have the port by the time
 * the child takes it, or comes back to it. */
enum { FREE_FIRST = 10240, FREE_LAST = 32767, FREE_TRIES = 100 };

int s3_ports_hold(uint16_t port, uint16_t *got)
{
    AUTO(dfs_close_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int one = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        listen(fd, 1) < 0 || /* else SO_REUSEADDR lets others bind it, too */
        getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        return -errno;
    *got = ntohs(a.sin_port);
    return dfs_take_fd(&fd);
}

static int hold_patiently(uint16_t port, uint16_t *got)
{
    uint64_t deadline = dfs_mono_ms() + PATIENCE_MS;
    int fd;
    while ((fd = s3_ports_hold(port, got)) == -EADDRINUSE && dfs_mono_ms() < deadline) {
        const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    return fd;
}

static int hold_any(uint16_t *got)
{
    int fd = -EADDRINUSE;
    for (int i = 0; i < FREE_TRIES && fd == -EADDRINUSE; i++) {
        uint16_t chance;
        if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
            return -EIO;
        fd = s3_ports_hold((uint16_t)(FREE_FIRST + chance % (FREE_LAST - FREE_FIRST + 1)), got);
    }
    return fd == -EADDRINUSE ? s3_ports_hold(0, got) : fd;
}

static int choose(const char *name, int asked, uint16_t last, uint16_t usual, uint16_t *ret,
                  struct buf *err)
{
    int fd;
    if (asked > 0) {
        fd = hold_patiently((uint16_t)asked, ret);
        if (fd < 0)
            buf_addf(err, "--%s-port %d: %s", name, asked, strerror(-fd));
        return fd;
    }
    if (last && (fd = hold_patiently(last, ret)) >= 0)
        return fd;
    if (asked < 0 && (fd = s3_ports_hold(usual, ret)) >= 0)
        return fd;
    fd = hold_any(ret);
    if (fd < 0)
        buf_addf(err, "no free port for the %s: %s", name, strerror(-fd));
    return fd;
}

static uint16_t last_port(struct str text, struct str key)
{
    uint64_t v;
    return str_u64(s3_keyval_get(text, key), 65535, &v) == 0 ? (uint16_t)v : 0;
}

int s3_ports_choose(struct s3_datadir *d, int tracker, int storage, struct s3_ports *ret,
                    struct buf *err)
{
    AUTO(buf_free) struct buf text = BUF(4096);
    int r = s3_datadir_read(d, "ports", &text);
    if (r == -ENOENT)
        buf_reset(&text);
    struct str last = buf_str(&text);
    struct s3_ports p;
    /* both held at once, so that they differ */
    AUTO(dfs_close_fd)
    int tracker_fd =
        choose("tracker", tracker, last_port(last, STR("tracker")), TRACKER_USUAL, &p.tracker, err);
    if (tracker_fd < 0)
        return tracker_fd;
    AUTO(dfs_close_fd)
    int storage_fd =
        choose("storage", storage, last_port(last, STR("storage")), STORAGE_USUAL, &p.storage, err);
    if (storage_fd < 0)
        return storage_fd;
    buf_reset(&text);
    buf_addf(&text, "tracker = %u\nstorage = %u\n", p.tracker, p.storage);
    r = s3_datadir_write(d, "ports", 0600, buf_str(&text));
    if (r < 0) {
        buf_addf(err, "%s/ports: %s", s3_datadir_path(d), strerror(-r));
        return r;
    }
    *ret = p;
    return 0;
}
