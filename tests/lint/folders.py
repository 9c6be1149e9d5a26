#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""folders.py - the READMEs of the four programs name every source file, and no file that is not there.

A name stands in backticks, with its folder or without, with its ending or without, several files by *, ? or [ch]:
`trunk/log.h`, `log`, `sigv4*.c`. What is private to a file (_priv, _impl) goes with it.
"""
import fnmatch
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = (".c", ".h", ".def")


def sources():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [pathlib.PurePath(line) for line in listed.stdout.splitlines()]


def names_in(readme):
    return set(re.findall(r"`([\w./*?\[\]-]+)`", readme.read_text()))


def is_named(path, top, names):
    """@path: of a source file, below the folder @top. Its header's name is its own."""
    stems = {path.stem, re.sub(r"_(priv|impl)$", "", path.stem)}
    ways = stems | {str(path.parent.relative_to(top) / stem) for stem in stems}
    return any(fnmatch.fnmatchcase(way, re.sub(r"\.(c|h|def|\[ch\])$", "", name)) for way in ways for name in names)


def is_there(name, top, everything):
    ends = {name, f"{top}/{name}"}
    return any(fnmatch.fnmatchcase(path, f"*/{end}") or fnmatch.fnmatchcase(path, end)
               for path in everything for end in ends)


def main():
    everything, bad = sources(), []
    texts = [str(path) for path in everything]
    for top in map(pathlib.PurePath, ("dfscore", "tracker", "storage", "s3gw")):
        names = names_in(ROOT / top / "README.md")
        if top.name == "dfscore":
            names |= names_in(ROOT / "dfscore/wire/README.md")
        bad += [f"{top}/README.md does not name {path}" for path in everything
                if path.suffix in SOURCE and path.parts[0] == top.name and not is_named(path, top, names)]
        bad += [f"{top}/README.md names {name}, which is not there" for name in sorted(names)
                if name.endswith((*SOURCE, ".[ch]", ".py")) and not is_there(name, top, texts)]
    for line in bad:
        print(line)
    return 1 if bad else 0


sys.exit(main())
