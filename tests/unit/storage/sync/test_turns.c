/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that edit one appender, and its metadata, at all members of a simulated group at once, each one edit after the
 * other. Afterwards, and on all members alike:
 *
 *   - what was appended and acknowledged is there, once, and what was not is there once or not at all
 *   - behind what had been acknowledged when it was begun
 *   - each client's own place in the file, and in the metadata, has what it wrote there last, or tried to
 *
 * Meanwhile members are killed, links are cut, or members stand still, while their trackers lose beats, or answers, or are
 * late with them, and lead one after the other.
 *
 * SEEDS=5000 for more schedules, FIRST=77 for where they begin; LOG=1 shows what the members log.
 */
#include <stdio.h>

#include "dfscore/log/log.h"
#include "storage/disk/io.h"
#include "tests/lib/cluster_alike.h"
#include "tests/lib/cluster_script.h"
#include "tests/lib/fake_disk.h"
#include "tests/lib/test.h"

enum {
    CLIENTS = 4,
    WORD = 8,              /* bytes of an append, and of a place */
    HEAD = CLIENTS * WORD, /* the places, in front of what is appended */
    WORDS = 2000,          /* of a client, at most */
    BUSY_US = 3000000,
    STANDS_US = 15000000, /* some have been taken for dead by then */
    QUIET_US = 90000000,
};

enum kind { APPEND, MODIFY, MERGE, KINDS };

struct word {
    enum kind kind;
    bool acked;
    uint64_t begun_us, acked_us;
};

struct client {
    unsigned index, n;
    struct word words[WORDS];
    /* the one under way: */
    struct sto_copies_wait wait;
    bool answered;
    int result;
};

static unsigned faults; /* of the schedule: bits */
enum { CUTS = 1, KILLS = 2, STANDS = 4 };

static struct client clients[CLIENTS];
static char name[STO_NAME_MAX + 1];
static bool working, quiet;
static unsigned pending, acked, refused, by_kind[KINDS];
static struct client *at_work; /* between two calls of its member's disk */

/* --- one edit ------------------------------------------------------------------------------------------ */

static void answered(struct sto_copies_wait *w, int result)
{
    struct client *c = (struct client *)((char *)w - offsetof(struct client, wait));
    c->result = result;
    c->answered = true;
}

static void spell(const struct client *c, unsigned nr, char out[WORD + 1])
{
    (void)snprintf(out, WORD + 1, "%c%06u;", (int)('a' + c->index), nr);
}

static int edit_content(struct sim_node *n, const struct client *c, enum kind kind,
                        const char *word)
{
    struct sto_edit *e = NULL;
    int r =
        sto_edit_begin(n->store, str_c(name), kind == APPEND ? STO_EDIT_APPEND : STO_EDIT_MODIFY,
                       kind == APPEND ? 0 : c->index * WORD, WORD, NULL, &e);
    if (r == 0)
        r = sto_edit_write(e, word, WORD);
    if (r == 0)
        r = sto_edit_commit(&e);
    sto_edit_free(&e);
    return r;
}

struct merge {
    const struct client *c;
    const char *word;
};

static int new_text(struct str old, void *arg, struct buf *out)
{
    const struct merge *m = arg;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct str there = old.n == HEAD ? str_of(old.p + i * WORD, WORD) : STR("-------;");
        buf_adds(out, i == m->c->index ? str_of(m->word, WORD) : there);
    }
    return buf_err(out);
}

static int change(struct sim_node *n, struct client *c, enum kind kind, const char *word)
{
    struct merge m = {c, word};
    sim_begin_change(n);
    at_work = c;
    int r = kind == MERGE ? sto_meta_change(n->store, str_c(name), new_text, &m, NULL)
                          : edit_content(n, c, kind, word);
    at_work = NULL;
    sim_end_change(n);
    return r;
}

/* They have locks, and may be asleep. */
static void let_others_end(const struct sim_node *n)
{
    while (n->writing)
        fiber_sleep(50);
}

/* As storage/service/edit.c and op.c: the turn, the edit, its copies. */
static int edit(struct sim_node *n, struct client *c, enum kind kind, const char *word)
{
    const struct sto_turn_options o = sim_turns(n);
    struct sto_turn t;
    let_others_end(n);
    int r = sto_turn_take(&o, str_c(name), &t);
    let_others_end(n);
    if (r == 0)
        r = sim_serves(n) ? change(n, c, kind, word) : -EPIPE;
    let_others_end(n);
    int ended = sto_turn_end(&o, &t);
    r = r < 0 ? r : ended;
    if (r < 0 || !sim_serves(n))
        return r < 0 ? r : -EPIPE;
    c->wait = (struct sto_copies_wait){.vouch = &t.vouch, .done = answered};
    c->answered = false;
    sto_copies_begin(n->copies, &c->wait);
    n->fibers--; /* it may end meanwhile, and tells so */
    while (!c->answered)
        fiber_sleep(200);
    n->fibers++;
    return c->result;
}

static void edit_somewhere(struct client *c)
{
    char word[WORD + 1];
    struct sim_node *n = sim_node((unsigned)sim_random(sim_nodes()));
    if (!sim_serves(n) || !n->complete || sto_copies_ready(n->copies, 0) < 0)
        return;
    struct word *w = &c->words[c->n];
    *w = (struct word){.kind = (enum kind)sim_random(KINDS), .begun_us = fibers_now_us()};
    spell(c, c->n++, word);
    uint64_t session = n->session;
    unsigned before = fiber_as(n->index);
    n->fibers++;
    if (n->still)
        fiber_sleep(1); /* it hears of it when it goes on */
    int r = edit(n, c, w->kind, word);
    n->fibers--;
    fiber_as(before);
    w->acked = r == 0 && n->session == session && sim_serves(n);
    w->acked_us = fibers_now_us();
    acked += w->acked;
    refused += !w->acked;
    by_kind[w->kind] += w->acked;
}

static void work(void *arg)
{
    struct client *c = arg;
    while (!quiet && c->n < WORDS) {
        edit_somewhere(c);
        fiber_sleep(1 + sim_random(sim_random(4) ? 3000 : 100000));
    }
    pending--;
}

static void between_calls(void *arg)
{
    (void)arg;
    struct client *c = at_work;
    if (!c || fiber_self() == NULL)
        return;
    at_work = NULL;
    fiber_sleep(1 + sim_random(3000));
    at_work = c;
}

/* --- what must be -------------------------------------------------------------------------------------- */

static const struct word *word_of(struct str text, unsigned *client, unsigned *nr)
{
    uint64_t number;
    if (text.n != WORD || text.p[0] < 'a' || text.p[0] >= 'a' + CLIENTS ||
        str_u64(str_of(text.p + 1, WORD - 2), WORDS - 1, &number) < 0)
        return NULL;
    *client = (unsigned)(text.p[0] - 'a');
    *nr = (unsigned)number;
    return *nr < clients[*client].n ? &clients[*client].words[*nr] : NULL;
}

/* What a place has, and what was acknowledged last for it. */
static void check_place(const struct client *c, enum kind kind, struct str text)
{
    unsigned whose = c->index, nr = 0, last = 0;
    bool any = false;
    for (unsigned i = 0; i < c->n; i++)
        if (c->words[i].kind == kind && c->words[i].acked) {
            any = true;
            last = i;
        }
    const struct word *w = word_of(text, &whose, &nr);
    if (any && (!w || whose != c->index || w->kind != kind || nr < last))
        WRONG("%s of client %u: %u was acknowledged, there is " STR_F,
              kind == MODIFY ? "the place" : "metadata", c->index, last, STR_A(text));
}

/* An edit that was not answered may be there in part after a power failure. */
static bool is_blank(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != '\0')
            return false;
    return true;
}

/* Who was acknowledged before another one had begun stands in front of it. */
static void check_order(struct str content)
{
    uint64_t begun_us = 0; /* the latest beginning of those in front */
    for (; content.n > 0; content = str_from(content, WORD)) {
        unsigned c, nr;
        const struct word *w = word_of(str_head(content, WORD), &c, &nr);
        if (w && w->acked && begun_us > w->acked_us)
            WRONG("%c%06u stands behind one that was begun later", (int)('a' + c), nr);
        begun_us = w ? MAX(begun_us, w->begun_us) : begun_us;
    }
}

static void check_appended(struct str content)
{
    static unsigned there[CLIENTS][WORDS];
    memset(there, 0, sizeof(there));
    if (content.n % WORD) {
        WRONG("half a word");
        return;
    }
    for (struct str left = content; left.n > 0; left = str_from(left, WORD)) {
        unsigned c, nr;
        struct str text = str_head(left, WORD);
        const struct word *w = word_of(text, &c, &nr);
        if (w && w->kind == APPEND && there[c][nr]++ > 0)
            WRONG("%c%06u is there twice", (int)('a' + c), nr);
        if (!(w && w->kind == APPEND) && !(faults & KILLS && is_blank(text)))
            WRONG("nobody appended " STR_F, STR_A(text));
    }
    for (unsigned c = 0; c < CLIENTS; c++)
        for (unsigned nr = 0; nr < clients[c].n; nr++)
            if (clients[c].words[nr].kind == APPEND && clients[c].words[nr].acked && !there[c][nr])
                WRONG("%c%06u is lost", (int)('a' + c), nr);
    check_order(content);
}

static void check(void)
{
    AUTO(buf_free) struct buf content = BUF(1 << 20), meta = BUF(1 << 20);
    alike_check_members();
    if (sim_look_up(sim_node(0), name, &content) < 0 || content.n < HEAD) {
        WRONG("it is gone");
        return;
    }
    (void)!sto_meta_get(sim_node(0)->store, str_c(name), &meta);
    struct str text = buf_str(&meta);
    for (unsigned i = 0; i < CLIENTS; i++) {
        check_place(&clients[i], MODIFY, str_of(content.p + i * WORD, WORD));
        check_place(&clients[i], MERGE, text.n == HEAD ? str_of(text.p + i * WORD, WORD) : STR(""));
    }
    check_appended(str_from(buf_str(&content), HEAD));
}

/* --- schedules ----------------------------------------------------------------------------------------- */

static void chance(void *arg)
{
    (void)arg;
    while (!quiet) {
        fiber_sleep(50000 + sim_random(500000));
        unsigned i = (unsigned)sim_random(sim_nodes()),
                 j = (unsigned)sim_random(sim_nodes() + !(faults & STANDS));
        if (faults & CUTS && i != j && sim_random(2)) {
            sim_cut(i, j, true);
            sim_cut(j, i, sim_random(2));
            fiber_sleep(sim_random(2000000));
            sim_cut(i, j, false);
            sim_cut(j, i, false);
        } else if (faults & KILLS && sim_node(i)->up) {
            sim_crash(i, sim_random(2));
            fiber_sleep(sim_random(sim_random(2) ? 100000 : 2000000));
            sim_up(i);
        }
    }
    pending--;
}

/* One member after the other stands still, for less or more than it is taken for alive. */
static void stand(void *arg)
{
    (void)arg;
    while (!quiet) {
        fiber_sleep(sim_random(1000000));
        unsigned i = (unsigned)sim_random(sim_nodes());
        if (!sim_serves(sim_node(i)))
            continue;
        sim_stand_still(i, true);
        fiber_sleep(sim_random(sim_random(2) ? UINT64_C(1500) * SIM_LOST_MS
                                             : UINT64_C(1000) * SIM_LEASE_MS));
        sim_stand_still(i, false);
    }
    pending--;
}

static void begin(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < sim_nodes(); i++)
        sim_up(i);
    while (!script_settled())
        fiber_sleep(SCRIPT_LOOK_US);
    script_make_appender(0, HEAD, name);
    while (!script_on_all(name, HEAD))
        fiber_sleep(SCRIPT_LOOK_US);
    for (unsigned i = 0; i < CLIENTS; i++) {
        pending++;
        fiber_begin(SIM_TRACKER, work, &clients[i]);
    }
    if (faults & STANDS)
        fiber_begin(SIM_TRACKER, stand, NULL);
    if (faults != STANDS)
        fiber_begin(SIM_TRACKER, chance, NULL);
    pending += faults == (STANDS | CUTS) ? 2 : 1;
    sim_trackers_fail(faults & STANDS);
    pending--;
    working = true;
}

static void end(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (sim_node(i)->up)
            sim_down(i);
    pending--;
}

static void run(uint64_t us, bool (*enough)(void))
{
    uint64_t until = fibers_now_us() + us;
    while (fibers_now_us() < until && !ledger.wrong[0] && !(enough && enough()))
        ASSERT(fibers_turn());
}

static bool nothing_pending(void)
{
    return pending == 0;
}

static bool at_it(void)
{
    return working;
}

static bool settled(void)
{
    static uint64_t look_us;
    if (fibers_now_us() < look_us && look_us - fibers_now_us() <= SCRIPT_LOOK_US)
        return false;
    look_us = fibers_now_us() + SCRIPT_LOOK_US;
    return nothing_pending() && script_settled();
}

static void schedule(uint64_t seed)
{
    memset(clients, 0, sizeof(clients));
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i].index = i;
    working = quiet = false;
    pending = 1;
    led_start(false);
    unsigned nodes = 2 + (unsigned)(seed % 3), majority = nodes / 2 + 1;
    sim_start(&(struct sim_options){.seed = seed,
                                    .nodes = nodes,
                                    .paths = 1,
                                    .min_copies = faults     ? majority
                                                  : seed % 2 ? 2
                                                             : 0,
                                    .loss = faults & CUTS ? 5 : 0,
                                    .trackers = faults & STANDS ? 1 + (unsigned)(seed / 3 % 3) : 0,
                                    .delay_us = seed % 4 ? 500 : 5000});
    fake_disk_meanwhile(6, between_calls, NULL);
    fiber_begin(SIM_TRACKER, begin, NULL);
    run(QUIET_US, at_it);
    run(faults & STANDS ? STANDS_US : BUSY_US, NULL);
    quiet = true;
    sim_trackers_fail(false);
    run(QUIET_US, settled);
    if (!settled() && !nothing_pending())
        WRONG("%u have not ended", pending);
    run(2000000, NULL);
    if (!ledger.wrong[0])
        check();
    if (ledger.wrong[0])
        fail_msg("seed %llu: %s", (unsigned long long)seed, ledger.wrong);
    pending++;
    fiber_begin(SIM_TRACKER, end, NULL);
    run(QUIET_US, nothing_pending);
    fake_disk_meanwhile(0, NULL, NULL);
    sim_stop();
    led_stop();
}

static void schedules(unsigned which, unsigned usual)
{
    unsigned first = MAX(test_number("FIRST", 1), 1u), count = test_number("SEEDS", usual);
    faults = which;
    acked = refused = 0;
    memset(by_kind, 0, sizeof(by_kind));
    for (unsigned seed = first; seed < first + count; seed++)
        schedule(seed);
    print_message(
        "%u schedules: %u edits acknowledged (%u appended, %u modified, %u merged), %u not\n",
        count, acked, by_kind[APPEND], by_kind[MODIFY], by_kind[MERGE], refused);
    assert_true(acked > count);
}

static void edits_at_all_members_at_once_stay(void **state)
{
    (void)state;
    schedules(0, 20);
}

static void edits_while_members_are_killed_stay(void **state)
{
    (void)state;
    schedules(KILLS, 20);
}

static void edits_while_links_are_cut_stay(void **state)
{
    (void)state;
    schedules(CUTS, 20);
}

static void edits_while_members_stand_still_stay(void **state)
{
    (void)state;
    schedules(STANDS, 12);
}

static void edits_while_members_stand_still_and_links_are_cut_stay(void **state)
{
    (void)state;
    schedules(STANDS | CUTS, 8);
}

int main(void)
{
    script_begins();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_at_all_members_at_once_stay),
        cmocka_unit_test(edits_while_members_are_killed_stay),
        cmocka_unit_test(edits_while_links_are_cut_stay),
        cmocka_unit_test(edits_while_members_stand_still_stay),
        cmocka_unit_test(edits_while_members_stand_still_and_links_are_cut_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
