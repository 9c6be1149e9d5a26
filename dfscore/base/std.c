/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/std.h"

#include <fcntl.h>
#include <unistd.h>

void dfs_std_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        /* Those below are open: the lowest free number is this one. Inherited, as the others are. */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(1);
}
