/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates, streams over a socket pair, and a service on TCP that is called either way. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/net/listener.h"
#include "dfscore/net/peer.h"
#include "dfscore/net/stream.h"
#include "dfscore/net/tls.h"
#include "tests/lib/certs.h"

enum { BIG = 3000000 };

static char *dir;
static char said[2048]; /* the reports since it was emptied */
static pthread_mutex_t said_lock = PTHREAD_MUTEX_INITIALIZER;

static void failed(const struct dfs_addr *peer, bool incoming, const char *why)
{
    (void)peer;
    pthread_mutex_lock(&said_lock);
    size_t n = strlen(said);
    snprintf(said + n, sizeof(said) - n, "%s: %s\n", incoming ? "in" : "out", why);
    pthread_mutex_unlock(&said_lock);
}

static bool was_said(const char *what)
{
    pthread_mutex_lock(&said_lock);
    bool yes = strstr(said, what) != NULL;
    pthread_mutex_unlock(&said_lock);
    return yes;
}

struct files {
    char cert[300], key[300], ca[300];
};

static struct dfs_tls_conf conf_of(struct files *f, const char *cert, const char *key,
                                   const char *ca)
{
    snprintf(f->cert, sizeof(f->cert), "%s/%s.crt", dir, cert);
    snprintf(f->key, sizeof(f->key), "%s/%s.key", dir, key);
    snprintf(f->ca, sizeof(f->ca), "%s/%s.crt", dir, ca);
    return (struct dfs_tls_conf){f->cert, f->key, f->ca};
}

static struct dfs_tls *member(const char *name, const char *ca)
{
    struct files f;
    struct dfs_tls *t = NULL;
    AUTO(buf_free) struct buf err = BUF(4096);
    const struct dfs_tls_conf conf = conf_of(&f, name, name, ca);
    assert_int_equal(dfs_tls_new(&conf, failed, &t, &err), 0);
    return t;
}

static int group_setup(void **state)
{
    (void)state;
    dir = test_tmpdir();
    test_ca_make(dir, "ca");
    test_ca_make(dir, "strange-ca");
    test_cert_make(dir, "ca", "one", 3);
    test_cert_make(dir, "ca", "two", 3);
    test_cert_make(dir, "ca", "longer", 9);
    test_cert_make(dir, "ca", "late", -1);
    test_cert_make(dir, "strange-ca", "foreign", 3);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    test_tmpdir_free(&dir);
    return 0;
}

/* --- settings ----------------------------------------------------------------------------------- */

/* A private key that asks for a password. */
static void lock_key(const char *name)
{
    char path[300];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    snprintf(path, sizeof(path), "%s/%s.key", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(chmod(path, 0600), 0);
    unsigned char word[] = "word";
    assert_int_equal(PEM_write_PrivateKey(f, key, EVP_aes_256_cbc(), word, 4, NULL, NULL), 1);
    fclose(f);
    EVP_PKEY_free(key);
}

static void a_mistake_in_the_settings_is_one_line_with_key_and_file(void **state)
{
    (void)state;
    static const struct {
        const char *cert, *key, *ca; /* NULL: not given */
        const char *key_said, *why;
    } rows[] = {
        {"one", NULL, "ca", "cluster_tls_key is missing", "go together"},
        {"one", "one", NULL, "cluster_tls_ca is missing", "go together"},
        {"none", "one", "ca", "cluster_tls_cert = ", "No such file"},
        {"one", "none", "ca", "cluster_tls_key = ", "No such file"},
        {"one", "two", "ca", "cluster_tls_key = ", "key values mismatch"},
        {"one", "one", "text", "cluster_tls_ca = ", "no "},
        {"text", "one", "ca", "cluster_tls_cert = ", "no start line"},
        {"one", "open", "ca", "cluster_tls_key = ", "chmod 600"},
        {"one", "locked", "ca", "cluster_tls_key = ", "password"},
        {"late", "late", "ca", "cluster_tls_cert = ", "expired"},
        {"foreign", "foreign", "ca", "cluster_tls_cert = ", "not signed by our cluster_tls_ca"},
    };
    char path[300];
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, i ? "open.key" : "text.crt");
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs("no PEM\n", f);
        fclose(f);
        assert_int_equal(chmod(path, 0604), 0);
    }
    lock_key("locked");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct files f;
        struct dfs_tls *t = NULL;
        AUTO(buf_free) struct buf err = BUF(4096);
        char none[] = "";
        struct dfs_tls_conf conf =
            conf_of(&f, rows[i].cert, rows[i].key ? rows[i].key : "", rows[i].ca ? rows[i].ca : "");
        conf.key = rows[i].key ? conf.key : none;
        conf.ca = rows[i].ca ? conf.ca : none;
        assert_true(dfs_tls_new(&conf, failed, &t, &err) < 0);
        buf_addc(&err, '\0');
        assert_null(t);
        assert_non_null(strstr(err.p, rows[i].key_said));
        assert_non_null(strstr(err.p, rows[i].why));
        assert_null(strchr(err.p, '\n'));
    }
}

static void without_files_there_is_no_tls(void **state)
{
    (void)state;
    struct dfs_tls *t = NULL;
    char none[] = "";
    AUTO(buf_free) struct buf err = BUF(100);
    assert_int_equal(dfs_tls_new(&(struct dfs_tls_conf){none, none, none}, failed, &t, &err), 0);
    assert_null(t);
    t = member("one", "ca");
    assert_in_range(dfs_tls_days_left(t), 2, 3);
    dfs_tls_free(&t);
}

/* The files of @from, under the name "turned". */
static void turn_into(const char *from)
{
    static const char *const ends[] = {"crt", "key"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char a[300], b[300], bytes[16384];
        snprintf(a, sizeof(a), "%s/%s.%s", dir, from, ends[i]);
        snprintf(b, sizeof(b), "%s/turned.%s", dir, ends[i]);
        FILE *in = fopen(a, "r"), *out = fopen(b, "w");
        assert_non_null(in);
        assert_non_null(out);
        size_t n = fread(bytes, 1, sizeof(bytes), in);
        assert_int_equal(fwrite(bytes, 1, n, out), n);
        fclose(in);
        fclose(out);
        assert_int_equal(chmod(b, 0600), 0);
    }
}

static void a_reload_takes_what_the_files_are_now_or_keeps_what_they_were(void **state)
{
    (void)state;
    turn_into("one");
    AUTO(dfs_tls_free) struct dfs_tls *t = member("turned", "ca");
    AUTO(buf_free) struct buf err = BUF(4096);
    assert_in_range(dfs_tls_days_left(t), 2, 3);
    turn_into("longer");
    SSL *before = dfs_tls_begin(t); /* goes on with what it began with */
    assert_non_null(before);
    assert_int_equal(dfs_tls_reload(t, &err), 0);
    assert_in_range(dfs_tls_days_left(t), 8, 9);
    SSL *after = dfs_tls_begin(t);
    assert_non_null(after);
    assert_int_not_equal(X509_cmp(SSL_get_certificate(before), SSL_get_certificate(after)), 0);
    SSL_free(before);
    static const char *const bad[] = {"late", "foreign"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        turn_into(bad[i]);
        buf_reset(&err);
        assert_true(dfs_tls_reload(t, &err) < 0);
        assert_true(err.n > 0);
        assert_in_range(dfs_tls_days_left(t), 8, 9);
        SSL *still = dfs_tls_begin(t);
        assert_non_null(still);
        assert_int_equal(X509_cmp(SSL_get_certificate(still), SSL_get_certificate(after)), 0);
        SSL_free(still);
    }
    SSL_free(after);
}

/* --- streams ------------------------------------------------------------------------------------ */

static void pair_up(struct dfs_stream s[2])
{
    int fd[2], small = 4096;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
        s[i] = (struct dfs_stream){.fd = fd[i]};
    }
}

/* Both sides in turn until each is done or has failed. @s[0] calls. */
static void shake(struct dfs_stream s[2], struct dfs_tls *a, struct dfs_tls *b, int r[2])
{
    const struct dfs_addr nobody = {0};
    assert_int_equal(dfs_stream_tls(&s[0], a, false, &nobody), 0);
    assert_int_equal(dfs_stream_tls(&s[1], b, true, &nobody), 0);
    r[0] = r[1] = -EAGAIN;
    for (int i = 0; i < 50 && (r[0] == -EAGAIN || r[1] == -EAGAIN); i++) {
        if (r[i % 2] == -EAGAIN)
            r[i % 2] = dfs_stream_shake(&s[i % 2]);
    }
}

static void both_sides_are_members_and_talk(void **state)
{
    (void)state;
    AUTO(dfs_tls_free) struct dfs_tls *a = member("one", "ca");
    AUTO(dfs_tls_free) struct dfs_tls *b = member("two", "ca");
    struct dfs_stream s[2];
    int r[2];
    char text[100];
    pair_up(s);
    shake(s, a, b, r);
    assert_int_equal(r[0], 0);
    assert_int_equal(r[1], 0);
    const struct iovec parts[] = {
        {(char *)(uintptr_t) "he", 2}, {NULL, 0}, {(char *)(uintptr_t) "llo", 3}};
    assert_int_equal(dfs_stream_recv(&s[1], text, sizeof(text), 0), -EAGAIN);
    assert_int_equal(dfs_stream_send(&s[0], parts, 3, false), 5);
    assert_int_equal(dfs_stream_recv(&s[1], text, sizeof(text), 0), 5);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(dfs_stream_send(&s[1], parts, 1, false), 2);
    assert_int_equal(dfs_stream_recv(&s[0], text, sizeof(text), 0), 2);
    dfs_stream_end(&s[0]);
    assert_int_equal(dfs_stream_recv(&s[1], text, sizeof(text), 0), 0);
    assert_int_equal(dfs_stream_send(&s[1], parts, 1, false), 2); /* the other way goes on */
    assert_int_equal(dfs_stream_recv(&s[0], text, sizeof(text), 0), 2);
    dfs_stream_close(&s[0]);
    dfs_stream_close(&s[1]);
}

static void a_cut_is_not_an_end(void **state)
{
    (void)state;
    AUTO(dfs_tls_free) struct dfs_tls *a = member("one", "ca");
    struct dfs_stream s[2];
    int r[2];
    char text[10];
    pair_up(s);
    shake(s, a, a, r);
    assert_int_equal(r[1], 0);
    shutdown(s[0].fd, SHUT_RDWR); /* what somebody in between could do */
    assert_int_equal(dfs_stream_recv(&s[1], text, sizeof(text), 0), -ECONNRESET);
    const struct iovec part = {text, 1};
    assert_true(dfs_stream_send(&s[0], &part, 1, false) < 0); /* and no signal */
    dfs_stream_close(&s[0]);
    dfs_stream_close(&s[1]);
}

static void short_writes_lose_nothing(void **state)
{
    (void)state;
    AUTO(dfs_tls_free) struct dfs_tls *a = member("one", "ca");
    struct dfs_stream s[2];
    int r[2];
    size_t out = 0, in = 0, stuck = 0;
    AUTO(dfs_free_ptr) uint8_t *data = dfs_alloc(BIG), *back = dfs_alloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    pair_up(s);
    shake(s, a, a, r);
    assert_int_equal(r[0], 0);
    while (in < BIG) {
        /* A head and a body, as an answer is; again with the same after -EAGAIN. */
        const struct iovec parts[] = {
            {data + out, MIN((size_t)10, BIG - out)},
            {data + MIN(out + 10, (size_t)BIG), BIG - MIN(out + 10, (size_t)BIG)}};
        ssize_t n = out < BIG ? dfs_stream_send(&s[0], parts, 2, false) : -EAGAIN;
        stuck += n == -EAGAIN;
        assert_true(n > 0 || n == -EAGAIN);
        out += n > 0 ? (size_t)n : 0;
        if (n == -EAGAIN) {
            n = dfs_stream_recv(&s[1], back + in, BIG - in, 0);
            assert_true(n > 0 || n == -EAGAIN);
            in += n > 0 ? (size_t)n : 0;
        }
    }
    assert_true(stuck > 10);
    assert_memory_equal(data, back, BIG);
    dfs_stream_close(&s[0]);
    dfs_stream_close(&s[1]);
}

/* The caller of @caller, in @a, and the called of @called. What @a gets at the handshake or its first read. */
static int meet(struct dfs_tls *caller, struct dfs_tls *called, int *other)
{
    struct dfs_stream s[2];
    int r[2];
    char byte;
    said[0] = '\0';
    pair_up(s);
    shake(s, caller, called, r);
    *other = r[1];
    int first = r[0] ? r[0] : (int)dfs_stream_recv(&s[0], &byte, 1, 0);
    dfs_stream_close(&s[0]);
    dfs_stream_close(&s[1]);
    return first;
}

static void strangers_are_refused_and_both_say_why(void **state)
{
    (void)state;
    AUTO(dfs_tls_free) struct dfs_tls *ours = member("one", "ca");
    AUTO(dfs_tls_free) struct dfs_tls *foreign = member("foreign", "strange-ca");
    int other;
    assert_int_equal(meet(ours, foreign, &other), -EKEYREJECTED); /* we call a stranger */
    assert_true(was_said("out: their certificate: not signed by our cluster_tls_ca (/CN=foreign)"));
    /* A stranger calls us, who trusts us by mistake: refused at its first read. */
    SSL_CTX_set_verify(dfs_tls_ctx(foreign), SSL_VERIFY_NONE, NULL);
    assert_int_equal(meet(foreign, ours, &other), -EKEYREJECTED);
    assert_true(was_said("out: they refuse our certificate: "));
    assert_int_equal(other, -EKEYREJECTED);
}

static void an_expired_certificate_has_an_error_of_its_own(void **state)
{
    (void)state;
    AUTO(dfs_tls_free) struct dfs_tls *a = member("one", "ca");
    AUTO(dfs_tls_free) struct dfs_tls *later = member("two", "ca");
    int other;
    /* For one of them it is five days later than for the other. */
    X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(dfs_tls_ctx(later)),
                               (time_t)(dfs_now_s() + 5 * 86400));
    assert_int_equal(meet(later, a, &other), -EKEYEXPIRED);
    assert_true(was_said("expired"));
    assert_int_equal(meet(a, later, &other), -EKEYEXPIRED);
    assert_int_equal(other, -EKEYEXPIRED);
    assert_true(was_said("out: they refuse our certificate: ") && was_said("expired"));
}

static void one_without_a_certificate_does_not_get_in(void **state)
{
    (void)state;
    AUTO(dfs_tls_free) struct dfs_tls *ours = member("one", "ca");
    const struct dfs_addr nobody = {0};
    struct dfs_stream s[2];
    pair_up(s);
    SSL_CTX *bare = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(bare);
    SSL_set_fd(ssl, s[0].fd);
    assert_int_equal(dfs_stream_tls(&s[1], ours, true, &nobody), 0);
    int r = -EAGAIN;
    for (int i = 0; i < 20 && r == -EAGAIN; i++) {
        (void)SSL_connect(ssl);
        r = dfs_stream_shake(&s[1]);
    }
    assert_int_equal(r, -EKEYREJECTED);
    assert_true(was_said("in: they show no certificate"));
    SSL_free(ssl);
    SSL_CTX_free(bare);
    dfs_stream_close(&s[0]);
    dfs_stream_close(&s[1]);
}

static void garbage_and_vanishing_end_the_handshake(void **state)
{
    (void)state;
    AUTO(dfs_tls_free) struct dfs_tls *ours = member("one", "ca");
    const struct dfs_addr nobody = {0};
    static const struct {
        const char *bytes;
        size_t n;
        int r;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18, -EPROTO},
        {"\x16\x03\x01\x00\x05hello", 10, -EPROTO},
        {"\x16\x03\x01\x7f\xff", 5, -EPROTO},
        {"\0\0\0\0\0\0\0\0\x65\0", 10, -EPROTO},
        {"\x16\x03\x01\x02\x00\x01\x00", 7, -ECONNRESET},
        {"", 0, -ECONNRESET},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dfs_stream s[2];
        pair_up(s);
        assert_int_equal(dfs_stream_tls(&s[1], ours, true, &nobody), 0);
        assert_int_equal(dfs_stream_shake(&s[1]), -EAGAIN);
        assert_int_equal(send(s[0].fd, rows[i].bytes, rows[i].n, MSG_NOSIGNAL), rows[i].n);
        int r = dfs_stream_shake(&s[1]);
        dfs_stream_close(&s[0]);
        if (r == -EAGAIN)
            r = dfs_stream_shake(&s[1]);
        assert_int_equal(r, rows[i].r);
        dfs_stream_close(&s[1]);
    }
}

/* --- a service ---------------------------------------------------------------------------------- */

enum { ECHO = 1, FILE_CMD = 2, STREAM = 3, MEMBER = 4, DETACH = 5 };

static void echo(struct dfs_req *req)
{
    dfs_req_reply(req, 0, req->body);
}

static void send_file(struct dfs_req *req)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/data", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    req->user = (void *)(intptr_t)fd;
    dfs_req_reply_file(req, fd, 0, BIG, NULL);
}

static void file_done(struct dfs_req *req)
{
    close((int)(intptr_t)req->user);
}

static void more(struct dfs_req *req, struct dfs_block *blk)
{
    uintptr_t at = (uintptr_t)req->user;
    req->user = (void *)(at + 1);
    blk->n = at < 30 ? blk->cap : 0;
    memset(blk->p, 's', blk->n);
    blk->last = at == 30;
    dfs_block_send(blk, 0);
}

static void stream(struct dfs_req *req)
{
    dfs_req_reply_stream(req, DFS_LEN_UNKNOWN, more);
}

static void member_or_not(struct dfs_req *req)
{
    dfs_req_reply(req, 0, dfs_conn_proved(req->conn) ? STR("yes") : STR("no"));
}

static void detach(struct dfs_req *req)
{
    struct dfs_stream s;
    const struct iovec part = {(char *)(uintptr_t) "d", 1};
    ASSERT(dfs_req_detach(req, &s) == 0);
    ASSERT(dfs_stream_send(&s, &part, 1, false) == 1);
    dfs_stream_close(&s);
}

static const struct dfs_command commands[] = {
    {ECHO, "echo", 0, BIG, echo, NULL, NULL, NULL},
    {FILE_CMD, "file", 0, 0, send_file, NULL, NULL, file_done},
    {STREAM, "stream", 0, 0, stream, NULL, NULL, NULL},
    {MEMBER, "member", 0, 0, member_or_not, NULL, NULL, NULL},
    {DETACH, "detach", 0, 0, detach, NULL, NULL, NULL},
};

struct fixture {
    struct dfs_tls *tls, *client;
    struct dfs_secret *secret;
    struct dfs_service service;
    struct dfs_loop *loop;
    struct dfs_listener *listener;
    struct dfs_addr addr;
};

static uint64_t frame_max = BIG; /* of the next service */
static unsigned stall_ms = 60000;

static void up(struct fixture *f, bool tls, bool required, bool secret)
{
    *f = (struct fixture){.tls = member("one", "ca"), .client = member("two", "ca")};
    assert_int_equal(dfs_secret_new(STR("0123456789abcdef"), &f->secret), 0);
    f->service = (struct dfs_service){.name = "test",
                                      .commands = commands,
                                      .n = ARRAY_LEN(commands),
                                      .frame_max = frame_max,
                                      .stall_ms = stall_ms,
                                      .first_ms = 60000,
                                      .tls = tls ? f->tls : NULL,
                                      .tls_required = required,
                                      .secret = secret ? f->secret : NULL};
    memcpy(f->addr.host, "127.0.0.1", 10);
    const struct dfs_listen_opts o = {.addr = f->addr, .max_conns = 8, .block_bytes = 50000};
    assert_int_equal(dfs_loop_new("test", &f->loop), 0);
    assert_int_equal(dfs_listener_new(&o, &f->service, &f->loop, 1, &f->listener), 0);
    f->addr.port = dfs_listener_port(f->listener);
    assert_int_equal(dfs_loop_start(f->loop), 0);
}

static void down(struct fixture *f)
{
    dfs_listener_stop(f->listener, 0);
    dfs_listener_free(&f->listener);
    dfs_loop_free(&f->loop);
    dfs_tls_free(&f->tls);
    dfs_tls_free(&f->client);
    dfs_secret_free(&f->secret);
}

static int open_peer(const struct fixture *f, bool tls, bool secret, struct dfs_peer **p)
{
    const struct dfs_peer_opts o = {.connect_ms = 60000,
                                    .timeout_ms = 60000,
                                    .tls = tls ? f->client : NULL,
                                    .secret = secret ? f->secret : NULL};
    return dfs_peer_open(&f->addr, &o, p);
}

static void make_data(uint8_t *data)
{
    char path[300];
    for (size_t i = 0; i < BIG; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 11);
    snprintf(path, sizeof(path), "%s/data", dir);
    AUTO(dfs_close_fd) int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, data, BIG), BIG);
}

static void read_to_the_end(struct dfs_peer *p)
{
    uint64_t len, got = 0;
    char piece[7000];
    int64_t n;
    assert_int_equal(dfs_peer_send(p, STREAM, 0, NULL, 0, 0), 0);
    assert_int_equal(dfs_peer_answer(p, &len), 0);
    while ((n = dfs_peer_read_some(p, piece, sizeof(piece))) > 0)
        got += (uint64_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(got, 30 * 50000);
}

static void everything_goes_by_tls_as_without(void **state)
{
    (void)state;
    struct fixture f;
    AUTO(dfs_free_ptr) uint8_t *data = dfs_alloc(BIG);
    AUTO(buf_free) struct buf rsp = BUF(BIG);
    make_data(data);
    up(&f, true, true, false);
    for (int tls = 0; tls < 2; tls++) {
        AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
        struct str part = str_of((char *)data, BIG);
        assert_int_equal(open_peer(&f, tls, false, &p), 0);
        assert_int_equal(dfs_peer_call(p, ECHO, 0, &part, 1, &rsp), 0);
        assert_int_equal(rsp.n, BIG);
        assert_memory_equal(rsp.p, data, BIG);
        assert_int_equal(dfs_peer_call(p, FILE_CMD, 0, NULL, 0, &rsp), 0);
        assert_memory_equal(rsp.p, data, BIG);
        char path[300];
        snprintf(path, sizeof(path), "%s/data", dir);
        AUTO(dfs_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
        uint64_t len;
        assert_int_equal(dfs_peer_send(p, ECHO, 0, NULL, 0, BIG - 5), 0);
        assert_int_equal(dfs_peer_send_file(p, fd, 5, BIG - 5), 0);
        assert_int_equal(dfs_peer_answer(p, &len), 0);
        assert_int_equal(len, BIG - 5);
        assert_int_equal(dfs_peer_read(p, rsp.p, len), 0);
        assert_memory_equal(rsp.p, data + 5, BIG - 5);
        assert_int_equal(dfs_peer_call(p, MEMBER, 0, NULL, 0, &rsp), 0);
        assert_true(str_eq(buf_str(&rsp), tls ? STR("yes") : STR("no")));
        read_to_the_end(p);
    }
    down(&f);
}

static void a_stream_can_leave_its_loop(void **state)
{
    (void)state;
    struct fixture f;
    struct dfs_peer *p = NULL;
    struct dfs_stream s;
    uint8_t head[DFS_HEADER_LEN];
    char text[10];
    up(&f, true, true, false);
    assert_int_equal(open_peer(&f, true, false, &p), 0);
    assert_int_equal(dfs_peer_detach(&p, &s), 0);
    assert_int_equal(fcntl(s.fd, F_SETFL, 0), 0);
    dfs_header_put(&(struct dfs_header){0, DETACH, 0}, head);
    assert_int_equal(dfs_stream_send(&s, &(struct iovec){head, sizeof(head)}, 1, false),
                     sizeof(head));
    assert_int_equal(dfs_stream_recv(&s, text, sizeof(text), 0), 1);
    assert_int_equal(dfs_stream_recv(&s, text, sizeof(text), 0), 0);
    dfs_stream_close(&s);
    down(&f);
}

static void who_is_a_member(void **state)
{
    (void)state;
    static const struct {
        bool required, secret;    /* of the service */
        bool by_tls, with_secret; /* of the caller */
        int open;
        const char *member;
    } rows[] = {
        {false, false, false, false, 0, "no"},  {false, false, true, false, 0, "yes"},
        {false, true, false, false, 0, "no"},   {false, true, false, true, 0, "yes"},
        {false, true, true, false, 0, "no"},    {false, true, true, true, 0, "yes"},
        {true, true, false, true, -EACCES, ""}, {true, true, true, false, 0, "no"},
        {true, true, true, true, 0, "yes"},     {true, false, false, false, 0, "no"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
        AUTO(buf_free) struct buf rsp = BUF(10);
        up(&f, true, rows[i].required, rows[i].secret);
        assert_int_equal(open_peer(&f, rows[i].by_tls, rows[i].with_secret, &p), rows[i].open);
        if (p) {
            assert_int_equal(dfs_peer_call(p, MEMBER, 0, NULL, 0, &rsp), 0);
            assert_true(str_eq(buf_str(&rsp), str_c(rows[i].member)));
        }
        dfs_peer_free(&p);
        down(&f);
    }
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(f->addr.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

/* Until the other side closes; ms. */
static uint64_t until_closed(int fd)
{
    uint64_t began = dfs_mono_ms();
    char byte;
    ssize_t n;
    while ((n = recv(fd, &byte, 1, 0)) > 0)
        ;
    close(fd);
    return dfs_mono_ms() - began;
}

static void a_handshake_has_its_time_and_costs_only_that_connection(void **state)
{
    (void)state;
    struct fixture f;
    AUTO(buf_free) struct buf rsp = BUF(10);
    stall_ms = 2000;
    up(&f, true, true, false);
    stall_ms = 60000;
    int silent = dial(&f), garbage = dial(&f), trickle = dial(&f);
    assert_int_equal(send(silent, "\x16", 1, 0), 1);
    assert_int_equal(send(garbage, "\x16\x03\x01\x00\x05hello", 10, 0), 10);
    for (int i = 0; i < 3; i++) /* a byte now and then does not prolong it */
        assert_int_equal(send(trickle, &"\x16\x03\x01\x02\x00"[i], 1, MSG_NOSIGNAL), 1);
    assert_true(until_closed(garbage) < 30000); /* and not by first_ms */
    assert_true(until_closed(silent) < 30000);
    assert_true(until_closed(trickle) < 30000);
    AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
    assert_int_equal(open_peer(&f, true, false, &p), 0);
    assert_int_equal(dfs_peer_call(p, ECHO, 0, NULL, 0, &rsp), 0);
    dfs_peer_free(&p);
    down(&f);
}

static void there_is_no_way_back_to_plain(void **state)
{
    (void)state;
    struct fixture f;
    struct dfs_peer *p = NULL;
    up(&f, false, false, false);
    said[0] = '\0';
    assert_int_equal(open_peer(&f, true, false, &p), -ECONNRESET); /* the service has no TLS */
    assert_true(was_said("out: they hang up on TLS"));
    down(&f);
    frame_max = INT64_MAX;
    up(&f, false, false, false);
    frame_max = BIG;
    assert_int_equal(open_peer(&f, true, false, &p), -EPROTO); /* one that answers all the same */
    assert_true(was_said("out: they do not speak TLS"));
    down(&f);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(listen(fd, 1), 0); /* and says nothing */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    f.addr.port = ntohs(sa.sin_port);
    f.client = member("two", "ca");
    const struct dfs_peer_opts o = {.connect_ms = 100, .timeout_ms = 60000, .tls = f.client};
    assert_int_equal(dfs_peer_open(&f.addr, &o, &p), -ETIMEDOUT);
    dfs_tls_free(&f.client);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mistake_in_the_settings_is_one_line_with_key_and_file),
        cmocka_unit_test(without_files_there_is_no_tls),
        cmocka_unit_test(a_reload_takes_what_the_files_are_now_or_keeps_what_they_were),
        cmocka_unit_test(both_sides_are_members_and_talk),
        cmocka_unit_test(a_cut_is_not_an_end),
        cmocka_unit_test(short_writes_lose_nothing),
        cmocka_unit_test(strangers_are_refused_and_both_say_why),
        cmocka_unit_test(an_expired_certificate_has_an_error_of_its_own),
        cmocka_unit_test(one_without_a_certificate_does_not_get_in),
        cmocka_unit_test(garbage_and_vanishing_end_the_handshake),
        cmocka_unit_test(everything_goes_by_tls_as_without),
        cmocka_unit_test(a_stream_can_leave_its_loop),
        cmocka_unit_test(who_is_a_member),
        cmocka_unit_test(a_handshake_has_its_time_and_costs_only_that_connection),
        cmocka_unit_test(there_is_no_way_back_to_plain),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
