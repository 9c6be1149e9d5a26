/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>

#include "dfscore/fileid/fileid.h"
#include "storage/disk/io.h"
#include "storage/service/logs.h"
#include "tests/lib/cluster_alike.h"
#include "tests/lib/cluster_ledger.h"

enum { NAMES_MOST = 2000 };

struct inventory {
    char *line[NAMES_MOST]; /* owned */
    size_t n;
};

static void add_line(struct inventory *v, const char *text)
{
    ASSERT(v->n < NAMES_MOST);
    v->line[v->n] = dfs_strdup(text);
    ASSERT(v->line[v->n]);
    v->n++;
}

static void free_lines(struct inventory *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->line[i]);
    v->n = 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * What nobody was told of, of a member that then lost its disk, may be on another one that had begun to take it:
 * nobody has the log any more that would tell the rest.
 */
static bool orphan(const char *name)
{
    for (unsigned i = 0; i < ledger.count; i++)
        if (strcmp(ledger.files[i].name, name) == 0)
            return ledger.files[i].state != THERE && (ledger.lost & ledger.files[i].makers);
    return ledger.lost != 0;
}

/* Then a member that has lost its disk does not say that it is deleted (sto_replica_delete()). */
static bool comes_again(const char *name)
{
    struct dfs_fileid id;
    return dfs_filename_parse(str_c(name), &id) < 0 || id.slave;
}

static bool meta_ahead(const char *name)
{
    for (unsigned i = 0; i < ledger.count; i++)
        if (strcmp(ledger.files[i].name, name) == 0)
            return ledger.files[i].meta_ahead;
    return false;
}

static bool ahead(const char *name)
{
    for (unsigned i = 0; i < ledger.count; i++)
        if (strcmp(ledger.files[i].name, name) == 0)
            return ledger.files[i].ahead;
    return false;
}

/* The name, the content's and the metadata's sum, and whose it is: "-" for nothing. */
static void describe(const struct sim_node *n, const char *name, char *out, size_t cap)
{
    AUTO(buf_free) struct buf bytes = BUF(1 << 20);
    AUTO(buf_free) struct buf meta = BUF(1 << 20);
    int r = sim_look_up(n, name, &bytes);
    if (r == -ENOENT) {
        (void)snprintf(out, cap, "%s -", name);
        return;
    }
    if (r == 0 && ahead(name))
        buf_reset(&bytes);
    int m = meta_ahead(name) ? 1 : sto_meta_get(n->store, str_c(name), &meta);
    (void)snprintf(out, cap, "%s %d %zu %08x %d %08x %d", name, r, bytes.n,
                   sto_crc32(0, bytes.p, bytes.n), m, sto_crc32(0, meta.p, meta.n),
                   sto_client_may_change(n->store, str_c(name)));
}

struct listing {
    struct inventory *v;
    unsigned path;
};

static int list_packed(const struct sto_entry *e, void *arg)
{
    struct listing *l = arg;
    char line[300];
    struct dfs_fileid id;
    bool packed = dfs_filename_parse(e->name, &id) == 0 && id.kind == DFS_FILE_TRUNK && !id.slave;
    char name[STO_NAME_MAX + 1] = "";
    memcpy(name, e->name.p, e->name.n);
    if (e->kind == 0 || !packed || orphan(name))
        return 0;
    (void)snprintf(line, sizeof(line), "record %u %llx %d " STR_F " %08x", l->path,
                   (unsigned long long)e->position, e->kind, STR_A(e->name),
                   sto_crc32(0, e->desc.p, e->desc.n));
    add_line(l->v, line);
    return 0;
}

struct visit {
    const struct sim_node *n;
    unsigned path;
    struct inventory *v;
};

static void visit_file(const struct visit *at, const char *dir, const char *base)
{
    char name[STO_NAME_MAX + 1], line[500];
    if (strlen(base) < 30 || str_ends(str_c(base), STR("-m")))
        return; /* a pack, or what describe() tells with its file */
    (void)snprintf(name, sizeof(name), "M%02X/%.5s/%.100s", at->path, dir, base);
    if (orphan(name))
        return;
    describe(at->n, name, line, sizeof(line));
    if (!str_ends(str_c(line), STR(" -")))
        add_line(at->v, line);
}

/* Plain files and links on the disk below data/@dir, also those nobody was told of. */
static void visit_folder(const struct visit *at, const char *dir, unsigned depth)
{
    char root[SIM_PATH], path[2 * SIM_PATH], below[16];
    sim_folder(at->n, at->path, root);
    (void)snprintf(path, sizeof(path), "%s/data/%s", root, dir);
    DIR *d = opendir(path);
    for (const struct dirent *e; d && (e = readdir(d));) {
        if (depth == 2)
            visit_file(at, dir, e->d_name);
        else if (strlen(e->d_name) == 2 && e->d_name[0] != '.') {
            (void)snprintf(below, sizeof(below), "%s%s%.2s", dir, depth ? "/" : "", e->d_name);
            visit_folder(at, below, depth + 1);
        }
    }
    if (d)
        closedir(d);
}

static void take_inventory(const struct sim_node *n, struct inventory *v)
{
    char line[500];
    for (unsigned i = 0; i < ledger.count; i++) {
        if (orphan(ledger.files[i].name) || (ledger.files[i].packed && ledger.files[i].unheard))
            continue; /* its slot may be whole in a part of a pack that recovery has cut off */
        describe(n, ledger.files[i].name, line, sizeof(line));
        add_line(v, line);
    }
    for (unsigned path = 0; path < sto_store_path_count(n->store); path++) {
        static struct sto_log_info logs[STO_LOGS_MAX];
        size_t count = sto_mirrors_list(n->mirrors, path, logs, STO_LOGS_MAX);
        struct listing l = {v, path};
        for (size_t i = 0; i < count; i++) {
            struct sto_scan scan = {0};
            while (!scan.at_end)
                if (sto_logs_scan(n->mirrors, n->store, path, logs[i].id, scan.next, 0, list_packed,
                                  &l, &scan) < 0) {
                    WRONG("a log cannot be read on %u", n->index);
                    return;
                }
        }
        visit_folder(&(struct visit){n, path, v}, "", 0);
    }
    qsort(v->line, v->n, sizeof(v->line[0]), by_text);
}

void alike_check_members(void)
{
    struct inventory first = {.n = 0}, other = {.n = 0};
    take_inventory(sim_node(0), &first);
    for (unsigned i = 1; i < sim_nodes(); i++) {
        take_inventory(sim_node(i), &other);
        for (size_t k = 0; k < MAX(first.n, other.n); k++) {
            const char *a = k < first.n ? first.line[k] : "nothing",
                       *b = k < other.n ? other.line[k] : "nothing";
            if (strcmp(a, b) != 0) {
                WRONG("members differ: 0: %s, %u: %s", a, i, b);
                break;
            }
        }
        free_lines(&other);
    }
    free_lines(&first);
}

void alike_check_ledger(void)
{
    for (unsigned k = 0; k < ledger.count; k++) {
        const struct led_file *f = &ledger.files[k];
        AUTO(buf_free) struct buf meta = BUF(1 << 20);
        AUTO(buf_free) struct buf bytes = BUF(1 << 20);
        int r = sim_look_up(sim_node(0), f->name, &bytes);
        if (f->state == GONE && r != -ENOENT && !(comes_again(f->name) && orphan(f->name)))
            WRONG("%s was deleted and is there: %d", f->name, r);
        if (f->state != THERE)
            continue;
        if (r < 0 || (!f->vague && !str_eq(buf_str(&bytes), str_of(f->bytes, f->n))))
            WRONG("%s (%zu bytes) is lost or wrong: %d, %zu bytes", f->name, f->n, r, bytes.n);
        int m = sto_meta_get(sim_node(0)->store, str_c(f->name), &meta);
        if (!f->meta_vague && !str_eq(m == -ENOENT ? STR("") : buf_str(&meta), str_c(f->meta)))
            WRONG("%s has the wrong metadata", f->name);
    }
}
