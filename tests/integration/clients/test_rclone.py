# SPDX-License-Identifier: Apache-2.0
"""rclone, Debian's and the newest from PyPI (another S3 library): copy, sync, check, range reads, server-side copies."""
import pytest
from clientlib import VENV, assert_same_tree, make_tree, run

pytestmark = pytest.mark.long


@pytest.fixture(params=["/usr/bin/rclone", str(VENV / "rclone")], ids=["debian", "newest"])
def rclone(either, tmp_path, request):
    env = either.client_env(tmp_path)
    env.pop("AWS_CA_BUNDLE", None)  # this rclone's S3 library cannot take it; SSL_CERT_FILE says the same
    config = tmp_path / "rclone.conf"
    config.write_text(f"[s]\ntype = s3\nprovider = Other\nenv_auth = true\nendpoint = {either.endpoint}\n"
                      f"region = {either.region}\nupload_cutoff = 5Mi\nchunk_size = 5Mi\n")

    def call(*words, check=True, data=None):
        return run([request.param, "--config", str(config), "--retries", "1", *words], env, check=check, data=data)

    return call


def test_a_tree_is_copied_checked_and_purged(rclone, tmp_path):
    tree = make_tree(tmp_path / "up", big=17_000_000)
    rclone("mkdir", "s:rclone-tree")
    rclone("copy", str(tree), "s:rclone-tree/in")
    rclone("check", "--download", str(tree), "s:rclone-tree/in")
    rclone("check", str(tree), "s:rclone-tree/in")
    rclone("copy", "s:rclone-tree/in", "s:rclone-tree/out")
    rclone("copy", "s:rclone-tree/out", str(tmp_path / "down"))
    assert_same_tree(tree, tmp_path / "down")
    rclone("purge", "s:rclone-tree")
    assert b"rclone-tree" not in rclone("lsd", "s:").stdout


def test_sync_removes_and_keeps_times(rclone, tmp_path):
    tree = make_tree(tmp_path / "up", ["a", "b c", "d/e"])
    rclone("mkdir", "s:rclone-sync")
    rclone("sync", str(tree), "s:rclone-sync")
    (tree / "a").unlink()
    (tree / "d/e").write_bytes(b"changed")
    rclone("sync", str(tree), "s:rclone-sync")
    assert sorted(rclone("lsf", "-R", "--files-only", "s:rclone-sync").stdout.split(b"\n")) == [b"", b"b c", b"d/e"]
    rclone("touch", "s:rclone-sync/b c", "--timestamp", "2020-01-02T03:04:05")
    assert b"2020-01-02 03:04:05" in rclone("lsl", "s:rclone-sync/b c").stdout
    rclone("purge", "s:rclone-sync")


def test_parts_of_an_object_and_streams(rclone):
    rclone("mkdir", "s:rclone-cat")
    rclone("rcat", "s:rclone-cat/stream", data=b"0123456789" * 700_000)
    assert rclone("cat", "--offset", "6999990", "--count", "5", "s:rclone-cat/stream").stdout == b"01234"
    rclone("moveto", "s:rclone-cat/stream", "s:rclone-cat/moved")
    assert rclone("size", "--json", "s:rclone-cat").stdout.strip().startswith(b'{"count":1,"bytes":7000000')
    rclone("purge", "s:rclone-cat")
