/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_lifecycle_xml - any bytes: an accepted document is written as one that is accepted again and gives
 * the same record; a record of any bytes is read or refused. The first byte chooses.
 */
#include "s3gw/core/gw.h"
#include "s3gw/lifecycle/rules.h"
#include "s3gw/xml/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No handler of a stream runs here. */
void s3_req_done(struct s3_req *q, enum s3err e)
{
    (void)q, (void)e;
}

void s3_req_more(struct s3_req *q)
{
    (void)q;
}

static bool parse(struct s3_req *q, struct str xml, struct buf *record)
{
    static struct s3_gw gw;
    struct s3_node *root;
    gw.classes = s3_classes_default;
    q->gw = &gw;
    return s3_xml_parse(xml, "LifecycleConfiguration", &q->arena, &root) == 0 &&
           s3_life_parse(q, root, S3_LIFE_VARIES, record) == S3ERR_OK;
}

static void judge(struct str record)
{
    struct s3_life_scope scope;
    struct s3_life_verdict v;
    bool readable = s3_life_scope(record, &scope) == 0;
    for (unsigned kind = S3_LIFE_CURRENT; kind <= S3_LIFE_UPLOAD; kind++) {
        const struct s3_life_thing t = {.kind = (enum s3_life_kind)kind,
                                        .key = STR("a/key"),
                                        .any_tags = true,
                                        .size = 5,
                                        .since_ms = 1};
        ASSERT((s3_life_judge(record, &t, 0, &v) >= 0) == readable);
        struct s3_life_move m;
        int r = s3_life_transition(record, &t, STR("STANDARD_IA"), &s3_classes_default, 0,
                                   INT64_C(1) << 40, &m);
        ASSERT((r >= 0) == readable);
        ASSERT(r <= 0 ||
               s3_class_rank(&s3_classes_default, m.storage_class) > 2); /* down, never up */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct s3_req q;
    AUTO(buf_free) struct buf first = BUF(S3_LIFE_DOC_MAX);
    AUTO(buf_free) struct buf second = BUF(S3_LIFE_DOC_MAX);
    AUTO(buf_free) struct buf xml = BUF(16 << 20);
    struct str input = str_of(data, size);
    if (size == 0)
        return 0;
    if (input.p[0] != '<') {
        judge(str_from(input, 1));
        return 0;
    }
    s3_req_init(&q);
    if (parse(&q, input, &first)) {
        judge(buf_str(&first));
        buf_addf(&xml, "<LifecycleConfiguration>");
        ASSERT(s3_life_write(buf_str(&first), &xml) == 0);
        buf_addf(&xml, "</LifecycleConfiguration>");
        ASSERT(!buf_err(&xml) && parse(&q, buf_str(&xml), &second));
        ASSERT(str_eq(buf_str(&first), buf_str(&second)));
    }
    s3_req_fini(&q);
    return 0;
}
