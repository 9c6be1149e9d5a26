#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone.
set -u
cd "$(dirname "$0")/../.."
flags=$(pkg-config --cflags libevent libmicrohttpd libxml-2.0 jansson libcrypto)
git ls-files 'dfscore/*.h' 'tracker/*.h' 'storage/*.h' 's3gw/*.h' 'tests/*.h' |
FLAGS=$flags xargs -P 2 -I{} sh -c '
	${CC:-cc} -std=gnu17 -D_GNU_SOURCE -I. $FLAGS -fsyntax-only -Wall -Wextra -x c {} 2>/tmp/headers.$$ ||
		{ echo "{}: does not compile alone"; head -n 5 /tmp/headers.$$; rm -f /tmp/headers.$$; exit 1; }
	rm -f /tmp/headers.$$'
