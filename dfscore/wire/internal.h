/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - our own commands between a gateway and a storage, beside FastDFS's.
 *
 * They travel in FastDFS frames (10-byte header: body length i64 BE, command, status; answers are
 * command 100) over connections that are trusted:
 *   - the storage's Unix-domain socket, whose file has mode 0600, so that only the same user can connect;
 *     here descriptors travel along, and content does not;
 *   - the storage's TCP port, after both sides have proved the cluster secret (AUTH_NONCE, AUTH_PROOF; see
 *     dfscore/net/secret.h). A connection that has not gets EACCES. From HELLO on it speaks only what
 *     is below, content in FILE_WRITE and FILE_READ.
 * One outstanding request per connection. All integers big endian. "lstr16" is u16 length + bytes.
 *
 * Promise of every answer with status 0: what it acknowledges has been synced to disk, description
 * and directory entry included.
 *
 * A "description" is opaque to the storage: bytes the gateway wants kept beside the data (bucket,
 * key, headers, ...), from which the key index can be rebuilt. At most DFS_DESC_MAX bytes.
 *
 * Sessions: a gateway process draws a random session number and says it in the HELLO of each of its
 * connections. Open file tokens belong to the session and are dropped (temporary files vanish) when
 * the last connection of the session closes.
 */
#ifndef DFS_INTERNAL_H
#define DFS_INTERNAL_H

#include <stdint.h>

enum dfs_internal_cmd {
    /*
     * AUTH_NONCE > nonce[32]            < nonce[32]
     * AUTH_PROOF > proof[32]            < proof[32]; EACCES, and the connection closes
     * In this order, once, before anything that is for members of the cluster. Every server that has a
     * cluster secret knows them, trackers included; others answer EINVAL.
     */
    DFS_INT_AUTH_NONCE = 178,
    DFS_INT_AUTH_PROOF = 179,

    /*
     * HELLO   > version u32 (= DFS_INTERNAL_VERSION), session u64
     *         < version u32, group str[16], storage-id str[16], path count u8, boot id u64, features u32 (enum
     *           dfs_hello_feature; builds before there were any say nothing here)
     * First on every connection. boot id: random, new at each start of the storage.
     */
    DFS_INT_HELLO = 180,

    /*
     * PUT_BATCH > count u32, then count items:
     *               kind u8 (enum dfs_put_kind), ext str[6], description length u32, data length u32,
     *               description, data
     *           < count u32, then count results: status u8, file id lstr16 (empty for notes and errors)
     * Appends to a pack file; one sync for all. data <= DFS_PACK_MAX. The file id has the trunk form.
     */
    DFS_INT_PUT_BATCH = 181,

    /*
     * FILE_OPEN > expected size u64
     *           < token u64, path index u8      + one descriptor (SCM_RIGHTS), open for reading and writing
     * An empty unnamed file on the store path of the answer; the gateway writes it, then commits. Over TCP
     * no descriptor comes: the content goes in FILE_WRITE.
     * ENOSPC when the reserve would be touched.
     */
    DFS_INT_FILE_OPEN = 182,

    /*
     * FILE_COMMIT > token u64, size u64, CRC-32 of the content u32, ext str[6], description length u32,
     *               description
     *             < file id lstr16
     * Syncs the file, gives it its name, syncs the directory, logs the description.
     */
    DFS_INT_FILE_COMMIT = 183,

    /* FILE_ABORT > token u64   < empty. */
    DFS_INT_FILE_ABORT = 184,

    /*
     * FILE_GET > file id (rest)
     *          < offset u64, size u64      + one descriptor, open for reading
     * The content is bytes [offset, offset + size) of that descriptor: a pack file shared by many ids,
     * or a plain file with offset 0. ENOENT when there is none. Over TCP EOPNOTSUPP: see FILE_READ. EREMOTE: it has
     * moved to another group, from where FILE_READ gets it.
     */
    DFS_INT_FILE_GET = 185,

    /*
     * DELETE_BATCH > count u32, then count x file id lstr16
     *              < count u32, then count x status u8 (0, or ENOENT: already gone)
     */
    DFS_INT_DELETE_BATCH = 186,

    /*
     * SCAN > path index u8, position u64 (0: the beginning), max entries u32, flags u8 (bit 0: skip
     *        descriptions)
     *      < next position u64, at end u8, count u32, then count entries:
     *          kind u8 (enum dfs_scan_kind), position u64, time u32, file id lstr16,
     *          description length u32, description
     * What the path's log holds, in the order it was acknowledged, what has been deleted left out.
     * Positions only grow; one taken from an earlier answer stays valid for ever.
     */
    DFS_INT_SCAN = 187,

    /*
     * SCAN_LOG > path index u8, log id 16, position u64, max entries u32, flags u8
     *          < as SCAN
     * The same for any log that SYNC_LOGS names; what a server has written can be read from its peers, too.
     * A member has of another's log what it has copied so far. ENOENT: no such log here.
     */
    DFS_INT_SCAN_LOG = 176,

    /*
     * FILES_INFO > count u32 (at most DFS_INFO_ITEMS_MAX), then count x file id lstr16
     *            < count u32, then count x { status u8, size u64, time u64 (Unix seconds), metadata length u32,
     *              FastDFS's text of it }; zeros and no text unless status is 0
     * What this server knows of files that it has: ENOENT says nothing of the others.
     */
    DFS_INT_FILES_INFO = 175,

    /*
     * ADOPTED > path index u8   < plain files u64, trunk containers u64, entries passed over u64
     * What was found when a directory of FastDFS was taken over (storage/trunk/adopt.h). ENOENT: it was none.
     */
    DFS_INT_ADOPTED = 174,

    /*
     * FILE_WRITE > token u64, offset u64, CRC-32 of the bytes u32, bytes (at most DFS_PIECE_MAX)
     *            < empty
     * Not synced: FILE_COMMIT does that. EBADMSG: the bytes are not those the CRC is of.
     */
    DFS_INT_FILE_WRITE = 189,

    /*
     * FILE_READ > offset u64, length u32 (at most DFS_PIECE_MAX), file id (rest)
     *           < length bytes
     * ENOENT when there is no such file, ERANGE when it is shorter.
     */
    DFS_INT_FILE_READ = 177,

    /* STAT > empty   < path count u8, then per path: total bytes u64, free bytes u64, log end u64. */
    DFS_INT_STAT = 188,

    /*
     * Between the storages of a group, on their TCP port, from members only (SYNC_LOGS also from gateways,
     * behind HELLO). A log is the row of packs
     * one server has written on one store path; every member keeps a copy of each (storage/trunk/mirror.h).
     *
     * SYNC_LOGS > path index u8
     *           < count u16, then count x { log id 16, high u8, low u8, own u8 (the answering server's),
     *             end u64, origin storage-id str[16] }
     */
    DFS_INT_SYNC_LOGS = 190,

    /*
     * SYNC_PULL > path index u8, log id 16, position u64, wait ms u32, asking server's storage-id str[16]
     *           < pack number u32, offset u32, next position u64, end u64, time u64 (Unix seconds there,
     *             before the log was looked at), bytes of the pack (rest)
     * The first whole records at or behind the position; no bytes: nothing came within the wait. The
     * position says too that the asking server has everything before it, durably.
     */
    DFS_INT_SYNC_PULL = 191,

    /*
     * SYNC_WAIT > wait ms u32, asking server's storage-id str[16], count u8, then for the store paths
     *             0..count-1 { id of the answering server's own log 16, position u64 }
     *           < count x end u64
     * Answered when one of the logs goes on behind its position, or the wait is over: for a member that
     * follows several logs and has all of them. The positions say what those of SYNC_PULL do. An id that is
     * not that log's any more is answered at once.
     */
    DFS_INT_SYNC_WAIT = 192,

    /*
     * SYNC_STATE > empty   < sync_state_rsp, then count x sync_state (messages.def)
     * Who of the group lacks how much of what the answering server has written. For anybody (dfs monitor).
     */
    DFS_INT_SYNC_STATE = 193,

    /*
     * SYNC_METAS > DFS_METAS_TIMED + count u16 (at most DFS_INFO_ITEMS_MAX), then count x name lstr16 (without the group)
     *            < count u16, then count x { time u64, length u32, FastDFS's text of its metadata }
     * The metadata of the first files of those asked for, one at least, and when they were set, Unix milliseconds (storage/
     * trunk/meta.c); no text: they have been removed then; time 0: there never were any, or no such file. From members.
     * Members of earlier builds ask without DFS_METAS_TIMED, and are told no times; asked with it they say EINVAL.
     */
    DFS_INT_SYNC_METAS = 196,

    /*
     * SYNC_TURN > what u8 (enum dfs_turn), token u64, position u64, asking server's storage-id str[16], name (rest, without
     *             the group)
     *           < version u64 of that appender here, time u64 (Unix milliseconds) of its metadata; 0: none. Empty to BACK
     * May the asking server edit that file, behind the position of its log of the path (storage/sync/turn.h)? EAGAIN:
     * somebody else does. From members; those of earlier builds say EINVAL.
     */
    DFS_INT_SYNC_TURN = 205,

    /*
     * FILE_SUSPECT > missing u8 (1: not found here though another member has it; 0: not what its id says), file id
     *                (rest)
     *              < empty
     * Look at that file, and replace it by another member's copy if need be (storage/sync/repair.h). Answered
     * at once. For gateways, behind HELLO.
     */
    DFS_INT_FILE_SUSPECT = 194,

    /* REPAIR_STATE > empty   < repair_state (messages.def). For anybody (dfs monitor), and for gateways behind HELLO. */
    DFS_INT_REPAIR_STATE = 195,

    /*
     * PATHS > empty   < count u8, then per path: closed u8 (bits: 1 it takes no new files, being drained or read-only,
     *         2 its disk takes no writes, 4 it is slow), files that are being written there u32. For anybody (dfs monitor,
     *         members), and for gateways behind HELLO.
     */
    DFS_INT_PATHS = 197,
#define DFS_PATH_CLOSED 1u
#define DFS_PATH_UNFIT  2u
#define DFS_PATH_SLOW   4u

    /*
     * MOVE   > move_order (messages.def), then maybe u8 store path (255: all), then maybe u8 1   < empty
     * Move the files that FastDFS clients stored, and whose mover the answering server is (storage/service/mover.h),
     * to another group, for so long; again before it is over: go on. For administrators. EBUSY: it is moving them to
     * another group than that. With a store path: those that lie there, which need not leave the group; EBUSY: it is
     * moving others. With 1 at the end they are only counted. (Builds that know of groups alone answer EINVAL.)
     * MOVE_STATE > empty, or u8 1   < move_state, or with 1 move_left. For anybody (dfs monitor).
     */
    DFS_INT_MOVE = 198,
    DFS_INT_MOVE_STATE = 199,

    /*
     * Trackers (200 and 201: tracker/service/peercmd.h).
     *
     * DRAIN  > drain (messages.def)   < empty. A server, a store path of all servers of its group, or a group is to
     *          take no new files, or again; ENOENT, EALREADY. For administrators.
     * DRAINS > empty   < drain of each that is not DFS_DRAIN_NONE. For anybody.
     */
    DFS_INT_DRAIN = 202,
    DFS_INT_DRAINS = 203,

    /*
     * LEASE  > lease_req   < lease_rsp (messages.def). The lease of the cluster's key index, as far as it is the answering
     *          tracker's: who has it at a majority of the trackers serves (tracker/leader/lease.h). EINVAL: no holder, or
     *          a time that is none. For gateways.
     */
    DFS_INT_LEASE = 204,
};

enum { DFS_LEASE_TTL_MIN_MS = 500, DFS_LEASE_TTL_MAX_MS = 3600 * 1000 };

enum dfs_lease_mode {
    DFS_LEASE_LOOK = 1, /* nothing is to change: could I have it? */
    DFS_LEASE_KEEP = 2, /* only if nobody else has had it since I had */
    DFS_LEASE_TAKE = 3, /* from whom it is, if it has run out */
};
enum dfs_lease_state {
    DFS_LEASE_GRANTED = 1,
    DFS_LEASE_FREE = 2, /* TAKE would have it */
    DFS_LEASE_HELD = 3, /* somebody else has it, or may have it */
};
enum dfs_lease_kept {
    DFS_LEASE_NOBODYS = 0, /* it was never anybody's */
    DFS_LEASE_YOURS = 1,
    DFS_LEASE_ANOTHERS = 2,
};

enum { DFS_METAS_TIMED = 0x8000 };

enum dfs_turn {
    DFS_TURN_TAKE = 0,
    DFS_TURN_TAKE_ORPHAN =
        1, /* the same; whoever took the file is out of service, says the asking server */
    DFS_TURN_BACK = 2, /* it has changed nothing */
};
/*
 * In the status byte of a member's DOWNLOAD, FILE_INFO and GET_METADATA: about a file that has moved to another group it
 * wants to hear that (EREMOTE), where others get what they ask for from there.
 */
enum { DFS_ASK_NO_OTHER_GROUP = 0x40 };
/*
 * In the status byte of a member's FILE_INFO, which asks who has the file: ENODATA, where ENOENT would be the answer, says
 * that it is not here, but that this server is not complete. Earlier builds take no notice.
 */
enum { DFS_ASK_WHO_HAS = 0x20 };
/*
 * In the status byte of a storage's PARAMETERS: it wants to hear "check_active_interval=" and seconds, too, behind what
 * FastDFS's trackers say, which take no notice, as those of earlier builds.
 */
enum { DFS_PARAMETERS_OURS = 0x40 };
/*
 * In the status byte of a storage's LIST_STORAGES, which asks who is out of service: EAGAIN from a tracker that has just
 * started, and has not heard yet of all that may be in service. FastDFS's and earlier builds take no notice.
 */
enum { DFS_LIST_KNOWN = 0x40 };
/*
 * FILE_INFO asked so, and without a CRC-32: in that field the answer has this and the milliseconds of the file's time, when
 * its name does not tell a CRC-32. Earlier builds have 0 there.
 */
enum { DFS_INFO_MS = 1000 };
/* The same, of an appender that has a version (storage/trunk/version.h): this and the microseconds of its time. */
enum { DFS_INFO_US = 1000000 };

enum dfs_drain_state {
    DFS_DRAIN_NONE = 0,
    DFS_DRAIN_ON = 1,   /* takes no new files */
    DFS_DRAIN_DONE = 2, /* a server: and all it had was seen on others in service, since then */
};

enum dfs_hello_feature {
    /* In PUT_BATCH and FILE_COMMIT the header's status byte counts: so many servers of the group, if that is more than
     * its min_copies, must have it on disk before the answer. EAGAIN when fewer are in service, or it takes too long. */
    DFS_HELLO_COPIES = 1,
};

enum dfs_put_kind {
    DFS_PUT_OBJECT = 1, /* data becomes a file with an id */
    DFS_PUT_NOTE = 2,   /* description only, no id: what happened to a key without new data */
};

enum dfs_scan_kind {
    DFS_SCAN_OBJECT = 1, /* stored by a gateway: PUT_BATCH object or FILE_COMMIT */
    DFS_SCAN_NOTE = 2,
    DFS_SCAN_NATIVE = 3, /* uploaded by a FastDFS client: not ours to remove */
};

enum {
    DFS_INTERNAL_VERSION = 1,
    DFS_INT_HELLO_LEN = 4 + 8,
    DFS_DESC_MAX = 4 * 1024 * 1024, /* a manifest of 10,000 parts fits */
    DFS_PACK_MAX = 256 * 1024,      /* largest data of a pack record */
    DFS_PIECE_MAX = 1024 * 1024,    /* content of one FILE_WRITE or FILE_READ */
    DFS_BATCH_ITEMS_MAX = 1024,
    DFS_BATCH_BYTES_MAX = 16 * 1024 * 1024, /* whole PUT_BATCH frame */
    DFS_INFO_ITEMS_MAX = 256,
    DFS_INFO_META_MAX =
        16 *
        1024, /* metadata of one file in FILES_INFO; when there is more, its text is left out */
    DFS_FILE_ID_MAX = 16 + 1 + 127,
};

#endif
