# SPDX-License-Identifier: Apache-2.0
"""A gateway whose index belongs to other storages is refused, and does no harm."""
import os

import pytest

from cluster import Cluster, sanitizer_env
from s3cluster import Gateway


@pytest.fixture
def two():
    """Two standalone servers that know nothing of each other, an object in each."""
    clusters = [Cluster(), Cluster()]
    try:
        for i, c in enumerate(clusters):
            s3 = c.start().boto3()
            s3.create_bucket(Bucket=f"bucket{i}")
            s3.put_object(Bucket=f"bucket{i}", Key="k", Body=b"%d" % i)
        yield clusters
    finally:
        for c in clusters:
            c.remove()


def test_an_index_of_other_storages_is_refused(two):
    first, second = two
    assert second.stop() == 0
    place = second.folder / "moved"  # its gateway, set up by mistake on the storage of the other one
    place.mkdir()
    conf = place / "conf"
    conf.write_text(f"listen = 127.0.0.1:0\nindex_path = {second.data}/index\nadmin_socket = {place}/sock\n"
                    f"storage = group1={first.data}/storage.sock\n")
    env = dict(os.environ, S3GW_ROOT_ACCESS_KEY="rootrootroot", S3GW_ROOT_SECRET_KEY="secretsecret")
    gateway = Gateway(conf, place, sanitizer_env(env))
    assert gateway.start().process.wait(60) == 1
    assert f"what another key index than {second.data}/index says" in gateway.log()
    assert first.boto3().get_object(Bucket="bucket0", Key="k")["Body"].read() == b"0"
