/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fake_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { SECTOR = 512, PATH = 512, FDS = 1024 };

enum undo_kind { UNDO_BYTES, UNDO_TIME, UNDO_LINK, UNDO_UNLINK, UNDO_RENAME };

struct undo {
    enum undo_kind kind;
    uint64_t serial;
    ino_t ino; /* of the file; of the directory for names */
    off_t at;
    size_t n;
    uint8_t *old;          /* bytes before; zeros where the file ended */
    struct timespec mtime; /* before */
    char name[PATH];       /* full path, for names */
    char from[PATH];       /* a rename's old name */
    int saved;             /* the file that was unlinked or replaced, still open; -1 */
    int moved;             /* the file that was renamed; -1 */
    bool doomed;           /* a sync failed: the page counts as clean, no later sync writes it */
    struct undo *older;
};

/* A sync that failed. Every descriptor that was open is told once, at its next sync, as in Linux. */
struct sync_error {
    ino_t ino;
    uint64_t serial;
    int err;
    struct sync_error *older;
};

static struct {
    pthread_mutex_t lock;
    struct sync_error *sync_errors; /* newest first */
    uint64_t told[FDS]; /* by descriptor: serial of the last change it need not hear of */
    struct undo *undos; /* newest first */
    uint64_t seed, serial;
    uint64_t random; /* of short writes */
    uint64_t chance; /* of getrandom() */
    unsigned calls;
    unsigned fail_mask, fail_in, fail_more;
    int fail_err;
    bool short_writes, crashed;
    bool kill; /* the crash to come loses nothing */
    unsigned crash_at;
    pthread_t test; /* only its calls crash: the hook reads what that thread owns */
    char from[PATH], to[PATH];
    void (*hook)(void *arg);
    void *arg;
    unsigned one_in; /* owner: the test's thread; so below */
    bool between;
    void (*meanwhile)(void *arg);
    void *meanwhile_arg;
} g = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t test_random; /* owner: the test's thread */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

uint64_t fake_disk_random(void)
{
    return next_random(&test_random);
}

/*
 * Did the power failure lose this change, or this sector of it? It depends on the seed and on the change,
 * not on the order in which the image is made.
 */
static bool lost(const struct undo *u, uint64_t sector)
{
    uint64_t x = g.seed ^ u->serial * 0x9e3779b97f4a7c15u ^ sector * 0xd6e8feb86659fd93u;
    for (int i = 0; i < 3; i++) {
        x ^= x >> 32;
        x *= 0xd6e8feb86659fd93u;
    }
    return x >> 63;
}

static struct undo *new_undo(enum undo_kind kind)
{
    struct undo *u = calloc(1, sizeof(*u));
    ASSERT(u);
    u->kind = kind;
    u->serial = ++g.serial;
    u->saved = u->moved = -1;
    return u;
}

static void remember(struct undo *u)
{
    u->older = g.undos;
    g.undos = u;
}

static bool is_bytes(const struct undo *u, ino_t ino)
{
    return u->kind == UNDO_BYTES && u->ino == ino;
}

/* A later write to the same pages was synced, and with it all that was in them. */
static bool written_over(const struct undo *u)
{
    enum { PAGE = 4096 };
    for (const struct undo *v = g.undos; v && v != u; v = v->older)
        if (v->kind == UNDO_BYTES && v->ino == u->ino && !v->doomed &&
            v->at / PAGE <= u->at / PAGE &&
            (v->at + (off_t)v->n - 1) / PAGE >= (u->at + (off_t)u->n - 1) / PAGE)
            return true;
    return false;
}

static void save_doomed(ino_t ino)
{
    for (struct undo *u = g.undos; u; u = u->older)
        if (is_bytes(u, ino) && u->doomed && written_over(u))
            u->doomed = false;
}

static void forget(bool (*which)(const struct undo *u, ino_t ino), ino_t ino)
{
    for (struct undo **at = &g.undos; *at;) {
        struct undo *u = *at;
        if (which && (!which(u, ino) || u->doomed)) {
            at = &u->older;
            continue;
        }
        *at = u->older;
        dfs_close_fd(&u->saved);
        dfs_close_fd(&u->moved);
        free(u->old);
        free(u);
    }
}

/* A file has just been made: what is noted of its inode number is of one that has gone. */
static void begin_inode(ino_t ino)
{
    for (struct undo **at = &g.undos; *at;) {
        struct undo *u = *at;
        if (u->ino != ino || (u->kind != UNDO_BYTES && u->kind != UNDO_TIME)) {
            at = &u->older;
            continue;
        }
        *at = u->older;
        free(u->old);
        free(u);
    }
    for (struct sync_error **at = &g.sync_errors; *at;) {
        struct sync_error *e = *at;
        if (e->ino != ino) {
            at = &e->older;
            continue;
        }
        *at = e->older;
        free(e);
    }
}

void fake_disk_leave(const char *folder)
{
    size_t n = strlen(folder);
    pthread_mutex_lock(&g.lock);
    for (struct undo **at = &g.undos; *at;) {
        struct undo *u = *at;
        if (u->kind == UNDO_BYTES || u->kind == UNDO_TIME || strncmp(u->name, folder, n) != 0 ||
            u->name[n] != '/') {
            at = &u->older;
            continue;
        }
        *at = u->older;
        dfs_close_fd(&u->saved);
        dfs_close_fd(&u->moved);
        free(u);
    }
    pthread_mutex_unlock(&g.lock);
}

void fake_disk_start(uint64_t seed)
{
    forget(NULL, 0);
    for (struct sync_error *e; (e = g.sync_errors) != NULL; free(e))
        g.sync_errors = e->older;
    memset(g.told, 0, sizeof(g.told));
    g.seed = seed;
    g.serial = 0;
    g.random = seed * 0x9e3779b97f4a7c15u + 1;
    g.chance = seed * 0x94d049bb133111ebu + 1;
    test_random = seed * 0xbf58476d1ce4e5b9u + 1;
    g.calls = g.fail_mask = g.crash_at = g.one_in = 0;
    g.short_writes = g.crashed = g.between = false;
    g.test = pthread_self();
}

void fake_disk_stop(void)
{
    fake_disk_start(0);
}

int fake_disk_tell_seed(void **state)
{
    (void)state;
    if (g.seed)
        fprintf(stderr, "the disk's seed was %llu\n", (unsigned long long)g.seed);
    return 0;
}

void fake_disk_meanwhile(unsigned one_in, void (*fn)(void *arg), void *arg)
{
    g.one_in = one_in;
    g.meanwhile = fn;
    g.meanwhile_arg = arg;
}

/* Before every changing call, the lock not held. */
static void between(void)
{
    if (!g.one_in || !pthread_equal(g.test, pthread_self()) || g.between ||
        fake_disk_random() % g.one_in)
        return;
    g.between = true;
    g.meanwhile(g.meanwhile_arg);
    g.between = false;
}

void fake_disk_fail(unsigned mask, unsigned nth, unsigned more, int err)
{
    pthread_mutex_lock(&g.lock);
    g.fail_mask = mask;
    g.fail_in = nth;
    g.fail_more = more;
    g.fail_err = err;
    pthread_mutex_unlock(&g.lock);
}

void fake_disk_short_writes(bool on)
{
    g.short_writes = on;
}

static void crash_at(bool kill, unsigned nth, const char *from, const char *to,
                     void (*hook)(void *arg), void *arg)
{
    pthread_mutex_lock(&g.lock);
    g.kill = kill;
    g.crash_at = nth ? g.calls + nth : 0;
    (void)snprintf(g.from, sizeof(g.from), "%s", from);
    (void)snprintf(g.to, sizeof(g.to), "%s", to);
    g.hook = hook;
    g.arg = arg;
    pthread_mutex_unlock(&g.lock);
}

void fake_disk_crash_at(unsigned nth, const char *from, const char *to, void (*hook)(void *arg),
                        void *arg)
{
    crash_at(false, nth, from, to, hook, arg);
}

void fake_disk_kill_at(unsigned nth, const char *from, const char *to, void (*hook)(void *arg),
                       void *arg)
{
    crash_at(true, nth, from, to, hook, arg);
}

unsigned fake_disk_calls(void)
{
    pthread_mutex_lock(&g.lock);
    unsigned n = g.calls;
    pthread_mutex_unlock(&g.lock);
    return n;
}

bool fake_disk_crashed(void)
{
    pthread_mutex_lock(&g.lock);
    bool crashed = g.crashed;
    pthread_mutex_unlock(&g.lock);
    return crashed;
}

/* ---- the image after a power failure ---- */

static void copy_bytes(int in, int out)
{
    struct stat st;
    ASSERT(fstat(in, &st) == 0 && ftruncate(out, st.st_size) == 0);
    off_t at = 0;
    while ((at = lseek(in, at, SEEK_DATA)) >= 0) { /* packs are mostly holes */
        off_t end = lseek(in, at, SEEK_HOLE);
        while (at < end) {
            uint8_t bytes[16384];
            ssize_t n = pread(in, bytes, MIN(sizeof(bytes), (size_t)(end - at)), at);
            ASSERT(n > 0 && pwrite(out, bytes, (size_t)n, at) == n);
            at += n;
        }
    }
}

static void undo_bytes(int fd, ino_t ino)
{
    if (g.kill)
        return;
    for (struct undo *u = g.undos; u; u = u->older) {
        if (u->kind != UNDO_BYTES || u->ino != ino)
            continue;
        for (size_t i = 0; i < u->n;) {
            size_t n = MIN(u->n - i, (size_t)(SECTOR - (u->at + (off_t)i) % SECTOR));
            if (lost(u, (uint64_t)(u->at + (off_t)i) / SECTOR))
                ASSERT(pwrite(fd, u->old + i, n, u->at + (off_t)i) == (ssize_t)n);
            i += n;
        }
    }
}

/* Of a file that is @st: what it was before those changes of it that were lost. */
static struct timespec time_after(const struct stat *st)
{
    struct timespec t = st->st_mtim;
    for (const struct undo *u = g.undos; u && !g.kill; u = u->older) {
        if (u->kind != UNDO_TIME || u->ino != st->st_ino)
            continue;
        if (!lost(u, 0))
            break;
        t = u->mtime;
    }
    return t;
}

static bool link_lost(const char *path)
{
    if (g.kill)
        return false;
    for (struct undo *u = g.undos; u; u = u->older)
        if (u->kind == UNDO_LINK && strcmp(u->name, path) == 0)
            return lost(u, 0);
    return false;
}

/* Links across store paths are absolute: they go to the image's. */
static void copy_link(const char *from, const char *to, const struct stat *st)
{
    char text[2 * PATH], moved[3 * PATH];
    ssize_t n = readlink(from, text, sizeof(text) - 1);
    ASSERT(n > 0);
    text[n] = '\0';
    size_t root = strlen(g.from);
    bool inside = strncmp(text, g.from, root) == 0;
    (void)snprintf(moved, sizeof(moved), "%s%s", inside ? g.to : "", inside ? text + root : text);
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    ASSERT(symlink(moved, to) == 0 && utimensat(AT_FDCWD, to, times, AT_SYMLINK_NOFOLLOW) == 0);
}

/* Mode and times too: they say whose a file is, and of when. */
static void copy_file(const char *from, const char *to, const struct stat *st)
{
    int in = open(from, O_RDONLY), out = open(to, O_RDWR | O_CREAT | O_EXCL, 0644);
    ASSERT(in >= 0 && out >= 0);
    copy_bytes(in, out);
    undo_bytes(out, st->st_ino);
    const struct timespec times[2] = {st->st_atim, time_after(st)};
    ASSERT(fchmod(out, st->st_mode & 07777) == 0 && futimens(out, times) == 0);
    close(in);
    close(out);
}

static void copy_tree(const char *from, const char *to)
{
    ASSERT(mkdir(to, 0755) == 0 || errno == EEXIST);
    DIR *d = opendir(from);
    ASSERT(d);
    const struct dirent *e;
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        char a[PATH + 256], b[PATH + 256];
        (void)snprintf(a, sizeof(a), "%s/%s", from, e->d_name);
        (void)snprintf(b, sizeof(b), "%s/%s", to, e->d_name);
        struct stat st;
        ASSERT(lstat(a, &st) == 0);
        if (S_ISDIR(st.st_mode)) {
            copy_tree(a, b);
        } else if (S_ISLNK(st.st_mode)) {
            copy_link(a, b, &st);
        } else if (S_ISREG(st.st_mode) && !link_lost(a)) {
            copy_file(a, b, &st);
        }
    }
    closedir(d);
}

/* Give @path (of the original) in the image what @fd holds, what was never synced undone; fd -1: nothing. */
static void bring_back(const char *path, int fd, int flags)
{
    char to[2 * PATH];
    struct stat st;
    (void)snprintf(to, sizeof(to), "%s%s", g.to, path + strlen(g.from));
    if (fd < 0) {
        ASSERT(unlink(to) == 0 || errno == ENOENT);
        return;
    }
    int out = open(to, O_RDWR | O_CREAT | flags, 0644);
    if (out < 0)
        return;
    copy_bytes(fd, out);
    ASSERT(fstat(fd, &st) == 0);
    undo_bytes(out, st.st_ino);
    const struct timespec times[2] = {st.st_atim, time_after(&st)};
    ASSERT(fchmod(out, st.st_mode & 07777) == 0 && futimens(out, times) == 0);
    close(out);
}

/* Of several renames to one name a disk may lose the last ones, not one that others came after. */
static bool later_rename_kept(const struct undo *u)
{
    for (const struct undo *v = g.undos; v != u; v = v->older)
        if (v->kind == UNDO_RENAME && strcmp(v->name, u->name) == 0 && !lost(v, 0))
            return true;
    return false;
}

static void undo_names(void)
{
    for (const struct undo *u = g.undos; u; u = u->older) {
        if (strncmp(u->name, g.from, strlen(g.from)) != 0 || !lost(u, 0))
            continue;
        if (u->kind == UNDO_UNLINK)
            bring_back(u->name, u->saved, O_EXCL);
        if (u->kind == UNDO_RENAME && !later_rename_kept(u)) {
            bring_back(u->name, u->saved, O_TRUNC);
            bring_back(u->from, u->moved, O_TRUNC);
        }
    }
}

/* Lock held. Counts a changing call; makes the image when its time has come. True: it shall fail. */
static bool before(unsigned kind)
{
    g.calls++;
    if (g.crash_at && g.calls >= g.crash_at && pthread_equal(g.test, pthread_self())) {
        g.crash_at = 0;
        copy_tree(g.from, g.to);
        if (!g.kill)
            undo_names();
        g.crashed = true;
        g.hook(g.arg);
    }
    if (!(g.fail_mask & kind))
        return false;
    if (g.fail_in > 1) {
        g.fail_in--;
        return false;
    }
    if (g.fail_more == 0)
        g.fail_mask = 0;
    else
        g.fail_more--;
    errno = g.fail_err;
    return true;
}

/* ---- the calls ---- */

/* Also of a file that is open for writing only. */
static void read_old(int fd, uint8_t *to, size_t n, off_t at)
{
    char self[64];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    ssize_t got = pread(fd, to, n, at);
    if (got < 0) {
        AUTO(dfs_close_fd) int readable = open(self, O_RDONLY | O_CLOEXEC);
        got = pread(readable, to, n, at);
    }
    ASSERT(got >= 0);
}

static void remember_bytes(int fd, size_t n, off_t at)
{
    struct stat st;
    ASSERT(fstat(fd, &st) == 0);
    struct undo *u = new_undo(UNDO_BYTES);
    u->ino = st.st_ino;
    u->at = at;
    u->n = n;
    u->old = calloc(1, n + 1);
    ASSERT(u->old);
    read_old(fd, u->old, n, at);
    remember(u);
}

/*
 * The time that the file system gives a file that is written, without which runs would differ by chance: never a whole
 * microsecond.
 */
static void stamp(int fd)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {.tv_sec = time(NULL), .tv_nsec = 1}};
    ASSERT(futimens(fd, times) == 0);
}

static ssize_t fake_pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
    between();
    pthread_mutex_lock(&g.lock);
    ssize_t r = -1;
    if (!before(FAKE_WRITE)) {
        size_t n = 0;
        for (int i = 0; i < count; i++)
            n += iov[i].iov_len;
        remember_bytes(fd, n, at);
        struct iovec part = iov[0];
        if (g.short_writes && n > 1 && part.iov_len > 1) {
            part.iov_len = 1 + next_random(&g.random) % (part.iov_len - 1);
            r = pwritev(fd, &part, 1, at);
        } else {
            r = pwritev(fd, iov, count, at);
        }
        stamp(fd);
    }
    pthread_mutex_unlock(&g.lock);
    return r;
}

static bool is_of(const struct undo *u, ino_t ino)
{
    return u->ino == ino;
}

/* Lock held. */
static void note_sync_error(ino_t ino, int err)
{
    for (struct undo *u = g.undos; u; u = u->older)
        u->doomed |= is_bytes(u, ino);
    struct sync_error *e = calloc(1, sizeof(*e));
    ASSERT(e);
    *e = (struct sync_error){.ino = ino, .serial = ++g.serial, .err = err, .older = g.sync_errors};
    g.sync_errors = e;
}

/* Lock held. The error that @fd has not been told yet, or 0. */
static int untold_sync_error(int fd, ino_t ino)
{
    for (const struct sync_error *e = g.sync_errors; e; e = e->older)
        if (e->ino == ino && e->serial > g.told[fd])
            return e->err;
    return 0;
}

static int sync_with(int fd, bool (*which)(const struct undo *u, ino_t ino))
{
    between();
    pthread_mutex_lock(&g.lock);
    int r = -1;
    struct stat st;
    ASSERT(fstat(fd, &st) == 0);
    ASSERT(fd < FDS);
    int err = before(FAKE_SYNC) ? errno : 0;
    if (err)
        note_sync_error(st.st_ino, err);
    else
        err = untold_sync_error(fd, st.st_ino);
    g.told[fd] = g.serial;
    if (!err) {
        save_doomed(st.st_ino);
        forget(which, st.st_ino);
        r = 0;
    }
    errno = err;
    pthread_mutex_unlock(&g.lock);
    return r;
}

static int fake_fdatasync(int fd)
{
    return sync_with(fd, is_bytes);
}

static int fake_fsync(int fd)
{
    return sync_with(fd, is_of);
}

static int fake_fallocate(int fd, int mode, off_t at, off_t n)
{
    between();
    pthread_mutex_lock(&g.lock);
    int r = before(FAKE_ALLOC) ? -1 : fallocate(fd, mode, at, n);
    pthread_mutex_unlock(&g.lock);
    return r;
}

static int fake_ftruncate(int fd, off_t n)
{
    between();
    pthread_mutex_lock(&g.lock);
    int r = before(FAKE_WRITE) ? -1 : ftruncate(fd, n);
    if (r == 0)
        stamp(fd);
    pthread_mutex_unlock(&g.lock);
    return r;
}

static int fake_futimens(int fd, const struct timespec times[2])
{
    between();
    pthread_mutex_lock(&g.lock);
    struct stat st;
    ASSERT(fstat(fd, &st) == 0);
    int r = before(FAKE_WRITE) ? -1 : futimens(fd, times);
    if (r == 0) {
        struct undo *u = new_undo(UNDO_TIME);
        u->ino = st.st_ino;
        u->mtime = st.st_mtim;
        remember(u);
    }
    pthread_mutex_unlock(&g.lock);
    return r;
}

static void full_path(int dir, const char *path, char out[PATH])
{
    char self[64];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", dir);
    ssize_t n = readlink(self, out, PATH - 1);
    ASSERT(n > 0);
    (void)snprintf(out + n, PATH - (size_t)n, "/%s", path);
}

static struct undo *remember_name(enum undo_kind kind, int dir, const char *path, int saved)
{
    struct undo *u = new_undo(kind);
    u->saved = saved;
    full_path(dir, path, u->name);
    char parent[PATH];
    memcpy(parent, u->name, sizeof(parent));
    *strrchr(parent, '/') = '\0';
    struct stat st;
    ASSERT(stat(parent, &st) == 0);
    u->ino = st.st_ino;
    remember(u);
    return u;
}

static int fake_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    between();
    pthread_mutex_lock(&g.lock);
    int r = before(FAKE_NAME) ? -1 : linkat(from_dir, from, to_dir, to, flags);
    if (r == 0)
        (void)remember_name(UNDO_LINK, to_dir, to, -1);
    pthread_mutex_unlock(&g.lock);
    return r;
}

static int open_at(int dir, const char *path)
{
    return openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static int fake_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    between();
    pthread_mutex_lock(&g.lock);
    int r = -1;
    if (!before(FAKE_NAME)) {
        int saved = open_at(to_dir, to), moved = open_at(from_dir, from);
        r = renameat(from_dir, from, to_dir, to);
        int err = errno;
        if (r == 0 && moved >= 0) {
            struct undo *u = remember_name(UNDO_RENAME, to_dir, to, saved);
            u->moved = moved;
            full_path(from_dir, from, u->from);
        } else {
            dfs_close_fd(&saved);
            dfs_close_fd(&moved);
        }
        errno = err;
    }
    pthread_mutex_unlock(&g.lock);
    return r;
}

static int fake_unlinkat(int dir, const char *path, int flags)
{
    between();
    pthread_mutex_lock(&g.lock);
    int r = -1;
    if (!before(FAKE_NAME)) {
        int saved = open_at(dir, path);
        r = unlinkat(dir, path, flags);
        int err = errno;
        if (r == 0 && saved >= 0)
            (void)remember_name(UNDO_UNLINK, dir, path, saved);
        else
            dfs_close_fd(&saved);
        errno = err;
    }
    pthread_mutex_unlock(&g.lock);
    return r;
}

static int fake_openat(int dir, const char *path, int flags, mode_t mode)
{
    pthread_mutex_lock(&g.lock);
    struct stat st;
    bool fresh = (flags & O_TMPFILE) == O_TMPFILE ||
                 ((flags & O_CREAT) && fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0);
    int fd = openat(dir, path, flags | O_CLOEXEC, mode);
    if (fd >= 0 && fd < FDS)
        g.told[fd] = g.serial;
    if (fd >= 0 && fresh) {
        ASSERT(fstat(fd, &st) == 0);
        begin_inode(st.st_ino);
    }
    pthread_mutex_unlock(&g.lock);
    return fd;
}

static ssize_t fake_getrandom(void *p, size_t n, unsigned flags)
{
    (void)flags;
    pthread_mutex_lock(&g.lock);
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)(next_random(&g.chance) >> 32);
    pthread_mutex_unlock(&g.lock);
    return (ssize_t)n;
}

const struct sto_io fake_disk_io = {
    .pread = pread,
    .pwritev = fake_pwritev,
    .fdatasync = fake_fdatasync,
    .fsync = fake_fsync,
    .fallocate = fake_fallocate,
    .ftruncate = fake_ftruncate,
    .futimens = fake_futimens,
    .openat = fake_openat,
    .linkat = fake_linkat,
    .renameat = fake_renameat,
    .unlinkat = fake_unlinkat,
    .fstatvfs = fstatvfs,
    .getrandom = fake_getrandom,
};
