/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/conf/value.h"

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"B", 1},        {"K", 1 << 10},           {"KB", 1 << 10},
    {"M", 1 << 20},  {"MB", 1 << 20},          {"G", 1 << 30},
    {"GB", 1 << 30}, {"T", UINT64_C(1) << 40}, {"TB", UINT64_C(1) << 40},
};
static const struct unit time_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};

static int with_unit(struct str text, const char *bare, const struct unit *units, size_t n,
                     uint64_t *ret)
{
    size_t digits = 0;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    uint64_t v;
    int r = str_u64(str_head(text, digits), UINT64_MAX, &v);
    if (r < 0)
        return r;
    struct str unit = str_trim(str_from(text, digits));
    if (unit.n == 0)
        unit = str_c(bare);
    for (size_t i = 0; i < n; i++) {
        if (!str_ieq(unit, str_c(units[i].name)))
            continue;
        if (v > (uint64_t)INT64_MAX / units[i].factor)
            return -ERANGE;
        *ret = v * units[i].factor;
        return 0;
    }
    return -EINVAL;
}

int dfs_value_size(struct str text, const char *unit, uint64_t *ret)
{
    return with_unit(str_trim(text), unit, size_units, ARRAY_LEN(size_units), ret);
}

int dfs_value_duration(struct str text, const char *unit, uint64_t *ret_ms)
{
    return with_unit(str_trim(text), unit, time_units, ARRAY_LEN(time_units), ret_ms);
}

int dfs_conf_bool(struct str v, bool *ret)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (str_ieq(v, str_c(yes[i])) || str_ieq(v, str_c(no[i]))) {
            *ret = str_ieq(v, str_c(yes[i]));
            return 0;
        }
    }
    return -EINVAL;
}

int dfs_value_int(struct str v, int64_t *ret)
{
    bool minus = v.n && v.p[0] == '-';
    uint64_t u;
    int r = str_u64(minus ? str_from(v, 1) : v, INT64_MAX, &u);
    if (r == 0)
        *ret = minus ? -(int64_t)u : (int64_t)u;
    return r;
}

/* "20%" or "20.25%", more than 0 and less than 100. */
static int parse_percent(struct str v, uint32_t *ret_x100)
{
    struct str whole, frac;
    uint64_t w, f = 0;
    str_cut(str_head(v, v.n - 1), '.', &whole, &frac);
    whole = str_trim(whole);
    frac = str_trim(frac);
    if (str_u64(whole, 99, &w) < 0 || frac.n > 2 || (frac.n && str_u64(frac, 99, &f) < 0))
        return -EINVAL;
    if (frac.n == 1)
        f *= 10;
    if (w * 100 + f == 0)
        return -EINVAL;
    *ret_x100 = (uint32_t)(w * 100 + f);
    return 0;
}

int dfs_value_space(struct str v, const char *unit, struct dfs_conf_space *ret)
{
    struct dfs_conf_space s = {0};
    int r = str_ends(v, STR("%")) ? parse_percent(v, &s.percent_x100)
                                  : dfs_value_size(v, unit, &s.bytes);
    if (r == 0)
        *ret = s;
    return r;
}

int dfs_value_daytime(struct str v, int64_t *ret)
{
    uint64_t part[3] = {0};
    size_t n = 0;
    struct str piece;
    while (str_split(&v, ':', &piece)) {
        if (n == 3 || piece.n > 2 || str_u64(piece, n ? 59 : 23, &part[n]) < 0)
            return -EINVAL;
        n++;
    }
    if (n < 2)
        return -EINVAL;
    *ret = (int64_t)(part[0] * 3600 + part[1] * 60 + part[2]);
    return 0;
}

int dfs_value_enum(struct str v, const char *allowed, int *ret)
{
    struct str rest = str_c(allowed), piece;
    for (int i = 0; str_split(&rest, '|', &piece); i++) {
        if (str_ieq(v, piece)) {
            *ret = i;
            return 0;
        }
    }
    return -EINVAL;
}

/* A bound in the largest unit that divides it, as a person would write it. */
static void print_amount(struct buf *b, enum dfs_conf_type type, uint64_t v)
{
    const struct unit *units = type == DFS_CONF_SIZE ? size_units : time_units;
    size_t n = type == DFS_CONF_SIZE ? ARRAY_LEN(size_units) : ARRAY_LEN(time_units);
    const struct unit *best = &units[0];
    for (size_t i = 0; i < n; i++)
        if (v && v % units[i].factor == 0 && units[i].factor >= best->factor)
            best = &units[i];
    buf_addf(b, "%llu%s", (unsigned long long)(v / best->factor), best->name);
}

void dfs_value_print_allowed(struct buf *b, const struct dfs_conf_row *row)
{
    switch (row->type) {
    case DFS_CONF_STR:
        if (row->min > 0)
            buf_addf(b, "text of %lld to %lld bytes", (long long)row->min, (long long)row->max);
        else
            buf_addf(b, "text of at most %lld bytes", (long long)row->max);
        break;
    case DFS_CONF_INT:
        buf_addf(b, "a number from %lld to %lld", (long long)row->min, (long long)row->max);
        break;
    case DFS_CONF_BOOL:
        buf_addf(b, "true or false");
        break;
    case DFS_CONF_SIZE:
    case DFS_CONF_DURATION:
        buf_addf(b, row->type == DFS_CONF_SIZE ? "a size from " : "a time from ");
        print_amount(b, row->type, (uint64_t)row->min);
        buf_addf(b, " to ");
        print_amount(b, row->type, (uint64_t)row->max);
        break;
    case DFS_CONF_SPACE:
        buf_addf(b, "a size such as 4GB, or more than 0%% and less than 100%%");
        break;
    case DFS_CONF_DAYTIME:
        buf_addf(b, "a time of day from 00:00 to 23:59");
        break;
    case DFS_CONF_ENUM:
        buf_addf(b, "one of %s", row->allowed);
        break;
    case DFS_CONF_LIST:
        buf_addf(b, "%lld to %lld values", (long long)row->min, (long long)row->max);
        break;
    }
}
