/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/proc.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dfscore/base/str.h"

struct stat_line {
    pid_t parent;
    uint64_t ticks;
};

static bool read_stat(pid_t pid, struct stat_line *ret)
{
    char path[64], line[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool got = fgets(line, sizeof(line), f) != NULL;
    fclose(f);
    const char *behind = got ? strrchr(line, ')') : NULL; /* the name may hold anything */
    int parent;
    unsigned long long user, kernel;
    if (!behind || sscanf(behind + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                          &parent, &user, &kernel) != 3)
        return false;
    *ret = (struct stat_line){parent, user + kernel};
    return true;
}

int proc_add(struct proc_set *s, pid_t pid)
{
    struct stat_line line;
    for (int i = 0; i < s->n; i++) {
        if (s->pid[i] == pid)
            return 0;
    }
    if (!read_stat(pid, &line))
        return -ESRCH;
    if (s->n == PROC_MAX)
        return -E2BIG;
    s->pid[s->n++] = pid;
    return 0;
}

/* Adds processes whose parent is in the set; true when one was new. */
static bool add_children(struct proc_set *s, DIR *dir)
{
    int before = s->n;
    rewinddir(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        uint64_t pid;
        struct stat_line line;
        if (str_u64(str_c(e->d_name), INT32_MAX, &pid) < 0 || !read_stat((pid_t)pid, &line))
            continue;
        for (int i = 0; i < s->n; i++) {
            if (s->pid[i] == line.parent) {
                (void)proc_add(s, (pid_t)pid);
                break;
            }
        }
    }
    return s->n > before;
}

int proc_add_tree(struct proc_set *s, pid_t root)
{
    int r = proc_add(s, root);
    if (r < 0)
        return r;
    DIR *dir = opendir("/proc");
    if (!dir)
        return -errno;
    while (add_children(s, dir))
        ;
    closedir(dir);
    return s->n == PROC_MAX ? -E2BIG : 0;
}

uint64_t proc_cpu_us(const struct proc_set *s)
{
    uint64_t ticks = 0;
    struct stat_line line;
    for (int i = 0; i < s->n; i++) {
        if (read_stat(s->pid[i], &line))
            ticks += line.ticks;
    }
    return ticks * 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
}

uint64_t proc_rss(const struct proc_set *s)
{
    uint64_t pages = 0;
    for (int i = 0; i < s->n; i++) {
        char path[64];
        unsigned long long resident;
        snprintf(path, sizeof(path), "/proc/%d/statm", (int)s->pid[i]);
        FILE *f = fopen(path, "re");
        if (!f)
            continue;
        if (fscanf(f, "%*u %llu", &resident) == 1)
            pages += resident;
        fclose(f);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void proc_sample(struct proc_set *s)
{
    uint64_t now = proc_rss(s);
    if (now > s->peak_rss)
        s->peak_rss = now;
}
