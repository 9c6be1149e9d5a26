#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""commands.py [--write] - dfscore/wire/README.md's index of commands says what the sources say.

Exit status 1: the table is not what it would be, or a command of commands.def has no handler at one of its
receivers, no recorded bytes in golden.txt, or nobody asks a running server for it.
"""
import difflib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = "dfscore/wire/README.md"
BEGIN = "<!-- made from the sources by tests/lint/commands.py --write -->\n"
END = "<!-- end -->\n"
PARTIES = {"C": "client", "S": "storage", "T": "tracker"}
PROBE = "tests/integration/native/fdfs_ref.py"
NOT_ASKED = {"RESPONSE"}  # the command of answers


def text(path):
    return (ROOT / path).read_text()


def commands():
    """[(name, code, senders, receivers)] by code."""
    rows = re.findall(r'^DFS_CMD\((\w+), *(\d+), *"[^"]*", *"(\w+)", *"(\w+)"\)', text("dfscore/wire/commands.def"), re.M)
    return [(name, int(code), senders, receivers) for name, code, senders, receivers in rows]


def definitions(folder):
    """Handler: the file that has it."""
    found = {}
    for path in sorted((ROOT / folder).glob("*.c")):
        for name in re.findall(r"^(?:void|int) (\w+)\(struct (?:dfs_req|trk_call) \*", path.read_text(), re.M):
            found[name] = f"{folder}/{path.name}"
    return found


def handlers():
    """{"S": {command: file}, "T": ...}"""
    storage, tracker = definitions("storage/service"), definitions("tracker/service")
    of_storage = re.findall(r"\bROW\((\w+),[^()]*?(sto_handle_\w+)\)", text("storage/service/commands.c").replace("\\\n", ""))
    of_tracker = re.findall(r"\{DFS_CMD_(\w+),[^{}]*?(trk_\w+|dfs_\w+)\}", text("tracker/service/commands.c"))
    net = "dfscore/net/conn_in.c"  # answers these two where a server has no row for them
    default = {name: net for name in re.findall(r"== DFS_CMD_(QUIT|ACTIVE_TEST)\b", text(net))}
    return {"S": {name: storage.get(fn) for name, fn in of_storage},
            "T": default | {name: tracker.get(fn) for name, fn in of_tracker}}


def senders():
    """{command: files of ours that send it}"""
    found = {}
    paths = [*ROOT.glob("dfscore/cl*/*.c"), *ROOT.glob("dfscore/net/*.c"), *ROOT.glob("storage/beat/*.c"),
             *ROOT.glob("storage/sync/*.c"), ROOT / "storage/service/forward.c"]
    for path in sorted(paths):
        for name in set(re.findall(r"\bDFS_CMD_(\w+)", path.read_text())):
            found.setdefault(name, []).append(path.relative_to(ROOT).as_posix())
    return found


def probed():
    """Codes that the black-box probe sends, by itself or through a function that makes the request."""
    source = text(PROBE)
    codes = dict(re.findall(r"^    (\w+) = (\d+)", source[source.index("class Cmd"):source.index("class Cmd") + 6000], re.M))
    makers, probe = source.split("# Probe: black-box test", 1)
    makes = {m.group(1): set(re.findall(r"\bCmd\.(\w+)", m.group(0)))
             for m in re.finditer(r"^(?:def|    def) (\w+)\(.*?(?=^(?:def|    def|class|#) )", makers, re.M | re.S)}
    names = set(re.findall(r"\bCmd\.(\w+)", probe))
    for function in set(re.findall(r"\b(\w+)\(", probe)) & set(makes):
        names |= makes[function]
    return {int(codes[name]) for name in names if name in codes}


def tests():
    """{code: who sends it to a server: the probe, or else which unit tests}"""
    found, code_of = {}, {name: code for name, code, _, _ in commands()}
    for path in sorted((ROOT / "tests/unit").rglob("*/service/*.c")):
        for name in set(re.findall(r"\bDFS_CMD_(\w+)", path.read_text())) & set(code_of):
            found.setdefault(code_of[name], []).append(path.relative_to(ROOT).as_posix())
    return found | {code: ["probe"] for code in probed()}


def golden():
    """{code: recorded exchanges}"""
    found = {}
    for line in text("tests/unit/dfscore/wire/golden.txt").splitlines():
        if not line.startswith("#"):
            code = int(line.split()[2][16:18], 16)
            found[code] = found.get(code, 0) + 1
    return found


def table(missing):
    out = ["| | command | sent by | of ours, by | served in | recorded | sent by tests |\n",
           "| --- | --- | --- | --- | --- | --- | --- |\n"]
    served, sent, recorded, tested = handlers(), senders(), golden(), tests()
    for name, code, senders_of, receivers in commands():
        if name in NOT_ASKED:
            continue
        at = [served[r].get(name) for r in receivers]
        if not all(at):
            missing.append(f"{code} {name} has no handler at every receiver ({receivers})")
        if code not in recorded:
            missing.append(f"{code} {name} is not in golden.txt")
        if code not in tested:
            missing.append(f"{code} {name} is sent by no test")
        out.append(f"| {code} | {name.lower()} | {', '.join(PARTIES[p] for p in senders_of)} | "
                   f"{', '.join(sent.get(name, [])) or '-'} | {', '.join(a for a in at if a)} | "
                   f"{recorded.get(code, 0)} | {', '.join(tested.get(code, []))} |\n")
    return "".join(out)


def main():
    missing = []
    head, rest = text(README).split(BEGIN)
    old, tail = rest.split(END)
    new = table(missing)
    print("\n".join(missing), end="\n" if missing else "")
    if "--write" in sys.argv:
        (ROOT / README).write_text(head + BEGIN + new + END + tail)
    elif old != new:
        sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), README, "the sources"))
        return 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
