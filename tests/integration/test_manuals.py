# SPDX-License-Identifier: Apache-2.0
"""The manual pages against the programs: every option and command of --help is described, nothing else is, and the
settings they name exist. mandoc has nothing to say."""
import re
import subprocess
from pathlib import Path

import pytest

from cluster import BUILD, sanitizer_env, wrapper

MAN = Path(__file__).resolve().parents[2] / "packaging" / "man"
PAGES = {"s3gw": "s3gw.1", "dfs": "dfs.1", "dfs_storaged": "dfs_storaged.8", "dfs_trackerd": "dfs_trackerd.8"}
HELPS = {"s3gw": [["--help"], ["standalone", "--help"], ["serve", "--help"], ["admin", "--help"]]}
SAMPLES = {"s3gw": ["print-config"]}


def says(program, words):
    return subprocess.run([*wrapper(), str(BUILD / program), *words], capture_output=True, text=True, timeout=60,
                          check=True, env=sanitizer_env({})).stdout


def help_of(program):
    return "".join(says(program, words) for words in HELPS.get(program, [["--help"]]))


def page(program):
    return (MAN / PAGES[program]).read_text()


@pytest.mark.parametrize("program", PAGES)
def test_options_of_the_help_and_of_the_page_are_the_same(program):
    helped = set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", help_of(program))) - {"help", "version"}
    described = set(re.findall(r"\bFl -([a-z][a-z-]*)|\| -([a-z][a-z-]*)", page(program)))
    described = {a or b for a, b in described} - {"help", "version"}
    assert helped == described


def commands_of_help(text):
    """Words of each line: "user show|disable ID" is "user show" and "user disable", "rebalance [stop]" is also without."""
    for line in re.findall(r"^  ([a-z].*)", text, re.M):
        words = []
        for word in re.split(r"  +", line)[0].split():
            if not re.fullmatch(r"[a-z-]+(\|[a-z-]+)*", word):
                break
            words.append(word.split("|"))
        if not words:
            continue
        stem = [w[0] for w in words[:-1]]
        yield from (" ".join([*stem, last]) for last in words[-1])
        if option := re.match(r"\w+ \[([a-z]+)\]", line):
            yield f"{words[0][0]} {option[1]}"


def commands_of_page(text):
    for line in re.findall(r"^\.It Cm (.*)", text, re.M):
        words = re.split(r" (?:Ar|Fl|Op|Oo|Cm)\b", line)[0]
        first, *others = [w.strip() for w in words.split(" | ")]
        yield first
        stem = first.rsplit(" ", 1)[0]
        yield from (f"{stem} {w}" for w in others)
        if option := re.search(r"Op Cm (\w+)$", line):
            yield f"{first} {option[1]}"


def test_every_admin_command_is_described_and_no_other():
    described = set(commands_of_page(page("s3gw").split(".Ss admin")[1].split(".Sh")[0]))
    helped = set(commands_of_help(says("s3gw", ["admin", "--help"]).split("--data DIR  ")[0]))
    # "limit set user|bucket NAME" names what it limits.
    helped = {re.sub(r"^(limit \w+) .*", r"\1", c) for c in helped}
    assert helped == described


def test_every_dfs_command_is_described_and_no_other():
    helped = set(re.findall(r"^  ([a-z][a-z-]*) ", says("dfs", ["--help"]).split("Commands:")[1], re.M))
    described = {c.split()[0] for c in commands_of_page(page("dfs"))}
    assert helped == described


@pytest.mark.parametrize("program", PAGES)
def test_settings_that_a_page_names_exist(program):
    programs = [program] if program != "dfs" else ["dfs", "dfs_storaged", "dfs_trackerd"]  # it tells of servers' settings, too
    sample = "".join(says(p, SAMPLES.get(p, ["--print-config"])) for p in programs)
    known = set(re.findall(r"^#? ?([a-z]\w*) =", sample, re.M))
    named = set()
    for line in re.findall(r"^\.(?:Pq )?(?:Cm|Li) (.*)", page(program), re.M):
        named |= set(re.findall(r"(?<![.\w])[a-z]+(?:_[a-z0-9]+)+\b", line))
    assert named and named <= known


@pytest.mark.parametrize("program", PAGES)
def test_mandoc_finds_nothing(program):
    done = subprocess.run(["mandoc", "-T", "lint", str(MAN / PAGES[program])], capture_output=True, text=True, timeout=60)
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "referenced manual not found" not in line]
    assert not complaints
