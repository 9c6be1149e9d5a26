/* SPDX-License-Identifier: Apache-2.0 */
/*
 * form - read a multipart/form-data body as it arrives: small fields are kept, the file goes out in
 * pieces that are views into what was pushed (no copy).
 *
 * Rule: RFC 7578, RFC 2046 5.1.1; s3-behaviours 22. Fields behind the file are read and ignored.
 * Threads: one at a time.
 */
#ifndef S3_FORM_H
#define S3_FORM_H

#include "s3gw/core/req.h"

enum {
    S3_FORM_FIELDS_MAX =
        20 * 1024, /* bytes of all fields before the file, names and values (s3-behaviours 25) */
    S3_FORM_FIELD_COUNT_MAX = 256,
    S3_FORM_OVERHEAD_MAX = 1024 * 1024, /* what a form may be longer than its largest file */
    S3_FORM_HELD_MAX = 74,              /* data of earlier pushes that one push may give out */
};

struct s3_form;

/* Takes the content of the file. Returns S3ERR_OK, or an error that ends the reading. */
struct s3_form_out {
    enum s3err (*data)(void *arg, struct str piece);
    void *arg;
};

/*
 * The boundary in the Content-Type of @q. PreconditionFailed when it is no multipart/form-data
 * (AWS; Differs: 405 or 400 elsewhere), MalformedPOSTRequest without a usable boundary.
 */
enum s3err s3_form_boundary(struct s3_req *q, struct str *ret);

/* From the Content-Type of @q: errors as above; SlowDown without memory. */
enum s3err s3_form_new(struct s3_req *q, const struct s3_form_out *out, struct s3_form **ret);
void s3_form_free(struct s3_form **f);

/*
 * OK: all of *in was read. PENDING, once: the file part begins here, all fields are known
 * (s3_form_fields), and *in is what follows; push it when the fields were judged. Else
 * MalformedPOSTRequest, MaxPostPreDataLengthExceededError, InvalidArgument (a second file),
 * SlowDown, or data()'s error; then the form is dead.
 */
enum s3err s3_form_push(struct s3_form *f, struct str *in);
/* No more bytes. MalformedPOSTRequest when cut off, InvalidArgument without a file. */
enum s3err s3_form_finish(struct s3_form *f);

/* Fields before the file, in order; live as long as the request's arena. */
const struct s3_pair *s3_form_fields(const struct s3_form *f, size_t *ret_n);
struct str
s3_form_filename(const struct s3_form *f); /* as the client named it; absent before the file */

#endif
