/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_fixture - a gateway without network: the memory index, the fake dfs, three users (root, alice,
 * bob), and call(), which takes a request through routing, bucket, policy and handler as the
 * pipeline does.
 */
#ifndef TEST_S3_FIXTURE_H
#define TEST_S3_FIXTURE_H

#include "s3gw/api/ops.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/uri.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/upload.h"
#include "s3gw/policy/eval.h"
#include "s3gw/xml/reader.h"
#include "tests/lib/fake_dfs.h"
#include "tests/lib/test.h"

struct fixture {
    struct s3_gw gw;
    struct s3_req q; /* of the last call */
    bool used;
    enum s3err e;        /* its result */
    struct s3_node *xml; /* its answer, when there is one */
    int64_t now_ms;
    void (*between)(struct fixture *f); /* once, when the caller has been let in */
};

/* What http/ does when a handler answers later; no handler called here does. */
void s3_req_done(struct s3_req *q, enum s3err e)
{
    (void)q, (void)e;
    fail();
}

void s3_req_more(struct s3_req *q)
{
    (void)q;
    fail();
}

static inline int add_users(struct s3_tx *tx, void *arg)
{
    (void)arg;
    static const struct s3_user users[] = {
        {.id = STR_INIT("root-id"), .display_name = STR_INIT("root"), .root = true},
        {.id = STR_INIT("alice-id"),
         .display_name = STR_INIT("Alice"),
         .email = STR_INIT("alice@example.com")},
        {.id = STR_INIT("bob-id"),
         .display_name = STR_INIT("Bob"),
         .email = STR_INIT("bob@example.com")}};
    for (size_t i = 0; i < ARRAY_LEN(users); i++) {
        int r = s3_user_put(tx, &users[i], true);
        if (r < 0)
            return r;
    }
    return 0;
}

static inline void setup(struct fixture *f)
{
    *f = (struct fixture){.now_ms = 1767322800000};
    memset(&fake_dfs, 0, sizeof(fake_dfs));
    f->gw.region = STR("us-east-1");
    f->gw.default_group = STR("group1");
    f->gw.classes = s3_classes_default;
    assert_int_equal(s3_index_open_mem(&f->gw.index), 0);
    assert_int_equal(s3_index_update(f->gw.index, add_users, NULL), 0);
}

static inline void teardown(struct fixture *f)
{
    if (f->used)
        s3_req_fini(&f->q);
    s3_index_close(&f->gw.index);
}

static inline enum s3_method method_of(struct str name)
{
    for (enum s3_method m = S3_GET; m < S3_OTHER_METHOD; m++)
        if (str_eq(str_c(s3_method_name(m)), name))
            return m;
    return S3_OTHER_METHOD;
}

/* "A: b\nC: d" */
static inline void add_request_headers(struct s3_req *q, const char *text)
{
    static struct s3_pair headers[64];
    struct str rest = str_c(text), line;
    q->headers = headers;
    while (text && *text && str_split(&rest, '\n', &line)) {
        struct s3_pair *h = &headers[q->nheaders++];
        assert_true(str_cut(line, ':', &h->name, &h->value));
        h->value = str_trim(h->value);
    }
}

static inline void become(struct s3_req *q, const char *who)
{
    static const char *const names[][3] = {
        {"root", "root-id", "root"}, {"alice", "alice-id", "Alice"}, {"bob", "bob-id", "Bob"}};
    q->who = (struct s3_identity){.anonymous = true};
    for (size_t i = 0; who && i < ARRAY_LEN(names); i++)
        if (strcmp(who, names[i][0]) == 0)
            q->who = (struct s3_identity){.user_id = str_c(names[i][1]),
                                          .display_name = str_c(names[i][2]),
                                          .root = i == 0,
                                          .how = S3_AUTH_V4_HEADER};
}

static inline enum s3err run(struct fixture *f, const char *who)
{
    struct s3_req *q = &f->q;
    enum s3err e = s3_uri_parse(q, q->raw_path);
    if (e == S3ERR_OK)
        e = s3_uri_address(q);
    if (e == S3ERR_OK)
        e = s3_route(q);
    if (e != S3ERR_OK)
        return e;
    become(q, who);
    if (q->op->wants_bucket) {
        q->bkt = arena_alloc(&q->arena, sizeof(*q->bkt));
        int r = s3_bucket_get(f->gw.index, q->bucket, S3_READ_ANY, &q->arena, q->bkt);
        if (r < 0)
            return s3err_from_errno(r, S3_THING_BUCKET);
    }
    e = s3_policy_check(q);
    void (*between)(struct fixture *) = f->between;
    f->between = NULL;
    if (e == S3ERR_OK && between)
        between(f);
    return e == S3ERR_OK ? q->op->handle(q) : e;
}

/* @who: "root", "alice", "bob" or NULL. @headers: lines, or NULL. @body: or NULL. */
static inline enum s3err call(struct fixture *f, const char *who, const char *method,
                              const char *target, const char *headers, const char *body)
{
    if (f->used)
        s3_req_fini(&f->q);
    struct s3_req *q = &f->q;
    s3_req_init(q);
    f->used = true;
    f->xml = NULL;
    q->gw = &f->gw;
    q->method_name = str_c(method);
    q->method = method_of(q->method_name);
    q->raw_path = str_c(target);
    q->host = STR("localhost:9000");
    q->now_ms = f->now_ms += 1000;
    q->may_block = true;
    q->body = body ? str_c(body) : STR("");
    add_request_headers(q, headers);
    f->e = run(f, who);
    if (f->e == S3ERR_OK && q->resp.body.n > 0 && q->resp.body.p[0] == '<')
        assert_int_equal(s3_xml_parse(buf_str(&q->resp.body), NULL, &q->arena, &f->xml), 0);
    return f->e;
}

static inline struct str answered(const struct fixture *f, const char *header)
{
    for (size_t i = 0; i < f->q.resp.nheaders; i++)
        if (str_ieq(f->q.resp.headers[i].name, str_c(header)))
            return f->q.resp.headers[i].value;
    return STR_NULL;
}

static inline struct str extra(const struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->q.resp.nextras; i++)
        if (strcmp(f->q.resp.extras[i].name, name) == 0)
            return f->q.resp.extras[i].value;
    return STR_NULL;
}

/* "Contents/Key": text of the first such element below the root. */
static inline struct str text_at(const struct fixture *f, const char *path)
{
    const struct s3_node *n = f->xml;
    struct str rest = str_c(path), name;
    char z[64];
    while (n && str_split(&rest, '/', &name)) {
        snprintf(z, sizeof(z), STR_F, STR_A(name));
        n = s3_node_child(n, z);
    }
    return n ? n->text : STR_NULL;
}

#define assert_text(f, path, want) assert_string_equal(shown(text_at(f, path)), want)

/* NUL-terminated for messages; valid until the next but three calls. */
static inline const char *shown(struct str s)
{
    static char buffers[4][4096];
    static unsigned at;
    char *out = buffers[at++ % 4];
    snprintf(out, sizeof(buffers[0]), "%s" STR_F, s.p ? "" : "(absent)", STR_A(s));
    return out;
}

/* An object as PutObject would leave it: one file whose bytes are fake_dfs's pattern. */
struct put {
    uint64_t bid;
    struct str key;
    struct s3_object o;
    struct s3_extent extent;
};

static inline int put_in_index(struct s3_tx *tx, void *arg)
{
    struct put *p = arg;
    int r = -ERESTART;
    for (int i = 0; r == -ERESTART && i < 2; i++) { /* the first says what the bucket makes of it */
        p->extent.owner = 0;
        p->o.seq = s3_tx_seq(tx);
        p->o.flags &= ~S3_OBJ_UNSAID;
        r = s3_object_put(tx, p->bid, p->key, &(struct s3_cond){0}, &p->o);
    }
    return r;
}

static inline void pattern_md5(uint64_t size, uint8_t md5[16])
{
    uint8_t *bytes = dfs_alloc(size ? (size_t)size : 1);
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = fake_dfs_byte(i);
    s3_md5(bytes, (size_t)size, md5);
    free(bytes);
}

static inline void have_object(struct fixture *f, const char *bucket, const char *key,
                               uint64_t size)
{
    static unsigned files;
    struct arena a;
    struct s3_bucket b;
    char id[64];
    arena_init(&a, 1 << 20);
    assert_int_equal(s3_bucket_get(f->gw.index, str_c(bucket), S3_READ_ANY, &a, &b), 0);
    snprintf(id, sizeof(id), "group1/M%02X/00/00/file%06u", fake_dfs.lands_on & 0xff, ++files);
    static struct s3_pair type = {STR_INIT("content-type"), STR_INIT("text/plain")};
    struct put p = {.bid = b.bid, .key = str_c(key)};
    p.extent = (struct s3_extent){.file_id = str_c(id), .length = size};
    p.o = (struct s3_object){.size = size,
                             .mtime_ms = f->now_ms,
                             .owner_id = b.owner_id,
                             .headers = &type,
                             .nheaders = 1,
                             .extents = &p.extent,
                             .nextents = size > 0};
    pattern_md5(size, p.o.etag.md5);
    assert_int_equal(s3_index_update(f->gw.index, put_in_index, &p), 0);
    arena_fini(&a);
}

#endif
