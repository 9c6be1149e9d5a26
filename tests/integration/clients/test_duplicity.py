# SPDX-License-Identifier: Apache-2.0
"""duplicity over boto3: full, incremental, verify, restore."""
import shutil

import pytest
from clientlib import assert_same_tree, make_tree, run


@pytest.mark.skipif(not shutil.which("duplicity", path="/usr/bin"), reason="Debian's duplicity is not installed")
def test_full_and_incremental_backups(cluster, tmp_path):
    env = cluster.client_env(tmp_path)
    env["PATH"] = "/usr/bin:/bin"
    cluster.boto3().create_bucket(Bucket="duplicity")
    where = ["--no-encryption", "--s3-endpoint-url", cluster.endpoint, "--archive-dir", str(tmp_path / "archive")]
    url = "boto3+s3://duplicity/some/prefix"
    tree = make_tree(tmp_path / "tree", big=3_000_000)
    run(["/usr/bin/duplicity", "full", *where, str(tree), url], env)
    (tree / "added").write_bytes(b"new")
    run(["/usr/bin/duplicity", "incremental", *where, str(tree), url], env)
    run(["/usr/bin/duplicity", "verify", *where, "--compare-data", url, str(tree)], env)
    shutil.rmtree(tmp_path / "archive")
    run(["/usr/bin/duplicity", "restore", *where, url, str(tmp_path / "back")], env)
    assert_same_tree(tree, tmp_path / "back")
