/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/moved.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "storage/trunk/kept.h"
#include "storage/trunk/store_priv.h"
#include "storage/trunk/walk.h"

enum {
    META_MAX = 64 * 1024 * 1024,
    LINK_TEXT = 2300,
    LINKS_MAX = 8,                 /* one behind the other */
    SETTLED_NS = 20 * 1000 * 1000, /* time stamps of the file system may be as coarse as that */
};

/* ---- where to ---- */

/* The text of the link @path, below @root unless it is absolute. -ENOENT: it is none. */
static int link_text(int root, const char *path, char out[LINK_TEXT])
{
    ssize_t n = readlinkat(root, path, out, LINK_TEXT - 1);
    if (n <= 0)
        return n == 0 || errno == EINVAL || errno == ENOTDIR ? -ENOENT : -errno;
    out[n] = '\0';
    return 0;
}

/* What a link at @path with @text leads to (store_link.c, target_text()): "../../../data/..." or an absolute path. */
static bool follow(char path[LINK_TEXT], const char *text)
{
    static const char up[] = "../../../";
    char next[2 * LINK_TEXT];
    if (text[0] == '/') {
        (void)snprintf(next, sizeof(next), "%s", text);
    } else if (strncmp(text, up, sizeof(up) - 1) == 0) {
        char *data = path;
        for (char *at = path; (at = strstr(at, "data/")); at++)
            data = at; /* the last one: where the store path ends */
        (void)snprintf(next, sizeof(next), "%.*s%s", (int)(data - path), path,
                       text + sizeof(up) - 1);
    } else {
        return false;
    }
    size_t n = strlen(next);
    if (n >= LINK_TEXT)
        return false;
    memcpy(path, next, n + 1);
    return true;
}

int sto_moved_by_path(struct sto_store *s, struct str name, struct sto_moved *ret)
{
    struct dfs_logical at;
    struct sto_path *p;
    char path[LINK_TEXT], text[LINK_TEXT];
    int r = sto_locate(s, name, &at, &p);
    if (r < 0)
        return -ENOENT;
    dfs_logical_path(&at, "", path);
    for (int i = 0; i < LINKS_MAX; i++) {
        r = link_text(p->dir.root, path, text);
        if (r < 0)
            return i == 0 ? r : -ENOENT; /* a link of FastDFS may lead anywhere */
        if (text[0] == STO_MOVED_MARK) {
            size_t n = strlen(text + 1);
            if (n > DFS_FILE_ID_MAX)
                return -ENOENT;
            memcpy(ret->id, text + 1, n + 1);
            ret->by_link = i > 0;
            return 0;
        }
        if (!follow(path, text))
            break;
    }
    return -ENOENT;
}

int sto_moved_to(struct sto_store *s, struct str name, struct sto_moved *ret)
{
    int r = sto_moved_by_path(s, name, ret);
    return r == -ENOENT ? sto_kept_to(s, name, ret) : r;
}

int sto_moved_or(struct sto_store *s, struct str name, int why)
{
    struct sto_moved to;
    if (why != -ENOENT)
        return why;
    int r = sto_moved_to(s, name, &to);
    return r == 0 ? -EREMOTE : r;
}

/* ---- moving ---- */

static int read_meta(struct sto_store *s, struct str name, struct buf *out)
{
    int r = sto_meta_get(s, name, out);
    return r == -ENOENT ? 0 : r;
}

/* Who the file is now, and when it was changed; a packed one is always the same. */
static int identify(struct sto_path *p, const struct dfs_logical *at, bool link, struct stat *st)
{
    char path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(at, "", path);
    if (fstatat(p->dir.root, path, st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOTDIR ? -ENOENT : -errno;
    return (link ? S_ISLNK(st->st_mode) : S_ISREG(st->st_mode)) ? 0 : -ENOENT;
}

bool sto_move_wanted(struct sto_store *s, struct str name)
{
    struct dfs_logical at;
    struct dfs_fileid f;
    struct sto_path *p;
    struct stat st;
    if (sto_locate(s, name, &at, &p) < 0)
        return false;
    int r = sto_is_packed(name, &f) ? sto_file_exists(s, name) : identify(p, &at, false, &st);
    return r != -ENOENT && r != -EREMOTE;
}

static int64_t ns_of(const struct timespec *t)
{
    return t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
}

#define SET_BACK_NS INT64_C(10000000000) /* from the future: the clock has been set since */

/* A change that comes from now on shows in the time stamp, since that is older than the clock it is taken from. */
static bool settled(int64_t changed_ns)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    int64_t age = ns_of(&now) - changed_ns;
    return age > SETTLED_NS || age < -SET_BACK_NS;
}

/* Looks at what has the name, and at whoever deletes it from now on. */
static int begin(struct sto_store *s, struct str name, bool link, struct sto_move *mv,
                 struct dfs_fileid *f)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    struct dfs_logical at;
    struct sto_path *p;
    struct stat st = {.st_ino = 0};
    *mv = (struct sto_move){.name = name, .view = {.fd = -1}, .link = link, .meta = BUF(META_MAX)};
    int r = sto_locate(s, name, &at, &p);
    if (r < 0 || dfs_filename_parse(name, f) < 0)
        return -EINVAL;
    mv->watch.name = name;
    sto_watch_on(s, &mv->watch);
    mv->watching = true;
    if (link || !sto_is_packed(name, f))
        r = identify(p, &at, link, &st);
    mv->inode = st.st_ino;
    mv->changed_ns = ns_of(&st.st_ctim);
    return r;
}

/* No copy before it can be noted here where it is. */
static int can_be_noted(struct sto_store *s, struct str name)
{
    struct dfs_logical at;
    struct sto_path *p;
    int r = sto_locate(s, name, &at, &p);
    return r == 0 && sto_log_unfit(&p->log) ? -EROFS : r;
}

int sto_move_begin_link(struct sto_store *s, struct str name, struct sto_move *mv)
{
    struct dfs_fileid f;
    struct sto_moved to;
    int r = begin(s, name, true, mv, &f);
    if (r == 0 && sto_moved_by_path(s, name, &to) == 0 && !to.by_link)
        r = -ENOENT;
    if (r == 0)
        r = can_be_noted(s, name);
    return r == 0 ? read_meta(s, name, &mv->meta) : r;
}

int sto_move_begin(struct sto_store *s, struct str name, struct sto_move *mv)
{
    struct dfs_fileid f;
    int r = begin(s, name, false, mv, &f);
    mv->appender = f.kind == DFS_FILE_APPENDER && !f.slave;
    if (r == 0 && mv->appender && !settled(mv->changed_ns))
        r = -EAGAIN;
    if (r == 0)
        r = sto_open_read(s, name, &mv->view);
    if (r == 0)
        r = can_be_noted(s, name);
    if (r == 0)
        r = read_meta(s, name, &mv->meta);
    if (r < 0)
        return r == -EREMOTE ? -ENOENT : r;
    mv->crc32 = f.crc32;
    return mv->view.told
               ? 0
               : sto_crc_range(s->io, mv->view.fd, mv->view.offset, mv->view.size, &mv->crc32);
}

void sto_move_end(struct sto_store *s, struct sto_move *mv)
{
    if (mv->watching)
        sto_watch_off(s, &mv->watch);
    mv->watching = false;
    dfs_close_fd(&mv->view.fd);
    buf_free(&mv->meta);
}

/* Lock held. Is it all as it was when we began? */
static int unchanged(struct sto_store *s, const struct sto_move *mv, struct sto_path *p,
                     const struct dfs_logical *at)
{
    AUTO(buf_free) struct buf meta = BUF(META_MAX);
    struct stat st = {.st_ino = 0};
    int r = mv->view.in_pack ? sto_file_exists(s, mv->name) : identify(p, at, mv->link, &st);
    if (r == 0 && !mv->view.in_pack &&
        (st.st_ino != mv->inode || ns_of(&st.st_ctim) != mv->changed_ns))
        r = -EAGAIN;
    if (r == 0)
        r = read_meta(s, mv->name, &meta);
    if (r == 0 && !str_eq(buf_str(&meta), buf_str(&mv->meta)))
        r = -EAGAIN;
    return r == -EREMOTE ? -ENOENT : r;
}

int sto_move_commit(struct sto_store *s, struct sto_move *mv, struct str id)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    struct dfs_logical at;
    struct sto_path *p;
    char extra[STO_REC_EXTRA_MAX + 1];
    int r = sto_locate(s, mv->name, &at, &p);
    if (r < 0)
        return r;
    struct str meta = buf_str(&mv->meta);
    int n = snprintf(extra, sizeof(extra), STR_F " %" PRIu64 " %" PRIu32 " %" PRIu32, STR_A(id),
                     mv->view.size, mv->crc32, sto_crc32(0, meta.p, meta.n));
    if (n < 0 || (size_t)n >= sizeof(extra) || id.n > DFS_FILE_ID_MAX)
        return -EINVAL;
    struct sto_log_rec rec = {
        .kind = STO_REC_CHANGE,
        .flags = STO_REC_NATIVE,
        .op = STO_OP_MOVED,
        .held = true,
        .urgent = true, /* as a deletion, it makes room on a full disk */
        .name = mv->name,
        .extra = str_of(extra, (size_t)n),
    };
    pthread_mutex_t *m = sto_edit_lock(s, mv->name);
    pthread_mutex_lock(m);
    r = unchanged(s, mv, p, &at);
    if (r == 0)
        r = sto_turn_check(s, mv->name); /* another member may be changing it */
    if (r == 0 && atomic_load(&mv->watch.deleted))
        r = -ENOENT;
    if (r == 0)
        r = sto_change_as(p, &rec);
    mv->unsure = r < 0 && rec.position > 0;
    pthread_mutex_unlock(m);
    /* A deletion that came meanwhile may have found the old file, and its record may be before ours. */
    if (r == 0 && atomic_load(&mv->watch.deleted)) {
        r = sto_moved_forget(s, mv->name);
        mv->unsure = r < 0 && r != -ENOENT;
        return mv->unsure ? r : -ENOENT;
    }
    return r;
}

/* ---- another member has moved it ---- */

int sto_moved_parse(struct str extra, struct sto_moved_rec *ret)
{
    struct str size, crc, meta, group, name;
    struct dfs_logical at;
    uint64_t crc32, meta_crc;
    if (!str_cut(extra, ' ', &ret->id, &extra) || !str_cut(extra, ' ', &size, &extra) ||
        !str_cut(extra, ' ', &crc, &meta) || str_u64(size, INT64_MAX, &ret->size) < 0 ||
        str_u64(crc, UINT32_MAX, &crc32) < 0 || str_u64(meta, UINT32_MAX, &meta_crc) < 0 ||
        ret->id.n > DFS_FILE_ID_MAX || memchr(ret->id.p, '\0', ret->id.n) ||
        !str_cut(ret->id, '/', &group, &name) || !dfs_group_ok(group) ||
        dfs_logical_parse(name, &at) < 0)
        return -EBADMSG;
    ret->crc32 = (uint32_t)crc32;
    ret->meta_crc = (uint32_t)meta_crc;
    return 0;
}

/* The later one counts, as the clock of those who named them has it. */
int sto_moved_compare(struct str a, struct str b)
{
    struct dfs_fileid x, y;
    if (dfs_fileid_parse(a, &x) < 0 || dfs_fileid_parse(b, &y) < 0 || x.created_s == y.created_s)
        return str_cmp(a, b);
    return x.created_s < y.created_s ? -1 : 1;
}

static int compare_meta(struct sto_store *s, struct str name, const struct sto_moved_rec *m)
{
    AUTO(buf_free) struct buf meta = BUF(META_MAX);
    int r = read_meta(s, name, &meta);
    if (r < 0)
        return r;
    return sto_crc32(0, meta.p, meta.n) == m->meta_crc ? 0 : -EUCLEAN;
}

/* Is our copy what was moved? Lock held. */
static int compare(struct sto_store *s, struct str name, const struct sto_moved_rec *m)
{
    char target[STO_NAME_MAX + 1];
    struct sto_view v;
    uint32_t crc = m->crc32;
    if (sto_link_target(s, name, target) == 0)
        return compare_meta(s, name, m); /* the content is another file's */
    int r = sto_open_read(s, name, &v);
    if (r == -ENOENT || r == -EREMOTE ||
        r == -EBADMSG) /* what is damaged is none that could be newer */
        return 0;
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = v.fd;
    if (!v.told)
        r = sto_crc_range(s->io, fd, v.offset, v.size, &crc);
    if (r < 0)
        return r;
    return v.size == m->size && crc == m->crc32 ? compare_meta(s, name, m) : -ESTALE;
}

int sto_replica_moved(struct sto_store *s, struct str name, const struct sto_moved_rec *m,
                      struct str extra)
{
    struct dfs_logical at;
    struct sto_path *p;
    struct sto_moved there;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0)
        return r;
    AUTO(sto_unlock) pthread_mutex_t *lock = sto_edit_lock(s, name);
    pthread_mutex_lock(lock);
    r = sto_moved_by_path(s, name, &there);
    if (r == 0 && !there.by_link)
        /*
         * Two members that took each other for gone may have moved it both; or it had come back, and has moved again.
         * The same once more: we may have been killed before all was done.
         */
        r = sto_moved_compare(str_c(there.id), m->id) > 0 ? -EALREADY : 0;
    else
        r = compare(s, name, m);
    struct sto_body body = {.name = name, .extra = extra};
    if (r == 0)
        r = sto_log_apply(&p->log, STO_REC_CHANGE, STO_OP_MOVED, &body);
    return r == -EALREADY ? 0 : r;
}

int sto_moved_settle(struct sto_store *s, struct str name)
{
    struct dfs_logical at;
    struct dfs_fileid f;
    struct sto_path *p;
    struct sto_moved there;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0 || !sto_is_packed(name, &f))
        return -ENOENT;
    AUTO(sto_unlock) pthread_mutex_t *lock = sto_edit_lock(s, name);
    pthread_mutex_lock(lock);
    r = sto_moved_to(s, name, &there);
    return r == 0 && !there.by_link ? sto_log_mark_dead(&p->log, &f) : -ENOENT;
}

int sto_moved_not(struct sto_store *s, struct str name)
{
    struct dfs_logical at;
    struct dfs_fileid f;
    struct sto_path *p;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0 || dfs_filename_parse(name, &f) < 0)
        return -EINVAL;
    struct sto_log_rec rec = {
        .kind = STO_REC_FILE,
        .flags = (uint8_t)(STO_REC_NATIVE |
                           (f.kind == DFS_FILE_APPENDER && !f.slave ? STO_REC_APPENDER : 0)),
        .op = 'C',
        .name = name,
        .held = true,
    };
    r = sto_log_one(p, &rec);
    sto_log_release(&p->log, &rec);
    return r;
}
