/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage_client - the commands of a storage that clients use, on a connection the caller has.
 *
 * Errors: the storage's status as negative errno with the connection in good order; others break it
 * (dfs_peer_broken). -EINVAL before anything is sent for arguments the protocol cannot carry.
 * Rule:    protocol 8.
 * Threads: the connection's owner. Blocking.
 */
#ifndef DFS_STORAGE_CLIENT_H
#define DFS_STORAGE_CLIENT_H

#include "dfscore/fileid/fileid.h"
#include "dfscore/net/peer.h"
#include "dfscore/wire/messages.h"

/* Bytes to send: from memory, or from a file when fd >= 0. */
struct dfs_content {
    struct str data; /* used when fd < 0 */
    int fd;
    uint64_t off, len;
};
static inline struct dfs_content dfs_content_str(struct str data)
{
    return (struct dfs_content){data, -1, 0, data.n};
}
static inline struct dfs_content dfs_content_fd(int fd, uint64_t off, uint64_t len)
{
    return (struct dfs_content){STR_NULL, fd, off, len};
}

enum { DFS_PATH_ANY = 255 }; /* the storage chooses the store path */

/* @id gets "group/Mxx/..." with a NUL. 11, or 23 for an appender. */
int dfs_storage_upload(struct dfs_peer *p, uint8_t path_index, bool appender, struct str ext,
                       const struct dfs_content *content, char id[DFS_FILEID_TEXT]) MUST_CHECK;
/* 21; @master is a filename without group. */
int dfs_storage_upload_slave(struct dfs_peer *p, struct str master, struct str prefix,
                             struct str ext, const struct dfs_content *content,
                             char id[DFS_FILEID_TEXT]) MUST_CHECK;
int dfs_storage_append(struct dfs_peer *p, struct str filename,
                       const struct dfs_content *content) MUST_CHECK;
int dfs_storage_modify(struct dfs_peer *p, struct str filename, uint64_t offset,
                       const struct dfs_content *content) MUST_CHECK;
int dfs_storage_truncate(struct dfs_peer *p, struct str filename, uint64_t size) MUST_CHECK;
int dfs_storage_delete(struct dfs_peer *p, struct str group, struct str filename) MUST_CHECK;
/* An appender becomes a normal file with a new name. 38 */
int dfs_storage_regenerate(struct dfs_peer *p, struct str filename,
                           char id[DFS_FILEID_TEXT]) MUST_CHECK;

/*
 * Bytes [off, off + count) to @sink, piece by piece; count 0: to the end. A negative answer of the
 * sink stops and is returned (what is left stays unread: the connection will
 * not be pooled). *ret_len: what the storage announced.
 */
int dfs_storage_download(struct dfs_peer *p, struct str group, struct str filename, uint64_t off,
                         uint64_t count, int (*sink)(void *arg, struct str piece), void *arg,
                         uint64_t *ret_len) MUST_CHECK;

/* Metadata as on the wire: name 0x02 value 0x01 name 0x02 value (protocol 4.8). */
int dfs_storage_get_meta(struct dfs_peer *p, struct str group, struct str filename,
                         struct buf *text) MUST_CHECK;
/* @merge: keep other names; else replace all (an empty text removes all). */
int dfs_storage_set_meta(struct dfs_peer *p, struct str group, struct str filename, bool merge,
                         struct str text) MUST_CHECK;

enum { DFS_INFO_NO_CRC = 1, DFS_INFO_SILENT = 2 };
int dfs_storage_info(struct dfs_peer *p, struct str group, struct str filename, uint8_t flags,
                     struct dfs_file_info_rsp *ret) MUST_CHECK;

/* One pair for a metadata text. -EINVAL: longer than the protocol allows, or separators inside. */
int dfs_meta_add(struct buf *text, struct str name, struct str value) MUST_CHECK;
/* Next pair of *rest; false at the end. Records without a separator are skipped. */
bool dfs_meta_next(struct str *rest, struct str *name, struct str *value);

#endif
