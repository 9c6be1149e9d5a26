/* SPDX-License-Identifier: Apache-2.0 */
/* banned - functions that cannot be used safely with bytes from outside; a use does not compile. */
#ifndef DFS_BANNED_H
#define DFS_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* glibc's fortified headers make macros of these for compilers without __builtin_va_arg_pack(): clang. */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok atoi atol atoll strncpy strncat

#endif
