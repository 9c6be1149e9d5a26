#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""support.py [--write] - README.md's table of operations says what s3gw/api/ops.def says.

Without --write: exit status 1 and the difference when it does not.
"""
import difflib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEGIN = "<!-- made from s3gw/api/ops.def by tests/lint/support.py --write -->\n"
END = "<!-- end -->\n"
LEVELS = {"SERVICE": "Service", "BUCKET": "Buckets", "OBJECT": "Objects", "WEBSITE": "Website hosts",
          "NATIVE": "FastDFS names"}
NOT_S3 = {"QueryApi"}  # rows that only keep other APIs' calls from falling through


def operations():
    """name: (level, offered, what is missing) of every row."""
    found = {}
    for line in (ROOT / "s3gw/api/ops.def").read_text().splitlines():
        match = re.match(r"S3OP\((\w+), *\w+, *(\w+),.*?, *(\w+)\)(?: /\* partly: (.*?) \*/)?", line)
        if match and match.group(1) not in NOT_S3:
            name, level, handler, lacks = match.groups()
            found.setdefault(name, (level, handler != "NULL", lacks))
    return found


def table():
    rows = sorted(operations().items())
    out = ["| | yes | partly | no: 501 NotImplemented |\n", "| --- | --- | --- | --- |\n"]
    for level, title in LEVELS.items():
        here = [(name, offered, lacks) for name, (where, offered, lacks) in rows if where == level]
        cells = [[name for name, offered, lacks in here if offered and not lacks],
                 [f"{name} ({lacks})" for name, offered, lacks in here if offered and lacks],
                 [name for name, offered, lacks in here if not offered]]
        out.append(f"| {title} | " + " | ".join(", ".join(cell) or "-" for cell in cells) + " |\n")
    return "".join(out)


def main():
    path = ROOT / "README.md"
    text = path.read_text()
    head, rest = text.split(BEGIN)
    old, tail = rest.split(END)
    if "--write" in sys.argv:
        path.write_text(head + BEGIN + table() + END + tail)
        return 0
    diff = list(difflib.unified_diff(old.splitlines(), table().splitlines(), "README.md", "ops.def", lineterm="", n=0))
    if diff:
        print("README.md: the support table differs; run tests/lint/support.py --write")
        print("\n".join(d[:200] for d in diff))
    return 1 if diff else 0


sys.exit(main())
