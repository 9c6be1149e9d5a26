# SPDX-License-Identifier: Apache-2.0
"""clientlib - what the client tests share: running a program, trees with odd names, comparing them."""
import filecmp
import hashlib
import os
import pathlib
import random
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
VENV = ROOT / "build" / "venv" / "bin"
NODE_MODULES = ROOT / "build" / "node_modules"

ODD_NAMES = ["plain.txt", "with space.txt", "plus+sign.txt", "per%cent.txt", "per%20cent.txt", "grüße-日本語-🙂.txt",
             "quote'\".txt", "amp&ersand=x.txt", "semi;colon.txt", "hash#tag.txt", "que?ry.txt", "tilde~.txt",
             "brackets[1](2){3}.txt", "back\\slash.txt", "comma,at@.txt", "dollar$!.txt", ".hidden",
             "sub/folder/deep.txt", "sub folder/fi le.txt", "-leading-dash", "trailing.", "UPPER and lower"]
# What only a key, not a file, can be called.
ODD_KEYS = ODD_NAMES + ["/leading/slash", "double//slash", "trailing/slash/", "a/./b", "a/../b", "..", "//", " ",
                        "k" * 1024, "é" * 512, "tab\there", "new\nline", "\x7f", "a b c+d%2Fe",
                        "a" * 250 + "/" + "b" * 250 + "/" + "c" * 250]


def run(cmd, env, check=True, timeout=300, cwd=None, data=None):
    """Run a client; its output is shown when it fails."""
    done = subprocess.run([str(c) for c in cmd], env=env, cwd=cwd, timeout=timeout, input=data,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check:
        assert done.returncode == 0, (f"{cmd} ended with {done.returncode}\n"
                                      f"{done.stdout.decode(errors='replace')[-3000:]}\n"
                                      f"{done.stderr.decode(errors='replace')[-3000:]}")
    return done


def content(n, seed=1):
    """@n bytes, always the same for a seed."""
    return random.Random(seed).randbytes(n)


def make_tree(folder, names=ODD_NAMES, big=0):
    folder = pathlib.Path(folder)
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(i * 97, i))
    if big:
        (folder / "big.bin").write_bytes(content(big, 99))
    return folder


def assert_same_tree(a, b):
    def listing(root):
        return sorted(str(p.relative_to(root)) for p in pathlib.Path(root).rglob("*") if p.is_file())

    assert listing(a) == listing(b)
    for name in listing(a):
        assert filecmp.cmp(pathlib.Path(a) / name, pathlib.Path(b) / name, shallow=False), name


def md5(data):
    return hashlib.md5(data).hexdigest()


def venv_python():
    python = VENV / "python3"
    assert os.access(python, os.X_OK), "build/venv is missing: run make check, or tests/integration/clients/install"
    return python
