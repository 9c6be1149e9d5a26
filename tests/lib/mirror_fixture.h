/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mirror_fixture - members of a group without a network: each has a store path and the logs of the others, and a test carries
 * the pieces of the logs from one to another.
 */
#ifndef TEST_MIRROR_FIXTURE_H
#define TEST_MIRROR_FIXTURE_H

#include <stdio.h>
#include <unistd.h>

#include "storage/trunk/mirror.h"
#include "tests/lib/sto_open.h"
#include "tests/lib/test.h"

/* A server: a store path, its engine, the logs it holds. */
struct server {
    char *dir;
    struct sto_store *store;
    struct sto_mirrors *mirrors;
};

static inline void open_server(struct server *s, const char *ip)
{
    if (!s->dir)
        s->dir = test_tmpdir();
    s->store = test_sto_open(s->dir, ip, true);
    assert_int_equal(sto_mirrors_open(s->store, ip, &s->mirrors), 0);
}

static inline void close_server(struct server *s)
{
    sto_mirrors_close(&s->mirrors);
    sto_store_close(&s->store);
}

static inline void remove_server(struct server *s)
{
    close_server(s);
    test_tmpdir_free(&s->dir);
}

static inline void put(struct server *s, const char *text, char *name)
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

static inline bool holds(struct server *s, const char *name, const char *text)
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

static inline int look(const struct sto_entry *e, void *arg)
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
static inline struct seen copy(struct server *from, struct server *to)
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

static inline int take(struct server *s, const struct sto_log_info *log,
                       const struct sto_range *range, const struct buf *piece)
{
    struct seen seen = {0};
    return sto_mirrors_take(s->mirrors, 0, log, range, buf_str(piece),
                            &(struct sto_taker){look, NULL, &seen});
}

#endif
