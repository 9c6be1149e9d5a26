/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/bucket_encryption.h"

#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

static const struct str DOC = STR_INIT("encryption");

/* --- reading the document --- */

static enum s3err default_from(struct s3_req *q, const struct s3_node *apply,
                               struct s3_sse_defaults *d)
{
    struct str algorithm = str_trim(s3_node_text(apply, "SSEAlgorithm"));
    d->id = str_trim(s3_node_text(apply, "KMSMasterKeyID"));
    if (str_eq(algorithm, STR("aws:kms:dsse")))
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "aws:kms:dsse is not offered.");
    if (str_eq(algorithm, STR("AES256")))
        d->mode = S3_SSE_S3;
    else if (str_eq(algorithm, STR("aws:kms")))
        d->mode = S3_SSE_KMS;
    else
        return S3ERR_MALFORMED_XML;
    if (d->id.n > S3_SSE_ID_MAX || (d->id.n > 0 && d->mode != S3_SSE_KMS))
        return s3_err_arg(
            q, "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms",
            "KMSMasterKeyID", d->id);
    return q->gw->kms ? S3ERR_OK
                      : s3_errm(q, S3ERR_NOT_IMPLEMENTED,
                                "This server has no key ring; SSE-S3 and SSE-KMS need one.");
}

/* NONE, or SSE-C. */
static enum s3err blocked_from(const struct s3_node *blocked, struct s3_sse_defaults *d)
{
    bool none = false;
    const struct s3_node *n = s3_node_child(blocked, "EncryptionType");
    d->lists_blocked = n != NULL;
    for (; n; n = s3_node_find(n->next, "EncryptionType")) {
        struct str type = str_trim(n->text);
        if (str_eq(type, STR("NONE")))
            none = true;
        else if (str_eq(type, STR("SSE-C")))
            d->blocks_sse_c = true;
        else
            return S3ERR_MALFORMED_XML;
    }
    return !d->lists_blocked || (none && d->blocks_sse_c) ? S3ERR_MALFORMED_XML : S3ERR_OK;
}

static enum s3err rule_from(struct s3_req *q, const struct s3_node *rule, struct s3_sse_defaults *d)
{
    const struct s3_node *apply = s3_node_child(rule, "ApplyServerSideEncryptionByDefault");
    const struct s3_node *blocked = s3_node_child(rule, "BlockedEncryptionTypes");
    struct str key = str_trim(s3_node_text(rule, "BucketKeyEnabled"));
    d->bucket_key = str_eq(key, STR("true"));
    if ((key.p && !d->bucket_key && !str_eq(key, STR("false"))) || (!apply && !blocked && !key.p))
        return S3ERR_MALFORMED_XML;
    enum s3err e = apply ? default_from(q, apply, d) : S3ERR_OK;
    return e == S3ERR_OK && blocked ? blocked_from(blocked, d) : e;
}

enum s3err s3_bucket_encryption_parse(struct s3_req *q, const struct s3_node *root,
                                      struct s3_sse_defaults *ret)
{
    struct s3_sse_defaults d = {.mode = S3_SSE_NONE};
    enum s3err e = s3_node_count(root, "Rule") == 1 ? rule_from(q, s3_node_child(root, "Rule"), &d)
                                                    : S3ERR_MALFORMED_XML;
    if (e == S3ERR_OK)
        *ret = d;
    return e;
}

static enum s3err parse(struct s3_req *q, struct s3_sse_defaults *d)
{
    struct s3_node *root;
    enum s3err e = s3_document(q, "ServerSideEncryptionConfiguration", &root);
    return e == S3ERR_OK ? s3_bucket_encryption_parse(q, root, d) : e;
}

enum s3err s3_h_put_bucket_encryption(struct s3_req *q)
{
    struct s3_sse_defaults d;
    AUTO(buf_free) struct buf record = BUF(S3_SSE_SECTION_MAX);
    enum s3err e = s3_need_digest(q);
    if (e == S3ERR_OK)
        e = parse(q, &d);
    if (e != S3ERR_OK)
        return e;
    s3_sse_defaults_encode(&d, &record);
    return s3_keep_bucket_record(q, DOC, &record, "The encryption");
}

/* --- showing it --- */

void s3_bucket_encryption_write(const struct s3_sse_defaults *d, struct buf *b)
{
    s3_xml_open(b, "Rule");
    if (d->mode != S3_SSE_NONE) {
        s3_xml_open(b, "ApplyServerSideEncryptionByDefault");
        s3_xml_text(b, "SSEAlgorithm", d->mode == S3_SSE_KMS ? STR("aws:kms") : STR("AES256"));
        if (d->id.n > 0)
            s3_xml_text(b, "KMSMasterKeyID", d->id);
        s3_xml_close(b, "ApplyServerSideEncryptionByDefault");
    }
    s3_xml_bool(b, "BucketKeyEnabled", d->bucket_key);
    if (d->lists_blocked) {
        s3_xml_open(b, "BlockedEncryptionTypes");
        s3_xml_text(b, "EncryptionType", d->blocks_sse_c ? STR("SSE-C") : STR("NONE"));
        s3_xml_close(b, "BlockedEncryptionTypes");
    }
    s3_xml_close(b, "Rule");
}

/* Differs: AWS shows AES256 where nothing was set, since it encrypts everything. */
enum s3err s3_h_get_bucket_encryption(struct s3_req *q)
{
    struct str record = s3_bucket_doc(q->bkt, DOC);
    struct s3_sse_defaults d;
    if (!record.p)
        return s3_err(q, S3ERR_SERVER_SIDE_ENCRYPTION_CONFIGURATION_NOT_FOUND_ERROR, "BucketName",
                      q->bucket);
    int r = s3_sse_defaults_decode(record, &d);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    s3_bucket_encryption_write(&d, s3_answer_open(q, "ServerSideEncryptionConfiguration"));
    return s3_answer_close(q, "ServerSideEncryptionConfiguration");
}

enum s3err s3_h_delete_bucket_encryption(struct s3_req *q)
{
    q->resp.status = 204;
    return s3_bucket_doc(q->bkt, DOC).p ? s3_keep_bucket_doc(q, DOC, STR_NULL) : S3ERR_OK;
}
