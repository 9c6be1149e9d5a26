/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/storage_conf.h"

#include "dfscore/log/log.h"
#include "dfscore/wire/messages.h"

#define C struct sto_conf

static const struct dfs_conf_row rows[] = {
    CONF_BOOL(C, disabled, "disabled", "false", CONF_RESTART, "true: refuse to start."),
    CONF_STR(C, base_path, "base_path", NULL, 1, 3000, CONF_RESTART,
             "Directory of this server's own data: identity, replication marks, log."),
    CONF_STR(C, group_name, "group_name", "group1", 1, 16, CONF_RESTART,
             "The group this server belongs to; letters and digits."),
    CONF_STR(
        C, bind_addr, "bind_addr", "127.0.0.1", 0, 92, CONF_RESTART,
        "Address to listen on, and the source of connections to trackers and peers.\n"
        "Two of them, with a comma: both. Loopback unless you say otherwise; empty or 0.0.0.0 is\n"
        "every address of the machine.\n"
        "Beyond loopback, allow_hosts must say who may connect. An IPv6 address needs trackers "
        "with\n"
        "use_storage_id = true and id_type_in_filename = id: file names have no room for it."),
    CONF_INT(C, port, "port", "23000", 0, 65535, NULL, CONF_RESTART,
             "TCP port; 0 picks a free one, printed in the ready line."),
    CONF_STR(C, server_id, "server_id", "", 0, 15, CONF_RESTART,
             "Number of this server in storage_ids.conf; empty: the tracker finds it by address."),
    CONF_LIST(C, tracker_server, "tracker_server", 1, 16, CONF_RESTART,
              "host:port or [ipv6]:port of a tracker, with two addresses inner,outer:port; one "
              "line each."),
    CONF_INT(C, store_path_count, "store_path_count", "1", 1, 256, NULL, CONF_RESTART,
             "Number of store paths (disks)."),
    CONF_LIST(C, store_path, "store_path#", 0, 256, CONF_RESTART,
              "Directory of each store path: store_path0, store_path1, ... The default of\n"
              "store_path0 is base_path."),
    CONF_LIST(C, store_path_readonly, "store_path#_readonly", 0, 256, CONF_RESTART,
              "true: no new files on that path."),
    CONF_INT(C, subdir_count, "subdir_count_per_path", "256", 1, 256, NULL, CONF_RESTART,
             "Directories on each of the two levels of a store path; equal in a group."),
    CONF_INT(C, upload_priority, "upload_priority", "10", 0, 1000000, NULL, CONF_RESTART,
             "Lower is chosen first when the trackers' store_server is 2."),
    CONF_LIST(C, allow_hosts, "allow_hosts", 0, 1024, CONF_RESTART,
              "Addresses or networks (10.0.0.0/8) that may connect; one line each. Loopback may\n"
              "always."),
    CONF_LIST(
        C, peer_hosts, "peer_hosts", 0, 1024, CONF_RESTART,
        "Addresses or networks that may use the commands between servers, besides the\n"
        "members of the group that the trackers name. Not with cluster_secret_file: then whoever\n"
        "proves the secret may, and nobody else."),
    CONF_ENUM(
        C, native_clients, "native_clients", "all", "all|read-only|off", CONF_RESTART,
        "What FastDFS clients may do: everything, download and ask, or nothing (EACCES). Gateways\n"
        "and the other servers are no clients."),
    CONF_LIST(C, native_hosts, "native_hosts", 0, 1024, CONF_RESTART,
              "Addresses or networks of FastDFS clients, of those in allow_hosts; one line each. "
              "Without\n"
              "this key all of them."),
    CONF_BOOL(C, native_may_remove_s3, "native_may_remove_s3", "no", CONF_RESTART,
              "yes: FastDFS clients may also delete, and set metadata of, files that a gateway "
              "stored, though\n"
              "its key index names them and object lock may protect them. no: EPERM. Reading is "
              "allowed."),
    CONF_STR(
        C, cluster_secret_file, "cluster_secret_file", "", 0, 4000, CONF_RESTART,
        "File with the secret that servers and gateways of the cluster prove to each other (mode\n"
        "0600; 16 to 1024 bytes); the same on storages and trackers. Empty: none; then servers\n"
        "know each other by address, and only gateways on this machine are served."),
    DFS_TLS_CONF_ROWS(C, tls),
    DFS_TLS_MODE_ROW(C, tls_mode),
    CONF_STR(C, socket_path, "socket_path", "", 0, 107, CONF_RESTART,
             "Unix-domain socket for a gateway on this machine (mode 0600). Empty:\n"
             "<base_path>/data/storage.sock."),
    CONF_ENUM(C, durability, "durability", "sync", "sync|relaxed", CONF_RESTART,
              "sync: an answer means the data are on disk. relaxed: answers do not wait for it, a\n"
              "power failure loses acknowledged files."),
    CONF_STR(
        C, min_copies, "min_copies", "auto", 1, 4, CONF_RESTART,
        "Servers of the group that have a write on their disks before it is acknowledged; the\n"
        "same on all of them. auto: two while another member is in service, else one; no write\n"
        "is taken before a tracker has said who is. A number is strict: with fewer members in\n"
        "service writes are refused (EAGAIN)."),
    CONF_DURATION(
        C, copy_timeout_ms, "copy_timeout", "10s", 100, 3600000, "s", CONF_RESTART,
        "A write that has not got its copies after this long is answered with EAGAIN: it is\n"
        "on this server's disk, and may or may not reach the others. Counted anew while they get\n"
        "on with a large file, at most 30 times."),
    CONF_DURATION(
        C, slow_disk_ms, "slow_disk", "1s", 0, 10000, "ms", CONF_RESTART,
        "A store path is slow when a sync takes at least this long, and those that are tried "
        "then,\n"
        "too, and quick again when they take half of it. New files are placed elsewhere while\n"
        "another path or server takes them. 0: no path is slow."),
    CONF_INT(C, max_connections, "max_connections", "4096", 1, 1000000, NULL, CONF_RESTART,
             "Connections at one time; further ones are closed at once."),
    CONF_INT(C, work_threads, "work_threads", "2", 1, 64, NULL, CONF_RESTART, "Network threads."),
    CONF_INT(C, disk_reader_threads, "disk_reader_threads", "2", 1, 64, NULL, CONF_RESTART,
             "Reading threads of each store path."),
    CONF_INT(C, disk_writer_threads, "disk_writer_threads", "8", 1, 64, NULL, CONF_RESTART,
             "Writing threads of each store path; writers that meet share a sync."),
    CONF_DURATION(
        C, connect_timeout_ms, "connect_timeout", "5s", 1, 3600000, "s", CONF_RESTART,
        "Longest wait for a connection to a tracker or peer, and for its proof of the secret."),
    CONF_DURATION(C, network_timeout_ms, "network_timeout", "60s", 1, 3600000, "s", CONF_RESTART,
                  "A peer that stalls this long within a request or an answer is dropped."),
    CONF_DURATION(
        C, heart_beat_interval_ms, "heart_beat_interval", "30s", 1, 3600000, "s", CONF_RESTART,
        "Time between two reports of statistics to each tracker. That it lives a storage\n"
        "says every second, or as often as this if that is less."),
    CONF_DURATION(
        C, stat_report_interval_ms, "stat_report_interval", "300s", 1, 86400000, "s", CONF_RESTART,
        "Time between two reports of disk space to each tracker; more than 10s counts as 10s."),
    CONF_DURATION(C, sync_wait_ms, "sync_wait_msec", "100ms", 1, 60000, "ms", CONF_RESTART,
                  "Pause of a replicator that has sent everything."),
    CONF_SIZE(C, scrub_rate, "scrub_rate", "4MB", 0, UINT64_C(1) << 40, NULL, CONF_RESTART,
              "Bytes a second that the scrub reads: in the background it compares everything on "
              "the disks\n"
              "with its checksums and has other members of the group replace what is wrong. 0: no "
              "scrub."),
    CONF_DURATION(
        C, scrub_interval_ms, "scrub_interval", "14d", 1000, UINT64_C(366) * 86400000, "s",
        CONF_RESTART,
        "A round of the scrub begins no sooner than this after the one before has begun."),
    CONF_SIZE(C, rebalance_rate, "rebalance_rate", "64MB", 0, UINT64_C(1) << 40, "B/s",
              CONF_RESTART,
              "How much of this server's files dfs admin rebalance copies to other groups in a "
              "second, at most.\n"
              "0: no limit."),
    CONF_STR(C, log_file, "log_file", "", 0, 4000, CONF_RELOAD,
             "Log file; empty: standard error. SIGHUP reopens it."),
    CONF_ENUM(C, log_level, "log_level", "info", DFS_LOG_LEVELS, CONF_RELOAD,
              "Least level that is logged. The last five are FastDFS's words."),
};

/* Keys of FastDFS's storage.conf without a meaning here (semantics 8). */
static const char *const meaningless[] = {
    "address_family",
    "client_bind",
    "accept_threads",
    "run_by_group",
    "run_by_user",
    "buff_size",
    "min_buff_size",
    "max_buff_size",
    "thread_stack_size",
    "disk_rw_separated",
    "sync_min_threads",
    "sync_max_threads",
    "sync_interval",
    "sync_start_time",
    "sync_end_time",
    "write_mark_file_freq",
    "disk_recovery_threads",
    "file_distribute_path_mode",
    "file_distribute_rotate_count",
    "fsync_after_written_bytes",
    "sync_binlog_buff_interval",
    "sync_stat_file_interval",
    "if_alias_prefix",
    "check_file_duplicate",
    "file_signature_method",
    "key_namespace",
    "keep_alive",
    "file_sync_skip_invalid_record",
    "compress_binlog",
    "compress_binlog_time",
    "check_store_path_mark",
    "use_connection_pool",
    "connection_pool_max_idle_time",
    "sync_log_buff_interval",
    "log_file_rotate_everyday",
    "log_file_rotate_time",
    "log_file_rotate_on_size",
    "log_file_compress_old",
    "log_file_compress_days_before",
    "log_file_keep_days",
    "log_file_delete_old_time",
    "rotate_error_log",
    "rotate_error_log_size",
    "error_log_rotate_time",
    "compress_old_error_log",
    "compress_error_log_days_before",
    "use_access_log",
    "rotate_access_log",
    "rotate_access_log_size",
    "access_log_rotate_time",
    "compress_old_access_log",
    "compress_access_log_days_before",
    "error-log.*",
    "access-log.*",
    "http.*",
};

static int default_paths(struct sto_conf *c)
{
    size_t count = (size_t)c->store_path_count;
    if (c->store_path.n < count) {
        char **v = dfs_realloc(c->store_path.v, count * sizeof(*v));
        if (!v)
            return -ENOMEM;
        for (size_t i = c->store_path.n; i < count; i++)
            v[i] = NULL;
        c->store_path.v = v;
        c->store_path.n = count;
    }
    if (!c->store_path.v[0])
        c->store_path.v[0] = dfs_strdup(c->base_path);
    return c->store_path.v[0] ? 0 : -ENOMEM;
}

static int check(struct sto_conf *c, const char *path, struct buf *err)
{
    struct dfs_addr listen;
    bool yes;
    if (c->disabled)
        return dfs_conf_refuse(err, path, "disabled", "true", "this storage must not start");
    for (const char *p = c->group_name; *p; p++)
        if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')))
            return dfs_conf_refuse(err, path, "group_name", c->group_name,
                                   "must be letters and digits");
    if (dfs_bind_parse(c->bind_addr, 0, &listen) < 0)
        return dfs_conf_refuse(err, path, "bind_addr", c->bind_addr,
                               "two of them must be numeric addresses");
    if (!dfs_bind_is_loopback(c->bind_addr) && c->allow_hosts.n == 0)
        return dfs_conf_refuse(err, path, "bind_addr", c->bind_addr,
                               "beyond loopback, allow_hosts must name who may connect");
    if (c->store_path.n > (size_t)c->store_path_count) {
        char count[24];
        snprintf(count, sizeof(count), "%lld", (long long)c->store_path_count);
        return dfs_conf_refuse(err, path, "store_path_count", count,
                               "must be as many as the store_path keys");
    }
    int r = default_paths(c);
    if (r < 0)
        return r;
    for (size_t i = 0; i < c->store_path.n; i++) {
        char key[32];
        snprintf(key, sizeof(key), "store_path%zu", i);
        if (!c->store_path.v[i])
            return dfs_conf_refuse(err, path, key, "", "is missing (store_path_count asks for it)");
    }
    for (size_t i = 0; i < c->store_path_readonly.n; i++) {
        const char *v = c->store_path_readonly.v[i];
        char key[48];
        snprintf(key, sizeof(key), "store_path%zu_readonly", i);
        if (v && dfs_conf_bool(str_c(v), &yes) < 0)
            return dfs_conf_refuse(err, path, key, v, "must be true or false");
    }
    uint64_t id = 0, copies = 0;
    if (!str_eq(str_c(c->min_copies), STR("auto")) &&
        (str_u64(str_c(c->min_copies), DFS_SERVERS_MAX, &copies) < 0 || copies == 0))
        return dfs_conf_refuse(err, path, "min_copies", c->min_copies,
                               "must be auto or a number from 1 to 32");
    c->copies = (unsigned)copies;
    if (c->server_id[0] && (str_u64(str_c(c->server_id), 16777215, &id) < 0 || id == 0))
        return dfs_conf_refuse(err, path, "server_id", c->server_id,
                               "must be a number from 1 to 16777215");
    return 0;
}

int sto_conf_load(const char *path, struct sto_conf *ret, struct buf *err)
{
    const struct dfs_conf_opts opts = {meaningless, ARRAY_LEN(meaningless), dfs_log_unknown_key};
    int r = dfs_conf_load(path, rows, ARRAY_LEN(rows), &opts, ret, err);
    if (r < 0)
        return r;
    r = check(ret, path, err);
    if (r < 0)
        sto_conf_fini(ret);
    return r;
}

void sto_conf_fini(struct sto_conf *c)
{
    dfs_conf_fini(rows, ARRAY_LEN(rows), c);
}

void sto_conf_print(struct buf *out)
{
    dfs_conf_print(rows, ARRAY_LEN(rows), out);
}

bool sto_conf_path_readonly(const struct sto_conf *c, size_t index)
{
    bool yes = false;
    if (index >= c->store_path_readonly.n || !c->store_path_readonly.v[index])
        return false;
    return dfs_conf_bool(str_c(c->store_path_readonly.v[index]), &yes) == 0 && yes;
}
