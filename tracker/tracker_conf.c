/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/tracker_conf.h"

#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"

#define C       struct trk_conf
#define HOUR_MS INT64_C(3600000)
#define YEAR_MS (INT64_C(366) * 24 * HOUR_MS)
#define TB      (INT64_C(1) << 40)

static const struct dfs_conf_row rows[] = {
    CONF_BOOL(C, disabled, "disabled", "false", CONF_RESTART, "true: refuse to start."),
    CONF_STR(C, base_path, "base_path", NULL, 1, 3000, CONF_RESTART,
             "Directory of this tracker's own data."),
    CONF_STR(
        C, bind_addr, "bind_addr", "127.0.0.1", 0, 92, CONF_RESTART,
        "Address to listen on, and the source of connections to other trackers.\n"
        "Two of them, with a comma: both. Loopback unless you say otherwise; empty or 0.0.0.0 is\n"
        "every address of the machine.\n"
        "Beyond loopback, allow_hosts must say who may connect."),
    CONF_INT(C, port, "port", "22122", 0, 65535, NULL, CONF_RESTART,
             "TCP port; 0 picks a free one, printed in the ready line."),
    CONF_LIST(
        C, tracker_server, "tracker_server", 0, 16, CONF_RESTART,
        "host:port or [ipv6]:port of every tracker of the cluster, this one included; one line\n"
        "each, the same on all of them; of two addresses, inner,outer:port, they use the inner.\n"
        "They elect a leader by majority of this list. Without it the list is learned from the\n"
        "storages that join, as FastDFS does."),
    CONF_LIST(C, allow_hosts, "allow_hosts", 0, 1024, CONF_RESTART,
              "Addresses or networks (10.0.0.0/8, 10.0.1.[1-15,20], *) that may connect; one line\n"
              "each. Loopback may always."),
    CONF_LIST(C, server_hosts, "server_hosts", 0, 1024, CONF_RESTART,
              "Addresses or networks that may use the commands of storages, trackers and\n"
              "administrators: join, report, delete, elect. Loopback may always. Without this key\n"
              "everybody in allow_hosts may; name your servers here when clients are in it too."),
    CONF_STR(
        C, cluster_secret_file, "cluster_secret_file", "", 0, 4000, CONF_RESTART,
        "File with the secret that trackers and storages prove to each other (mode 0600; 16 to\n"
        "1024 bytes); the same on all of them. Then the commands of servers and administrators\n"
        "are for whoever has proved it, from any address. Empty: none."),
    DFS_TLS_CONF_ROWS(C, tls),
    DFS_TLS_MODE_ROW(C, tls_mode),
    CONF_INT(C, max_connections, "max_connections", "1024", 1, 1000000, NULL, CONF_RESTART,
             "Connections at one time; further ones are closed at once."),
    CONF_INT(C, work_threads, "work_threads", "2", 1, 64, NULL, CONF_RESTART, "Network threads."),
    CONF_SIZE(C, buff_size, "buff_size", "256KB", 8192, 16 << 20, "B", CONF_RESTART,
              "Longest request, header included; a longer one closes the connection."),
    CONF_DURATION(
        C, connect_timeout_ms, "connect_timeout", "5s", 1, HOUR_MS, "s", CONF_RESTART,
        "Longest wait for a connection to another tracker or a storage, and for its proof\n"
        "of the secret."),
    CONF_DURATION(C, network_timeout_ms, "network_timeout", "60s", 1, HOUR_MS, "s", CONF_RESTART,
                  "A peer that stalls this long within a request or an answer is dropped."),
    CONF_INT(C, store_lookup, "store_lookup", "0", 0, 2, NULL, CONF_RELOAD,
             "Group of an upload: 0 in turn, 1 store_group, 2 the one with the most free space."),
    CONF_STR(C, store_group, "store_group", "", 0, 16, CONF_RELOAD, "For store_lookup = 1."),
    CONF_INT(C, store_server, "store_server", "0", 0, 2, NULL, CONF_RELOAD,
             "Server in the group: 0 in turn, 1 first in id order, 2 lowest upload_priority. With\n"
             "use_trunk_file 0 means 1."),
    CONF_INT(C, store_path, "store_path", "0", 0, 2, NULL, CONF_RELOAD,
             "Store path of the server: 0 in turn, 2 the one with the most free space."),
    CONF_INT(
        C, download_server, "download_server", "0", 0, 1, NULL, CONF_RELOAD,
        "Reader of a file: 0 in turn over servers that have it, 1 the one that took it first."),
    CONF_SPACE(C, reserved, "reserved_storage_space", "1024MB", "MB", CONF_RELOAD,
               "Kept free on every server: a size, or a percentage of each disk (20%)."),
    CONF_DURATION(
        C, check_active_ms, "check_active_interval", "100s", 1000, HOUR_MS, "s", CONF_RELOAD,
        "A storage that has not beaten for this long is OFFLINE: more than 2s, and more than\n"
        "twice the heart_beat_interval of FastDFS's storages. Storages go by what it was\n"
        "when they started."),
    CONF_DURATION(C, sync_max_delay_ms, "storage_sync_file_max_delay", "86400s", 1000, YEAR_MS, "s",
                  CONF_RELOAD,
                  "Files older than this are taken to be on every server of their group."),
    CONF_DURATION(C, sync_max_time_ms, "storage_sync_file_max_time", "300s", 1000, YEAR_MS, "s",
                  CONF_RELOAD, "Longest time the copy of one file takes."),
    CONF_ENUM(C, response_ip_addr_size, "response_ip_addr_size", "auto", "auto|IPv4|IPv6",
              CONF_RESTART,
              "Width of addresses in answers: 16 bytes, or 46 (clients before 6.11 do not read\n"
              "these). auto: 46 when storage_ids.conf has an IPv6 address."),
    CONF_ENUM(
        C, fetch_all_form, "fetch_all_form", "6.16", "6.16|old", CONF_RESTART,
        "Answer of \"all servers that have a file\" (105): with a port for each server as 6.16\n"
        "and later do, or only for the first as all before did."),
    CONF_BOOL(C, use_storage_id, "use_storage_id", "false", CONF_RESTART,
              "Storages have numbers, from storage_ids.conf, instead of being named by address."),
    CONF_STR(C, storage_ids_filename, "storage_ids_filename", "storage_ids.conf", 1, 3000,
             CONF_RESTART,
             "Relative to the directory of this file. Host names in it are looked up at start."),
    CONF_ENUM(C, id_type_in_filename, "id_type_in_filename", "ip", "ip|id", CONF_RESTART,
              "What new file names carry of their storage. Without use_storage_id always ip."),
    CONF_BOOL(C, trust_storage_server_id, "trust_storage_server_id", "true", CONF_RESTART,
              "Believe the number a storage says when it joins; else it is looked up by address."),
    CONF_BOOL(C, storage_ip_changed_auto_adjust, "storage_ip_changed_auto_adjust", "true",
              CONF_RESTART,
              "A storage without number whose address has changed tells us to move its record."),
    CONF_BOOL(
        C, use_trunk_file, "use_trunk_file", "false", CONF_RESTART,
        "FastDFS storages keep small files in shared containers, which one of them, the trunk\n"
        "server of its group, hands out. Ours do so by themselves and need no such server."),
    CONF_SIZE(C, slot_min_size, "slot_min_size", "256", 1, 65536, "B", CONF_RESTART,
              "Smallest slot."),
    CONF_SIZE(C, slot_max_size, "slot_max_size", "8MB", 2, 1 << 30, "B", CONF_RESTART,
              "Larger files are plain files; at most half of trunk_file_size."),
    CONF_SIZE(C, trunk_alloc_alignment_size, "trunk_alloc_alignment_size", "0", 0, 65536, "B",
              CONF_RESTART, "Slots are a multiple of this; 0: any size."),
    CONF_BOOL(C, trunk_free_space_merge, "trunk_free_space_merge", "false", CONF_RESTART,
              "Join neighbouring free slots at start."),
    CONF_BOOL(C, delete_unused_trunk_files, "delete_unused_trunk_files", "false", CONF_RESTART,
              "Remove containers that have become empty."),
    CONF_SIZE(C, trunk_file_size, "trunk_file_size", "64MB", 4 << 20, 1 << 30, "B", CONF_RESTART,
              "Size of a container."),
    CONF_BOOL(C, trunk_create_file_advance, "trunk_create_file_advance", "false", CONF_RESTART,
              "Make containers ahead, once a day."),
    CONF_DAYTIME(C, trunk_create_file_time_base, "trunk_create_file_time_base", "02:00",
                 CONF_RESTART, "When."),
    CONF_DURATION(C, trunk_create_file_interval_ms, "trunk_create_file_interval", "86400s", 1000,
                  YEAR_MS, "s", CONF_RESTART, "How often."),
    CONF_SIZE(C, trunk_create_file_space_threshold, "trunk_create_file_space_threshold", "0", 0, TB,
              "B", CONF_RESTART, "Up to this much free container space."),
    CONF_BOOL(C, trunk_init_check_occupying, "trunk_init_check_occupying", "false", CONF_RESTART,
              "Trunk servers look into slots at start whether they are really free."),
    CONF_BOOL(C, trunk_init_reload_from_binlog, "trunk_init_reload_from_binlog", "false",
              CONF_RESTART,
              "Trunk servers ignore their snapshot at start and read their whole log."),
    CONF_DURATION(C, trunk_compress_binlog_min_interval_ms, "trunk_compress_binlog_min_interval",
                  "0", 0, YEAR_MS, "s", CONF_RESTART,
                  "Shortest time between two compactions; 0: never."),
    CONF_DURATION(C, trunk_compress_binlog_interval_ms, "trunk_compress_binlog_interval", "0", 0,
                  YEAR_MS, "s", CONF_RESTART, "Time between two compactions; 0: never."),
    CONF_DAYTIME(C, trunk_compress_binlog_time_base, "trunk_compress_binlog_time_base", "03:00",
                 CONF_RESTART, "When."),
    CONF_INT(C, trunk_binlog_max_backups, "trunk_binlog_max_backups", "0", 0, 1000, NULL,
             CONF_RESTART, "Old trunk logs that are kept."),
    CONF_BOOL(C, store_slave_file_use_link, "store_slave_file_use_link", "false", CONF_RESTART,
              "The content of a slave file gets a name of its own, the slave's name links to it."),
    CONF_DURATION(C, election_ms, "election_timeout", "3s", 100, 60000, "s", CONF_RESTART,
                  "Trackers that have not heard their leader for this long elect another one. The\n"
                  "same on all trackers."),
    CONF_DURATION(C, snapshot_ms, "snapshot_interval", "60s", 1000, 86400000, "s", CONF_RELOAD,
                  "How often what heartbeats said (space, counters, positions) is written down."),
    CONF_DURATION(
        C, deleted_keep_ms, "deleted_keep", "30d", 1000, YEAR_MS, "s", CONF_RELOAD,
        "Records of removed servers are kept this long, so that members that were away hear\n"
        "of it. A group can be deleted when it has no record left."),
    CONF_STR(C, log_file, "log_file", "", 0, 4000, CONF_RELOAD,
             "Log file; empty: standard error. SIGHUP reopens it."),
    CONF_ENUM(C, log_level, "log_level", "info", DFS_LOG_LEVELS, CONF_RELOAD,
              "Least level that is logged. The last five are FastDFS's words."),
};

/* Keys of FastDFS's tracker.conf without a meaning here (semantics 3). */
static const char *const meaningless[] = {
    "address_family",
    "accept_threads",
    "min_buff_size",
    "max_buff_size",
    "thread_stack_size",
    "run_by_group",
    "run_by_user",
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
    "error_log_rotate_time",
    "rotate_error_log_size",
    "compress_old_error_log",
    "compress_error_log_days_before",
    "error-log.*",
    "http.*",
};

static int check(const struct trk_conf *c, const char *path, struct buf *err)
{
    struct dfs_addr listen;
    if (c->disabled)
        return dfs_conf_refuse(err, path, "disabled", "true", "this tracker must not start");
    if (dfs_bind_parse(c->bind_addr, 0, &listen) < 0)
        return dfs_conf_refuse(err, path, "bind_addr", c->bind_addr,
                               "two of them must be numeric addresses");
    if (!dfs_bind_is_loopback(c->bind_addr) && c->allow_hosts.n == 0)
        return dfs_conf_refuse(err, path, "bind_addr", c->bind_addr,
                               "beyond loopback, allow_hosts must name who may connect");
    if (c->store_lookup == 1 && !dfs_group_ok(str_c(c->store_group)))
        return dfs_conf_refuse(err, path, "store_group", c->store_group,
                               "must name a group when store_lookup is 1");
    if (c->store_path == 1)
        return dfs_conf_refuse(err, path, "store_path", "1", "must be 0 or 2");
    if (c->slot_max_size <= c->slot_min_size || c->slot_max_size > c->trunk_file_size / 2)
        return dfs_conf_refuse(
            err, path, "slot_max_size", "",
            "must be more than slot_min_size and at most half of trunk_file_size");
    return 0;
}

int trk_conf_load(const char *path, struct trk_conf *ret, struct buf *err)
{
    const struct dfs_conf_opts opts = {meaningless, ARRAY_LEN(meaningless), dfs_log_unknown_key};
    int r = dfs_conf_load(path, rows, ARRAY_LEN(rows), &opts, ret, err);
    if (r < 0)
        return r;
    r = check(ret, path, err);
    if (r < 0)
        trk_conf_fini(ret);
    else if (!ret->use_storage_id)
        ret->id_type_in_filename = 0; /* FastDFS's sample says id all the same */
    return r;
}

void trk_conf_fini(struct trk_conf *c)
{
    dfs_conf_fini(rows, ARRAY_LEN(rows), c);
}

void trk_conf_reload(struct trk_conf *c, struct trk_conf *next)
{
    dfs_conf_reload(rows, ARRAY_LEN(rows), c, next);
}

void trk_conf_print(struct buf *out)
{
    dfs_conf_print(rows, ARRAY_LEN(rows), out);
}

/* --- what storages and clients are told (75) ------------------------------------------------ */

static void put_int(struct buf *b, const char *key, uint64_t v)
{
    buf_addf(b, "%s=%llu\n", key, (unsigned long long)v);
}

static void put_daytime(struct buf *b, const char *key, int64_t s)
{
    buf_addf(b, "%s=%02d:%02d\n", key, (int)(s / 3600), (int)(s / 60 % 60));
}

static void put_reserved(struct buf *b, const struct dfs_conf_space *s)
{
    if (s->percent_x100)
        buf_addf(b, "reserved_storage_space=%u.%02u%%\n", s->percent_x100 / 100,
                 s->percent_x100 % 100);
    else
        buf_addf(b, "reserved_storage_space=%lluMB\n", (unsigned long long)(s->bytes >> 20));
}

void trk_conf_params(const struct trk_conf *c, bool wide, struct buf *b)
{
    put_int(b, "use_storage_id", c->use_storage_id);
    buf_addf(b, "id_type_in_filename=%s\n", c->id_type_in_filename ? "id" : "ip");
    put_int(b, "trust_storage_server_id", c->trust_storage_server_id);
    put_int(b, "response_ip_addr_size", wide ? 46 : 16);
    put_int(b, "storage_ip_changed_auto_adjust", c->storage_ip_changed_auto_adjust);
    put_int(b, "storage_sync_file_max_delay", c->sync_max_delay_ms / 1000);
    put_int(b, "store_path", (uint64_t)c->store_path);
    put_reserved(b, &c->reserved);
    put_int(b, "use_trunk_file", c->use_trunk_file);
    put_int(b, "slot_min_size", c->slot_min_size);
    put_int(b, "slot_max_size", c->slot_max_size);
    put_int(b, "trunk_alloc_alignment_size", c->trunk_alloc_alignment_size);
    put_int(b, "trunk_file_size", c->trunk_file_size);
    put_int(b, "trunk_create_file_advance", c->trunk_create_file_advance);
    put_daytime(b, "trunk_create_file_time_base", c->trunk_create_file_time_base);
    put_int(b, "trunk_create_file_interval", c->trunk_create_file_interval_ms / 1000);
    put_int(b, "trunk_create_file_space_threshold", c->trunk_create_file_space_threshold);
    put_int(b, "trunk_init_check_occupying", c->trunk_init_check_occupying);
    put_int(b, "trunk_init_reload_from_binlog", c->trunk_init_reload_from_binlog);
    put_int(b, "trunk_free_space_merge", c->trunk_free_space_merge);
    put_int(b, "delete_unused_trunk_files", c->delete_unused_trunk_files);
    put_int(b, "trunk_compress_binlog_min_interval",
            c->trunk_compress_binlog_min_interval_ms / 1000);
    put_int(b, "trunk_compress_binlog_interval", c->trunk_compress_binlog_interval_ms / 1000);
    put_daytime(b, "trunk_compress_binlog_time_base", c->trunk_compress_binlog_time_base);
    put_int(b, "trunk_binlog_max_backups", (uint64_t)c->trunk_binlog_max_backups);
    put_int(b, "store_slave_file_use_link", c->store_slave_file_use_link);
}
