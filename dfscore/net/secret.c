/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/net/secret.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

struct dfs_secret {
    unsigned magic;
#define SECRET_MAGIC 0x5ec4e701u
    size_t n;
    uint8_t key[DFS_SECRET_MAX];
};

enum { SIDE_LEN = 17 };
static const char client_side[SIDE_LEN + 1] = "dfs-auth-1 client";
static const char server_side[SIDE_LEN + 1] = "dfs-auth-1 server";

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str trim(struct str s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = str_from(s, 1);
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

const char *dfs_secret_error(int r)
{
    switch (r) {
    case -EPERM:
        return "others than the owner may read it: chmod 600";
    case -EINVAL:
        return "must hold 16 to 1024 bytes";
    default:
        return strerror(-r);
    }
}

int dfs_secret_new(struct str text, struct dfs_secret **ret)
{
    struct str t = trim(text);
    if (t.n < DFS_SECRET_MIN || t.n > DFS_SECRET_MAX)
        return -EINVAL;
    struct dfs_secret *s = dfs_zalloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->magic = SECRET_MAGIC;
    s->n = t.n;
    memcpy(s->key, t.p, t.n);
    *ret = s;
    return 0;
}

int dfs_secret_load(const char *path, struct dfs_secret **ret)
{
    AUTO(dfs_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (st.st_mode & 077)
        return -EPERM;
    char text[2 * DFS_SECRET_MAX];
    ssize_t n;
    do
        n = read(fd, text, sizeof(text));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    int r = dfs_secret_new(str_of(text, (size_t)n), ret);
    OPENSSL_cleanse(text, sizeof(text));
    return r;
}

int dfs_secret_setting(const char *file, struct dfs_secret **ret, struct buf *err)
{
    int r = file[0] ? dfs_secret_load(file, ret) : 0;
    if (r < 0)
        buf_addf(err, "cluster_secret_file = %s: %s", file, dfs_secret_error(r));
    return r;
}

void dfs_secret_free(struct dfs_secret **sp)
{
    struct dfs_secret *s = TAKE(*sp);
    if (!s)
        return;
    CHECK_OBJ(s, SECRET_MAGIC);
    OPENSSL_cleanse(s, sizeof(*s));
    free(s);
}

static int proof_of(const struct dfs_auth *a, const struct dfs_secret *s, const char *side,
                    uint8_t out[DFS_AUTH_LEN])
{
    CHECK_OBJ(s, SECRET_MAGIC);
    uint8_t text[SIDE_LEN + 2 * DFS_AUTH_LEN];
    unsigned n = DFS_AUTH_LEN;
    memcpy(text, side, SIDE_LEN);
    memcpy(text + SIDE_LEN, a->client, DFS_AUTH_LEN);
    memcpy(text + SIDE_LEN + DFS_AUTH_LEN, a->server, DFS_AUTH_LEN);
    return HMAC(EVP_sha256(), s->key, (int)s->n, text, sizeof(text), out, &n) ? 0 : -EIO;
}

static int check(struct dfs_auth *a, const struct dfs_secret *s, const char *side, struct str proof)
{
    uint8_t want[DFS_AUTH_LEN];
    int r = proof_of(a, s, side, want);
    if (r == 0 && (proof.n != DFS_AUTH_LEN || CRYPTO_memcmp(proof.p, want, DFS_AUTH_LEN) != 0))
        r = -EACCES;
    a->state = r == 0 ? DFS_AUTH_PROVED : DFS_AUTH_FAILED;
    return r;
}

int dfs_auth_challenge(struct dfs_auth *a, struct str nonce, uint8_t answer[DFS_AUTH_LEN])
{
    if (a->state != DFS_AUTH_NEW)
        return -EACCES;
    if (nonce.n != DFS_AUTH_LEN)
        return -EINVAL;
    if (RAND_bytes(a->server, DFS_AUTH_LEN) != 1)
        return -EIO;
    memcpy(a->client, nonce.p, DFS_AUTH_LEN);
    memcpy(answer, a->server, DFS_AUTH_LEN);
    a->state = DFS_AUTH_ASKED;
    return 0;
}

int dfs_auth_check(struct dfs_auth *a, const struct dfs_secret *s, struct str proof,
                   uint8_t answer[DFS_AUTH_LEN])
{
    if (a->state != DFS_AUTH_ASKED)
        return -EACCES;
    int r = check(a, s, client_side, proof);
    return r < 0 ? r : proof_of(a, s, server_side, answer);
}

int dfs_auth_begin(struct dfs_auth *a, uint8_t nonce[DFS_AUTH_LEN])
{
    if (RAND_bytes(a->client, DFS_AUTH_LEN) != 1)
        return -EIO;
    memcpy(nonce, a->client, DFS_AUTH_LEN);
    a->state = DFS_AUTH_ASKED;
    return 0;
}

int dfs_auth_prove(struct dfs_auth *a, const struct dfs_secret *s, struct str nonce,
                   uint8_t proof[DFS_AUTH_LEN])
{
    if (a->state != DFS_AUTH_ASKED || nonce.n != DFS_AUTH_LEN)
        return -EINVAL;
    memcpy(a->server, nonce.p, DFS_AUTH_LEN);
    return proof_of(a, s, client_side, proof);
}

int dfs_auth_accept(struct dfs_auth *a, const struct dfs_secret *s, struct str proof)
{
    return a->state == DFS_AUTH_ASKED ? check(a, s, server_side, proof) : -EINVAL;
}
