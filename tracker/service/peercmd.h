/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peercmd - our own commands between trackers, beside FastDFS's (dfscore/wire/commands.def).
 * They travel in FastDFS frames. 180 to 199 belong to gateways and storages,
 * 202 and 203 to administrators, 204 to gateways (wire/internal.h).
 */
#ifndef TRK_PEERCMD_H
#define TRK_PEERCMD_H

enum {
    /*
     * > sender lstr ("host:port" as in the list of trackers), message 22 bytes (leader/election.h),
     *   up time i64, connections allowed, now, most (3 x i32)
     * < message 22 bytes, then the same four
     * EAGAIN: the receiver does not know its own place in the list; ENOENT: not in it.
     */
    TRK_CMD_ELECTION = 200,
    /* > empty  < catching up u8, then all the receiver knows as records (state/record.h) */
    TRK_CMD_STATE = 201,
};

#endif
