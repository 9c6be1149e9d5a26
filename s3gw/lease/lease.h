/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease - asks the trackers whether this gateway may act for the cluster's key index, and keeps asking (plan.h).
 *
 * Starts as a standby. What comes of it is told by a descriptor that becomes readable (s3_lease_fd) and s3_lease_news; from
 * then on until_ms of the tenure is kept up to date. When the lease runs out, lost() is called: the process is to end, or
 * to begin anew, without another word to anybody. Whatever it was doing then is in the state of a crash.
 *
 * Threads: one that decides, and one for each tracker, which blocks on it for a third of the time to live at most.
 */
#ifndef S3_LEASE_H
#define S3_LEASE_H

#include "dfscore/base/buf.h"
#include "dfscore/net/addr.h"
#include "s3gw/core/tenure.h"

struct dfs_secret;
struct dfs_tls;
struct s3_lease;

struct s3_lease_options {
    const struct dfs_addr *trackers; /* used by s3_lease_start only */
    size_t ntrackers;
    const struct dfs_secret *secret; /* these two outlive it; NULL: none */
    const struct dfs_tls *tls;
    uint64_t ttl_ms;
    const char *index_path;   /* outlives it */
    uint64_t mark;            /* of INDEX.key: another gateway's must be the same */
    const char *name;         /* where we serve, for people; used by s3_lease_start only */
    struct s3_tenure *tenure; /* outlives it */
    void (*lost)(void *arg);  /* does not return */
    void *arg;
};

enum s3_lease_news {
    S3_LEASE_ASKING,    /* a standby */
    S3_LEASE_OURS,      /* the index may be opened; INDEX.rebuild says if it has to be made anew */
    S3_LEASE_OTHER_KEY, /* the gateway that has it, or had it, uses another INDEX.key */
    S3_LEASE_UNWRITTEN, /* what has to be kept beside the index cannot be written */
};

/* Of what `s3gw admin status` tells. */
struct s3_lease_status {
    enum s3_lease_news news;
    bool first;                  /* OURS: nobody has ever had it before */
    unsigned trackers, answered; /* in the last round */
    uint64_t left_ms; /* ours, for so long, if it is not asked for again; 0: it is not ours */
    char other[65];   /* who has it, or had it last; empty: nobody else that we know of */
};

/* 0; -EBADMSG: INDEX.lease is no such file; -ENOMEM, -EAGAIN (no thread), ... */
int s3_lease_start(const struct s3_lease_options *o, struct s3_lease **ret) MUST_CHECK;
/* It is not asked for again. Accepts NULL. */
void s3_lease_stop(struct s3_lease **lp);
/* Readable as soon as the news are not ASKING. */
int s3_lease_fd(const struct s3_lease *l);
void s3_lease_look(struct s3_lease *l, struct s3_lease_status *ret);

#endif
