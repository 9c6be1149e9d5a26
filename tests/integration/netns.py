# SPDX-License-Identifier: Apache-2.0
"""A test in a network namespace of its own: its file runs itself there, as play() begins it, with a folder."""
import contextlib
import pathlib
import shutil
import subprocess
import sys
import tempfile

from nativecluster import Program


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def program(folder, name, place, text):
    """One of our servers, on addresses of 10.77.0.x and 198.51.100.x."""
    place = folder / place
    place.mkdir()
    (place / "conf").write_text(f"base_path = {place}\nallow_hosts = 10.77.0.0/24\nallow_hosts = 198.51.100.0/24\n{text}")
    return Program(name, place / "conf", place)


@contextlib.contextmanager
def stopped_after(programs):
    """They must stop when they are asked to, the first one last; their logs are shown when the block ends badly."""
    try:
        yield
        for p in reversed(programs):
            p.stop()
    except BaseException:
        for p in programs:
            print("---", p.folder.name, p.log(), sep="\n")
        raise
    finally:
        for p in programs:
            p.kill()


def in_a_namespace(*command):
    return subprocess.run(["unshare", "--map-root-user", "--net", *command], capture_output=True, text=True, timeout=600)


def play(file):
    alone = in_a_namespace("true")  # as with the full disks: no skipping, a promise would go untested
    assert alone.returncode == 0, f"this test needs a network namespace of its own: {alone.stderr}"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dfs-ns-"))
    try:
        done = in_a_namespace(sys.executable, file, str(folder))
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        shutil.rmtree(folder, ignore_errors=True)
