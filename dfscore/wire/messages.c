/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/wire/messages.h"

static void put_text(struct buf *b, const char *text, size_t width, size_t longest)
{
    static const char zeros[64];
    size_t n = strnlen(text, width + 1);
    ASSERT(n <= longest && width <= sizeof(zeros));
    buf_add(b, text, n);
    buf_add(b, zeros, width - n);
}

static void read_text(struct rd *r, char *out, size_t width, bool need_nul)
{
    struct str s = rd_bytes(r, width);
    size_t n = s.n ? strnlen(s.p, s.n) : 0;
    if (need_nul && n == width)
        r->bad = true;
    memcpy(out, s.p, n);
    out[n] = '\0';
}

static uint64_t read_len(struct rd *r)
{
    uint64_t v = rd_u64(r);
    if (v > INT64_MAX)
        r->bad = true;
    return v;
}

#define PUT_TEXT(f, n)   put_text(b, m->f, (n), (n));
#define PUT_TEXTZ(f, n)  put_text(b, m->f, (n), (n)-1);
#define PUT_U8(f)        buf_u8(b, m->f);
#define PUT_I32(f)       buf_u32(b, (uint32_t)m->f);
#define PUT_U32(f)       buf_u32(b, m->f);
#define PUT_I64(f)       buf_u64(b, (uint64_t)m->f);
#define PUT_LEN(f)       buf_u64(b, m->f);
#define PUT_IPRESP(f)    put_text(b, m->f, (size_t)w - 1, (size_t)w - 1);
#define PUT_IPFULL(f)    put_text(b, m->f, (size_t)w, (size_t)w - 1);
#define PUT_REC(f, r, R) dfs_##r##_put(b, &m->f);
#define PUT(kind, ...)   PUT_##kind(__VA_ARGS__)

#define READ_TEXT(f, n)     read_text(r, m->f, (n), false);
#define READ_TEXTZ(f, n)    read_text(r, m->f, (n), true);
#define READ_U8(f)          m->f = rd_u8(r);
#define READ_I32(f)         m->f = (int32_t)rd_u32(r);
#define READ_U32(f)         m->f = rd_u32(r);
#define READ_I64(f)         m->f = (int64_t)rd_u64(r);
#define READ_LEN(f)         m->f = read_len(r);
#define READ_IPRESP(f)      read_text(r, m->f, (size_t)w - 1, false);
#define READ_IPFULL(f)      read_text(r, m->f, (size_t)w, true);
#define READ_REC(f, rec, R) dfs_##rec##_read(r, &m->f);
#define READ(kind, ...)     READ_##kind(__VA_ARGS__)

/* Decode into a local first: *ret is untouched on failure. */
#define DEFINE(m_, M)                                                                              \
    void dfs_##m_##_put(struct buf *b, const struct dfs_##m_ *m)                                   \
    {                                                                                              \
        DFS_MSG_##M(PUT)                                                                           \
    }                                                                                              \
    void dfs_##m_##_read(struct rd *r, struct dfs_##m_ *m)                                         \
    {                                                                                              \
        DFS_MSG_##M(READ)                                                                          \
    }                                                                                              \
    int dfs_##m_##_head(struct str body, struct dfs_##m_ *ret, struct str *tail)                   \
    {                                                                                              \
        struct rd r = rd_of(body);                                                                 \
        struct dfs_##m_ m;                                                                         \
        dfs_##m_##_read(&r, &m);                                                                   \
        if (r.bad)                                                                                 \
            return -EINVAL;                                                                        \
        *ret = m;                                                                                  \
        *tail = rd_bytes(&r, r.n);                                                                 \
        return 0;                                                                                  \
    }                                                                                              \
    int dfs_##m_##_get(struct str body, struct dfs_##m_ *ret)                                      \
    {                                                                                              \
        struct str tail;                                                                           \
        return body.n == DFS_##M##_LEN ? dfs_##m_##_head(body, ret, &tail) : -EINVAL;              \
    }

#define DEFINE_BY_WIDTH(m_, M)                                                                     \
    void dfs_##m_##_put(struct buf *b, enum dfs_ipw w, const struct dfs_##m_ *m)                   \
    {                                                                                              \
        DFS_MSG_##M(PUT)                                                                           \
    }                                                                                              \
    void dfs_##m_##_read(struct rd *r, enum dfs_ipw w, struct dfs_##m_ *m)                         \
    {                                                                                              \
        DFS_MSG_##M(READ)                                                                          \
    }                                                                                              \
    int dfs_##m_##_head(struct str body, enum dfs_ipw w, struct dfs_##m_ *ret, struct str *tail)   \
    {                                                                                              \
        struct rd r = rd_of(body);                                                                 \
        struct dfs_##m_ m;                                                                         \
        dfs_##m_##_read(&r, w, &m);                                                                \
        if (r.bad)                                                                                 \
            return -EINVAL;                                                                        \
        *ret = m;                                                                                  \
        *tail = rd_bytes(&r, r.n);                                                                 \
        return 0;                                                                                  \
    }                                                                                              \
    int dfs_##m_##_get(struct str body, struct dfs_##m_ *ret)                                      \
    {                                                                                              \
        struct str tail;                                                                           \
        if (body.n == DFS_##M##_LEN4)                                                              \
            return dfs_##m_##_head(body, DFS_IPW4, ret, &tail);                                    \
        if (body.n == DFS_##M##_LEN6)                                                              \
            return dfs_##m_##_head(body, DFS_IPW6, ret, &tail);                                    \
        return -EINVAL;                                                                            \
    }

DFS_MESSAGES(DEFINE)
DFS_MESSAGES_BY_WIDTH(DEFINE_BY_WIDTH)

int dfs_text_set(char *field, size_t cap, struct str v)
{
    if (v.n >= cap)
        return -ENAMETOOLONG;
    if (v.n)
        memcpy(field, v.p, v.n);
    memset(field + v.n, 0, cap - v.n);
    return 0;
}

bool dfs_server_left(uint8_t status)
{
    return status == DFS_ST_DELETED || status == DFS_ST_IP_CHANGED;
}

const char *dfs_server_status_name(uint8_t status)
{
    switch ((enum dfs_server_status)status) {
    case DFS_ST_INIT:
        return "INIT";
    case DFS_ST_WAIT_SYNC:
        return "WAIT_SYNC";
    case DFS_ST_SYNCING:
        return "SYNCING";
    case DFS_ST_IP_CHANGED:
        return "IP_CHANGED";
    case DFS_ST_DELETED:
        return "DELETED";
    case DFS_ST_OFFLINE:
        return "OFFLINE";
    case DFS_ST_ONLINE:
        return "ONLINE";
    case DFS_ST_ACTIVE:
        return "ACTIVE";
    case DFS_ST_RECOVERY:
        return "RECOVERY";
    case DFS_ST_NONE:
        return "NONE";
    }
    return "?";
}
