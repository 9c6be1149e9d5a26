/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting, and what FastDFS allows to be done to files: appenders edited, appenders made normal
 * files. (Links: store_link.c; metadata: meta.c; which content of an appender is later: version.h.)
 *
 * All are logged first and done afterwards, the record held meanwhile: whoever reads it finds what it
 * speaks of. Deletes and renames are done again by recovery (apply.c). An edit, or metadata, that was never
 * answered may be there after a crash, an edit also in part, as FastDFS's clients know it; the record makes
 * it the same on all members, which take from us what is there.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "storage/trunk/kept.h"
#include "storage/trunk/replica.h"
#include "storage/trunk/store_priv.h"
#include "storage/trunk/version.h"
#include "storage/trunk/walk.h"

pthread_mutex_t *sto_edit_lock(struct sto_store *s, struct str name)
{
    return &s->edit_locks[dfs_pjw(name) % STO_EDIT_LOCKS];
}

/* ---- delete ---- */

struct deleting {
    int which;     /* files that present() calls so, */
    bool anyway;   /* and those that are not here */
    uint8_t flags; /* of the records */
    int64_t at_ms; /* of a name that can come again: what was made before then; 0: what is here */
    bool vague;    /* or within a second after then */
};

struct deletion {
    struct sto_log_rec *recs;
    uint32_t *index;
    size_t count;
    int64_t at_ms; /* as in struct deleting, when all are of such a name */
};

/* 0, -ENOENT, -EREMOTE: its name alone. */
static int present(struct sto_store *s, struct sto_path *p, struct str name,
                   const struct dfs_logical *at)
{
    struct dfs_fileid f;
    struct sto_moved to;
    uint64_t number;
    if (sto_is_packed(name, &f)) {
        int fd = sto_open_slot(p, &f);
        if (fd >= 0)
            close(fd);
        return sto_moved_or(s, name, MIN(fd, 0));
    }
    if (str_u64(at->base, UINT64_MAX, &number) == 0)
        return -ENOENT; /* a pack is not a file */
    char path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(at, "", path);
    struct stat st;
    if (fstatat(p->dir.root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return sto_moved_or(s, name, errno == ENOTDIR ? -ENOENT : -errno);
    int r = S_ISLNK(st.st_mode) ? sto_moved_to(s, name, &to) : -ENOENT;
    if (r != -ENOENT && !(r == 0 && to.by_link))
        return r < 0 ? r : -EREMOTE;
    return S_ISDIR(st.st_mode) ? -ENOENT : 0;
}

static void delete_on_path(struct sto_path *p, struct deletion *d, int *results)
{
    sto_log_append(&p->log, d->recs, d->count);
    for (size_t i = 0; i < d->count; i++) {
        struct sto_log_rec *rec = &d->recs[i];
        int r = rec->result;
        if (r == 0) {
            struct sto_body body = {.name = rec->name, .extra = rec->extra};
            sto_log_note_deleted(&p->log, rec->name, rec->position, d->at_ms);
            r = sto_log_apply(&p->log, STO_REC_DELETE, 'D', &body);
            if (r < 0 && r != -ENOENT)
                sto_log_lose_marks(&p->log); /* the next checkpoint tries again */
            if (r == 0)
                sto_ahead_done(&p->ahead, rec->name, d->at_ms);
            sto_log_note_dead(&p->log, STO_POS_PACK(rec->position), STO_REC_HEAD);
        }
        sto_log_release(&p->log, rec);
        results[d->index[i]] = r;
    }
}

/* One whose name can come again: under its lock, so that the record's time and what it takes belong together. */
static int delete_such(struct sto_store *s, struct str name, const struct deleting *how)
{
    struct dfs_logical at;
    struct sto_path *p;
    char text[STO_REC_MS];
    uint32_t index = 0;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0)
        return r;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, name);
    pthread_mutex_lock(m);
    r = present(s, p, name, &at);
    int64_t made_ms = sto_made_ms(p, &at, name), meta_ms = sto_meta_ms(p, &at, name);
    if (r == 0 && how->at_ms > 0 && made_ms >= how->at_ms + (how->vague ? 1000 : 0))
        return -EEXIST;
    if (r == -ENOENT)
        sto_log_note_deleted(&p->log, name, 0, how->at_ms);
    if (r == -ENOENT && how->flags & STO_REC_AGAIN) {
        int e = sto_drop_meta(p, &at, how->at_ms);
        return e < 0 ? e : r;
    }
    if (r != how->which)
        return r;
    struct deletion d = {.index = &index, .count = 1};
    d.at_ms = MAX(how->at_ms > 0 ? how->at_ms : MAX(sto_clock_ms(), meta_ms + 1), made_ms + 1);
    sto_rec_put_ms(d.at_ms, text);
    struct sto_log_rec rec = {.kind = STO_REC_DELETE,
                              .flags = how->flags,
                              .op = 'D',
                              .held = true,
                              .urgent = true,
                              .name = name,
                              .extra = str_c(text)};
    d.recs = &rec;
    delete_on_path(p, &d, &r);
    return r;
}

/* Metadata that have come before their file, which does not come now. */
static int drop_ahead(struct sto_path *p, const struct dfs_logical *at)
{
    int r = sto_drop_meta(p, at, 0);
    return r < 0 ? r : -ENOENT;
}

static int delete_batch(struct sto_store *s, const struct str *names, size_t count,
                        const struct deleting *how, int *results)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    if (count > DFS_BATCH_ITEMS_MAX)
        return -E2BIG;
    AUTO(dfs_free_ptr) struct sto_log_rec *recs = dfs_zalloc(count * sizeof(*recs));
    AUTO(dfs_free_ptr) uint32_t *index = dfs_alloc(count * sizeof(*index));
    if (!recs || !index)
        return -ENOMEM;
    for (size_t i = 0; atomic_load(&s->watched) > 0 && i < count; i++)
        sto_watch_tell(s, names[i]);
    for (unsigned path = 0; path < s->path_count; path++) {
        struct deletion d = {.recs = recs, .index = index};
        for (size_t i = 0; i < count; i++) {
            struct dfs_logical at;
            struct sto_path *p;
            results[i] = path == 0 ? -EINVAL : results[i];
            if (sto_locate(s, names[i], &at, &p) < 0 || at.path_index != path)
                continue;
            if (sto_log_comes_again(names[i])) {
                results[i] = delete_such(s, names[i], how);
                continue;
            }
            results[i] = present(s, p, names[i], &at);
            if (results[i] != how->which && !(how->anyway && results[i] == -ENOENT)) {
                if (results[i] == -ENOENT && how->flags & STO_REC_AGAIN)
                    results[i] = drop_ahead(p, &at);
                continue;
            }
            index[d.count] = (uint32_t)i;
            recs[d.count++] = (struct sto_log_rec){.kind = STO_REC_DELETE,
                                                   .flags = how->flags,
                                                   .op = 'D',
                                                   .held = true,
                                                   .urgent = true,
                                                   .name = names[i]};
        }
        if (d.count)
            delete_on_path(&s->paths[path], &d, results);
    }
    return 0;
}

/* What has come back and is deleted now leaves nothing of where it had been meanwhile. */
static int no_more_kept(struct sto_store *s, const struct str *names, size_t count,
                        const int *results)
{
    int r = 0;
    for (size_t i = 0; atomic_load(&s->keeps) && i < count; i++) {
        int e = results[i] == 0 ? sto_kept_forget(s, names[i]) : 0;
        r = e < 0 && e != -ENOENT ? e : r;
    }
    return r;
}

int sto_delete_batch(struct sto_store *s, const struct str *names, size_t count, int *results)
{
    int r = delete_batch(s, names, count, &(struct deleting){.which = 0}, results);
    return r < 0 ? r : no_more_kept(s, names, count, results);
}

int sto_replica_delete(struct sto_store *s, struct str name, int64_t at_ms, bool vague, bool anyway)
{
    int result = -ENOENT;
    const struct deleting how = {
        .anyway = anyway, .flags = STO_REC_AGAIN, .at_ms = at_ms, .vague = vague};
    int r = delete_batch(s, &name, 1, &how, &result);
    if (r == 0)
        r = no_more_kept(s, &name, 1, &result);
    return r < 0 ? r : result;
}

int sto_moved_forget(struct sto_store *s, struct str name)
{
    int result = -ENOENT;
    int r = delete_batch(s, &name, 1, &(struct deleting){.which = -EREMOTE}, &result);
    r = r < 0 ? r : result;
    /* Our log says it either way, though the name may lie on other paths alone. */
    int kept = r == 0 || r == -ENOENT ? sto_kept_forget(s, name) : -ENOENT;
    return kept == -ENOENT ? r : kept;
}

/* ---- appender edits ---- */

/* An edit about to be made. Others hear of its record when it is released. */
struct edit_rec {
    struct sto_rec_versions versions;
    char extra[48], desc[STO_REC_VERSIONS]; /* of rec */
    struct sto_log_rec rec;
    bool logged;
};

struct sto_edit {
    unsigned magic;
#define EDIT_MAGIC 0x0ed17002u
    struct sto_store *store;
    struct sto_path *path;
    pthread_mutex_t *lock;
    char name[STO_NAME_MAX + 1];
    int fd;
    enum sto_edit_op op;
    uint64_t at, size, done; /* bytes: where, how many, written so far */
    uint64_t old_size;
    bool committed;
    struct edit_rec log; /* held until the edit is done */
};

/* Lock held: open an appender for writing. fd, or negative errno; -EAGAIN: it is another member's turn. */
static int open_appender(struct sto_store *s, struct str name, struct sto_path **p, struct stat *st)
{
    struct dfs_logical at;
    struct dfs_fileid f;
    int r = sto_locate(s, name, &at, p);
    if (r == 0)
        r = sto_turn_check(s, name);
    if (r < 0)
        return r;
    if (dfs_filename_parse(name, &f) < 0)
        return -EINVAL;
    if (f.kind == DFS_FILE_TRUNK)
        return -ENOENT;
    if (f.kind != DFS_FILE_APPENDER || f.slave)
        return -EINVAL;
    char path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(&at, "", path);
    int fd = s->io->openat((*p)->dir.root, path, O_RDWR | O_NOFOLLOW, 0);
    if (fd < 0) {
        struct sto_moved to;
        int e = errno == ENOTDIR || errno == ELOOP ? -ENOENT : -errno;
        e = e == -ENOENT ? sto_moved_to(s, name, &to) : e;
        return e == 0 ? to.by_link ? -ENOENT : -EREMOTE : e;
    }
    if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
        close(fd);
        return -ENOENT;
    }
    return fd;
}

/* @op of what is @st, in @e, which stays where it is until the record is released; as @name. */
static int log_edit(const struct sto_store *s, struct sto_path *p, char op, const char *name,
                    const struct stat *st, uint64_t a, uint64_t b, const struct sto_still *still,
                    struct edit_rec *e)
{
    (void)snprintf(e->extra, sizeof(e->extra), "%llu %llu", (unsigned long long)a,
                   (unsigned long long)b);
    e->versions =
        (struct sto_rec_versions){.before = sto_version_mixed(st) ? 0 : sto_version_of(st),
                                  .after = sto_version_next(s->server, st)};
    int r = sto_still_is(still);
    if (r < 0)
        return r;
    sto_rec_put_versions(&e->versions, e->desc);
    e->rec = (struct sto_log_rec){
        .kind = STO_REC_CHANGE,
        .op = (uint8_t)op,
        .held = true,
        .name = str_c(name),
        .extra = str_c(e->extra),
        .desc = str_c(e->desc),
    };
    r = sto_log_one(p, &e->rec);
    e->logged = r == 0;
    return r;
}

/* As far as it went: what is there now has the version that the record says, so that all members end with it. */
static int end_edit(struct sto_path *p, int fd, const struct edit_rec *e)
{
    int r = sto_version_set(p->dir.io, fd, e->versions.after, false);
    return r == 0 && !p->log.o.relaxed && p->dir.io->fsync(fd) < 0 ? -errno : r;
}

/*
 * @err, after something was done in place that its record has told the others: it stays, and all take it, whatever this
 * disk says. A client that were refused would go by what was there before; asked again, it does the same once more.
 */
static int in_doubt(struct sto_path *p, int err)
{
    sto_log_suspect(&p->log, err);
    return -EAGAIN;
}

int sto_edit_begin(struct sto_store *s, struct str name, enum sto_edit_op op, uint64_t offset,
                   uint64_t size, const struct sto_still *still, struct sto_edit **ret)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    if (name.n > STO_NAME_MAX || offset > INT64_MAX || size > INT64_MAX - offset)
        return -EINVAL;
    AUTO(sto_edit_free) struct sto_edit *e = dfs_zalloc(sizeof(*e));
    if (!e)
        return -ENOMEM;
    *e = (struct sto_edit){.magic = EDIT_MAGIC, .store = s, .fd = -1, .op = op, .size = size};
    memcpy(e->name, name.p, name.n);
    e->lock = sto_edit_lock(s, name);
    pthread_mutex_lock(e->lock);
    struct stat st = {.st_size = 0};
    e->fd = open_appender(s, name, &e->path, &st);
    if (e->fd < 0)
        return e->fd;
    e->old_size = (uint64_t)st.st_size;
    e->at = op == STO_EDIT_APPEND ? e->old_size : offset;
    if (e->at > e->old_size)
        return -EINVAL;
    int r = sto_check_space(e->path, e->at + size > e->old_size ? e->at + size - e->old_size : 0);
    if (r == 0 && size > 0)
        r = log_edit(s, e->path, op == STO_EDIT_APPEND ? 'A' : 'M', e->name, &st, e->at, size,
                     still, &e->log);
    if (r < 0)
        return r;
    *ret = TAKE(e);
    return 0;
}

int sto_edit_write(struct sto_edit *e, const void *p, size_t n)
{
    CHECK_OBJ(e, EDIT_MAGIC);
    if (n > e->size - e->done)
        return -EINVAL;
    int r = sto_write_all(e->store->io, e->fd, p, n, (off_t)(e->at + e->done));
    if (r == 0)
        e->done += n;
    return r < 0 && e->op == STO_EDIT_MODIFY ? in_doubt(e->path, r) : r;
}

int sto_edit_commit(struct sto_edit **ep)
{
    AUTO(sto_edit_free) struct sto_edit *e = TAKE(*ep);
    CHECK_OBJ(e, EDIT_MAGIC);
    if (e->done != e->size)
        return -EBADMSG;
    int r = e->size > 0 ? end_edit(e->path, e->fd, &e->log) : 0;
    e->committed = r == 0;
    return r < 0 && e->op == STO_EDIT_MODIFY ? in_doubt(e->path, r) : r;
}

void sto_edit_free(struct sto_edit **ep)
{
    struct sto_edit *e = TAKE(*ep);
    if (!e)
        return;
    CHECK_OBJ(e, EDIT_MAGIC);
    if (e->fd >= 0 && !e->committed && e->done > 0 && e->at + e->done > e->old_size)
        (void)e->store->io->ftruncate(e->fd, (off_t)e->old_size);
    if (e->log.logged && !e->committed)
        (void)!end_edit(e->path, e->fd, &e->log);
    dfs_close_fd(&e->fd);
    if (e->log.rec.held)
        sto_log_release(&e->path->log, &e->log.rec);
    if (e->lock)
        pthread_mutex_unlock(e->lock);
    e->magic = 0;
    free(e);
}

int sto_truncate(struct sto_store *s, struct str name, uint64_t size, const struct sto_still *still)
{
    if (size > INT64_MAX || name.n > STO_NAME_MAX)
        return -EINVAL;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, name);
    pthread_mutex_lock(m);
    struct sto_path *p;
    struct stat st = {.st_size = 0};
    AUTO(dfs_close_fd) int fd = open_appender(s, name, &p, &st);
    if (fd < 0)
        return fd;
    if ((uint64_t)st.st_size == size)
        return 0;
    char z[STO_NAME_MAX + 1] = "";
    memcpy(z, name.p, name.n);
    struct edit_rec e = {.logged = false};
    int r = log_edit(s, p, 'T', z, &st, (uint64_t)st.st_size, size, still, &e);
    if (r == 0) {
        r = s->io->ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
        int ended = end_edit(p, fd, &e);
        r = r < 0 || ended == 0 ? r : in_doubt(p, ended);
    }
    sto_log_release(&p->log, &e.rec);
    return r;
}

/* ---- appender to normal file ---- */

int sto_change_as(struct sto_path *p, struct sto_log_rec *rec)
{
    int r = sto_log_one(p, rec);
    if (r == 0) {
        struct sto_body body = {.name = rec->name, .extra = rec->extra};
        r = sto_log_apply(&p->log, rec->kind, rec->op, &body);
    }
    sto_log_release(&p->log, rec);
    return r;
}

int sto_change_one(struct sto_path *p, uint8_t op, struct str name, struct str extra)
{
    struct sto_log_rec rec = {
        .kind = STO_REC_CHANGE,
        .flags = STO_REC_NATIVE,
        .op = op,
        .held = true,
        .name = name,
        .extra = extra,
    };
    return sto_change_as(p, &rec);
}

int sto_regenerate(struct sto_store *s, struct str name, const struct sto_still *still,
                   char *new_name)
{
    if (name.n > STO_NAME_MAX)
        return -EINVAL;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, name);
    pthread_mutex_lock(m);
    struct sto_path *p;
    struct stat st = {.st_size = 0};
    AUTO(dfs_close_fd) int fd = open_appender(s, name, &p, &st);
    if (fd < 0)
        return fd;
    struct dfs_fileid f;
    if (dfs_filename_parse(name, &f) < 0)
        return -EINVAL;
    struct dfs_fileid_parts parts = {
        .path_index = f.at.path_index,
        .high = f.at.high,
        .low = f.at.low,
        .kind = DFS_FILE_NORMAL,
        .created_s = dfs_now_s(),
        .size = (uint64_t)st.st_size,
        .random23 = (uint32_t)sto_random(s->io) & 0x7fffff,
    };
    int r = sto_crc_range(s->io, fd, 0, parts.size, &parts.crc32);
    if (r < 0)
        return r;
    memcpy(parts.source, s->source, sizeof(parts.source));
    memcpy(parts.tail, f.tail.p, DFS_TAIL7);
    char made[STO_NAME_MAX + 1];
    size_t n = dfs_filename_build(&parts, made);
    made[n] = '\0';
    r = sto_still_is(still);
    if (r == 0)
        r = sto_change_one(p, 'R', str_of(made, n), name);
    if (r == 0)
        memcpy(new_name, made, n + 1);
    return r;
}

int sto_regenerate_undo(struct sto_store *s, struct str new_name, struct str name)
{
    struct dfs_logical at;
    struct sto_path *p;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0)
        return r;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, name);
    pthread_mutex_lock(m);
    r = sto_file_exists(s, new_name);
    return r < 0 ? r : sto_change_one(p, 'R', name, new_name);
}
