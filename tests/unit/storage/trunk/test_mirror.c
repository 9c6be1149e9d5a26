/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/sto_open.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <unistd.h>

#include "storage/binlog/record.h"
#include "storage/trunk/mirror.h"
#include "storage/trunk/replica.h"

/* A server: a store path, its engine, the logs it holds. */
struct server {
    char *dir;
    struct sto_store *store;
    struct sto_mirrors *mirrors;
};

static void open_server(struct server *s, const char *ip)
{
    if (!s->dir)
        s->dir = test_tmpdir();
    s->store = test_sto_open(s->dir, ip, true);
    assert_int_equal(sto_mirrors_open(s->store, ip, &s->mirrors), 0);
}

static void close_server(struct server *s)
{
    sto_mirrors_close(&s->mirrors);
    sto_store_close(&s->store);
}

static void remove_server(struct server *s)
{
    close_server(s);
    test_tmpdir_free(&s->dir);
}

static void put(struct server *s, const char *text, char *name)
{
    struct sto_put p = {.kind = DFS_PUT_OBJECT,
                        .flags = STO_NATIVE,
                        .ext = "txt",
                        .desc = STR("what it is"),
                        .data = str_c(text)};
    assert_int_equal(sto_put_batch(s->store, 0, &p, 1), 0);
    assert_int_equal(p.result, 0);
    memcpy(name, p.name, sizeof(p.name));
}

static bool holds(struct server *s, const char *name, const char *text)
{
    struct sto_view v;
    char got[256] = "";
    if (sto_open_read(s->store, str_c(name), &v) < 0)
        return false;
    ssize_t n = pread(v.fd, got, MIN(sizeof(got) - 1, (size_t)v.size), (off_t)v.offset);
    close(v.fd);
    return n == (ssize_t)strlen(text) && strcmp(got, text) == 0;
}

struct seen {
    unsigned entries, notes, again;
    char last[STO_NAME_MAX + 1];
};

static int look(const struct sto_entry *e, void *arg)
{
    struct seen *s = arg;
    s->entries++;
    s->notes += e->kind == DFS_SCAN_NOTE;
    s->again += e->again;
    if (e->name.n > 0)
        snprintf(s->last, sizeof(s->last), STR_F, STR_A(e->name));
    return 0;
}

/* Everything of @from's own log that @to does not have yet; what a replicator does, without a network. */
static struct seen copy(struct server *from, struct server *to)
{
    struct seen seen = {0};
    struct sto_log_info log, here = {.end = 0};
    assert_true(sto_mirrors_list(from->mirrors, 0, &log, 1) == 1);
    (void)!sto_mirrors_find(to->mirrors, 0, log.id, &here);
    uint64_t at = here.end;
    for (;;) {
        AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
        struct sto_range range;
        assert_int_equal(sto_mirrors_read(from->mirrors, 0, log.id, at, &piece, &range), 0);
        assert_int_equal(range.n, piece.n);
        if (range.n == 0) {
            assert_int_equal(range.next, range.end);
            return seen;
        }
        assert_true(range.next > at);
        assert_int_equal(sto_mirrors_take(to->mirrors, 0, &log, &range, buf_str(&piece),
                                          &(struct sto_taker){look, NULL, &seen}),
                         0);
        at = range.next;
    }
}

static void a_packed_file_is_read_on_every_member(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char one[STO_NAME_MAX + 1], two[STO_NAME_MAX + 1];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "first", one);
    struct seen seen = copy(&a, &b);
    assert_int_equal(seen.entries, 1);
    assert_string_equal(seen.last, one);
    assert_true(holds(&b, one, "first"));
    put(&a, "second", two);
    assert_false(holds(&b, two, "second"));
    assert_int_equal(copy(&a, &b).entries, 1);
    assert_true(holds(&b, two, "second"));
    assert_int_equal(copy(&a, &b).entries, 0);
    remove_server(&a);
    remove_server(&b);
}

static void how_far_survives_a_restart_of_either_side(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char one[STO_NAME_MAX + 1], two[STO_NAME_MAX + 1];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "first", one);
    (void)copy(&a, &b);
    close_server(&a);
    close_server(&b);
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "second", two);
    assert_int_equal(copy(&a, &b).entries, 1);
    assert_true(holds(&b, one, "first") && holds(&b, two, "second"));
    remove_server(&a);
    remove_server(&b);
}

struct stop {
    struct server *at;
    const char *name, *text;
    unsigned entries;
};

/* Of three files in a piece the second cannot be done: the peer has gone. */
static int fail_at_the_second(const struct sto_entry *e, void *arg)
{
    struct stop *s = arg;
    if (s->entries > 0)
        assert_true(holds(s->at, s->name, s->text));
    (void)e;
    return ++s->entries == 2 ? -EPIPE : 0;
}

static void what_was_done_of_a_piece_is_seen_and_marked_and_no_more(void **state)
{
    (void)state;
    struct server a = {0}, b = {0}, c = {0};
    char name[3][STO_NAME_MAX + 1];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    open_server(&c, "10.0.0.3");
    put(&a, "first", name[0]);
    (void)copy(&a, &b);
    put(&a, "one", name[0]);
    put(&a, "two", name[1]);
    put(&a, "three", name[2]);
    struct sto_log_info log, here, logs[2];
    struct sto_range r;
    AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
    assert_int_equal(sto_mirrors_list(a.mirrors, 0, &log, 1), 1);
    assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &here), 0);
    uint64_t before = here.end;
    assert_int_equal(sto_mirrors_read(a.mirrors, 0, log.id, here.end, &piece, &r), 0);
    struct stop stop = {.at = &b, .name = name[0], .text = "one"};
    assert_int_equal(sto_mirrors_take(b.mirrors, 0, &log, &r, buf_str(&piece),
                                      &(struct sto_taker){fail_at_the_second, NULL, &stop}),
                     -EPIPE);
    assert_int_equal(stop.entries, 2);
    assert_true(holds(&b, name[0], "one"));
    assert_false(holds(&b, name[1], "two") || holds(&b, name[2], "three"));
    assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &here), 0);
    assert_true(here.end > before && here.end < r.next);

    /* A third member has from it what it shows, and no more. */
    assert_int_equal(sto_mirrors_list(b.mirrors, 0, logs, 2), 2);
    struct seen seen = {0};
    uint64_t at = 0;
    do {
        buf_reset(&piece);
        assert_int_equal(sto_mirrors_read(b.mirrors, 0, log.id, at, &piece, &r), 0);
        if (r.n > 0)
            assert_int_equal(sto_mirrors_take(c.mirrors, 0, &logs[1], &r, buf_str(&piece),
                                              &(struct sto_taker){look, NULL, &seen}),
                             0);
        at = r.next;
    } while (r.n > 0);
    assert_true(holds(&c, name[0], "one"));
    assert_false(holds(&c, name[1], "two"));
    assert_int_equal(copy(&a, &b).entries, 2); /* it goes on where it stopped */
    assert_true(holds(&b, name[1], "two") && holds(&b, name[2], "three"));
    remove_server(&a);
    remove_server(&b);
    remove_server(&c);
}

/* What is put off: nothing of it can be seen until it is settled, which the third entry asks for. */
struct later {
    struct server *at;
    const char *name[4];
    unsigned asked, settled;
    int result; /* of settling */
};

static int put_off(const struct sto_entry *e, void *arg)
{
    struct later *l = arg;
    if (e->name.n == 0)
        return STO_PUT_OFF;
    l->asked++;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(holds(l->at, l->name[i], "text"), l->settled > 0 && i < 2);
    return l->asked == 3 ? STO_SETTLE_FIRST : STO_PUT_OFF;
}

static int do_later(void *arg)
{
    struct later *l = arg;
    l->settled++;
    return l->result;
}

static void what_is_put_off_is_seen_and_marked_when_it_is_settled(void **state)
{
    (void)state;
    for (int result = 0; result >= -EPIPE; result -= EPIPE) {
        struct server a = {0}, b = {0};
        char name[4][STO_NAME_MAX + 1];
        open_server(&a, "10.0.0.1");
        open_server(&b, "10.0.0.2");
        put(&a, "first", name[0]);
        (void)copy(&a, &b);
        struct later l = {.at = &b, .result = result};
        for (size_t i = 0; i < 4; i++) {
            put(&a, "text", name[i]);
            l.name[i] = name[i];
        }
        struct sto_log_info log, mine;
        struct sto_range r;
        AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
        assert_int_equal(sto_mirrors_list(a.mirrors, 0, &log, 1), 1);
        assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &mine), 0);
        uint64_t before = mine.end;
        assert_int_equal(sto_mirrors_read(a.mirrors, 0, log.id, before, &piece, &r), 0);
        const struct sto_taker taker = {put_off, do_later, &l};
        assert_int_equal(sto_mirrors_take(b.mirrors, 0, &log, &r, buf_str(&piece), &taker), result);
        assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &mine), 0);
        assert_int_equal(mine.end, result == 0 ? r.next : before);
        assert_int_equal(l.settled,
                         result == 0 ? 2 : 1); /* one that has failed is not asked again */
        assert_int_equal(l.asked, result == 0 ? 5 : 3);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(holds(&b, name[i], "text"), result == 0);
        remove_server(&a);
        remove_server(&b);
    }
}

static int take(struct server *s, const struct sto_log_info *log, const struct sto_range *range,
                const struct buf *piece)
{
    struct seen seen = {0};
    return sto_mirrors_take(s->mirrors, 0, log, range, buf_str(piece),
                            &(struct sto_taker){look, NULL, &seen});
}

static int cannot(const struct sto_entry *e, void *arg)
{
    (void)e;
    (void)arg;
    return -EPIPE;
}

/* What @s passes on of a log it copies. */
static struct seen passed_on(struct server *s, const struct sto_log_info *log)
{
    struct seen seen = {0};
    uint64_t at = 0;
    struct sto_range r;
    do {
        AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
        assert_int_equal(sto_mirrors_read(s->mirrors, 0, log->id, at, &piece, &r), 0);
        assert_int_equal(sto_mirrors_entries(s->mirrors, 0, log->id, &r, look, &seen), 0);
        at = r.next;
    } while (r.n > 0);
    return seen;
}

/* The piece is written, and cannot be done; until it is asked for again, the source sweeps some or all of it. */
static void what_could_not_be_done_and_was_swept_then_is_not_passed_on(void **state)
{
    (void)state;
    for (int all = 0; all <= 1; all++) {
        struct server a = {0}, b = {0};
        char gone[STO_NAME_MAX + 1], last[STO_NAME_MAX + 1];
        struct sto_log_info log, here;
        struct sto_range r;
        AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
        open_server(&a, "10.0.0.1");
        open_server(&b, "10.0.0.2");
        put(&a, "first", gone);
        (void)copy(&a, &b);
        put(&a, "gone", gone);
        assert_int_equal(sto_mirrors_list(a.mirrors, 0, &log, 1), 1);
        uint64_t kept = log.end;
        put(&a, "last", last);
        assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &here), 0);
        assert_int_equal(sto_mirrors_read(a.mirrors, 0, log.id, here.end, &piece, &r), 0);
        uint64_t end = r.next;
        assert_int_equal(sto_mirrors_take(b.mirrors, 0, &log, &r, buf_str(&piece),
                                          &(struct sto_taker){cannot, NULL, NULL}),
                         -EPIPE);

        if (all) {
            assert_int_equal(sto_mirrors_swept(b.mirrors, 0, &log, end), 0);
        } else {
            buf_reset(&piece);
            assert_int_equal(sto_mirrors_read(a.mirrors, 0, log.id, kept, &piece, &r), 0);
            assert_int_equal(take(&b, &log, &r, &piece), 0);
            assert_true(holds(&b, last, "last"));
        }
        assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &here), 0);
        assert_int_equal(here.end, end);
        struct seen seen = passed_on(&b, &log);
        assert_int_equal(seen.entries, all ? 1 : 2);
        assert_string_not_equal(seen.last, gone);
        remove_server(&a);
        remove_server(&b);
    }
}

static void a_copy_of_a_copy_is_as_good(void **state)
{
    (void)state;
    struct server a = {0}, b = {0}, c = {0};
    char name[STO_NAME_MAX + 1];
    struct sto_log_info logs[4];
    struct sto_put note = {.kind = DFS_PUT_NOTE, .desc = STR("key gone")};
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    open_server(&c, "10.0.0.1"); /* a, back with an empty disk */
    put(&a, "text", name);
    assert_int_equal(sto_put_batch(a.store, 0, &note, 1), 0);
    (void)copy(&a, &b);
    remove_server(&a);
    assert_int_equal(sto_mirrors_list(b.mirrors, 0, logs, ARRAY_LEN(logs)), 2);
    assert_string_equal(logs[1].origin, "10.0.0.1");
    assert_false(logs[1].own);
    struct seen seen = {0};
    for (uint64_t at = 0;;) {
        AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
        struct sto_range r;
        assert_int_equal(sto_mirrors_read(b.mirrors, 0, logs[1].id, at, &piece, &r), 0);
        if (r.n == 0)
            break;
        assert_int_equal(sto_mirrors_take(c.mirrors, 0, &logs[1], &r, buf_str(&piece),
                                          &(struct sto_taker){look, NULL, &seen}),
                         0);
        at = r.next;
    }
    assert_int_equal(seen.entries, 2);
    assert_int_equal(seen.notes, 1);
    assert_true(holds(&c, name, "text"));
    remove_server(&b);
    remove_server(&c);
}

static void a_deletion_takes_the_copy_away(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char name[STO_NAME_MAX + 1];
    int result = -1;
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "text", name);
    (void)copy(&a, &b);
    struct str n = str_c(name);
    assert_int_equal(sto_delete_batch(b.store, &n, 1, &result), 0);
    assert_int_equal(result, 0);
    assert_false(holds(&b, name, "text"));
    close_server(&b);
    open_server(&b, "10.0.0.2");
    assert_false(holds(&b, name, "text"));
    assert_true(holds(&a, name, "text"));
    remove_server(&a);
    remove_server(&b);
}

/* What a member hears from another one's log and says in its own. */
static void a_deletion_is_said_again_here_or_not(void **state)
{
    (void)state;
    struct server a = {0}, b = {0}, c = {0};
    char name[2][STO_NAME_MAX + 1], slave[STO_NAME_MAX + 1];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    open_server(&c, "10.0.0.3");
    put(&a, "here", name[0]);
    (void)copy(&a, &b);
    put(&a, "not here yet", name[1]);
    const struct str base = str_c(name[1]);
    (void)snprintf(slave, sizeof(slave), STR_F "_small.txt", STR_A(str_head(base, base.n - 4)));
    assert_int_equal(sto_replica_delete(b.store, str_c(name[0]), 0, false, false), 0);
    struct seen seen = copy(&b, &c);
    assert_int_equal(seen.entries, 1);
    assert_int_equal(seen.again, 1);
    assert_string_equal(seen.last, name[0]);
    assert_int_equal(sto_replica_delete(b.store, base, 0, false, false), -ENOENT);
    assert_int_equal(sto_replica_delete(b.store, str_c(slave), 0, false, true), -ENOENT);
    assert_int_equal(copy(&b, &c).entries, 0);
    assert_int_equal(sto_replica_delete(b.store, base, 0, false, true), -ENOENT);
    seen = copy(&b, &c);
    assert_int_equal(seen.entries, 1);
    assert_int_equal(seen.again, 1);
    assert_string_equal(seen.last, name[1]);
    const struct str first = str_c(name[1]);
    int result = -1;
    assert_int_equal(sto_delete_batch(a.store, &first, 1, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(copy(&a, &c).again, 0); /* at first hand */
    remove_server(&a);
    remove_server(&b);
    remove_server(&c);
}

static void a_log_that_was_lost_is_known_before_it_is_here(void **state)
{
    (void)state;
    struct server a = {0}, b = {0}, back = {0};
    char name[STO_NAME_MAX + 1];
    struct sto_log_info logs[2];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "text", name);
    (void)copy(&a, &b);
    assert_int_equal(sto_mirrors_list(b.mirrors, 0, logs, 2), 2);
    for (size_t i = 0; i < 2; i++)
        sto_mirrors_heard(a.mirrors, 0, &logs[i]);
    assert_false(sto_mirrors_lost(a.mirrors, 0)); /* the one that it writes */
    remove_server(&a);
    open_server(&back, "10.0.0.1");
    assert_false(sto_mirrors_lost(back.mirrors, 0));
    sto_mirrors_heard(back.mirrors, 0, &logs[0]);
    assert_false(sto_mirrors_lost(back.mirrors, 0)); /* another's */
    sto_mirrors_heard(back.mirrors, 0, &logs[1]);
    assert_true(sto_mirrors_lost(back.mirrors, 0));
    /* A copy that has been begun says so after a restart. */
    AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
    struct sto_range r;
    assert_int_equal(sto_mirrors_read(b.mirrors, 0, logs[1].id, 0, &piece, &r), 0);
    assert_int_equal(take(&back, &logs[1], &r, &piece), 0);
    close_server(&back);
    open_server(&back, "10.0.0.1");
    assert_true(sto_mirrors_lost(back.mirrors, 0));
    remove_server(&back);
    remove_server(&b);
}

static void lying_pieces_are_refused(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char name[STO_NAME_MAX + 1];
    struct sto_log_info log, own;
    AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
    struct sto_range head, r;
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "text", name);
    put(&b, "not empty", name);
    assert_true(sto_mirrors_list(a.mirrors, 0, &log, 1) == 1);
    assert_true(sto_mirrors_list(b.mirrors, 0, &own, 1) == 1);
    assert_int_equal(sto_mirrors_read(a.mirrors, 0, log.id, 0, &piece, &head), 0);
    assert_int_equal(head.offset, 0);

    r = head;
    r.number++;
    assert_int_equal(take(&b, &log, &r, &piece), -EBADMSG);
    r = head;
    r.offset = 64; /* inside the header page */
    assert_int_equal(take(&b, &log, &r, &piece), -EBADMSG);
    r = head;
    r.offset = UINT32_MAX - 10;
    assert_int_equal(take(&b, &log, &r, &piece), -EBADMSG);
    struct sto_log_info other = log;
    other.id[0] ^= 1;
    assert_int_equal(take(&b, &other, &head, &piece), -EBADMSG);
    struct sto_log_info clash = log;
    clash.high = own.high;
    clash.low = own.low;
    assert_int_equal(take(&b, &clash, &head, &piece), -EEXIST);
    assert_int_equal(sto_mirrors_read(a.mirrors, 0, other.id, 0, &piece, &r), -ENOENT);
    remove_server(&a);
    remove_server(&b);
}

static void an_empty_log_makes_way_for_one_in_its_directory(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char name[STO_NAME_MAX + 1];
    struct sto_log_info log, was, now;
    AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
    struct sto_range head;
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "text", name);
    assert_true(sto_mirrors_list(a.mirrors, 0, &log, 1) == 1);
    assert_true(sto_mirrors_list(b.mirrors, 0, &was, 1) == 1);
    log.high = was.high;
    log.low = was.low;
    assert_int_equal(sto_mirrors_read(a.mirrors, 0, log.id, 0, &piece, &head), 0);
    assert_int_equal(take(&b, &log, &head, &piece), 0);

    assert_true(sto_mirrors_list(b.mirrors, 0, &now, 1) == 1);
    assert_memory_not_equal(now.id, was.id, STO_LOG_ID_LEN);
    assert_false(now.high == was.high && now.low == was.low);
    assert_int_equal(sto_mirrors_find(b.mirrors, 0, was.id, &was), -ENOENT);
    put(&b, "mine", name);
    assert_true(holds(&b, name, "mine"));
    close_server(&b);
    open_server(&b, "10.0.0.2");
    assert_true(sto_mirrors_list(b.mirrors, 0, &was, 1) == 1);
    assert_memory_equal(was.id, now.id, STO_LOG_ID_LEN);
    assert_true(was.high == now.high && was.low == now.low && was.end > 0);
    assert_true(holds(&b, name, "mine"));
    remove_server(&a);
    remove_server(&b);
}

static void damage_on_the_way_is_noticed(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char name[STO_NAME_MAX + 1];
    struct sto_log_info log;
    struct sto_range r;
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "text", name);
    assert_true(sto_mirrors_list(a.mirrors, 0, &log, 1) == 1);
    AUTO(buf_free) struct buf piece = BUF(STO_RANGE_MAX);
    assert_int_equal(sto_mirrors_read(a.mirrors, 0, log.id, 0, &piece, &r), 0);
    assert_int_equal(take(&b, &log, &r, &piece), 0);
    buf_reset(&piece);
    assert_int_equal(sto_mirrors_read(a.mirrors, 0, log.id, r.next, &piece, &r), 0);
    piece.p[20] ^= 1; /* in the record's header */
    assert_int_equal(take(&b, &log, &r, &piece), -EBADMSG);
    assert_false(holds(&b, name, "text"));
    piece.p[20] ^= 1;
    uint64_t whole = r.next;
    char *tail = buf_room(&piece, STO_REC_ALIGN); /* of a record that is too short to have a slot */
    memset(tail, 0x5a, STO_REC_ALIGN);
    buf_used(&piece, STO_REC_ALIGN);
    r.n += STO_REC_ALIGN;
    r.next += STO_REC_ALIGN;
    assert_int_equal(take(&b, &log, &r, &piece), -EBADMSG);
    assert_true(holds(&b, name, "text")); /* what came before it was right */
    assert_int_equal(sto_mirrors_find(b.mirrors, 0, log.id, &log), 0);
    assert_int_equal(log.end, whole);
    remove_server(&a);
    remove_server(&b);
}

/* The file of the only mirror of @s: its bytes, NUL terminated; with @bytes, written instead. */
static size_t mark_file(struct server *s, char *bytes, size_t cap, size_t write_n)
{
    char path[256] = "";
    struct sto_log_info logs[2];
    assert_int_equal(sto_mirrors_list(s->mirrors, 0, logs, 2), 2);
    char hex[33] = "";
    str_hex(logs[1].id, STO_LOG_ID_LEN, hex);
    snprintf(path, sizeof(path), "%s/data/.mirrors/%s", s->dir, hex);
    FILE *f = fopen(path, write_n ? "wb" : "rb");
    assert_non_null(f);
    size_t n = write_n ? fwrite(bytes, 1, write_n, f) : fread(bytes, 1, cap, f);
    fclose(f);
    return n;
}

static uint64_t mirror_end(struct server *s)
{
    struct sto_log_info logs[2];
    assert_int_equal(sto_mirrors_list(s->mirrors, 0, logs, 2), 2);
    return logs[1].end;
}

static void a_torn_mark_leaves_the_one_before(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char name[STO_NAME_MAX + 1], whole[1100];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "first", name);
    (void)copy(&a, &b);
    uint64_t before = mirror_end(&b);
    put(&a, "second", name);
    (void)copy(&a, &b);
    uint64_t after = mirror_end(&b);
    assert_true(after > before);
    size_t n = mark_file(&b, whole, sizeof(whole), 0);
    assert_int_equal(n, 1024);
    unsigned older = 0;
    for (size_t at = 0; at < n; at++) { /* every byte, one at a time */
        char torn[1024];
        memcpy(torn, whole, n);
        torn[at] ^= 0x11;
        assert_int_equal(mark_file(&b, torn, sizeof(torn), n), n);
        close_server(&b);
        open_server(&b, "10.0.0.2");
        uint64_t end = mirror_end(&b);
        assert_true(end == after || end == before);
        older += end == before;
    }
    assert_true(older > 50);
    assert_int_equal(mark_file(&b, whole, sizeof(whole), n), n);
    close_server(&b);
    open_server(&b, "10.0.0.2");
    assert_int_equal(mirror_end(&b), after);
    put(&a, "third", name);
    assert_int_equal(copy(&a, &b).entries, 1);
    remove_server(&a);
    remove_server(&b);
}

static void the_mark_of_an_earlier_build_is_read(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char name[STO_NAME_MAX + 1], text[256];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "first", name);
    (void)copy(&a, &b);
    struct sto_log_info logs[2];
    assert_int_equal(sto_mirrors_list(b.mirrors, 0, logs, 2), 2);
    int n = snprintf(text, sizeof(text), "origin=10.0.0.1\nhigh=%u\nlow=%u\nposition=%llu\n",
                     logs[1].high, logs[1].low, (unsigned long long)logs[1].end);
    assert_int_equal(mark_file(&b, text, sizeof(text), (size_t)n), n);
    close_server(&b);
    open_server(&b, "10.0.0.2");
    assert_int_equal(mirror_end(&b), logs[1].end);
    put(&a, "second", name);
    assert_int_equal(copy(&a, &b).entries, 1);
    assert_true(holds(&b, name, "second"));
    close_server(&b);
    open_server(&b, "10.0.0.2");
    assert_int_equal(copy(&a, &b).entries, 0);
    remove_server(&a);
    remove_server(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packed_file_is_read_on_every_member),
        cmocka_unit_test(how_far_survives_a_restart_of_either_side),
        cmocka_unit_test(what_was_done_of_a_piece_is_seen_and_marked_and_no_more),
        cmocka_unit_test(what_is_put_off_is_seen_and_marked_when_it_is_settled),
        cmocka_unit_test(what_could_not_be_done_and_was_swept_then_is_not_passed_on),
        cmocka_unit_test(a_copy_of_a_copy_is_as_good),
        cmocka_unit_test(a_deletion_takes_the_copy_away),
        cmocka_unit_test(a_deletion_is_said_again_here_or_not),
        cmocka_unit_test(a_log_that_was_lost_is_known_before_it_is_here),
        cmocka_unit_test(lying_pieces_are_refused),
        cmocka_unit_test(an_empty_log_makes_way_for_one_in_its_directory),
        cmocka_unit_test(damage_on_the_way_is_noticed),
        cmocka_unit_test(a_torn_mark_leaves_the_one_before),
        cmocka_unit_test(the_mark_of_an_earlier_build_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
