/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/version.h"

const char *dfs_version(void)
{
    return DFS_BUILD_VERSION; /* set by the Makefile for this file alone */
}
