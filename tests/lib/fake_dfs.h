/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_dfs - s3gw/dfs/dfs.h without storages: remembers notes, serves file content from a pattern.
 *
 * Include it in exactly one source file of a test: its definitions win over the archive's, whose
 * object files are then not linked. Byte i of every file is fake_dfs_byte(i).
 */
#ifndef TEST_FAKE_DFS_H
#define TEST_FAKE_DFS_H

#include "s3gw/dfs/describe.h"
#include "s3gw/dfs/dfs.h"

struct fake_note {
    enum s3_desc_kind kind;
    char key[64];
};

static struct {
    struct fake_note notes[256]; /* the first ones */
    size_t n;                    /* all of them */
    int fail;                    /* errno for every note, 0: none */
    uint64_t bytes_read;
} fake_dfs;

static inline uint8_t fake_dfs_byte(uint64_t i)
{
    return (uint8_t)(i * 7 + (i >> 8));
}

static inline int fake_note(struct str description)
{
    struct s3_desc d;
    if (fake_dfs.fail < 0)
        return fake_dfs.fail;
    ASSERT(s3_desc_decode(description, &d) == 0);
    if (fake_dfs.n < ARRAY_LEN(fake_dfs.notes)) {
        struct fake_note *n = &fake_dfs.notes[fake_dfs.n];
        n->kind = d.kind;
        snprintf(n->key, sizeof(n->key), STR_F, STR_A(d.key));
    }
    fake_dfs.n++;
    return 0;
}

int s3_dfs_note(struct s3_dfs *d, struct str group, struct str description)
{
    (void)d, (void)group;
    return fake_note(description);
}

void s3_dfs_submit(struct s3_dfs *d, struct s3_dfs_put *p)
{
    (void)d;
    ASSERT(!p->data.p);
    p->done(p, fake_note(p->description));
}

int s3_dfs_read(struct s3_dfs *d, struct str file_id, uint64_t offset, void *out, size_t n,
                bool wait)
{
    (void)d, (void)file_id, (void)wait;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = fake_dfs_byte(offset + i);
    fake_dfs.bytes_read += n;
    return 0;
}

bool s3_dfs_has_group(const struct s3_dfs *d, struct str group)
{
    (void)d;
    return str_starts(group, STR("group"));
}

/* Large uploads need a storage: here there is none. */
int s3_upload_file_new(struct s3_dfs *d, const struct s3_upload_file_options *o,
                       struct s3_upload_file **ret)
{
    (void)d, (void)o, (void)ret;
    return -EIO;
}

bool s3_upload_file_room(struct s3_upload_file *f, size_t n)
{
    (void)f, (void)n;
    return false;
}

int s3_upload_file_data(struct s3_upload_file *f, struct str piece)
{
    (void)f, (void)piece;
    return -EIO;
}

void s3_upload_file_settle(struct s3_upload_file *f)
{
    (void)f;
}

void s3_upload_file_finish(struct s3_upload_file **f)
{
    (void)f;
}

void s3_upload_file_abort(struct s3_upload_file **f)
{
    (void)f;
}

#endif
