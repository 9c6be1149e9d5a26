/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/payload.h"

#include <string.h>

#define MAGIC 0x64616f6c77673373ull /* "s3gwload" */

static unsigned char pool[PAYLOAD_BLOCK];

void payload_init(void)
{
    uint64_t x = 88172645463325252ull; /* xorshift64: the same bytes on every machine */
    for (size_t i = 0; i < sizeof(pool); i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        pool[i] = (unsigned char)(x >> 32);
    }
}

uint64_t payload_pieces(uint64_t key, uint64_t size, uint64_t at, uint64_t n,
                        struct payload_iov *ret)
{
    uint64_t made = 0;
    int marks = 0;
    ret->n = 0;
    while (made < n && ret->n + 2 <= PAYLOAD_IOV) {
        uint64_t block = (at + made) / PAYLOAD_BLOCK, in = (at + made) % PAYLOAD_BLOCK;
        uint64_t left = n - made;
        if (in < PAYLOAD_MARK) {
            uint64_t *mark = ret->mark[marks++];
            memcpy(mark, (uint64_t[4]){MAGIC, key, size, block}, PAYLOAD_MARK);
            uint64_t take = left < PAYLOAD_MARK - in ? left : PAYLOAD_MARK - in;
            ret->v[ret->n++] = (struct iovec){(char *)mark + in, take};
            in += take;
            left -= take;
            made += take;
        }
        uint64_t take = left < PAYLOAD_BLOCK - in ? left : PAYLOAD_BLOCK - in;
        if (take == 0)
            break;
        ret->v[ret->n++] = (struct iovec){pool + in, take};
        made += take;
    }
    return made;
}

bool payload_check(uint64_t key, uint64_t size, uint64_t at, const char *p, uint64_t n)
{
    struct payload_iov want;
    for (uint64_t done = 0; done < n;) {
        uint64_t made = payload_pieces(key, size, at + done, n - done, &want);
        for (int i = 0; i < want.n; i++) {
            if (memcmp(p + done, want.v[i].iov_base, want.v[i].iov_len) != 0)
                return false;
            done += want.v[i].iov_len;
        }
        if (made == 0)
            return false;
    }
    return true;
}
