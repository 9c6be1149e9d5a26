# SPDX-License-Identifier: Apache-2.0
"""Every subcommand of dfs that --help names, once for people and once with --json: exit codes, and what is said."""
import json
import os
import re
import subprocess
import zlib

import pytest

import nativecluster as native
from cluster import BUILD, sanitizer_env, wrapper


@pytest.fixture
def group():
    """A group of one, trunk files on, and a second member that has been stopped."""
    cluster = native.NativeCluster(trunk=True)
    try:
        alone, _ = cluster.add(2), cluster.add(3)
        cluster.wait_copies(2)
        cluster.storages[3].stop()
        cluster.wait_copies(2, 1)
        log = alone.upload(b"", appender=True)
        native.until_done(alone.append, log, b"x")  # it has heard that nobody else may edit
        yield cluster
    finally:
        cluster.remove()


class Dfs:
    def __init__(self, group, json_too, folder):
        self.tracker, self.json, self.used, self.folder = group.tracker[1], json_too, set(), folder

    def __call__(self, command, *words, status=0, data=None):
        self.used.add(command)
        done = subprocess.run([*wrapper(), str(BUILD / "dfs"), "--tracker", f"127.0.0.1:{self.tracker}",
                               *(["--json"] if self.json else []), command, *map(str, words)],
                              capture_output=True, timeout=60, env=sanitizer_env(os.environ), input=data)
        assert done.returncode in (status if isinstance(status, tuple) else (status,)), (command, done)
        assert done.returncode != 0 or not done.stderr, done
        if not self.json or b"-" in [str(w).encode() for w in words[1:]]:
            return done.stdout
        lines = done.stdout.decode().splitlines()
        return [json.loads(line) for line in lines]  # each is JSON, in errors too

    def id(self, answer):
        found = answer[0]["id"] if self.json else answer.decode().split()[-1]
        assert found.startswith("group1/M00/")
        return found

    def says(self, answer, *values):
        """Every value is somewhere in the answer."""
        text = json.dumps(answer) if self.json else answer.decode()
        for value in values:
            assert str(value) in text, (value, text)


def offered():
    text = subprocess.run([str(BUILD / "dfs"), "--help"], capture_output=True, text=True, timeout=60).stdout
    return set(re.findall(r"^  ([a-z][a-z-]+)  ", text[text.index("Commands:"):], re.M))


@pytest.mark.parametrize("json_too", [False, True], ids=["text", "json"])
def test_every_command(group, tmp_path, json_too):
    dfs = Dfs(group, json_too, tmp_path)
    data = bytes(range(256)) * 1000
    local, back = tmp_path / "a.txt", tmp_path / "back"
    local.write_bytes(data)
    # Files.
    name = dfs.id(dfs("upload", local))
    assert name.endswith(".txt")
    piped = dfs.id(dfs("upload", "-", "--ext", "bin", data=b"from a pipe"))
    slave = dfs.id(dfs("upload-slave", name, "_small", local))
    assert slave == name.replace(".txt", "_small.txt")
    dfs("download", name, back)
    assert back.read_bytes() == data
    dfs("download", name, back, "--offset", "1000", "--count", "5000")
    assert back.read_bytes() == data[1000:6000]
    assert dfs("download", piped, "-") == b"from a pipe"
    dfs.says(dfs("info", name, slave), len(data), "127.0.0.2")
    crc = zlib.crc32(data)
    decoded = dfs("decode", name)
    assert (decoded[0]["crc32"] in (crc, f"{crc:08x}")) if json_too else f"{crc:08x}" in decoded.decode().lower()
    dfs("meta-set", name, "author=me", "width=7")
    dfs("meta-set", name, "--merge", "width=8")
    dfs.says(dfs("meta-get", name), "author", "me", "8")
    appender = dfs.id(dfs("upload", "--appender", local))
    dfs("append", appender, local)
    dfs("modify", appender, 3, local)
    dfs("truncate", appender, 10)
    dfs("download", appender, back)
    assert back.read_bytes() == (data[:3] + data)[:10]
    normal = dfs.id(dfs("rename-to-normal", appender))
    dfs("info", appender, status=1)
    dfs("delete", normal, slave, name)
    dfs("download", name, back, status=1)
    dfs("test")
    dfs("appender-test")
    # The cluster.
    dfs.says(dfs("list-groups"), "group1")
    dfs.says(dfs("list-storages", "group1"), "127.0.0.2", "127.0.0.3")
    dfs.says(dfs("monitor", status=3), "127.0.0.2", "127.0.0.3")
    dfs.says(dfs("counters", "group1"), "upload")
    dfs.says(dfs("tracker-stats"), "127.0.0.1")
    dfs.says(dfs("storage-stats"), "127.0.0.2")
    dfs.says(dfs("volume-stats"), "group1")
    dfs.says(dfs("leader"), f"127.0.0.1:{group.tracker[1]}")
    dfs.says(dfs("params"), "use_trunk_file")
    dfs("set-trunk-server", "group1", "127.0.0.2", status=(0, 1))  # 1: the tracker has done so by itself
    dfs("delete-group", "group1", status=1)
    dfs("delete-storage", "group1", "127.0.0.2", status=1)
    dfs("admin", "remove", "group1", "127.0.0.9", status=1)
    dfs("no-such-command", status=2)
    assert offered() - dfs.used == set(), "commands without a test here"


def test_a_client_conf_of_fastdfs_will_do(group, tmp_path):
    (tmp_path / "trackers.conf").write_text(f"tracker_server = 127.0.0.1:{group.tracker[1]}\n")
    conf = tmp_path / "client.conf"
    conf.write_text("connect_timeout = 5\nnetwork_timeout = 60\nbase_path = /home/nobody/fastdfs\nlog_level = info\n"
                    "use_connection_pool = false\nconnection_pool_max_idle_time = 3600\n"
                    "load_fdfs_parameters_from_tracker = false\nuse_storage_id = false\n"
                    "storage_ids_filename = storage_ids.conf\nhttp.tracker_server_port = 80\n#include trackers.conf\n")
    done = subprocess.run([*wrapper(), str(BUILD / "dfs"), "--config", conf, "list-groups"], capture_output=True, text=True,
                          timeout=60, env=sanitizer_env(os.environ))
    assert done.returncode == 0 and "group1" in done.stdout and not done.stderr, done
