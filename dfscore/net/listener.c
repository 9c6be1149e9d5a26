/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread accepts (loops[0]); a connection's descriptor travels to its loop as a job. The list of
 * a loop's connections belongs to that loop. A connection counts from accept until its memory has gone.
 */
#include "dfscore/net/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dfscore/base/clock.h"

enum {
    BACKLOG = 4096,
    BLOCKS = 64,
    BLOCK_BYTES = 256 * 1024,
    ACCEPT_TURN = 64,
    DOORS = 2,
    ANY_PORT_TRIES = 100,
    RETRY_MS = 100, /* after running out of descriptors or memory */
};

struct seat {
    struct dfs_listener *listener;
    struct dfs_loop *loop;
    struct dfs_pool *pool;
    struct dfs_conn *first; /* owner: loop */
    bool closing;           /* owner: loop */
    struct dfs_job job;     /* of stop() */
};

struct arrival {
    struct dfs_job job;
    struct seat *seat;
    int fd;
};

struct dfs_listener {
    unsigned magic;
#define LISTENER_MAGIC 0x115e2e5bu
    const struct dfs_service *service;
    struct dfs_listen_opts opts; /* strings inside are copied */
    char congestion[16];
    struct door {
        struct dfs_listener *listener;
        int fd;                  /* -1: none */
        struct dfs_watch *watch; /* owner: loops[0] */
    } doors[DOORS];              /* of the address and of its alt */
    uint16_t port;
    bool is_unix;
    struct dfs_timer *retry;
    struct dfs_job begin;
    struct seat *seats;
    size_t n, next;
    bool stopped;

    _Atomic uint64_t accepted, refused_host, refused_full;
    _Atomic uint32_t current, max;

    pthread_mutex_t lock; /* rank: leaf; nothing is called while it is held */
    pthread_cond_t changed;
    size_t jobs; /* under lock: stop's jobs that have not run */
};

/* --- sockets -------------------------------------------------------------------------------------- */

static int listen_unix(struct dfs_listener *l)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    const char *path = l->opts.addr.host;
    struct stat st;
    if (strlen(path) >= sizeof(sa.sun_path))
        return -ENAMETOOLONG;
    memcpy(sa.sun_path, path, strlen(path));
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    int fd = l->doors[0].fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* The mode is right before anybody can connect: nobody can until listen(). */
    if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        chmod(path, l->opts.unix_mode ? l->opts.unix_mode : 0600) < 0)
        return -errno;
    l->is_unix = true;
    return 0;
}

static int try_bind(const struct addrinfo *at, int *ret)
{
    int one = 1, zero = 0;
    AUTO(dfs_close_fd)
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (at->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    if (bind(fd, at->ai_addr, at->ai_addrlen) < 0)
        return -errno;
    *ret = dfs_take_fd(&fd);
    return 0;
}

static int bind_host(const char *host, uint16_t number, int *fd, uint16_t *real)
{
    bool any = host[0] == '\0' || strcmp(host, "*") == 0;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *list = NULL;
    char port[8];
    snprintf(port, sizeof(port), "%u", number);
    if (getaddrinfo(any ? NULL : host, port, &hints, &list) != 0)
        return -EADDRNOTAVAIL;
    int r = -EADDRNOTAVAIL;
    /* For "every address" an IPv6 socket takes IPv4 too; without IPv6 the IPv4 entry is left. */
    for (int family = any ? AF_INET6 : AF_UNSPEC; r < 0; family = AF_UNSPEC) {
        for (struct addrinfo *at = list; at && r < 0; at = at->ai_next)
            if (family == AF_UNSPEC || at->ai_family == family)
                r = try_bind(at, fd);
        if (family == AF_UNSPEC)
            break;
    }
    freeaddrinfo(list);
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    if (r == 0 && getsockname(*fd, (struct sockaddr *)&sa, &n) == 0) {
        struct dfs_addr bound;
        dfs_addr_of((struct sockaddr *)&sa, &bound);
        *real = bound.port;
    }
    return r;
}

static int bind_both(const struct dfs_addr *addr, struct dfs_bound *ret)
{
    *ret = (struct dfs_bound){.fd = {-1, -1}};
    int r = bind_host(addr->host, addr->port, &ret->fd[0], &ret->port);
    if (r == 0 && addr->alt[0])
        r = bind_host(addr->alt, ret->port, &ret->fd[1], &ret->port);
    if (r < 0)
        dfs_bound_close(ret);
    return r;
}

int dfs_bound_make(const struct dfs_addr *addr, struct dfs_bound *ret)
{
    int r = bind_both(addr, ret);
    /* The port that the first was given may be somebody's at the second. */
    for (int i = 1; i < ANY_PORT_TRIES && r == -EADDRINUSE && addr->port == 0; i++)
        r = bind_both(addr, ret);
    return r;
}

void dfs_bound_close(struct dfs_bound *b)
{
    for (size_t i = 0; i < ARRAY_LEN(b->fd); i++)
        dfs_close_fd(&b->fd[i]);
}

static int listen_tcp(struct dfs_listener *l)
{
    struct dfs_bound own, *b = l->opts.bound ? l->opts.bound : &own;
    int r = l->opts.bound ? 0 : dfs_bound_make(&l->opts.addr, &own);
    if (r < 0)
        return r;
    l->port = b->port;
    for (size_t i = 0; i < DOORS; i++)
        l->doors[i].fd = dfs_take_fd(&b->fd[i]);
    return 0;
}

static void tune(const struct dfs_listener *l, int fd)
{
    int one = 1;
    if (l->is_unix)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    if (l->congestion[0])
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, l->congestion,
                   (socklen_t)strlen(l->congestion));
}

/* --- connections --------------------------------------------------------------------------------- */

static void leave(struct dfs_listener *l)
{
    pthread_mutex_lock(&l->lock);
    atomic_fetch_sub(&l->current, 1);
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static void on_opened(void *arg, struct dfs_conn *c)
{
    struct seat *seat = arg;
    struct dfs_conn_link *link = dfs_conn_link(c);
    link->next = seat->first;
    if (seat->first)
        dfs_conn_link(seat->first)->prev = c;
    seat->first = c;
}

static void on_closed(void *arg, struct dfs_conn *c)
{
    struct seat *seat = arg;
    struct dfs_conn_link *link = dfs_conn_link(c);
    if (link->prev)
        dfs_conn_link(link->prev)->next = link->next;
    else
        seat->first = link->next;
    if (link->next)
        dfs_conn_link(link->next)->prev = link->prev;
    leave(seat->listener);
}

static void seat_conn(struct seat *seat, int fd)
{
    const struct dfs_conn_hooks hooks = {seat, on_opened, on_closed};
    if (seat->closing) {
        close(fd);
        leave(seat->listener);
        return;
    }
    if (dfs_conn_new(seat->loop, seat->pool, seat->listener->service, fd, &hooks) < 0)
        leave(seat->listener);
}

static void on_arrival(struct dfs_job *job)
{
    struct arrival *a = (struct arrival *)((char *)job - offsetof(struct arrival, job));
    seat_conn(a->seat, a->fd);
    free(a);
}

static void place(struct dfs_listener *l, int fd)
{
    struct seat *seat = &l->seats[l->next++ % l->n];
    uint32_t now = atomic_fetch_add(&l->current, 1) + 1;
    uint32_t max = atomic_load(&l->max);
    while (now > max && !atomic_compare_exchange_weak(&l->max, &max, now))
        ;
    atomic_fetch_add(&l->accepted, 1);
    tune(l, fd);
    if (dfs_loop_here(seat->loop)) {
        seat_conn(seat, fd);
        return;
    }
    struct arrival *a = dfs_alloc(sizeof(*a));
    if (!a) {
        close(fd);
        leave(l);
        return;
    }
    *a = (struct arrival){{NULL, on_arrival}, seat, fd};
    dfs_loop_post(seat->loop, &a->job);
}

static void on_accept(void *arg, int ready)
{
    (void)ready;
    struct door *door = arg;
    struct dfs_listener *l = door->listener;
    for (int i = 0; i < ACCEPT_TURN; i++) {
        struct sockaddr_storage sa = {0};
        socklen_t n = sizeof(sa);
        int fd = accept4(door->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                dfs_watch_set(door->watch, 0); /* it would fire for ever */
                dfs_timer_set(l->retry, RETRY_MS);
            }
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            return;
        }
        if (l->opts.allow && !dfs_allow_match(l->opts.allow, (struct sockaddr *)&sa)) {
            atomic_fetch_add(&l->refused_host, 1);
            close(fd);
        } else if (atomic_load(&l->current) >= l->opts.max_conns) {
            atomic_fetch_add(&l->refused_full, 1);
            close(fd);
        } else {
            place(l, fd);
        }
    }
}

static void accept_at_all(struct dfs_listener *l)
{
    for (size_t i = 0; i < DOORS; i++)
        if (l->doors[i].watch)
            dfs_watch_set(l->doors[i].watch, DFS_READ);
}

static void on_retry(void *arg)
{
    accept_at_all(arg);
}

static void on_begin(struct dfs_job *job)
{
    struct dfs_listener *l =
        (struct dfs_listener *)((char *)job - offsetof(struct dfs_listener, begin));
    accept_at_all(l);
}

static void close_doors(struct dfs_listener *l)
{
    for (size_t i = 0; i < DOORS; i++) {
        dfs_watch_free(&l->doors[i].watch);
        dfs_close_fd(&l->doors[i].fd);
    }
}

/* --- life ----------------------------------------------------------------------------------------- */

static void release(struct dfs_listener *l)
{
    for (size_t i = 0; i < l->n && l->seats; i++)
        dfs_pool_free(&l->seats[i].pool);
    close_doors(l);
    dfs_timer_free(&l->retry);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l->seats);
    l->magic = 0;
    free(l);
}

static int set_up(struct dfs_listener *l, struct dfs_loop *const *loops)
{
    for (size_t i = 0; i < l->n; i++) {
        l->seats[i] = (struct seat){.listener = l, .loop = loops[i]};
        int r = dfs_pool_new(loops[i], l->opts.blocks, l->opts.block_bytes, &l->seats[i].pool);
        if (r < 0)
            return r;
    }
    int r = l->opts.addr.host[0] == '/' ? listen_unix(l) : listen_tcp(l);
    if (r < 0)
        return r;
    r = dfs_timer_new(loops[0], on_retry, l, &l->retry);
    for (size_t i = 0; i < DOORS && r == 0; i++) {
        struct door *door = &l->doors[i];
        if (door->fd < 0)
            continue;
        if (listen(door->fd, l->opts.backlog) < 0)
            return -errno;
        r = dfs_watch_new(loops[0], door->fd, on_accept, door, &door->watch);
    }
    return r;
}

int dfs_listener_new(const struct dfs_listen_opts *opts, const struct dfs_service *service,
                     struct dfs_loop *const *loops, size_t n, struct dfs_listener **ret)
{
    ASSERT(n > 0 && opts->max_conns > 0);
    for (size_t i = 0; i < service->n; i++)
        ASSERT(!service->commands[i].content || service->commands[i].abort);
    struct dfs_listener *l = dfs_zalloc(sizeof(*l));
    if (!l)
        return -ENOMEM;
    *l = (struct dfs_listener){.magic = LISTENER_MAGIC,
                               .service = service,
                               .opts = *opts,
                               .doors = {{l, -1, NULL}, {l, -1, NULL}},
                               .n = n,
                               .begin.fn = on_begin};
    pthread_mutex_init(&l->lock, NULL);
    dfs_cond_init(&l->changed);
    l->opts.backlog = opts->backlog ? opts->backlog : BACKLOG;
    l->opts.blocks = opts->blocks ? opts->blocks : BLOCKS;
    l->opts.block_bytes = opts->block_bytes ? opts->block_bytes : BLOCK_BYTES;
    if (opts->congestion)
        snprintf(l->congestion, sizeof(l->congestion), "%s", opts->congestion);
    l->seats = dfs_zalloc(n * sizeof(*l->seats));
    int r = l->seats ? set_up(l, loops) : -ENOMEM;
    if (r < 0) {
        release(l);
        return r;
    }
    /* A job queued on a loop that never runs would outlive the listener. */
    if (dfs_loop_here(loops[0]))
        on_begin(&l->begin);
    else
        dfs_loop_post(loops[0], &l->begin);
    *ret = l;
    return 0;
}

uint16_t dfs_listener_port(const struct dfs_listener *l)
{
    return l->port;
}

struct dfs_listener_stats dfs_listener_stats(const struct dfs_listener *l)
{
    return (struct dfs_listener_stats){
        .accepted = atomic_load(&l->accepted),
        .refused_host = atomic_load(&l->refused_host),
        .refused_full = atomic_load(&l->refused_full),
        .current = atomic_load(&l->current),
        .max = atomic_load(&l->max),
    };
}

/* --- stopping ------------------------------------------------------------------------------------- */

static void job_done(struct dfs_listener *l)
{
    pthread_mutex_lock(&l->lock);
    l->jobs--;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static struct seat *seat_of(struct dfs_job *job)
{
    return (struct seat *)((char *)job - offsetof(struct seat, job));
}

static void close_conns(struct seat *seat, bool now)
{
    seat->closing = true;
    for (struct dfs_conn *c = seat->first, *next; c; c = next) {
        next = dfs_conn_link(c)->next;
        dfs_conn_shutdown(c, now);
    }
}

static void on_close_gently(struct dfs_job *job)
{
    struct seat *seat = seat_of(job);
    struct dfs_listener *l = seat->listener;
    if (seat == &l->seats[0]) {
        close_doors(l);
        dfs_timer_free(&l->retry);
    }
    close_conns(seat, false);
    job_done(l);
}

static void on_cut(struct dfs_job *job)
{
    struct seat *seat = seat_of(job);
    close_conns(seat, true);
    job_done(seat->listener);
}

static void on_last(struct dfs_job *job)
{
    struct seat *seat = seat_of(job);
    dfs_pool_free(&seat->pool);
    job_done(seat->listener);
}

/* Run @fn on every loop and wait until it has run everywhere. */
static void everywhere(struct dfs_listener *l, void (*fn)(struct dfs_job *job))
{
    pthread_mutex_lock(&l->lock);
    l->jobs = l->n;
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < l->n; i++) {
        l->seats[i].job.fn = fn;
        if (dfs_loop_here(l->seats[i].loop))
            fn(&l->seats[i].job); /* the loop does not run */
        else
            dfs_loop_post(l->seats[i].loop, &l->seats[i].job);
    }
    pthread_mutex_lock(&l->lock);
    while (l->jobs)
        pthread_cond_wait(&l->changed, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

static void wait_empty(struct dfs_listener *l, const struct timespec *until)
{
    pthread_mutex_lock(&l->lock);
    int r = 0;
    while (atomic_load(&l->current) && r != ETIMEDOUT)
        r = until ? pthread_cond_timedwait(&l->changed, &l->lock, until)
                  : pthread_cond_wait(&l->changed, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

void dfs_listener_stop(struct dfs_listener *l, uint64_t grace_ms)
{
    CHECK_OBJ(l, LISTENER_MAGIC);
    if (l->stopped)
        return;
    l->stopped = true;
    everywhere(l, on_close_gently);
    if (l->is_unix)
        unlink(l->opts.addr.host);
    struct timespec until = dfs_mono_after(grace_ms);
    wait_empty(l, &until);
    everywhere(l, on_cut);
    wait_empty(l, NULL); /* for those whose request a service still holds */
    everywhere(l, on_last);
}

void dfs_listener_free(struct dfs_listener **lp)
{
    struct dfs_listener *l = TAKE(*lp);
    if (!l)
        return;
    dfs_listener_stop(l, 0);
    release(l);
}
