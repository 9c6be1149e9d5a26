# SPDX-License-Identifier: Apache-2.0
"""min_copies of the gateway: what was acknowledged for such a group is on so many servers, whichever die that moment."""
import base64
import datetime
import os
import re
import shutil
import time

import botocore.exceptions
import pytest
from cluster import wait_until
from faults import Faults
from s3cluster import S3Cluster, running


@pytest.fixture(scope="module")
def cluster():
    """STANDARD lies in group1, where two have a write; COLD in group2, where three are asked for."""
    settings = "storage_class = COLD=group2\nmin_copies = group2=3\nspread_buckets = no\n"
    with running(groups=2, settings=settings) as c:
        yield c


def put(cluster, key, body, storage_class="COLD"):
    answer = cluster.boto3().put_object(Bucket="bucket", Key=key, Body=body, StorageClass=storage_class)
    return answer["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"]


def works(cluster, *args):
    try:
        return put(cluster, *args)
    except botocore.exceptions.ClientError as e:
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 503, e
        return None


def restart(cluster, group, members):
    for m in members:
        cluster.storages[group, m].start().wait_ready()
    cluster.wait_active(*((group, m) for m in members))
    wait_until("writes to be taken again", lambda: works(cluster, "probe", b"x"))


@pytest.mark.parametrize("survivor", [1, 2, 3])
def test_whoever_survives_has_what_was_acknowledged(cluster, survivor):
    wait_until("writes to be taken", lambda: works(cluster, "probe", b"x"))
    others = [m for m in (1, 2, 3) if m != survivor]
    stored = {}
    for i in range(4):
        for size in (3000, 400_000):
            data = os.urandom(size)
            stored[put(cluster, f"key{survivor}-{i}-{size}", data)] = data
    for m in others:
        cluster.storages[2, m].process.kill()
    for m in others:
        cluster.storages[2, m].kill()
    alone = cluster.member(2, survivor)
    for name, data in stored.items():
        assert name.startswith("group2/")
        assert alone.download(name.split("/", 1)[1]) == data
    restart(cluster, 2, others)


def test_with_fewer_in_service_such_writes_are_refused_and_others_are_not(cluster):
    wait_until("writes to be taken", lambda: works(cluster, "before", b"before"))
    cluster.storages[2, 2].kill()
    cluster.storages[1, 2].kill()
    wait_until("a refusal", lambda: works(cluster, "refused", b"x") is None)
    wait_until("it to come at once", lambda: at_once(cluster))
    assert cluster.boto3().get_object(Bucket="bucket", Key="before")["Body"].read() == b"before"
    wait_until("STANDARD to go on with two", lambda: works(cluster, "standard", b"two", "STANDARD"))
    cluster.storages[1, 2].start().wait_ready()
    cluster.wait_active((1, 2))
    restart(cluster, 2, [2])


def at_once(cluster):
    """A refusal without waiting for anybody: the members know who is in service."""
    start = time.monotonic()
    return works(cluster, "refused", os.urandom(300_000)) is None and time.monotonic() - start < 1


def test_a_disk_of_three_seconds_is_left_alone_and_comes_back(cluster, monkeypatch):
    faults = Faults(cluster.folder)
    victim = cluster.storages[1, 1]
    victim.stop()
    for name, value in faults.env().items():
        monkeypatch.setenv(name, value)
    victim.start().wait_ready()
    cluster.wait_active((1, 1))

    def maker_and_time(key):
        start = time.monotonic()
        name = put(cluster, key, b"x" * 1000, "STANDARD").rsplit("/", 1)[1]
        return base64.urlsafe_b64decode(name[:27] + "=")[3], time.monotonic() - start

    def left_alone_until():
        """For ten hold-downs of 300 ms after a slow write there has ended, which the gateway's log says."""
        said = re.findall(r"(\S+)Z warn dfs\.storage_slow group=group1 id=127\.0\.1\.1 ", cluster.gateway.whole_log())
        return datetime.datetime.fromisoformat(said[-1] + "+00:00").timestamp() + 3

    def makers_after_a_slow_one():
        """Of the writes that ended while it was left alone."""
        seen, took = [], 0
        if maker_and_time("slow")[0] == 1:
            until = left_alone_until()
            while took < 1:  # else the others are slow, too
                maker, took = maker_and_time("other")
                if time.time() >= until:
                    break
                seen.append(maker)
        return seen
    wait_until("it to be written to", lambda: maker_and_time("before")[0] == 1)
    faults.syncs(str(victim.folder), delay=3)
    for _ in range(2):
        assert 1 not in wait_until("writes while it is left alone", makers_after_a_slow_one)
    faults.clear()
    wait_until("it to be written to again, at once",
               lambda: [m for m, took in [maker_and_time("after") for _ in range(3)] if m == 1 and took < 1])


def test_a_gateway_starts_while_writes_are_refused():
    """And describes what it has to at a later start: here a user, since a new key seals what is kept of users."""
    c = S3Cluster(groups=1, members=2, storage_settings="min_copies = 2")
    try:
        c.start_servers()
        c.storages[1, 2].kill()
        c.start_gateway()
        assert not has_made_bucket(c)
        c.storages[1, 2].start().wait_ready()
        c.wait_active((1, 2))
        wait_until("writes to be taken", lambda: has_made_bucket(c))
        (key,) = c.admin("user", "create", "ann")["user"]["keys"]
        c.gateway.stop()
        (c.folder / "gateway/index.key").unlink()
        c.storages[1, 2].kill()
        c.start_gateway()
        c.gateway.stop()
        c.storages[1, 2].start().wait_ready()
        c.wait_active((1, 2))
        wait_until("ann to be described", lambda: is_described(c))
        shutil.rmtree(c.folder / "gateway/index")
        c.gateway.start("--rebuild-index").wait_ready()
        assert c.boto3(key["access_key"], key["secret_key"]).list_buckets()["Buckets"] == []
        c.stop()
    finally:
        c.remove()


def has_made_bucket(c):
    try:
        return c.boto3(retries={"max_attempts": 0}).create_bucket(Bucket="bucket")
    except botocore.exceptions.ClientError as refused:
        assert refused.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        return False


def is_described(c):
    """A start of the gateway had what is to be described taken."""
    before = c.gateway.whole_log().count("gateway.not_described")
    c.start_gateway()
    c.gateway.stop()
    return c.gateway.whole_log().count("gateway.not_described") == before
