/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/fileid/fileid.h"
#include "storage/disk/io.h"
#include "storage/trunk/replica.h"
#include "tests/lib/cluster_clients.h"
#include "tests/lib/cluster_ledger.h"

enum { SIZE_MOST = 12000 };

static void some_bytes(char *out, size_t n)
{
    uint64_t seed = sim_random(UINT64_C(1) << 40);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (char)(seed >> 56);
    }
}

static void put_packed(struct sim_node *n)
{
    char data[SIZE_MOST];
    struct sto_put p = {.kind = DFS_PUT_OBJECT,
                        .flags = sim_random(2) ? STO_NATIVE : 0,
                        .desc = STR("of the test"),
                        .data = str_of(data, sim_random(sizeof(data)))};
    some_bytes(data, p.data.n);
    if (sto_put_batch(n->store, -1, &p, 1) < 0 || p.result < 0)
        return;
    struct led_file *f = led_new_file(n, p.name);
    f->packed = true;
    led_set_bytes(f, data, p.data.n);
    led_wait(n, led_new_change(f, LED_MADE));
}

struct upload {
    uint8_t flags; /* STO_NATIVE */
    bool appender;
    const struct led_file *master; /* of a slave, and its prefix */
    const char *prefix;
    struct str data;
};

static int upload(struct sim_node *n, const struct upload *u, char *name)
{
    struct sto_file *file = NULL;
    struct dfs_logical at = {.path_index = 0};
    if (u->master)
        ASSERT(dfs_logical_parse(str_c(u->master->name), &at) == 0);
    int r =
        sto_file_open(n->store, u->master ? (int)at.path_index : -1, u->data.n, u->flags, &file);
    if (r < 0)
        return r;
    struct sto_commit c = {.size = u->data.n,
                           .crc32 = sto_crc32(0, u->data.p, u->data.n),
                           .flags = u->appender ? STO_APPENDER : 0,
                           .ext = "bin",
                           .desc = STR("")};
    if (u->master) {
        c.master = str_c(u->master->name);
        c.prefix = str_c(u->prefix);
    }
    r = sto_file_write(file, u->data.p, u->data.n, 0);
    if (r < 0)
        sto_file_free(&file);
    else
        r = sto_file_commit(&file, &c, name);
    return r;
}

static void put_file(struct sim_node *n, const struct led_file *master)
{
    char data[SIZE_MOST], name[STO_NAME_MAX + 1], prefix[LED_PREFIX];
    struct upload u = {
        .master = master, .prefix = prefix, .data = str_of(data, sim_random(sizeof(data)))};
    u.appender = !master && sim_random(2);
    u.flags = master || u.appender || sim_random(2) ? STO_NATIVE : 0;
    (void)snprintf(prefix, sizeof(prefix), "_%u", ++ledger.serial);
    some_bytes(data, u.data.n);
    if (upload(n, &u, name) < 0)
        return;
    struct led_file *f = led_new_file(n, name);
    f->appender = u.appender;
    f->version = led_version(n, f);
    f->master = master;
    memcpy(f->prefix, prefix, sizeof(f->prefix));
    led_set_bytes(f, data, u.data.n);
    led_wait(n, led_new_change(f, LED_MADE));
}

/* A slave that was deleted. What was set last of its metadata may be later than this one, by another's clock. */
static void put_again(struct sim_node *n, struct led_file *f, bool unsure)
{
    char data[SIZE_MOST], name[STO_NAME_MAX + 1];
    const struct upload u = {.flags = STO_NATIVE,
                             .master = f->master,
                             .prefix = f->prefix,
                             .data = str_of(data, sim_random(sizeof(data)))};
    some_bytes(data, u.data.n);
    f->busy = true;
    f->state = UNKNOWN;
    int r = upload(n, &u, name);
    f->busy = false;
    if (r < 0 || !sim_serves(n))
        return;
    if (strcmp(name, f->name) != 0)
        WRONG("%s made again is %s", f->name, name);
    f->home = n->index;
    f->makers |= 1u << n->index;
    f->meta_vague = f->meta_vague || f->meta_ms > 0;
    memset(f->meta, 0, sizeof(f->meta));
    led_set_bytes(f, data, u.data.n);
    ledger.made_again++;
    struct led_change *c = led_new_change(f, LED_MADE);
    c->unsure = unsure;
    led_wait(n, c);
}

static void make_link(struct sim_node *n, struct led_file *target)
{
    char name[STO_NAME_MAX + 1];
    struct sto_link l = {.target = str_c(target->name), .ext = "bin"};
    target->busy = true;
    int r = sto_make_link(n->store, &l, name);
    target->busy = false;
    if (r < 0)
        return;
    struct led_file *f = led_new_file(n, name);
    f->packed = target->packed; /* then a copy */
    f->target = target->packed ? NULL : target;
    led_set_bytes(f, target->bytes, target->n);
    led_wait(n, led_new_change(f, LED_MADE));
}

static void delete_file(struct sim_node *n, struct led_file *f)
{
    struct str name = str_c(f->name);
    int result = 0;
    f->busy = true;
    f->state = UNKNOWN;
    f->meta_open |= 1u << n->index;
    for (unsigned i = 0; i < ledger.count; i++)
        if (ledger.files[i].target == f)
            ledger.files[i].state =
                UNKNOWN; /* it leads nowhere, or where nobody has been told of */
    int r = sto_delete_batch(n->store, &name, 1, &result);
    f->busy = false;
    if (r == 0 && result == 0)
        led_wait(n, led_new_change(f, LED_DELETED));
}

/* By a client of another member, that has not heard of the edit at @n: whose it will be is not written down. */
static void edit_at_once(struct sim_node *n, struct led_file *f)
{
    struct sim_node *other =
        sim_node((n->index + 1 + (unsigned)sim_random(sim_nodes() - 1)) % sim_nodes());
    if (ledger.at_home || sim_random(6) > 0 || !sim_serves(other) || other->writing)
        return;
    AUTO(sto_edit_free) struct sto_edit *e = NULL;
    char data[500];
    size_t size = 1 + sim_random(sizeof(data) - 1);
    some_bytes(data, size);
    f->edit_open |= 1u << other->index | 1u << n->index;
    f->elsewhere = true;
    f->vague = true;
    unsigned before = fiber_as(other->index);
    sim_begin_change(other);
    if (sto_edit_begin(other->store, str_c(f->name), STO_EDIT_APPEND, 0, size, NULL, &e) == 0 &&
        sto_edit_write(e, data, size) == 0)
        (void)!sto_edit_commit(&e);
    sto_edit_free(&e);
    sim_end_change(other);
    fiber_as(before);
}

/* Of what @n has, which may not be the last one yet. */
static void edit(struct sim_node *n, struct led_file *f)
{
    AUTO(buf_free) struct buf old = BUF(1 << 20);
    if (sim_look_up(n, f->name, &old) < 0)
        return;
    char data[2000], *bytes = malloc(old.n + sizeof(data));
    ASSERT(bytes);
    memcpy(bytes, old.p, old.n);
    unsigned what = (unsigned)sim_random(3);
    size_t size = 1 + sim_random(sizeof(data) - 1), at = what == 0 ? old.n : sim_random(old.n + 1);
    some_bytes(data, size);
    struct sto_edit *e = NULL;
    int r;
    f->busy = true;
    f->elsewhere = f->elsewhere || f->home != n->index;
    f->edit_open |= 1u << n->index;
    f->vague = true; /* until the answer */
    if (what == 2) {
        r = sto_truncate(n->store, str_c(f->name), at, NULL);
        size = 0;
    } else {
        enum sto_edit_op op = what == 0 ? STO_EDIT_APPEND : STO_EDIT_MODIFY;
        r = sto_edit_begin(n->store, str_c(f->name), op, at, size, NULL, &e);
        if (r == 0)
            r = sto_edit_write(e, data, size);
        if (r == 0)
            r = sto_edit_commit(&e);
        sto_edit_free(&e);
        memcpy(bytes + at, data, size);
    }
    f->busy = false;
    if (r < 0 || !sim_serves(n)) {
        free(bytes);
        return;
    }
    struct led_change *c = led_new_change(f, LED_EDITED);
    c->bytes = bytes;
    c->size = what == 2 ? at : MAX(old.n, at + size);
    c->version = led_version(n, f);
    f->vague = false;
    edit_at_once(n, f);
    led_wait(n, c);
}

static int new_text(struct str old, void *arg, struct buf *out)
{
    (void)old;
    buf_adds(out, str_c(arg));
    return buf_err(out);
}

static int64_t meta_ms(const struct sim_node *n, const struct led_file *f)
{
    AUTO(buf_free) struct buf text = BUF(1 << 20);
    int64_t ms = 0;
    (void)!sto_meta_tell(n->store, str_c(f->name), &text, &ms);
    return ms;
}

static void set_meta(struct sim_node *n, struct led_file *f)
{
    struct led_change *c = led_new_change(f, LED_MARKED);
    bool known = !f->meta_vague && led_has_meta(n, f) && meta_ms(n, f) >= f->meta_ms;
    f->meta_open |= 1u << n->index;
    if (sim_random(4) > 0)
        (void)snprintf(c->meta, sizeof(c->meta), "n\x02%u", ++ledger.serial);
    f->meta_vague = true;
    int r = sto_meta_change(n->store, str_c(f->name), new_text, c->meta, NULL);
    f->busy = false;
    if (r < 0 || !sim_serves(n)) {
        free(c);
        return;
    }
    f->meta_ms = meta_ms(n, f);
    f->meta_vague = !known; /* then clocks say which is later */
    f->busy = true;
    led_wait(n, c);
}

static void regenerate(struct sim_node *n, struct led_file *old)
{
    char name[STO_NAME_MAX + 1];
    old->busy = true;
    enum led_state before = old->state;
    old->state = UNKNOWN;
    int r = sto_regenerate(n->store, str_c(old->name), NULL, name);
    if (r < 0 || !sim_serves(n)) {
        old->busy = false;
        return;
    }
    old->state = before;
    struct led_file *f = led_new_file(n, name);
    led_set_bytes(f, old->bytes, old->n);
    memcpy(f->meta, old->meta, sizeof(f->meta));
    f->vague = old->vague;
    f->meta_ms = old->meta_ms;
    f->meta_vague = old->meta_vague;
    struct led_change *c = led_new_change(f, LED_RENAMED);
    c->old = old;
    led_wait(n, c);
}

/* One that @n has and that no change is under way for. */
static struct led_file *some_file(const struct sim_node *n, bool at_home)
{
    for (unsigned tries = 0; tries < 8 && ledger.count > 0; tries++) {
        struct led_file *f = &ledger.files[sim_random(ledger.count)];
        if (f->state == THERE && !f->busy && !f->vague && (!at_home || f->home == n->index) &&
            led_has(n, f))
            return f;
    }
    return NULL;
}

/* An appender that @n may edit. */
static struct led_file *some_appender(const struct sim_node *n)
{
    for (unsigned tries = 0; tries < 20 && ledger.count > 0; tries++) {
        struct led_file *f = &ledger.files[sim_random(ledger.count)];
        if (f->appender && f->state == THERE && !f->busy && !f->vague &&
            (!ledger.at_home || (f->home == n->index && led_has(n, f))))
            return f;
    }
    return NULL;
}

/* A slave that is there, or is gone, and may be made again at @n. */
static struct led_file *some_slave(const struct sim_node *n, enum led_state state)
{
    for (unsigned tries = 0; tries < 40 && ledger.count > 0; tries++) {
        struct led_file *f = &ledger.files[sim_random(ledger.count)];
        if (f->master && f->state == state && !f->busy && !f->vague &&
            (state == GONE || led_has(n, f)))
            return f;
    }
    return NULL;
}

static void make_again(struct sim_node *n)
{
    struct led_file *f;
    unsigned what = (unsigned)sim_random(5);
    if (what == 0) {
        f = some_file(n, false);
        if (f && !f->packed && !f->target && !f->master && ledger.count < LED_FILES)
            put_file(n, f);
    } else if (what == 1) {
        f = some_slave(n, THERE);
        if (f)
            delete_file(n, f);
    } else if (what == 2) {
        f = some_slave(n, GONE);
        if (f)
            put_again(n, f, !led_knows_gone(n, f));
    } else if ((f = some_slave(n, THERE)) !=
               NULL) { /* at once, the deletion not yet acknowledged */
        struct str name = str_c(f->name);
        int result = 0;
        f->busy = true;
        f->state = UNKNOWN;
        f->meta_open |= 1u << n->index;
        int r = sto_delete_batch(n->store, &name, 1, &result);
        f->busy = false;
        if (r == 0 && result == 0 && sim_serves(n))
            put_again(n, f, false);
    }
}

static bool takes_marks(const struct sim_node *n, const struct led_file *f)
{
    return !f->target && (!ledger.at_home || f->home == n->index) &&
           !(ledger.at_home && ledger.disks_fail);
}

static void act(struct sim_node *n)
{
    if (ledger.again && sim_random(3) == 0) {
        make_again(n);
        return;
    }
    unsigned what = (unsigned)sim_random(20);
    struct led_file *f = what < 8 ? NULL : what > 16 ? some_appender(n) : some_file(n, what == 16);
    if (ledger.again && f && f->master && what == 9)
        return;
    if (what < 5 && ledger.count < LED_FILES)
        put_packed(n);
    else if (what < 8 && ledger.count < LED_FILES)
        put_file(n, NULL);
    else if (!f)
        return;
    else if (what == 8 && !f->packed && !f->target && ledger.count < LED_FILES)
        put_file(n, f);
    else if (what >= 16 && ledger.at_home && ledger.disks_fail)
        return;
    else if (what == 9 && !f->appender && !f->target && ledger.count < LED_FILES)
        make_link(n, f);
    else if (what >= 10 && what < 13)
        delete_file(n, f);
    else if (what >= 13 && what < 16 && takes_marks(n, f))
        set_meta(n, f);
    else if (what == 16 && f->appender && !f->elsewhere && ledger.count < LED_FILES)
        regenerate(n, f);
    else if (what > 16 && f->appender)
        edit(n, f);
}

static struct fiber *client_at_work;

void clients_work(void *arg)
{
    (void)arg;
    while (!ledger.quiet) {
        struct sim_node *n = sim_node((unsigned)sim_random(sim_nodes()));
        if (sim_serves(n) && !n->writing && n->complete && sto_copies_ready(n->copies, 0) == 0) {
            unsigned before = fiber_as(n->index);
            sim_begin_change(n);
            struct fiber *outer = client_at_work;
            client_at_work = fiber_self();
            act(n);
            client_at_work = outer;
            sim_end_change(n);
            fiber_as(before);
        }
        fiber_sleep(1000 + sim_random(sim_random(4) ? 20000 : 300000));
    }
    ledger.pending--;
}

void clients_between_calls(void *arg)
{
    (void)arg;
    struct fiber *who = client_at_work;
    if (!who || who != fiber_self())
        return;
    client_at_work = NULL;
    fiber_sleep(1 + sim_random(3000));
    client_at_work = who;
}
