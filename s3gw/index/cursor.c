/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One iterator is one state of the index, but it stands in one place only, and `o` and `v` rows lie
 * far apart. So a listing of versions reads ahead: some rows of the one kind, then some of the
 * other, and seeks once per so many rows instead of twice per row.
 */
#include "s3gw/index/cursor.h"

#include "s3gw/index/rows.h"

enum {
    AHEAD = 64, /* rows read per seek */
    AHEAD_ARENA = 64 * 1024 * 1024,
    STEPS_BEFORE_SEEK = 6, /* walking more rows costs as much as a seek */
    ROW_HEAD = 1 + 8,      /* letter and bucket before the key */
};

struct row {
    struct str key;
    struct str value;
    uint64_t number;
};

/* The rows of one letter. */
struct side {
    char letter;
    struct s3_row_key from;  /* where the next rows are read */
    struct s3_row_key until; /* behind the last key with the prefix */
    struct row rows[AHEAD];  /* in the arena */
    size_t n, at;            /* at < n: the row it stands on */
    bool end;                /* nothing behind rows[n - 1] */
    struct arena arena;
};

struct s3_cursor {
    unsigned magic;
#define CURSOR_MAGIC 0xc0450214u
    uint64_t bid;
    struct s3_iter *it;
    int err;
    size_t nsides;
    struct row row;       /* the current one; key.p == NULL: not valid */
    struct side *current; /* it is of this side */
    struct side sides[];  /* one: rows come straight from the iterator */
};

/* --- a row apart --- */

static int parse_row(char letter, struct str key, struct str value, struct row *ret)
{
    ret->value = value;
    ret->number = 0;
    if (letter != S3_ROW_OBJECT)
        return s3_row_numbered_parse(key, &ret->key, &ret->number) ? 0 : -EBADMSG;
    ret->key = str_from(key, ROW_HEAD);
    return key.n > ROW_HEAD ? 0 : -EBADMSG;
}

/* --- one side: straight --- */

static void take_straight(struct s3_cursor *c)
{
    c->row.key = STR_NULL;
    c->err = 0;
    if (s3_iter_valid(c->it))
        c->err = parse_row(c->sides[0].letter, s3_iter_key(c->it), s3_iter_value(c->it), &c->row);
    else
        c->err = s3_iter_err(c->it);
    if (c->err < 0)
        c->row.key = STR_NULL;
}

/* --- two sides: ahead --- */

static int read_row(struct side *s, struct s3_iter *it, struct row *ret)
{
    struct str key = arena_str(&s->arena, s3_iter_key(it));
    struct str value = arena_str(&s->arena, s3_iter_value(it));
    return key.p && value.p ? parse_row(s->letter, key, value, ret) : -ENOMEM;
}

static int read_ahead(struct s3_cursor *c, struct side *s)
{
    arena_fini(&s->arena);
    s->n = s->at = 0;
    s3_iter_seek(c->it, s3_row_str(&s->from));
    while (s->n < AHEAD) {
        if (!s3_iter_valid(c->it) || str_cmp(s3_iter_key(c->it), s3_row_str(&s->until)) >= 0) {
            s->end = true;
            return s3_iter_valid(c->it) ? 0 : s3_iter_err(c->it);
        }
        s->from.n = 0;
        s3_row_bytes(&s->from, s3_iter_key(c->it));
        s3_row_u8(&s->from, 0); /* the key right behind this one */
        int r = read_row(s, c->it, &s->rows[s->n]);
        if (r < 0)
            return r;
        s->n++;
        s3_iter_next(c->it);
    }
    return 0;
}

static void take_merged(struct s3_cursor *c)
{
    c->row.key = STR_NULL;
    c->current = NULL;
    for (size_t i = 0; i < c->nsides; i++) {
        struct side *s = &c->sides[i];
        if (s->at == s->n && !s->end) {
            c->err = read_ahead(c, s);
            if (c->err < 0)
                return;
        }
        /* On equal keys the first side wins: the current object is the newest version. */
        if (s->at < s->n && (!c->current || str_cmp(s->rows[s->at].key, c->row.key) < 0)) {
            c->current = s;
            c->row = s->rows[s->at];
        }
    }
    if (c->err < 0)
        c->row.key = STR_NULL;
}

/* --- moving --- */

static void take(struct s3_cursor *c)
{
    if (c->nsides == 1)
        take_straight(c);
    else
        take_merged(c);
}

void s3_cursor_next(struct s3_cursor *c)
{
    ASSERT(s3_cursor_valid(c));
    if (c->nsides == 1)
        s3_iter_next(c->it);
    else
        c->current->at++;
    take(c);
}

static void seek_behind(struct s3_cursor *c, struct str prefix)
{
    for (size_t i = 0; i < c->nsides; i++) {
        struct side *s = &c->sides[i];
        while (s->at < s->n && str_starts(s->rows[s->at].key, prefix))
            s->at++;
        if (s->at < s->n || s->end)
            continue; /* it stands behind already, or before: never, rows ascend */
        s3_row_object(&s->from, s->letter, c->bid, prefix);
        s3_row_after_prefix(&s->from);
        if (c->nsides == 1)
            s3_iter_seek(c->it, s3_row_str(&s->from));
    }
    take(c);
}

void s3_cursor_skip(struct s3_cursor *c, struct str prefix)
{
    for (int i = 0; i < STEPS_BEFORE_SEEK; i++) {
        if (!s3_cursor_valid(c) || !str_starts(s3_cursor_key(c), prefix))
            return;
        s3_cursor_next(c);
    }
    if (s3_cursor_valid(c) && str_starts(s3_cursor_key(c), prefix))
        seek_behind(c, prefix);
}

/* --- looking --- */

bool s3_cursor_valid(const struct s3_cursor *c)
{
    CHECK_OBJ(c, CURSOR_MAGIC);
    return c->row.key.p != NULL;
}

int s3_cursor_err(const struct s3_cursor *c)
{
    return c->err;
}

struct str s3_cursor_key(const struct s3_cursor *c)
{
    return c->row.key;
}

struct str s3_cursor_value(const struct s3_cursor *c)
{
    return c->row.value;
}

uint64_t s3_cursor_number(const struct s3_cursor *c)
{
    return c->row.number;
}

/* --- birth and death --- */

static void side_init(struct side *s, char letter, uint64_t bid, struct str prefix, struct str from)
{
    s->letter = letter;
    s3_row_object(&s->from, letter, bid, str_cmp(from, prefix) > 0 ? from : prefix);
    s3_row_object(&s->until, letter, bid, prefix);
    s3_row_after_prefix(&s->until);
    arena_init(&s->arena, AHEAD_ARENA);
}

int s3_cursor_new(struct s3_index *x, enum s3_cursor_kind kind, uint64_t bid, struct str prefix,
                  struct str from, struct s3_cursor **ret)
{
    static const char *const letters[] = {
        [S3_CURSOR_OBJECTS] = "o", [S3_CURSOR_VERSIONS] = "ov", [S3_CURSOR_UPLOADS] = "m"};
    size_t nsides = kind == S3_CURSOR_VERSIONS ? 2 : 1;
    AUTO(s3_cursor_free)
    struct s3_cursor *c = dfs_zalloc(sizeof(*c) + nsides * sizeof(c->sides[0]));
    if (!c)
        return -ENOMEM;
    c->magic = CURSOR_MAGIC;
    c->bid = bid;
    c->nsides = nsides;
    for (size_t i = 0; i < nsides; i++)
        side_init(&c->sides[i], letters[kind][i], bid, prefix, from);
    const struct side *last = &c->sides[nsides - 1];
    int r = s3_iter_new(x, s3_row_str(&c->sides[0].from), s3_row_str(&last->until), &c->it);
    if (r < 0)
        return r;
    take(c);
    if (!s3_cursor_valid(c) && c->err < 0)
        return c->err;
    *ret = TAKE(c);
    return 0;
}

void s3_cursor_free(struct s3_cursor **cp)
{
    struct s3_cursor *c = TAKE(*cp);
    if (!c)
        return;
    CHECK_OBJ(c, CURSOR_MAGIC);
    for (size_t i = 0; i < c->nsides; i++)
        arena_fini(&c->sides[i].arena);
    s3_iter_free(&c->it);
    c->magic = 0;
    free(c);
}
