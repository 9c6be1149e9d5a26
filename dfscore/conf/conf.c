/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the lines: each known key overwrites (or, a list, appends to) its member. Then rows
 * that no line named get their default through the same code, so a default is held to the same rules.
 */
#include "dfscore/conf/conf.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/conf/value.h"

enum {
    FILE_MAX = 4 * 1024 * 1024,
    VALUE_MAX = 4096, /* bytes of a value */
    INDEX_MAX = 255,  /* of "store_path#" */
    KEY_MAX = 128,    /* section and key */
    ROWS_MAX = 256,
    INCLUDES_MAX = 16, /* files included by one, directly or not */
};

struct parser {
    const char *file;
    unsigned line;
    const struct dfs_conf_row *rows;
    size_t n;
    const struct dfs_conf_opts *opts;
    void *conf;
    struct buf *err;
    struct str dir;    /* of the first file, with its slash; p NULL: it was no file */
    unsigned includes; /* so far */
    bool seen[ROWS_MAX];
};

static int complain(struct parser *p, struct str key, struct str value,
                    const struct dfs_conf_row *row)
{
    buf_reset(p->err);
    if (p->line)
        buf_addf(p->err, "%s:%u: ", p->file, p->line);
    else
        buf_addf(p->err, "%s: ", p->file);
    if (value.p && value.n == 0 && row->type == DFS_CONF_LIST) {
        buf_addf(p->err, STR_F " = : must not be empty", STR_A(key));
        return -EINVAL;
    }
    if (value.p)
        buf_addf(p->err, STR_F " = " STR_F ": must be ", STR_A(key), STR_A(str_head(value, 200)));
    else
        buf_addf(p->err, STR_F " is missing: must be ", STR_A(key));
    dfs_value_print_allowed(p->err, row);
    return -EINVAL;
}

static int append(struct dfs_conf_list *l, size_t at, struct str v)
{
    if (at >= l->n) {
        char **more = dfs_realloc(l->v, (at + 1) * sizeof(*more));
        if (!more)
            return -ENOMEM;
        memset(more + l->n, 0, (at + 1 - l->n) * sizeof(*more));
        l->v = more;
        l->n = at + 1;
    }
    char *copy = str_dup(v);
    if (!copy)
        return -ENOMEM;
    free(l->v[at]);
    l->v[at] = copy;
    return 0;
}

static int set_text(char **field, struct str v)
{
    char *copy = str_dup(v);
    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

static bool outside(const struct dfs_conf_row *row, int64_t v)
{
    return v < row->min || v > row->max;
}

static int set_number(const struct dfs_conf_row *row, void *field, struct str v)
{
    uint64_t u = 0;
    int64_t i = 0;
    int r = 0;
    switch (row->type) {
    case DFS_CONF_INT:
        r = dfs_value_int(v, &i);
        break;
    case DFS_CONF_SIZE:
        r = dfs_value_size(v, row->unit, &u);
        break;
    default:
        r = dfs_value_duration(v, row->unit, &u);
        break;
    }
    if (row->type != DFS_CONF_INT)
        i = (int64_t)u;
    if (r < 0 || outside(row, i))
        return -EINVAL;
    if (row->type == DFS_CONF_INT)
        *(int64_t *)field = i;
    else
        *(uint64_t *)field = u;
    return 0;
}

/* 0, -ENOMEM, or another error for a value the row does not allow. @index is for lists. */
static int set_value(struct parser *p, const struct dfs_conf_row *row, struct str v, size_t index)
{
    void *field = (char *)p->conf + row->offset;
    switch (row->type) {
    case DFS_CONF_STR:
        return outside(row, (int64_t)v.n) ? -EINVAL : set_text(field, v);
    case DFS_CONF_BOOL:
        return dfs_conf_bool(v, field);
    case DFS_CONF_SPACE:
        return dfs_value_space(v, row->unit, field);
    case DFS_CONF_DAYTIME:
        return dfs_value_daytime(v, field);
    case DFS_CONF_ENUM:
        return dfs_value_enum(v, row->allowed, field);
    case DFS_CONF_LIST:
        return (int64_t)index >= row->max || v.n == 0 ? -EINVAL : append(field, index, v);
    case DFS_CONF_INT:
    case DFS_CONF_SIZE:
    case DFS_CONF_DURATION:
        break;
    }
    return set_number(row, field, v);
}

/* Does @key name @row? For "store_path#" *index gets the number. */
static bool row_matches(const struct dfs_conf_row *row, struct str key, size_t *index)
{
    struct str pattern = str_c(row->key), before, after;
    *index = SIZE_MAX;
    if (!str_cut(pattern, '#', &before, &after))
        return str_eq(pattern, key);
    if (key.n <= before.n + after.n || !str_starts(key, before) || !str_ends(key, after))
        return false;
    struct str digits = str_of(key.p + before.n, key.n - before.n - after.n);
    uint64_t v;
    if (str_u64(digits, INDEX_MAX, &v) < 0 || (digits.n > 1 && digits.p[0] == '0'))
        return false;
    *index = (size_t)v;
    return true;
}

static bool is_meaningless(const struct dfs_conf_opts *o, struct str key)
{
    for (size_t i = 0; o && i < o->n; i++) {
        struct str k = str_c(o->meaningless[i]);
        if (str_eq(key, k) || (str_ends(k, STR("*")) && str_starts(key, str_head(k, k.n - 1))))
            return true;
    }
    return false;
}

static int unknown_key(struct parser *p, struct str key)
{
    bool meaningless = is_meaningless(p->opts, key);
    if (p->opts && p->opts->unknown)
        p->opts->unknown(p->file, p->line, key, meaningless);
    if (meaningless || (p->opts && p->opts->unknown))
        return 0;
    buf_reset(p->err);
    buf_addf(p->err, "%s:%u: " STR_F ": no such setting", p->file, p->line, STR_A(key));
    return -EINVAL;
}

static int one_setting(struct parser *p, struct str section, struct str key, struct str value)
{
    char full[KEY_MAX];
    int n = section.n ? snprintf(full, sizeof(full), STR_F "." STR_F, STR_A(section), STR_A(key))
                      : snprintf(full, sizeof(full), STR_F, STR_A(key));
    if (n < 0 || (size_t)n >= sizeof(full) || memchr(key.p, '\0', key.n))
        return unknown_key(p, str_head(key, 32));
    struct str name = str_of(full, (size_t)n);
    for (size_t i = 0; i < p->n; i++) {
        const struct dfs_conf_row *row = &p->rows[i];
        size_t index;
        if (!row_matches(row, name, &index))
            continue;
        if (row->type == DFS_CONF_LIST && index == SIZE_MAX)
            index = ((struct dfs_conf_list *)((char *)p->conf + row->offset))->n;
        int r = -EINVAL;
        if (value.n <= VALUE_MAX && !(value.n && memchr(value.p, '\0', value.n)))
            r = set_value(p, row, value, index);
        if (r == 0 && p->seen[i] && row->type != DFS_CONF_LIST && !p->opts) {
            buf_reset(p->err);
            buf_addf(p->err, "%s:%u: %s: is set already, above", p->file, p->line, row->key);
            return -EINVAL;
        }
        p->seen[i] = true;
        return r < 0 && r != -ENOMEM ? complain(p, name, value, row) : r;
    }
    return unknown_key(p, name);
}

static bool is_text(struct str line)
{
    for (size_t i = 0; i < line.n; i++)
        if (((unsigned char)line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 0x7f)
            return false;
    return true;
}

static int not_text(struct parser *p)
{
    buf_reset(p->err); /* a wrong file: nothing of it belongs on a terminal or in a log */
    buf_addf(p->err, "%s:%u: not a line of text: must be key = value", p->file, p->line);
    return -EINVAL;
}

static int read_file(const char *path, struct buf *text)
{
    AUTO(dfs_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (;;) {
        char *to = buf_room(text, 4096);
        if (!to)
            return buf_err(text);
        ssize_t n = read(fd, to, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        buf_used(text, (size_t)n);
    }
}

static int all_lines(struct parser *p, struct str text);

/* Rule: semantics 18.2. */
static int include(struct parser *p, struct str name)
{
    AUTO(buf_free) struct buf text = BUF(FILE_MAX);
    char path[PATH_MAX];
    const char *file = p->file, *why = NULL;
    unsigned line = p->line;
    int r = -EINVAL;
    int n = snprintf(path, sizeof(path), STR_F STR_F,
                     STR_A(str_starts(name, STR("/")) ? STR("") : p->dir), STR_A(name));
    if (name.n == 0 || n < 0 || (size_t)n >= sizeof(path) || str_find(name, STR("://")) != SIZE_MAX)
        why = "must be a file";
    else if (p->includes++ == INCLUDES_MAX)
        why = "more than 16 files are included";
    else if ((r = read_file(path, &text)) < 0)
        why = strerror(-r);
    if (why) {
        buf_reset(p->err);
        buf_addf(p->err, "%s:%u: #include " STR_F ": %s", file, line, STR_A(str_head(name, 200)),
                 why);
        return r;
    }
    p->file = path;
    r = all_lines(p, buf_str(&text));
    p->file = file;
    p->line = line;
    return r;
}

/* Directives look like comments; one that is meant and not obeyed would be a silent surprise. */
static int directive(struct parser *p, struct str line, struct str *section)
{
    static const char *const words[] = {"#include ",  "#include\t",      "#@if", "#@for", "#@set",
                                        "#@function", "#@add_annotation"};
    enum { INCLUDE_WORDS = 2, INCLUDE_LEN = 8 };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!str_starts(line, str_c(words[i])))
            continue;
        if (!is_text(line))
            return not_text(p);
        if (i < INCLUDE_WORDS && p->dir.p) {
            *section = STR("");
            return include(p, str_trim(str_from(line, INCLUDE_LEN)));
        }
        buf_reset(p->err);
        buf_addf(p->err, "%s:%u: " STR_F ": directives are not supported", p->file, p->line,
                 STR_A(str_head(line, 40)));
        return -EINVAL;
    }
    return 0;
}

static int one_line(struct parser *p, struct str line, struct str *section)
{
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    line = str_trim(line);
    if (line.n == 0)
        return 0;
    if (line.p[0] == '#')
        return directive(p, line, section);
    if (!is_text(line))
        return not_text(p);
    if (line.p[0] == '[' && line.p[line.n - 1] == ']') {
        *section = str_trim(str_of(line.p + 1, line.n - 2));
        return 0;
    }
    struct str key, value;
    if (!str_cut(line, '=', &key, &value) || str_trim(key).n == 0) {
        buf_reset(p->err);
        buf_addf(p->err, "%s:%u: " STR_F ": must be key = value", p->file, p->line,
                 STR_A(str_head(line, 60)));
        return -EINVAL;
    }
    return one_setting(p, *section, str_trim(key), str_trim(value));
}

static int apply_defaults(struct parser *p)
{
    p->line = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct dfs_conf_row *row = &p->rows[i];
        if (row->type == DFS_CONF_LIST) {
            const struct dfs_conf_list *l = (const void *)((char *)p->conf + row->offset);
            if ((int64_t)l->n < row->min)
                return complain(p, str_c(row->key), STR_NULL, row);
            continue;
        }
        if (p->seen[i])
            continue;
        if (!row->dflt)
            return complain(p, str_c(row->key), STR_NULL, row);
        int r = set_value(p, row, str_c(row->dflt), 0);
        ASSERT(r == 0 || r == -ENOMEM); /* a default outside its own row */
        if (r < 0)
            return r;
    }
    return 0;
}

static int all_lines(struct parser *p, struct str text)
{
    struct str section = STR(""), line;
    int r = 0;
    p->line = 0;
    while (r == 0 && str_split(&text, '\n', &line)) {
        p->line++;
        r = one_line(p, line, &section);
    }
    return r;
}

static int parse(struct parser *p, struct str text)
{
    ASSERT(p->n <= ROWS_MAX);
    buf_reset(p->err);
    int r = all_lines(p, text);
    if (r == 0)
        r = apply_defaults(p);
    if (r < 0)
        dfs_conf_fini(p->rows, p->n, p->conf);
    if (r == -ENOMEM) {
        buf_reset(p->err);
        buf_addf(p->err, "%s: no memory", p->file);
    }
    return r;
}

int dfs_conf_parse(struct str text, const char *name, const struct dfs_conf_row *rows, size_t n,
                   const struct dfs_conf_opts *opts, void *conf, struct buf *err)
{
    struct parser p = {.file = name, .rows = rows, .n = n, .opts = opts, .conf = conf, .err = err};
    return parse(&p, text);
}

int dfs_conf_load(const char *path, const struct dfs_conf_row *rows, size_t n,
                  const struct dfs_conf_opts *opts, void *conf, struct buf *err)
{
    AUTO(buf_free) struct buf text = BUF(FILE_MAX);
    int r = read_file(path, &text);
    if (r < 0) {
        buf_reset(err);
        buf_addf(err, "%s: cannot read: %s", path, strerror(-r));
        return r;
    }
    const char *slash = strrchr(path, '/');
    struct parser p = {.file = path,
                       .rows = rows,
                       .n = n,
                       .opts = opts,
                       .conf = conf,
                       .err = err,
                       .dir = str_of(path, slash ? (size_t)(slash + 1 - path) : 0)};
    return parse(&p, buf_str(&text));
}

int dfs_conf_refuse(struct buf *err, const char *path, const char *key, const char *value,
                    const char *what)
{
    buf_addf(err, "%s: %s%s%s: %s", path, key, *value ? " = " : "", value, what);
    return -EINVAL;
}

void dfs_conf_fini(const struct dfs_conf_row *rows, size_t n, void *conf)
{
    for (size_t i = 0; i < n; i++) {
        void *field = (char *)conf + rows[i].offset;
        if (rows[i].type == DFS_CONF_STR) {
            free(*(char **)field);
            *(char **)field = NULL;
        } else if (rows[i].type == DFS_CONF_LIST) {
            struct dfs_conf_list *l = field;
            for (size_t j = 0; j < l->n; j++)
                free(l->v[j]);
            free(l->v);
            *l = (struct dfs_conf_list){0};
        }
    }
}

static size_t size_of(enum dfs_conf_type type)
{
    switch (type) {
    case DFS_CONF_STR:
        return sizeof(char *);
    case DFS_CONF_BOOL:
        return sizeof(bool);
    case DFS_CONF_ENUM:
        return sizeof(int);
    case DFS_CONF_SPACE:
        return sizeof(struct dfs_conf_space);
    case DFS_CONF_LIST:
        return sizeof(struct dfs_conf_list);
    case DFS_CONF_INT:
    case DFS_CONF_SIZE:
    case DFS_CONF_DURATION:
    case DFS_CONF_DAYTIME:
        return sizeof(int64_t);
    }
    return 0;
}

void dfs_conf_reload(const struct dfs_conf_row *rows, size_t n, void *conf, void *next)
{
    for (size_t i = 0; i < n; i++) {
        char was[sizeof(struct dfs_conf_list)];
        char *mine = (char *)conf + rows[i].offset, *new = (char *)next + rows[i].offset;
        size_t size = size_of(rows[i].type);
        ASSERT(size > 0 && size <= sizeof(was));
        if (rows[i].apply != CONF_RELOAD)
            continue;
        memcpy(was, mine, size);
        memcpy(mine, new, size);
        memcpy(new, was, size);
    }
}

static void print_row(const struct dfs_conf_row *row, struct buf *out)
{
    struct str help = str_c(row->help), line;
    while (str_split(&help, '\n', &line))
        buf_addf(out, "# " STR_F "\n", STR_A(line));
    buf_addf(out, "# ");
    dfs_value_print_allowed(out, row);
    if (row->unit && row->type != DFS_CONF_SPACE)
        buf_addf(out, row->type == DFS_CONF_INT ? ", in %s" : "; a bare number is in %s",
                 row->unit);
    buf_addf(out, "; %s; %s\n",
             row->dflt      ? "optional"
             : row->min > 0 ? "required"
                            : "optional",
             row->apply == CONF_RELOAD ? "reload applies it" : "restart needed");
    if (row->dflt)
        buf_addf(out, row->dflt[0] ? "%s = %s\n\n" : "%s =%s\n\n", row->key, row->dflt);
    else
        buf_addf(out, "# %s =\n\n", row->key);
}

void dfs_conf_print(const struct dfs_conf_row *rows, size_t n, struct buf *out)
{
    struct str section = STR("");
    for (size_t i = 0; i < n; i++) {
        struct str key = str_c(rows[i].key), head, tail;
        struct str mine = str_cut(key, '.', &head, &tail) ? head : STR("");
        if (!str_eq(mine, section))
            buf_addf(out, "[" STR_F "]\n\n", STR_A(mine));
        section = mine;
        struct dfs_conf_row row = rows[i];
        row.key = mine.n ? tail.p : row.key;
        print_row(&row, out);
    }
}
