/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service - the FastDFS commands of a storage server, answered from the engine.
 *
 * Threads: start, stop and the readers of statistics from any thread; everything else is inside.
 */
#ifndef STO_SERVICE_H
#define STO_SERVICE_H

#include "dfscore/net/listener.h"
#include "dfscore/wire/messages.h"
#include "storage/group/members.h"
#include "storage/beat/params.h"
#include "storage/sync/copies.h"

struct sto_service;
struct sto_internal;
struct sto_repair;
struct sto_scrub;
struct sto_mover;
struct dfs_client;

struct sto_service_options {
    struct dfs_addr addr;          /* where to listen; port 0: any free one */
    struct dfs_bound *bound;       /* NULL: bind addr; else its sockets are taken */
    const struct dfs_allow *allow; /* who may connect; outlives the service */
    const struct dfs_allow *peers; /* without a secret: who may use server commands besides the
                                        group's members; NULL: nobody. Outlives the service */
    enum sto_native {              /* what FastDFS clients may do */
                      STO_NATIVE_ALL,
                      STO_NATIVE_READ,
                      STO_NATIVE_OFF,
    } native;
    const struct dfs_allow
        *native_hosts;  /* which of them; NULL: all that may connect. Outlives the service */
    bool may_remove_s3; /* FastDFS clients may change and delete files of gateways */
    const struct dfs_secret *secret; /* NULL: none. Outlives the service */
    const struct dfs_tls *tls;       /* NULL: none. Outlives the service */
    bool tls_required;               /* server commands only by TLS */
    const struct dfs_tls *tls_out;   /* when other members are asked; NULL: plain */
    struct sto_internal *internal; /* serves gateways that have proved to be one; NULL: nobody does.
                                        Outlives the service */
    struct sto_store *store;       /* outlives the service */
    struct sto_members *members;   /* outlives the service */
    struct sto_mirrors *mirrors;   /* outlives the service; NULL: no replication is served */
    struct sto_followers *followers; /* outlives the service; NULL allowed */
    struct sto_copies *copies;       /* outlives the service; NULL: our own copy is enough */
    struct sto_repair *repair;       /* outlives the service; NULL: what is damaged stays so */
    struct sto_scrub *scrub;         /* outlives the service; NULL: there is none */
    bool (*all_known)(void *arg);    /* sto_holder_options; NULL: nobody knows */
    void *all_known_arg;
    struct dfs_client
        *cluster;            /* for files that have moved to other groups. Outlives the service */
    struct sto_mover *mover; /* outlives the service; NULL: nothing is moved */
    struct sto_params params;
    uint32_t max_connections;
    unsigned net_threads;
    unsigned reader_threads, writer_threads; /* per store path */
    uint64_t stall_ms;
    uint64_t connect_ms; /* when a peer is asked for a file that is missing here */
};

/* Largest content in bytes that goes to a pack with these settings; more is a plain file. */
uint64_t sto_service_slot_max(const struct sto_params *p);

/* Listens and serves when it returns 0. Negative errno otherwise. */
int sto_service_start(const struct sto_service_options *o, struct sto_service **ret) MUST_CHECK;
uint16_t sto_service_port(const struct sto_service *s);
/* What a heartbeat reports (protocol 4.2). Any thread. */
void sto_service_stats(struct sto_service *s, struct dfs_stat_block *ret);
/* Requests that have begun may finish for @grace_ms, then everything is closed and freed. */
void sto_service_stop(struct sto_service **sp, uint64_t grace_ms);

#endif
