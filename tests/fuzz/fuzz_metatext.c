/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_metatext - stored metadata, a NUL, and what a client adds: what was sorted stays as it is,
 * and merging the same again changes nothing.
 */
#include "storage/service/metatext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str old, add, all = str_of(data, size);
    if (size > STO_META_TEXT_MAX || !str_cut(all, '\0', &old, &add))
        return 0;
    AUTO(buf_free) struct buf sorted = BUF(4 * STO_META_TEXT_MAX);
    AUTO(buf_free) struct buf again = BUF(4 * STO_META_TEXT_MAX);
    AUTO(buf_free) struct buf merged = BUF(4 * STO_META_TEXT_MAX);
    AUTO(buf_free) struct buf twice = BUF(4 * STO_META_TEXT_MAX);
    if (sto_metatext_sort(add, &sorted) == 0) {
        ASSERT(sto_metatext_sort(buf_str(&sorted), &again) == 0);
        ASSERT(str_eq(buf_str(&sorted), buf_str(&again)));
    }
    if (sto_metatext_merge(old, add, &merged) == 0) {
        ASSERT(sto_metatext_merge(buf_str(&merged), add, &twice) == 0);
        ASSERT(str_eq(buf_str(&merged), buf_str(&twice)));
    }
    return 0;
}
