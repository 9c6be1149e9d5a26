# SPDX-License-Identifier: Apache-2.0
"""The groups of a bucket: new objects go to the first that has room; one more by itself, or by command only."""
import os
import signal
import subprocess

import pytest

from cluster import BUILD, PATIENCE_S, sanitizer_env, wait_until
from ledger import payload
from s3cluster import S3Cluster, running
from test_drain import DONE, dfs, group_of

MB = 1 << 20


class Uneven(S3Cluster):
    """Two groups of one server. Each sees the space of one and the same disk, but group2 once a store path, and it has
    four: so a reserve can be more than the one has and less than the other."""

    def __init__(self, **options):
        super().__init__(groups=2, members=1, **options)
        program = self.storages[2, 1]
        places = [program.folder / f"path{i}" for i in range(4)]
        for place in places:
            place.mkdir()
        program.conf.write_text(program.conf.read_text() + "store_path_count = 4\n" +
                                "".join(f"store_path{i} = {p}\n" for i, p in enumerate(places)))

    def reserve(self, megabytes):
        """The servers keep the reserve they were started with: what changes is what the tracker says of groups."""
        conf = self.trackers[0].conf
        lines = [line for line in conf.read_text().splitlines() if "reserved_storage_space" not in line]
        conf.write_text("\n".join([*lines, f"reserved_storage_space = {megabytes}MB", ""]))
        self.trackers[0].process.send_signal(signal.SIGHUP)

    def fill_group1(self):
        disk = os.statvfs(self.folder)
        self.reserve(2 * disk.f_bavail * disk.f_frsize // MB)

    def empty_group1(self):
        self.reserve(1)

    def restart_gateway(self, *options):
        self.gateway.stop()
        self.gateway.start(*options).wait_ready()
        return self.boto3()

    def groups(self, bucket):
        return self.admin("bucket", "show", bucket)["bucket"]["groups"]

    def said(self, bucket):
        """What the log says of groups that were added to the bucket."""
        return [line for line in self.gateway.whole_log().splitlines()
                if "s3.bucket_group_added" in line and f"bucket={bucket} " in line]


@pytest.fixture(scope="module")
def growing():
    with running((), Uneven, settings="default_group = group2\nsse_c_over_http = loopback\n") as c:  # a default group cannot leave
        yield c


@pytest.fixture(scope="module")
def kept():
    with running((), Uneven, settings="spread_buckets = no\n") as c:
        yield c


def create_in_group1(s3, bucket):
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": ":group1"})


def new_ones_go_to(s3, bucket, group):
    """Until the gateway, which looks at the trackers once a second, has heard of it."""
    def does():
        s3.put_object(Bucket=bucket, Key="probe", Body=b"x")
        return group_of(s3, bucket, "probe") == group
    wait_until(f"objects of {bucket} in {group}", does)


def text(c, *words):
    """What a person sees."""
    return subprocess.run([str(BUILD / "s3gw"), "admin", "--socket", str(c.folder / "gateway/admin.sock"), *words],
                          capture_output=True, text=True, timeout=PATIENCE_S, env=sanitizer_env(os.environ))


def test_a_bucket_gets_a_group_by_itself_when_its_own_runs_low(growing):
    s3 = growing.boto3()
    for bucket in ("first", "idle", "parts", "copies"):
        create_in_group1(s3, bucket)
    s3.put_object(Bucket="first", Key="old", Body=payload("old", 1, 5000))
    assert growing.groups("first") == ["group1"] and group_of(s3, "first", "old") == "group1"
    growing.fill_group1()
    new_ones_go_to(s3, "first", "group2")
    wait_until("the list to grow", lambda: growing.groups("first") == ["group1", "group2"])
    for i in range(10):
        s3.put_object(Bucket="first", Key=f"k{i}", Body=payload("k", i, 300_000 if i % 3 == 0 else 2000))
        assert group_of(s3, "first", f"k{i}") == "group2"
    (line,) = wait_until("the log to say it", lambda: growing.said("first"))  # just after the list is there
    assert "group=group2 groups=group1,group2 reason=low" in line
    assert growing.groups("idle") == ["group1"], "nothing was written there"
    # a part of an upload, and a copy that is written anew, find it out as well
    upload = s3.create_multipart_upload(Bucket="parts", Key="m")["UploadId"]
    s3.upload_part(Bucket="parts", Key="m", UploadId=upload, PartNumber=1, Body=payload("p", 1, 300_000))
    wait_until("the list to grow", lambda: growing.groups("parts") == ["group1", "group2"])
    s3.copy_object(Bucket="copies", Key="k", CopySource="first/old", SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32)
    wait_until("the list to grow", lambda: growing.groups("copies") == ["group1", "group2"])
    assert s3.get_object(Bucket="first", Key="old")["Body"].read() == payload("old", 1, 5000)
    assert group_of(s3, "first", "old") == "group1"
    # it is in the record, and in what the storages alone can tell
    s3 = growing.restart_gateway()
    assert growing.groups("first") == ["group1", "group2"]
    s3 = growing.restart_gateway("--rebuild-index")
    assert growing.groups("first") == ["group1", "group2"] and growing.groups("idle") == ["group1"]
    for i in range(10):
        assert s3.get_object(Bucket="first", Key=f"k{i}")["Body"].read() == payload("k", i, 300_000 if i % 3 == 0 else 2000)
    new_ones_go_to(s3, "first", "group2")
    # with room again the first is the first again, and the list stays
    growing.empty_group1()
    new_ones_go_to(s3, "first", "group1")
    assert growing.groups("first") == ["group1", "group2"]
    assert len(growing.said("first")) == 1


def test_a_drained_group_is_passed_over_and_leaves_the_lists_when_it_is_emptied(growing):
    s3 = growing.boto3()
    growing.empty_group1()
    create_in_group1(s3, "leaving")
    new_ones_go_to(s3, "leaving", "group1")
    for i in range(5):
        s3.put_object(Bucket="leaving", Key=f"k{i}", Body=payload("l", i, 3000))
    assert dfs(growing, "admin", "drain", "group1").returncode == DONE
    new_ones_go_to(s3, "leaving", "group2")
    wait_until("the list to grow", lambda: growing.groups("leaving") == ["group1", "group2"])
    (line,) = wait_until("the log to say it", lambda: growing.said("leaving"))
    assert "reason=drained" in line
    growing.admin("rebalance", "start", "group1")
    wait_until("it to be empty", lambda: growing.admin("rebalance")["rebalance"]["state"] == "done")
    assert growing.groups("leaving") == ["group2"]
    for i in range(5):
        assert group_of(s3, "leaving", f"k{i}") == "group2"
        assert s3.get_object(Bucket="leaving", Key=f"k{i}")["Body"].read() == payload("l", i, 3000)
    growing.admin("rebalance", "stop")
    assert dfs(growing, "admin", "undrain", "group1").returncode == DONE


def test_by_command_a_bucket_keeps_to_its_list(kept):
    s3 = kept.boto3()
    for bucket in ("one", "two"):
        s3.create_bucket(Bucket=bucket)
        new_ones_go_to(s3, bucket, "group1")
    shown = text(kept, "bucket", "group", "two")
    assert shown.returncode == 0 and shown.stdout.split() == ["groups", "group1"]
    assert kept.admin("bucket", "group", "two", "group1", "group2")["groups"] == ["group1", "group2"]
    s3.put_object(Bucket="two", Key="k", Body=b"x")
    assert group_of(s3, "two", "k") == "group1", "the first has room"
    kept.fill_group1()
    new_ones_go_to(s3, "two", "group2")
    for i in range(10):
        for bucket, group in (("one", "group1"), ("two", "group2")):
            s3.put_object(Bucket=bucket, Key=f"k{i}", Body=payload(bucket, i, 300_000 if i == 3 else 100))
            assert group_of(s3, bucket, f"k{i}") == group
    assert kept.groups("one") == ["group1"] and not kept.said("one") and not kept.said("two")
    shown = text(kept, "bucket", "group", "two")
    assert shown.stdout.split() == ["groups", "group1", "group2"]
    rows = [row.split("\t") for row in text(kept, "bucket", "list").stdout.splitlines()]
    assert [(row[0], row[2]) for row in rows] == [("one", "group1"), ("two", "group1,group2")]
    for words, status in ((["group9"], 1), (["group1,group2,group9"], 1), (["group1", "group1"], 2), (["group1,"], 1)):
        assert text(kept, "bucket", "group", "two", *words).returncode == status
    assert text(kept, "bucket", "group").returncode == 2
    assert kept.groups("two") == ["group1", "group2"]
    # drained, a group is passed over; the only one of a bucket leaves it without
    kept.empty_group1()
    new_ones_go_to(s3, "two", "group1")
    assert dfs(kept, "admin", "drain", "group1").returncode == DONE
    new_ones_go_to(s3, "two", "group2")

    def refused():
        try:
            s3.put_object(Bucket="one", Key="late", Body=b"x")
        except s3.exceptions.ClientError as e:
            return e.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        return False
    assert refused()
    assert kept.admin("bucket", "group", "one", "group1,group2")["groups"] == ["group1", "group2"]
    s3.put_object(Bucket="one", Key="late", Body=b"x")
    assert group_of(s3, "one", "late") == "group2"
    assert dfs(kept, "admin", "undrain", "group1").returncode == DONE
