/* SPDX-License-Identifier: Apache-2.0 */
/* rules_xml - a lifecycle document judged element by element; what AWS refuses is refused in its
 * words. */
#include <sys/random.h>

#include "s3gw/core/httpdate.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/names.h"
#include "s3gw/lifecycle/rules.h"
#include "s3gw/xml/reader.h"

enum { NEWER_MAX = 100, INFREQUENT_DAYS = 30, RANDOM_ID_BYTES = 16 };

struct parse {
    struct s3_req *q;
};

/* --- small pieces --- */

static struct str trimmed(const struct s3_node *n)
{
    struct str s = str_trim(n->text);
    while (s.n && (s.p[0] == '\n' || s.p[0] == '\r'))
        s = str_trim(str_from(s, 1));
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s = str_trim(str_head(s, s.n - 1));
    return s;
}

/* A whole number of at least 1; what is no number at all is MalformedXML. */
static enum s3err positive(struct parse *p, const struct s3_node *n, const char *action,
                           uint32_t *ret)
{
    uint64_t v;
    struct str text = trimmed(n), digits = str_starts(text, STR("-")) ? str_from(text, 1) : text;
    if (str_u64(digits, INT32_MAX, &v) < 0)
        return S3ERR_MALFORMED_XML;
    if (v == 0 || digits.n < text.n)
        return s3_errm(p->q, S3ERR_INVALID_ARGUMENT,
                       "'" STR_F "' for %s action must be a positive integer", STR_A(n->name),
                       action);
    *ret = (uint32_t)v;
    return S3ERR_OK;
}

static enum s3err midnight(struct parse *p, const struct s3_node *n, int64_t *ret)
{
    if (s3_isodate_parse(trimmed(n), ret) < 0)
        return S3ERR_MALFORMED_XML;
    if (*ret % S3_LIFE_DAY_MS != 0)
        return s3_errm(p->q, S3ERR_INVALID_ARGUMENT, "'Date' must be at midnight GMT");
    return S3ERR_OK;
}

static enum s3err invalid_request(struct parse *p, const char *why)
{
    return s3_errm(p->q, S3ERR_INVALID_REQUEST, "%s", why);
}

/* --- filter --- */

static enum s3err prefix_of(struct parse *p, const struct s3_node *n, struct s3_life_rule *r)
{
    if (n->text.n > S3_KEY_MAX)
        return invalid_request(p, "The maximum size of a prefix is 1024.");
    r->prefix = n->text;
    r->bits |= S3_LIFE_PREFIX;
    return S3ERR_OK;
}

static enum s3err tag_of(struct parse *p, const struct s3_node *n, struct s3_life_rule *r)
{
    const struct s3_node *key = s3_node_child(n, "Key"), *value = s3_node_child(n, "Value");
    if (!key || !value)
        return S3ERR_MALFORMED_XML;
    if (r->ntags == ARRAY_LEN(r->tag))
        return invalid_request(p, "A lifecycle filter can have at most 10 tags.");
    for (size_t i = 0; i < r->ntags; i++)
        if (str_eq(r->tag[i].key, key->text))
            return invalid_request(p, "Duplicate Tag Keys are not allowed.");
    r->tag[r->ntags++] = (struct s3_tag){key->text, value->text};
    r->bits |= S3_LIFE_TAGS;
    return S3ERR_OK;
}

static enum s3err size_of(const struct s3_node *n, struct s3_life_rule *r)
{
    bool greater = str_eq(n->name, STR("ObjectSizeGreaterThan"));
    r->bits |= greater ? S3_LIFE_GREATER : S3_LIFE_LESS;
    return str_u64(trimmed(n), INT64_MAX, greater ? &r->greater : &r->less) < 0
               ? S3ERR_MALFORMED_XML
               : S3ERR_OK;
}

static enum s3err predicate(struct parse *p, const struct s3_node *n, struct s3_life_rule *r)
{
    if (str_eq(n->name, STR("Prefix")))
        return r->bits & S3_LIFE_PREFIX ? S3ERR_MALFORMED_XML : prefix_of(p, n, r);
    if (str_eq(n->name, STR("Tag")))
        return tag_of(p, n, r);
    if (str_eq(n->name, STR("ObjectSizeGreaterThan")))
        return r->bits & S3_LIFE_GREATER ? S3ERR_MALFORMED_XML : size_of(n, r);
    if (str_eq(n->name, STR("ObjectSizeLessThan")))
        return r->bits & S3_LIFE_LESS ? S3ERR_MALFORMED_XML : size_of(n, r);
    return S3ERR_MALFORMED_XML;
}

static enum s3err check_filter(struct parse *p, const struct s3_life_rule *r)
{
    struct s3_tags tags = {.n = r->ntags};
    memcpy(tags.tag, r->tag, r->ntags * sizeof(r->tag[0]));
    if (r->ntags > 0 && s3_tags_check(&tags, S3_TAGS_OBJECT_MAX, NULL) != S3_TAGS_OK)
        return S3ERR_INVALID_TAG;
    if ((r->bits & S3_LIFE_GREATER) && (r->bits & S3_LIFE_LESS) && r->less <= r->greater)
        return invalid_request(
            p, "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.");
    return S3ERR_OK;
}

static enum s3err filter_of(struct parse *p, const struct s3_node *rule, struct s3_life_rule *r)
{
    const struct s3_node *old = s3_node_child(rule, "Prefix"),
                         *filter = s3_node_child(rule, "Filter"), *and;
    if (old && filter)
        return S3ERR_MALFORMED_XML;
    if (old) {
        r->bits |= S3_LIFE_OLD_PREFIX;
        return prefix_of(p, old, r);
    }
    if (!filter)
        return S3ERR_OK; /* Differs: AWS wants one of them; meant is everything */
    r->bits |= S3_LIFE_FILTER;
    const struct s3_node *first = filter->child;
    and = first && str_eq(first->name, STR("And")) ? first : NULL;
    if (first && first->next)
        return S3ERR_MALFORMED_XML;
    if (and) {
        r->bits |= S3_LIFE_AND;
        first = and->child;
        if (!first || !first->next)
            return S3ERR_MALFORMED_XML;
    }
    enum s3err e = S3ERR_OK;
    for (; first && e == S3ERR_OK; first = first->next)
        e = predicate(p, first, r);
    return e == S3ERR_OK ? check_filter(p, r) : e;
}

/* --- actions --- */

static enum s3err expiration_of(struct parse *p, const struct s3_node *rule, struct s3_life_rule *r)
{
    const struct s3_node *n = s3_node_child(rule, "Expiration");
    if (!n)
        return S3ERR_OK;
    const struct s3_node *c = n->child;
    if (!c || c->next) /* exactly one of three */
        return S3ERR_MALFORMED_XML;
    if (str_eq(c->name, STR("Days"))) {
        r->bits |= S3_LIFE_DAYS;
        return positive(p, c, "Expiration", &r->days);
    }
    if (str_eq(c->name, STR("Date"))) {
        r->bits |= S3_LIFE_DATE;
        return midnight(p, c, &r->date_ms);
    }
    struct str v = trimmed(c);
    if (!str_eq(v, STR("true")) && !str_eq(v, STR("false")))
        return S3ERR_MALFORMED_XML;
    r->bits |= S3_LIFE_MARKER | (v.p[0] == 't' ? S3_LIFE_MARKER_TRUE : 0u);
    if (r->ntags > 0)
        return invalid_request(p, "ExpiredObjectDeleteMarker cannot be specified with Tags.");
    return S3ERR_OK;
}

static enum s3err newer_of(struct parse *p, const struct s3_node *n, const char *action,
                           uint32_t *ret)
{
    enum s3err e = positive(p, n, action, ret);
    if (e == S3ERR_OK && *ret > NEWER_MAX)
        return s3_errm(p->q, S3ERR_INVALID_ARGUMENT,
                       "'NewerNoncurrentVersions' for %s action must not exceed %d", action,
                       NEWER_MAX);
    return e;
}

static enum s3err noncurrent_of(struct parse *p, const struct s3_node *rule, struct s3_life_rule *r)
{
    static const char action[] = "NoncurrentVersionExpiration";
    const struct s3_node *n = s3_node_child(rule, action),
                         *days = s3_node_child(n, "NoncurrentDays"),
                         *newer = s3_node_child(n, "NewerNoncurrentVersions");
    if (!n)
        return S3ERR_OK;
    if (!days && !newer)
        return S3ERR_MALFORMED_XML;
    enum s3err e = S3ERR_OK;
    if (days) {
        r->bits |= S3_LIFE_NONCURRENT;
        e = positive(p, days, action, &r->noncurrent_days);
    }
    if (newer && e == S3ERR_OK) {
        r->bits |= S3_LIFE_NEWER;
        e = newer_of(p, newer, action, &r->newer);
    }
    return e;
}

static enum s3err abort_of(struct parse *p, const struct s3_node *rule, struct s3_life_rule *r)
{
    static const char action[] = "AbortIncompleteMultipartUpload";
    const struct s3_node *n = s3_node_child(rule, action),
                         *days = s3_node_child(n, "DaysAfterInitiation");
    if (!n)
        return S3ERR_OK;
    if (!days)
        return S3ERR_MALFORMED_XML;
    if (r->ntags > 0)
        return invalid_request(p, "AbortIncompleteMultipartUpload cannot be specified with Tags.");
    if (r->bits & (S3_LIFE_GREATER | S3_LIFE_LESS))
        return invalid_request(
            p, "AbortIncompleteMultipartUpload cannot be specified with Object Size.");
    r->bits |= S3_LIFE_ABORT;
    return positive(p, days, action, &r->abort_days);
}

/* --- transitions --- */

static const char *name_of(const struct s3_life_move *m)
{
    return m->bits & S3_LIFE_MOVE_NONCURRENT ? "NoncurrentVersionTransition" : "Transition";
}

static const char *days_of(const struct s3_life_move *m)
{
    return m->bits & S3_LIFE_MOVE_NONCURRENT ? "NoncurrentDays"
           : m->bits & S3_LIFE_MOVE_DATE     ? "Date"
                                             : "Days";
}

/* Nothing moves to STANDARD or REDUCED_REDUNDANCY; a name of AWS's that is not offered here is told
 * apart from no name at all. */
static enum s3err class_of(struct parse *p, struct str class)
{
    bool top = str_eq(class, STR("STANDARD")) || str_eq(class, STR("REDUCED_REDUNDANCY"));
    if (!top && s3_class_find(&p->q->gw->classes, class))
        return S3ERR_OK;
    return top || !s3_class_is_aws(class)
               ? S3ERR_MALFORMED_XML
               : s3_err(p->q, S3ERR_INVALID_STORAGE_CLASS, "StorageClassRequested", class);
}

static enum s3err days_of_move(struct parse *p, const struct s3_node *n, struct s3_life_move *m)
{
    uint64_t v;
    struct str text = trimmed(n), class = m->storage_class;
    if (str_starts(text, STR("-")) && str_u64(str_from(text, 1), INT32_MAX, &v) == 0)
        return s3_errm(p->q, S3ERR_INVALID_ARGUMENT, "'%s' for %s action must be nonnegative",
                       days_of(m), name_of(m));
    if (str_u64(text, INT32_MAX, &v) < 0)
        return S3ERR_MALFORMED_XML;
    bool infrequent = str_eq(class, STR("STANDARD_IA")) || str_eq(class, STR("ONEZONE_IA"));
    if (infrequent && v < INFREQUENT_DAYS)
        return s3_errm(p->q, S3ERR_INVALID_ARGUMENT,
                       "'%s' in %s action must be greater than or equal to %d for storageClass "
                       "'" STR_F "'",
                       days_of(m), name_of(m), INFREQUENT_DAYS, STR_A(class));
    m->days = (uint32_t)v;
    return S3ERR_OK;
}

static enum s3err move_of(struct parse *p, const struct s3_node *n, struct s3_life_move *m)
{
    bool old = m->bits & S3_LIFE_MOVE_NONCURRENT;
    const struct s3_node *days = s3_node_child(n, old ? "NoncurrentDays" : "Days"),
                         *date = old ? NULL : s3_node_child(n, "Date"),
                         *newer = old ? s3_node_child(n, "NewerNoncurrentVersions") : NULL,
                         *class = s3_node_child(n, "StorageClass");
    if (!class || !days == !date)
        return S3ERR_MALFORMED_XML;
    m->storage_class = trimmed(class);
    m->bits |= (date ? S3_LIFE_MOVE_DATE : 0u) | (newer ? S3_LIFE_MOVE_NEWER : 0u);
    enum s3err e = class_of(p, m->storage_class);
    if (e == S3ERR_OK)
        e = date ? midnight(p, date, &m->date_ms) : days_of_move(p, days, m);
    return e == S3ERR_OK && newer ? newer_of(p, newer, name_of(m), &m->newer) : e;
}

static int64_t when_of(const struct s3_life_move *m)
{
    return m->bits & S3_LIFE_MOVE_DATE ? m->date_ms : (int64_t)m->days;
}

/* Two transitions of one kind: another class, both by days or both by date, the lower one later. */
static enum s3err check_pair(struct parse *p, const struct s3_life_move *a,
                             const struct s3_life_move *b)
{
    if ((a->bits ^ b->bits) & S3_LIFE_MOVE_NONCURRENT)
        return S3ERR_OK;
    if (str_eq(a->storage_class, b->storage_class))
        return s3_errm(p->q, S3ERR_INVALID_REQUEST,
                       "'StorageClass' must be different for '%s' actions in same 'Rule'",
                       name_of(a));
    if ((a->bits ^ b->bits) & S3_LIFE_MOVE_DATE)
        return invalid_request(
            p, "Found mixed 'Date' and 'Days' based Transition actions in lifecycle rule");
    const struct s3_classes *c = &p->q->gw->classes;
    bool up = s3_class_rank(c, a->storage_class) > s3_class_rank(c, b->storage_class);
    const struct s3_life_move *first = up ? b : a, *then = up ? a : b;
    if (when_of(then) > when_of(first))
        return S3ERR_OK;
    return s3_errm(p->q, S3ERR_INVALID_ARGUMENT,
                   "'%s' in the '%s' action for StorageClass '" STR_F
                   "' must be greater than for StorageClass '" STR_F "'",
                   days_of(then), name_of(then), STR_A(then->storage_class),
                   STR_A(first->storage_class));
}

/* What is to go must not go before it was to move. */
static enum s3err check_end(struct parse *p, const struct s3_life_rule *r,
                            const struct s3_life_move *m)
{
    bool old = m->bits & S3_LIFE_MOVE_NONCURRENT, date = m->bits & S3_LIFE_MOVE_DATE;
    const char *end = old ? "NoncurrentVersionExpiration" : "Expiration";
    if (!old && (r->bits & (S3_LIFE_DAYS | S3_LIFE_DATE)) && date != !!(r->bits & S3_LIFE_DATE))
        return invalid_request(p, "Found mixed 'Date' and 'Days' based Expiration and Transition "
                                  "actions in lifecycle rule");
    unsigned bit = old ? S3_LIFE_NONCURRENT : date ? S3_LIFE_DATE : S3_LIFE_DAYS;
    int64_t ends = old ? (int64_t)r->noncurrent_days : date ? r->date_ms : (int64_t)r->days;
    if (!(r->bits & bit) || ends > when_of(m))
        return S3ERR_OK;
    return s3_errm(p->q, S3ERR_INVALID_ARGUMENT,
                   "'%s' in the %s action must be greater than '%s' in the %s action", days_of(m),
                   end, days_of(m), name_of(m));
}

static enum s3err transitions_of(struct parse *p, const struct s3_node *rule,
                                 struct s3_life_rule *r)
{
    for (const struct s3_node *n = rule->child; n; n = n->next) {
        bool old = str_eq(n->name, STR("NoncurrentVersionTransition"));
        if (!old && !str_eq(n->name, STR("Transition")))
            continue;
        if (r->nmoves == ARRAY_LEN(r->move))
            return invalid_request(p, "A lifecycle rule can have at most 16 transitions.");
        struct s3_life_move *m = &r->move[r->nmoves];
        *m = (struct s3_life_move){.bits = old ? S3_LIFE_MOVE_NONCURRENT : 0u};
        enum s3err e = move_of(p, n, m);
        for (size_t i = 0; e == S3ERR_OK && i < r->nmoves; i++)
            e = check_pair(p, &r->move[i], m);
        if (e == S3ERR_OK)
            e = check_end(p, r, m);
        if (e != S3ERR_OK)
            return e;
        r->nmoves++;
        r->bits |= S3_LIFE_MOVES;
    }
    return S3ERR_OK;
}

/* --- rules --- */

static enum s3err id_of(struct parse *p, const struct s3_node *rule, struct s3_life_rule *r)
{
    const struct s3_node *n = s3_node_child(rule, "ID");
    r->id = n ? n->text : STR("");
    if (r->id.n > S3_LIFE_ID_MAX)
        return s3_err_arg(p->q, "ID length should not exceed allowed limit of 255", "ID", r->id);
    if (r->id.n > 0)
        return S3ERR_OK;
    uint8_t raw[RANDOM_ID_BYTES];
    char *text = arena_alloc(&p->q->arena, 2 * sizeof(raw));
    if (!text || getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    str_hex(raw, sizeof(raw), text);
    r->id = str_of(text, 2 * sizeof(raw));
    return S3ERR_OK;
}

static enum s3err status_of(const struct s3_node *rule, struct s3_life_rule *r)
{
    const struct s3_node *n = s3_node_child(rule, "Status");
    if (!n)
        return S3ERR_MALFORMED_XML;
    struct str v = trimmed(n);
    r->bits |= str_eq(v, STR("Enabled")) ? S3_LIFE_ENABLED : 0u;
    return str_eq(v, STR("Enabled")) || str_eq(v, STR("Disabled")) ? S3ERR_OK : S3ERR_MALFORMED_XML;
}

static enum s3err actions_of(struct parse *p, const struct s3_node *n, struct s3_life_rule *r)
{
    enum s3err e = expiration_of(p, n, r);
    if (e == S3ERR_OK)
        e = noncurrent_of(p, n, r);
    if (e == S3ERR_OK)
        e = abort_of(p, n, r);
    if (e == S3ERR_OK)
        e = transitions_of(p, n, r);
    const unsigned any = S3_LIFE_DAYS | S3_LIFE_DATE | S3_LIFE_MARKER | S3_LIFE_NONCURRENT |
                         S3_LIFE_NEWER | S3_LIFE_ABORT | S3_LIFE_MOVES;
    if (e == S3ERR_OK && !(r->bits & any))
        return invalid_request(p, "At least one action needs to be specified in a rule.");
    return e;
}

static enum s3err rule_of(struct parse *p, const struct s3_node *n, struct s3_life_rule *r)
{
    *r = (struct s3_life_rule){0};
    enum s3err e = id_of(p, n, r);
    if (e == S3ERR_OK)
        e = status_of(n, r);
    if (e == S3ERR_OK)
        e = filter_of(p, n, r);
    return e == S3ERR_OK ? actions_of(p, n, r) : e;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static enum s3err unique(struct parse *p, struct str *ids, size_t n)
{
    qsort(ids, n, sizeof(*ids), by_text);
    for (size_t i = 1; i < n; i++)
        if (str_eq(ids[i - 1], ids[i]))
            return s3_err_arg(p->q, "Rule ID must be unique. Found same ID for more than one rule",
                              "ID", ids[i]);
    return S3ERR_OK;
}

enum s3err s3_life_parse(struct s3_req *q, const struct s3_node *root, enum s3_life_minimum minimum,
                         struct buf *out)
{
    struct parse p = {.q = q};
    size_t n = s3_node_count(root, "Rule"), i = 0;
    if (n == 0)
        return S3ERR_MALFORMED_XML;
    if (n > S3_LIFE_RULES_MAX)
        return invalid_request(
            &p, "The number of lifecycle rules must not exceed the allowed limit of 1000 rules.");
    struct str *ids = arena_alloc(&q->arena, n * sizeof(*ids));
    if (!ids)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    s3_life_encode_head(n, minimum, out);
    for (const struct s3_node *c = s3_node_child(root, "Rule"); c;
         c = s3_node_find(c->next, "Rule")) {
        struct s3_life_rule r;
        enum s3err e = rule_of(&p, c, &r);
        if (e != S3ERR_OK)
            return e;
        ids[i++] = r.id;
        s3_life_encode_rule(&r, out);
    }
    enum s3err e = unique(&p, ids, n);
    return e == S3ERR_OK && buf_err(out) ? s3err_from_errno(buf_err(out), S3_THING_OTHER) : e;
}
