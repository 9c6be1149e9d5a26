/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/lock.h"

enum { SECTION_VERSION = 1 };

void s3_lock_encode(const struct s3_lock *l, struct buf *out)
{
    buf_u8(out, SECTION_VERSION);
    buf_u8(out, (uint8_t)l->mode);
    buf_u8(out, l->legal_hold);
    buf_u64(out, (uint64_t)l->until_ms);
}

int s3_lock_decode(struct str section, struct s3_lock *ret)
{
    struct s3_lock l = {0};
    if (section.p) {
        struct rd r = rd_of(section);
        uint8_t version = rd_u8(&r), mode = rd_u8(&r), hold = rd_u8(&r);
        l.until_ms = (int64_t)rd_u64(&r);
        if (r.bad || r.n > 0 || version != SECTION_VERSION || mode > S3_LOCK_COMPLIANCE || hold > 1)
            return -EBADMSG;
        l.mode = mode;
        l.legal_hold = hold;
    }
    *ret = l;
    return 0;
}

int s3_lock_check(struct str section, int64_t now_ms, bool bypass_governance)
{
    struct s3_lock l;
    int r = s3_lock_decode(section, &l);
    if (r < 0)
        return r;
    if (l.legal_hold)
        return -EPERM;
    if (l.mode == S3_LOCK_NONE || now_ms >= l.until_ms)
        return 0;
    return l.mode == S3_LOCK_GOVERNANCE && bypass_governance ? 0 : -EPERM;
}
