/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store whose only pack holds any bytes opens, tells a log in order whose files lie inside the pack,
 * can be written to, and is the same after another start. Half of the inputs get right checksums,
 * positions and sequences, or nothing would come past the first record.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "storage/binlog/record.h"
#include "storage/trunk/checkpoint.h"
#include "storage/trunk/store.h"

enum { SALT = 77, BYTES_MAX = 256 * 1024 };

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static char dir[64];

static void write_file(const char *name, const void *p, size_t n)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ASSERT(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    close(fd);
}

static void remove_file(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)unlink(path);
}

static void make_dir(void)
{
    char path[128];
    (void)snprintf(dir, sizeof(dir), "/dev/shm/fuzzpack-%d", (int)getpid());
    static const char *const parts[] = {"", "/data", "/data/00", "/data/00/00"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", dir, parts[i]);
        ASSERT(mkdir(path, 0700) == 0 || errno == EEXIST);
    }
    struct sto_logid id = {.log_id = "fuzz"};
    AUTO(buf_free) struct buf b = BUF(64);
    sto_logid_encode(&id, &b);
    write_file("data/.log_id", b.p, b.n);
    dfs_log_threshold = LOG_ERROR + 1;
}

/* Make the headers say what they must: the lengths stay the fuzzer's. */
static void put_right(uint8_t *p, size_t n)
{
    uint64_t seq = 1;
    for (size_t at = 0; at + STO_REC_HEAD <= n;) {
        uint8_t *h = p + at;
        uint32_t total =
            (uint32_t)h[32] << 24 | (uint32_t)h[33] << 16 | (uint32_t)h[34] << 8 | h[35];
        if (memcmp(h, "sREC", 4) != 0 || total < STO_REC_HEAD || total % STO_REC_ALIGN ||
            total > n - at)
            return;
        uint64_t position = STO_POS(1, STO_PACK_HEAD + at);
        for (int i = 0; i < 8; i++) {
            h[8 + i] = (uint8_t)(seq >> (56 - 8 * i));
            h[16 + i] = (uint8_t)(position >> (56 - 8 * i));
        }
        seq++;
        uint8_t state = h[STO_REC_STATE_AT];
        h[STO_REC_STATE_AT] = 0;
        uint32_t crc = sto_rec_crc(SALT, h, 60);
        h[STO_REC_STATE_AT] = state;
        for (int i = 0; i < 4; i++)
            h[60 + i] = (uint8_t)(crc >> (24 - 8 * i));
        struct sto_rec rec;
        if (sto_rec_decode(h, SALT, position, n - at, &rec) == 0) {
            rec.body_crc = sto_rec_crc(SALT, h + sto_rec_body_at(&rec),
                                       (size_t)rec.name_len + rec.extra_len + rec.desc_len);
            if (rec.kind == STO_REC_OBJECT)
                rec.data_crc = sto_crc32(0, h + STO_REC_HEAD + STO_REC_SLOT, rec.data_len);
            sto_rec_encode(&rec, SALT, h);
        }
        at += total;
    }
}

struct seen {
    struct sto_store *s;
    uint64_t last;
    unsigned count;
};

static int look(const struct sto_entry *e, void *arg)
{
    struct seen *seen = arg;
    ASSERT(e->position >= seen->last && e->next > e->position);
    seen->last = e->next;
    seen->count++;
    struct sto_view v;
    if (e->name.n && sto_open_read(seen->s, e->name, &v) == 0)
        close(v.fd);
    return 0;
}

static unsigned open_and_read(bool write_one)
{
    static struct sto_io io;
    io = sto_io_os;
    io.fsync = io.fdatasync = no_sync;
    struct sto_path_options path = {.dir = dir};
    struct sto_store_options o = {.group = "g",
                                  .storage_id = "1",
                                  .paths = &path,
                                  .path_count = 1,
                                  .subdirs = 1,
                                  .segment_size = 1024 * 1024,
                                  .relaxed = true,
                                  .io = &io};
    struct seen seen = {0};
    ASSERT(sto_store_open(&o, &seen.s, NULL) == 0);
    struct sto_scan r = {0};
    while (!r.at_end)
        ASSERT(sto_scan(seen.s, 0, r.next, STO_SCAN_CHANGES, 100, look, &seen, &r) == 0);
    if (write_one) {
        struct sto_put note = {.kind = DFS_PUT_NOTE, .desc = STR("n")};
        ASSERT(sto_put_batch(seen.s, 0, &note, 1) == 0 && note.result == 0);
    }
    sto_store_close(&seen.s);
    return seen.count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > BYTES_MAX)
        return 0;
    if (!dir[0])
        make_dir();
    static const char *const left_over[] = {"data/.log_checkpoint", "data/00/00/000002",
                                            "data/00/00/000003"};
    for (size_t i = 0; i < ARRAY_LEN(left_over); i++)
        remove_file(left_over[i]);
    uint8_t *pack = calloc(1, STO_PACK_HEAD + size);
    ASSERT(pack);
    struct sto_pack_head h = {
        .log_id = "fuzz", .number = 1, .salt = SALT, .first_seq = 1, .size = 1 << 20};
    sto_pack_head_encode(&h, pack);
    memcpy(pack + STO_PACK_HEAD, data + 1, size - 1);
    if (data[0] & 1)
        put_right(pack + STO_PACK_HEAD, size - 1);
    write_file("data/00/00/000001", pack, STO_PACK_HEAD + size - 1);
    free(pack);
    unsigned n = open_and_read(true);
    ASSERT(open_and_read(false) == n + 1);
    return 0;
}
