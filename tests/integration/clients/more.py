# SPDX-License-Identifier: Apache-2.0
"""FastDFS clients whose packages take long to fetch: `make clients-more` runs this, a plain test run does not.

From Maven: fastdfs-client-java (FastDFS's own, as packaged there) and fastdfs-client (Spring's world). From the Go module
proxy: the fdfs_client of tedcy and of sharabao13. Each does all it can on a cluster of two trackers and two groups of
two, asking either tracker; reads what S3 stored and is refused its deletion; and S3 reads what it left behind.
"""
import hashlib
import subprocess

import pytest

from cluster import BUILD
from clientlib import content
from s3cluster import S3Cluster

JAVA = BUILD.absolute() / "java"
GO = BUILD.absolute() / "go/native-clients"
OPEN = ["--add-opens", "java.base/java.lang=ALL-UNNAMED"]  # Spring 5.0 on Java 17


@pytest.fixture(scope="module")
def servers():
    cluster = S3Cluster(trackers=2, groups=2, members=2)
    try:
        yield cluster.start()
        cluster.stop()
    finally:
        cluster.remove()


def run_steps(servers, name, command):
    """Run @command at each tracker, with files that S3 stored; S3 then reads what it says it has kept."""
    s3 = servers.boto3()
    s3.create_bucket(Bucket=name)
    words = []
    for size in (5, 20_000, 700_000):
        answer = s3.put_object(Bucket=name, Key=f"k{size}", Body=content(size))
        words += [answer["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"], hashlib.md5(content(size)).hexdigest()]
    kept = {}
    for _, port in servers.tracker_addresses:
        done = subprocess.run([*command(port), *words], capture_output=True, text=True, timeout=300)
        assert done.stdout.strip().endswith("ok"), done
        kept.update(line.split()[1:] for line in done.stdout.splitlines() if line.startswith("kept "))
    assert len(kept) == 2 * len(servers.tracker_addresses)
    for size in (5, 20_000, 700_000):
        assert s3.get_object(Bucket=name, Key=f"k{size}")["Body"].read() == content(size)
    for group in ("group1", "group2"):
        servers.admin("adopt", group, "--bucket", name, "--prefix", f"{group}/")
    for file_id, md5 in kept.items():
        body = s3.get_object(Bucket=name, Key=file_id)["Body"].read()
        assert hashlib.md5(body).hexdigest() == md5, file_id


@pytest.mark.parametrize("program", ["OfficialSteps", "SpringSteps"])
def test_a_client_from_maven(servers, program):
    run_steps(servers, program.lower(), lambda port: ["java", *OPEN, "-cp", f"{JAVA}/classes:{JAVA}/lib/*", program, str(port)])


@pytest.mark.parametrize("client", ["tedcy", "sharabao13"])
def test_a_client_from_the_go_module_proxy(servers, tmp_path, client):
    run_steps(servers, client, lambda port: [GO, client, str(port), tmp_path])
