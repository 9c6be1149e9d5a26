/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_addr - an address that is taken is written so that it is read again as the same; one to listen on has
 * two numeric hosts or at most one.
 */
#include "dfscore/net/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bind(const uint8_t *data, size_t size)
{
    struct dfs_addr a;
    char text[512] = "", ip[DFS_IP_TEXT];
    memcpy(text, data, MIN(size, sizeof(text) - 1));
    if (dfs_bind_parse(text, 1, &a) == 0 && a.alt[0])
        ASSERT(dfs_ip_text(a.host, ip) && strcmp(ip, a.host) == 0 && dfs_ip_text(a.alt, ip) &&
               strcmp(ip, a.alt) == 0);
    if (dfs_source_for(text, "10.0.0.1", ip))
        ASSERT(strchr(ip, '.') && !strchr(ip, ':'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dfs_addr a, b;
    char text[DFS_ADDR_TEXT];
    check_bind(data, size);
    if (dfs_addr_parse(str_of((const char *)data, size), 22122, &a) < 0)
        return 0;
    dfs_addr_format(&a, text);
    ASSERT(dfs_addr_parse(str_c(text), 0, &b) == 0);
    ASSERT(dfs_addr_eq(&a, &b) && strcmp(a.alt, b.alt) == 0);
    return 0;
}
