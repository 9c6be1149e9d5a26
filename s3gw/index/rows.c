/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/rows.h"

enum { NUMBERED_HEAD = 1 + 8, NUMBERED_TAIL = 1 + 8 };

void s3_row_bytes(struct s3_row_key *k, struct str s)
{
    size_t n = MIN(s.n, sizeof(k->p) - k->n);
    if (n < s.n)
        k->too_long = true;
    if (n)
        memcpy(k->p + k->n, s.p, n);
    k->n += n;
}

void s3_row_start(struct s3_row_key *k, char letter)
{
    k->n = 1;
    k->too_long = false;
    k->p[0] = letter;
}

void s3_row_u8(struct s3_row_key *k, uint8_t v)
{
    s3_row_bytes(k, str_of(&v, 1));
}

static void add_be(struct s3_row_key *k, uint64_t v, size_t bytes)
{
    uint8_t raw[8];
    for (size_t i = 0; i < bytes; i++)
        raw[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
    s3_row_bytes(k, str_of(raw, bytes));
}

void s3_row_u32(struct s3_row_key *k, uint32_t v)
{
    add_be(k, v, 4);
}

void s3_row_u64(struct s3_row_key *k, uint64_t v)
{
    add_be(k, v, 8);
}

void s3_row_after_prefix(struct s3_row_key *k)
{
    while (k->n > 0 && (uint8_t)k->p[k->n - 1] == 0xFF)
        k->n--;
    if (k->n > 0)
        k->p[k->n - 1] = (char)((uint8_t)k->p[k->n - 1] + 1);
}

void s3_row_number(struct s3_row_key *k, char letter, uint64_t number)
{
    s3_row_start(k, letter);
    s3_row_u64(k, number);
}

void s3_row_name(struct s3_row_key *k, char letter, struct str name)
{
    s3_row_start(k, letter);
    s3_row_bytes(k, name);
}

void s3_row_object(struct s3_row_key *k, char letter, uint64_t bid, struct str key)
{
    s3_row_number(k, letter, bid);
    s3_row_bytes(k, key);
}

void s3_row_numbered(struct s3_row_key *k, char letter, uint64_t bid, struct str key,
                     uint64_t number)
{
    s3_row_object(k, letter, bid, key);
    s3_row_u8(k, 0);
    s3_row_u64(k, letter == S3_ROW_VERSION ? ~number : number);
}

bool s3_row_numbered_parse(struct str row, struct str *key, uint64_t *number)
{
    if (row.n <= NUMBERED_HEAD + NUMBERED_TAIL || row.p[row.n - NUMBERED_TAIL] != '\0')
        return false;
    uint64_t v = 0;
    for (size_t i = row.n - 8; i < row.n; i++)
        v = v << 8 | (uint8_t)row.p[i];
    *number = row.p[0] == S3_ROW_VERSION ? ~v : v;
    *key = str_of(row.p + NUMBERED_HEAD, row.n - NUMBERED_HEAD - NUMBERED_TAIL);
    return true;
}
