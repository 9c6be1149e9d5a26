/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_index_records - an accepted record, encoded again, is accepted again and then stays the same
 * bytes. The first byte picks the kind of record.
 */
#include "s3gw/index/bucket.h"
#include "s3gw/index/record.h"
#include "s3gw/index/upload_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA = 16 * 1024 * 1024, BYTES = 4 * 1024 * 1024 };

/* Decode @bytes, encode what came out to @out. 0 or the decoder's errno. */
typedef int (*again_fn)(struct str bytes, struct arena *a, struct buf *out);

static int object_again(struct str bytes, struct arena *a, struct buf *out)
{
    struct s3_object o, listed;
    int r = s3_object_decode(bytes, a, &o);
    if (r < 0)
        return r;
    if (s3_object_decode_listed(bytes, a, &listed) == 0)
        ASSERT(listed.seq == o.seq && listed.size == o.size && str_eq(listed.owner_id, o.owner_id));
    s3_object_encode(&o, out);
    return 0;
}

static int split_again(struct str bytes, struct arena *a, struct buf *out)
{
    struct s3_object o;
    AUTO(buf_free) struct buf detail = BUF(BYTES);
    int r = s3_object_decode(bytes, a, &o);
    if (r < 0)
        return r;
    s3_object_encode_split(&o, out, &detail);
    if (buf_err(out) || buf_err(&detail))
        return -ENOMEM;
    struct s3_object back;
    bool split;
    struct str head = arena_str(a, buf_str(out)), rest = arena_str(a, buf_str(&detail));
    if (!head.p || !rest.p)
        return -ENOMEM;
    r = s3_object_decode_head(head, a, &back, &split);
    if (r == 0 && split)
        r = s3_object_decode_detail(rest, a, &back);
    if (r == -ENOMEM)
        return r;
    ASSERT(r == 0 && split == (detail.n > 0) && back.nextents == o.nextents &&
           back.nparts == o.nparts);
    buf_reset(out);
    s3_object_encode(&back, out);
    return 0;
}

static int bucket_again(struct str bytes, struct arena *a, struct buf *out)
{
    struct s3_bucket b;
    int r = s3_bucket_decode(bytes, a, &b);
    if (r == 0)
        s3_bucket_encode(&b, out);
    return r;
}

static int upload_again(struct str bytes, struct arena *a, struct buf *out)
{
    struct s3_upload u;
    int r = s3_upload_decode(bytes, a, &u);
    if (r == 0)
        s3_upload_encode(&u, out);
    return r;
}

static int part_again(struct str bytes, struct arena *a, struct buf *out)
{
    struct s3_upart p;
    int r = s3_upart_decode(bytes, a, &p);
    if (r == 0)
        s3_upart_encode(&p, out);
    return r;
}

static int finished_again(struct str bytes, struct arena *a, struct buf *out)
{
    (void)a;
    struct s3_finished f;
    int r = s3_finished_decode(bytes, &f);
    if (r == 0)
        s3_finished_encode(&f, out);
    return r;
}

static int detail_again(struct str bytes, struct arena *a, struct buf *out)
{
    (void)out;
    struct s3_object o = {.seq = 7};
    int r = s3_object_decode_detail(bytes, a, &o);
    return r < 0 ? r : -ENOENT; /* a detail is no record of its own: reading it was the test */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const again_fn kinds[] = {object_again, split_again,    bucket_again, upload_again,
                                     part_again,   finished_again, detail_again};
    if (size == 0)
        return 0;
    again_fn again = kinds[data[0] % ARRAY_LEN(kinds)];
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA);
    AUTO(buf_free) struct buf first = BUF(BYTES), second = BUF(BYTES);
    int r = again(str_of(data + 1, size - 1), &a, &first);
    if (r < 0 || buf_err(&first))
        return 0;
    r = again(buf_str(&first), &a, &second);
    if (r == -ENOMEM || buf_err(&second))
        return 0;
    ASSERT(r == 0 && str_eq(buf_str(&first), buf_str(&second)));
    return 0;
}
