/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_tracker_state - arbitrary bytes as snapshot, as journal, and as what a peer tracker says.
 * Nothing stops the tracker; what was accepted keeps every invariant and is written again.
 *
 * Input: one byte (0 snapshot, 1 journal, 2 peer; bit 7: the rest are payloads to be framed
 * properly: type u8, length u16, payload), then the bytes.
 */
#include <isa-l/crc.h>

#include "dfscore/log/log.h"
#include "tracker/service/merge.h"
#include "tracker/state/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Good checksums, so that mutations reach the payloads. */
static void frame_all(struct rd *r, struct buf *out)
{
    while (r->n > 3) {
        uint8_t type = rd_u8(r);
        size_t len = rd_u16(r);
        struct str payload = rd_bytes(r, MIN(len, r->n));
        AUTO(buf_free) struct buf body = BUF(1 << 17);
        buf_u8(&body, type);
        buf_adds(&body, payload);
        if (body.n < 2)
            continue;
        buf_u32(out, (uint32_t)body.n);
        buf_u32(out, crc32_gzip_refl(0, (const unsigned char *)body.p, body.n));
        buf_adds(out, buf_str(&body));
    }
}

static void put_head(struct buf *out, const char *magic)
{
    buf_add(out, magic, 8);
    buf_u64(out, 1);
    buf_u32(out, crc32_gzip_refl(0, (const unsigned char *)out->p, 16));
}

static void check(const struct trk_cluster *c)
{
    AUTO(buf_free) struct buf again = BUF(64 << 20);
    for (unsigned i = 0; i < c->n; i++) {
        for (unsigned j = 0; j < c->groups[i]->n; j++)
            trk_node_check(c->groups[i]->nodes[j]);
    }
    (void)trk_rec_all(&again, c, NULL);
    ASSERT(buf_err(&again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trk_cluster c;
    struct trk_self self = {0};
    struct rd r = rd_of(str_of(data, size));
    AUTO(buf_free) struct buf bytes = BUF(1 << 22);
    uint64_t generation;
    size_t torn = 0;
    dfs_log_threshold = LOG_ERROR;
    uint8_t kind = rd_u8(&r);
    if (kind & 0x80) {
        if ((kind & 3) < 2)
            put_head(&bytes, (kind & 3) == 0 ? "DFSTRKS1" : "DFSTRKJ1");
        frame_all(&r, &bytes);
    } else {
        buf_add(&bytes, r.p, r.n);
    }
    if (buf_err(&bytes))
        return 0;
    trk_cluster_init(&c);
    int e;
    if ((kind & 3) < 2)
        e = trk_file_apply(buf_str(&bytes), (kind & 3) == 0, &generation, &c, &self, &torn);
    else
        e = trk_merge(&c, buf_str(&bytes));
    ASSERT(e <= 0 && torn <= bytes.n);
    check(&c);
    trk_cluster_fini(&c);
    return 0;
}
