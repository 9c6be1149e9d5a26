/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op - one request at work: what the handlers of this folder share. Not for other folders.
 *
 * A handler runs on the connection's loop: it checks the request and starts an op, whose work() runs
 * on a thread of the store path's pool; the answer goes out on the loop again. Work functions return
 * 0 or a negative errno and leave the answer's body in op->out.
 */
#ifndef STO_OP_H
#define STO_OP_H

#include <pthread.h>
#include <stdatomic.h>

#include "dfscore/fileid/fileid.h"
#include "dfscore/net/conn.h"
#include "storage/disk/iopool.h"
#include "storage/service/service.h"
#include "storage/sync/copies.h"
#include "storage/trunk/store.h"

/* Pairs of the statistics block in wire order (protocol 4.2): total, then successful. */
enum sto_stat {
    STO_STAT_UPLOAD,
    STO_STAT_APPEND,
    STO_STAT_MODIFY,
    STO_STAT_TRUNCATE,
    STO_STAT_SET_META,
    STO_STAT_DELETE,
    STO_STAT_DOWNLOAD,
    STO_STAT_GET_META,
    STO_STAT_CREATE_LINK,
    STO_STAT_DELETE_LINK,
    STO_STAT_UPLOAD_BYTES,
    STO_STAT_APPEND_BYTES,
    STO_STAT_MODIFY_BYTES,
    STO_STAT_DOWNLOAD_BYTES,
    STO_STAT_SYNC_IN_BYTES,
    STO_STAT_SYNC_OUT_BYTES,
    STO_STAT_FILE_OPEN,
    STO_STAT_FILE_READ,
    STO_STAT_FILE_WRITE,
    STO_STAT_PAIRS_,
    STO_STAT_NONE = STO_STAT_PAIRS_,
};

/* Whom a request may wait for where it runs. Other groups on threads of their own: members need not wait until one
 * answers. */
enum sto_asks { STO_ASKS_NOBODY, STO_ASKS_MEMBERS, STO_ASKS_GROUPS, STO_ASKS };

struct sto_slots;
struct sto_parking; /* sync_out.c: pulls that wait for something new */

struct sto_service {
    unsigned magic;
#define SERVICE_MAGIC 0x5e41ce00u
    struct sto_service_options o;
    struct dfs_service net;
    struct dfs_loop **loops; /* owned; @net_threads of them */
    unsigned loop_count;
    struct dfs_listener *listener;
    struct sto_iopool *pool;             /* what needs the disk */
    struct sto_iopool *askers[STO_ASKS]; /* what waits for others, by whom (enum sto_asks) */
    struct sto_parking *parking;
    struct sto_slots *slots;
    _Atomic int64_t stats[STO_STAT_PAIRS_][2]; /* total, successful */
    _Atomic int64_t last_source_update_s, last_sync_update_s;
    _Atomic unsigned
        asking[STO_ASKS]
              [STO_PATHS_MAX];  /* requests of a path that ask others now, or wait for it */
    _Atomic uint64_t collected; /* bytes of bodies held in memory now; <= STO_COLLECTED_MAX */
};

enum {
    STO_ASKING_MAX = 64,         /* of a path, for members and for groups each */
    STO_ASKING_THREADS = 4,      /* the same, and for reads and for changes each */
    STO_SMALL = 64 * 1024,       /* a body up to this is taken whole, larger ones stream */
    STO_TRUNK_MAX = 1024 * 1024, /* the same for what goes to a pack */
    STO_COLLECTED_MAX = 256 * 1024 * 1024, /* beyond it, bodies stream whatever their size */
    STO_META_BODY_MAX = 256 * 1024,
};

/*
 * The names that a request went by, of a file that has moved to another store path of the group and is asked for by its
 * old name: each leads to the next, the last one is the op's.
 */
enum { STO_HOPS_MAX = 8 };
struct sto_hops {
    struct str asked; /* by the client */
    unsigned n, path; /* names; store path of the first one */
    char names[STO_HOPS_MAX][STO_NAME_MAX + 1];
};

/* What a work function returns whose op has got another name: it is run again, on that one's path. */
enum { STO_OP_AGAIN = 1 };

struct sto_op {
    struct sto_iotask task; /* first: the pool gives its address back */
    struct dfs_req *req;
    struct sto_service *s;
    int (*work)(struct sto_op *op);
    int (*first)(
        struct sto_op *op); /* what work was when the op began to run, or had its content */
    struct sto_hops *hops;  /* NULL: it goes by the name that was asked for */
    void (*fini)(struct sto_op *op);   /* NULL, or frees what the kind of op added */
    void (*answer)(struct sto_op *op); /* NULL: status and op->out */
    /*
     * Disk thread: takes back what a client will never know of, when the copies did not come in time. NULL:
     * the client can do the same again.
     */
    void (*undo)(struct sto_op *op);
    int result;
    bool changed; /* something was written for a client: see sto_op_changed() */
    struct sto_copies_wait copies;
    struct sto_vouch vouch;   /* of an edit: copies.vouch */
    enum sto_stat bytes_stat; /* which byte counter op->bytes belongs to; STO_STAT_NONE */
    uint64_t bytes;
    uint64_t collected; /* taken from s->collected, given back at the end */
    struct buf out;
    bool from_peer;       /* see forward.h */
    enum sto_asks asking; /* work() runs where it may wait for these; or is about to */
    enum sto_iokind kind;
    struct str name; /* logical name asked for; a view of req->body */
    unsigned path;
};

struct sto_service *sto_service_of(const struct dfs_req *req);

/*
 * Attach a zeroed op of @size bytes to @req. NULL: the request has been answered with -ENOMEM.
 * The op lives until the request's done().
 */
void *sto_op_new(struct dfs_req *req, size_t size);
/* Run @work on the pool of op->path, then answer. */
void sto_op_run(struct sto_op *op, enum sto_iokind kind, int (*work)(struct sto_op *op));
/*
 * For a work() that would have to wait for others (@whom), which may hang: its result is that of @work, which runs on a
 * thread of the path that is for that. To be returned at once: -EINPROGRESS, where a caller adds nothing to it; -EAGAIN, too
 * many. What a peer asks for in turn may be what keeps all these threads waiting: it does not queue behind them.
 * On such a thread it is @work itself.
 */
int sto_op_ask(struct sto_op *op, enum sto_asks whom, int (*work)(struct sto_op *op)) MUST_CHECK;
/* work() has been called, with @r: where it asks nobody, that is the answer (sto_op_finish()). */
void sto_op_worked(struct sto_op *op, int r);
/* Answer from any thread: op->result, and op->out when it is 0. */
void sto_op_finish(struct sto_op *op, int result);
/* done() of every command. */
void sto_op_done(struct dfs_req *req);

/* Reserve @n bytes of memory for a body; false: stream it. */
bool sto_op_collect(struct sto_op *op, uint64_t n);

/* Check a name (1..127 bytes, well formed, path in range) and keep it in the op. 0 or -EINVAL. */
int sto_op_name(struct sto_op *op, struct str name) MUST_CHECK;
/*
 * Disk thread: the file has moved within the group and is called @name now. STO_OP_AGAIN, for the work function to return;
 * -EAGAIN: it has moved on and on, -ENOMEM.
 */
int sto_op_rename(struct sto_op *op, struct str name) MUST_CHECK;
/* The names it went by before lead nowhere any more. 0, also when there are none; -EAGAIN: one does, though what was asked
 * for is done. */
int sto_op_forget_hops(struct sto_op *op) MUST_CHECK;
/* The same for a body of "group 16, name". */
int sto_op_group_name(struct sto_op *op, const char *group, struct str name) MUST_CHECK;
/* Disk thread: sto_client_may_change(), as the settings want it. */
int sto_op_may_change(struct sto_op *op) MUST_CHECK;
int sto_check_group(const struct sto_service *s, const char *group) MUST_CHECK;

/*
 * A change by a client has been made durable here, on op->path: the answer waits for the other members
 * that must have it.
 */
void sto_op_changed(struct sto_op *op);
/* "group 16, name" as the answer. */
void sto_op_answer_name(struct sto_op *op, const char *name);

/*
 * May the sender use what is between servers? With a cluster secret: whoever has proved it. Without: a
 * member of the group or a configured peer, by address.
 */
bool sto_from_peer(const struct dfs_req *req);
/* Is a client at this address one that may use the native protocol? */
bool sto_native_host(const struct dfs_req *req);

/* The commands; see commands.c. */
extern const struct dfs_command sto_commands[];
extern const size_t sto_command_count;
int sto_command_admit(struct dfs_req *req);
enum sto_stat sto_command_stat(uint8_t cmd);

/* Handlers, by file. */
void sto_handle_upload(struct dfs_req *req);
void sto_handle_upload_slave(struct dfs_req *req);
void sto_handle_append(struct dfs_req *req);
void sto_handle_modify(struct dfs_req *req);
void sto_content(struct dfs_req *req, struct dfs_block *blk);
void sto_content_abort(struct dfs_req *req);
void sto_handle_truncate(struct dfs_req *req);
void sto_handle_regenerate(struct dfs_req *req);
void sto_handle_download(struct dfs_req *req);
void sto_handle_info(struct dfs_req *req);
void sto_handle_delete(struct dfs_req *req);
void sto_handle_set_meta(struct dfs_req *req);
void sto_handle_get_meta(struct dfs_req *req);
void sto_handle_link(struct dfs_req *req);
void sto_handle_active_test(struct dfs_req *req);
void sto_handle_quit(struct dfs_req *req);
void sto_handle_report_id(struct dfs_req *req);
void sto_handle_sync_create(struct dfs_req *req); /* 16 and 18 */
void sto_handle_sync_edit(struct dfs_req *req);   /* 25 and 35 */
void sto_handle_sync_delete(struct dfs_req *req);
void sto_handle_sync_truncate(struct dfs_req *req);
void sto_handle_sync_pair(struct dfs_req *req); /* 19 and 40 */
void sto_handle_fetch_binlog(struct dfs_req *req);
void sto_handle_trunk_alloc(struct dfs_req *req);
void sto_handle_trunk_slot(struct dfs_req *req); /* 28 and 29 */
void sto_handle_trunk_size(struct dfs_req *req);
void sto_handle_trunk_marks(struct dfs_req *req);
void sto_handle_trunk_refused(struct dfs_req *req);
void sto_handle_hello(struct dfs_req *req);
void sto_handle_logs(struct dfs_req *req);
void sto_handle_pull(struct dfs_req *req);
void sto_handle_await(struct dfs_req *req);
void sto_handle_metas(struct dfs_req *req);
void sto_handle_turn(struct dfs_req *req);
void sto_handle_sync_state(struct dfs_req *req);
void sto_handle_repair_state(struct dfs_req *req);
void sto_handle_paths(struct dfs_req *req);
void sto_handle_move(struct dfs_req *req);
void sto_handle_move_state(struct dfs_req *req);
/* Serves @s; *ret is where @s finds it. */
int sto_parking_new(struct sto_service *s, struct sto_parking **ret) MUST_CHECK;
/* Parked pulls are answered, later ones at once. The pool must still run. */
void sto_parking_close(struct sto_parking *pk);
void sto_parking_free(struct sto_parking **pp);
void sto_sync_pulls(struct dfs_conn *c); /* a member pulls by this connection; on its thread */
void sto_sync_close(struct dfs_conn *c); /* on_close of the service */

#endif
