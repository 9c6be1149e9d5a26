/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "dfscore/fileid/fileid.h"
#include "tests/lib/cluster_ledger.h"

struct ledger ledger;

void led_start(bool disks_fail)
{
    memset(&ledger, 0, sizeof(ledger));
    ledger.disks_fail = disks_fail;
}

void led_stop(void)
{
    for (unsigned i = 0; i < ledger.count; i++)
        free(ledger.files[i].bytes);
    ledger.count = 0;
}

bool led_has(const struct sim_node *n, const struct led_file *f)
{
    AUTO(buf_free) struct buf got = BUF(1 << 20);
    int r = sim_look_up(n, f->name, &got);
    return r == 0 && (f->vague || str_eq(buf_str(&got), str_of(f->bytes, f->n)));
}

int64_t led_version(const struct sim_node *n, const struct led_file *f)
{
    struct sto_info info = {.version = 0};
    (void)!sto_info(n->store, str_c(f->name), false, &info);
    return info.version;
}

bool led_has_meta(const struct sim_node *n, const struct led_file *f)
{
    AUTO(buf_free) struct buf got = BUF(1 << 20);
    int r = sto_meta_get(n->store, str_c(f->name), &got);
    return (r == 0 || r == -ENOENT) && str_eq(buf_str(&got), str_c(f->meta));
}

struct led_file *led_new_file(const struct sim_node *n, const char *name)
{
    ASSERT(ledger.count < LED_FILES);
    for (unsigned i = 0; i < ledger.count; i++)
        if (strcmp(ledger.files[i].name, name) == 0)
            WRONG("a name came twice: %s", name);
    struct led_file *f = &ledger.files[ledger.count++];
    *f = (struct led_file){.home = n->index, .makers = 1u << n->index, .busy = true};
    (void)snprintf(f->name, sizeof(f->name), "%s", name);
    return f;
}

void led_set_bytes(struct led_file *f, const void *p, size_t n)
{
    free(f->bytes);
    f->bytes = malloc(n + 1);
    ASSERT(f->bytes);
    memcpy(f->bytes, p, n);
    f->n = n;
}

static void take_back(void *arg)
{
    struct led_change *c = arg;
    int result;
    struct str name = str_c(c->f->name);
    while (c->n->session == c->session && sim_serves(c->n) && c->n->writing)
        fiber_sleep(100);
    if (c->n->session == c->session && sim_serves(c->n)) {
        sim_begin_change(c->n);
        if (c->kind == LED_MADE)
            (void)!sto_delete_batch(c->n->store, &name, 1, &result);
        else
            (void)!sto_regenerate_undo(c->n->store, name, str_c(c->old->name));
        sim_end_change(c->n);
    }
    ledger.pending--;
    free(c);
}

/* Has @n the log in which @c stands up to there, durably? Before that a piece of it may be here, and go again. */
static bool has_taken(const struct sim_node *n, const struct led_change *c)
{
    struct sto_log_info log, copy;
    if (n == c->n || c->wait.position == 0) /* it was answered without a look at others */
        return n == c->n;
    (void)sto_mirrors_list(c->n->mirrors, c->wait.path, &log, 1);
    return sto_mirrors_find(n->mirrors, c->wait.path, log.id, &copy) == 0 &&
           copy.end >= c->wait.position;
}

/* The members that have @c; *down: those that cannot be asked. */
static unsigned takers(const struct led_change *c, unsigned *down)
{
    unsigned mask = 0;
    *down = 0;
    for (unsigned i = 0; i < sim_nodes(); i++) {
        const struct sim_node *n = sim_node(i);
        if (!sim_serves(n))
            ++*down;
        else if (led_has(n, c->f) && has_taken(n, c))
            mask |= 1u << i;
    }
    return mask;
}

bool led_knows_gone(const struct sim_node *n, const struct led_file *f)
{
    struct sto_log_info log;
    struct dfs_logical at;
    unsigned bit = 1u << n->index;
    if (f->state != GONE || ledger.lost & bit || dfs_logical_parse(str_c(f->name), &at) < 0)
        return false;
    return sto_mirrors_find(n->mirrors, at.path_index, f->gone_log, &log) == 0 &&
           log.end >= f->gone_end && (n->up_us < f->gone_us || f->gone_from & bit);
}

static void note_gone(struct led_change *c)
{
    struct led_file *f = c->f;
    struct sto_log_info log;
    (void)sto_mirrors_list(c->n->mirrors, c->wait.path, &log, 1);
    memcpy(f->gone_log, log.id, sizeof(f->gone_log));
    f->gone_end = log.end;
    f->gone_us = fibers_now_us();
    f->gone_from = f->holders;
}

static unsigned meta_takers(const struct led_change *c)
{
    unsigned mask = 0;
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (sim_serves(sim_node(i)) && led_has_meta(sim_node(i), c->f) && has_taken(sim_node(i), c))
            mask |= 1u << i;
    return mask;
}

static unsigned logs_taken(const struct led_change *c)
{
    unsigned mask = 0;
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (sim_serves(sim_node(i)) && has_taken(sim_node(i), c))
            mask |= 1u << i;
    return mask;
}

static void acknowledged(struct led_change *c)
{
    struct led_file *f = c->f;
    ledger.acked++;
    if (c->kind == LED_DELETED) {
        f->state = GONE;
        f->meta_open &= ~(1u << c->n->index);
        note_gone(c);
        f->holders = logs_taken(c);
        return;
    }
    if (c->kind == LED_MARKED) {
        memcpy(f->meta, c->meta, sizeof(f->meta));
        f->meta_open &= ~(1u << c->n->index);
        f->meta_holders = meta_takers(c);
        return;
    }
    if (c->kind == LED_EDITED) {
        f->edit_open &= ~(1u << c->n->index);
        if (c->version <= f->version)
            return; /* made of an older content, by a clock that is behind: another one stays */
        free(f->bytes);
        f->bytes = c->bytes;
        f->n = c->size;
        f->version = c->version;
        c->bytes = NULL;
    }
    if (c->kind == LED_RENAMED) {
        c->old->state = GONE;
        c->old->holders = logs_taken(c);
    }
    if (c->unsure)
        return;
    if (f->target && f->target->state != THERE)
        return; /* deleted meanwhile: the link leads nowhere */
    unsigned down = 0, needed = sto_copies_needed(c->n->copies);
    f->state = THERE;
    f->holders = takers(c, &down);
    f->meta_holders = meta_takers(c);
    f->acked_us = fibers_now_us();
    if ((unsigned)__builtin_popcount(f->holders) + down < needed)
        WRONG("%s acknowledged by %u with holders %x, %u needed", f->name, c->n->index, f->holders,
              needed);
    if (!(f->holders & 1u << c->n->index))
        WRONG("%s acknowledged by %u, which does not have it", f->name, c->n->index);
}

static void unknown(struct led_change *c)
{
    ledger.refused++;
    if (c->kind == LED_MARKED)
        c->f->meta_vague = true;
    else if (c->kind == LED_EDITED)
        c->f->vague = true;
    else
        c->f->state = UNKNOWN;
    if (c->kind == LED_RENAMED)
        c->old->state = UNKNOWN;
}

static void answered(struct sto_copies_wait *wait, int result)
{
    struct led_change *c = (struct led_change *)wait;
    bool heard = c->n->session == c->session && sim_serves(c->n);
    c->f->busy = false;
    if (c->old)
        c->old->busy = false;
    if (!heard && (c->kind == LED_MADE || c->kind == LED_RENAMED))
        c->f->unheard = true;
    if (result == 0 && heard)
        acknowledged(c);
    else
        unknown(c);
    free(c->bytes);
    c->bytes = NULL;
    if (result < 0 && heard && (c->kind == LED_MADE || c->kind == LED_RENAMED)) {
        fiber_begin(c->n->index, take_back, c); /* as storage/service does: nobody knows the name */
        return;
    }
    ledger.pending--;
    free(c);
}

void led_wait(struct sim_node *n, struct led_change *c)
{
    struct dfs_logical at;
    ASSERT(dfs_logical_parse(str_c(c->f->name), &at) == 0);
    c->wait = (struct sto_copies_wait){.path = at.path_index, .done = answered};
    c->n = n;
    c->session = n->session;
    ledger.pending++;
    sto_copies_begin(n->copies, &c->wait);
}

struct led_change *led_new_change(struct led_file *f, enum led_kind kind)
{
    struct led_change *c = calloc(1, sizeof(*c));
    ASSERT(c);
    c->f = f;
    c->kind = kind;
    f->busy = true;
    return c;
}
