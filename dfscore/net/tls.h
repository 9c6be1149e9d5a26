/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - certificate, key and authority of one member of the cluster, for stream.h.
 *
 * TLS 1.3 only, both sides show a certificate, and both must be signed by the cluster's own authority
 * (and be in date). Whoever that authority has signed is a member; names in certificates do not count,
 * because the authority is nobody's but the cluster's. No session is resumed: every connection proves anew.
 *
 * Threads: any. A reload is for the connections that begin after it.
 */
#ifndef DFS_TLS_H
#define DFS_TLS_H

#include "dfscore/base/buf.h"
#include "dfscore/conf/conf.h"
#include "dfscore/net/addr.h"

struct dfs_tls;

/* A handshake, or a connection after it, has failed for a reason that a human should know; @incoming: they
 * called us. @why is one phrase: "certificate has expired (CN=storage3)". Any thread; may be called often. */
typedef void dfs_tls_failed(const struct dfs_addr *peer, bool incoming, const char *why);
/* What servers and gateways do then: cluster.tls_failed in the log, twice a second at most. */
dfs_tls_failed dfs_tls_log_failed;

/* Settings of every program that has to do with it. All three files, or none: then there is no TLS. */
struct dfs_tls_conf {
    char *cert, *key, *ca; /* "": not given */
};

#define DFS_TLS_CONF_ROWS(C, field)                                                                \
    CONF_STR(                                                                                      \
        C, field.cert, "cluster_tls_cert", "", 0, 4000, CONF_RESTART,                              \
        "PEM file with this machine's certificate for TLS between the members of the cluster\n"    \
        "(servers, gateways, the dfs tool). With cluster_tls_key and cluster_tls_ca, or none\n"    \
        "of the three. TLS 1.3; both sides show a certificate. It needs no names. Servers and\n"   \
        "gateways read the three files again at SIGHUP, for the connections that follow."),        \
        CONF_STR(C, field.key, "cluster_tls_key", "", 0, 4000, CONF_RESTART,                       \
                 "PEM file with its private key; others than owner and group may not read it."),   \
        CONF_STR(C, field.ca, "cluster_tls_ca", "", 0, 4000, CONF_RESTART,                         \
                 "PEM file with the authority that has signed the certificates of all members. "   \
                 "One of\n"                                                                        \
                 "the cluster's own: whoever has a certificate from it is a member.")

/* What a server does with it. CONF_ENUM of DFS_TLS_MODES; the first is the default. */
enum dfs_tls_mode {
    DFS_TLS_REQUIRED, /* commands between servers are refused on plain connections */
    DFS_TLS_ON,       /* we call by TLS, and are called either way */
    DFS_TLS_ACCEPT,   /* we call without, and are called either way */
};
#define DFS_TLS_MODES "required|on|accept"
#define DFS_TLS_MODE_ROW(C, field)                                                                 \
    CONF_ENUM(                                                                                     \
        C, field, "cluster_tls", "required", DFS_TLS_MODES, CONF_RESTART,                          \
        "Once there are certificates. required: servers use TLS, and their commands are refused\n" \
        "on plain connections. on: plain ones are taken too. accept: we ourselves call without.\n" \
        "A running cluster changes over without a pause by restarting all with accept, then all\n" \
        "with on, then all with required. FastDFS clients never need TLS: they have what\n"        \
        "allow_hosts and the keys about native clients leave them.")

/*
 * 0; *ret stays NULL without files. Else negative errno, and @err has one line that names the key and the
 * file: missing, unreadable, too open (-EPERM), no PEM, of different keys, not signed by the authority, out
 * of date.
 */
int dfs_tls_new(const struct dfs_tls_conf *conf, dfs_tls_failed *failed, struct dfs_tls **ret,
                struct buf *err) MUST_CHECK;
void dfs_tls_free(struct dfs_tls **tp);
/* The same files, as they are now. Negative errno and @err as from new(): what was read before stays. */
int dfs_tls_reload(struct dfs_tls *t, struct buf *err) MUST_CHECK;
/* The same for SIGHUP: says what came of it in one line of the log. @t may be NULL. */
void dfs_tls_renew(struct dfs_tls *t);
/* Whole days until our certificate is out of date. */
int64_t dfs_tls_days_left(const struct dfs_tls *t);

/* For stream.c. */
/* What a human should hear of OpenSSL's verdict on a certificate. */
const char *dfs_tls_verdict(long verdict);
struct ssl_st *dfs_tls_begin(const struct dfs_tls *t);   /* a connection; NULL: no memory */
struct ssl_ctx_st *dfs_tls_ctx(const struct dfs_tls *t); /* until a reload; for tests */
void dfs_tls_report(const struct dfs_tls *t, const struct dfs_addr *peer, bool incoming,
                    const char *why);

#endif
