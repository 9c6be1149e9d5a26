/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server's loss of a disk, or of its connections, must not bring about: each order of events played once on a
 * simulated group of three. Member 0 is the one that loses them.
 */
#include <stdio.h>
#include <unistd.h>

#include "storage/disk/io.h"
#include "tests/lib/cluster_alike.h"
#include "tests/lib/cluster_script.h"
#include "tests/lib/test.h"

enum { FILE_BYTES = 100 };

/* --- what the script does and waits for ----------------------------------------------------------------- */

static bool meta_is(unsigned i, const char *name, const char *text)
{
    AUTO(buf_free) struct buf got = BUF(1 << 20);
    (void)!sto_meta_get(sim_node(i)->store, str_c(name), &got);
    return str_eq(buf_str(&got), str_c(text));
}

static bool meta_on_all(const char *name, const char *text)
{
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (!meta_is(i, name, text))
            return false;
    return true;
}

static void make_packed(unsigned i, char *name)
{
    char data[FILE_BYTES] = "content";
    struct sto_put put = {.kind = DFS_PUT_OBJECT,
                          .flags = STO_NATIVE,
                          .desc = STR(""),
                          .data = str_of(data, sizeof(data))};
    unsigned before = script_begin(i);
    int r = sto_put_batch(sim_node(i)->store, 0, &put, 1);
    memcpy(name, put.name, sizeof(put.name));
    script_end(i, before, r < 0 ? r : put.result);
}

static int edit_now(unsigned i, const char *name, enum sto_edit_op op, const char *text)
{
    struct sto_edit *e = NULL;
    int r = sto_edit_begin(sim_node(i)->store, str_c(name), op, 0, strlen(text), NULL, &e);
    if (r == 0)
        r = sto_edit_write(e, text, strlen(text));
    if (r == 0)
        r = sto_edit_commit(&e);
    sto_edit_free(&e);
    return r;
}

static void append(unsigned i, const char *name, const char *text)
{
    unsigned before = script_begin(i);
    script_end(i, before, edit_now(i, name, STO_EDIT_APPEND, text));
}

/* Over its first bytes. */
static void modify(unsigned i, const char *name, const char *text)
{
    unsigned before = script_begin(i);
    script_end(i, before, edit_now(i, name, STO_EDIT_MODIFY, text));
}

static bool begins_with(unsigned i, const char *name, const char *text)
{
    AUTO(buf_free) struct buf got = BUF(1 << 20);
    return sim_look_up(sim_node(i), name, &got) == 0 &&
           str_eq(str_head(buf_str(&got), strlen(text)), str_c(text));
}

static bool all_begin_with(const char *name, const char *text)
{
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (!begins_with(i, name, text))
            return false;
    return true;
}

static void cut_off(unsigned i, const char *name, uint64_t size)
{
    unsigned before = script_begin(i);
    script_end(i, before, sto_truncate(sim_node(i)->store, str_c(name), size, NULL));
}

static int new_text(struct str old, void *arg, struct buf *out)
{
    (void)old;
    buf_adds(out, str_c(arg));
    return buf_err(out);
}

static void mark(unsigned i, const char *name, char *text)
{
    unsigned before = script_begin(i);
    script_end(i, before, sto_meta_change(sim_node(i)->store, str_c(name), new_text, text, NULL));
}

static void lead_to(unsigned i, const char *target, char *name)
{
    const struct sto_link l = {.target = str_c(target), .ext = "bin"};
    unsigned before = script_begin(i);
    script_end(i, before, sto_make_link(sim_node(i)->store, &l, name));
}

static void lose_disk(unsigned i)
{
    sim_down(i);
    sim_lose_disk(i, 0);
    sim_up(i);
}

/* --- the orders ------------------------------------------------------------------------------------------- */

/* As a build that did not keep deletions: it is down. */
static void forget_deletions(unsigned i)
{
    char folder[SIM_PATH], path[SIM_PATH + 32];
    sim_folder(sim_node(i), 0, folder);
    (void)snprintf(path, sizeof(path), "%s/data/.deleted_ahead", folder);
    if (unlink(path) < 0)
        WRONG("no deletion was kept on %u", i);
}

/* Member 2 has heard of the deletion before it got the file, and 0 has not heard of it at all. */
static void a_deletion_is_heard_before_the_file(void)
{
    char name[STO_NAME_MAX + 1];
    script_part(0, 2, true);
    script_make(0, NULL, FILE_BYTES, name);
    UNTIL(script_size_on(1, name) == FILE_BYTES);
    script_part(0, 1, true);
    script_delete(1, name);
    UNTIL(script_follows(2, 1));
    script_part(1, 2, true);
    script_part(0, 2, false);
    sim_down(2); /* it asks 0 at once then */
    forget_deletions(2);
    sim_up(2);
    UNTIL(script_size_on(2, name) == FILE_BYTES);
    lose_disk(0);
    script_part(0, 1, false);
    script_part(1, 2, false);
    UNTIL(script_settled());
    UNTIL(script_on_all(name, -ENOENT));
}

/*
 * The same, but 0 never hears of the deletion, and nobody can say it anew: what comes by its log is over, also after a
 * restart. Member 2 has all of that log in the end, as 0 does not come back.
 */
static void deleted_before_it_comes(const char *name)
{
    UNTIL(script_size_on(1, name) == FILE_BYTES);
    script_part(0, 1, true);
    script_delete(1, name);
    UNTIL(script_follows(2, 1));
    script_part(1, 2, true);
    sim_down(2);
    sim_up(2);
    UNTIL(sim_serves(sim_node(2)));
}

static void it_does_not_come(const char *name)
{
    script_part(0, 2, false);
    UNTIL(script_follows(2, 0));
    if (script_size_on(2, name) != -ENOENT)
        WRONG("%s has come", name);
    lose_disk(0);
    script_part(0, 1, false);
    script_part(1, 2, false);
    UNTIL(script_settled());
    UNTIL(script_on_all(name, -ENOENT));
}

static void a_file_is_over_before_it_comes(void)
{
    char name[STO_NAME_MAX + 1];
    script_part(0, 2, true);
    script_make(0, NULL, FILE_BYTES, name);
    deleted_before_it_comes(name);
    it_does_not_come(name);
}

static void a_packed_file_is_over_before_it_comes(void)
{
    char name[STO_NAME_MAX + 1], text[] = "k\x02v";
    script_part(0, 2, true);
    make_packed(0, name);
    mark(0, name, text);
    deleted_before_it_comes(name);
    it_does_not_come(name);
    UNTIL(meta_on_all(name, ""));
}

static void an_appender_is_over_before_it_and_its_edits_come(void)
{
    char name[STO_NAME_MAX + 1], text[] = "k\x02v";
    script_part(0, 2, true);
    script_make_appender(0, FILE_BYTES, name);
    deleted_before_it_comes(name);
    append(0, name, "more");
    cut_off(0, name, 1);
    mark(0, name, text);
    it_does_not_come(name);
    UNTIL(meta_on_all(name, ""));
}

static void a_slave_is_over_before_it_comes(void)
{
    char master[STO_NAME_MAX + 1], name[STO_NAME_MAX + 1];
    script_make(1, NULL, FILE_BYTES, master);
    UNTIL(script_on_all(master, FILE_BYTES));
    script_part(0, 2, true);
    script_make(0, master, FILE_BYTES, name);
    deleted_before_it_comes(name);
    it_does_not_come(name);
}

/* Under its name there is a new one by then. */
static void a_slave_made_anew_takes_its_place(void)
{
    char master[STO_NAME_MAX + 1], name[STO_NAME_MAX + 1];
    script_make(1, NULL, FILE_BYTES, master);
    UNTIL(script_on_all(master, FILE_BYTES));
    script_part(0, 2, true);
    script_make(0, master, FILE_BYTES, name);
    deleted_before_it_comes(name);
    script_make(1, master, 2 * FILE_BYTES, name);
    script_part(0, 2, false);
    UNTIL(script_follows(2, 0));
    script_part(1, 2, false);
    script_part(0, 1, false);
    UNTIL(script_settled());
    UNTIL(script_on_all(name, (int64_t)2 * FILE_BYTES));
}

/* Member 2 alone is about to take what 0 changed last, but what it asks for does not come, and 0 loses its disk. */
static void begin_to_hear_alone(void)
{
    script_part(0, 1, true);
    script_part(0, 2, true);
}

static void hear_half(uint8_t cmd)
{
    sim_mute(0, cmd);
    script_part(0, 2, false);
    UNTIL(sim_muted(0) > 0);
    script_part(0, 2, true);
    lose_disk(0);
    sim_mute(0, 0);
    script_part(0, 2, false);
    script_part(0, 1, false);
    UNTIL(script_settled());
}

static void a_link_is_made_with_its_metadata_or_not_at_all(void)
{
    char name[STO_NAME_MAX + 1], link[STO_NAME_MAX + 1];
    script_make(0, NULL, FILE_BYTES, name);
    UNTIL(script_on_all(name, FILE_BYTES));
    begin_to_hear_alone();
    lead_to(0, name, link);
    hear_half(DFS_INT_SYNC_METAS);
    UNTIL(script_on_all(link, -ENOENT));
}

static void a_file_is_cut_off_and_goes_on_or_stays(void)
{
    char name[STO_NAME_MAX + 1];
    script_make_appender(0, FILE_BYTES, name);
    UNTIL(script_on_all(name, FILE_BYTES));
    begin_to_hear_alone();
    cut_off(0, name, 10);
    append(0, name, "goes on");
    hear_half(DFS_CMD_DOWNLOAD);
    UNTIL(script_on_all(name, FILE_BYTES));
}

static void a_file_is_renamed_as_it_was_then_or_stays(void)
{
    char name[STO_NAME_MAX + 1], new_name[STO_NAME_MAX + 1];
    script_make_appender(0, FILE_BYTES, name);
    UNTIL(script_on_all(name, FILE_BYTES));
    begin_to_hear_alone();
    append(0, name, "later");
    script_regenerate(0, name, new_name);
    hear_half(DFS_CMD_DOWNLOAD);
    UNTIL(script_on_all(name, FILE_BYTES));
    UNTIL(script_on_all(new_name, -ENOENT));
}

/* Nobody loses anything: 0, which made the file, cannot be reached when 1 changes its metadata, and 2 has not got it yet. */
static void hear_of_metadata_first(void (*make_it)(char *name), char *name, char *text)
{
    script_part(0, 2, true);
    make_it(name);
    UNTIL(script_size_on(1, name) == FILE_BYTES);
    script_part(0, 1, true);
    mark(1, name, text);
    UNTIL(script_follows(2, 1));
    script_part(1, 2, true);
}

static void the_file_follows(const char *name)
{
    script_part(0, 2, false);
    UNTIL(script_size_on(2, name) == FILE_BYTES);
    script_part(0, 1, false);
    script_part(1, 2, false);
    UNTIL(script_settled());
}

static void make_plain_at_0(char *name)
{
    script_make(0, NULL, FILE_BYTES, name);
}

static void make_packed_at_0(char *name)
{
    make_packed(0, name);
}

static void metadata_are_heard_of_before_the_file(void)
{
    char name[STO_NAME_MAX + 1], text[] = "k\x02v";
    hear_of_metadata_first(make_plain_at_0, name, text);
    the_file_follows(name);
    UNTIL(meta_on_all(name, text));
}

static void metadata_are_heard_of_before_the_packed_file(void)
{
    char name[STO_NAME_MAX + 1], text[] = "k\x02v";
    hear_of_metadata_first(make_packed_at_0, name, text);
    the_file_follows(name);
    UNTIL(meta_on_all(name, text));
}

static void removed_metadata_are_heard_of_before_the_file(void)
{
    char name[STO_NAME_MAX + 1], text[] = "k\x02v", none[] = "";
    script_part(0, 2, true);
    script_make(0, NULL, FILE_BYTES, name);
    mark(0, name, text);
    UNTIL(meta_is(1, name, text));
    script_part(0, 1, true);
    mark(1, name, none);
    UNTIL(script_follows(2, 1));
    script_part(1, 2, true);
    the_file_follows(name);
    UNTIL(meta_on_all(name, ""));
}

/* They come before a deletion, too. */
static void metadata_of_a_file_that_never_comes_go(void)
{
    char name[STO_NAME_MAX + 1], text[] = "k\x02v";
    hear_of_metadata_first(make_plain_at_0, name, text);
    UNTIL(meta_is(2, name, text));
    script_part(1, 2, false);
    script_delete(1, name);
    UNTIL(script_follows(2, 1));
    UNTIL(meta_is(2, name, ""));
    script_part(0, 2, false);
    script_part(0, 1, false);
    UNTIL(script_settled());
    UNTIL(script_on_all(name, -ENOENT) && meta_on_all(name, ""));
}

/* Nobody loses anything: the clock of 0 is broken when it sets them, in whatever direction. */
static void what_a_broken_clock_has_set_can_be_changed(int64_t years)
{
    const int64_t year_ms = INT64_C(365) * 24 * 3600 * 1000;
    char name[STO_NAME_MAX + 1], text[] = "k\x02z", then[] = "k\x02v", last[] = "k\x02l";
    script_make(1, NULL, FILE_BYTES, name);
    UNTIL(script_on_all(name, FILE_BYTES));
    fiber_skew(0, years * year_ms);
    mark(0, name, text);
    UNTIL(meta_on_all(name, text));
    mark(1, name, then);
    UNTIL(meta_on_all(name, then));
    mark(0, name, text);
    UNTIL(meta_on_all(name, text));
    fiber_skew(0, 0);
    mark(2, name, last);
    UNTIL(meta_on_all(name, last));
}

static void metadata_of_the_far_future_can_be_changed(void)
{
    what_a_broken_clock_has_set_can_be_changed(250);
}

static void metadata_of_the_past_can_be_changed(void)
{
    what_a_broken_clock_has_set_can_be_changed(-100);
}

/* 1 has changed those of the new name, and 2 has the file under the old one. */
static void metadata_are_heard_of_before_the_new_name(void)
{
    char name[STO_NAME_MAX + 1], new_name[STO_NAME_MAX + 1], text[] = "k\x02v", old[] = "k\x02old";
    script_make_appender(0, FILE_BYTES, name);
    mark(0, name, old);
    UNTIL(script_on_all(name, FILE_BYTES) && meta_on_all(name, old));
    script_part(0, 2, true);
    script_regenerate(0, name, new_name);
    UNTIL(script_size_on(1, new_name) == FILE_BYTES);
    script_part(0, 1, true);
    mark(1, new_name, text);
    UNTIL(script_follows(2, 1));
    script_part(1, 2, true);
    the_file_follows(new_name);
    UNTIL(script_on_all(name, -ENOENT) && meta_on_all(name, "") && meta_on_all(new_name, text));
}

/* The second name of a file that 2 has under neither. */
static void metadata_are_heard_of_before_a_file_that_is_renamed(void)
{
    char name[STO_NAME_MAX + 1], new_name[STO_NAME_MAX + 1], text[] = "k\x02v";
    script_part(0, 2, true);
    script_make_appender(0, FILE_BYTES, name);
    UNTIL(script_size_on(1, name) == FILE_BYTES);
    script_part(0, 1, true);
    mark(1, name, text);
    UNTIL(script_follows(2, 1) && meta_is(2, name, text));
    script_regenerate(1, name, new_name);
    UNTIL(script_follows(2, 1));
    UNTIL(meta_is(2, name, "") && meta_is(2, new_name, text));
    script_part(0, 2, false);
    script_part(0, 1, false);
    UNTIL(script_settled());
    UNTIL(script_on_all(name, -ENOENT) && script_on_all(new_name, FILE_BYTES));
    UNTIL(meta_on_all(name, "") && meta_on_all(new_name, text));
}

/* 2 has got the slave with a link to it, and not its record; its clock is behind. */
static void metadata_of_a_slave_that_came_with_a_link_are_later_than_it(void)
{
    char name[STO_NAME_MAX + 1], slave[STO_NAME_MAX + 1], link[STO_NAME_MAX + 1], text[] = "k\x02v";
    script_make(0, NULL, FILE_BYTES, name);
    UNTIL(script_on_all(name, FILE_BYTES));
    script_part(0, 2, true);
    script_make(0, name, FILE_BYTES, slave);
    UNTIL(script_follows(1, 0));
    script_part(0, 1, true);
    script_part(1, 2, true);
    lead_to(1, slave, link);
    script_part(1, 2, false);
    UNTIL(script_size_on(2, link) == FILE_BYTES);
    fiber_skew(2, -3600000);
    mark(2, slave, text);
    fiber_skew(2, 0);
    script_part(0, 1, false);
    script_part(0, 2, false);
    UNTIL(script_settled());
    UNTIL(meta_on_all(slave, text));
}

/* --- edits of appenders ----------------------------------------------------------------------------------- */

static void make_appender_on_all(char *name)
{
    script_make_appender(0, FILE_BYTES, name);
    UNTIL(script_on_all(name, FILE_BYTES));
}

/* 0 has edited it, 1 has heard of that; 0 lost that log, edited it again, and 2 has heard of that. Then 2 hears of the first
 * from 1. */
static void an_edit_of_the_lost_log_does_not_undo_a_newer_one(void)
{
    char name[STO_NAME_MAX + 1];
    struct sto_log_info lost, copy;
    make_appender_on_all(name);
    script_part(0, 2, true);
    script_part(1, 2, true);
    modify(0, name, "older");
    UNTIL(script_follows(1, 0));
    (void)sto_mirrors_list(sim_node(0)->mirrors, 0, &lost, 1);
    sim_down(1);
    script_part(0, 1, true);
    script_part(0, 2, false);
    lose_disk(0);
    UNTIL(script_in_service(1 << 0 | 1 << 2));
    UNTIL(script_size_on(0, name) == FILE_BYTES);
    modify(0, name, "newer");
    UNTIL(begins_with(2, name, "newer"));
    script_part(0, 2, true);
    sim_mute(2, DFS_INT_SYNC_PULL);
    script_part(1, 2, false);
    sim_up(1);
    UNTIL(sto_mirrors_find(sim_node(2)->mirrors, 0, lost.id, &copy) == 0 && copy.end >= lost.end);
    sim_mute(2, 0);
    script_part(0, 1, false);
    script_part(0, 2, false);
    UNTIL(script_settled());
    UNTIL(all_begin_with(name, "newer"));
}

/* 1 hears of what 0 did before others hear of what it has done itself. */
static void hear_of_the_earlier_first(void)
{
    sim_mute(1, DFS_INT_SYNC_PULL);
    script_part(0, 1, false);
    UNTIL(script_follows(1, 0));
    sim_mute(1, 0);
    script_part(0, 2, false);
    script_part(1, 2, false);
    UNTIL(script_settled());
}

static void make_appender_and_part_all(char *name)
{
    make_appender_on_all(name);
    script_part(0, 1, true);
    script_part(0, 2, true);
    script_part(1, 2, true);
}

static void the_later_of_two_edits_at_once_stays(void)
{
    char name[STO_NAME_MAX + 1];
    make_appender_and_part_all(name);
    modify(0, name, "earlier");
    fiber_sleep(2000);
    modify(1, name, "later, and longer");
    hear_of_the_earlier_first();
    UNTIL(all_begin_with(name, "later, and longer"));
}

static void of_two_members_that_append_at_once_one_does(void)
{
    char name[STO_NAME_MAX + 1];
    make_appender_and_part_all(name);
    append(0, name, "earlier, longer");
    fiber_sleep(2000);
    append(1, name, "later");
    hear_of_the_earlier_first();
    UNTIL(script_on_all(name, FILE_BYTES + 5));
}

/* 1 lags when it cuts off what 0 has appended meanwhile, and its clock says that it was first. */
static void an_earlier_edit_that_is_heard_of_later_is_none(void)
{
    char name[STO_NAME_MAX + 1];
    make_appender_and_part_all(name);
    append(0, name, "goes on");
    fiber_skew(1, -3600000);
    cut_off(1, name, 10);
    hear_of_the_earlier_first();
    UNTIL(script_on_all(name, FILE_BYTES + 7));
}

/* As a client's append at @i, which may be refused. */
static int append_in_turn(unsigned i, const char *name, const char *text)
{
    struct sim_node *n = sim_node(i);
    const struct sto_turn_options o = sim_turns(n);
    struct sto_turn t;
    unsigned before = fiber_as(i);
    n->fibers++;
    int r = sto_turn_take(&o, str_c(name), &t);
    if (r == 0) {
        sim_begin_change(n);
        r = edit_now(i, name, STO_EDIT_APPEND, text);
        sim_end_change(n);
        int ended = sto_turn_end(&o, &t);
        r = r < 0 ? r : ended;
    }
    n->fibers--;
    fiber_as(before);
    return r;
}

/* 0, its home, is away when it is edited at 1, and 2 has that as well. Then the group loses power, and 0 is the first to be
 * back. */
static void make_appender_and_lose_all_but_its_home(char *name)
{
    make_appender_on_all(name);
    sim_down(0);
    UNTIL(script_in_service(1 << 1 | 1 << 2));
    UNTIL(append_in_turn(1, name, "goes on") == 0);
    UNTIL(script_size_on(2, name) == FILE_BYTES + 7);
    sim_down(1);
    sim_down(2);
    sim_up(0);
}

static void who_is_back_first_edits_when_it_knows_what_others_have(void)
{
    char name[STO_NAME_MAX + 1];
    make_appender_and_lose_all_but_its_home(name);
    UNTIL(script_in_service(1 << 0));
    if (append_in_turn(0, name, ", and") != -EAGAIN)
        WRONG("it is taken for the only one");
    sim_up(2);
    UNTIL(append_in_turn(0, name, ", and") == 0);
    sim_up(1);
    UNTIL(script_settled());
    UNTIL(script_on_all(name, FILE_BYTES + 12));
}

static void who_alone_comes_back_edits_after_a_minute(void)
{
    char name[STO_NAME_MAX + 1];
    make_appender_and_lose_all_but_its_home(name);
    UNTIL(script_in_service(1 << 0));
    if (append_in_turn(0, name, " and on") != -EAGAIN)
        WRONG("it is taken for the only one at once");
    fiber_sleep(STO_AWAITED_MS * UINT64_C(1000));
    UNTIL(append_in_turn(0, name, " and on") == 0);
    sim_up(1);
    sim_up(2);
    UNTIL(script_settled());
    UNTIL(script_on_all(name, FILE_BYTES + 7)); /* the later one stays */
}

/* @i is killed, or loses power, at the @nth call of a disk of an edit at 0; then @next edits. */
static void interrupted(unsigned i, bool power, unsigned nth, unsigned next)
{
    enum { LOOKS = 100 }; /* there may be fewer calls */
    char name[STO_NAME_MAX + 1];
    make_appender_on_all(name);
    UNTIL(script_settled());
    sim_crash_begin(i, power, nth);
    sim_begin_change(sim_node(0));
    unsigned before = fiber_as(0);
    (void)!edit_now(0, name, STO_EDIT_MODIFY, "interrupted");
    fiber_as(before);
    sim_end_change(sim_node(0));
    for (unsigned k = 0; k < LOOKS && !sim_node(i)->crashed; k++)
        fiber_sleep(SCRIPT_LOOK_US);
    sim_crash_end(i);
    sim_up(i);
    UNTIL(script_settled());
    alike_check_members();
    /* Whatever it made of it: with a clock that is behind, the next one is later. */
    fiber_skew(next, -3600000);
    modify(next, name, "goes on there");
    fiber_skew(next, 0);
    UNTIL(script_settled());
    UNTIL(all_begin_with(name, "goes on there"));
    append(2, name, "and there");
    UNTIL(script_settled());
    UNTIL(script_on_all(name, FILE_BYTES + 9));
}

static void an_edit_that_is_interrupted_is_the_same_on_all(void)
{
    enum { CALLS = 6, TIMES = 4 }; /* what a disk has after a power failure is chance */
    for (unsigned nth = 1; nth <= CALLS; nth++)
        for (unsigned k = 0; k < TIMES; k++)
            interrupted(0, k > 1, nth, k % 2);
}

static void an_edit_that_is_interrupted_elsewhere_is_done_again(void)
{
    enum { CALLS = 20, TIMES = 4 };
    for (unsigned nth = 1; nth <= CALLS; nth++)
        for (unsigned k = 0; k < TIMES; k++)
            interrupted(1, k > 0, nth, 0);
}

/* More than is kept in memory. */
static void a_long_edit_is_taken_whole_or_not_at_all(void)
{
    static char text[600000];
    char name[STO_NAME_MAX + 1];
    memset(text, 't', sizeof(text) - 1);
    make_appender_on_all(name);
    begin_to_hear_alone();
    append(0, name, text);
    hear_half(DFS_CMD_DOWNLOAD);
    UNTIL(script_on_all(name, FILE_BYTES));
    append(1, name, text);
    UNTIL(script_on_all(name, FILE_BYTES + (int64_t)sizeof(text) - 1));
}

#define ORDERS(ORDER)                                                                              \
    ORDER(a_deletion_is_heard_before_the_file)                                                     \
    ORDER(a_file_is_over_before_it_comes)                                                          \
    ORDER(a_packed_file_is_over_before_it_comes)                                                   \
    ORDER(an_appender_is_over_before_it_and_its_edits_come)                                        \
    ORDER(a_slave_is_over_before_it_comes)                                                         \
    ORDER(a_slave_made_anew_takes_its_place)                                                       \
    ORDER(a_link_is_made_with_its_metadata_or_not_at_all)                                          \
    ORDER(a_file_is_cut_off_and_goes_on_or_stays)                                                  \
    ORDER(a_file_is_renamed_as_it_was_then_or_stays)                                               \
    ORDER(metadata_are_heard_of_before_the_file)                                                   \
    ORDER(metadata_are_heard_of_before_the_packed_file)                                            \
    ORDER(removed_metadata_are_heard_of_before_the_file)                                           \
    ORDER(metadata_are_heard_of_before_the_new_name)                                               \
    ORDER(metadata_of_a_file_that_never_comes_go)                                                  \
    ORDER(metadata_of_the_far_future_can_be_changed)                                               \
    ORDER(metadata_of_the_past_can_be_changed)                                                     \
    ORDER(metadata_are_heard_of_before_a_file_that_is_renamed)                                     \
    ORDER(metadata_of_a_slave_that_came_with_a_link_are_later_than_it)                             \
    ORDER(an_edit_of_the_lost_log_does_not_undo_a_newer_one)                                       \
    ORDER(the_later_of_two_edits_at_once_stays)                                                    \
    ORDER(of_two_members_that_append_at_once_one_does)                                             \
    ORDER(an_earlier_edit_that_is_heard_of_later_is_none)                                          \
    ORDER(who_is_back_first_edits_when_it_knows_what_others_have)                                  \
    ORDER(who_alone_comes_back_edits_after_a_minute)                                               \
    ORDER(an_edit_that_is_interrupted_is_the_same_on_all)                                          \
    ORDER(an_edit_that_is_interrupted_elsewhere_is_done_again)                                     \
    ORDER(a_long_edit_is_taken_whole_or_not_at_all)

SCRIPT_MAIN(ORDERS)
