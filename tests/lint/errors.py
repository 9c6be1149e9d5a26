#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""errors.py - every row of s3gw/core/s3err.def is answered by something, and provoked by a test.

The rows are those of ROWS and ELSEWHERE in tests/integration/test_errors.py, no more, no less; what ELSEWHERE
names is a test that exists and speaks of the code.
"""
import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def tables():
    """ROWS and ELSEWHERE: code: the node of its value."""
    tree = ast.parse((ROOT / "tests/integration/test_errors.py").read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            found[node.targets[0].id] = {k.value: v for k, v in zip(node.value.keys, node.value.values)}
    return found["ROWS"], found["ELSEWHERE"]


def complaints():
    rows = dict(re.findall(r'^S3ERR\((\w+), \d+, "([^"]+)"', (ROOT / "s3gw/core/s3err.def").read_text(), re.M))
    sources = "\n".join(p.read_text() for p in sorted((ROOT / "s3gw").rglob("*.[ch]")))
    used = set(re.findall(r"\bS3ERR_(\w+)", sources))
    provoked, elsewhere = tables()
    for name, code in rows.items():
        if name not in used:
            yield f"s3err.def: {code}: nothing answers it"
        if code not in provoked and code not in elsewhere:
            yield f"s3err.def: {code}: not in tests/integration/test_errors.py"
    for code in [*provoked, *elsewhere]:
        if code not in rows.values():
            yield f"test_errors.py: {code}: not in s3err.def"
    for code, place in elsewhere.items():
        path, test = place.value.split()
        text = (ROOT / "tests" / path).read_text() if (ROOT / "tests" / path).exists() else ""
        if not re.search(rf"\b{test}\(", text) or f'"{code}"' not in text:
            yield f"test_errors.py: {code}: no such test: {place.value}"


if __name__ == "__main__":
    found = list(complaints())
    print(*found, sep="\n")
    sys.exit(1 if found else 0)
