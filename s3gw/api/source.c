/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/source.h"

#include "s3gw/api/encryption.h"
#include "s3gw/api/lookup.h"
#include "s3gw/api/reader.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/precond.h"
#include "s3gw/core/uri.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/policy/eval.h"

enum { READ_BYTES = 256 * 1024 };

static const struct str HEADER = STR_INIT("x-amz-copy-source");

static enum s3err bad_source(struct s3_req *q)
{
    return s3_err_arg(q,
                      "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
                      "x-amz-copy-source", s3_req_option(q, HEADER));
}

static enum s3err find_bucket(struct s3_req *q, struct str name, struct s3_source *s)
{
    int r = s3_bucket_get(q->gw->index, name, S3_READ_ANY, &q->arena, &s->bkt);
    if (r == -ENOENT)
        return s3_err(q, S3ERR_NO_SUCH_BUCKET, "BucketName", name);
    return s3err_from_errno(r, S3_THING_OTHER);
}

/* What the look-up of a source says: OK when it is one. */
static enum s3err found(struct s3_req *q, const struct s3_source *s, int r)
{
    if (r == -EINVAL && s->version.p)
        return s3_err_arg(q, "Invalid version id specified", "versionId", s->version);
    if (r == -ENOENT && s->version.p)
        return s3_err2(q, S3ERR_NO_SUCH_VERSION, "Key", s->key, "VersionId", s->version);
    if (r == -ENOENT)
        return s3_err(q, S3ERR_NO_SUCH_KEY, "Key", s->key);
    if (r == 0 && s->object.flags & S3_OBJ_DELETE_MARKER)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The source of a copy request may not specifically refer to a delete marker "
                       "by version id.");
    return s3err_from_errno(r, S3_THING_OTHER);
}

/* Whether it may be read is judged by what was found: another version, or a later object, may be another's. */
static enum s3err find_object(struct s3_req *q, struct s3_source *s)
{
    const struct s3_policy_target t = {.bkt = &s->bkt, .key = s->key, .version = s->version};
    int r = s3_lookup_version(q, s->bkt.bid, s->key, s->version, true, &s->object);
    if (r < 0 && r != -ENOENT && r != -EINVAL)
        return s3err_from_errno(r, S3_THING_OTHER);
    enum s3err e = s3_policy_allows_of(q, &t, r == 0 ? &s->object : NULL,
                                       s->version.p ? "s3:GetObjectVersion" : "s3:GetObject");
    return e == S3ERR_OK ? found(q, s, r) : e;
}

enum s3err s3_source_load(struct s3_req *q, struct s3_source *ret)
{
    struct s3_source s = {0};
    struct str bucket;
    struct str header = s3_req_option(q, HEADER);
    if (str_starts(header, STR("arn:"))) /* access points: not offered */
        return s3_err(q, S3ERR_NOT_IMPLEMENTED, "Header", HEADER);
    int r = s3_uri_copy_source(&q->arena, header, &bucket, &s.key, &s.version);
    if (r < 0)
        return r == -EINVAL ? bad_source(q) : s3err_from_errno(r, S3_THING_OTHER);
    enum s3err e = s3_encryption_check_read(q, S3_OPEN_SOURCE);
    if (e == S3ERR_OK)
        e = find_bucket(q, bucket, &s);
    if (e == S3ERR_OK)
        e = s3_policy_expected_owner(q, STR("x-amz-source-expected-bucket-owner"), &s.bkt);
    if (e == S3ERR_OK)
        e = find_object(q, &s);
    if (e == S3ERR_OK)
        e = s3_encryption_open(q, &s.object, S3_OPEN_SOURCE, true, &s.dek);
    if (e == S3ERR_OK)
        e = s3_precond_copy_source(q, &s.object.etag, s.object.mtime_ms);
    if (e == S3ERR_OK)
        *ret = s;
    return e;
}

enum s3err s3_source_too_large(struct s3_req *q)
{
    return s3_errm(q, S3ERR_INVALID_REQUEST,
                   "The specified copy source is larger than the maximum allowable size for a "
                   "copy source: %llu",
                   S3_SOURCE_MAX);
}

int s3_source_files(struct s3_req *q, const struct s3_object *o, struct s3_extent **ret,
                    size_t *ret_n)
{
    struct s3_extent *out = arena_alloc(&q->arena, MAX(o->nextents, (size_t)1) * sizeof(*out));
    if (!out)
        return -ENOMEM;
    if (o->nextents)
        memcpy(out, o->extents, o->nextents * sizeof(*out));
    *ret = out;
    *ret_n = o->nextents;
    return 0;
}

int s3_source_slice(struct s3_req *q, const struct s3_object *o, uint64_t from, uint64_t length,
                    struct s3_extent **ret, size_t *ret_n)
{
    struct s3_extent *out = arena_alloc(&q->arena, MAX(o->nextents, (size_t)1) * sizeof(*out));
    if (!out)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < o->nextents && length > 0; i++) {
        const struct s3_extent *e = &o->extents[i];
        if (from >= e->length) {
            from -= e->length;
            continue;
        }
        uint64_t take = MIN(e->length - from, length);
        out[n++] = (struct s3_extent){
            .file_id = e->file_id, .offset = e->offset + from, .length = take, .owner = e->owner};
        length -= take;
        from = 0;
    }
    if (length > 0)
        return -EBADMSG; /* the record says it is larger than its extents */
    *ret = out;
    *ret_n = n;
    return 0;
}

struct digests {
    struct s3_hash md5, c1, c2;
};

static void digests_fini(struct digests *d)
{
    s3_hash_fini(&d->md5);
    s3_hash_fini(&d->c1);
    s3_hash_fini(&d->c2);
}

static int digests_init(struct digests *d, bool md5, const struct s3_checksum *c1,
                        const struct s3_checksum *c2)
{
    int r = s3_hash_init(&d->md5, md5 ? S3_CK_MD5 : S3_CK_NONE);
    if (r == 0)
        r = s3_hash_init(&d->c1, c1->alg);
    if (r == 0)
        r = s3_hash_init(&d->c2, c2->alg);
    return r;
}

static int digest_content(struct s3_req *q, struct s3_reader *rd, uint64_t n, struct digests *d)
{
    AUTO(dfs_free_ptr) uint8_t *piece = dfs_alloc(READ_BYTES);
    int r = piece ? 0 : -ENOMEM;
    for (uint64_t at = 0; r == 0 && at < n;) {
        size_t some = (size_t)MIN(n - at, (uint64_t)READ_BYTES);
        r = s3_reader_read(rd, q->gw->dfs, at, piece, some, true);
        if (r < 0)
            return r;
        s3_hash_update(&d->md5, piece, some);
        s3_hash_update(&d->c1, piece, some);
        s3_hash_update(&d->c2, piece, some);
        at += some;
    }
    return r;
}

int s3_source_digest(struct s3_req *q, const struct s3_source *s, uint64_t from, uint64_t length,
                     uint8_t md5[16], struct s3_checksum *c1, struct s3_checksum *c2)
{
    AUTO(digests_fini) struct digests d = {0};
    struct s3_reader *rd;
    int r = s3_reader_new(q, &s->object, s->dek, from, length, &rd);
    if (r == 0)
        r = digests_init(&d, md5 != NULL, c1, c2);
    if (r == 0)
        r = digest_content(q, rd, length, &d);
    if (r < 0)
        return r;
    if (md5) {
        struct s3_checksum sum;
        s3_hash_final(&d.md5, &sum);
        memcpy(md5, sum.value, 16);
    }
    if (c1->alg != S3_CK_NONE)
        s3_hash_final(&d.c1, c1);
    if (c2->alg != S3_CK_NONE)
        s3_hash_final(&d.c2, c2);
    return 0;
}
