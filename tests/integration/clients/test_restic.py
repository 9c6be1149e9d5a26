# SPDX-License-Identifier: Apache-2.0
"""restic: init, backup, check, restore, forget and prune."""
from clientlib import assert_same_tree, make_tree, run


def test_backups_come_back(either, tmp_path):
    env = either.client_env(tmp_path)
    env.update(RESTIC_REPOSITORY=f"s3:{either.endpoint}/restic-repo/some/prefix", RESTIC_PASSWORD="secret",
               RESTIC_CACHE_DIR=str(tmp_path / "cache"))

    def restic(*words):
        cmd = ["/usr/bin/restic"] + (["--cacert", str(either.certificate)] if either.tls else [])
        return run(cmd + list(words), env).stdout.decode()

    tree = make_tree(tmp_path / "tree", big=24_000_000)
    restic("init")
    restic("backup", str(tree))
    (tree / "big.bin").write_bytes(b"smaller now")
    restic("backup", str(tree))
    assert len(restic("snapshots", "--compact").split("snapshots")[0].strip().splitlines()) >= 4
    restic("check", "--read-data")
    restic("restore", "latest", "--target", str(tmp_path / "back"))
    assert_same_tree(tree, tmp_path / "back" / str(tree).lstrip("/"))
    restic("forget", "--keep-last", "1", "--prune")
    restic("check", "--read-data")
