/* SPDX-License-Identifier: Apache-2.0 */
/* The internal commands, one function each; layouts in dfscore/wire/internal.h. */
#include <fcntl.h>

#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/status.h"
#include "storage/disk/io.h"
#include "storage/service/elsewhere.h"
#include "storage/service/internal_priv.h"
#include "storage/service/logs.h"
#include "storage/trunk/check.h"
#include "storage/trunk/kept.h"

enum { SMALL_BODY = 512, GROUP_WIDTH = 16, ID_WIDTH = 16, ITEM_LEAST = 1 + STO_EXT_MAX + 4 + 4 };

static void add_padded(struct buf *out, const char *z, size_t width)
{
    char field[GROUP_WIDTH] = "";
    ASSERT(width <= sizeof(field));
    memcpy(field, z, strnlen(z, width));
    buf_add(out, field, width);
}

static void add_lstr16(struct buf *out, struct str s)
{
    buf_u16(out, (uint16_t)s.n);
    buf_adds(out, s);
}

static void add_id(struct sto_int_call *c, const char *name)
{
    char id[DFS_FILE_ID_MAX + 1];
    size_t n = *name ? sto_store_id_of(c->store, str_c(name), id) : 0;
    add_lstr16(c->out, str_of(id, n));
}

/* A NUL-padded extension. False when it can be none. */
static bool read_ext(struct rd *in, char out[STO_EXT_MAX + 1])
{
    struct str s = rd_bytes(in, STO_EXT_MAX);
    if (in->bad)
        return false;
    memcpy(out, s.p, STO_EXT_MAX);
    out[STO_EXT_MAX] = '\0';
    return dfs_ext_ok(str_c(out));
}

static bool whole(const struct rd *in)
{
    return !in->bad && in->n == 0;
}

static int call_hello(struct sto_int_call *c)
{
    uint32_t version = rd_u32(&c->in);
    uint64_t id = rd_u64(&c->in);
    if (!whole(&c->in) || *c->session)
        return -EINVAL;
    if (version != DFS_INTERNAL_VERSION)
        return -EPROTO;
    int r = sto_session_join(c->sessions, id, c->session);
    if (r < 0)
        return r;
    buf_u32(c->out, DFS_INTERNAL_VERSION);
    add_padded(c->out, sto_store_group(c->store), GROUP_WIDTH);
    add_padded(c->out, sto_store_server(c->store), ID_WIDTH);
    /* 256 paths do not fit a byte; the last would not be used (protocol 8: signed bytes anyway). */
    buf_u8(c->out, (uint8_t)MIN(sto_store_path_count(c->store), 255u));
    buf_u64(c->out, sto_store_boot_id(c->store));
    buf_u32(c->out, c->copies ? DFS_HELLO_COPIES : 0);
    return 0;
}

static int read_puts(struct rd *in, struct sto_put *puts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct sto_put *p = &puts[i];
        p->kind = rd_u8(in);
        p->flags = 0;
        bool ext_ok = read_ext(in, p->ext);
        uint32_t desc = rd_u32(in), data = rd_u32(in);
        p->desc = rd_bytes(in, desc);
        p->data = rd_bytes(in, data);
        if (in->bad || !ext_ok)
            return -EINVAL;
    }
    return whole(in) ? 0 : -EINVAL;
}

static int call_put_batch(struct sto_int_call *c)
{
    uint32_t count = rd_u32(&c->in);
    if (c->in.bad || count > DFS_BATCH_ITEMS_MAX || count > c->in.n / ITEM_LEAST)
        return -EINVAL;
    AUTO(dfs_free_ptr) struct sto_put *puts = dfs_alloc(count * sizeof(*puts));
    if (!puts)
        return -ENOMEM;
    int r = read_puts(&c->in, puts, count);
    if (r == 0)
        r = sto_put_batch(c->store, -1, puts, count);
    if (r < 0)
        return r;
    buf_u32(c->out, count);
    for (uint32_t i = 0; i < count; i++) {
        buf_u8(c->out, dfs_status_byte(puts[i].result));
        add_id(c, puts[i].name);
    }
    return 0;
}

static int call_file_open(struct sto_int_call *c)
{
    uint64_t expected = rd_u64(&c->in);
    if (!whole(&c->in))
        return -EINVAL;
    struct sto_file *f;
    int r = sto_file_open(c->store, -1, expected, 0, &f);
    if (r < 0)
        return r;
    /* A descriptor of its own: another connection of the session may drop the file at any moment. */
    int fd = sto_file_fd(f), path = (int)sto_file_path(f);
    uint64_t token;
    if (!c->tcp) {
        c->fd = sto_internal_dup(fd);
        if (c->fd < 0) {
            sto_file_free(&f);
            return c->fd;
        }
        c->fd_owned = true;
    }
    r = sto_session_add(c->sessions, *c->session, f, &token);
    if (r < 0)
        return r;
    buf_u64(c->out, token);
    buf_u8(c->out, (uint8_t)path);
    return 0;
}

static int call_file_commit(struct sto_int_call *c)
{
    uint64_t token = rd_u64(&c->in);
    struct sto_commit commit = {.size = rd_u64(&c->in), .crc32 = rd_u32(&c->in)};
    bool ext_ok = read_ext(&c->in, commit.ext);
    uint32_t desc = rd_u32(&c->in);
    commit.desc = rd_bytes(&c->in, desc);
    if (!whole(&c->in) || !ext_ok)
        return -EINVAL;
    struct sto_file *f = sto_session_take(c->sessions, *c->session, token);
    if (!f)
        return -EBADF;
    char name[STO_NAME_MAX + 1];
    int r = sto_file_commit(&f, &commit, name);
    if (r == 0)
        add_id(c, name);
    return r;
}

static int call_file_abort(struct sto_int_call *c)
{
    uint64_t token = rd_u64(&c->in);
    if (!whole(&c->in))
        return -EINVAL;
    struct sto_file *f = sto_session_take(c->sessions, *c->session, token);
    sto_file_free(&f);
    return 0;
}

/* The file whose id is the rest of the body; its name, if it has moved, into @now. One that is found damaged is looked
 * after. */
static int open_named(struct sto_int_call *c, struct str *name, char now[STO_NAME_MAX + 1],
                      struct sto_view *v)
{
    int r = sto_store_name_of(c->store, rd_bytes(&c->in, c->in.n), name);
    if (r < 0)
        return r;
    r = sto_open_read(c->store, *name, v);
    if (r == -EREMOTE && now && sto_elsewhere_here(c->store, *name, now) == 0) {
        *name = str_c(now);
        r = sto_open_read(c->store, *name, v);
    }
    if (sto_read_says_damaged(r))
        sto_repair_suspect(c->repair, *name, STO_SUSPECT_BAD);
    return r;
}

static int call_file_get(struct sto_int_call *c)
{
    struct str name;
    struct sto_view v;
    if (c->tcp)
        return -EOPNOTSUPP;
    int r = open_named(c, &name, NULL, &v);
    if (r < 0)
        return r; /* -EREMOTE, too: a descriptor would be kept, and what it shows grow old */
    c->fd = v.fd;
    c->fd_owned = true;
    buf_u64(c->out, v.offset);
    buf_u64(c->out, v.size);
    return 0;
}

/*
 * Content that could not be written through a descriptor. While a piece is on its way to the disk the
 * token is nobody else's: an upload's pieces come one after the other.
 */
static int call_file_write(struct sto_int_call *c)
{
    uint64_t token = rd_u64(&c->in), at = rd_u64(&c->in);
    uint32_t crc = rd_u32(&c->in);
    if (c->in.bad || c->in.n > DFS_PIECE_MAX || at > INT64_MAX - DFS_PIECE_MAX)
        return -EINVAL;
    struct str piece = rd_bytes(&c->in, c->in.n);
    if (sto_crc32(0, piece.p, piece.n) != crc)
        return -EBADMSG;
    struct sto_file *f = sto_session_take(c->sessions, *c->session, token);
    if (!f)
        return -EBADF;
    int r = sto_file_write(f, piece.p, piece.n, at);
    if (r == 0) /* start writing to disk early; a hint: its result is the sync's business */
        (void)sync_file_range(sto_file_fd(f), (off_t)at, (off_t)piece.n, SYNC_FILE_RANGE_WRITE);
    int back = sto_session_put_back(c->sessions, *c->session, f, token);
    return r < 0 ? r : back;
}

/* A range of a file that has moved: all of it must be there. */
static int open_elsewhere(struct sto_int_call *c, struct str name, uint64_t at, uint32_t n,
                          struct sto_view *v)
{
    *v = (struct sto_view){.fd = -1};
    int r = sto_elsewhere_fetch(c->store, c->cluster, name, at, MAX(n, 1u), &v->fd, &v->size);
    if (r == 0 && v->size < n) {
        dfs_close_fd(&v->fd);
        return -ERANGE;
    }
    return r == -EINVAL ? -ERANGE : r;
}

static int call_file_read(struct sto_int_call *c)
{
    uint64_t at = rd_u64(&c->in);
    uint32_t n = rd_u32(&c->in);
    char now[STO_NAME_MAX + 1];
    struct str name;
    struct sto_view v;
    if (c->in.bad || n > DFS_PIECE_MAX)
        return -EINVAL;
    int r = open_named(c, &name, now, &v);
    bool moved = r == -EREMOTE;
    if (moved)
        r = open_elsewhere(c, name, at, n, &v);
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = v.fd;
    at = moved ? 0 : at;
    if (at > v.size || n > v.size - at)
        return -ERANGE;
    char *to = buf_room(c->out, (size_t)n + 1);
    if (!to)
        return buf_err(c->out);
    ssize_t got = sto_read_all(&sto_io_os, fd, to, n, (off_t)(v.offset + at));
    r = got < 0 ? (int)got : (size_t)got < n ? -EIO : 0;
    if (r == 0 && at == 0 && n == v.size && v.told)
        r = sto_bytes_are(name, to, n);
    if (r == 0)
        buf_used(c->out, n);
    else if (sto_read_says_damaged(r))
        sto_repair_suspect(c->repair, name, STO_SUSPECT_BAD);
    return r;
}

static int call_file_suspect(struct sto_int_call *c)
{
    struct str name;
    uint8_t missing = rd_u8(&c->in);
    if (c->in.bad || missing > 1)
        return -EINVAL;
    int r = sto_store_name_of(c->store, rd_bytes(&c->in, c->in.n), &name);
    if (r == 0)
        sto_repair_suspect(c->repair, name, missing ? STO_SUSPECT_MISSING : STO_SUSPECT_BAD);
    return r;
}

/* Our "no such file" about these is believed (s3gw/dfs/delete.c). */
static bool made_here(const struct sto_store *s, struct str name)
{
    struct dfs_fileid f;
    char source[16];
    if (dfs_filename_parse(name, &f) < 0)
        return false;
    dfs_fileid_source_text(&f, source);
    return strcmp(source, sto_store_server(s)) == 0;
}

static int call_repair_state(struct sto_int_call *c)
{
    if (!whole(&c->in))
        return -EINVAL;
    sto_repair_state_put(c->repair, c->scrub, c->out);
    return 0;
}

static int call_delete_batch(struct sto_int_call *c)
{
    uint32_t count = rd_u32(&c->in);
    if (c->in.bad || count > DFS_BATCH_ITEMS_MAX || count > c->in.n / 2)
        return -EINVAL;
    AUTO(dfs_free_ptr) struct str *names = dfs_alloc(count * sizeof(*names));
    AUTO(dfs_free_ptr) int *results = dfs_alloc(count * sizeof(*results));
    if (!names || !results)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct str id = rd_bytes(&c->in, rd_u16(&c->in));
        if (c->in.bad)
            return -EINVAL;
        if (sto_store_name_of(c->store, id, &names[i]) < 0)
            names[i] = STR(""); /* no file can have it: that item fails, not the batch */
    }
    if (!whole(&c->in))
        return -EINVAL;
    int r = sto_delete_batch(c->store, names, count, results);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < count; i++)
        if (results[i] == -EREMOTE)
            results[i] = sto_elsewhere_remove(c->store, c->cluster, names[i]);
    for (uint32_t i = 0; i < count; i++)
        if (results[i] == -ENOENT && made_here(c->store, names[i]))
            sto_repair_suspect(c->repair, names[i], STO_SUSPECT_UNDELETED);
    buf_u32(c->out, count);
    for (uint32_t i = 0; i < count; i++)
        buf_u8(c->out, dfs_status_byte(results[i]));
    return 0;
}

struct scan_answer {
    struct sto_int_call *call;
    uint32_t count, max;
};

static int add_entry(const struct sto_entry *e, void *arg)
{
    struct scan_answer *a = arg;
    struct buf *out = a->call->out;
    char file[STO_NAME_MAX + 1];
    if (sto_kept_parse(e->name, file))
        return 0; /* no file of its own */
    if (a->count == a->max || (a->count > 0 && out->n + e->desc.n > STO_INT_SCAN_BYTES))
        return 1;
    buf_u8(out, e->kind);
    buf_u64(out, e->position);
    buf_u32(out, e->time_s);
    if (e->name.n) {
        char id[DFS_FILE_ID_MAX + 1];
        size_t n = sto_store_id_of(a->call->store, e->name, id);
        add_lstr16(out, str_of(id, MIN(n, (size_t)DFS_FILE_ID_MAX)));
    } else {
        buf_u16(out, 0);
    }
    buf_u32(out, (uint32_t)e->desc.n);
    buf_adds(out, e->desc);
    a->count++;
    return buf_err(out);
}

static void put_be(char *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (char)(v >> (8 * (bytes - 1 - i)));
}

/* @named: the body says of which log; else it is our own. */
static int scan(struct sto_int_call *c, bool named)
{
    unsigned path = rd_u8(&c->in);
    struct str id = rd_bytes(&c->in, named ? STO_LOG_ID_LEN : 0);
    uint64_t position = rd_u64(&c->in);
    struct scan_answer a = {c, 0, rd_u32(&c->in)};
    unsigned flags = rd_u8(&c->in);
    if (!whole(&c->in) || path >= sto_store_path_count(c->store) || flags > 1 || a.max == 0)
        return -EINVAL;
    if (named && !c->mirrors)
        return -EOPNOTSUPP;
    size_t head = c->out->n;
    buf_u64(c->out, 0); /* next, end and count are known afterwards */
    buf_u8(c->out, 0);
    buf_u32(c->out, 0);
    struct sto_scan s;
    flags = flags & 1 ? STO_SCAN_NO_DESC : 0;
    int r =
        named ? sto_logs_scan(c->mirrors, c->store, path, (const uint8_t *)id.p, position, flags,
                              add_entry, &a, &s)
              : sto_scan(c->store, path, position, flags, STO_INT_SCAN_RECORDS, add_entry, &a, &s);
    if (r < 0 || buf_err(c->out))
        return r < 0 ? r : buf_err(c->out);
    put_be(c->out->p + head, s.next, 8);
    put_be(c->out->p + head + 8, s.at_end, 1);
    put_be(c->out->p + head + 9, a.count, 4);
    return 0;
}

static int call_scan(struct sto_int_call *c)
{
    return scan(c, false);
}

static int call_scan_log(struct sto_int_call *c)
{
    return scan(c, true);
}

static int call_logs(struct sto_int_call *c)
{
    unsigned path = rd_u8(&c->in);
    if (!whole(&c->in) || path >= sto_store_path_count(c->store))
        return -EINVAL;
    return c->mirrors ? sto_logs_list(c->mirrors, path, c->out) : -EOPNOTSUPP;
}

static int call_paths(struct sto_int_call *c)
{
    if (!whole(&c->in))
        return -EINVAL;
    sto_paths_put(c->store, c->out);
    return 0;
}

static int call_stat(struct sto_int_call *c)
{
    if (!whole(&c->in))
        return -EINVAL;
    unsigned count = MIN(sto_store_path_count(c->store), 255u);
    buf_u8(c->out, (uint8_t)count);
    for (unsigned i = 0; i < count; i++) {
        struct sto_path_stat st;
        int r = sto_store_stat(c->store, i, &st);
        if (r < 0)
            return r;
        buf_u64(c->out, st.total);
        buf_u64(c->out, st.free);
        buf_u64(c->out, st.log_end);
    }
    return 0;
}

/* One item of FILES_INFO; a file that is not here is no failure of the call. */
static void add_info(struct sto_int_call *c, struct str id)
{
    struct str name;
    struct sto_info info = {0};
    AUTO(buf_free) struct buf meta = BUF(DFS_INFO_META_MAX);
    int r = sto_store_name_of(c->store, id, &name);
    if (r == 0)
        r = sto_info(c->store, name, false, &info);
    int m = r == 0 ? sto_meta_get(c->store, name, &meta) : 0;
    if (m < 0 && m != -ENOENT && m != -E2BIG)
        r = m;
    if (r == -EREMOTE) {
        r = sto_elsewhere_look(c->store, c->cluster, name, &info, &meta);
        m = r;
    }
    if (r < 0)
        info = (struct sto_info){0};
    struct str text = r < 0 || m < 0 ? STR_NULL : buf_str(&meta);
    buf_u8(c->out, dfs_status_byte(r));
    buf_u64(c->out, info.size);
    buf_u64(c->out, (uint64_t)info.mtime_s);
    buf_u32(c->out, (uint32_t)text.n);
    buf_adds(c->out, text);
}

static int call_files_info(struct sto_int_call *c)
{
    uint32_t count = rd_u32(&c->in);
    if (c->in.bad || count > DFS_INFO_ITEMS_MAX)
        return -EINVAL;
    buf_u32(c->out, count);
    for (uint32_t i = 0; i < count; i++) {
        struct str id = rd_bytes(&c->in, rd_u16(&c->in));
        if (c->in.bad)
            return -EINVAL;
        add_info(c, id);
    }
    return whole(&c->in) ? 0 : -EINVAL;
}

static int call_adopted(struct sto_int_call *c)
{
    unsigned path = rd_u8(&c->in);
    struct sto_adopted a;
    if (!whole(&c->in) || path >= sto_store_path_count(c->store))
        return -EINVAL;
    int r = sto_store_adopted(c->store, path, &a);
    if (r < 0)
        return r;
    buf_u64(c->out, a.files);
    buf_u64(c->out, a.containers);
    buf_u64(c->out, a.skipped);
    return 0;
}

static const struct {
    uint8_t cmd;
    size_t body_max;
    int (*call)(struct sto_int_call *c);
    bool writes; /* answered when the members that must have it do (storage/sync/copies.h) */
} commands[] = {
    {DFS_INT_HELLO, SMALL_BODY, call_hello, false},
    {DFS_INT_PUT_BATCH, DFS_BATCH_BYTES_MAX, call_put_batch, true},
    {DFS_INT_FILE_OPEN, SMALL_BODY, call_file_open, false},
    {DFS_INT_FILE_COMMIT, DFS_DESC_MAX + SMALL_BODY, call_file_commit, true},
    {DFS_INT_FILE_ABORT, SMALL_BODY, call_file_abort, false},
    {DFS_INT_FILE_GET, SMALL_BODY, call_file_get, false},
    {DFS_INT_FILE_WRITE, DFS_PIECE_MAX + SMALL_BODY, call_file_write, false},
    {DFS_INT_FILE_READ, SMALL_BODY, call_file_read, false},
    {DFS_INT_FILE_SUSPECT, SMALL_BODY, call_file_suspect, false},
    {DFS_INT_REPAIR_STATE, SMALL_BODY, call_repair_state, false},
    {DFS_INT_DELETE_BATCH, DFS_BATCH_ITEMS_MAX *(DFS_FILE_ID_MAX + 2) + 4, call_delete_batch, true},
    {DFS_INT_SCAN, SMALL_BODY, call_scan, false},
    {DFS_INT_SCAN_LOG, SMALL_BODY, call_scan_log, false},
    {DFS_INT_SYNC_LOGS, SMALL_BODY, call_logs, false},
    {DFS_INT_STAT, SMALL_BODY, call_stat, false},
    {DFS_INT_PATHS, SMALL_BODY, call_paths, false},
    {DFS_INT_FILES_INFO, DFS_INFO_ITEMS_MAX *(DFS_FILE_ID_MAX + 2) + 4, call_files_info, false},
    {DFS_INT_ADOPTED, SMALL_BODY, call_adopted, false},
};

size_t sto_internal_body_max(uint8_t cmd)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (commands[i].cmd == cmd)
            return commands[i].body_max;
    return 0;
}

int sto_internal_call(uint8_t cmd, struct sto_int_call *c)
{
    if (cmd != DFS_INT_HELLO && !*c->session)
        return -EACCES;
    size_t i = 0;
    while (i < ARRAY_LEN(commands) && commands[i].cmd != cmd)
        i++;
    if (i == ARRAY_LEN(commands))
        return -EOPNOTSUPP;
    bool copies = commands[i].writes && c->copies;
    int r = copies ? sto_copies_ready(c->copies, c->asked) : 0;
    if (r == 0)
        r = commands[i].call(c);
    if (r < 0)
        sto_store_suspect(c->store, -1, r);
    if (r == 0 && copies)
        r = sto_copies_settle(c->copies, c->asked);
    return r < 0 ? r : buf_err(c->out);
}
