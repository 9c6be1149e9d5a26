#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Advice, never an error: the longest functions, where a step with a name of its own may hide; files of
# more than 600 lines, where a second module may; lines of more than 110 columns (make format).
set -eu
cd "$(dirname "$0")/../.."
echo "longest functions (advice):"
git ls-files 'dfscore/*.c' 'tracker/*.c' 'storage/*.c' 's3gw/*.c' | xargs awk '
FNR == 1 { start = 0 }
/^[A-Za-z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
/^\{/ { start = FNR }
/^\}/ && start { n = FNR - start - 1; if (n > 60) printf "%5d  %s:%d %s\n", n, FILENAME, start, name; start = 0 }
' | sort -rn | head -n 15
echo "longest files (advice):"
git ls-files 'dfscore/*.c' 'tracker/*.c' 'storage/*.c' 's3gw/*.c' 'tests/*.c' | xargs wc -l |
    awk '$2 != "total" && $1 > 600 { printf "%5d  %s\n", $1, $2 }' | sort -rn
echo "lines of more than 110 columns, by file (advice):"
git ls-files '*.c' '*.h' | xargs awk 'length($0) > 110 { n[FILENAME]++ } END { for (f in n) printf "%5d  %s\n", n[f], f }' |
    sort -rn | head -n 15
