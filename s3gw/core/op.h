/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op - one S3 operation: a row of api/ops.def. The type lives down here because auth/ and policy/
 * read the row that api/ chose.
 */
#ifndef S3_OP_H
#define S3_OP_H

#include "s3gw/core/req.h"

/* WEBSITE: any path of a website host, which has no subresources. NATIVE: a file id of FastDFS. */
enum s3_level { S3_SERVICE, S3_BUCKET, S3_OBJECT, S3_WEBSITE, S3_NATIVE };

enum s3_body_kind {
    S3_BODY_NONE,   /* a body is read and thrown away */
    S3_BODY_EMPTY,  /* it is refused */
    S3_BODY_XML,    /* read whole into q->body, at most S3_BODY_WHOLE_MAX, digests checked, then
                       handle() */
    S3_BODY_STREAM, /* object data: begin() before the first byte, then data flows to the sink */
    S3_BODY_FORM,   /* a browser's form: who, what and whether is asked when its file begins, which
                       then flows as object data */
};

/* 10,000 parts with ETag and a SHA-512 each stay below this, as do 1,000 escaped keys to delete. */
enum { S3_BODY_WHOLE_MAX = 4 * 1024 * 1024 };

enum s3_where {
    S3_INLINE, /* try on the HTTP thread first; WOULD_BLOCK moves it to a worker */
    S3_WORKER, /* may block: straight to a worker */
};

struct s3_op {
    const char *name; /* "PutObject" */
    enum s3_method method;
    enum s3_level level;
    const char *subresource;    /* query name that selects it; NULL: none. "a=b": with that value */
    const char *header;         /* header (or signed query option) that selects it; NULL: none */
    const char *action;         /* permission: "s3:PutObject"; NULL: none needed */
    const char *version_action; /* instead, when versionId is given; NULL: takes no versionId */
    enum s3_body_kind body;
    bool checksum_is_objects; /* x-amz-checksum-* in the head is the object's, not this body's
                                 (Complete) */
    /* conditions of policies ask for what is in the body: s3:RequestObjectTag/... */
    bool body_is_asked;
    enum s3_where where;
    bool wants_bucket;                      /* load q->bkt first; NoSuchBucket when missing */
    enum s3err (*handle)(struct s3_req *q); /* NULL: known, not offered: 501 */
};

#endif
