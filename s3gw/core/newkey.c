/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/newkey.h"

#include <sys/random.h>

/* 32 and 64 characters, so that a byte's low bits choose without bias. */
static const char access_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char secret_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int fill(char *out, size_t n, const char *alphabet, unsigned mask)
{
    uint8_t bytes[64];
    ASSERT(n <= sizeof(bytes));
    if (getrandom(bytes, n, 0) != (ssize_t)n)
        return errno ? -errno : -EIO; /* up to 256 bytes come whole, or not at all */
    for (size_t i = 0; i < n; i++)
        out[i] = alphabet[bytes[i] & mask];
    out[n] = 0;
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}

int s3_new_key(char access_key[S3_NEW_ACCESS_KEY_LEN + 1],
               char secret_key[S3_NEW_SECRET_KEY_LEN + 1])
{
    int r = fill(access_key, S3_NEW_ACCESS_KEY_LEN, access_alphabet, 31);
    return r < 0 ? r : fill(secret_key, S3_NEW_SECRET_KEY_LEN, secret_alphabet, 63);
}

bool s3_key_text_ok(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    }
    return true;
}
