/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_moved - what a log is believed to say of a moved file names a file of some group, in one spelling. */
#include <stdio.h>

#include "dfscore/fileid/fileid.h"
#include "storage/trunk/moved.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sto_moved_rec m;
    struct str extra = str_of(data, size), group, name;
    struct dfs_logical at;
    if (sto_moved_parse(extra, &m) < 0)
        return 0;
    ASSERT(m.id.n > 0 && m.id.n <= DFS_FILE_ID_MAX && m.id.n < extra.n && m.size <= INT64_MAX);
    ASSERT(str_cut(m.id, '/', &group, &name) && dfs_group_ok(group));
    ASSERT(dfs_logical_parse(name, &at) == 0);
    ASSERT(!memchr(m.id.p, '\0', m.id.n)); /* it becomes the text of a link */
    return 0;
}
