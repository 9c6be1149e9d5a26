/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata: a text beside a file, "name-m", which a client may change at any member.
 *
 * A text has a time, Unix milliseconds, which is the file's modification time on all members. Of two texts the later one
 * stays, in whatever order a member hears of them; of two of one time the larger one as bytes. A change is later than what
 * is there. That there are none any more is a text too, an empty one: who hears of an older one afterwards leaves it. The
 * text goes with its file.
 *
 * Under the name of an appender that is a normal file by now they are that one's (renamed.h): those that are heard of go
 * there, and whoever asks is told those.
 *
 * Of a name that can come again (log.h) a text belongs to the file that was made last before it: it is no earlier than
 * the file that is there, and goes when a later file comes, or a later deletion, whether it found a file or not.
 */
#include <fcntl.h>
#include <stdio.h>

#include "dfscore/base/buf.h"
#include "storage/trunk/ahead.h"
#include "storage/trunk/moved.h"
#include "storage/trunk/renamed.h"
#include "storage/trunk/replica.h"
#include "storage/trunk/store_priv.h"

enum { META_MAX = 64 * 1024 * 1024, META_NAME_MAX = STO_NAME_MAX + 3 };

/* ---- what is there ---- */

int64_t sto_made_ms(struct sto_path *p, const struct dfs_logical *at, struct str name)
{
    char path[DFS_LOCAL_PATH_MAX];
    struct stat st;
    dfs_logical_path(at, "", path);
    bool file = sto_log_comes_again(name) &&
                fstatat(p->dir.root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
    return file ? sto_time_ms(&st) : 0;
}

int64_t sto_meta_ms(struct sto_path *p, const struct dfs_logical *at, struct str name)
{
    int64_t ms;
    int r = sto_log_meta_ms(&p->log, at, &ms);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return MAX(ms, sto_made_ms(p, at, name)); /* earlier builds have not compared the two */
}

/* *out grows by the text. Its time, 0: there never was any; or negative errno. */
static int64_t read_whole(struct sto_path *p, const struct dfs_logical *at, struct buf *out)
{
    char path[DFS_LOCAL_PATH_MAX];
    struct stat st;
    dfs_logical_path(at, "-m", path);
    AUTO(dfs_close_fd) int fd = p->dir.io->openat(p->dir.root, path, O_RDONLY, 0);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size > META_MAX)
        return -EFBIG;
    char *to = st.st_size > 0 ? buf_room(out, (size_t)st.st_size) : NULL;
    ssize_t n = to ? sto_read_all(p->dir.io, fd, to, (size_t)st.st_size, 0) : 0;
    if (n < 0)
        return n;
    buf_used(out, (size_t)n);
    return buf_err(out) ? buf_err(out) : sto_time_ms(&st);
}

/* -ENOENT: there are none. */
static int read_meta(struct sto_path *p, const struct dfs_logical *at, struct buf *out)
{
    size_t before = out->n;
    int64_t r = read_whole(p, at, out);
    return r < 0 ? (int)r : out->n == before ? -ENOENT : 0;
}

/* May it have metadata here? As sto_file_exists(), but a link has its own, wherever it leads to. */
static int may_have_meta(struct sto_store *s, struct str name)
{
    struct sto_moved to;
    int r = sto_file_exists(s, name);
    return r == -EREMOTE && sto_moved_to(s, name, &to) == 0 && to.by_link ? 0 : r;
}

int sto_meta_get(struct sto_store *s, struct str name, struct buf *out)
{
    struct dfs_logical at;
    struct sto_path *p;
    int r = sto_locate(s, name, &at, &p);
    if (r == 0)
        r = may_have_meta(s, name);
    return r < 0 && r != -ENOENT ? r : read_meta(p, &at, out);
}

/*
 * As sto_meta_tell(); *renamed, the number of the rename that led to @name, becomes that of the next one, to @to, if there is
 * nothing of the name @name.
 */
static int tell_under(struct sto_store *s, struct str name, struct buf *out, int64_t *ret_ms,
                      uint64_t *renamed, char to[STO_NAME_MAX + 1])
{
    struct dfs_logical at;
    struct sto_path *p;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0)
        return r;
    int there = may_have_meta(s, name);
    if (there < 0 && there != -ENOENT)
        return there;
    int64_t made_ms =
        sto_made_ms(p, &at, name); /* before the text, which may be a later file's then */
    int64_t ms = read_whole(p, &at, out);
    if (ms < 0)
        return (int)ms;
    *ret_ms = ms > 0 ? MAX(ms, made_ms) : 0;
    /* Behind the text, which may just be on its way there. */
    *renamed = there == -ENOENT ? sto_renamed_to(&p->log.renamed, name, *renamed, to) : 0;
    return 0;
}

int sto_meta_tell(struct sto_store *s, struct str name, struct buf *out, int64_t *ret_ms)
{
    char to[STO_NAME_MAX + 1];
    uint64_t renamed = 0;
    int r = tell_under(s, name, out, ret_ms, &renamed, to);
    while (r == 0 && renamed > 0) {
        AUTO(buf_free) struct buf later = BUF(META_MAX);
        int64_t ms;
        r = tell_under(s, str_c(to), &later, &ms, &renamed, to);
        if (r < 0 || ms < *ret_ms)
            continue;
        buf_reset(out);
        buf_adds(out, buf_str(&later));
        *ret_ms = ms;
        r = buf_err(out);
    }
    return r;
}

/* ---- a new text ---- */

struct new_meta {
    struct sto_path *p;
    struct dfs_logical at;
    char name[META_NAME_MAX];
    struct str text;
    int64_t ms;
    struct sto_tmp tmp;
};

static void name_it(struct new_meta *m, struct str file)
{
    (void)snprintf(m->name, sizeof(m->name), STR_F "-m", STR_A(file));
}

/* On the disk, without its place yet. The deletion that an earlier build may have logged of a text, or the file's. */
static int prepare(struct new_meta *m, struct str file)
{
    struct sto_path *p = m->p;
    name_it(m, file);
    int r = sto_log_pass_deletion(&p->log, str_c(m->name));
    if (r == 0)
        r = sto_log_pass_deletion(&p->log, file);
    if (r == 0)
        r = sto_tmp_open(&p->dir, true, STO_MODE, &m->tmp);
    if (r == 0)
        r = sto_write_all(p->dir.io, m->tmp.fd, m->text.p, m->text.n, 0);
    if (r == 0)
        r = sto_set_time(p->dir.io, m->tmp.fd, m->ms);
    return r == 0 && p->dir.io->fsync(m->tmp.fd) < 0 ? -errno : r;
}

static int place(struct new_meta *m)
{
    char path[DFS_LOCAL_PATH_MAX];
    struct sto_dir *d = &m->p->dir;
    dfs_logical_path(&m->at, "-m", path);
    int r = sto_tmp_replace(d, &m->tmp, path);
    if (r == -ENOENT) {
        r = sto_dir_make(d, m->at.high, m->at.low);
        if (r == 0)
            r = sto_tmp_replace(d, &m->tmp, path);
    }
    r = sto_dir_said(d, m->at.high, m->at.low, r);
    return r < 0 ? r : sto_dir_sync(d, m->at.high, m->at.low);
}

/*
 * Logged first, and the record held until the text is in its place, unless it is there already: whoever reads the record
 * finds what it speaks of, and a text that a crash left in place has a record, so that all members get it.
 */
static int log_change(struct new_meta *m, char op, bool in_place)
{
    struct sto_log_rec rec = {.kind = STO_REC_CHANGE,
                              .op = (uint8_t)op,
                              .held = true,
                              .urgent = m->text.n == 0,
                              .name = str_c(m->name)};
    int r = sto_log_one(m->p, &rec);
    if (r == 0 && !in_place)
        r = place(m);
    sto_log_release(&m->p->log, &rec);
    return r;
}

int sto_meta_change(struct sto_store *s, struct str name, sto_meta_fn *fn, void *arg,
                    const struct sto_still *still)
{
    struct new_meta new = {.tmp = {.fd = -1}};
    int r = sto_locate(s, name, &new.at, &new.p);
    if (r < 0)
        return r;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, name);
    pthread_mutex_lock(m);
    r = may_have_meta(s, name);
    if (r == 0)
        r = sto_turn_check(s, name);
    if (r < 0)
        return r;
    AUTO(buf_free) struct buf old = BUF(META_MAX);
    AUTO(buf_free) struct buf text = BUF(META_MAX);
    int had = read_meta(new.p, &new.at, &old);
    if (had < 0 && had != -ENOENT)
        return had;
    r = fn(buf_str(&old), arg, &text);
    if (r < 0 || buf_err(&text))
        return r < 0 ? r : buf_err(&text);
    int64_t there_ms = sto_meta_ms(new.p, &new.at, name);
    if (there_ms < 0)
        return (int)there_ms;
    new.text = buf_str(&text);
    new.ms = MAX(MAX(sto_clock_ms(), there_ms + 1), sto_made_ms(new.p, &new.at, name));
    r = sto_still_is(still);
    if (r == 0)
        r = prepare(&new, name);
    if (r == 0)
        r = log_change(&new, had == 0 ? 'U' : 'C', false);
    sto_tmp_drop(&new.p->dir, &new.tmp);
    return r;
}

/* ---- another member's ---- */

/* Lock held. Does @new, of the same time as what is there, take its place? */
static int larger(const struct new_meta *new)
{
    AUTO(buf_free) struct buf old = BUF(META_MAX);
    int r = read_meta(new->p, &new->at, &old);
    return r < 0 && r != -ENOENT && !sto_not_ours(r) ? r : str_cmp(new->text, buf_str(&old)) > 0;
}

enum { RENAMED = 1 };

/* 0; RENAMED: nothing, since @to is its name now, by a rename later than *renamed, which becomes that; or negative errno. */
static int put_under(struct sto_store *s, struct new_meta *new, struct str name, bool anyway,
                     uint64_t *renamed, char to[STO_NAME_MAX + 1])
{
    int r = sto_locate(s, name, &new->at, &new->p);
    if (r < 0)
        return r;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, name);
    pthread_mutex_lock(m);
    r = may_have_meta(s, name);
    if (r < 0 && r != -ENOENT)
        return r;
    uint64_t next = r == -ENOENT ? sto_renamed_to(&new->p->log.renamed, name, *renamed, to) : 0;
    if (next > 0) {
        *renamed = next;
        return RENAMED;
    }
    int64_t there_ms = sto_meta_ms(new->p, &new->at, name);
    int64_t made_ms = sto_made_ms(new->p, &new->at, name);
    if (there_ms < 0)
        return (int)there_ms;
    if (anyway)
        new->ms = MAX(new->ms, MAX(there_ms, made_ms) + 1);
    else if (new->ms == STO_META_UNTIMED)
        new->ms = MAX(new->ms, made_ms);
    if (new->ms < there_ms || new->ms < made_ms)
        return 0;
    r = new->ms == there_ms ? larger(new) : 1;
    if (r <= 0)
        return r;
    r = prepare(new, name);
    if (r == 0)
        r = place(new);
    sto_tmp_drop(&new->p->dir, &new->tmp);
    return r;
}

static int put_meta(struct sto_store *s, struct str name, struct str text, int64_t ms, bool anyway)
{
    struct new_meta new = {.text = text, .ms = ms, .tmp = {.fd = -1}};
    char to[STO_NAME_MAX + 1];
    uint64_t renamed = 0;
    int r = put_under(s, &new, name, anyway, &renamed, to);
    while (r == RENAMED) {
        if (sto_is_deleted_ahead(s, str_c(to), 0))
            return 0;
        r = put_under(s, &new, str_c(to), anyway, &renamed, to);
    }
    return r;
}

int sto_replica_meta(struct sto_store *s, struct str name, struct str text, int64_t ms)
{
    bool none = ms == 0 || (ms == STO_META_UNTIMED && text.n == 0);
    return none ? 0 : put_meta(s, name, text, ms, false);
}

int sto_replica_meta_renamed(struct sto_store *s, struct str name, struct str text, int64_t ms)
{
    struct new_meta new = {.tmp = {.fd = -1}};
    int r = sto_replica_meta(s, name, text, ms);
    if (r == 0)
        r = sto_locate(s, name, &new.at, &new.p);
    if (r < 0)
        return r;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, name);
    pthread_mutex_lock(m);
    int64_t there_ms = sto_meta_ms(new.p, &new.at, name);
    if (ms == STO_META_UNTIMED || there_ms <= ms)
        return (int)MIN(there_ms, INT64_C(0));
    name_it(&new, name);
    return log_change(&new, 'U', true);
}

int sto_replica_meta_anyway(struct sto_store *s, struct str name, struct str text, int64_t ms)
{
    return put_meta(s, name, text, ms, true);
}

int sto_drop_meta(struct sto_path *p, const struct dfs_logical *at, int64_t before_ms)
{
    int r = sto_log_drop_meta(&p->log, at, before_ms);
    return r == -ENOENT ? 0 : r < 0 ? r : sto_dir_sync(&p->dir, at->high, at->low);
}
