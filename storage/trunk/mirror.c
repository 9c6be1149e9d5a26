/* SPDX-License-Identifier: Apache-2.0 */
/* Which logs are here: the registry. Reading and writing their packs is mirror_io.c. */
#include "storage/trunk/mirror.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/base/dirs.h"
#include "dfscore/log/log.h"
#include "storage/trunk/checkpoint.h"
#include "storage/trunk/mirror_priv.h"

enum { RECORD_MAX = 4096, HALF = 512 };

#define MIRRORS_DIR "data/.mirrors"

static void record_path(const uint8_t *id, char out[MIRROR_PATH])
{
    char hex[2 * STO_LOG_ID_LEN + 1];
    str_hex(id, STO_LOG_ID_LEN, hex);
    hex[2 * STO_LOG_ID_LEN] = '\0';
    (void)snprintf(out, MIRROR_PATH, MIRRORS_DIR "/%s", hex);
}

static bool take_number(struct str line, const char *key, uint64_t max, uint64_t *ret)
{
    struct str k, v;
    return str_cut(line, '=', &k, &v) && str_eq(k, str_c(key)) && str_u64(v, max, ret) == 0;
}

static int parse_text(struct str text, struct sto_log_info *info, uint64_t *round)
{
    struct str line, key, value;
    uint64_t high = 256, low = 256, position = 0, first_end = 0;
    while (str_split(&text, '\n', &line)) {
        (void)(take_number(line, "high", 255, &high) || take_number(line, "low", 255, &low) ||
               take_number(line, "position", UINT64_MAX, &position) ||
               take_number(line, "first_end", UINT64_MAX, &first_end) ||
               take_number(line, "round", UINT64_MAX, round));
        if (str_cut(line, '=', &key, &value) && str_eq(key, STR("origin")) &&
            value.n < sizeof(info->origin)) {
            memset(info->origin, 0, sizeof(info->origin));
            memcpy(info->origin, value.p, value.n);
        }
    }
    if (high > 255 || low > 255)
        return -EBADMSG;
    info->high = (uint8_t)high;
    info->low = (uint8_t)low;
    info->end = position;
    info->first_end = first_end;
    return 0;
}

/* The text of one half, without its check; absent when it is torn. */
static struct str half_text(struct str half)
{
    const struct str key = STR("check=");
    struct str check, rest;
    uint64_t sum;
    size_t at = str_find(half, key);
    if (at == SIZE_MAX)
        return STR_NULL;
    struct str text = str_head(half, at);
    str_cut(str_from(half, at + key.n), '\n', &check, &rest);
    if (str_u64(check, UINT32_MAX, &sum) < 0 || sum != sto_crc32(0, text.p, text.n))
        return STR_NULL;
    return text;
}

/* The newer of two halves; or the whole text, as builds before the halves wrote it. */
static int parse_record(struct str text, struct sto_log_info *info, uint64_t *round)
{
    if (text.n != 2 * HALF)
        return parse_text(text, info, round);
    int r = -EBADMSG;
    for (size_t i = 0; i < 2; i++) {
        struct sto_log_info one = *info;
        uint64_t its = 0;
        struct str half = half_text(str_head(str_from(text, i * HALF), HALF));
        if (half.p && parse_text(half, &one, &its) == 0 && its > *round) {
            *info = one;
            *round = its;
            r = 0;
        }
    }
    return r;
}

static int load_record(struct sto_dir *d, const char *name, struct mirrors_of_path *mp)
{
    struct sto_log_info info = {.own = false};
    char path[MIRROR_PATH];
    AUTO(dfs_free_ptr) char *bytes = NULL;
    uint64_t round = 0;
    size_t n;
    if (str_unhex(str_c(name), info.id, STO_LOG_ID_LEN) < 0)
        return 0; /* not ours */
    record_path(info.id, path);
    int r = sto_dir_get_file(d, path, RECORD_MAX, &bytes, &n);
    if (r == 0)
        r = parse_record(str_of(bytes, n), &info, &round);
    if (r < 0 || mp->n == STO_LOGS_MAX) {
        dfs_log(LOG_ERROR, "store.mirror_unreadable", KV_Z("file", path), KV_ERR(r));
        if (mp->unread < STO_LOGS_MAX)
            memcpy(mp->unread_id[mp->unread++], info.id, STO_LOG_ID_LEN);
        return 0; /* it will be fetched anew, if there is still somebody who has it */
    }
    mp->round[mp->n] = round;
    mp->v[mp->n++] = info;
    return 0;
}

static int load_path(struct sto_path *p, struct mirrors_of_path *mp)
{
    if (mkdirat(p->dir.root, MIRRORS_DIR, 0755) < 0 && errno != EEXIST)
        return -errno;
    DIR *dir;
    int r = dfs_dir_open(p->dir.root, MIRRORS_DIR, &dir);
    if (r < 0)
        return r;
    for (struct dirent *e; r == 0 && (r = dfs_dir_next(dir, &e)) > 0;)
        r = load_record(&p->dir, e->d_name, mp);
    closedir(dir);
    return r;
}

/* A disk that takes no writes keeps it; what is read there is checked where it can be. */
static void drop_undone(struct sto_path *p, const struct sto_log_info *mirror)
{
    int r = sto_mirrors_drop_undone(p, mirror);
    if (r < 0)
        dfs_log(LOG_ERROR, "store.mirror_end_not_cut", KV_Z("origin", mirror->origin), KV_ERR(r));
}

int sto_mirrors_open(struct sto_store *s, const char *own_id, struct sto_mirrors **ret)
{
    AUTO(sto_mirrors_close)
    struct sto_mirrors *m = dfs_zalloc(sizeof(*m) + s->path_count * sizeof(m->paths[0]));
    if (!m)
        return -ENOMEM;
    m->magic = MIRRORS_MAGIC;
    m->store = s;
    (void)snprintf(m->own_id, sizeof(m->own_id), "%s", own_id);
    pthread_mutex_init(&m->lock, NULL);
    for (unsigned i = 0; i < s->path_count; i++) {
        int r = load_path(&s->paths[i], &m->paths[i]);
        if (r < 0) {
            dfs_log(LOG_ERROR, "store.mirrors_unreadable", KV_U64("path", i),
                    KV_Z("directory", MIRRORS_DIR), KV_ERR(r));
            return r;
        }
        for (size_t k = 0; k < m->paths[i].n; k++) {
            drop_undone(&s->paths[i], &m->paths[i].v[k]);
            sto_mirrors_heard(m, i, &m->paths[i].v[k]);
        }
    }
    *ret = TAKE(m);
    return 0;
}

void sto_mirrors_close(struct sto_mirrors **mp)
{
    struct sto_mirrors *m = TAKE(*mp);
    if (!m)
        return;
    CHECK_OBJ(m, MIRRORS_MAGIC);
    pthread_mutex_destroy(&m->lock);
    m->magic = 0;
    free(m);
}

static struct sto_log_info own_log(struct sto_mirrors *m, unsigned path)
{
    struct sto_log *log = &m->store->paths[path].log;
    struct sto_logid l;
    uint64_t end = sto_log_identity(log, &l);
    struct sto_log_info info = {.high = l.high, .low = l.low, .own = true, .end = end};
    memcpy(info.id, l.log_id, sizeof(info.id));
    memcpy(info.origin, m->own_id, sizeof(info.origin));
    return info;
}

size_t sto_mirrors_list(struct sto_mirrors *m, unsigned path, struct sto_log_info *out, size_t cap)
{
    CHECK_OBJ(m, MIRRORS_MAGIC);
    ASSERT(path < m->store->path_count && cap > 0);
    out[0] = own_log(m, path);
    pthread_mutex_lock(&m->lock);
    size_t n = MIN(m->paths[path].n, cap - 1);
    memcpy(out + 1, m->paths[path].v, n * sizeof(*out));
    pthread_mutex_unlock(&m->lock);
    return n + 1;
}

/* Lock held. */
static struct sto_log_info *find(struct sto_mirrors *m, unsigned path, const uint8_t *id)
{
    for (size_t i = 0; i < m->paths[path].n; i++)
        if (memcmp(m->paths[path].v[i].id, id, STO_LOG_ID_LEN) == 0)
            return &m->paths[path].v[i];
    return NULL;
}

unsigned sto_mirrors_unread(struct sto_mirrors *m, unsigned path)
{
    CHECK_OBJ(m, MIRRORS_MAGIC);
    ASSERT(path < m->store->path_count);
    unsigned n = 0;
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < m->paths[path].unread; i++)
        n += !find(m, path, m->paths[path].unread_id[i]);
    pthread_mutex_unlock(&m->lock);
    return n;
}

int sto_mirrors_find(struct sto_mirrors *m, unsigned path, const uint8_t id[STO_LOG_ID_LEN],
                     struct sto_log_info *ret)
{
    CHECK_OBJ(m, MIRRORS_MAGIC);
    if (path >= m->store->path_count)
        return -ENOENT;
    struct sto_log_info own = own_log(m, path);
    if (memcmp(own.id, id, STO_LOG_ID_LEN) == 0) {
        *ret = own;
        return 0;
    }
    pthread_mutex_lock(&m->lock);
    const struct sto_log_info *found = find(m, path, id);
    if (found)
        *ret = *found;
    pthread_mutex_unlock(&m->lock);
    return found ? 0 : -ENOENT;
}

void sto_mirrors_heard(struct sto_mirrors *m, unsigned path, const struct sto_log_info *log)
{
    CHECK_OBJ(m, MIRRORS_MAGIC);
    struct sto_log_info own = own_log(m, path);
    if (strcmp(log->origin, m->own_id) != 0 || memcmp(log->id, own.id, STO_LOG_ID_LEN) == 0)
        return;
    pthread_mutex_lock(&m->lock);
    m->paths[path].lost = true;
    pthread_mutex_unlock(&m->lock);
}

bool sto_mirrors_lost(struct sto_mirrors *m, unsigned path)
{
    CHECK_OBJ(m, MIRRORS_MAGIC);
    pthread_mutex_lock(&m->lock);
    bool lost = m->paths[path].lost;
    pthread_mutex_unlock(&m->lock);
    return lost;
}

int sto_mirrors_at(struct sto_mirrors *m, unsigned path, uint8_t high, uint8_t low,
                   struct sto_log_info *ret)
{
    CHECK_OBJ(m, MIRRORS_MAGIC);
    *ret = own_log(m, path);
    bool found = ret->high == high && ret->low == low;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; !found && i < m->paths[path].n; i++) {
        *ret = m->paths[path].v[i];
        found = ret->high == high && ret->low == low;
    }
    pthread_mutex_unlock(&m->lock);
    return found ? 0 : -ENOENT;
}

static bool one_directory(const struct sto_log_info *a, const struct sto_log_info *b)
{
    return a->high == b->high && a->low == b->low && memcmp(a->id, b->id, STO_LOG_ID_LEN) != 0;
}

/* Is a mirror in the directory of @log, which is another's? */
static bool taken(struct sto_mirrors *m, unsigned path, const struct sto_log_info *log)
{
    bool found = false;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->paths[path].n && !found; i++)
        found = one_directory(&m->paths[path].v[i], log);
    pthread_mutex_unlock(&m->lock);
    return found;
}

/*
 * Names of packed files say the directory, so two logs that happen to have one cannot both be here. What has
 * been written stays where it is; ours goes elsewhere while it is empty, as a newcomer's is.
 */
static bool make_way(struct sto_mirrors *m, unsigned path, const struct sto_log_info *info)
{
    enum { TRIES = 100 };
    struct sto_log_info own = own_log(m, path);
    for (unsigned i = 0; i < TRIES && (one_directory(&own, info) || taken(m, path, &own)); i++) {
        if (sto_log_move_away(&m->store->paths[path].log) < 0)
            break;
        own = own_log(m, path);
    }
    return !one_directory(&own, info) && !taken(m, path, info);
}

static void say_clash(unsigned path, const struct sto_log_info *info)
{
    static struct dfs_log_gate gate;
    char dir[8];
    (void)snprintf(dir, sizeof(dir), "%02X/%02X", info->high, info->low);
    if (dfs_log_allow(&gate, 1))
        dfs_log(LOG_ERROR, "store.two_logs_in_one_directory", KV_U64("path", path),
                KV_Z("directory", dir), KV_Z("of", info->origin));
}

int sto_mirrors_add(struct sto_mirrors *m, unsigned path, const struct sto_log_info *info)
{
    struct mirrors_of_path *mp = &m->paths[path];
    pthread_mutex_lock(&m->lock);
    bool there = find(m, path, info->id) != NULL;
    pthread_mutex_unlock(&m->lock);
    if (!there && !make_way(m, path, info)) {
        say_clash(path, info);
        return -EEXIST;
    }
    pthread_mutex_lock(&m->lock);
    there = find(m, path, info->id) != NULL;
    int r = !there && mp->n == STO_LOGS_MAX ? -ENOSPC : 0;
    if (r == 0 && !there) {
        mp->v[mp->n] = *info;
        mp->v[mp->n].own = false;
        mp->v[mp->n].first_end = info->end;
        mp->v[mp->n++].end = 0;
    }
    pthread_mutex_unlock(&m->lock);
    return r;
}

/* One half of the mark's file: @round says which. */
static void make_half(const struct sto_log_info *info, uint64_t position, uint64_t round,
                      char *half)
{
    int n = snprintf(half, HALF,
                     "origin=%s\nhigh=%u\nlow=%u\nposition=%" PRIu64 "\nfirst_end=%" PRIu64
                     "\nround=%" PRIu64 "\n",
                     info->origin, info->high, info->low, position, info->first_end, round);
    ASSERT(n > 0 && n < HALF - 32);
    uint32_t sum = sto_crc32(0, half, (size_t)n);
    int more = snprintf(half + n, (size_t)(HALF - n), "check=%" PRIu32 "\n", sum);
    memset(half + n + more, '\n', (size_t)(HALF - n - more));
}

static int write_mark(struct sto_dir *d, const struct sto_log_info *info, uint64_t position,
                      uint64_t round)
{
    char file[MIRROR_PATH], both[2 * HALF];
    char *half = both + round % 2 * HALF;
    record_path(info->id, file);
    memset(both, '\n', sizeof(both));
    make_half(info, position, round, half);
    AUTO(dfs_close_fd)
    int fd = round == 1 ? -1 : d->io->openat(d->root, file, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0) /* the first time, in place of what an earlier build wrote */
        return sto_dir_put_file(d, file, str_of(both, sizeof(both)));
    int r = sto_write_all(d->io, fd, half, HALF, half - both);
    return r == 0 && d->io->fdatasync(fd) < 0 ? -errno : r;
}

int sto_mirrors_mark(struct sto_mirrors *m, unsigned path, const struct sto_log_info *info,
                     uint64_t position)
{
    CHECK_OBJ(m, MIRRORS_MAGIC);
    int r = sto_mirrors_add(m, path, info);
    if (r < 0)
        return r;
    /* One writer a mirror: nobody else changes its round, and mirrors are never removed. */
    pthread_mutex_lock(&m->lock);
    struct mirrors_of_path *mp = &m->paths[path];
    size_t at = (size_t)(find(m, path, info->id) - mp->v);
    uint64_t round = mp->round[at] + 1;
    struct sto_log_info here = mp->v[at];
    pthread_mutex_unlock(&m->lock);
    struct sto_dir *d = &m->store->paths[path].dir;
    r = sto_dir_mirrors_said(d, write_mark(d, &here, position, round));
    if (r < 0)
        return r;
    pthread_mutex_lock(&m->lock);
    mp->v[at].end = position;
    mp->round[at] = round;
    pthread_mutex_unlock(&m->lock);
    return 0;
}
