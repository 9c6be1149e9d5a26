#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tidy.sh CFLAGS - clang-tidy over all sources with .clang-tidy's checks; two at a time.
set -u
cd "$(dirname "$0")/../.."
git ls-files 'dfscore/*.c' 'tracker/*.c' 'storage/*.c' 's3gw/*.c' |
FLAGS=$(printf '%s' "$1" | sed 's/-fstack-clash-protection//') xargs -P 2 -n 8 sh -c '
	clang-tidy --quiet --warnings-as-errors="*" "$@" -- $FLAGS -DDFS_BUILD_VERSION=\"lint\" 2>/dev/null' tidy
