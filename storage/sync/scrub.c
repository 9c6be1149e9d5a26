/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/scrub.h"

#include <inttypes.h>
#include "dfscore/base/background.h"
#include "dfscore/base/clock.h"
#include "dfscore/base/pace.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/messages.h"
#include "storage/disk/savefile.h"
#include "storage/trunk/examine.h"

enum {
    STATE_MAX = 1024,
    KEEP_MS = 10 * 1000,  /* the state is written so often */
    AGAIN_MS = 60 * 1000, /* after an error */
    SLICE_MS = 50,        /* shorter pauses are added up */
};

struct sto_scrub {
    unsigned magic;
#define SCRUB_MAGIC 0x5c40b000u
    struct sto_scrub_options o;
    struct sto_scrub_place at; /* the thread's, save at.state: under bg.lock */
    struct dfs_pace pace;      /* the thread's; so below */
    uint64_t kept_ms;
    struct dfs_background bg;
};

/* --- the file ---------------------------------------------------------------------------------------- */

void sto_scrub_print(const struct sto_scrub_place *p, struct buf *out)
{
    char hex[2 * STO_LOG_ID_LEN + 1];
    str_hex(p->log, STO_LOG_ID_LEN, hex);
    hex[2 * STO_LOG_ID_LEN] = '\0';
    buf_addf(out,
             "rounds=%" PRIu64 "\nbegan=%" PRId64 "\nbytes=%" PRIu64 "\nlast=%" PRId64
             "\nlast_bytes=%" PRIu64 "\n",
             p->state.rounds, p->state.began_s, p->state.bytes, p->state.last_s,
             p->state.last_bytes);
    buf_addf(out, "started=%" PRId64 "\npath=%u\nlog=%s\nposition=%" PRIu64 "\n", p->started_s,
             p->path, hex, p->position);
}

static bool take(struct str key, struct str value, const char *want, uint64_t max, uint64_t *ret)
{
    return str_eq(key, str_c(want)) && str_u64(value, max, ret) == 0;
}

void sto_scrub_parse(struct str text, struct sto_scrub_place *ret)
{
    struct str line, key, value;
    uint64_t began = 0, last = 0, started = 0, path = 0;
    *ret = (struct sto_scrub_place){.path = 0};
    while (str_split(&text, '\n', &line)) {
        if (!str_cut(line, '=', &key, &value))
            continue;
        if (str_eq(key, STR("log")) && str_unhex(value, ret->log, STO_LOG_ID_LEN) < 0)
            memset(ret->log, 0, sizeof(ret->log));
        (void)(take(key, value, "rounds", UINT64_MAX, &ret->state.rounds) ||
               take(key, value, "began", INT64_MAX, &began) ||
               take(key, value, "bytes", UINT64_MAX, &ret->state.bytes) ||
               take(key, value, "last", INT64_MAX, &last) ||
               take(key, value, "last_bytes", UINT64_MAX, &ret->state.last_bytes) ||
               take(key, value, "started", INT64_MAX, &started) ||
               take(key, value, "path", STO_PATHS_MAX - 1, &path) ||
               take(key, value, "position", UINT64_MAX, &ret->position));
    }
    ret->state.began_s = (int64_t)began;
    ret->state.last_s = (int64_t)last;
    ret->started_s = (int64_t)started;
    ret->path = (unsigned)path;
}

static void keep(struct sto_scrub *s, bool now)
{
    AUTO(buf_free) struct buf text = BUF(STATE_MAX);
    if (!now && dfs_mono_ms() < s->kept_ms + KEEP_MS)
        return;
    sto_scrub_print(&s->at, &text);
    int r = buf_err(&text) ? buf_err(&text) : sto_savefile_write(s->o.state_path, buf_str(&text));
    static struct dfs_log_gate gate;
    if (r < 0 && dfs_log_allow(&gate, 1)) /* a restart begins further back */
        dfs_log(LOG_WARN, "storage.scrub_not_kept", KV_ERR(r));
    s->kept_ms = dfs_mono_ms();
}

/* --- pace ---------------------------------------------------------------------------------------------- */

/* False: it is time to stop. */
static bool pause_until(struct sto_scrub *s, uint64_t until_ms)
{
    pthread_mutex_lock(&s->bg.lock);
    for (uint64_t now; !s->bg.stopping && (now = dfs_mono_ms()) < until_ms;) {
        const struct timespec until =
            dfs_mono_after((unsigned)MIN(until_ms - now, (uint64_t)3600 * 1000));
        pthread_cond_timedwait(&s->bg.wake, &s->bg.lock, &until);
    }
    bool go_on = !s->bg.stopping;
    pthread_mutex_unlock(&s->bg.lock);
    return go_on;
}

static int pay(void *arg, size_t bytes)
{
    struct sto_scrub *s = arg;
    uint64_t rest_ms = dfs_pace_pay(&s->pace, bytes, dfs_mono_us()) / 1000;
    pthread_mutex_lock(&s->bg.lock);
    s->at.state.bytes += bytes;
    pthread_mutex_unlock(&s->bg.lock);
    if (s->bg.stopping || (rest_ms > SLICE_MS && !pause_until(s, dfs_mono_ms() + rest_ms)))
        return -ECANCELED;
    return 0;
}

/* --- rounds ---------------------------------------------------------------------------------------------- */

static void bad(void *arg, const struct sto_found *found)
{
    struct sto_scrub *s = arg;
    if (found->name.n > 0)
        sto_repair_suspect_made(s->o.repair, found->name, &found->made);
    else
        sto_repair_suspect_record(s->o.repair, found->path, found->log, found->position);
}

/* The log where we are, or the next by its id. False: no more on this path. */
static bool find_log(struct sto_scrub *s, struct sto_log_info *ret)
{
    AUTO(dfs_free_ptr) struct sto_log_info *logs = dfs_alloc(STO_LOGS_MAX * sizeof(*logs));
    size_t n = logs ? sto_mirrors_list(s->o.mirrors, s->at.path, logs, STO_LOGS_MAX) : 0;
    const struct sto_log_info *next = NULL;
    for (size_t i = 0; i < n; i++)
        if (memcmp(logs[i].id, s->at.log, STO_LOG_ID_LEN) >= 0 &&
            (!next || memcmp(logs[i].id, next->id, STO_LOG_ID_LEN) < 0))
            next = &logs[i];
    if (!next)
        return false;
    if (memcmp(next->id, s->at.log, STO_LOG_ID_LEN) != 0)
        s->at.position = 0;
    memcpy(s->at.log, next->id, STO_LOG_ID_LEN);
    *ret = *next;
    return true;
}

/* Behind this log in the order of ids; ids are random, and none is all ones. */
static void next_log(struct sto_scrub *s)
{
    size_t i = STO_LOG_ID_LEN;
    while (i > 0 && ++s->at.log[i - 1] == 0)
        i--;
    s->at.position = 0;
}

static int look_at_log(struct sto_scrub *s, const struct sto_log_info *log)
{
    const struct sto_check_how how = {.from_disk = true, .step = pay, .arg = s};
    const struct sto_examine x = {
        .s = s->o.store, .m = s->o.mirrors, .how = &how, .bad = bad, .arg = s};
    int r = 0;
    for (bool end = false; r == 0 && !end;) {
        r = sto_examine(&x, s->at.path, log, &s->at.position, &end);
        keep(s, false);
        if (r == 0 && !pause_until(s, 0))
            r = -ECANCELED;
    }
    return r;
}

static int go_round(struct sto_scrub *s)
{
    struct sto_log_info log;
    for (; s->at.path < sto_store_path_count(s->o.store); s->at.path++) {
        while (find_log(s, &log)) {
            int r = look_at_log(s, &log);
            if (r < 0)
                return r;
            next_log(s);
        }
        memset(s->at.log, 0, sizeof(s->at.log));
        s->at.position = 0;
    }
    return 0;
}

static void begin_round(struct sto_scrub *s)
{
    s->at.path = 0;
    memset(s->at.log, 0, sizeof(s->at.log));
    s->at.position = 0;
    s->at.started_s = dfs_now_s();
    pthread_mutex_lock(&s->bg.lock);
    s->at.state.began_s = s->at.started_s;
    s->at.state.bytes = 0;
    pthread_mutex_unlock(&s->bg.lock);
}

static void end_round(struct sto_scrub *s)
{
    pthread_mutex_lock(&s->bg.lock);
    struct sto_scrub_state *st = &s->at.state;
    st->rounds++;
    st->last_s = dfs_now_s();
    st->last_bytes = st->bytes;
    st->began_s = 0;
    pthread_mutex_unlock(&s->bg.lock);
    dfs_log(LOG_INFO, "storage.scrub_done", KV_U64("round", st->rounds),
            KV_U64("bytes", st->last_bytes), KV_I64("seconds", st->last_s - s->at.started_s));
}

/* Until the next round is due. A clock that was set back does not put it off for longer than that. */
static bool wait_for_round(struct sto_scrub *s)
{
    int64_t interval = (int64_t)(s->o.interval_ms / 1000), since = dfs_now_s() - s->at.started_s;
    int64_t left = since < 0 ? interval : interval - since;
    return s->at.started_s == 0 || left <= 0
               ? pause_until(s, 0)
               : pause_until(s, dfs_mono_ms() + (uint64_t)left * 1000);
}

static void *work(void *arg)
{
    struct sto_scrub *s = arg;
    for (bool go_on = true; go_on;) {
        if (s->at.state.began_s == 0) {
            if (!wait_for_round(s))
                break;
            begin_round(s);
        }
        int r = go_round(s);
        if (r == 0)
            end_round(s);
        keep(s, true);
        if (r < 0 && r != -ECANCELED) {
            dfs_log(LOG_WARN, "storage.scrub_failed", KV_U64("path", s->at.path), KV_ERR(r));
            go_on = pause_until(s, dfs_mono_ms() + AGAIN_MS);
        }
        go_on = go_on && pause_until(s, 0);
    }
    return NULL;
}

int sto_scrub_start(const struct sto_scrub_options *o, struct sto_scrub **ret)
{
    AUTO(buf_free) struct buf text = BUF(STATE_MAX);
    struct sto_scrub *s = dfs_zalloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->magic = SCRUB_MAGIC;
    s->o = *o;
    s->pace.rate = o->rate;
    dfs_background_init(&s->bg);
    int r = sto_savefile_read(o->state_path, &text);
    sto_scrub_parse(r == 0 ? buf_str(&text) : STR(""), &s->at);
    r = o->rate > 0 ? dfs_background_start(&s->bg, "sto-scrub", work, s) : 0;
    if (r < 0)
        sto_scrub_stop(&s);
    else
        *ret = s;
    return r;
}

void sto_scrub_stop(struct sto_scrub **sp)
{
    struct sto_scrub *s = TAKE(*sp);
    if (!s)
        return;
    CHECK_OBJ(s, SCRUB_MAGIC);
    dfs_background_fini(&s->bg);
    s->magic = 0;
    free(s);
}

static void state_of(struct sto_scrub *s, struct sto_scrub_state *ret)
{
    CHECK_OBJ(s, SCRUB_MAGIC);
    pthread_mutex_lock(&s->bg.lock);
    *ret = s->at.state;
    pthread_mutex_unlock(&s->bg.lock);
}

void sto_repair_state_put(struct sto_repair *r, struct sto_scrub *s, struct buf *out)
{
    struct sto_repair_counts c = {.damaged = 0};
    struct sto_scrub_state st = {.rounds = 0};
    if (r)
        sto_repair_counts(r, &c);
    if (s)
        state_of(s, &st);
    const struct dfs_repair_state m = {
        .damaged = (int64_t)c.damaged,
        .found = (int64_t)c.found,
        .repaired = (int64_t)c.repaired,
        .changes = (int64_t)c.changes,
        .scrub_rounds = (int64_t)st.rounds,
        .scrub_began = st.began_s,
        .scrub_bytes = (int64_t)st.bytes,
        .scrub_last = st.last_s,
        .scrub_last_bytes = (int64_t)st.last_bytes,
    };
    dfs_repair_state_put(out, &m);
}
