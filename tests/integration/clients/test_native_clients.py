# SPDX-License-Identifier: Apache-2.0
"""Unmodified FastDFS client packages, and our own `dfs`, against the tracker of a standalone server."""
import hashlib
import json
import os
import pathlib

import nativecluster as native
import pytest
from clientlib import NODE_MODULES, content, run, venv_python
from cluster import BUILD, sanitizer_env

STEPS = pathlib.Path(__file__).with_name("native_steps.py")


@pytest.fixture
def tracker_port(cluster):
    return cluster.admin("status")["tracker"]["port"]


@pytest.fixture
def s3_files(s3, bucket):
    """Objects in a pack and in a file of their own: their ids and MD5s."""
    files = {}
    for size in (0, 5, 20_000, 700_000):
        answer = s3.put_object(Bucket=bucket, Key=f"k{size}", Body=content(size))
        head = s3.head_object(Bucket=bucket, Key=f"k{size}")
        name = head["ResponseMetadata"]["HTTPHeaders"].get("x-dfs-file-id")
        if size == 0 and name is None:
            continue  # nothing to store, no file
        assert name, head
        assert answer["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"] == name
        files[name] = hashlib.md5(content(size)).hexdigest()
    return files


def test_py3fdfs_from_pypi(tracker_port, s3_files, tmp_path):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = run([venv_python(), STEPS, tracker_port, tmp_path, ",".join(s3_files), ",".join(s3_files.values())], env)
    assert done.stdout.strip().endswith(b"ok"), done


def test_fastdfs_client_from_pypi_with_wide_addresses(tmp_path):
    cluster = native.NativeCluster(addresses="IPv6")
    try:
        cluster.add(2)
        env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = run([venv_python(), STEPS.with_name("native_wide_steps.py"), cluster.tracker[1], tmp_path], env)
        assert done.stdout.strip().endswith(b"ok"), done
    finally:
        cluster.remove()


@pytest.mark.parametrize("package", ["fdfs-client", "fdfs"])
def test_clients_from_npm(tracker_port, s3_files, tmp_path, package):
    program = NODE_MODULES.parent / "native_steps.cjs"  # Node.js looks for modules above the program's folder
    program.write_bytes(STEPS.with_suffix(".cjs").read_bytes())
    done = run(["node", program, package, tracker_port, tmp_path, json.dumps(s3_files)], dict(os.environ))
    assert done.stdout.strip().endswith(b"ok"), done


def test_our_own_dfs(cluster, tracker_port, s3_files, tmp_path):
    env = sanitizer_env(os.environ)

    def dfs(*words):
        return run([BUILD / "dfs", "--tracker", f"127.0.0.1:{tracker_port}", *words], env).stdout

    (tmp_path / "f.txt").write_bytes(content(2_000_000))
    file_id = dfs("upload", tmp_path / "f.txt").decode().split()[-1]
    assert file_id.startswith("group1/M00/") and file_id.endswith(".txt")
    dfs("download", file_id, tmp_path / "g.txt")
    assert (tmp_path / "g.txt").read_bytes() == content(2_000_000)
    assert b"2000000" in dfs("info", file_id)
    dfs("meta-set", file_id, "a=1", "b=two words")
    assert b"two words" in dfs("meta-get", file_id)
    dfs("delete", file_id)
    for name, md5 in s3_files.items():
        dfs("download", name, tmp_path / "s3")
        assert hashlib.md5((tmp_path / "s3").read_bytes()).hexdigest() == md5
