/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload - the bytes of an object, made from its key's number and its size, never stored.
 *
 * Every block of 64 KiB starts with four little-endian 64-bit numbers (magic, key, object size,
 * block number; cut short when the object ends earlier) and continues with bytes of one shared
 * pool. So sending and checking copy nothing, and any byte range can be checked alone.
 *
 * Threads: payload_init() first; then any.
 */
#ifndef LOAD_PAYLOAD_H
#define LOAD_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { PAYLOAD_BLOCK = 65536, PAYLOAD_MARK = 32, PAYLOAD_IOV = 32 };

struct payload_iov {
    struct iovec v[PAYLOAD_IOV];
    int n;
    uint64_t mark[PAYLOAD_IOV / 2][4]; /* what the marks among v point to */
};

void payload_init(void);
/* Up to @n bytes from offset @at of the object; *ret points into itself and the pool. Returns how
 * many bytes. */
uint64_t payload_pieces(uint64_t key, uint64_t size, uint64_t at, uint64_t n,
                        struct payload_iov *ret);
/* Are the @n bytes at @p what the object has at offset @at? */
bool payload_check(uint64_t key, uint64_t size, uint64_t at, const char *p, uint64_t n);

#endif
