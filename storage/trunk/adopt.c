/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/adopt.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/base/dirs.h"
#include "dfscore/log/log.h"
#include "storage/trunk/checkpoint.h"

#define NOTE "data/.adopting"
#define DONE "data/.adopted"

enum { BATCH = 256, TARGET_MAX = 4096, HERE = sizeof("data/HH/HH/") - 1, DONE_MAX = 256 };

struct adoption {
    struct sto_store *s;
    struct sto_path *p;
    unsigned path;
    size_t n; /* records waiting */
    struct sto_log_rec recs[BATCH];
    char names[BATCH][STO_NAME_MAX + 3]; /* "-m" included */
    char targets[BATCH][STO_NAME_MAX + 1];
    struct sto_adopted found;
    bool begun; /* there was something */
};

static bool exists(const struct sto_dir *d, const char *path)
{
    struct stat st;
    return fstatat(d->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int sto_adopt_note(struct sto_dir *d)
{
    if (d->fresh || exists(d, STO_LOGID_FILE) || exists(d, NOTE))
        return 0;
    return sto_dir_put_file(d, NOTE, STR(""));
}

static int flush(struct adoption *a)
{
    sto_log_append(&a->p->log, a->recs, a->n);
    for (size_t i = 0; i < a->n; i++)
        if (a->recs[i].result < 0)
            return a->recs[i].result;
    a->found.files += a->n;
    a->n = 0;
    return 0;
}

/* The logical name a link's text means: FastDFS writes the whole path of the file. -ENOENT: none of ours. */
static int link_target(struct adoption *a, int dir, const char *base, char *out)
{
    char text[TARGET_MAX];
    ssize_t n = readlinkat(dir, base, text, sizeof(text));
    if (n < 0)
        return -errno;
    struct str t = str_of(text, (size_t)n);
    size_t at = SIZE_MAX;
    for (size_t i = 0; i + HERE < t.n; i++)
        if (str_starts(str_from(t, i), STR("data/")) && (i == 0 || t.p[i - 1] == '/'))
            at = i; /* the last one: a store path may lie below another data/ */
    if (at == SIZE_MAX)
        return -ENOENT;
    struct str tail = str_from(t, at + sizeof("data/") - 1);
    for (unsigned i = 0; i < a->s->path_count; i++) {
        int len = snprintf(out, STO_NAME_MAX + 1, "M%02X/" STR_F, i, STR_A(tail));
        if (len <= 0 || len > STO_NAME_MAX || sto_file_exists(a->s, str_c(out)) < 0)
            continue;
        return 0;
    }
    return -ENOENT;
}

static struct sto_log_rec *place(struct adoption *a, const char *name, const struct stat *st)
{
    struct sto_log_rec *rec = &a->recs[a->n];
    (void)snprintf(a->names[a->n], sizeof(a->names[0]), "%s", name);
    *rec = (struct sto_log_rec){.kind = STO_REC_CHANGE,
                                .flags = STO_REC_NATIVE,
                                .op = 'C',
                                .name = str_c(a->names[a->n]),
                                .time_s = (uint32_t)st->st_mtime};
    return rec;
}

/* A new store has empty directories: nothing is taken over then, and nothing said about it. */
static void say_begun(struct adoption *a, const char *base)
{
    if (!a->begun && base[0] != '.')
        dfs_log(LOG_INFO, "store.adopting", KV_U64("path", a->path));
    a->begun = a->begun || base[0] != '.';
}

/* One directory entry. */
static int adopt_one(struct adoption *a, int dir, const char *base, unsigned high, unsigned low)
{
    char name[STO_NAME_MAX + 3];
    struct dfs_fileid id;
    struct stat st;
    uint64_t number;
    say_begun(a, base);
    int len = snprintf(name, sizeof(name), "M%02X/%02X/%02X/%s", a->path, high, low, base);
    if (base[0] == '.' || len <= 0 || (size_t)len >= sizeof(name))
        return 0;
    if (str_u64(str_c(base), UINT32_MAX, &number) == 0) {
        a->found.containers++;
        return 0;
    }
    bool meta = str_ends(str_c(name), STR("-m"));
    struct str file = meta ? str_head(str_c(name), (size_t)len - 2) : str_c(name);
    if (file.n > STO_NAME_MAX || dfs_filename_parse(file, &id) < 0 ||
        fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        a->found.skipped++;
        return 0;
    }
    struct sto_log_rec *rec = place(a, name, &st);
    if (S_ISLNK(st.st_mode) && !meta) {
        int r = link_target(a, dir, base, a->targets[a->n]);
        if (r < 0) {
            a->found.skipped++;
            return r == -ENOENT ? 0 : r;
        }
        rec->op = 'L';
        rec->extra = str_c(a->targets[a->n]);
    } else if (S_ISREG(st.st_mode) && !meta) {
        rec->kind = STO_REC_FILE;
        if (id.kind == DFS_FILE_APPENDER && !id.slave)
            rec->flags |= STO_REC_APPENDER;
    } else if (!S_ISREG(st.st_mode)) {
        a->found.skipped++;
        return 0;
    }
    return ++a->n == BATCH ? flush(a) : 0;
}

static int adopt_dir(struct adoption *a, unsigned high, unsigned low)
{
    char path[32];
    (void)snprintf(path, sizeof(path), "data/%02X/%02X", high, low);
    DIR *dir;
    int r = dfs_dir_open(a->p->dir.root, path, &dir);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    for (struct dirent *e; r == 0 && (r = dfs_dir_next(dir, &e)) > 0;)
        r = adopt_one(a, dirfd(dir), e->d_name, high, low);
    closedir(dir);
    return r;
}

/* Before the note goes, so that it is there whenever the note is not. */
static int keep_found(struct adoption *a)
{
    char text[DONE_MAX];
    const struct sto_adopted *f = &a->found;
    int n = snprintf(text, sizeof(text),
                     "files=%" PRIu64 "\ncontainers=%" PRIu64 "\nskipped=%" PRIu64 "\n", f->files,
                     f->containers, f->skipped);
    return a->begun ? sto_dir_put_file(&a->p->dir, DONE, str_of(text, (size_t)n)) : 0;
}

int sto_store_adopted(struct sto_store *s, unsigned path, struct sto_adopted *ret)
{
    AUTO(dfs_free_ptr) char *text = NULL;
    size_t n;
    CHECK_OBJ(s, STO_STORE_MAGIC);
    ASSERT(path < s->path_count);
    int r = sto_dir_get_file(&s->paths[path].dir, DONE, DONE_MAX, &text, &n);
    if (r < 0)
        return r;
    struct str rest = str_of(text, n), line, name, value;
    *ret = (struct sto_adopted){0};
    while (rest.n > 0) {
        if (!str_cut(rest, '\n', &line, &rest) || !str_cut(line, '=', &name, &value))
            return -EBADMSG;
        uint64_t *field = str_eq(name, STR("files"))        ? &ret->files
                          : str_eq(name, STR("containers")) ? &ret->containers
                                                            : &ret->skipped;
        if (str_u64(value, UINT64_MAX, field) < 0)
            return -EBADMSG;
    }
    return 0;
}

int sto_adopt(struct sto_store *s, unsigned path)
{
    struct sto_path *p = &s->paths[path];
    if (!exists(&p->dir, NOTE))
        return 0;
    AUTO(dfs_free_ptr) struct adoption *a = dfs_zalloc(sizeof(*a));
    if (!a)
        return -ENOMEM;
    a->s = s;
    a->p = p;
    a->path = path;
    int r = 0;
    for (unsigned dir = 0; dir < STO_DIRS && r == 0; dir++)
        r = adopt_dir(a, dir >> 8, dir & 255);
    if (r == 0 && a->n > 0)
        r = flush(a);
    if (r == 0)
        r = keep_found(a);
    if (r == 0 && p->dir.io->unlinkat(p->dir.root, NOTE, 0) < 0)
        r = -errno;
    if (a->begun || r < 0)
        dfs_log(r < 0 ? LOG_ERROR : LOG_INFO, "store.adopted", KV_U64("path", path),
                KV_U64("files", a->found.files), KV_U64("containers", a->found.containers),
                KV_U64("skipped", a->found.skipped), KV_ERR(r));
    return r;
}
