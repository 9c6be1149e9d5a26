#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The Downhill Rule: an include may only point to a folder on a lower floor (floors.txt).
set -eu
cd "$(dirname "$0")/../.."
git ls-files 'dfscore/*.[ch]' 'tracker/*.[ch]' 'storage/*.[ch]' 's3gw/*.[ch]' |
xargs grep -Hn '^#include "' |
awk -v floors=tests/lint/floors.txt '
BEGIN { while ((getline l < floors) > 0) { split(l, f, " "); F[f[1]] = f[2] + 0 } }
{
	split($0, m, /[:"]/); from = m[1]; to = m[4]
	sub("/[^/]*$", "", from); sub("/[^/]*$", "", to)
	if (from == to) next
	split(from, a, "/"); split(to, b, "/")
	stranger = a[1] != b[1] && b[1] != "dfscore" # tracker, storage and s3gw meet only on the wire
	if (stranger || !(from in F) || !(to in F) || F[to] >= F[from]) {
		printf "%s:%s: uphill: %s -> %s\n", m[1], m[2], from, to; bad = 1
	}
}
END { exit bad }'
