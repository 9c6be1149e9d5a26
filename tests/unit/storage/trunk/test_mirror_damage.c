/* SPDX-License-Identifier: Apache-2.0 */
/* Logs that were lost or are in the way, pieces that lie or were damaged, marks that are torn or of an earlier build. */
#include "tests/lib/mirror_fixture.h"

#include "storage/binlog/record.h"

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

/* What is in the log cannot be gone through then, and who says that he has done so would be wrong. */
static void a_mark_that_cannot_be_read_is_counted_until_the_log_is_begun_anew(void **state)
{
    (void)state;
    struct server a = {0}, b = {0};
    char name[STO_NAME_MAX + 1], bytes[1024];
    struct sto_log_info logs[2];
    open_server(&a, "10.0.0.1");
    open_server(&b, "10.0.0.2");
    put(&a, "text", name);
    (void)copy(&a, &b);
    assert_int_equal(sto_mirrors_unread(b.mirrors, 0), 0);
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(mark_file(&b, bytes, sizeof(bytes), sizeof(bytes)), sizeof(bytes));
    close_server(&b);
    open_server(&b, "10.0.0.2");
    assert_int_equal(sto_mirrors_list(b.mirrors, 0, logs, 2), 1);
    assert_int_equal(sto_mirrors_unread(b.mirrors, 0), 1);
    (void)copy(&a, &b);
    assert_int_equal(sto_mirrors_unread(b.mirrors, 0), 0);
    close_server(&b);
    open_server(&b, "10.0.0.2");
    assert_int_equal(sto_mirrors_unread(b.mirrors, 0), 0);
    assert_true(holds(&b, name, "text"));
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
        cmocka_unit_test(a_log_that_was_lost_is_known_before_it_is_here),
        cmocka_unit_test(lying_pieces_are_refused),
        cmocka_unit_test(an_empty_log_makes_way_for_one_in_its_directory),
        cmocka_unit_test(damage_on_the_way_is_noticed),
        cmocka_unit_test(a_torn_mark_leaves_the_one_before),
        cmocka_unit_test(a_mark_that_cannot_be_read_is_counted_until_the_log_is_begun_anew),
        cmocka_unit_test(the_mark_of_an_earlier_build_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
