/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ids - storage_ids.conf: numbers of storage servers, their groups and addresses.
 *
 * Rule:    semantics 15; protocol 5.11 and 6.12 (the lines on the wire), 3.2 (two addresses).
 * Threads: constant after parsing; any thread.
 */
#ifndef TRK_IDS_H
#define TRK_IDS_H

#include "dfscore/wire/messages.h"

enum { TRK_IDS_MAX = DFS_GROUPS_MAX * DFS_SERVERS_MAX, TRK_ID_NUMBER_MAX = 16777215 };

struct trk_id {
    char id[DFS_ID_MAX]; /* decimal, 1..TRK_ID_NUMBER_MAX */
    char group[DFS_ID_MAX + 1];
    char ip[2][DFS_IP_MAX]; /* inner first; ip[1] "" when there is one */
    uint16_t port;
    uint8_t rw_mode; /* DFS_RW_* */
};

struct trk_ids {
    struct trk_id *v; /* owned; sorted by id as text */
    size_t n;
};

/* The numeric address of @host. 0 or negative errno. */
typedef int trk_look_up_fn(const char *host, char ip[DFS_IP_MAX]);

/*
 * Parse the text of a file. 0; -EINVAL, -EEXIST (id or address twice), -ENOMEM, with one line for a
 * human in @err: "storage_ids.conf:3: ...". @look_up is asked for what is no address; NULL: an error.
 */
int trk_ids_parse(struct str text, const char *name, trk_look_up_fn *look_up, struct trk_ids *ret,
                  struct buf *err) MUST_CHECK;
/* The same for a file. Host names are looked up, now and once (an IPv4 address of theirs, if there is one), which may take
 * as long as the system's resolver does. */
int trk_ids_load(const char *path, struct trk_ids *ret, struct buf *err) MUST_CHECK;
void trk_ids_fini(struct trk_ids *ids);

const struct trk_id *trk_ids_find(const struct trk_ids *ids, const char *id);
/* @group NULL: any group. @port 0: any port. */
const struct trk_id *trk_ids_find_ip(const struct trk_ids *ids, const char *group, const char *ip,
                                     uint16_t port);
/* True when any entry has an IPv6 address: then answers are wide by default (protocol 3.1). */
bool trk_ids_any_ipv6(const struct trk_ids *ids);
/* The line of 6.12, with its newline. */
void trk_id_line(const struct trk_id *id, struct buf *out);

#endif
