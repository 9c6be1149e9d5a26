#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every file compiles with clang, too: what is built is built by gcc, and would not tell.
cd "$(dirname "$0")/../.." || exit 2
exec env -u MAKEFLAGS -u MFLAGS make -s CC=clang syntax
