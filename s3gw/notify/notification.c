/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/notify/notification.h"

enum { RECORD_VERSION = 1, HAS_PREFIX = 1, HAS_SUFFIX = 2 };

#define NEVER "-"
static const struct {
    struct str name;
    const char *covers;
} events[] = {
#define S3EVENT(id, name, covers) [S3_EVENT_##id] = {STR_INIT(name), covers},
#include "s3gw/notify/events.def"
#undef S3EVENT
};
_Static_assert(S3_EVENTS_ <= 64, "names are bits of a u64");

struct str s3_event_name(enum s3_event e)
{
    return events[e].name;
}

int s3_event_by_name(struct str name, enum s3_event *ret)
{
    for (unsigned i = 0; i < S3_EVENTS_; i++)
        if (str_eq(name, events[i].name)) {
            *ret = (enum s3_event)i;
            return 0;
        }
    return -EINVAL;
}

static uint64_t bit(unsigned i)
{
    return UINT64_C(1) << i;
}

/* All events that happen, of those names: wildcards opened. */
static uint64_t events_of(uint64_t names)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < S3_EVENTS_; i++)
        for (unsigned k = 0; k < S3_EVENTS_; k++)
            if ((names & bit(i)) && !events[k].covers &&
                (k == i ||
                 (events[i].covers && str_starts(events[k].name, str_c(events[i].covers)))))
                all |= bit(k);
    return all;
}

/* --- the record --- */

void s3_notify_encode_head(size_t rules, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_var(out, rules);
}

void s3_notify_encode_rule(const struct s3_notify_rule *r, struct buf *out)
{
    buf_u8(out, (uint8_t)r->kind);
    buf_u8(out, (uint8_t)((r->has_prefix ? HAS_PREFIX : 0) | (r->has_suffix ? HAS_SUFFIX : 0)));
    buf_lstr(out, r->id);
    buf_lstr(out, r->target);
    buf_u64(out, r->names);
    buf_lstr(out, r->prefix);
    buf_lstr(out, r->suffix);
}

int s3_notify_open(struct str record, struct s3_notify_doc *ret)
{
    struct rd in = rd_of(record);
    uint8_t version = rd_u8(&in);
    uint64_t rules = rd_var(&in);
    if (in.bad || version != RECORD_VERSION || rules > S3_NOTIFY_RULES_MAX)
        return -EBADMSG;
    *ret = (struct s3_notify_doc){in, rules};
    return 0;
}

int s3_notify_next(struct s3_notify_doc *d, struct s3_notify_rule *ret)
{
    struct rd *in = &d->rest;
    if (d->left == 0)
        return in->n == 0 ? 0 : -EBADMSG;
    uint8_t kind = rd_u8(in), has = rd_u8(in);
    *ret = (struct s3_notify_rule){.kind = (enum s3_notify_kind)kind,
                                   .has_prefix = has & HAS_PREFIX,
                                   .has_suffix = has & HAS_SUFFIX};
    ret->id = rd_lstr(in);
    ret->target = rd_lstr(in);
    ret->names = rd_u64(in);
    ret->prefix = rd_lstr(in);
    ret->suffix = rd_lstr(in);
    d->left--;
    return in->bad || kind >= S3_NOTIFY_KINDS_ ? -EBADMSG : 1;
}

/* --- what it says --- */

static bool ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_from(s, s.n - suffix.n), suffix);
}

bool s3_notify_matches(const struct s3_notify_rule *r, enum s3_event e, struct str key)
{
    return (events_of(r->names) & bit(e)) && str_starts(key, r->prefix) && ends(key, r->suffix);
}

bool s3_notify_overlap(const struct s3_notify_rule *a, const struct s3_notify_rule *b)
{
    bool prefixes = str_starts(a->prefix, b->prefix) || str_starts(b->prefix, a->prefix);
    bool suffixes = ends(a->suffix, b->suffix) || ends(b->suffix, a->suffix);
    return prefixes && suffixes && (events_of(a->names) & events_of(b->names));
}
