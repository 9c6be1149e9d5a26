#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Advice, never an error: the longest functions, where a step with a name of its own may hide.
set -eu
cd "$(dirname "$0")/../.."
echo "longest functions (advice):"
git ls-files 'dfscore/*.c' 'tracker/*.c' 'storage/*.c' 's3gw/*.c' | xargs awk '
FNR == 1 { start = 0 }
/^[A-Za-z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
/^\{/ { start = FNR }
/^\}/ && start { n = FNR - start - 1; if (n > 60) printf "%5d  %s:%d %s\n", n, FILENAME, start, name; start = 0 }
' | sort -rn | head -n 15
