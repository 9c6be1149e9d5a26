/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver - a main() for fuzz targets without libFuzzer: replays the files and folders named on the
 * command line, so that any compiler can run a corpus. A crash names its file first.
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "dfscore/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 64 * 1024 * 1024 };

static unsigned replayed;

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    AUTO(buf_free) struct buf b = BUF(INPUT_MAX);
    char piece[4096];
    size_t n;
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_add(&b, piece, n);
    fclose(f);
    fprintf(stderr, "%s\n", path);
    /* A copy of exactly the input's size, so that the address sanitizer sees the first byte beyond.
     */
    AUTO(dfs_free_ptr) uint8_t *copy = dfs_memdup(b.n ? b.p : "", b.n);
    if (!copy || buf_err(&b))
        return 1;
    LLVMFuzzerTestOneInput(copy, b.n);
    replayed++;
    return 0;
}

static int replay_folder(const char *path)
{
    DIR *d = opendir(path);
    if (!d)
        return 1;
    int bad = 0;
    const struct dirent *e;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        AUTO(buf_free) struct buf name = BUF(4096);
        buf_addf(&name, "%s/%s", path, e->d_name);
        buf_addc(&name, 0);
        bad |= buf_err(&name) ? 1 : replay_file(name.p);
    }
    closedir(d);
    return bad;
}

int main(int argc, char **argv)
{
    int bad = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            bad |= replay_folder(argv[i]);
        else
            bad |= replay_file(argv[i]);
    }
    printf("%u inputs\n", replayed);
    return bad;
}
