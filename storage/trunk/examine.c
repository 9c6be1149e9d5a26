/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/examine.h"

#include <fcntl.h>
#include <unistd.h>

#include "storage/disk/direct.h"
#include "storage/trunk/mirror_priv.h"
#include "storage/trunk/walk.h"

enum { RECORDS = 256 }; /* one call looks at no more */

struct pack {
    const struct sto_examine *x;
    unsigned path;
    const struct sto_log_info *log;
    const struct sto_io *io;
    int fd; /* owned */
    uint32_t number;
    struct sto_walk walk;
};

static void pack_fini(struct pack *p)
{
    sto_walk_fini(&p->walk);
    dfs_close_fd(&p->fd);
}

static void tell(const struct pack *p, struct str name, const struct sto_made *made, uint32_t at)
{
    const struct sto_found found = {.path = p->path,
                                    .log = p->log,
                                    .position = STO_POS(p->number, at),
                                    .name = name,
                                    .made = made ? *made : (struct sto_made){.ms = 0}};
    p->x->bad(p->x->arg, &found);
}

/* No record where one must begin. A copy has holes where its source had been swept before it came. */
static int gap(struct pack *p, uint32_t at)
{
    uint8_t head[STO_REC_HEAD];
    static const uint8_t zeros[STO_REC_HEAD];
    ssize_t n = sto_read_all(p->io, p->fd, head, sizeof(head), at);
    if (n < 0 && !sto_read_says_damaged((int)n))
        return (int)n;
    if (p->log->own || n < 0 || memcmp(head, zeros, sizeof(zeros)) != 0)
        tell(p, STR(""), NULL, at);
    return 0;
}

static int look_at_plain(struct pack *p, struct str name, const struct sto_made *made, uint32_t at)
{
    enum sto_copy copy = STO_COPY_UNKNOWN;
    int r = sto_check(p->x->s, p->x->m, name, made, p->x->how, &copy);
    if (r == 0 && copy == STO_COPY_BAD)
        tell(p, name, made, at);
    return r == -EINVAL ? 0 : r;
}

static int look_at(struct pack *p, const struct sto_rec *rec)
{
    char text[STO_REC_NAME_MAX];
    struct sto_body body;
    enum sto_copy copy;
    uint32_t at = STO_POS_OFF(rec->position);
    if (rec->dead || rec->kind == STO_REC_SKIP)
        return 0;
    if (rec->kind == STO_REC_OBJECT) {
        int emptied = sto_walk_emptied(&p->walk, rec);
        if (emptied != 0 && emptied != -EBADMSG)
            return MIN(emptied, 0);
    }
    int r = sto_check_record(&p->walk, rec, p->x->how, &copy);
    if (r < 0)
        return r;
    bool named = sto_walk_body(&p->walk, rec, true, &body) == 0 && body.name.n <= sizeof(text);
    struct str name = STR("");
    struct sto_made made = {.crc32 = rec->data_crc};
    if (named) {
        made.ms = rec->flags & STO_REC_SUMMED ? sto_rec_ms(body.extra) : 0;
        memcpy(text, body.name.p, body.name.n);
        name = str_of(text, body.name.n);
    }
    if (copy == STO_COPY_BAD)
        tell(p, rec->kind == STO_REC_OBJECT ? name : STR(""), NULL, at);
    bool plain = rec->kind == STO_REC_FILE || (rec->kind == STO_REC_CHANGE && rec->op == 'R');
    return named && plain ? look_at_plain(p, name, &made, at) : 0;
}

/* From the record at @off on; *off moves behind what was looked at. */
static int look_at_records(struct pack *p, uint32_t end, uint32_t *off)
{
    struct sto_rec rec;
    int r = 1;
    for (size_t i = 0; i < RECORDS && r > 0; i++) {
        uint64_t damaged = p->walk.damaged;
        uint32_t at = p->walk.at;
        r = sto_walk_next(&p->walk, &rec);
        if (r >= 0 && p->walk.damaged > damaged) {
            int e = gap(p, at);
            r = e < 0 ? e : r;
        }
        if (r > 0) {
            int e = look_at(p, &rec);
            r = e < 0 ? e : r;
        }
        if (r >= 0)
            *off = r > 0 ? STO_POS_OFF(rec.position) + rec.total : end;
    }
    return MIN(r, 0);
}

static int look_at_pack(struct pack *p, uint32_t end, uint32_t *off)
{
    char path[DFS_LOCAL_PATH_MAX];
    struct sto_pack_head head;
    struct stat st;
    dfs_trunk_path(p->log->high, p->log->low, p->number, path);
    p->fd = p->io->openat(p->x->s->paths[p->path].dir.root, path, O_RDONLY, 0);
    int r = p->fd < 0 ? -errno : 0;
    if (r == 0)
        r = sto_pack_head_read(p->io, p->fd, &head);
    if (sto_read_says_damaged(r)) { /* the next round looks at its records */
        tell(p, STR(""), NULL, 0);
        *off = end;
    }
    if (r != 0)
        return r == -ENOENT || sto_read_says_damaged(r) ? 0 : r;
    if (fstat(p->fd, &st) < 0)
        return -errno;
    end = (uint32_t)MIN((uint64_t)end, (uint64_t)st.st_size);
    *off = MAX(*off, (uint32_t)STO_PACK_HEAD);
    sto_walk_init(&p->walk, p->io, p->fd, p->number, head.salt, *off, end);
    return look_at_records(p, end, off);
}

int sto_examine(const struct sto_examine *x, unsigned path, const struct sto_log_info *log,
                uint64_t *position, bool *end)
{
    CHECK_OBJ(x->s, STO_STORE_MAGIC);
    uint32_t number = STO_POS_PACK(*position), until = 0, off = STO_POS_OFF(*position);
    *end = true;
    int r = *position < log->end
                ? sto_mirrors_pack_at(&x->s->paths[path], log, number, &number, &until)
                : -ENOENT;
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (number != STO_POS_PACK(*position))
        off = 0;
    AUTO(pack_fini) struct pack p = {.x = x, .path = path, .log = log, .number = number, .fd = -1};
    p.io = x->how->from_disk && x->s->io == &sto_io_os ? &sto_io_direct : x->s->io;
    uint32_t before = off;
    r = look_at_pack(&p, until, &off);
    if (r < 0 && off > before)
        *position = STO_POS(number, off);
    if (r < 0)
        return r;
    /* Nothing more in this pack: on to the next. */
    *position = off > before && off < until ? STO_POS(number, off) : STO_POS(number + 1, 0);
    *end = *position >= log->end;
    return 0;
}
