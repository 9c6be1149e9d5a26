/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/keyindex.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/dirs.h"
#include "dfscore/log/log.h"
#include "s3gw/api/commit_user.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/secretbox.h"
#include "s3gw/core/wish.h"
#include "s3gw/index/identity.h"
#include "s3gw/lifecycle/baseline.h"
#include "s3gw/lifecycle/behind.h"
#include "s3gw/lifecycle/rebuild.h"
#include "s3gw/lifecycle/settle.h"

/* Trackers that start with their storages elect a leader, which may take 15 s to say who is there. */
enum { TAKEN_MS = 30 * 1000, AGAIN_MS = 500 };

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static int fail(const struct s3gw_gateway *g, int r, const char *what, struct buf *err)
{
    buf_addf(err, "%s %s: %s", what, g->conf->index_path, strerror(-r));
    return r;
}

/* --- opening --- */

static int open_index(struct s3gw_gateway *g)
{
    const struct s3_index_options o = {
        .path = str_c(g->conf->index_path),
        .relaxed = g->gw.relaxed,
        .cache_bytes = g->conf->index_cache,
        .reserve_bytes = g->conf->index_reserve,
    };
    return s3_index_open_rocksdb(&o, &g->gw.index);
}

/* A folder of files. 0, also when it is not there. */
static int remove_folder(const char *path)
{
    AUTO(close_dir) DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    struct dirent *e;
    int r;
    while ((r = dfs_dir_next(dir, &e)) > 0)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            unlinkat(dirfd(dir), e->d_name, 0) < 0)
            return -errno;
    return r == 0 && rmdir(path) < 0 ? -errno : r;
}

/* Of those that taking over has set aside the last one stays: gateways may do so every day. */
static int set_aside_for_takeover(struct s3gw_gateway *g)
{
    AUTO(buf_free) struct buf to = BUF(8192);
    buf_addf(&to, "%s.before-takeover", g->conf->index_path);
    buf_addc(&to, '\0');
    int r = buf_err(&to);
    if (r == 0)
        r = remove_folder(to.p);
    return r == 0 && rename(g->conf->index_path, to.p) < 0 && errno != ENOENT ? -errno : r;
}

/* The old index stays beside the new one, until a human removes it. */
static int set_aside(struct s3gw_gateway *g)
{
    s3_index_close(&g->gw.index);
    if (g->lease)
        return set_aside_for_takeover(g);
    for (int64_t at_s = dfs_now_s();; at_s++) { /* one of this second may lie there already */
        AUTO(buf_free) struct buf to = BUF(8192);
        buf_addf(&to, "%s.before-%lld", g->conf->index_path, (long long)at_s);
        buf_addc(&to, '\0');
        if (buf_err(&to))
            return buf_err(&to);
        if (rename(g->conf->index_path, to.p) == 0 || errno == ENOENT)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return -errno;
    }
}

/* Has there been a start before this one? Its folder may have been made already. */
static bool has_index(const struct s3gw_gateway *g)
{
    AUTO(buf_free) struct buf path = BUF(8192);
    buf_addf(&path, "%s/CURRENT", g->conf->index_path); /* RocksDB's */
    buf_addc(&path, '\0');
    return !buf_err(&path) && access(path.p, F_OK) == 0;
}

static int load_note_key(struct s3gw_gateway *g, struct buf *err)
{
    AUTO(buf_free) struct buf path = BUF(8192);
    buf_addf(&path, "%s.key", g->conf->index_path);
    buf_addc(&path, '\0');
    int r = buf_err(&path);
    if (r == 0)
        r = s3_secretbox_key_load(path.p, &g->gw.note_key);
    if (r > 0 && (g->rebuild || has_index(g)))
        dfs_log(LOG_WARN, "gateway.index_key_replaced", KV_Z("file", path.p));
    if (r < 0)
        buf_addf(err, "%s.key: %s", g->conf->index_path, strerror(-r));
    return MIN(r, 0);
}

int s3gw_keyindex_mark(struct s3gw_gateway *g, uint64_t *ret, struct buf *err)
{
    uint8_t hash[32];
    int r = load_note_key(g, err);
    if (r < 0)
        return r;
    s3_sha256(g->gw.note_key, sizeof(g->gw.note_key), hash);
    struct rd in = rd_of(str_of(hash, sizeof(hash)));
    *ret = rd_u64(&in);
    return 0;
}

/* A new one, which says that it is being made, unless this one does so already. With a lease, one that was wished for is
 * made from the beginning: while this one was being made, another gateway may have written. */
static int open_to_rebuild(struct s3gw_gateway *g)
{
    bool anew = g->lease && s3_rebuild_wished(g->conf->index_path);
    int r = open_index(g);
    if ((r == 0 && (anew || s3_rebuild_under_way(&g->gw) != 1)) || r == -EBADMSG) {
        r = s3_wish_rebuild(g->conf->index_path);
        if (r == 0)
            r = set_aside(g);
        if (r == 0)
            r = open_index(g);
        if (r == 0)
            r = s3_rebuild_begin(&g->gw);
    }
    return r == 0 ? s3_wish_granted(g->conf->index_path) : r;
}

int s3gw_keyindex_open(struct s3gw_gateway *g, struct buf *err)
{
    g->rebuild = g->rebuild || s3_rebuild_wished(g->conf->index_path);
    int r = load_note_key(g, err);
    if (r < 0)
        return r;
    r = g->rebuild ? open_to_rebuild(g) : open_index(g);
    if (r == -EBADMSG)
        buf_addf(err,
                 "key index %s is damaged, or was written by a newer version; start once with "
                 "--rebuild-index to make it anew from the storages",
                 g->conf->index_path);
    else if (r == 0)
        r = s3_index_identity(g->gw.index, &g->gw.index_id);
    const char *what = g->rebuild ? "making anew the key index" : "key index";
    return r == 0 || r == -EBADMSG ? r : fail(g, r, what, err);
}

/* --- with storages --- */

static bool stop_asked(void *supervisor)
{
    return s3_supervisor_stop_asked(supervisor);
}

static int rebuild(struct s3gw_gateway *g, struct buf *err)
{
    struct s3_rebuild_counts n;
    uint64_t start = dfs_mono_ms();
    int r = s3_rebuild(&g->gw, stop_asked, g->supervisor, &n);
    if (r == -EINTR) {
        dfs_log(LOG_INFO, "gateway.rebuild_stopped", KV_U64("ms", dfs_mono_ms() - start));
        return r;
    }
    if (r == 0) /* it may have taken over the one the statements came from */
        r = s3_index_identity(g->gw.index, &g->gw.index_id);
    if (r < 0)
        return fail(g, r, "rebuilding the key index", err);
    dfs_log(LOG_INFO, "gateway.rebuilt", KV_U64("buckets", n.buckets), KV_U64("objects", n.objects),
            KV_U64("versions", n.versions), KV_U64("uploads", n.uploads), KV_U64("parts", n.parts),
            KV_U64("users", n.users), KV_U64("keys", n.keys), KV_U64("keys_lost", n.keys_lost),
            KV_U64("entries", n.entries), KV_U64("unreadable", n.unreadable),
            KV_U64("ms", dfs_mono_ms() - start));
    return 0;
}

/* Storages that have just been started take no writes before they have heard who else is in their group. Their logs have
 * been read: somebody is there. */
static bool not_yet(int r)
{
    return r == -EAGAIN || r == -EHOSTUNREACH;
}

static int settle_when_taken(struct s3gw_gateway *g, uint64_t *corrected)
{
    const uint64_t end = dfs_mono_ms() + TAKEN_MS;
    int r = s3_settle(&g->gw, corrected);
    if (not_yet(r))
        dfs_log(LOG_INFO, "gateway.waits_for_storages", KV_ERR(r));
    while (not_yet(r) && dfs_mono_ms() < end) {
        if (stop_asked(g->supervisor))
            return -EINTR;
        nanosleep(&(struct timespec){.tv_nsec = AGAIN_MS * 1000000L}, NULL);
        r = s3_settle(&g->gw, corrected);
    }
    return r;
}

static int settle(struct s3gw_gateway *g, struct buf *err)
{
    uint64_t corrected = 0;
    int r = settle_when_taken(g, &corrected);
    if (corrected > 0)
        dfs_log(LOG_INFO, "gateway.settled", KV_U64("statements", corrected));
    if (not_yet(r) || r == -ENOSPC) { /* reads need none of it */
        dfs_log(LOG_WARN, "gateway.not_settled", KV_ERR(r));
        g->no_orphans = true; /* the next start has to begin where this one would have */
        return 0;
    }
    return r < 0 && r != -EINTR ? fail(g, r, "comparing the storages with the key index", err) : r;
}

/*
 * Gateways of this cluster have a lease, and it is ours: no other one is to be stopped first, and this index is not the
 * cluster's. When nobody has had the lease before, one that knows of none may be serving: that is for a human.
 */
static bool may_be_made_anew(const struct s3gw_gateway *g)
{
    struct s3_lease_status s = {.first = true};
    if (g->lease)
        s3_lease_look(g->lease, &s);
    return !s.first;
}

static int make_it_anew(struct s3gw_gateway *g, struct buf *err)
{
    dfs_log(LOG_WARN, "gateway.index_not_the_clusters", KV_Z("index", g->conf->index_path));
    int r = s3_wish_rebuild(g->conf->index_path);
    if (r < 0)
        return fail(g, r, "making anew the key index", err);
    g->begin_again();
    return -ECANCELED; /* not reached */
}

int s3gw_keyindex_check(struct s3gw_gateway *g, struct buf *err)
{
    int r = s3_rebuild_under_way(&g->gw);
    if (r < 0)
        return fail(g, r, "key index", err);
    if (g->rebuild || r == 1)
        return rebuild(g, err);
    r = s3_index_behind(&g->gw);
    if (r < 0) { /* no storage, no comparison; then nothing may be taken for an orphan either */
        dfs_log(LOG_WARN, "gateway.index_not_compared", KV_ERR(r));
        g->no_orphans = true;
        return 0;
    }
    bool lost_its_end =
        r == S3_INDEX_BEHIND && g->gw.relaxed && s3_index_committed(g->gw.index) > 0;
    if (r != S3_INDEX_CURRENT && !lost_its_end && may_be_made_anew(g))
        return make_it_anew(g, err);
    if (r == S3_INDEX_OTHER) {
        buf_addf(
            err,
            "the storages hold what another key index than %s says, too: gateways with indexes "
            "of their own cannot share groups. Stop the other one, and start once with "
            "--rebuild-index to have both in one",
            g->conf->index_path);
        return -EEXIST;
    }
    if (lost_its_end) {
        dfs_log(LOG_WARN, "gateway.index_lost_its_end"); /* which relaxed durability allows */
        return 0;
    }
    if (r == S3_INDEX_CURRENT)
        return settle(g, err);
    buf_addf(
        err,
        "key index %s is older than what the storages hold: acknowledged changes are missing in "
        "it. Put the right one back, or start once with --rebuild-index",
        g->conf->index_path);
    return -ESTALE;
}

int s3gw_keyindex_describe(struct s3gw_gateway *g, struct buf *err)
{
    uint64_t start = dfs_mono_ms(), things = 0;
    int r = s3_baseline(&g->gw, s3_note_all_users, &things);
    if (r == 0 && things > 0)
        dfs_log(LOG_INFO, "gateway.described", KV_U64("things", things),
                KV_U64("ms", dfs_mono_ms() - start));
    if (r == -EHOSTUNREACH || r == -EAGAIN || r == -ENOSPC) { /* at the next start */
        dfs_log(LOG_WARN, "gateway.not_described", KV_ERR(r));
        return 0;
    }
    return r < 0 ? fail(g, r, "describing what is in the key index", err) : 0;
}
