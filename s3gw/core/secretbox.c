/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/secretbox.h"

#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/base/dirs.h"

enum { SEAL_VERSION = 1, NONCE = 12, TAG = 16, HEAD = 1 + NONCE + TAG, SECRET_MAX = 4096 };

static void ctx_free(EVP_CIPHER_CTX **c)
{
    EVP_CIPHER_CTX_free(*c);
}

/* Both directions; @tag is written or checked. */
static int run(bool seal, const uint8_t *key, const uint8_t *nonce, struct str name, struct str in,
               uint8_t *out, uint8_t *tag)
{
    AUTO(ctx_free) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n;
    if (!c)
        return -ENOMEM;
    bool ok = EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, seal) == 1 &&
              EVP_CipherUpdate(c, NULL, &n, (const uint8_t *)name.p, (int)name.n) == 1 &&
              EVP_CipherUpdate(c, out, &n, (const uint8_t *)in.p, (int)in.n) == 1;
    if (ok && !seal)
        ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1;
    ok = ok && EVP_CipherFinal_ex(c, out + n, &n) == 1;
    if (ok && seal)
        ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, tag) == 1;
    return ok ? 0 : -EBADMSG;
}

int s3_secretbox_seal(const uint8_t key[S3_SECRETBOX_KEY_LEN], struct str name, struct str secret,
                      struct buf *out)
{
    uint8_t nonce[NONCE], tag[TAG], text[SECRET_MAX];
    if (secret.n > SECRET_MAX || name.n > SECRET_MAX)
        return -E2BIG;
    if (RAND_bytes(nonce, NONCE) != 1)
        return -EIO;
    int r = run(true, key, nonce, name, secret, text, tag);
    if (r < 0)
        return r;
    buf_u8(out, SEAL_VERSION);
    buf_add(out, nonce, NONCE);
    buf_add(out, tag, TAG);
    buf_add(out, text, secret.n);
    return buf_err(out);
}

int s3_secretbox_open(const uint8_t key[S3_SECRETBOX_KEY_LEN], struct str name, struct str sealed,
                      struct buf *out)
{
    uint8_t tag[TAG], text[SECRET_MAX];
    if (sealed.n < HEAD || sealed.n > HEAD + SECRET_MAX || name.n > SECRET_MAX ||
        sealed.p[0] != SEAL_VERSION)
        return -EBADMSG;
    memcpy(tag, sealed.p + 1 + NONCE, TAG);
    struct str secret = str_from(sealed, HEAD);
    int r = run(false, key, (const uint8_t *)sealed.p + 1, name, secret, text, tag);
    if (r == 0) {
        buf_add(out, text, secret.n);
        r = buf_err(out);
    }
    explicit_bzero(text, sizeof(text));
    return r;
}

/* --- the key's file --- */

static int make(const char *path, uint8_t *key)
{
    char tmp[PATH_MAX], text[2 * S3_SECRETBOX_KEY_LEN + 1];
    if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
        return -ENAMETOOLONG;
    if (RAND_bytes(key, S3_SECRETBOX_KEY_LEN) != 1)
        return -EIO;
    str_hex(key, S3_SECRETBOX_KEY_LEN, text);
    text[2 * S3_SECRETBOX_KEY_LEN] = '\n';
    AUTO(dfs_close_fd) int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text) || fsync(fd) < 0 ||
        rename(tmp, path) < 0)
        return errno ? -errno : -EIO;
    explicit_bzero(text, sizeof(text));
    int r = dfs_sync_folder_of(path);
    return r < 0 ? r : 1;
}

int s3_secretbox_key_load(const char *path, uint8_t (*ret)[S3_SECRETBOX_KEY_LEN])
{
    char text[2 * S3_SECRETBOX_KEY_LEN + 2];
    uint8_t *key = *ret;
    AUTO(dfs_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? make(path, key) : -errno;
    ssize_t n = read(fd, text, sizeof(text));
    if (n < 0)
        return -errno;
    struct str line = str_of(text, (size_t)n);
    if (str_ends(line, STR("\n")))
        line.n--;
    int r = str_unhex(line, key, S3_SECRETBOX_KEY_LEN);
    explicit_bzero(text, sizeof(text));
    return r < 0 ? -EBADMSG : 0;
}
