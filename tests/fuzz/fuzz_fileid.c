/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_fileid - an accepted file id has one spelling: built again from its parts it is the same text. */
#include "dfscore/fileid/fileid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct dfs_fileid *f)
{
    char path[DFS_LOCAL_PATH_MAX], source[16], name[DFS_FILENAME_TRUNK];
    dfs_fileid_path(f, path);
    dfs_fileid_source_text(f, source);
    ASSERT(f->filename.n <= DFS_FILENAME_MAX && strlen(path) < sizeof(path));
    ASSERT(!strstr(path, "/../") && !strstr(path, "//"));
    bool old_style = f->filename.p[0] != 'M';
    struct dfs_fileid_parts p = {
        f->at.path_index, f->at.high, f->at.low,   f->kind,  {0}, f->created_s,
        f->size,          f->crc32,   f->random23, f->trunk, {0}};
    memcpy(p.source, f->source, sizeof(p.source));
    memcpy(p.tail, f->tail.p, sizeof(p.tail));
    if (f->slave || old_style || f->size >> 58)
        return;
    size_t n = dfs_filename_build(&p, name);
    struct dfs_fileid again;
    ASSERT(dfs_filename_parse(str_of(name, n), &again) == 0);
    ASSERT(again.size == f->size && again.kind == f->kind && again.crc32 == f->crc32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size);
    struct dfs_fileid f;
    struct dfs_logical l;
    if (dfs_fileid_parse(text, &f) == 0)
        check(&f);
    if (dfs_filename_parse(text, &f) == 0)
        check(&f);
    if (dfs_logical_parse(text, &l) == 0) {
        char path[DFS_LOCAL_PATH_MAX];
        dfs_logical_path(&l, "", path);
        ASSERT(strlen(path) == 11 + l.base.n);
    }
    if (size > 8) {
        char out[DFS_FILENAME_MAX];
        size_t n, cut = size - data[0] % 8;
        if (dfs_slave_name(str_head(text, cut), str_from(text, cut), STR("jpg"), out, &n) == 0)
            ASSERT(n <= sizeof(out));
    }
    return 0;
}
