/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/restore.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "storage/trunk/store_priv.h"

/* ---- watches ---- */

void sto_watch_on(struct sto_store *s, struct sto_watch *w)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    atomic_store(&w->deleted, false);
    pthread_mutex_lock(&s->watch_lock);
    w->next = s->watches;
    s->watches = w;
    pthread_mutex_unlock(&s->watch_lock);
    atomic_fetch_add(&s->watched, 1);
}

void sto_watch_off(struct sto_store *s, struct sto_watch *w)
{
    pthread_mutex_lock(&s->watch_lock);
    struct sto_watch **at = &s->watches;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    pthread_mutex_unlock(&s->watch_lock);
    atomic_fetch_sub(&s->watched, 1);
}

void sto_watch_tell(struct sto_store *s, struct str name)
{
    pthread_mutex_lock(&s->watch_lock);
    for (struct sto_watch *w = s->watches; w; w = w->next)
        if (str_eq(w->name, name))
            atomic_store(&w->deleted, true);
    pthread_mutex_unlock(&s->watch_lock);
}

/* ---- packs ---- */

int sto_record_of(struct sto_store *s, struct sto_mirrors *m, struct str name, unsigned *path,
                  struct sto_log_info *log, uint64_t *position)
{
    struct dfs_logical at;
    struct dfs_fileid f;
    struct sto_path *p;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0 || !sto_is_packed(name, &f))
        return -EINVAL;
    *path = at.path_index;
    if (f.trunk.offset < STO_PACK_HEAD + STO_REC_HEAD)
        return -ENOENT;
    *position = STO_POS(f.trunk.file_id, f.trunk.offset - STO_REC_HEAD);
    return sto_mirrors_at(m, at.path_index, f.at.high, f.at.low, log);
}

static int open_pack(struct sto_path *p, const struct sto_log_info *log, uint32_t number, int flags)
{
    char path[DFS_LOCAL_PATH_MAX];
    dfs_trunk_path(log->high, log->low, number, path);
    int fd = p->dir.io->openat(p->dir.root, path, flags, STO_MODE);
    return fd < 0 ? sto_dir_said(&p->dir, log->high, log->low, -errno) : fd;
}

/* The header page, when it is that pack's of that log. */
static int read_header(struct sto_path *p, int fd, const struct sto_log_info *log, uint32_t number,
                       struct sto_pack_head *head)
{
    int r = sto_pack_head_read(p->dir.io, fd, head);
    return r == 0 && (head->number != number || memcmp(head->log_id, log->id, STO_LOG_ID_LEN) != 0)
               ? -EBADMSG
               : r;
}

int sto_pack_header_ok(struct sto_store *s, unsigned path, const struct sto_log_info *log,
                       uint32_t number)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    struct sto_pack_head head;
    AUTO(dfs_close_fd) int fd = open_pack(&s->paths[path], log, number, O_RDONLY);
    return fd < 0 ? fd : read_header(&s->paths[path], fd, log, number, &head);
}

int sto_restore_header(struct sto_store *s, unsigned path, const struct sto_log_info *log,
                       uint32_t number, struct str page)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    struct sto_path *p = &s->paths[path];
    struct sto_pack_head head;
    if (page.n < STO_PACK_HEAD ||
        sto_pack_head_decode((const uint8_t *)page.p, STO_PACK_HEAD, &head) < 0 ||
        head.number != number || memcmp(head.log_id, log->id, STO_LOG_ID_LEN) != 0)
        return -EBADMSG;
    int r = sto_dir_make(&p->dir, log->high, log->low);
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = open_pack(p, log, number, O_RDWR | O_CREAT);
    if (fd < 0)
        return fd;
    r = sto_write_all(s->io, fd, page.p, STO_PACK_HEAD, 0);
    if (r == 0 && s->io->fsync(fd) < 0)
        r = -errno;
    return r < 0 ? r : sto_dir_sync(&p->dir, log->high, log->low);
}

/* Is it that record, alive and whole? */
static int judge(struct str bytes, uint32_t salt, uint64_t position, struct sto_rec *rec)
{
    const uint8_t *b = (const uint8_t *)bytes.p;
    if (bytes.n < STO_REC_HEAD || sto_rec_decode(b, salt, position, bytes.n, rec) < 0)
        return -EBADMSG;
    bool object = rec->kind == STO_REC_OBJECT;
    if (rec->dead || rec->kind == STO_REC_SKIP || (object && b[STO_REC_HEAD] == 0))
        return -ENOENT;
    uint32_t body = sto_rec_body_at(rec);
    if ((object && sto_crc32(0, b + STO_REC_HEAD + STO_REC_SLOT, rec->data_len) != rec->data_crc) ||
        sto_rec_crc(salt, b + body, (size_t)rec->name_len + rec->extra_len + rec->desc_len) !=
            rec->body_crc)
        return -EBADMSG;
    return 0;
}

/*
 * Two bytes are changed in place when a file is deleted: the record's state and the slot's type. Where the header here is
 * right they say what they say, and stay, so that a deletion at this moment is not undone. Else the slot is
 * empty until the rest is there, as a reader may come.
 */
static int write_over(struct sto_path *p, int fd, uint32_t at, struct str bytes,
                      const struct sto_rec *rec, uint32_t salt)
{
    const struct sto_io *io = p->dir.io;
    uint8_t here[STO_REC_HEAD + 1];
    struct sto_rec old;
    bool object = rec->kind == STO_REC_OBJECT;
    ssize_t n = sto_read_all(io, fd, here, sizeof(here), at);
    bool known = n == (ssize_t)sizeof(here) &&
                 sto_rec_decode(here, salt, rec->position, UINT32_MAX, &old) == 0;
    if (known && (old.dead || (object && here[STO_REC_HEAD] == 0)))
        return -ENOENT;
    uint32_t from = known ? STO_REC_HEAD + object : 0;
    int r = sto_write_all(io, fd, bytes.p + from, rec->total - from, at + from);
    if (r == 0 && object && !(known && here[STO_REC_HEAD] == 'F'))
        r = sto_write_all(io, fd, "F", 1, at + STO_REC_HEAD);
    return r == 0 && io->fdatasync(fd) < 0 ? -errno : r;
}

int sto_restore_record(struct sto_store *s, unsigned path, const struct sto_log_info *log,
                       uint64_t position, struct str bytes)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    struct sto_path *p = &s->paths[path];
    struct sto_pack_head head;
    struct sto_rec rec;
    AUTO(dfs_close_fd) int fd = open_pack(p, log, STO_POS_PACK(position), O_RDWR);
    if (fd < 0)
        return fd;
    int r = read_header(p, fd, log, STO_POS_PACK(position), &head);
    if (r == 0)
        r = judge(bytes, head.salt, position, &rec);
    if (r < 0)
        return r;
    AUTO(dfs_free_ptr) char *copy = dfs_memdup(bytes.p, rec.total);
    if (!copy)
        return -ENOMEM;
    if (rec.kind == STO_REC_OBJECT)
        copy[STO_REC_HEAD] = 0;         /* see write_over() */
    pthread_mutex_lock(&p->log.upkeep); /* no sweep meanwhile */
    r = write_over(p, fd, STO_POS_OFF(position), str_of(copy, rec.total), &rec, head.salt);
    pthread_mutex_unlock(&p->log.upkeep);
    return r;
}
