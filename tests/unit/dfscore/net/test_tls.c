/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates, and streams over a socket pair. */
#include "tests/lib/tls_fixture.h"

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/net/stream.h"

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
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
