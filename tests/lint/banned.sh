#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the compiler cannot see: unsafe calls in files that do not include base.h, words that mean
# unfinished work, missing licence lines.
set -u
cd "$(dirname "$0")/../.."
bad=0
sources=$(git ls-files '*.c' '*.h' '*.def')
[ -n "$sources" ] || exit 0
# shellcheck disable=SC2086 # file names of ours have no blanks
found=$(grep -nE '(^|[^A-Za-z0-9_.>])(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|strncpy|strncat|alloca|mktemp|tmpnam|system|popen)\(' \
	$sources | grep -v -e '^dfscore/base/banned.h' -e '^tests/')
[ -z "$found" ] || { printf '%s\n' "$found" | sed 's|$|  <- banned function|'; bad=1; }
found=$(grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $sources)
[ -z "$found" ] || { printf '%s\n' "$found" | sed 's|$|  <- unfinished work belongs in an issue|'; bad=1; }
for f in $(git ls-files '*.c' '*.h' '*.def' '*.py' '*.sh'); do
    head -n 3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || { echo "$f: no SPDX line"; bad=1; }
done
exit $bad
