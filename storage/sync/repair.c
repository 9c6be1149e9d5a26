/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/repair.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "storage/disk/io.h"
#include "storage/sync/puller.h"
#include "storage/trunk/check.h"
#include "storage/trunk/log.h"
#include "storage/trunk/replica.h"
#include "storage/trunk/restore.h"

enum {
    JOBS_MAX = 4096,
    AGAIN_MIN_MS = 1000,
    AGAIN_MAX_MS = 60 * 1000,
    MISSING_TRIES = 10, /* then it is no longer our business: the next reader tells again */
};

/* A suspicion. */
struct job {
    struct job *next;
    char name[STO_NAME_MAX + 1]; /* empty: the record below */
    struct {
        unsigned path;
        struct sto_log_info log;
        uint64_t position;
    } record;
    struct sto_made heard; /* the last one's word; under the lock */
    struct sto_made made;  /* the same, as the thread has it */
    bool missing;          /* as we were told, or found */
    bool to_delete;        /* somebody has deleted it; under the lock */
    bool undeleted;        /* the same, as the thread has it: it is to be deleted when it is back */
    bool told;             /* that it is damaged: logged and counted */
    bool alone;            /* that nobody has it right: logged */
    bool again;            /* somebody met it while it was at work; under the lock */
    unsigned tries;
    uint64_t due_ms; /* monotonic */
    bool watching;
    struct sto_watch watch;
};

struct sto_repair {
    unsigned magic;
#define REPAIR_MAGIC 0x4e9a1400u
    struct sto_repair_options o;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards all below; leaf */
    pthread_cond_t wake;  /* monotonic clock */
    bool stop;
    struct job *jobs;          /* owned */
    struct job *now;           /* at work, and not among the jobs */
    struct sto_puller *puller; /* the thread's, while it asks */
    size_t count;              /* now included */
    struct sto_repair_counts counts;
};

/* --- what there is to do --------------------------------------------------------------------------- */

static bool same(const struct job *a, const struct job *b)
{
    return strcmp(a->name, b->name) == 0 &&
           (a->name[0] ||
            (a->record.path == b->record.path && a->record.position == b->record.position &&
             memcmp(a->record.log.id, b->record.log.id, STO_LOG_ID_LEN) == 0));
}

/* Lock held. */
static bool is_known(struct sto_repair *r, const struct job *j)
{
    struct job *known = r->now && same(r->now, j) ? r->now : NULL;
    if (known) /* what is being done about it may have begun before that */
        known->again = true;
    for (struct job *k = r->jobs; k && !known; k = k->next)
        known = same(k, j) ? k : NULL;
    if (known)
        known->to_delete |= j->to_delete;
    if (known && j->heard.ms > known->heard.ms) {
        known->heard = j->heard;
        if (known != r->now) /* of that one the thread sets it */
            known->due_ms = MIN(known->due_ms, j->due_ms);
    }
    return known != NULL;
}

static void job_free(struct sto_repair *r, struct job *j)
{
    if (j->watching)
        sto_watch_off(r->o.store, &j->watch);
    free(j);
}

static void watch(struct sto_repair *r, struct job *j)
{
    if (j->watching || !j->name[0])
        return;
    j->watch.name = str_c(j->name);
    sto_watch_on(r->o.store, &j->watch);
    j->watching = true;
}

/* Takes @j. */
static void add(struct sto_repair *r, struct job *j)
{
    if (j->missing)
        watch(r, j);
    j->due_ms = dfs_mono_ms() + (j->missing ? r->o.missing_ms : 0);
    pthread_mutex_lock(&r->lock);
    bool wanted = !r->stop && r->count < JOBS_MAX && !is_known(r, j);
    if (wanted) {
        j->next = r->jobs;
        r->jobs = j;
        r->count++;
        pthread_cond_signal(&r->wake);
    }
    pthread_mutex_unlock(&r->lock);
    if (!wanted)
        job_free(r, j);
}

static void suspect(struct sto_repair *r, struct str name, enum sto_suspicion why,
                    const struct sto_made *made)
{
    struct dfs_fileid f;
    if (!r || name.n > STO_NAME_MAX || dfs_filename_parse(name, &f) < 0)
        return;
    CHECK_OBJ(r, REPAIR_MAGIC);
    struct job *j = dfs_zalloc(sizeof(*j));
    if (!j)
        return; /* whoever meets it next tells again */
    memcpy(j->name, name.p, name.n);
    j->missing = why != STO_SUSPECT_BAD;
    j->to_delete = why == STO_SUSPECT_UNDELETED;
    j->heard = *made;
    add(r, j);
}

void sto_repair_suspect(struct sto_repair *r, struct str name, enum sto_suspicion why)
{
    suspect(r, name, why, &(struct sto_made){.ms = 0});
}

void sto_repair_suspect_made(struct sto_repair *r, struct str name, const struct sto_made *made)
{
    suspect(r, name, STO_SUSPECT_BAD, made);
}

void sto_repair_suspect_record(struct sto_repair *r, unsigned path, const struct sto_log_info *log,
                               uint64_t position)
{
    CHECK_OBJ(r, REPAIR_MAGIC);
    struct job *j = dfs_zalloc(sizeof(*j));
    if (!j)
        return;
    j->record.path = path;
    j->record.log = *log;
    j->record.position = position;
    add(r, j);
}

void sto_repair_counts(struct sto_repair *r, struct sto_repair_counts *ret)
{
    CHECK_OBJ(r, REPAIR_MAGIC);
    pthread_mutex_lock(&r->lock);
    *ret = r->counts;
    pthread_mutex_unlock(&r->lock);
}

static void count(struct sto_repair *r, int damaged, unsigned found, unsigned repaired)
{
    pthread_mutex_lock(&r->lock);
    r->counts.damaged += (uint64_t)(int64_t)damaged;
    r->counts.found += found;
    r->counts.repaired += repaired;
    r->counts.changes++;
    pthread_mutex_unlock(&r->lock);
}

/* The thread is to end. */
static bool stopping(struct sto_repair *r)
{
    pthread_mutex_lock(&r->lock);
    bool stop = r->stop;
    pthread_mutex_unlock(&r->lock);
    return stop;
}

static int step(void *arg, size_t bytes)
{
    (void)bytes;
    return stopping(arg) ? -ECANCELED : 0;
}

/* --- from a peer -------------------------------------------------------------------------------------- */

/* What our logs of the path said when the file was found missing. */
struct ends {
    unsigned path;
    size_t n;
    struct sto_log_info v[STO_LOGS_MAX];
};

/*
 * Does the peer have all of that? Then it has seen every deletion that was done here: one of the two that find a file
 * to delete has it in its own log before it does it.
 */
static int has_all(struct sto_puller *p, const struct ends *ends)
{
    AUTO(dfs_free_ptr) struct sto_log_info *theirs = dfs_alloc(STO_LOGS_MAX * sizeof(*theirs));
    size_t n = 0;
    if (!theirs)
        return -ENOMEM;
    int r = sto_puller_list(p, ends->path, theirs, STO_LOGS_MAX, &n);
    for (size_t i = 0; r == 0 && i < ends->n; i++) {
        size_t k = 0;
        while (k < n && memcmp(theirs[k].id, ends->v[i].id, STO_LOG_ID_LEN) != 0)
            k++;
        if (ends->v[i].end > 0 && (k == n || theirs[k].end < ends->v[i].end))
            r = -EAGAIN;
    }
    return r;
}

static int fetch_record(struct sto_repair *r, struct sto_puller *p, const struct job *j)
{
    struct str bytes;
    uint32_t number = (uint32_t)(j->record.position >> 32);
    int e = sto_pack_header_ok(r->o.store, j->record.path, &j->record.log, number);
    if (e < 0) {
        e = sto_puller_record(p, j->record.path, &j->record.log, (uint64_t)number << 32, &bytes);
        if (e == 0)
            e = sto_restore_header(r->o.store, j->record.path, &j->record.log, number, bytes);
    }
    if (e < 0 || (uint32_t)j->record.position == 0)
        return e;
    e = sto_puller_record(p, j->record.path, &j->record.log, j->record.position, &bytes);
    return e < 0 ? e
                 : sto_restore_record(r->o.store, j->record.path, &j->record.log,
                                      j->record.position, bytes);
}

/* What the name says, or of a slave the record. */
static int is_right(int fd, const struct job *j, const struct dfs_fileid *f, uint64_t size)
{
    uint32_t crc = 0, want = f->slave ? j->made.crc32 : f->crc32;
    if (!f->slave && size != f->size)
        return -EBADMSG;
    int r = sto_crc_range(&sto_io_os, fd, 0, size, &crc);
    return r == 0 && crc != want ? -EBADMSG : r;
}

/* In its place, unless that is a later one's. */
static int place(struct sto_repair *r, const struct job *j, struct sto_file **file, uint64_t size,
                 int64_t mtime_s)
{
    struct str name = str_c(j->name);
    if (j->made.ms == 0)
        return sto_replica_file(r->o.store, file, name, size, mtime_s);
    struct sto_replica_new slave = {
        .file = TAKE(*file), .name = name, .size = size, .made_ms = j->made.ms};
    int e = sto_replica_files(r->o.store, &(struct sto_replica_new *){&slave}, 1);
    return e < 0 ? e : slave.result;
}

static int fetch_plain(struct sto_repair *r, struct sto_puller *p, struct job *j)
{
    struct dfs_fileid f;
    struct str name = str_c(j->name);
    uint64_t size = 0;
    int64_t mtime_s = 0;
    if (dfs_filename_parse(name, &f) < 0 || (f.slave ? j->made.ms == 0 : !f.size_known))
        return -EOPNOTSUPP;
    uint8_t flags = sto_client_may_change(r->o.store, name) == 0 ? STO_NATIVE : 0;
    AUTO(sto_file_free) struct sto_file *file = NULL;
    int e = sto_puller_info(p, name, &size, &mtime_s);
    if (e == 0)
        e = sto_file_open(r->o.store, (int)f.at.path_index, size, flags, &file);
    if (e == 0)
        e = sto_puller_file(p, name, file, &size);
    if (e == 0)
        e = is_right(sto_file_fd(file), j, &f, size);
    if (e == 0 && !j->missing && atomic_load(&j->watch.deleted))
        e = -ENOENT;
    if (e == 0)
        e = place(r, j, &file, size, mtime_s);
    return e == 0 && j->missing ? sto_puller_meta(p, name) : e;
}

/* A deletion that came meanwhile may have found nothing. Now it finds the file, and is in our log for the others. */
static int heed_deletion(struct sto_repair *r, struct job *j)
{
    struct str name = str_c(j->name);
    int result = 0;
    if (!j->undeleted && !(j->watching && atomic_load(&j->watch.deleted)))
        return 0;
    int e = j->made.ms > 0 /* and no later one */
                ? sto_replica_delete(r->o.store, name, j->made.ms + 1, false, false)
                : sto_delete_batch(r->o.store, &name, 1, &result);
    return e < 0 ? e : -ENOENT;
}

/* From now on stopping cuts it. */
static int show_puller(struct sto_repair *r, struct sto_puller *p)
{
    pthread_mutex_lock(&r->lock);
    r->puller = p;
    bool stop = r->stop;
    pthread_mutex_unlock(&r->lock);
    return stop ? -ECANCELED : 0;
}

static int ask(struct sto_repair *r, struct job *j, bool packed, const struct ends *ends,
               const struct sto_member *m)
{
    struct sto_puller_options o = {
        .store = r->o.store,
        .mirrors = r->o.mirrors,
        .group = r->o.group,
        .own_id = "",
        .addr = {.port = m->port},
        .net = r->o.net,
        .line = r->o.line,
    };
    AUTO(sto_puller_close) struct sto_puller *p = NULL;
    (void)snprintf(o.addr.host, sizeof(o.addr.host), "%s", m->ip);
    int e = sto_puller_open(&o, &p);
    if (e == 0)
        e = show_puller(r, p);
    if (e == 0 && j->missing && j->name[0])
        e = has_all(p, ends);
    if (e == 0)
        e = packed ? fetch_record(r, p, j) : fetch_plain(r, p, j);
    (void)!show_puller(r, NULL);
    return e == 0 ? heed_deletion(r, j) : e;
}

/* From whoever has it. 0; -ENOENT: nobody, as *asked said; else why the last that may have it could not give it. */
static int ask_all(struct sto_repair *r, struct job *j, bool packed, const struct ends *ends,
                   struct sto_member *from, unsigned *asked)
{
    struct sto_member peers[DFS_SERVERS_MAX];
    size_t n = sto_members_peers(r->o.members, peers);
    int why = -ENOENT;
    for (size_t i = 0; i < n && !stopping(r); i++) {
        if (dfs_server_left(peers[i].status) || !peers[i].port)
            continue;
        *from = peers[i];
        int e =
            peers[i].status == DFS_ST_ACTIVE ? ask(r, j, packed, ends, &peers[i]) : -EHOSTUNREACH;
        if (e == 0)
            return 0;
        ++*asked;
        why = e == -ENOENT ? why : e;
    }
    return why;
}

/* --- one job ----------------------------------------------------------------------------------------- */

static struct str what(const struct job *j, char text[STO_NAME_MAX + 1])
{
    if (!j->name[0])
        (void)snprintf(text, STO_NAME_MAX + 1, "record %02X/%02X/%06u at %u", j->record.log.high,
                       j->record.log.low, (unsigned)(j->record.position >> 32),
                       (unsigned)j->record.position);
    return j->name[0] ? str_c(j->name) : str_c(text);
}

static void tell_damaged(struct sto_repair *r, struct job *j)
{
    char text[STO_NAME_MAX + 1];
    if (j->told)
        return;
    j->told = true;
    if (j->name[0])
        (void)!sto_mark_damaged(r->o.store, str_c(j->name), true);
    count(r, 1, 1, 0);
    dfs_log(LOG_ERROR, "storage.copy_damaged", KV_Z("group", r->o.group),
            KV_STR("file", what(j, text)));
}

static void tell_repaired(struct sto_repair *r, struct job *j, const char *from)
{
    char text[STO_NAME_MAX + 1];
    count(r, j->told ? -1 : 0, j->told ? 0 : 1, 1);
    j->told = false;
    dfs_log(LOG_WARN, "storage.copy_repaired", KV_Z("group", r->o.group),
            KV_STR("file", what(j, text)), KV_Z("was", j->missing ? "missing" : "damaged"),
            KV_Z("from", from));
}

/* Nothing is wrong with it, or no more. */
static bool settle(struct sto_repair *r, struct job *j, bool good)
{
    if (good && j->name[0])
        (void)!sto_mark_damaged(r->o.store, str_c(j->name), false);
    if (j->told)
        count(r, -1, 0, 0);
    j->told = false;
    return true;
}

static int look(struct sto_repair *r, const struct job *j, enum sto_copy *ret)
{
    const struct sto_check_how how = {.step = step, .arg = r};
    *ret = STO_COPY_BAD; /* a record: restoring it finds out */
    return j->name[0] ? sto_check(r->o.store, r->o.mirrors, str_c(j->name), &j->made, &how, ret)
                      : 0;
}

/* How long until it is worth another try; told once that there is none to give it. */
static bool again(struct sto_repair *r, struct job *j, int e)
{
    char text[STO_NAME_MAX + 1];
    if (j->told && !j->alone && e != -EAGAIN)
        dfs_log(LOG_ERROR, "storage.copy_not_repaired", KV_Z("group", r->o.group),
                KV_STR("file", what(j, text)),
                KV_Z("why", e == -ENOENT ? "no other server of the group has it" : "see err"),
                KV_ERR(e));
    j->alone = j->alone || (j->told && e != -EAGAIN);
    j->tries++;
    if (!j->told && (e == -ENOENT || j->tries == MISSING_TRIES))
        return true; /* nobody misses it, or nobody can tell */
    j->due_ms =
        dfs_mono_ms() + MIN((uint64_t)AGAIN_MIN_MS << MIN(j->tries, 8u), (uint64_t)AGAIN_MAX_MS);
    return false;
}

/* Where it is, and what our logs say at this moment. False: a plain file. */
static bool locate(struct sto_repair *r, struct job *j, struct ends *ends)
{
    struct dfs_logical at;
    bool packed =
        !j->name[0] || sto_record_of(r->o.store, r->o.mirrors, str_c(j->name), &j->record.path,
                                     &j->record.log, &j->record.position) == 0;
    ends->path =
        packed || dfs_logical_parse(str_c(j->name), &at) < 0 ? j->record.path : at.path_index;
    ends->n = sto_mirrors_list(r->o.mirrors, ends->path, ends->v, STO_LOGS_MAX);
    ends->v[0].end = sto_store_end(r->o.store, ends->path); /* with deletions that are being done */
    return packed;
}

/* It is wrong or missing. True: done with it. */
static bool replace(struct sto_repair *r, struct job *j)
{
    struct sto_member from = {.id = ""};
    AUTO(dfs_free_ptr) struct ends *ends = dfs_zalloc(sizeof(*ends));
    if (!ends)
        return again(r, j, -ENOMEM);
    bool packed = locate(r, j, ends);
    unsigned asked = 0;
    int e = ask_all(r, j, packed, ends, &from, &asked);
    if (e == -ENOENT && asked > 0 && !j->name[0])
        return settle(r, j, false); /* it has been swept away there: nothing that lives */
    if (e < 0) {
        if (!j->missing)
            tell_damaged(r, j);
        return again(r, j, e);
    }
    tell_repaired(r, j, from.id);
    return true;
}

/* True: done with it. */
static bool mend(struct sto_repair *r, struct job *j)
{
    enum sto_copy copy;
    int e = look(r, j, &copy);
    if (e < 0)
        return e == -EINVAL ? settle(r, j, false) : again(r, j, e);
    switch (copy) {
    case STO_COPY_GOOD: /* it may have come by its log, after the deletion had found nothing */
        if (!sto_log_comes_again(str_c(j->name)))
            (void)!heed_deletion(r, j);
        return settle(r, j, true);
    case STO_COPY_ABSENT:
    case STO_COPY_UNKNOWN:
        return settle(r, j, false);
    case STO_COPY_MISSING:
        if (j->missing)
            return replace(r, j);
        j->missing = true;
        watch(r, j);
        j->due_ms = dfs_mono_ms() + r->o.missing_ms;
        return false;
    case STO_COPY_BAD:
        j->missing = false;
        watch(r, j);
        if (j->name[0])
            tell_damaged(r, j);
        return replace(r, j);
    }
    return true;
}

/* --- the thread ---------------------------------------------------------------------------------------- */

/* The one that is due, taken off the list; NULL: stop. */
static struct job *next_job(struct sto_repair *r)
{
    struct job *j = NULL;
    pthread_mutex_lock(&r->lock);
    while (!r->stop && !j) {
        struct job **due = NULL;
        for (struct job **at = &r->jobs; *at; at = &(*at)->next)
            if (!due || (*at)->due_ms < (*due)->due_ms)
                due = at;
        uint64_t now = dfs_mono_ms();
        if (!due) {
            pthread_cond_wait(&r->wake, &r->lock);
        } else if ((*due)->due_ms > now) {
            const struct timespec until = dfs_mono_after((unsigned)((*due)->due_ms - now));
            pthread_cond_timedwait(&r->wake, &r->lock, &until);
        } else {
            j = *due;
            *due = j->next;
            j->made = j->heard;
            j->undeleted = j->to_delete;
            r->now = j;
        }
    }
    pthread_mutex_unlock(&r->lock);
    return j;
}

static void *work(void *arg)
{
    struct sto_repair *r = arg;
    pthread_setname_np(pthread_self(), "sto-repair");
    for (struct job *j; (j = next_job(r));) {
        bool done = mend(r, j);
        pthread_mutex_lock(&r->lock);
        r->now = NULL;
        bool newer = j->heard.ms > j->made.ms; /* a later file than the one that was looked at */
        if (j->again && (done || newer)) {
            j->missing = false;
            j->tries = 0;
            j->due_ms = dfs_mono_ms();
            done = false;
        }
        j->again = false;
        if (done) {
            r->count--;
        } else {
            j->next = r->jobs;
            r->jobs = j;
        }
        pthread_mutex_unlock(&r->lock);
        if (done)
            job_free(r, j);
    }
    return NULL;
}

int sto_repair_new(const struct sto_repair_options *o, struct sto_repair **ret)
{
    struct sto_repair *r = dfs_zalloc(sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->magic = REPAIR_MAGIC;
    r->o = *o;
    pthread_mutex_init(&r->lock, NULL);
    dfs_cond_init(&r->wake);
    int e = -pthread_create(&r->thread, NULL, work, r);
    r->started = e == 0;
    if (e < 0)
        sto_repair_free(&r);
    else
        *ret = r;
    return e;
}

void sto_repair_free(struct sto_repair **rp)
{
    struct sto_repair *r = TAKE(*rp);
    if (!r)
        return;
    CHECK_OBJ(r, REPAIR_MAGIC);
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    if (r->puller)
        sto_puller_cut(r->puller);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    if (r->started)
        pthread_join(r->thread, NULL);
    while (r->jobs) {
        struct job *j = r->jobs;
        r->jobs = j->next;
        job_free(r, j);
    }
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    r->magic = 0;
    free(r);
}
