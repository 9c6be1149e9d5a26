/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/kept.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "storage/trunk/store_priv.h"
#include "storage/trunk/walk.h"

#define KEEPS_FILE "data/.keeps"
enum { PREFIX = 4, DIRS = 6 }; /* "M01@", "HH/HH/" */

/* ---- names ---- */

/* Does @base begin with the path it is kept for? */
static bool base_says(struct str base, unsigned *path)
{
    return base.n > PREFIX && base.p[PREFIX - 1] == '@' &&
           dfs_path_named(str_head(base, PREFIX - 1), path) == 0;
}

int sto_kept_name(struct str name, unsigned path, char out[STO_NAME_MAX + 1])
{
    struct dfs_logical at;
    char by[PREFIX], of[PREFIX];
    unsigned unused;
    if (name.n > STO_NAME_MAX || dfs_logical_parse(name, &at) < 0 || base_says(at.base, &unused))
        return -EINVAL;
    if (at.path_index == path) {
        memcpy(out, name.p, name.n);
        out[name.n] = '\0';
        return 0;
    }
    dfs_path_name(path, by);
    dfs_path_name(at.path_index, of);
    if (PREFIX + DIRS + PREFIX + at.base.n > STO_NAME_MAX)
        return -ENAMETOOLONG;
    (void)snprintf(out, STO_NAME_MAX + 1, "%s/%02X/%02X/%s@" STR_F, by, at.high, at.low, of,
                   STR_A(at.base));
    return 0;
}

bool sto_kept_parse(struct str kept, char out[STO_NAME_MAX + 1])
{
    struct dfs_logical at, file;
    char of[PREFIX];
    unsigned path;
    if (kept.n > STO_NAME_MAX || dfs_logical_parse(kept, &at) < 0 || !base_says(at.base, &path) ||
        path == at.path_index)
        return false;
    dfs_path_name(path, of);
    int n = snprintf(out, STO_NAME_MAX + 1, "%s/%02X/%02X/" STR_F, of, at.high, at.low,
                     STR_A(str_from(at.base, PREFIX)));
    return dfs_logical_parse(str_of(out, (size_t)n), &file) == 0 && !base_says(file.base, &path);
}

/* ---- looking ---- */

/* What lies on @path of @name. */
static int word_at(struct sto_store *s, unsigned path, struct str name, struct sto_moved *ret)
{
    char kept[STO_NAME_MAX + 1];
    if (!atomic_load(&s->paths[path].keeps) || sto_kept_name(name, path, kept) < 0)
        return -ENOENT;
    int r = sto_moved_by_path(s, str_c(kept), ret);
    return r == 0 && ret->by_link ? -ENOENT : r;
}

int sto_kept_to(struct sto_store *s, struct str name, struct sto_moved *ret)
{
    struct dfs_logical at;
    struct sto_moved one;
    int why = -ENOENT;
    if (!atomic_load(&s->keeps) || dfs_logical_parse(name, &at) < 0)
        return -ENOENT;
    for (unsigned path = 0; path < s->path_count; path++) {
        int r = path == at.path_index ? -ENOENT : word_at(s, path, name, &one);
        if (r < 0 && r != -ENOENT && why == -ENOENT)
            why = r;
        if (r < 0 || (why == 0 && sto_moved_compare(str_c(one.id), str_c(ret->id)) <= 0))
            continue;
        *ret = one;
        why = 0;
    }
    return why;
}

/* Whose word lies on @path under @name: its own name in @file, and what it says. */
static int read_word(struct sto_store *s, unsigned path, struct str name,
                     char file[STO_NAME_MAX + 1], struct sto_moved *ret)
{
    struct dfs_logical at;
    if (name.n > STO_NAME_MAX || dfs_logical_parse(name, &at) < 0 || at.path_index != path)
        return -EINVAL;
    if (!sto_kept_parse(name, file)) {
        memcpy(file, name.p, name.n);
        file[name.n] = '\0';
    }
    int r = sto_moved_by_path(s, name, ret);
    return r == -ENOENT || (r == 0 && ret->by_link) ? -EINVAL : r;
}

/* Does another path that takes new files have it? Not needed of a file that is here again. */
static bool known_elsewhere(struct sto_store *s, unsigned path, struct str file,
                            const struct sto_moved *word)
{
    struct dfs_logical at;
    struct sto_moved other;
    uint32_t incoming;
    if (sto_file_exists(s, file) == 0)
        return true;
    for (unsigned q = 0; q < s->path_count; q++) {
        bool own = dfs_logical_parse(file, &at) == 0 && at.path_index == q;
        if (q == path || sto_store_closed(s, q, &incoming))
            continue;
        int r = own ? sto_moved_by_path(s, file, &other) : word_at(s, q, file, &other);
        if (r == 0 && sto_moved_compare(str_c(other.id), str_c(word->id)) >= 0)
            return true;
    }
    return false;
}

int sto_kept_elsewhere(struct sto_store *s, unsigned path, struct str name)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    char file[STO_NAME_MAX + 1];
    struct sto_moved word;
    int r = read_word(s, path, name, file, &word);
    return r < 0 ? r : known_elsewhere(s, path, str_c(file), &word) ? 0 : -ENOENT;
}

/* ---- keeping ---- */

int sto_kept_open(struct sto_store *s, struct sto_path *p)
{
    if (faccessat(p->dir.root, KEEPS_FILE, F_OK, 0) < 0)
        return errno == ENOENT ? 0 : -errno;
    atomic_store(&p->keeps, true);
    atomic_store(&s->keeps, true);
    return 0;
}

/* Before the first: whoever looks for a file in vain will look here, after a restart too. */
static int begin_to_keep(struct sto_store *s, struct sto_path *p)
{
    if (!atomic_load(&p->keeps)) {
        int r = sto_dir_put_file(&p->dir, KEEPS_FILE, STR(""));
        if (r < 0)
            return r;
    }
    atomic_store(&p->keeps, true);
    atomic_store(&s->keeps, true);
    return 0;
}

int sto_keep_elsewhere(struct sto_store *s, unsigned path, struct str name)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    char file[STO_NAME_MAX + 1], kept[STO_NAME_MAX + 1], extra[STO_REC_EXTRA_MAX + 1];
    struct sto_moved word;
    unsigned home;
    int r = read_word(s, path, name, file, &word);
    if (r < 0)
        return r;
    /* A deletion of the name looks for what is kept after it is gone, with this lock. */
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, str_c(file));
    pthread_mutex_lock(m);
    r = read_word(s, path, name, file, &word);
    if (r < 0 || known_elsewhere(s, path, str_c(file), &word))
        return r;
    r = sto_store_choose(s, -1, 1, &home);
    if (r == 0 && home == path)
        r = -EROFS;
    if (r == 0)
        r = sto_kept_name(str_c(file), home, kept);
    if (r == 0)
        r = begin_to_keep(s, &s->paths[home]);
    if (r < 0)
        return r;
    int n = snprintf(extra, sizeof(extra), "%s 0 0 0", word.id);
    return sto_change_one(&s->paths[home], STO_OP_MOVED, str_c(kept), str_of(extra, (size_t)n));
}

int sto_replica_kept(struct sto_store *s, struct str kept, const struct sto_moved_rec *m)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    char file[STO_NAME_MAX + 1], extra[STO_REC_EXTRA_MAX + 1];
    struct dfs_logical at;
    struct sto_moved there;
    struct sto_path *p;
    if (sto_locate(s, kept, &at, &p) < 0 || !sto_kept_parse(kept, file))
        return -EINVAL;
    int r = begin_to_keep(s, p);
    AUTO(sto_unlock) pthread_mutex_t *lock = sto_edit_lock(s, str_c(file));
    pthread_mutex_lock(lock);
    if (r < 0 ||
        (sto_moved_by_path(s, kept, &there) == 0 && sto_moved_compare(str_c(there.id), m->id) > 0))
        return r;
    int n = snprintf(extra, sizeof(extra), STR_F " 0 0 0", STR_A(m->id));
    const struct sto_body body = {.name = kept, .extra = str_of(extra, (size_t)n)};
    return sto_log_apply(&p->log, STO_REC_CHANGE, STO_OP_MOVED, &body);
}

static int remove_word(struct sto_path *p, struct str kept)
{
    char at_ms[STO_REC_MS];
    sto_rec_put_ms(sto_clock_ms(), at_ms);
    struct sto_log_rec rec = {.kind = STO_REC_DELETE,
                              .op = 'D',
                              .held = true,
                              .urgent = true,
                              .name = kept,
                              .extra = str_c(at_ms)};
    int r = sto_log_one(p, &rec);
    if (r == 0) {
        const struct sto_body body = {.name = kept, .extra = rec.extra};
        r = sto_log_apply(&p->log, STO_REC_DELETE, 'D', &body);
        if (r < 0 && r != -ENOENT)
            sto_log_lose_marks(&p->log);
        sto_log_note_dead(&p->log, STO_POS_PACK(rec.position), STO_REC_HEAD);
    }
    sto_log_release(&p->log, &rec);
    return r;
}

int sto_kept_forget(struct sto_store *s, struct str name)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    char kept[STO_NAME_MAX + 1];
    struct dfs_logical at;
    struct sto_moved word;
    int ret = -ENOENT;
    if (!atomic_load(&s->keeps) || name.n > STO_NAME_MAX || dfs_logical_parse(name, &at) < 0)
        return -ENOENT;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, name);
    pthread_mutex_lock(m);
    for (unsigned path = 0; path < s->path_count; path++) {
        int r = path == at.path_index ? -ENOENT : word_at(s, path, name, &word);
        if (r == 0)
            r = sto_kept_name(name, path, kept);
        if (r == 0)
            r = remove_word(&s->paths[path], str_c(kept));
        ret = r < 0 && r != -ENOENT ? r : ret == -ENOENT ? 0 : ret;
    }
    return ret;
}
