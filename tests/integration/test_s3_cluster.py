# SPDX-License-Identifier: Apache-2.0
"""S3 through storages of other machines: groups of three over TCP, any of them down."""
import pytest
from s3cluster import S3Cluster

SIZES = [0, 1, 4096, 262_144, 262_145, 3_000_000]


def bytes_of(n, salt=0):
    return bytes((i * 7 + salt + (i >> 8)) & 0xff for i in range(n))


@pytest.fixture(scope="module")
def remote():
    c = S3Cluster(groups=1, members=3)
    try:
        c.start()
        c.boto3().create_bucket(Bucket="bucket")
        yield c
        c.stop()
    except Exception:
        print(c.tail())
        raise
    finally:
        c.remove()


def test_objects_of_all_sizes_go_there_and_come_back(remote):
    s3 = remote.boto3()
    for n in SIZES:
        s3.put_object(Bucket="bucket", Key=f"size{n}", Body=bytes_of(n))
    for n in SIZES:
        assert s3.get_object(Bucket="bucket", Key=f"size{n}")["Body"].read() == bytes_of(n)
    part = s3.get_object(Bucket="bucket", Key="size3000000", Range="bytes=1000000-2500000")["Body"].read()
    assert part == bytes_of(3_000_000)[1_000_000:2_500_001]
