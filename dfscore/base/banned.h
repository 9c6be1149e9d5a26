/* SPDX-License-Identifier: Apache-2.0 */
/* banned - functions that cannot be used safely with bytes from outside; a use does not compile. */
#ifndef DFS_BANNED_H
#define DFS_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok atoi atol atoll strncpy strncat

#endif
