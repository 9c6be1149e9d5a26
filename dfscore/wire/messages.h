/* SPDX-License-Identifier: Apache-2.0 */
/*
 * messages - struct, length, encoder and decoder of every body, expanded from messages.def.
 *
 * For a message join_req:
 *   struct dfs_join_req                        fields as in the rows, texts NUL-terminated
 *   DFS_JOIN_REQ_LEN                           bytes on the wire
 *   void dfs_join_req_put(struct buf *b, const struct dfs_join_req *m);
 *   void dfs_join_req_read(struct rd *r, struct dfs_join_req *m);   too short or bad: r->bad sticks
 *   int  dfs_join_req_get(struct str body, struct dfs_join_req *ret);   exactly this length, else -EINVAL
 *   int  dfs_join_req_head(struct str body, struct dfs_join_req *ret, struct str *tail);
 *                                              this length or longer; *tail is what follows
 * For a message whose length depends on the address width (query_store_rsp):
 *   DFS_QUERY_STORE_RSP_LEN4, DFS_QUERY_STORE_RSP_LEN6
 *   put, read and head take the width; get finds it from the length.
 *
 * Encoding: a text longer than its field is a bug of ours (ASSERT); padding is always zero.
 * Decoding: text ends at the first NUL or at the field's end, what follows the NUL is ignored
 * (FastDFS leaves garbage there). Nothing is checked but lengths, required NULs and the sign of LEN.
 *
 * Rule:    protocol 1, 3, 4 to 8.
 * Threads: no state.
 */
#ifndef DFS_MESSAGES_H
#define DFS_MESSAGES_H

#include "dfscore/base/buf.h"
#include "dfscore/wire/messages.def"

/* Width of addresses in a tracker's or storage's answers. */
enum dfs_ipw {
    DFS_IPW4 = 16,
    DFS_IPW6 = 46,
};

/* States of a storage server, protocol 4.7. */
enum dfs_server_status {
    DFS_ST_INIT = 0,
    DFS_ST_WAIT_SYNC = 1,
    DFS_ST_SYNCING = 2,
    DFS_ST_IP_CHANGED = 3,
    DFS_ST_DELETED = 4,
    DFS_ST_OFFLINE = 5,
    DFS_ST_ONLINE = 6,
    DFS_ST_ACTIVE = 7,
    DFS_ST_RECOVERY = 9,
    DFS_ST_NONE = 99,
};

/* Bits of a change notice, protocol 6.4. */
enum {
    DFS_NOTICE_LEADER = 1,
    DFS_NOTICE_TRUNK_SERVER = 2,
    DFS_NOTICE_MEMBERS = 4,
};

enum {
    DFS_RW_NONE = 0,
    DFS_RW_WRITE = 2,
    DFS_RW_READ = 4,
    DFS_RW_BOTH = 6,
};

enum {
    DFS_ID_MAX = 16, /* storage id on the wire; text at most 15 */
    DFS_IP_MAX = 46,
    DFS_HOST_MAX = 52, /* "ip:port" */
    DFS_VERSION_MAX = 8,
    DFS_META_NAME_MAX = 64,
    DFS_META_VALUE_MAX = 256,
    DFS_GROUPS_MAX = 512,
    DFS_SERVERS_MAX = 32, /* of a group */
    DFS_TRACKERS_MAX = 16,
    DFS_PATHS_MAX = 256,
    DFS_FETCH_REQ_MIN = 38, /* 102, 103, 105: body bytes */
    DFS_FETCH_REQ_MAX = 143,
};

/* The protocol version we speak and report. */
#define DFS_PROTOCOL_VERSION "6.16.1"

#define DFS_FIELD_TEXT(name, n)   char name[(n) + 1];
#define DFS_FIELD_TEXTZ(name, n)  char name[(n) + 1];
#define DFS_FIELD_U8(name)        uint8_t name;
#define DFS_FIELD_I32(name)       int32_t name;
#define DFS_FIELD_U32(name)       uint32_t name;
#define DFS_FIELD_I64(name)       int64_t name;
#define DFS_FIELD_LEN(name)       uint64_t name;
#define DFS_FIELD_IPRESP(name)    char name[DFS_IP_MAX];
#define DFS_FIELD_IPFULL(name)    char name[DFS_IP_MAX + 1];
#define DFS_FIELD_REC(name, r, R) struct dfs_##r name;
#define DFS_FIELD(kind, ...)      DFS_FIELD_##kind(__VA_ARGS__)

/* Lengths: the address width is the variable of the enclosing macro. */
#define DFS_SIZE_TEXT(name, n)   +(n)
#define DFS_SIZE_TEXTZ(name, n)  +(n)
#define DFS_SIZE_U8(name)        +1
#define DFS_SIZE_I32(name)       +4
#define DFS_SIZE_U32(name)       +4
#define DFS_SIZE_I64(name)       +8
#define DFS_SIZE_LEN(name)       +8
#define DFS_SIZE_REC(name, r, R) +DFS_##R##_LEN
#define DFS_SIZE_IPRESP(name)    +15
#define DFS_SIZE_IPFULL(name)    +16
#define DFS_SIZE(kind, ...)      DFS_SIZE_##kind(__VA_ARGS__)
#define DFS_WIDER_TEXT(...)      +0
#define DFS_WIDER_TEXTZ(...)     +0
#define DFS_WIDER_U8(...)        +0
#define DFS_WIDER_I32(...)       +0
#define DFS_WIDER_U32(...)       +0
#define DFS_WIDER_I64(...)       +0
#define DFS_WIDER_LEN(...)       +0
#define DFS_WIDER_REC(...)       +0
#define DFS_WIDER_IPRESP(...)    +30
#define DFS_WIDER_IPFULL(...)    +30
#define DFS_WIDER(kind, ...)     DFS_WIDER_##kind(__VA_ARGS__)

#define DFS_DECLARE(m, M)                                                                          \
    struct dfs_##m {                                                                               \
        DFS_MSG_##M(DFS_FIELD)                                                                     \
    };                                                                                             \
    enum { DFS_##M##_LEN = 0 DFS_MSG_##M(DFS_SIZE) };                                              \
    void dfs_##m##_put(struct buf *b, const struct dfs_##m *m);                                    \
    void dfs_##m##_read(struct rd *r, struct dfs_##m *m);                                          \
    int dfs_##m##_get(struct str body, struct dfs_##m *ret) MUST_CHECK;                            \
    int dfs_##m##_head(struct str body, struct dfs_##m *ret, struct str *tail) MUST_CHECK;

#define DFS_DECLARE_BY_WIDTH(m, M)                                                                 \
    struct dfs_##m {                                                                               \
        DFS_MSG_##M(DFS_FIELD)                                                                     \
    };                                                                                             \
    enum {                                                                                         \
        DFS_##M##_LEN4 = 0 DFS_MSG_##M(DFS_SIZE),                                                  \
        DFS_##M##_LEN6 = DFS_##M##_LEN4 DFS_MSG_##M(DFS_WIDER),                                    \
    };                                                                                             \
    void dfs_##m##_put(struct buf *b, enum dfs_ipw w, const struct dfs_##m *m);                    \
    void dfs_##m##_read(struct rd *r, enum dfs_ipw w, struct dfs_##m *m);                          \
    int dfs_##m##_get(struct str body, struct dfs_##m *ret) MUST_CHECK;                            \
    int dfs_##m##_head(struct str body, enum dfs_ipw w, struct dfs_##m *ret, struct str *tail)     \
        MUST_CHECK;

DFS_MESSAGES(DFS_DECLARE)
DFS_MESSAGES_BY_WIDTH(DFS_DECLARE_BY_WIDTH)

/* Set a text field from a view; -ENAMETOOLONG when it does not fit (@cap is sizeof field). */
int dfs_text_set(char *field, size_t cap, struct str v) MUST_CHECK;
/* "ACTIVE"; "?" for a number that is no status. */
const char *dfs_server_status_name(uint8_t status);
/* Of a server that has left the group for good: nobody waits for it. */
bool dfs_server_left(uint8_t status);

#endif
