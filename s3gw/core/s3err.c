/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/s3err.h"

#include "dfscore/log/log.h"

static const struct s3err_info table[] = {
#define S3ERR(id, status, code, message) [S3ERR_##id] = {status, code, message},
#include "s3gw/core/s3err.def"
#undef S3ERR
};

const struct s3err_info *s3err_info(enum s3err e)
{
    ASSERT(e > S3ERR_OK && e < S3ERR_COUNT_);
    return &table[e];
}

static enum s3err missing_thing(enum s3_thing missing)
{
    switch (missing) {
    case S3_THING_BUCKET:
        return S3ERR_NO_SUCH_BUCKET;
    case S3_THING_KEY:
        return S3ERR_NO_SUCH_KEY;
    case S3_THING_UPLOAD:
        return S3ERR_NO_SUCH_UPLOAD;
    case S3_THING_VERSION:
        return S3ERR_NO_SUCH_VERSION;
    case S3_THING_OTHER:
        break;
    }
    return S3ERR_OK; /* nobody said what could be missing: fall to the general case */
}

enum s3err s3err_from_errno(int r, enum s3_thing missing)
{
    enum s3err e = S3ERR_OK;
    switch (r) {
    case 0:
        return S3ERR_OK;
    case -ENOENT:
        e = missing_thing(missing);
        break;
    case -ENOSPC:
    case -EDQUOT:
        return S3ERR_INSUFFICIENT_STORAGE;
    case -EAGAIN:
    case -EBUSY:
    case -ENOMEM: /* a ceiling was reached; it passes */
        return S3ERR_SLOW_DOWN;
    case -EHOSTUNREACH: /* no storage could be asked; nothing was changed */
    case -ENOLCK:       /* nothing was sent to one: core/tenure.h */
        return S3ERR_SERVICE_UNAVAILABLE;
    case -EFBIG:
        return S3ERR_ENTITY_TOO_LARGE;
    default:
        break;
    }
    if (e != S3ERR_OK)
        return e;
    static struct dfs_log_gate gate;
    if (dfs_log_allow(&gate, 10))
        dfs_log(LOG_ERROR, "s3.internal_error", KV_ERR(r));
    return S3ERR_INTERNAL_ERROR;
}
