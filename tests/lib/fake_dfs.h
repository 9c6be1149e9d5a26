/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_dfs - s3gw/dfs/dfs.h without storages: remembers notes, serves file content from a pattern, takes
 * new files of that very pattern.
 *
 * Include it in exactly one source file of a test: its definitions win over the archive's, whose
 * object files are then not linked. Byte i of every file is fake_dfs_byte(i).
 */
#ifndef TEST_FAKE_DFS_H
#define TEST_FAKE_DFS_H

#include "s3gw/dfs/describe.h"
#include "s3gw/dfs/dfs.h"

enum { S3_FAKE_DESC_MAX = 1 << 20 };

struct fake_note {
    enum s3_desc_kind kind;
    uint64_t number;
    char key[64];
};

static struct {
    struct fake_note notes[256]; /* the first ones */
    size_t n;                    /* all of them */
    int fail;                    /* errno for every note, 0: none */
    uint64_t bytes_read;
    unsigned files;               /* stored */
    struct fake_note file;        /* the description of the last one */
    int read_fails;               /* errno for every read, 0: none */
    unsigned doubts;              /* files of which somebody said that what was read is not right */
    const uint8_t *content;       /* of every file; NULL: the pattern */
    bool elsewhere;               /* new files land in group9, whatever was asked */
    void (*meanwhile)(void *arg); /* called for every note: what others do while it is written */
    void (*reading)(void *arg);   /* once, while something is read */
    void *arg;
    struct s3_dfs_group groups[4]; /* what s3_dfs_group() shows */
    _Atomic int path_closed; /* what s3_dfs_path_closed() answers; turned while a worker asks */
    unsigned lands_on;       /* the store path of new files */
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
        n->number = d.number;
        snprintf(n->key, sizeof(n->key), STR_F, STR_A(d.key));
    }
    fake_dfs.n++;
    if (fake_dfs.meanwhile)
        fake_dfs.meanwhile(fake_dfs.arg);
    return 0;
}

int s3_dfs_note(struct s3_dfs *d, struct str groups, struct str description)
{
    (void)d, (void)groups;
    return fake_note(description);
}

int s3_dfs_notes(struct s3_dfs *d, struct str groups, const struct str *descriptions, size_t n)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = s3_dfs_note(d, groups, descriptions[i]);
    return r;
}

static inline bool fake_is_low(struct str group)
{
    for (size_t i = 0; i < ARRAY_LEN(fake_dfs.groups); i++)
        if (str_eq(str_c(fake_dfs.groups[i].name), group))
            return fake_dfs.groups[i].low;
    return false;
}

/* A new file of @n bytes that must be the pattern's, from @at on. */
static inline void fake_file(struct str groups, struct str description, char id[64])
{
    struct s3_desc d;
    struct str group = groups;
    while (str_split(&groups, ',', &group) && fake_is_low(group))
        ;
    ASSERT(s3_desc_decode(description, &d) == 0);
    fake_dfs.file.kind = d.kind;
    fake_dfs.file.number = d.number;
    snprintf(fake_dfs.file.key, sizeof(fake_dfs.file.key), STR_F, STR_A(d.key));
    snprintf(id, 64, STR_F "/M%02X/00/00/new%06u",
             STR_A(fake_dfs.elsewhere ? STR("group9") : group), fake_dfs.lands_on & 0xff,
             ++fake_dfs.files);
}

static inline void fake_check(struct str bytes, uint64_t at)
{
    for (size_t i = 0; i < bytes.n; i++)
        ASSERT((uint8_t)bytes.p[i] == fake_dfs_byte(at + i));
}

void s3_dfs_submit(struct s3_dfs *d, struct s3_dfs_put *p)
{
    (void)d;
    if (p->data.p && fake_dfs.fail == 0) {
        fake_check(p->data, 0);
        fake_file(p->groups, p->description, p->file_id);
        p->done(p, 0);
    } else {
        p->done(p, fake_note(p->description));
    }
}

int s3_dfs_read(struct s3_dfs *d, struct str file_id, uint64_t offset, void *out, size_t n,
                bool wait)
{
    (void)d, (void)file_id, (void)wait;
    if (fake_dfs.read_fails < 0)
        return fake_dfs.read_fails;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] =
            fake_dfs.content ? fake_dfs.content[offset + i] : fake_dfs_byte(offset + i);
    fake_dfs.bytes_read += n;
    void (*reading)(void *arg) = fake_dfs.reading;
    fake_dfs.reading = NULL;
    if (reading)
        reading(fake_dfs.arg);
    return 0;
}

int s3_dfs_read_on(struct s3_dfs *d, struct s3_dfs_run *run, struct str file_id, uint64_t offset,
                   void *out, size_t n, bool wait)
{
    (void)run;
    return s3_dfs_read(d, file_id, offset, out, n, wait);
}

int s3_dfs_read_right(struct s3_dfs *d, struct str file_id, uint64_t offset, void *out, size_t n,
                      s3_dfs_check *check, void *arg)
{
    int r = s3_dfs_read(d, file_id, offset, out, n, true);
    fake_dfs.doubts++;
    return r < 0 ? r : check(out, arg);
}

void s3_dfs_doubt(struct s3_dfs *d, struct str file_id)
{
    (void)d, (void)file_id;
    fake_dfs.doubts++;
}

int s3_dfs_size(struct s3_dfs *d, struct str file_id, uint64_t *ret)
{
    (void)d, (void)file_id;
    *ret = 100;
    return fake_dfs.read_fails;
}

int s3_dfs_still_there(struct s3_dfs *d, struct str file_id, uint64_t size)
{
    (void)d, (void)file_id, (void)size;
    return fake_dfs.read_fails;
}

/* Storages without logs: nothing to adopt. */
int s3_dfs_logs(struct s3_dfs *d, struct arena *a, struct s3_log **ret, size_t *ret_n)
{
    (void)d, (void)a;
    *ret = NULL;
    *ret_n = 0;
    return 0;
}

int s3_dfs_scan(struct s3_dfs *d, const struct s3_log *log, uint64_t *position, size_t max,
                bool descriptions, struct buf *frame, struct arena *a, struct s3_scan_entry **ret,
                size_t *ret_n, bool *end)
{
    (void)d, (void)log, (void)position, (void)max, (void)descriptions, (void)frame, (void)a,
        (void)ret, (void)ret_n;
    (void)end;
    return -EHOSTUNREACH;
}

int s3_dfs_native_info(struct s3_dfs *d, const struct s3_log *log, struct arena *a,
                       struct s3_dfs_native *f, size_t n)
{
    (void)d, (void)log, (void)a, (void)f, (void)n;
    return -EHOSTUNREACH;
}

int s3_dfs_adopted(struct s3_dfs *d, struct str group, struct s3_dfs_adopted *ret)
{
    (void)d, (void)group;
    *ret = (struct s3_dfs_adopted){.containers = 3};
    return 0;
}

bool s3_dfs_group(const struct s3_dfs *d, size_t i, struct s3_dfs_group *ret)
{
    (void)d;
    if (i >= ARRAY_LEN(fake_dfs.groups) || !fake_dfs.groups[i].name[0])
        return false;
    *ret = fake_dfs.groups[i];
    return true;
}

int s3_dfs_path_closed(struct s3_dfs *d, struct str group, unsigned path)
{
    (void)d, (void)group, (void)path;
    return fake_dfs.path_closed;
}

bool s3_dfs_has_group(const struct s3_dfs *d, struct str group)
{
    (void)d;
    return str_starts(group, STR("group"));
}

/* One large upload at a time. */
struct s3_upload_file {
    struct s3_upload_file_options o;
    char groups[128];
    uint64_t at;
};

int s3_upload_file_new(struct s3_dfs *d, const struct s3_upload_file_options *o,
                       struct s3_upload_file **ret)
{
    static struct s3_upload_file file;
    (void)d;
    file = (struct s3_upload_file){.o = *o};
    snprintf(file.groups, sizeof(file.groups), STR_F, STR_A(o->groups));
    *ret = &file;
    return fake_dfs.fail;
}

bool s3_upload_file_room(struct s3_upload_file *f, size_t n)
{
    (void)f, (void)n;
    return true;
}

int s3_upload_file_data(struct s3_upload_file *f, struct str piece)
{
    fake_check(piece, f->at);
    f->at += piece.n;
    return 0;
}

void s3_upload_file_settle(struct s3_upload_file *f)
{
    (void)f;
}

void s3_upload_file_finish(struct s3_upload_file **fp)
{
    static const uint8_t md5[16]; /* nobody who is tested with this fake looks at it */
    struct s3_upload_file *f = TAKE(*fp);
    char id[64];
    AUTO(buf_free) struct buf description = BUF(S3_FAKE_DESC_MAX);
    int r = f->at == f->o.size ? f->o.describe(f->o.arg, md5, &description) : -EIO;
    if (r == 0)
        fake_file(str_c(f->groups), buf_str(&description), id);
    f->o.done(f->o.arg, r, r == 0 ? str_c(id) : STR_NULL);
}

void s3_upload_file_abort(struct s3_upload_file **f)
{
    *f = NULL;
}

#endif
