/* SPDX-License-Identifier: Apache-2.0 */
/* Which logs are here: the registry. Reading and writing their packs is mirror_io.c. */
#include "storage/trunk/mirror.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "storage/trunk/mirror_priv.h"

enum { RECORD_MAX = 4096 };

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

static int parse_record(struct str text, struct sto_log_info *info)
{
    struct str line, key, value;
    uint64_t high = 256, low = 256, position = 0;
    while (str_split(&text, '\n', &line)) {
        (void)(take_number(line, "high", 255, &high) || take_number(line, "low", 255, &low) ||
               take_number(line, "position", UINT64_MAX, &position));
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
    return 0;
}

static int load_record(struct sto_dir *d, const char *name, struct mirrors_of_path *mp)
{
    struct sto_log_info info = {.own = false};
    char path[MIRROR_PATH];
    AUTO(dfs_free_ptr) char *bytes = NULL;
    size_t n;
    if (str_unhex(str_c(name), info.id, STO_LOG_ID_LEN) < 0)
        return 0; /* not ours */
    record_path(info.id, path);
    int r = sto_dir_get_file(d, path, RECORD_MAX, &bytes, &n);
    if (r == 0)
        r = parse_record(str_of(bytes, n), &info);
    if (r < 0 || mp->n == STO_LOGS_MAX) {
        dfs_log(LOG_ERROR, "store.mirror_unreadable", KV_Z("file", path), KV_ERR(r));
        return 0; /* it will be fetched anew */
    }
    mp->v[mp->n++] = info;
    return 0;
}

static int load_path(struct sto_path *p, struct mirrors_of_path *mp)
{
    if (mkdirat(p->dir.root, MIRRORS_DIR, 0755) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(p->dir.root, MIRRORS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -ENOMEM;
    }
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(dir));)
        r = load_record(&p->dir, e->d_name, mp);
    closedir(dir);
    return r;
}

int sto_mirrors_open(struct sto_store *s, const char *own_id, struct sto_mirrors **ret)
{
    AUTO(sto_mirrors_close) struct sto_mirrors *m =
        dfs_zalloc(sizeof(*m) + s->path_count * sizeof(m->paths[0]));
    if (!m)
        return -ENOMEM;
    m->magic = MIRRORS_MAGIC;
    m->store = s;
    (void)snprintf(m->own_id, sizeof(m->own_id), "%s", own_id);
    pthread_mutex_init(&m->lock, NULL);
    for (unsigned i = 0; i < s->path_count; i++) {
        int r = load_path(&s->paths[i], &m->paths[i]);
        if (r < 0)
            return r;
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
    struct sto_log_info info = {.high = log->high, .low = log->low, .own = true};
    memcpy(info.id, log->id, sizeof(info.id));
    memcpy(info.origin, m->own_id, sizeof(info.origin));
    info.end = sto_log_stable(log);
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

int sto_mirrors_add(struct sto_mirrors *m, unsigned path, const struct sto_log_info *info)
{
    struct sto_log_info own = own_log(m, path);
    bool clash = own.high == info->high && own.low == info->low;
    pthread_mutex_lock(&m->lock);
    struct mirrors_of_path *mp = &m->paths[path];
    for (size_t i = 0; i < mp->n; i++)
        clash = clash || (mp->v[i].high == info->high && mp->v[i].low == info->low &&
                          memcmp(mp->v[i].id, info->id, STO_LOG_ID_LEN) != 0);
    bool there = find(m, path, info->id) != NULL;
    int r = clash ? -EEXIST : !there && mp->n == STO_LOGS_MAX ? -ENOSPC : 0;
    if (r == 0 && !there) {
        mp->v[mp->n] = *info;
        mp->v[mp->n].own = false;
        mp->v[mp->n++].end = 0;
    }
    pthread_mutex_unlock(&m->lock);
    return r;
}

int sto_mirrors_mark(struct sto_mirrors *m, unsigned path, const struct sto_log_info *info,
                     uint64_t position)
{
    CHECK_OBJ(m, MIRRORS_MAGIC);
    char file[MIRROR_PATH], text[256];
    record_path(info->id, file);
    int n = snprintf(text, sizeof(text), "origin=%s\nhigh=%u\nlow=%u\nposition=%" PRIu64 "\n",
                     info->origin, info->high, info->low, position);
    int r = sto_mirrors_add(m, path, info);
    if (r == 0)
        r = sto_dir_put_file(&m->store->paths[path].dir, file, str_of(text, (size_t)n));
    if (r < 0)
        return r;
    pthread_mutex_lock(&m->lock);
    struct sto_log_info *here = find(m, path, info->id);
    if (here)
        here->end = position;
    pthread_mutex_unlock(&m->lock);
    return here ? 0 : -ENOENT;
}
