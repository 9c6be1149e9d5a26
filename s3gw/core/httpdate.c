/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/httpdate.h"

struct civil {
    int64_t year;
    unsigned month, day; /* 1..12, 1..31 */
    unsigned hour, minute, second;
};

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "SunMonTueWedThuFriSat";

/* Days since 1970-01-01 of a Gregorian date; a year begins in March here, so that leap days come
 * last. */
static int64_t days_of(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (int64_t)(m + (m > 2 ? -3u : 9u)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static struct civil civil_of(int64_t unix_s)
{
    static const int64_t first = -62167219200, last = 253402300799; /* years 0000 to 9999 */
    unix_s = MAX(first, MIN(last, unix_s));
    int64_t day = unix_s / 86400, rest = unix_s % 86400;
    if (rest < 0) {
        rest += 86400;
        day--;
    }
    int64_t z = day + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    struct civil c = {.month = (unsigned)(mp < 10 ? mp + 3 : mp - 9),
                      .day = (unsigned)(doy - (153 * mp + 2) / 5 + 1)};
    c.year = yoe + era * 400 + (c.month <= 2);
    c.hour = (unsigned)(rest / 3600);
    c.minute = (unsigned)(rest / 60 % 60);
    c.second = (unsigned)(rest % 60);
    return c;
}

/* A leap second counts as the one after; -EINVAL for dates that do not exist. */
static int unix_of(const struct civil *c, int64_t *ret)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (c->month < 1 || c->month > 12 || c->hour > 23 || c->minute > 59 || c->second > 60)
        return -EINVAL;
    bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
    unsigned length = lengths[c->month - 1] + (c->month == 2 && leap ? 1u : 0u);
    if (c->day < 1 || c->day > length)
        return -EINVAL;
    *ret = days_of(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 + c->second;
    return 0;
}

/* --- a cursor; the first mismatch sticks --- */

struct scan {
    struct str s;
    bool bad;
};

static unsigned digits(struct scan *x, size_t n)
{
    uint64_t v = 0;
    if (x->bad || x->s.n < n || str_u64(str_head(x->s, n), UINT32_MAX, &v) < 0)
        x->bad = true;
    x->s = str_from(x->s, n);
    return (unsigned)v;
}

static void literal(struct scan *x, struct str text)
{
    if (!str_istarts(x->s, text))
        x->bad = true;
    x->s = str_from(x->s, text.n);
}

/* 1-based place of the three letters at the cursor in @table; 0 and bad when not there. */
static unsigned name(struct scan *x, const char *table)
{
    struct str three = str_head(x->s, 3);
    x->s = str_from(x->s, 3);
    for (unsigned i = 0; three.n == 3 && table[3 * i]; i++)
        if (str_ieq(three, str_of(table + 3 * i, 3)))
            return i + 1;
    x->bad = true;
    return 0;
}

static void time_of_day(struct scan *x, struct civil *c)
{
    c->hour = digits(x, 2);
    literal(x, STR(":"));
    c->minute = digits(x, 2);
    literal(x, STR(":"));
    c->second = digits(x, 2);
}

/* Seconds east of Greenwich: "+0100" or "+01:00". */
static int64_t offset(struct scan *x)
{
    bool west = str_starts(x->s, STR("-"));
    if (!west && !str_starts(x->s, STR("+")))
        x->bad = true;
    x->s = str_from(x->s, 1);
    unsigned hours = digits(x, 2);
    if (str_starts(x->s, STR(":")))
        x->s = str_from(x->s, 1);
    unsigned minutes = digits(x, 2);
    if (hours > 23 || minutes > 59)
        x->bad = true;
    int64_t seconds = (int64_t)hours * 3600 + minutes * 60;
    return west ? -seconds : seconds;
}

static int finish(const struct scan *x, const struct civil *c, int64_t east, int64_t *ret)
{
    int64_t t;
    if (x->bad || x->s.n || unix_of(c, &t) < 0)
        return -EINVAL;
    *ret = t - east;
    return 0;
}

static int64_t zone(struct scan *x)
{
    if (str_ieq(x->s, STR("GMT")) || str_ieq(x->s, STR("UTC"))) {
        x->s = str_from(x->s, 3);
        return 0;
    }
    return offset(x);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", after the weekday. One digit of day comes from hand-made
 * clients. */
static int parse_imf(struct scan x, int64_t *ret)
{
    struct civil c = {0};
    c.day = digits(&x, x.s.n > 1 && x.s.p[1] == ' ' ? 1 : 2);
    literal(&x, STR(" "));
    c.month = name(&x, months);
    literal(&x, STR(" "));
    c.year = digits(&x, 4);
    literal(&x, STR(" "));
    time_of_day(&x, &c);
    literal(&x, STR(" "));
    int64_t east = zone(&x);
    return finish(&x, &c, east, ret);
}

/* "06-Nov-94 08:49:37 GMT": a year that would be over 50 years ahead is one of the past (RFC 9110).
 */
static int parse_rfc850(struct scan x, int64_t now_s, int64_t *ret)
{
    struct civil c = {0};
    c.day = digits(&x, 2);
    literal(&x, STR("-"));
    c.month = name(&x, months);
    literal(&x, STR("-"));
    int64_t this_year = civil_of(now_s).year;
    c.year = this_year - this_year % 100 + digits(&x, 2);
    if (c.year > this_year + 50)
        c.year -= 100;
    literal(&x, STR(" "));
    time_of_day(&x, &c);
    literal(&x, STR(" "));
    int64_t east = zone(&x);
    return finish(&x, &c, east, ret);
}

/* "Nov  6 08:49:37 1994" */
static int parse_asctime(struct scan x, int64_t *ret)
{
    struct civil c = {0};
    c.month = name(&x, months);
    literal(&x, STR(" "));
    bool padded = str_starts(x.s, STR(" "));
    if (padded)
        x.s = str_from(x.s, 1);
    c.day = digits(&x, padded ? 1 : 2);
    literal(&x, STR(" "));
    time_of_day(&x, &c);
    literal(&x, STR(" "));
    c.year = digits(&x, 4);
    return finish(&x, &c, 0, ret);
}

int s3_httpdate_parse(struct str s, int64_t now_s, int64_t *ret)
{
    struct scan x = {s, false};
    name(&x, days);
    if (x.bad)
        return -EINVAL;
    if (str_starts(x.s, STR(", "))) {
        x.s = str_from(x.s, 2);
        return parse_imf(x, ret);
    }
    if (str_starts(x.s, STR(" "))) {
        x.s = str_from(x.s, 1);
        return parse_asctime(x, ret);
    }
    static const struct str tails[] = {STR_INIT("day, "), STR_INIT("sday, "), STR_INIT("nesday, "),
                                       STR_INIT("rsday, "), STR_INIT("urday, ")};
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        if (str_istarts(x.s, tails[i])) {
            x.s = str_from(x.s, tails[i].n);
            return parse_rfc850(x, now_s, ret);
        }
    }
    return -EINVAL;
}

int s3_isodate_parse(struct str s, int64_t *ret_ms)
{
    struct scan x = {s, false};
    struct civil c = {0};
    c.year = digits(&x, 4);
    literal(&x, STR("-"));
    c.month = digits(&x, 2);
    literal(&x, STR("-"));
    c.day = digits(&x, 2);
    int64_t t, east = 0, ms = 0;
    if (x.s.n) {
        literal(&x, STR("T"));
        time_of_day(&x, &c);
        if (str_starts(x.s, STR("."))) {
            x.s = str_from(x.s, 1);
            size_t n = 0;
            while (n < x.s.n && x.s.p[n] >= '0' && x.s.p[n] <= '9')
                n++;
            if (n < 1 || n > 9)
                return -EINVAL;
            ms = digits(&x, 1) * 100;
            ms += n > 1 ? digits(&x, 1) * 10 : 0;
            ms += n > 2 ? digits(&x, 1) : 0;
            x.s = str_from(x.s, n > 3 ? n - 3 : 0);
        }
        if (str_ieq(x.s, STR("Z")))
            x.s = str_from(x.s, 1);
        else
            east = offset(&x);
    }
    int r = finish(&x, &c, east, &t);
    if (r == 0)
        *ret_ms = t * 1000 + ms;
    return r;
}

int s3_amzdate_parse(struct str s, int64_t *ret)
{
    struct scan x = {s, s.n != 16};
    struct civil c = {0};
    c.year = digits(&x, 4);
    c.month = digits(&x, 2);
    c.day = digits(&x, 2);
    if (!str_starts(x.s, STR("T")))
        return -EINVAL;
    x.s = str_from(x.s, 1);
    c.hour = digits(&x, 2);
    c.minute = digits(&x, 2);
    c.second = digits(&x, 2);
    if (!str_eq(x.s, STR("Z")))
        return -EINVAL;
    x.s = str_from(x.s, 1);
    return finish(&x, &c, 0, ret);
}

/* --- out: hot enough (every answer has two) to go without printf --- */

static char *put(char *to, uint64_t v, unsigned width)
{
    for (unsigned i = width; i-- > 0; v /= 10)
        to[i] = (char)('0' + v % 10);
    return to + width;
}

static char *put_text(char *to, const char *text, size_t n)
{
    memcpy(to, text, n);
    return to + n;
}

static char *put_time(char *to, const struct civil *c)
{
    to = put(to, c->hour, 2);
    *to++ = ':';
    to = put(to, c->minute, 2);
    *to++ = ':';
    return put(to, c->second, 2);
}

size_t s3_httpdate_format(int64_t unix_s, char out[S3_HTTPDATE_MAX])
{
    struct civil c = civil_of(unix_s);
    int64_t weekday =
        (days_of(c.year, c.month, c.day) % 7 + 11) % 7; /* 1970-01-01 was a Thursday */
    char *to = put_text(out, days + 3 * weekday, 3);
    to = put_text(to, ", ", 2);
    to = put(to, c.day, 2);
    *to++ = ' ';
    to = put_text(to, months + 3 * (c.month - 1), 3);
    *to++ = ' ';
    to = put(to, (uint64_t)c.year, 4);
    *to++ = ' ';
    to = put_time(to, &c);
    to = put_text(to, " GMT", 5);
    return (size_t)(to - out) - 1;
}

size_t s3_isodate_format(int64_t unix_ms, char out[S3_ISODATE_MAX])
{
    int64_t s = unix_ms / 1000, ms = unix_ms % 1000;
    if (ms < 0) {
        ms += 1000;
        s--;
    }
    struct civil c = civil_of(s);
    char *to = put(out, (uint64_t)c.year, 4);
    *to++ = '-';
    to = put(to, c.month, 2);
    *to++ = '-';
    to = put(to, c.day, 2);
    *to++ = 'T';
    to = put_time(to, &c);
    *to++ = '.';
    to = put(to, (uint64_t)ms, 3);
    to = put_text(to, "Z", 2);
    return (size_t)(to - out) - 1;
}

size_t s3_amzdate_format(int64_t unix_s, char out[S3_AMZDATE_MAX])
{
    struct civil c = civil_of(unix_s);
    char *to = put(out, (uint64_t)c.year, 4);
    to = put(to, c.month, 2);
    to = put(to, c.day, 2);
    *to++ = 'T';
    to = put(to, c.hour, 2);
    to = put(to, c.minute, 2);
    to = put(to, c.second, 2);
    to = put_text(to, "Z", 2);
    return (size_t)(to - out) - 1;
}
