#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each of FastDFS's 37 known weaknesses (fastdfs-semantics.md 19) is answered in the table of storage/README.md or tracker/README.md.
cd "$(dirname "$0")/../.." || exit 2
awk '/^##/ { on = /semantics 19/ }
    on && /^\| [0-9]/ { split($0, cell, "|"); n = split(cell[2], numbers, ","); for (i = 1; i <= n; i++) seen[numbers[i] + 0] = 1 }
    END { for (i = 1; i <= 37; i++) if (!(i in seen)) { print "weakness " i " is answered nowhere"; bad = 1 } exit bad }' \
    storage/README.md tracker/README.md
