/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bucket_plain - configurations of one word: transfer acceleration, of which we offer Suspended alone,
 * and who pays.
 *
 * Terraform and file managers read all of these on every plan; an error there stops them.
 *
 * Rule: s3-behaviours 9 (unset but never 404); Amazon S3 API Reference of each.
 */
#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/index/bucket.h"
#include "s3gw/policy/access.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

/* Once suspended, always said: as AWS. The text itself. */
static const struct str ACCELERATE = STR_INIT("accelerate");
static const struct str PAYER = STR_INIT("payer"); /* policy/access.h */

enum s3err s3_h_get_bucket_accelerate(struct s3_req *q)
{
    struct buf *b = s3_answer_open(q, "AccelerateConfiguration");
    struct str status = s3_bucket_doc(q->bkt, ACCELERATE);
    if (status.p)
        s3_xml_text(b, "Status", status);
    return s3_answer_close(q, "AccelerateConfiguration");
}

enum s3err s3_h_put_bucket_accelerate(struct s3_req *q)
{
    struct s3_node *root;
    enum s3err e = s3_document(q, "AccelerateConfiguration", &root);
    if (e != S3ERR_OK)
        return e;
    struct str status = str_trim(s3_node_text(root, "Status"));
    if (str_eq(status, STR("Enabled")))
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "Transfer acceleration is not implemented.");
    return str_eq(status, STR("Suspended")) ? s3_keep_bucket_doc(q, ACCELERATE, status)
                                            : S3ERR_MALFORMED_XML;
}

enum s3err s3_h_get_bucket_request_payment(struct s3_req *q)
{
    struct buf *b = s3_answer_open(q, "RequestPaymentConfiguration");
    s3_xml_text(b, "Payer", s3_requester_pays(q->bkt) ? STR("Requester") : STR("BucketOwner"));
    return s3_answer_close(q, "RequestPaymentConfiguration");
}

enum s3err s3_h_put_bucket_request_payment(struct s3_req *q)
{
    struct s3_node *root;
    enum s3err e = s3_document(q, "RequestPaymentConfiguration", &root);
    if (e != S3ERR_OK)
        return e;
    struct str payer = str_trim(s3_node_text(root, "Payer"));
    if (str_eq(payer, STR("Requester")))
        return s3_keep_bucket_doc(q, PAYER, payer);
    if (!str_eq(payer, STR("BucketOwner")))
        return S3ERR_MALFORMED_XML;
    return s3_requester_pays(q->bkt) ? s3_keep_bucket_doc(q, PAYER, STR_NULL) : S3ERR_OK;
}
