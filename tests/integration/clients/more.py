# SPDX-License-Identifier: Apache-2.0
"""FastDFS clients whose packages take long to fetch: `make clients-more` runs this, a plain test run does not.

From Maven: fastdfs-client-java (FastDFS's own, as packaged there) and fastdfs-client (Spring's world). On a cluster of
two trackers and two groups of two, which S3 objects share when the gateway is there too.
"""
import hashlib
import subprocess

import pytest

from cluster import BUILD
from clientlib import content
from s3cluster import S3Cluster

JAVA = BUILD.absolute() / "java"
OPEN = ["--add-opens", "java.base/java.lang=ALL-UNNAMED"]  # Spring 5.0 on Java 17


@pytest.fixture(scope="module")
def servers():
    cluster = S3Cluster(trackers=2, groups=2, members=2)
    try:
        yield cluster.start()
        cluster.stop()
    finally:
        cluster.remove()


@pytest.mark.parametrize("program", ["OfficialSteps", "SpringSteps"])
def test_a_client_from_maven(servers, program):
    s3 = servers.boto3()
    s3.create_bucket(Bucket=program.lower())
    words = []
    for size in (5, 20_000, 700_000):
        answer = s3.put_object(Bucket=program.lower(), Key=f"k{size}", Body=content(size))
        words += [answer["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"], hashlib.md5(content(size)).hexdigest()]
    for _, port in servers.tracker_addresses:
        done = subprocess.run(["java", *OPEN, "-cp", f"{JAVA}/classes:{JAVA}/lib/*", program, str(port), *words],
                              capture_output=True, text=True, timeout=300)
        assert done.stdout.strip().endswith("ok"), done
