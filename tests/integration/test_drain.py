# SPDX-License-Identifier: Apache-2.0
"""Servers and groups that leave: dfs admin drain, undrain, remove, with the gateway writing and reading meanwhile."""
import json
import os
import shutil
import subprocess

import pytest

from cluster import BUILD, sanitizer_env, wait_until, wrapper
from ledger import payload
from nativecluster import DELETED, OFFLINE
from s3cluster import S3Cluster

DONE, FAILED, MISUSED, NOT_YET = 0, 1, 2, 3


@pytest.fixture(scope="module")
def two():
    c = S3Cluster(groups=2, members=2, settings="reclaim_grace = 0s\n")
    try:
        c.start()
        yield c
        c.stop()
    finally:
        c.remove()


@pytest.fixture
def growing():
    """A group, and another one whose storage has not been started yet. Buckets stay in their own."""
    c = S3Cluster(groups=2, members=1, settings="spread_buckets = no\n")
    try:
        c.trackers[0].start().wait_ready()
        c.storages[1, 1].start().wait_ready()
        c.wait_active((1, 1))
        c.start_gateway()
        yield c
        c.stop()
    finally:
        c.remove()


def dfs(c, *words):
    return subprocess.run([*wrapper(), str(BUILD / "dfs"), "--tracker", f"127.0.0.1:{c.tracker_addresses[0][1]}",
                           "--secret", str(c.secret), *words], capture_output=True, text=True, timeout=120,
                          env=sanitizer_env(os.environ))


def records(c, *words):
    return [json.loads(line) for line in dfs(c, "--json", *words).stdout.splitlines()]


def drain_of(c, group, host=None):
    name, key = (host, "storage") if host else (group, "group")
    (one,) = [r["drain"] for r in records(c, "monitor", group) if r.get(key) == name and (host or "in_service" in r)]
    return one


def file_id(s3, bucket, key):
    return s3.head_object(Bucket=bucket, Key=key)["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"]


def group_of(s3, bucket, key):
    return file_id(s3, bucket, key).split("/")[0]


def test_a_drained_group_takes_no_new_objects_and_is_read(two):
    s3 = two.boto3()
    s3.create_bucket(Bucket="drained")
    for i in range(6):
        s3.put_object(Bucket="drained", Key=f"old{i}", Body=payload("d", i, 5000))
    assert {group_of(s3, "drained", f"old{i}") for i in range(6)} == {"group1"}
    assert dfs(two, "admin", "drain", "group1", "--dry-run").returncode == DONE
    assert drain_of(two, "group1") == ""
    wait_until("all to have reported their disks", lambda: all(r.get("total_mb", 1) for r in records(two, "monitor")))
    assert dfs(two, "admin", "drain", "group1").returncode == DONE
    assert drain_of(two, "group1") == "draining"
    shown = dfs(two, "monitor").stdout
    assert "GROUP group1  draining  2 of 2 in service" in shown and "0 B of 0 B" not in shown

    def elsewhere():
        s3.put_object(Bucket="drained", Key="probe", Body=b"x")
        return group_of(s3, "drained", "probe") == "group2"
    wait_until("the gateway to hear of it", elsewhere)
    for i in range(20):
        s3.put_object(Bucket="drained", Key=f"new{i}", Body=payload("n", i, 300_000 if i % 5 == 0 else 2000))
        assert group_of(s3, "drained", f"new{i}") == "group2"
    for i in range(6):
        assert s3.get_object(Bucket="drained", Key=f"old{i}")["Body"].read() == payload("d", i, 5000)
    s3.delete_object(Bucket="drained", Key="old5")
    health = two.http()
    health.request("GET", "/health/ready")
    assert health.getresponse().status == 200
    # FastDFS clients are sent elsewhere too
    for _ in range(4):
        upload = dfs(two, "upload", str(two.secret))
        assert upload.stdout.startswith("group2/"), upload.stderr
    assert dfs(two, "--group", "group1", "upload", str(two.secret)).returncode == FAILED
    # the last group that takes files is not drained by mistake
    refused = dfs(two, "admin", "drain", "group2")
    assert refused.returncode == NOT_YET and "no other group takes new files" in refused.stderr
    assert drain_of(two, "group2") == ""
    # a gateway that starts now starts
    two.gateway.stop()
    two.start_gateway()
    assert two.boto3().get_object(Bucket="drained", Key="old1")["Body"].read() == payload("d", 1, 5000)
    two.trackers[0].kill()
    two.trackers[0].start().wait_ready()
    two.wait_active((1, 1), (1, 2))
    assert drain_of(two, "group1") == "draining"
    assert dfs(two, "admin", "undrain", "group1").returncode == DONE

    def back():
        two.boto3().put_object(Bucket="drained", Key="probe", Body=b"x")
        return group_of(two.boto3(), "drained", "probe") == "group1"
    wait_until("the gateway to hear of it", back)


def test_a_server_is_drained_stopped_and_removed_and_nothing_is_lost(two):
    s3 = two.boto3()
    s3.create_bucket(Bucket="leaving")
    for i in range(10):
        s3.put_object(Bucket="leaving", Key=f"k{i}", Body=payload("l", i, 3000))
    host = "127.0.1.2"
    assert dfs(two, "admin", "drain", "group1", "127.0.1.9").returncode == FAILED
    path = dfs(two, "admin", "drain", "group1", "M00")
    assert path.returncode == NOT_YET and "no other store path of group1" in path.stderr
    done = dfs(two, "--watch=1", "admin", "drain", "group1", host)
    assert done.returncode == DONE, done.stderr
    assert "drained, others in service have all it has" in done.stdout
    assert drain_of(two, "group1", host) == "drained" and drain_of(two, "group1", "127.0.1.1") == ""
    refused = dfs(two, "admin", "drain", "group1", "127.0.1.1")
    assert refused.returncode == NOT_YET and "nobody else of group1 takes new files" in refused.stderr

    def makers():
        for i in range(6):
            s3.put_object(Bucket="leaving", Key=f"new{i}", Body=payload("l", i, 3000))
        return {records(two, "decode", file_id(s3, "leaving", f"new{i}"))[0]["source"] for i in range(6)}
    wait_until("writes to avoid it", lambda: makers() == {"127.0.1.1"})
    refused = dfs(two, "admin", "remove", "group1", host)
    assert refused.returncode == NOT_YET and "min_copies asks for 2" in refused.stderr
    two.storages[1, 2].stop()
    wait_until("it to be OFFLINE", lambda: two.states(1)[2] == OFFLINE)
    dry = dfs(two, "admin", "remove", "group1", host, "--dry-run")
    assert dry.returncode == DONE and dry.stderr == ""  # it was proved while it ran
    assert two.states(1)[2] == OFFLINE
    assert dfs(two, "admin", "remove", "group1", host).returncode == DONE
    assert two.states(1)[2] == DELETED
    for i in range(10):
        assert s3.get_object(Bucket="leaving", Key=f"k{i}")["Body"].read() == payload("l", i, 3000)
    # until its next heartbeat the one that stays waits for two copies, and monitor says so
    wait_until("the group to be in order", lambda: dfs(two, "monitor").returncode == DONE)
    # an empty server of that address joins as any new one, and takes writes
    shutil.rmtree(two.storages[1, 2].folder / "data")
    two.storages[1, 2].start().wait_ready()
    two.wait_active((1, 2))
    assert drain_of(two, "group1", host) == ""
    wait_until("writes to it", lambda: "127.0.1.2" in makers())


def test_a_group_that_is_added_takes_objects_at_once(growing):
    s3 = growing.boto3()
    s3.create_bucket(Bucket="here")
    s3.put_object(Bucket="here", Key="old", Body=b"old")
    assert group_of(s3, "here", "old") == "group1"
    assert dfs(growing, "admin", "drain", "group1").returncode == NOT_YET  # there is no other yet
    growing.storages[2, 1].start().wait_ready()
    growing.wait_active((2, 1))

    def made():
        try:
            return s3.create_bucket(Bucket="there", CreateBucketConfiguration={"LocationConstraint": ":group2"})
        except s3.exceptions.ClientError:
            return None
    wait_until("the gateway to hear of the group", made)
    s3.put_object(Bucket="there", Key="k", Body=payload("g", 1, 300_000))
    assert group_of(s3, "there", "k") == "group2"
    # without spread_buckets a bucket gets another group by command; what is there stays
    growing.admin("bucket", "group", "here", "group2")
    s3.put_object(Bucket="here", Key="new", Body=b"new")
    assert group_of(s3, "here", "new") == "group2" and group_of(s3, "here", "old") == "group1"
    assert s3.get_object(Bucket="here", Key="old")["Body"].read() == b"old"
    assert dfs(growing, "admin", "drain", "group1").returncode == DONE
    moves = dfs(growing, "admin", "rebalance", "group1")  # of FastDFS clients, who have no files there
    assert moves.returncode == DONE and "s3gw admin rebalance start group1" in moves.stdout, moves.stderr
