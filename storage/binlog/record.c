/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/binlog/record.h"

#include <isa-l/crc.h>
#include <stdio.h>

#include "dfscore/wire/internal.h"

static const uint8_t magic[4] = {'s', 'R', 'E', 'C'};

enum { VERSION = 1, CRC_AT = 60 };

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static void put64(uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)(v >> 32));
    put32(p + 4, (uint32_t)v);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t get64(const uint8_t *p)
{
    return (uint64_t)get32(p) << 32 | get32(p + 4);
}

uint32_t sto_rec_crc(uint32_t salt, const void *p, size_t n)
{
    ASSERT(n <= INT32_MAX);
    return crc32_iscsi((unsigned char *)(uintptr_t)p, (int)n, salt);
}

uint32_t sto_rec_body_at(const struct sto_rec *r)
{
    return STO_REC_HEAD + (r->kind == STO_REC_OBJECT ? STO_REC_SLOT + r->data_len : 0);
}

uint64_t sto_rec_size(const struct sto_rec *r)
{
    uint64_t n = STO_REC_HEAD + (uint64_t)r->name_len + r->extra_len + r->desc_len;
    if (r->kind == STO_REC_OBJECT)
        n += STO_REC_SLOT + (uint64_t)r->data_len;
    return (n + STO_REC_ALIGN - 1) / STO_REC_ALIGN * STO_REC_ALIGN;
}

static uint32_t head_crc(const uint8_t *head, uint32_t salt)
{
    uint8_t copy[CRC_AT];
    memcpy(copy, head, CRC_AT);
    copy[STO_REC_STATE_AT] = 0;
    return sto_rec_crc(salt, copy, CRC_AT);
}

void sto_rec_put_ms(int64_t ms, char out[STO_REC_MS])
{
    (void)snprintf(out, STO_REC_MS, "%lld", (long long)ms);
}

int64_t sto_rec_ms(struct str text)
{
    uint64_t ms; /* later than any record's time: damage, or another's text */
    return str_u64(text, STO_REC_MS_MAX, &ms) == 0 ? (int64_t)ms : 0;
}

void sto_rec_put_versions(const struct sto_rec_versions *v, char out[STO_REC_VERSIONS])
{
    (void)snprintf(out, STO_REC_VERSIONS, "%lld %lld", (long long)v->before, (long long)v->after);
}

struct sto_rec_versions sto_rec_get_versions(struct str text)
{
    struct str x, y;
    uint64_t before, after;
    bool told = str_cut(text, ' ', &x, &y) && str_u64(x, STO_REC_VERSION_MAX, &before) == 0 &&
                str_u64(y, STO_REC_VERSION_MAX, &after) == 0 && after > before;
    return told ? (struct sto_rec_versions){(int64_t)before, (int64_t)after}
                : (struct sto_rec_versions){0, 0};
}

void sto_rec_encode(const struct sto_rec *r, uint32_t salt, uint8_t out[STO_REC_HEAD])
{
    memcpy(out, magic, sizeof(magic));
    out[4] = VERSION;
    out[STO_REC_STATE_AT] = r->dead ? 'D' : 'L';
    out[6] = r->kind;
    out[7] = r->flags;
    put64(out + 8, r->seq);
    put64(out + 16, r->position);
    put64(out + 24, r->batch_seq);
    put32(out + 32, r->total);
    put32(out + 36, r->time_s);
    put32(out + 40, r->data_len);
    put32(out + 44, r->desc_len);
    out[48] = r->name_len;
    out[49] = r->extra_len;
    out[50] = r->op;
    out[51] = 0;
    put32(out + 52, r->body_crc);
    put32(out + 56, r->data_crc);
    put32(out + CRC_AT, head_crc(out, salt));
}

static bool lengths_ok(const struct sto_rec *r)
{
    if (r->name_len > STO_REC_NAME_MAX || r->desc_len > DFS_DESC_MAX)
        return false;
    if (r->kind == STO_REC_SKIP)
        return !r->name_len && !r->extra_len && !r->desc_len && !r->data_len;
    return (r->kind == STO_REC_OBJECT || !r->data_len) && sto_rec_size(r) == r->total;
}

int sto_rec_decode(const uint8_t head[STO_REC_HEAD], uint32_t salt, uint64_t position,
                   uint64_t room, struct sto_rec *ret)
{
    if (memcmp(head, magic, sizeof(magic)) != 0)
        return -ENODATA;
    if (get32(head + CRC_AT) != head_crc(head, salt) || head[4] != VERSION)
        return -EBADMSG;
    struct sto_rec r = {
        .kind = head[6],
        .flags = head[7],
        .op = head[50],
        .dead = head[STO_REC_STATE_AT] == 'D',
        .seq = get64(head + 8),
        .position = get64(head + 16),
        .batch_seq = get64(head + 24),
        .total = get32(head + 32),
        .time_s = get32(head + 36),
        .data_len = get32(head + 40),
        .desc_len = get32(head + 44),
        .name_len = head[48],
        .extra_len = head[49],
        .body_crc = get32(head + 52),
        .data_crc = get32(head + 56),
    };
    if (r.position != position || r.total < STO_REC_HEAD || r.total % STO_REC_ALIGN != 0 ||
        r.total > room)
        return -EBADMSG;
    if (r.kind < STO_REC_OBJECT || r.kind > STO_REC_SKIP || !lengths_ok(&r))
        return -EBADMSG;
    *ret = r;
    return 0;
}
