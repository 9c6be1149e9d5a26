/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client - whole operations on files by their id: ask a tracker which storage, then do it there.
 *
 * Errors: what tracker or storage answered, as negative errno; -EINVAL for an id that is none.
 * An upload is tried once (a lost answer may leave a file nobody names); reads are tried again on
 * another server that has the file.
 * Rule:    protocol 5.3 (which query for which command), semantics 20.
 * Threads: any. Blocking.
 */
#ifndef DFS_CLIENT_H
#define DFS_CLIENT_H

#include "dfscore/client/storage_client.h"
#include "dfscore/client/tracker_client.h"

struct dfs_client;

struct dfs_client_opts {
    const struct dfs_addr *trackers;
    size_t n_trackers;
    struct dfs_connpool_opts pool;
};

int dfs_client_new(const struct dfs_client_opts *opts, struct dfs_client **ret);
void dfs_client_free(struct dfs_client **cp);
struct dfs_trackers *dfs_client_trackers(struct dfs_client *c);
struct dfs_connpool *dfs_client_pool(struct dfs_client *c);

/* @group absent: the tracker chooses. */
int dfs_client_upload(struct dfs_client *c, struct str group, bool appender, struct str ext,
                      const struct dfs_content *content, char id[DFS_FILEID_TEXT]) MUST_CHECK;
int dfs_client_upload_slave(struct dfs_client *c, struct str master_id, struct str prefix,
                            struct str ext, const struct dfs_content *content,
                            char id[DFS_FILEID_TEXT]) MUST_CHECK;
/* An empty file gives 0 bytes whether the storage says so or answers EINVAL (protocol 8.7). */
int dfs_client_download(struct dfs_client *c, struct str id, uint64_t off, uint64_t count,
                        int (*sink)(void *arg, struct str piece), void *arg,
                        uint64_t *ret_len) MUST_CHECK;
int dfs_client_delete(struct dfs_client *c, struct str id) MUST_CHECK;
int dfs_client_append(struct dfs_client *c, struct str id,
                      const struct dfs_content *content) MUST_CHECK;
int dfs_client_modify(struct dfs_client *c, struct str id, uint64_t offset,
                      const struct dfs_content *content) MUST_CHECK;
int dfs_client_truncate(struct dfs_client *c, struct str id, uint64_t size) MUST_CHECK;
int dfs_client_regenerate(struct dfs_client *c, struct str id,
                          char new_id[DFS_FILEID_TEXT]) MUST_CHECK;
int dfs_client_get_meta(struct dfs_client *c, struct str id, struct buf *text) MUST_CHECK;
int dfs_client_set_meta(struct dfs_client *c, struct str id, bool merge,
                        struct str text) MUST_CHECK;
int dfs_client_info(struct dfs_client *c, struct str id, uint8_t flags,
                    struct dfs_file_info_rsp *ret) MUST_CHECK;

#endif
