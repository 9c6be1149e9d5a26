/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/edits.h"

/* A record and what it finds. */
struct edit {
    struct sto_replica_edit e;
    uint64_t a, b; /* its two numbers */
    bool here;
    struct sto_info info; /* if so */
};

static int begin(struct sto_puller *p, const struct sto_entry *e, struct edit *ret)
{
    struct str a, b;
    if (!str_cut(e->extra, ' ', &a, &b) || str_u64(a, INT64_MAX, &ret->a) < 0 ||
        str_u64(b, INT64_MAX, &ret->b) < 0)
        return -EBADMSG;
    ret->e = (struct sto_replica_edit){
        .name = e->name, .versions = sto_rec_get_versions(e->desc), .time_s = e->time_s};
    int r = sto_info_settled(p->o.store, e->name, &ret->info);
    ret->here = r == 0;
    return r == -ENOENT || sto_not_ours(r) ? 0 : r;
}

static bool is_later(const struct edit *d)
{
    return d->here && d->e.versions.after > 0 && d->info.version > d->e.versions.after;
}

static bool fits(const struct edit *d)
{
    const struct sto_rec_versions *v = &d->e.versions;
    return d->here && (v->after == 0 || (d->info.version > 0 && (d->info.version == v->before ||
                                                                 d->info.version == v->after)));
}

/* A peer that does not tell its version has done what it has the record of. */
static int take_whole(struct sto_puller *p, const struct edit *d)
{
    return sto_fetch_and_name(p,
                              &(struct sto_replica_new){.name = d->e.name,
                                                        .time_s = d->e.time_s,
                                                        .version = d->e.versions.after},
                              STO_NATIVE, sto_replica_put);
}

int sto_edits_range(struct sto_puller *p, const struct sto_entry *e)
{
    struct edit d;
    uint64_t there = 0;
    int r = begin(p, e, &d);
    if (r < 0 || is_later(&d) || (d.here && d.b == 0))
        return r;
    if (!fits(&d) || d.info.size < d.a)
        return take_whole(p, &d);
    r = sto_ask_edited(p, &d.e, &there);
    /* Shorter: never done, or cut off there meanwhile, as the log will say. */
    if (r <= 0 || (there <= d.a && d.e.versions.after == 0))
        return r;
    r = sto_fetch_bytes(p, &d.e, d.a, there <= d.a ? 0 : d.b);
    return r == -ESTALE ? take_whole(p, &d) : r;
}

/*
 * A truncate that a crash kept the peer from doing is in its log all the same. What has been appended since then may
 * stand where something else stood before: the file is taken whole.
 */
int sto_edits_resize(struct sto_puller *p, const struct sto_entry *e)
{
    struct edit d;
    uint64_t there = 0;
    int r = begin(p, e, &d);
    if (r < 0 || is_later(&d))
        return r;
    r = sto_ask_edited(p, &d.e, &there);
    if (r <= 0)
        return r;
    r = there <= d.b && fits(&d) ? sto_replica_resize(p->o.store, &d.e, there) : -ESTALE;
    return r == -ESTALE || r == -ENOENT ? take_whole(p, &d) : r;
}
